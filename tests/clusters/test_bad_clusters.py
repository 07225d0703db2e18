"""Clusters that cannot be asked: wrong files are told before anything is contacted, the rest is unknown - and no more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.anthos import PROFILE, cluster, machines, namespace, node
from tests.clusters.crds import BARE_METAL
from tests.faults.proxy import FaultProxy, Hang, Status, Tls, Truncated
from tests.lab.controlplane import ControlPlane
from tests.running import Result, preflight

MAINTENANCE = "abm-maintenance-annotation"
SECRET = "abm-kubeconfig-secret-overwritten"
KUBELET = "k8s-kubelet-dead-connection"
ALL = {MAINTENANCE, SECRET, KUBELET}
CLUSTERS = "--examine=clusters"
#: Few enough to tell for each what concerns it: two of bare metal, one of any cluster, two of the fleet.
FEW = f"""\
title: A few hazards of clusters
platform: anthos-bare-metal
target: "1.9"
source-version: abm_version
hazards: [{MAINTENANCE}, {SECRET}, {KUBELET}, abm-cluster-ip-overlap, abm-bootstrap-cidr-overlap]
"""


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """An admin cluster without trouble, and without addresses: several clusters of this module are it."""
    control_plane.apply(*BARE_METAL, keep=True)
    control_plane.apply(namespace("cluster-prod-admin"), cluster("prod-admin", "admin"))
    control_plane.apply(*machines("cluster-prod-admin", "192.0.2.1"), node("n1", "192.0.2.1"))
    yield control_plane
    control_plane.reset()


class TestUsageErrors:
    """One line with what, where and what to do, exit status 4, and nobody is contacted."""

    def check(self, plane: ControlPlane, tmp_path: Path, *args: str, says: tuple[str, ...]) -> None:
        began = plane.audit_position()
        run = preflight(PROFILE, CLUSTERS, *args, cwd=tmp_path)
        assert run.code == 4, run
        (line,) = [one for one in run.out.splitlines() if one.strip()]
        assert line.startswith("ERROR: ")
        for text in says:
            assert text in line
        assert plane.audit(since=began) == []
        assert not run.reports.exists()

    @pytest.mark.parametrize("by", ["option", "change"])
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (None, "No such file"),
            ("{", "YAML"),
            ("just words", "kubeconfig"),
            ("apiVersion: v1\nkind: Config\nclusters: []\n", "context"),
            (b"\xff\xfe\x00", "kubeconfig"),
        ],
        ids=["missing", "no YAML", "no kubeconfig", "no context", "binary"],
    )
    def test_a_kubeconfig_that_is_none(
        self, plane: ControlPlane, tmp_path: Path, content: str | bytes | None, says: str, by: str
    ) -> None:
        path = tmp_path / "prod.kubeconfig"
        if content is not None:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        fine = {"kubeconfig": str(plane.kubeconfig(path=tmp_path / "fine"))}
        change = tmp_path / "change.yaml"
        change.write_text(yaml.safe_dump({"clusters": {"fine": fine, "prod": {"kubeconfig": "prod.kubeconfig"}}}))
        args = [f"--kubeconfig={path}"] if by == "option" else [f"--change={change}"]
        self.check(plane, tmp_path, *args, says=("prod.kubeconfig", says))

    def test_a_context_that_is_not_there(self, plane: ControlPlane, tmp_path: Path) -> None:
        path = plane.kubeconfig(path=tmp_path / "prod.kubeconfig", context="prod-admin")
        args = (f"--kubeconfig={path}", "--kube-context=prod-admim")
        self.check(plane, tmp_path, *args, says=("prod.kubeconfig", "prod-admim", "prod-admin"))

    def test_a_desired_file_that_is_missing(self, plane: ControlPlane, tmp_path: Path) -> None:
        path = plane.kubeconfig(path=tmp_path / "prod.kubeconfig", context="prod-admin")
        args = (f"--kubeconfig={path}", "--desired=new.yaml")
        self.check(plane, tmp_path, *args, says=("--desired new.yaml", "No such file"))

    def test_an_admin_that_is_not_there(self, plane: ControlPlane, tmp_path: Path) -> None:
        change = tmp_path / "change.yaml"
        change.write_text(yaml.safe_dump({"clusters": {"store-1": {"admin": "prod-admin"}}}))
        says = ("change.yaml", "clusters.store-1", "prod-admin")
        self.check(plane, tmp_path, f"--change={change}", says=says)


#: name -> what is unknown of it, and what must be said of it.
TROUBLE: dict[str, tuple[set[str], str]] = {
    "fine": (set(), ""),
    "expired-login": (ALL, "refuses the credentials of user 'old'"),
    "wrong-token": (ALL, "refuses the credentials of user 'who'"),
    "may-nothing": (ALL, "forbidden to nobody: grant the role that --plan=rbac prints"),
    "dead": (ALL, "127.0.0.1:9"),
    "foreign-authority": (ALL, "is not signed by the authority in the kubeconfig"),
    "expired-server": (ALL, "has expired"),
    "other-name": (ALL, "is for another name"),
    "overloaded": ({KUBELET}, "overloaded (429 Too Many Requests)"),
    "broken": ({MAINTENANCE}, "answers 500"),
    "cut-short": ({MAINTENANCE, SECRET}, "does a proxy cut it short?"),
    "gone": ({KUBELET}, "expired while it was read (410)"),
    "silent": (ALL, "127.0.0.1"),
    "hanging": ({KUBELET}, "sent nothing for 30 s"),
}


@pytest.fixture(scope="module")
def run(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    """One change with all of them, and one that is fine; they are asked side by side."""
    place = tmp_path_factory.mktemp("trouble")
    with ExitStack() as stack:

        def proxy(tls: Tls = Tls.GOOD) -> FaultProxy:
            return stack.enter_context(FaultProxy(plane, tls))

        proxies = {
            "foreign-authority": proxy(Tls.FOREIGN),
            "expired-server": proxy(Tls.EXPIRED),
            "other-name": proxy(Tls.WRONG_HOST),
            "silent": proxy(Tls.SILENT),
            **{name: proxy() for name in ("overloaded", "broken", "cut-short", "gone", "hanging")},
        }
        proxies["overloaded"].inject(Status(429), "^/api/v1/nodes")
        proxies["broken"].inject(Status(500), "/baremetalmachines")
        proxies["cut-short"].inject(Truncated(), "/clusters")
        proxies["gone"].inject(Status(410), "^/api/v1/nodes")
        proxies["hanging"].inject(Hang(), "^/api/v1/nodes")
        files = {
            "fine": plane.kubeconfig(),
            "expired-login": plane.kubeconfig("old", groups=("system:masters",), expired=True),
            "wrong-token": plane.kubeconfig("who", token="0123456789abcdef"),
            "may-nothing": plane.kubeconfig("nobody"),
            "dead": plane.kubeconfig(server="https://127.0.0.1:9"),
            **{name: one.kubeconfig() for name, one in proxies.items()},
        }
        clusters = {name: {"kubeconfig": str(files[name]), "role": "admin"} for name in TROUBLE}
        change = place / "change.yaml"
        change.write_text(yaml.safe_dump({"upgrade": {"from": "1.8.3"}, "clusters": clusters}))
        profile = place / "few.yaml"
        profile.write_text(FEW)
        yield preflight(f"--profile={profile}", CLUSTERS, f"--change={change}", "-v", cwd=place)


class TestTrouble:
    def test_it_is_incomplete(self, run: Result) -> None:
        assert (run.code, run.report["verdict"]) == (10, "incomplete"), run

    @pytest.mark.parametrize("name", TROUBLE)
    def test_exactly_the_checks_concerned_are_unknown(self, run: Result, name: str) -> None:
        outcomes = run.on(name)
        expected, _ = TROUBLE[name]
        assert {hazard for hazard, outcome in outcomes.items() if outcome == "unknown"} == expected
        decided = {hazard: outcome for hazard, outcome in outcomes.items() if hazard not in expected}
        wanted = {MAINTENANCE: "clear", SECRET: "not-applicable", KUBELET: "clear"}
        assert decided == {hazard: wanted[hazard] for hazard in ALL - expected}

    @pytest.mark.parametrize("name", [name for name in TROUBLE if name != "fine"])
    def test_the_message_is_one_clear_line(self, run: Result, name: str) -> None:
        expected, says = TROUBLE[name]
        for hazard in expected:
            message = run.finding(hazard, name)["message"]
            assert says in message
            assert "\n" not in message
            assert len(message) < 400
            assert "give --upgrade-from" not in message

    @pytest.mark.parametrize("name", [name for name in TROUBLE if name != "fine"])
    def test_the_fleet_says_whom_it_could_not_see(self, run: Result, name: str) -> None:
        told = " ".join(one["message"] for one in run.report["findings"] if one["subject"] == "fleet")
        needed = {"broken": set()}.get(name, TROUBLE[name][0])
        assert (f"{name}: " in told) == bool(needed)

    def test_the_others_are_not_delayed(self, run: Result) -> None:
        seconds: dict[str, Any] = {name: one.get("seconds") for name, one in run.report["gather"]["subjects"].items()}
        assert seconds["hanging"] > 25
        assert seconds["fine"] < 10
        assert seconds["broken"] < 25

    def test_nothing_secret_and_no_traceback_is_told(self, run: Result, plane: ControlPlane) -> None:
        for name, text in run.texts.items():
            assert "Traceback" not in text, name
            for token in (*plane.tokens.values(), "0123456789abcdef"):
                assert token not in text, name
