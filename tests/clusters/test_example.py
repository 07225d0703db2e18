"""The example that ships: it loads, says what it is to say, and holds nothing of the machine on which it was made."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from tests.clusters import anthos
from tests.clusters.anthos import PROFILE
from tests.clusters.example_fleet import ACCOUNTS
from tests.clusters.make_example import EXAMPLE, make
from tests.running import Result, preflight

AGAIN = "the example is stale: make it anew with python -m tests.clusters.make_example"
EXPECTED = {
    ("abm-tmp-noexec", "store-1-wk-1"): ("hazard", "/tmp is mounted with noexec"),
    ("abm-maintenance-annotation", "store-1"): ("hazard", "2 of 5 machines"),
    ("abm-kubeconfig-secret-overwritten", "store-2"): ("hazard", "holds the kubeconfig of the admin cluster"),
    ("abm-cluster-ip-overlap", "fleet"): ("hazard", "store-2: address pool cameras 198.51.100.216/29"),
    ("abm-node-unreachable", "store-1"): ("hazard", "1 of 5 nodes: store-1-wk-4 is not heard of"),
    ("abm-rp-filter", "store-1-wk-2"): (
        "warning",
        "/etc/sysctl.d/99-hardening.conf line 1 sets it to 1 at the next boot",
    ),
    ("k8s-kubelet-dead-connection", "store-1"): ("warning", "2 of 5 nodes"),
    ("abm-pending-kubelet-csr", "store-2"): ("unknown", "add the rules that --plan=sudoers prints"),
}
#: And some of the others, which must not be found by accident.
QUIET = {
    ("abm-tmp-noexec", "store-1-cp-1"): ("clear", ""),
    ("abm-tmp-noexec", "admin-station"): ("clear", ""),
    ("abm-centos-repos", "store-1-cp-1"): ("not-applicable", "Ubuntu 20.04.4 LTS, not CentOS"),
    ("abm-maintenance-annotation", "prod-admin"): ("clear", ""),
    ("abm-maintenance-annotation", "store-2"): ("clear", ""),
    ("abm-kubeconfig-secret-overwritten", "store-1"): ("clear", ""),
    ("abm-application-default-credentials", "admin-station"): ("clear", ""),
    ("abm-service-account-unverified", "fleet"): ("clear", ""),
    ("abm-nodepool-edited", "store-1"): ("clear", ""),
    ("abm-pending-kubelet-csr", "store-1"): ("clear", ""),
    ("abm-pleg-unhealthy", "store-2-wk-1"): ("clear", ""),
    ("abm-ca-rotation-clientconfig", "store-2"): ("clear", ""),
    ("k8s-kubelet-dead-connection-log", "store-1-cp-1"): ("clear", ""),
    ("k8s-kubelet-dead-connection", "store-2"): ("clear", ""),
    ("k8s-zombie-node", "fleet"): ("clear", "their hosts run none of their pods: store-1/store-1-wk-4"),
}
#: Addresses that stand for nobody's machine: of documentation, of pods and services, of the machine itself.
NOBODYS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "10.200.0.0/16", "10.201.0.0/20", "127.0.0.0/8")


def check(run: Result) -> None:
    assert (run.code, run.report["verdict"]) == (1, "no-go"), run
    for (hazard, subject), (outcome, says) in {**EXPECTED, **QUIET}.items():
        found = run.finding(hazard, subject)
        assert found["outcome"] == outcome, found
        assert says in found["message"]
    spoken = {key: outcome for key, outcome in run.outcomes.items() if outcome not in ("clear", "not-applicable")}
    assert spoken == {key: outcome for key, (outcome, _) in EXPECTED.items()}
    stale = [one for one in run.report["findings"] if "not in this snapshot" in one["message"]]
    assert stale == [], AGAIN


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return preflight(PROFILE, f"--snapshot={EXAMPLE}", cwd=tmp_path_factory.mktemp("example"), own=False)


def test_it_says_no_go_and_why(run: Result) -> None:
    check(run)


def test_a_person_reads_what_to_do(run: Result) -> None:
    assert "NO-GO: 5 blocking hazards, 1 unknown" in run.out
    remedy = "  kubectl --kubeconfig ADMIN_KUBECONFIG annotate baremetalmachines -n cluster-store-1 198.51.100.13 198.51.100.14"
    assert f"{remedy} {anthos.MAINTENANCE}-" in run.out  # in one line, to be copied
    evidence = run.finding("abm-kubeconfig-secret-overwritten", "store-2")["evidence"]
    assert [one["read"].partition(" {")[0] for one in evidence] == ["get secrets"]


def test_the_readme_quotes_it(run: Result) -> None:
    """As it was printed, but for what it says is left out."""
    text = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    quoted = text.partition("## What a run looks like")[2].partition("```console\n$ ")[2].partition("$ echo $?\n1\n")[0]
    assert quoted.startswith(f"pytest --profile anthos-bare-metal-1.9 --snapshot examples/{EXAMPLE.name}\n")
    printed = "\n".join(line for line in run.out.splitlines() if line)
    for part in quoted.partition("\n")[2].split("[…]\n"):
        assert "\n".join(line for line in part.splitlines() if line) in printed


def test_the_report_begins_with_the_verdict(run: Result) -> None:
    html = run.texts["preflight.html"]
    assert "NO-GO" in html
    assert '"environment": {}' in html.replace("&#34;", '"')  # of the machine that pytest ran on


def test_the_file_is_small_and_about_nobodys_machines() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text) < 300_000
    # Of the login user of the example there is a home; else of nobody. SECRET- stands in what bmctl's files must not tell.
    secrets = (anthos.USER_TOKEN, anthos.USER_PASSWORD, "PRIVATE KEY", 'private_key"', "SECRET-")
    ours = ("/root", "/work/", "/run/pytest", "/tmp/", "overlay")
    for word in (*secrets, *ours):
        assert word not in text, word
    assert set(re.findall(r"/home/\w+", text)) == {"/home/ops"}
    allowed = [ip_network(one) for one in NOBODYS]
    for found in set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)):
        assert any(ip_address(found) in one for one in allowed), found


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="the lab of test hosts needs root")
def test_it_can_be_made_anew(tmp_path: Path) -> None:
    """From real API servers and real hosts, with the same findings live and from the file."""
    live = make(tmp_path / "again.json")
    check(live)
    kept = (tmp_path / "again.json").read_text(encoding="utf-8")
    for account in ACCOUNTS.values():
        assert [line for line in account["private_key"].splitlines() if line in kept] == []
    again = preflight(PROFILE, f"--snapshot={tmp_path / 'again.json'}", cwd=tmp_path)
    assert again.report["findings"] == live.report["findings"]
