"""Workstations after an interrupted upgrade of EKS Anywhere, over real logins, beside the API servers of both clusters."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.eksa_recovery import PASSWORD, apply, as_document, move, serve, wanted
from tests.hazards.eksa_recovery import MACHINES, NAME, backup, table
from tests.hosts.conftest import impossible
from tests.lab.controlplane import ControlPlane, ControlPlaneUnavailable
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.running import Result, preflight

pytestmark = pytest.mark.root

BACKUP, LEFT, OBJECTS = "eksa-capi-backup-missing", "eksa-bootstrap-leftover", "eksa-capi-objects-in-bootstrap"
KIND = f"container|{NAME}-eks-a-cluster-control-plane|Up 2 hours|2023-04-15 15:24:41 +0000 UTC"
TOOLS = "container|eksa_1681572481616591501|Exited (137) 3 days ago|2023-04-15 15:28:01 +0000 UTC"
OTHER = "container|kind-control-plane|Up 2 hours|2023-04-15 15:24:41 +0000 UTC"
ETCD = table(MACHINES)[1]["metadata"]["name"]
SECRET = "SECRET-OF-A-MACHINE"
#: Docker's command line, which asks nobody: it says what the user's home holds, or that it may not.
DOCKER = """\
#!/bin/sh
[ "$1" = ps ] || exit 64
[ -f "$HOME/containers" ] && exec cat "$HOME/containers"
echo "permission denied while trying to connect to the Docker daemon socket at $DOCKER_HOST" >&2
exit 1
"""
KUBECONFIG = {f"{NAME}/generated/{NAME}.kind.kubeconfig": "users: [{user: {token: SECRET-OF-A-MACHINE}}]\n"}
LATER = "find /home/*/*-backup /srv/eksa/*-backup -exec touch -d '+1 hour' {} +"
#: User of the workstation -> files below the home.
USERS = {
    "left": {"containers": f"{OTHER}\n{KIND}\n{TOOLS}\n", **KUBECONFIG},
    "saved": {"containers": "", **backup()},
    "lacks": {"containers": f"{OTHER}\n", **{path: text for path, text in backup().items() if ETCD not in path}},
    "stale": {"containers": "", **backup()},
    "rooted": {"containers": "", **backup()},
    "paper": {"containers": "", **KUBECONFIG},
    "denied": {".profile": "export DOCKER_HOST=unix:///run/user/docker.sock\n"},
    "hidden": {"containers": "", **KUBECONFIG},
    "clean": {"containers": f"{OTHER}\n", f"{NAME}/{NAME}-eks-a-cluster.yaml": "kind: Cluster\n"},
}
STATION = HostSpec(
    "station",
    users=[UserSpec(one) for one in USERS],
    files={
        "/usr/bin/docker": (DOCKER, 0o755, "root"),
        **{f"/home/{user}/{name}": (text, 0o644, user) for user, held in USERS.items() for name, text in held.items()},
        **{f"/srv/eksa/{name}": text for name, text in backup().items()},
    },
    prestart=(
        LATER,
        f"touch -d '2023-04-15 12:00' /home/stale/{NAME}-backup/*",
        # As a container that runs as root leaves it.
        f"chown -R root /home/rooted/{NAME}-backup && chmod 600 /home/rooted/{NAME}-backup/*",
        f"chown root /home/hidden/{NAME}/generated && chmod 700 /home/hidden/{NAME}/generated",
    ),
)


class Workstations:
    """The workstation with its users, and both clusters."""

    def __init__(self, lab: Lab, boot: ControlPlane, mgmt: ControlPlane, place: Path) -> None:
        self.lab, self.boot, self.mgmt, self.place = lab, boot, mgmt, place

    def run(self, step: str, situation: str, *users: str, boot: bool = True, **parameters: str) -> Result:
        clusters: dict[str, Any] = {"mgmt": self._of(self.mgmt, "management")}
        if boot:
            clusters["kind"] = self._of(self.boot, "bootstrap")
        keys = {
            "profile": "eks-anywhere-1.23",
            "clusters": clusters,
            "hosts": {one: {"connection": f"ssh://{one}@station", "roles": ["workstation"]} for one in users},
            "ssh": {"config": str(self.lab.ssh_config)},
            "parameters": parameters,
        }
        change, kept = self.place / f"{step}.yaml", self.place / f"{step}.json"
        change.write_text(yaml.safe_dump(keys), encoding="utf-8")
        options = (f"--change={change}", f"--situation={situation}", f"--save-snapshot={kept}")
        found = preflight(*options, cwd=self.place, reports=step)
        assert kept.exists(), found
        for said in (*found.texts.values(), kept.read_text(encoding="utf-8")):
            assert SECRET not in said
            assert PASSWORD not in said
        return found

    def _of(self, cluster: ControlPlane, role: str) -> dict[str, str]:
        return {"kubeconfig": str(cluster.kubeconfig(context=role)), "role": role}


@pytest.fixture(scope="module")
def workstations(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workstations]:
    """The objects of the management cluster are in its bootstrap cluster."""
    lab = Lab()
    try:
        lab.start([STATION])
    except LabError as error:
        impossible(error)
    try:
        with lab.entered(), ControlPlane() as boot, ControlPlane() as mgmt:
            for one in (boot, mgmt):
                serve(one)
            apply(mgmt, wanted("true"))
            apply(boot, *as_document())
            yield Workstations(lab, boot, mgmt, tmp_path_factory.mktemp("workstations"))
    except ControlPlaneUnavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no control plane, and CI must not pass without: {reason}", pytrace=False)
        pytest.skip(f"no control plane: {reason}")
    finally:
        lab.stop()


@pytest.fixture(scope="module")
def stuck(workstations: Workstations) -> Result:
    return workstations.run("stuck", "stuck", "left", "lacks", "paper", "denied", "hidden", "clean")


@pytest.fixture(scope="module")
def repair(workstations: Workstations) -> Result:
    return workstations.run("repair", "repair", *USERS)


@pytest.fixture(scope="module")
def elsewhere(workstations: Workstations) -> Result:
    return workstations.run("elsewhere", "repair", "clean", **{"eksa-directory": "/srv/eksa"})


@pytest.fixture(scope="module")
def done(workstations: Workstations, repair: Result, elsewhere: Result) -> Result:
    """All is moved, and the last run of eksctl anywhere has cleaned up: the bootstrap cluster is no more."""
    move(workstations.boot, workstations.mgmt, as_document())
    return workstations.run("done", "repair", "clean", boot=False)


@pytest.fixture(scope="module")
def forgotten(workstations: Workstations, done: Result) -> Result:
    """All is moved, but a bootstrap cluster runs that nobody has named."""
    return workstations.run("forgotten", "repair", "left", boot=False)


def lines_of(finding: dict[str, Any]) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(LEFT)
def test_what_an_interrupted_upgrade_left(stuck: Result) -> None:
    assert {(user, stuck.on(user)[LEFT]) for user in ("left", "lacks", "paper", "denied", "hidden", "clean")} == {
        ("left", "hazard"),
        ("lacks", "clear"),
        ("paper", "warning"),
        ("denied", "unknown"),
        ("hidden", "unknown"),
        ("clean", "clear"),
    }
    found = stuck.finding(LEFT, "left")
    for said in (
        f"bootstrap cluster of {NAME}",
        "(Up 2 hours)",
        f"/home/left/{NAME}/generated/",
        "(Exited (137) 3 days",
    ):
        assert said in found["message"]
    assert "kind-control-plane" not in found["message"]
    assert {KIND, TOOLS} <= set(lines_of(found))
    assert f"-f {NAME}/{NAME}-eks-a-cluster.yaml --force-cleanup -v9" in found["remedy"]
    # The login shell's DOCKER_HOST has reached it.
    assert "permission denied" in stuck.finding(LEFT, "denied")["message"]
    assert "docker.sock" in stuck.finding(LEFT, "denied")["message"]


@pytest.mark.real(BACKUP)
def test_the_backup(repair: Result, elsewhere: Result) -> None:
    assert {user: repair.on(user)[BACKUP] for user in USERS} == {
        "left": "hazard",
        "saved": "clear",
        "lacks": "hazard",
        "stale": "hazard",
        "rooted": "unknown",
        "paper": "hazard",
        "denied": "hazard",
        "hidden": "hazard",
        "clean": "hazard",
    }
    assert f"there is no backup /home/clean/{NAME}-backup" in repair.finding(BACKUP, "clean")["message"]
    assert f"lacks Machine {ETCD}" in repair.finding(BACKUP, "lacks")["message"]
    assert "before bootstrap cluster kind was made" in repair.finding(BACKUP, "stale")["message"]
    assert "connect as root" in repair.finding(BACKUP, "rooted")["message"]
    found = repair.finding(BACKUP, "lacks")
    assert f"docker start eksa_1681572481616591501 && \\\nmkdir -p {NAME}-backup" in found["remedy"]
    assert f"/srv/eksa/{NAME}-backup of " in elsewhere.finding(BACKUP, "clean")["message"]
    assert elsewhere.on("clean")[BACKUP] == "clear"


def test_around_the_repair_the_containers_are_needed(repair: Result) -> None:
    assert repair.finding(LEFT, "left")["outcome"] == "warning"
    found = repair.finding(OBJECTS, "fleet")
    assert found["outcome"] == "hazard"
    assert "docker exec -i eksa_1681572481616591501 clusterctl move --to-directory" in found["remedy"]


@pytest.mark.real(OBJECTS)
def test_every_step_is_done(done: Result) -> None:
    assert done.code == 0, done
    assert done.on("clean") == {LEFT: "clear", BACKUP: "not-applicable"}
    assert "nothing is to be moved" in done.finding(BACKUP, "clean")["message"]
    assert done.finding(OBJECTS, "fleet")["outcome"] == "clear"
    assert done.report["verdict"] == "go"


def test_a_bootstrap_cluster_that_nobody_named(forgotten: Result) -> None:
    found = forgotten.finding(OBJECTS, "fleet")
    assert found["outcome"] == "unknown"
    assert "left has a bootstrap cluster that the change does not name" in found["message"]
