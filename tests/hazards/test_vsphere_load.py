"""Load of control-plane nodes, as the metrics API tells of nodes and pods."""

from __future__ import annotations

import pytest

from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.vsphere import NAME, node, supervisor, world

LOAD = "vks-control-plane-overloaded"
NODES, PODS = "nodes.metrics.k8s.io", "pods.metrics.k8s.io"
ROOM = {"allocatable": {"cpu": "4", "memory": "8Gi"}}


def usage(name, cpu, memory):
    return {"metadata": {"name": name}, "usage": {"cpu": cpu, "memory": memory}}


def pod(name, on, cpu, memory, namespace="shop", owner=("ReplicaSet", "web-5d8f")):
    """A pod with what its two containers use, half of it each; and the pod itself."""
    meta = {"name": name, "namespace": namespace, "labels": {"pod-template-hash": "5d8f"}}
    if owner:
        meta["ownerReferences"] = [{"kind": owner[0], "name": owner[1], "controller": True}]
    half = [{"name": one, "usage": {"cpu": f"{cpu // 2}m", "memory": f"{memory // 2}Mi"}} for one in ("app", "sidecar")]
    return {"metadata": meta, "spec": {"nodeName": on}}, {"metadata": meta, "containers": half}


def at(hazard, used, pods=(), nodes=None, **more):
    """The finding on a cluster whose nodes use that much: name -> CPU and memory; None where nothing is told."""
    nodes = [node(name, **ROOM) for name in used] if nodes is None else nodes
    objects = {
        "pods": [one for one, _ in pods],
        NODES: [usage(name, *amounts) for name, amounts in used.items() if amounts],
        PODS: [one for _, one in pods],
        **more.pop("objects", {}),
    }
    parameters = more.pop("parameters", None)
    return evaluate(hazard, subject=NAME, clusters=world(supervisor(), nodes, objects, **more), parameters=parameters)


QUIET = {"cp-1": ("500m", "2Gi"), "cp-2": ("1", "3000Mi")}


@proves(LOAD, kind=PRESENT, says=["cp-2 uses", "limits: 85 %"], line="node cp-2: CPU", remedy="kubectl top pods -A")
@pytest.mark.parametrize(
    ("cpu", "memory", "words"),
    [
        ("3500m", "2Gi", "88 % of the CPU"),
        ("3900000000n", "1Gi", "98 % of the CPU"),
        ("500m", "7372Mi", "90 % of the memory"),
        ("3600m", "7340032Ki", "90 % of the CPU and 88 % of the memory"),
    ],
)
def test_a_node_is_busy(hazard, cpu, memory, words):
    finding = at(hazard, {**QUIET, "cp-2": (cpu, memory)})
    assert words in finding.message
    assert "cp-1" not in finding.message
    return finding


@proves(
    LOAD,
    kind=PRESENT,
    says=["pods that are not part of the system use 40 % of the memory of cp-1: shop/web-1"],
    line="pod shop/web-1 on cp-1: 0.10 cores (2 %), 3276 MiB (40 %)",
    remedy="kubectl scale -n shop deployment/web --replicas=0",
)
def test_a_workload_takes_a_large_share(hazard):
    return at(hazard, QUIET, [pod("web-1", "cp-1", 100, 3276)])


@proves(LOAD, kind=PRESENT, says=["25 % of the CPU of cp-1: a/two, b/one"])
def test_several_small_ones_make_a_large_share(hazard):
    pods = [pod("one", "cp-1", 400, 64, "b", None), pod("two", "cp-1", 600, 64, "a", ("StatefulSet", "db"))]
    finding = at(hazard, QUIET, pods)
    assert "kubectl scale -n a statefulset/db --replicas=0" in finding.remedy
    assert "kubectl get pod -n b one -o wide   # nothing keeps it" in finding.remedy
    return finding


@proves(LOAD, kind=PRESENT, says=["and 2 more"], remedy="kubectl get -n shop daemonset/agent   # cannot be scaled")
def test_many_are_counted(hazard):
    pods = [pod(f"agent-{n}", "cp-1", 200, 64, owner=("DaemonSet", "agent")) for n in range(7)]
    finding = at(hazard, QUIET, pods)
    assert finding.remedy.count("daemonset/agent") == 1
    return finding


@proves(LOAD, kind=PRESENT, says=["cp-1 uses 88 %", "cp-2 uses 95 %", "of cp-2: shop/web-1"])
def test_every_node_is_told(hazard):
    pods = [pod("web-1", "cp-2", 3000, 64)]
    return at(hazard, {"cp-1": ("3500m", "1Gi"), "cp-2": ("3800m", "1Gi"), "cp-3": None}, pods)


@proves(LOAD, kind=PRESENT, says=["uses 75 % of the CPU", "limits: 70 %"])
def test_the_limits_can_be_set(hazard):
    return at(hazard, {"cp-1": ("3", "1Gi")}, parameters={"vks-node-use-percent": "70"})


@proves(LOAD, kind=ABSENT)
@pytest.mark.parametrize(
    ("used", "pods", "more"),
    [
        pytest.param(QUIET, [], {}, id="quiet"),
        pytest.param({"cp-1": ("3400m", "6963Mi")}, [], {}, id="just at the limit"),
        pytest.param(QUIET, [pod("api", "cp-1", 3000, 4096, "kube-system", None)], {}, id="the API server itself"),
        pytest.param(QUIET, [pod("csi", "cp-1", 3000, 64, "vmware-system-csi")], {}, id="VMware's own"),
        pytest.param(QUIET, [pod("web-1", "wk-1", 3900, 8000)], {}, id="a workload on a worker"),
        pytest.param(QUIET, [pod("web-1", None, 3900, 8000)], {}, id="not scheduled"),
        pytest.param(QUIET, [pod("web-1", "cp-1", 800, 1600)], {}, id="a share at the limit"),
        pytest.param(
            QUIET,
            [pod("web-1", "cp-1", 3000, 64)],
            {"parameters": {"vks-system-namespaces": "kube-system, sho?"}},
            id="a namespace that the site counts to the system",
        ),
        pytest.param(
            {**QUIET, "wk-1": ("3950m", "8Gi")},
            [],
            {"nodes": [*(node(one, **ROOM) for one in QUIET), node("wk-1", None, **ROOM)]},
            id="a busy worker",
        ),
        pytest.param({"cp-1": ("1", "1Gi")}, [], {"nodes": [node("cp-1", "master", **ROOM)]}, id="the older label"),
    ],
)
def test_there_is_room(hazard, used, pods, more):
    return at(hazard, used, pods, **more)


@proves(LOAD, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("used", "more", "why"),
    [
        pytest.param({**QUIET, "cp-2": None}, {}, "says nothing of cp-2", id="a node without metrics"),
        pytest.param({"cp-1": None}, {}, "says nothing of cp-1", id="no metrics at all"),
        pytest.param(QUIET, {"broken": {NODES: "not-served"}}, NODES, id="no metrics API"),
        pytest.param(QUIET, {"broken": {NODES: "error"}}, NODES, id="the metrics API is ill"),
        pytest.param(QUIET, {"broken": {PODS: "forbidden"}}, PODS, id="pod metrics are forbidden"),
        pytest.param(QUIET, {"broken": {"pods": "forbidden"}}, "pods", id="pods are forbidden"),
        pytest.param(QUIET, {"broken": {"nodes": "timed-out"}}, "timed-out", id="nodes are too slow"),
        pytest.param(QUIET, {"nodes": [node("wk-1", None, **ROOM)]}, "no node has the role", id="no control plane"),
        pytest.param(QUIET, {"connected": False}, "no kubeconfig", id="no kubeconfig"),
        pytest.param({"cp-1": ("lots", "1Gi")}, {}, "", id="no quantity"),
        pytest.param(QUIET, {"nodes": [node("cp-1")]}, "cp-1", id="nobody says how much a node has"),
    ],
)
def test_it_cannot_be_known(hazard, used, more, why):
    finding = at(hazard, used, **more)
    assert why in finding.message
    return finding


@proves(LOAD, kind=NOT_APPLICABLE, says=["it is a Supervisor"])
def test_a_supervisor(hazard):
    return evaluate(hazard, subject="supervisor", clusters=world(supervisor(), [node("cp-1", **ROOM)]))
