"""The example that ships: it loads, says what it is to say, and holds nothing of the machine on which it was made."""

from __future__ import annotations

import os
import re
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from tests.clusters import anthos
from tests.clusters.anthos import PROFILE
from tests.clusters.make_example import EXAMPLE, make
from tests.running import Result, preflight

AGAIN = "the example is stale: make it anew with python -m tests.clusters.make_example"
EXPECTED = {
    ("abm-tmp-noexec", "store-1-wk-1"): ("hazard", "/tmp is mounted with noexec"),
    ("abm-tmp-noexec", "store-1-cp-1"): ("clear", ""),
    ("abm-tmp-noexec", "admin-station"): ("clear", ""),
    ("abm-centos-repos", "store-1-cp-1"): ("not-applicable", "Ubuntu 20.04.4 LTS, not CentOS"),
    ("abm-maintenance-annotation", "prod-admin"): ("clear", ""),
    ("abm-maintenance-annotation", "store-1"): ("hazard", "2 of 5 machines"),
    ("abm-maintenance-annotation", "store-2"): ("clear", ""),
    ("abm-kubeconfig-secret-overwritten", "store-1"): ("clear", ""),
    ("abm-kubeconfig-secret-overwritten", "store-2"): ("hazard", "holds the kubeconfig of the admin cluster"),
    ("abm-cluster-ip-overlap", "fleet"): ("hazard", "store-2: address pool cameras 198.51.100.216/29"),
    ("k8s-kubelet-dead-connection", "prod-admin"): ("clear", ""),
    ("k8s-kubelet-dead-connection", "store-1"): ("warning", "2 of 5 nodes"),
    ("k8s-kubelet-dead-connection", "store-2"): ("unknown", "no kubeconfig is given for cluster store-2"),
}
#: Addresses that stand for nobody's machine: of documentation, of pods and services, of the machine itself.
NOBODYS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "10.200.0.0/16", "10.201.0.0/20", "127.0.0.0/8")


def check(run: Result) -> None:
    assert (run.code, run.report["verdict"]) == (1, "no-go"), run
    for (hazard, subject), (outcome, says) in EXPECTED.items():
        found = run.finding(hazard, subject)
        assert found["outcome"] == outcome, found
        assert says in found["message"]
    stale = [one for one in run.report["findings"] if "not in this snapshot" in one["message"]]
    assert stale == [], AGAIN


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Result:
    return preflight(PROFILE, f"--snapshot={EXAMPLE}", cwd=tmp_path_factory.mktemp("example"))


def test_it_says_no_go_and_why(run: Result) -> None:
    check(run)


def test_a_person_reads_what_to_do(run: Result) -> None:
    assert "NO-GO: 4 blocking hazards, 2 unknown" in run.out
    remedy = "  kubectl --kubeconfig ADMIN_KUBECONFIG annotate baremetalmachines -n cluster-store-1 198.51.100.13 198.51.100.14"
    assert f"{remedy} {anthos.MAINTENANCE}-" in run.out  # in one line, to be copied
    evidence = run.finding("abm-kubeconfig-secret-overwritten", "store-2")["evidence"]
    assert [one["read"].partition(" {")[0] for one in evidence] == ["get secrets"]


def test_the_report_begins_with_the_verdict(run: Result) -> None:
    html = run.texts["preflight.html"]
    assert "NO-GO" in html
    assert '"environment": {}' in html.replace("&#34;", '"')  # of the machine that pytest ran on


def test_the_file_is_small_and_about_nobodys_machines() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    assert len(text) < 200_000
    for word in ("/root", "/home", "/work", "/run/pytest", "/tmp/", "overlay", anthos.USER_TOKEN, "PRIVATE KEY"):
        assert word not in text, word
    allowed = [ip_network(one) for one in NOBODYS]
    for found in set(re.findall(r"\b\d+\.\d+\.\d+\.\d+\b", text)):
        assert any(ip_address(found) in one for one in allowed), found


@pytest.mark.root
@pytest.mark.skipif(os.geteuid() != 0, reason="the lab of test hosts needs root")
def test_it_can_be_made_anew(tmp_path: Path) -> None:
    """From real API servers and real hosts, with the same findings live and from the file."""
    live = make(tmp_path / "again.json")
    check(live)
    again = preflight(PROFILE, f"--snapshot={tmp_path / 'again.json'}", cwd=tmp_path)
    assert again.report["findings"] == live.report["findings"]
