"""The workstation after an interrupted upgrade: containers and files that are left."""

from __future__ import annotations

import pytest

from checks.eks_anywhere.facts_recovery_workstation import recovery_containers, recovery_directory
from conformance.hazards import Situation
from tests.hazards.eksa_recovery import (
    MACHINES,
    NAME,
    backup,
    directory,
    directory_key,
    fleet,
    station,
    table,
)
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Machine, Said

LEFT, BACKUP = "eksa-bootstrap-leftover", "eksa-capi-backup-missing"
FIRST, ETCD, WORKER = (one["metadata"]["name"] for one in table(MACHINES))
KIND = f"{NAME}-eks-a-cluster-control-plane|Up 2 hours|2023-04-15 15:24:41 +0000 UTC"
TOOLS = "eksa_1681572481616591501|Up 2 hours|2023-04-15 15:28:01 +0000 UTC"
KUBECONFIG = {f"{NAME}/generated/{NAME}.kind.kubeconfig": "apiVersion: v1\nusers: [{user: {token: SECRET}}]\n"}
#: What else lies in such a directory.
ORDINARY = {
    f"{NAME}/{NAME}-eks-a-cluster.yaml": "kind: Cluster\n",
    f"{NAME}/{NAME}-eks-a-cluster.kubeconfig": "SECRET",
    f"{NAME}/generated/{NAME}-eks-a-cluster.yaml": "kind: Cluster\n",
    f"{NAME}/logs/log.txt": "",
    "eks-anywhere-downloads/generated/other.kind.kubeconfig": "",
    "notes.kind.kubeconfig": "",
}


def left(hazard, machine, **world):
    return evaluate(hazard, hosts={"station": machine}, **world)


# -- what is left


@proves(LEFT, kind=PRESENT, remedy="--force-cleanup")
@pytest.mark.parametrize(
    ("machine", "says", "line"),
    [
        pytest.param(
            station(KIND, TOOLS, files={**KUBECONFIG, **ORDINARY}),
            f"the bootstrap cluster of {NAME}, {NAME}-eks-a-cluster-control-plane (Up 2 hours), with its kubeconfig "
            f"/home/ops/{NAME}/generated/{NAME}.kind.kubeconfig, and the tools container eksa_1681572481616591501 (Up 2 hours)",
            f"container|{KIND}",
            id="all of it",
        ),
        pytest.param(
            station(KIND), f"bootstrap cluster of {NAME}", f"container|{KIND}", id="the bootstrap cluster alone"
        ),
        pytest.param(station(TOOLS), "the tools container eksa_1", f"container|{TOOLS}", id="the tools alone"),
        pytest.param(
            station(TOOLS.replace("Up 2 hours", "Exited (137) 3 days ago")),
            "eksa_1681572481616591501 (Exited (137) 3 days ago)",
            "Exited (137)",
            id="one that ended",
        ),
        pytest.param(
            station(TOOLS, TOOLS.replace("591501", "591601")),
            "eksa_1681572481616591601 (Up 2 hours), and the tools container eksa_1681572481616591501",
            "container|eksa_1681572481616591601",
            id="several, the latest first",
        ),
        pytest.param(station(TOOLS, engine="podman"), "the tools container", f"container|{TOOLS}", id="podman"),
        pytest.param(
            station(KIND, processes=[4711, 4712]),
            "eksctl anywhere runs (process 4711, 4712)",
            f"container|{KIND}",
            id="an upgrade that still goes on",
        ),
    ],
)
def test_something_is_left(hazard, machine, says, line):
    finding = left(hazard, machine)
    assert says in finding.message
    assert any(line in held for one in finding.evidence for held in one.lines)
    assert "Delete nothing by hand" in finding.remedy
    assert ("End no eksctl anywhere that still works" in finding.remedy) is ("process" in finding.message)
    assert all(one.startswith("# ") for one in finding.remedy.split("\n")), "a paste must not clean up"
    return finding


@proves(
    LEFT, kind=PRESENT, says=["bootstrap cluster of a,", "bootstrap cluster of b,"], remedy="-f b/b-eks-a-cluster.yaml"
)
def test_every_bootstrap_cluster_is_named(hazard):
    finding = left(hazard, station(*(f"{one}-eks-a-cluster-control-plane|Up|x" for one in "ba")))
    assert finding.message.count("-control-plane") == 2
    assert "-f a/a-eks-a-cluster.yaml" in finding.remedy
    return finding


@proves(LEFT, kind=LOWERED, says=["still there: the bootstrap cluster"])
def test_around_the_repair_they_are_needed(hazard):
    return left(hazard, station(KIND, TOOLS), situation=Situation.REPAIR)


@proves(
    LEFT, kind=LOWERED, says=["cluster3.kind.kubeconfig is the kubeconfig of a bootstrap cluster"], line="kubeconfig "
)
@pytest.mark.parametrize("situation", [Situation.STUCK, Situation.REPAIR])
@pytest.mark.parametrize(("engine", "says"), [("docker", "docker knows none"), ("none", "neither docker nor podman")])
def test_a_kubeconfig_without_its_cluster(hazard, engine, says, situation):
    finding = left(hazard, station(engine=engine, files=KUBECONFIG), situation=situation)
    assert says in finding.message
    return finding


@proves(LEFT, kind=ABSENT)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(station(), id="nothing"),
        pytest.param(station(files={**ORDINARY, **backup()}), id="an ordinary directory"),
        pytest.param(station("kind-control-plane|Up 2 days|x", "dev-control-plane|Up|x"), id="another KinD cluster"),
        pytest.param(station("my_eksa_tools|Up|x", "eksa_tools|Up|x", "eksa_1-x|Up|x"), id="almost that name"),
        pytest.param(station(f"{NAME}-eks-a-cluster-worker|Up|x"), id="a worker of another KinD cluster"),
        pytest.param(station(home="directory /home/ops\nabsent\n"), id="no directory"),
        pytest.param(station(processes=[4711]), id="eksctl anywhere that has made nothing"),
    ],
)
def test_nothing_is_left(hazard, machine):
    return [left(hazard, machine), left(hazard, machine, situation=Situation.REPAIR)]


@proves(LEFT, kind=NOT_APPLICABLE, says=["neither docker nor podman is installed"])
def test_no_engine(hazard):
    return left(hazard, station(engine="none"))


@pytest.mark.parametrize("roles", [(), ("control-plane",), ("worker",)])
@pytest.mark.parametrize("hazard", [LEFT, BACKUP])
def test_only_on_a_workstation(hazard, roles):
    assert findings(hazard, hosts={"n1": Machine(roles=roles)}, clusters=fleet()) == {}


def test_no_matter_of_before():
    assert findings(LEFT, hosts={"station": station(KIND)}, situation=Situation.BEFORE) == {}


@proves(LEFT, kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(
            station(
                said="engine docker\nfailed 1 Got permission denied while trying to connect to the Docker daemon\n"
            ),
            id="no right to ask docker",
        ),
        pytest.param(station(said="engine docker\nfailed 125 Error: cannot connect\n"), id="docker is down"),
        pytest.param(station(KIND, said=f"engine docker\ncontainer|{KIND}\n"), id="broken off"),
        pytest.param(station(said=""), id="nothing is said"),
        pytest.param(station(said="engine lxc\ndone\n"), id="another engine"),
        pytest.param(station(said="engine docker\nWARNING: no blkio\ndone\n"), id="something else"),
        pytest.param(station(broken={recovery_containers: "timed-out"}), id="containers timed out"),
        pytest.param(station(broken={recovery_directory: "cut-off"}), id="the directory cut off"),
        pytest.param(station(broken={"*": "unreachable"}), id="unreachable"),
        pytest.param(station(home="directory /home/ops\nrefused Permission denied\n"), id="the directory refused"),
        pytest.param(station(home=f"directory /home/ops\nhidden {NAME}/generated\n"), id="a folder hidden"),
        pytest.param(station(home="directory\n"), id="no directory named"),
        pytest.param(station(home=Said(stderr="sh: stat: not found", rc=5)), id="no stat"),
        pytest.param(
            Machine(roles=("workstation",), environment=None, says={directory_key(): directory({})}),
            id="no login shell",
        ),
    ],
)
def test_what_is_left_is_not_known(hazard, machine):
    return left(hazard, machine)
