"""Control-plane hosts of OpenShift on which a repair of etcd was begun, and left there, by the document's own commands."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.hosts.conftest import impossible
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.running import Result, preflight

pytestmark = pytest.mark.root

BACKUP, MOVED = "ocp-etcd-no-backup", "ocp-etcd-static-pod-moved"
PLACE = "/home/core/assets/backup"
MANIFESTS = "/etc/kubernetes/manifests"
#: As RHCOS has it: everybody logs in as core, whose home is closed to others.
CORE = (UserSpec("core"),)
POD = {
    f"{MANIFESTS}/etcd-pod.yaml": "kind: Pod\n",
    f"{MANIFESTS}/kube-apiserver-pod.yaml": "kind: Pod\n",
}
DATA = ("mkdir -p -m 700 /var/lib/etcd/member/snap", "chmod 700 /var/lib/etcd")
#: Step 1 of the document.
STEP_1 = (
    "mkdir /var/lib/etcd-backup",
    f"mv {MANIFESTS}/etcd-pod.yaml /var/lib/etcd-backup/",
    "mv /var/lib/etcd/ /tmp",
)


def backup(*kinds: str, age: str = "1 hour ago") -> tuple[str, ...]:
    """Files as cluster-backup.sh names them, with something in them, for root's eyes only."""
    made = [f"s=$(date -d '{age}' +%F_%H%M%S); mkdir -p {PLACE}", f"cd {PLACE}", "umask 077"]
    for name in kinds:
        made += [f"echo x >{name}", f"touch -d '{age}' {name}"]
    return ("; ".join(made),)


SNAPSHOT, RESOURCES = "snapshot_$s.db", "static_kuberesources_$s.tar.gz"
HOSTS = (
    HostSpec(
        "cp-moved", users=CORE, files=POD, prestart=(*DATA, *STEP_1, *backup(SNAPSHOT, RESOURCES, age="3 days ago"))
    ),
    HostSpec("cp-half", users=CORE, files=POD, prestart=(*DATA, *backup(SNAPSHOT))),
    HostSpec("cp-good", users=CORE, files=POD, prestart=(*DATA, *backup(SNAPSHOT, RESOURCES))),
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Lab]:
    """The control plane of one cluster."""
    try:
        hosts = Lab()
        hosts.start(HOSTS)
    except LabError as error:
        impossible(error)
    yield hosts
    hosts.stop()


def run_on(lab: Lab, place: Path, *hosts: str) -> Result:
    keys: dict[str, Any] = {
        "profile": "openshift-4.10",
        "upgrade": {"from": "4.9.11"},
        "examine": ["hosts"],
        "hosts": {one: {"connection": f"ssh://core@{one}", "roles": ["control-plane"]} for one in hosts},
        "ssh": {"config": str(lab.ssh_config)},
    }
    path = place / "change.yaml"
    path.write_text(yaml.safe_dump(keys), encoding="utf-8")
    with lab.entered():
        return preflight(f"--change={path}", "--situation=repair", cwd=place)


@pytest.fixture(scope="module")
def run(nodes: Lab, tmp_path_factory: pytest.TempPathFactory) -> Result:
    return run_on(nodes, tmp_path_factory.mktemp("openshift"), "cp-moved", "cp-half")


def lines_of(finding: dict[str, Any]) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(MOVED)
def test_the_static_pod_was_moved_and_not_brought_back(run: Result) -> None:
    assert run.code == 1, run
    found = run.finding(MOVED, "cp-moved")
    assert found["outcome"] == "warning"
    assert f"there is no {MANIFESTS}/etcd-pod.yaml: it was moved to /var/lib/etcd-backup" in found["message"]
    assert "there is no /var/lib/etcd: it was moved to /tmp/etcd" in found["message"]
    assert f"absent: {MANIFESTS}/etcd-pod.yaml" in lines_of(found)
    assert "present: /tmp/etcd" in lines_of(found)
    assert run.finding(MOVED, "cp-half")["outcome"] == "clear"


@pytest.mark.real(BACKUP)
def test_an_old_backup_and_half_of_a_new_one_are_none(run: Result) -> None:
    found = run.finding(BACKUP, "fleet")
    assert found["outcome"] == "hazard"
    assert f"no whole backup of the last 24 hours in {PLACE} on any control-plane node" in found["message"]
    assert "3 days old" in found["message"]
    assert "is 1 hour old, its static pod resources is missing" in found["message"]
    assert any(one.startswith(f"cp-half: {PLACE}: 2 ") and "snapshot_" in one for one in lines_of(found))
    assert f"sudo /usr/local/bin/cluster-backup.sh {PLACE}" in found["remedy"]


def test_a_backup_on_one_node_suffices(nodes: Lab, tmp_path: Path) -> None:
    found = run_on(nodes, tmp_path, "cp-moved", "cp-good").finding(BACKUP, "fleet")
    assert found["outcome"] == "clear"
    assert "cp-good has that of " in found["message"]
