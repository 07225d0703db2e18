"""What must never run twice: workloads of one replica on a volume that one node alone may write to."""

from __future__ import annotations

import pytest

from conformance.hazards import Situation
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

STUCK, HELD = "k8s-zombie-singleton", "k8s-single-replica-volume"
BOTH = pytest.mark.parametrize("situation", [Situation.BEFORE, Situation.STUCK])
#: All that is listed beside the nodes.
LISTED = (
    "deployments.apps",
    "statefulsets.apps",
    "replicasets.apps",
    "replicationcontrollers",
    "persistentvolumeclaims",
    "pods",
)
RESOURCES = {
    "Deployment": "deployments.apps",
    "StatefulSet": "statefulsets.apps",
    "ReplicaSet": "replicasets.apps",
    "ReplicationController": "replicationcontrollers",
}


def node(name, ready="True", kubelet="v1.17.9"):
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": "2022-01-01T11:51:00Z"}
    return {
        "metadata": {"name": name},
        "status": {"conditions": [condition] if ready else [], "nodeInfo": {"kubeletVersion": kubelet}},
    }


def owned(by):
    """Owner references: ``Kind/name``, of which the controlling one is the last."""
    references = [{"kind": "ConfigMap", "name": "db", "apiVersion": "v1"}]
    if by:
        kind, name = by.split("/")
        references.append({"kind": kind, "name": name, "controller": True})
    return {"ownerReferences": references}


def workload(kind="StatefulSet", replicas=1, name="db", namespace="shop", by=None):
    spec = {} if replicas is None else {"replicas": replicas}
    return {"kind": kind, "metadata": {"name": name, "namespace": namespace, **owned(by)}, "spec": spec}


def claim(*modes, name="data", namespace="shop"):
    return {
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"accessModes": list(modes or ["ReadWriteOnce"])},
    }


def pod(
    name="db-0",
    on="wk",
    by="StatefulSet/db",
    claims=("data",),
    *,
    ends=False,
    ready=False,
    phase="Running",
    namespace="shop",
):
    volumes = [{"name": one, "persistentVolumeClaim": {"claimName": one}} for one in claims]
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            **owned(by),
            **({"deletionTimestamp": "2022-01-01T11:56:00Z"} if ends else {}),
        },
        "spec": {"volumes": [{"name": "tmp", "emptyDir": {}}, *volumes], **({"nodeName": on} if on else {})},
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": str(ready)}]},
    }


def api(*pods, kept=(workload(),), claims=(claim(),), nodes=None, **world):
    """A cluster whose node wk counts as dead, unless `nodes` says it otherwise."""
    objects = {resource: [] for resource in LISTED}
    for one in kept:
        objects[RESOURCES[one["kind"]]].append(one)
    objects |= {"persistentvolumeclaims": claims, "pods": pods}
    objects["nodes"] = [node("wk", "Unknown"), node("other")] if nodes is None else nodes
    return {"prod": Api(objects=objects, **world)}


#: A Deployment's pods are its ReplicaSet's.
DEPLOYMENT = (workload("Deployment"), workload("ReplicaSet", name="db-6f", by="Deployment/db"))
OLD = pod("db-6f-a", by="ReplicaSet/db-6f", ends=True)


def new(on=None, **state):
    return pod("db-6f-b", on, "ReplicaSet/db-6f", **{"phase": "Pending", **state})


# -- on a node that counts as dead -------------------------------------------------------------------------------------


@BOTH
@proves(
    STUCK,
    kind=PRESENT,
    says=[
        "statefulset shop/db: pod db-0 on wk (Terminating)",
        "wk is NotReady (Unknown) since 2022-01-01 11:51:00 UTC",
    ],
    line="pod shop/db-0: node wk, not ready, terminating; claims data",
    remedy="kubectl delete pod -n shop db-0 --force --grace-period=0",
)
def test_it_keeps_its_name_until_it_ends(hazard, situation):
    found = evaluate(hazard, clusters=api(pod(ends=True), pod("web-0", "other", None, ())), situation=situation)
    assert "web" not in found.message
    assert "Only where its host is certainly off" in found.remedy
    return found


@proves(STUCK, kind=PRESENT, says=["deployment shop/db", "db-6f-b cannot take its place"], line="db-6f-b: node")
@pytest.mark.parametrize(
    "other",
    [
        pytest.param(new(), id="not scheduled"),
        pytest.param(new("other"), id="waits for the volume"),
        pytest.param(new("other", phase="Running"), id="cannot take the lock"),
    ],
)
@pytest.mark.parametrize(
    "old", [OLD, pod("db-6f-a", by="ReplicaSet/db-6f", ready=True)], ids=["terminating", "not yet"]
)
def test_its_replacement_waits(hazard, old, other):
    return evaluate(hazard, clusters=api(old, other, kept=DEPLOYMENT))


@proves(STUCK, kind=PRESENT, says=["db-0 on wk (Terminating)"])
@pytest.mark.parametrize(
    "clusters",
    [
        pytest.param(api(pod(ends=True), nodes=[node("wk", "False")]), id="NotReady"),
        pytest.param(api(pod(ends=True), nodes=[node("wk", "")]), id="no condition"),
        pytest.param(api(pod(ends=True), kept=[workload(replicas=None)]), id="one by default"),
        pytest.param(api(pod(ends=True), claims=[claim("ReadWriteOncePod")]), id="for one pod"),
        pytest.param(api(pod(ends=True), claims=[claim("ReadOnlyMany", "ReadWriteOnce")]), id="written by one"),
        pytest.param(
            api(pod(ends=True, by="ReplicaSet/db"), kept=[workload("ReplicaSet")]), id="a ReplicaSet of its own"
        ),
        pytest.param(
            api(pod(ends=True, by="ReplicationController/db"), kept=[workload("ReplicationController")]),
            id="a DeploymentConfig's",
        ),
        pytest.param(api(pod(ends=True), pod("db-0", "other", ready=True, namespace="b")), id="another namespace's"),
    ],
)
def test_whatever_keeps_it(hazard, clusters):
    return evaluate(hazard, clusters=clusters)


@proves(STUCK, kind=PRESENT, says=["statefulset a/db", "statefulset shop/db", "db-0 on wk", "db-0 on x"])
def test_each_is_named_once(hazard):
    pods = [pod(ends=True), pod(on="x", ends=True, namespace="a")]
    kept, claims = [workload(), workload(namespace="a")], [claim(), claim(namespace="a")]
    nodes = [node("wk", "Unknown"), node("x", "False")]
    found = evaluate(hazard, clusters=api(*pods, kept=kept, claims=claims, nodes=nodes))
    assert found.message.index("a/db") < found.message.index("shop/db")
    assert found.message.count("shop/db") == 1
    return found


@proves(STUCK, kind=PRESENT, says=["db-6f-a on wk (Terminating), db-6f-b on x is still there", "wk is", "x is"])
def test_its_replacement_is_on_a_dead_node_too(hazard):
    nodes = [node("wk", "Unknown"), node("x", "Unknown")]
    return evaluate(hazard, clusters=api(OLD, new("x", phase="Running"), kept=DEPLOYMENT, nodes=nodes))


@proves(STUCK, kind=LOWERED, says=["db-0 on wk is still there", "nothing takes its place yet"], line="claims data")
def test_nobody_has_given_it_up_yet(hazard):
    return evaluate(hazard, clusters=api(pod(ready=True)))


@proves(STUCK, kind=ABSENT)
@pytest.mark.parametrize(
    "clusters",
    [
        pytest.param(api(pod(ends=True), nodes=[node("wk")]), id="terminating on a node that is ready"),
        pytest.param(api(pod(on="other", ready=True)), id="on another node"),
        pytest.param(api(OLD, new("other", phase="Running", ready=True), kept=DEPLOYMENT), id="replaced"),
        pytest.param(api(pod(ends=True), kept=[workload(replicas=2)]), id="two replicas"),
        pytest.param(api(pod(ends=True), kept=[workload(replicas=0)]), id="scaled to nothing"),
        pytest.param(api(pod(ends=True, claims=())), id="no volume"),
        pytest.param(api(pod(ends=True), claims=[claim("ReadWriteMany")]), id="a volume for many"),
        pytest.param(api(pod(ends=True), claims=[claim("ReadWriteOnce", "ReadWriteMany")]), id="a volume for any"),
        pytest.param(api(pod(ends=True), claims=[claim("ReadOnlyMany")]), id="a volume to read"),
        pytest.param(api(pod(ends=True), claims=[claim(namespace="b")]), id="another namespace's claim"),
        pytest.param(api(pod(phase="Failed")), id="evicted"),
        pytest.param(api(pod(phase="Succeeded")), id="ended"),
        pytest.param(api(pod(ends=True, by="DaemonSet/db")), id="of every node"),
        pytest.param(api(pod(ends=True, by="Job/db")), id="a job's"),
        pytest.param(api(pod(ends=True, by=None)), id="nobody's"),
        pytest.param(api(), id="no pods"),
    ],
)
def test_nothing_is_stuck(hazard, clusters):
    return evaluate(hazard, clusters=clusters)


# -- what a dead connection would harm ---------------------------------------------------------------------------------


@proves(
    HELD,
    kind=PRESENT,
    says=["1 of 2: statefulset shop/db on wk"],
    line="statefulset shop/db: 1 replica, claims data, log, on node wk (v1.17.9)",
    remedy="Upgrade the kubelets",
)
def test_it_runs_on_an_affected_kubelet(hazard):
    cache = pod("cache-0", "other", "StatefulSet/cache", ready=True)
    world = api(
        pod(ready=True, claims=("log", "data")),
        cache,
        kept=[workload(), workload(name="cache")],
        claims=[claim(), claim(name="log")],
        nodes=[node("wk"), node("other", kubelet="v1.19.0")],
    )
    return evaluate(hazard, clusters=world)


@proves(HELD, kind=PRESENT, says=["1 of 1"])
@pytest.mark.parametrize(
    ("kept", "by"),
    [
        ([workload()], "StatefulSet/db"),
        (DEPLOYMENT, "ReplicaSet/db-6f"),
        ([workload("ReplicaSet")], "ReplicaSet/db"),
        ([workload("ReplicationController")], "ReplicationController/db"),
    ],
)
@pytest.mark.parametrize("kubelet", ["v1.16.0", "v1.17.17+k3s1", "v1.18.20-gke.900"])
def test_all_versions_and_kinds(hazard, kept, by, kubelet):
    return evaluate(hazard, clusters=api(pod(by=by), kept=kept, nodes=[node("wk", kubelet=kubelet)]))


@proves(HELD, kind=PRESENT, says=["deployment shop/db on wk, x"])
def test_while_one_replaces_the_other_both_nodes_are_named(hazard):
    pods = [OLD, new("x"), new(None)]
    return evaluate(hazard, clusters=api(*pods, kept=DEPLOYMENT, nodes=[node("wk"), node("x", kubelet="v1.18.2")]))


@proves(HELD, kind=PRESENT, says=["statefulset shop/db on wk"])
def test_what_is_known_counts_beside_a_kubelet_that_is_not(hazard):
    pods = [pod(), pod(on="x", namespace="a")]
    kept, claims = [workload(), workload(namespace="a")], [claim(), claim(namespace="a")]
    world = api(*pods, kept=kept, claims=claims, nodes=[node("wk"), node("x", kubelet="")])
    return evaluate(hazard, clusters=world)


@proves(HELD, kind=ABSENT)
@pytest.mark.parametrize(
    "clusters",
    [
        *(
            pytest.param(api(pod(), nodes=[node("wk", kubelet=version)]), id=version)
            for version in ("v1.15.12", "v1.19.0", "v1.19.0-rc.1", "v1.20.8-gke.1500", "v2.17.0")
        ),
        pytest.param(
            api(pod(on="other"), nodes=[node("wk"), node("other", kubelet="v1.19.3")]), id="on the sound node"
        ),
        pytest.param(api(pod(), kept=[workload(replicas=2)]), id="two replicas"),
        pytest.param(api(pod(), kept=[workload(replicas=0)]), id="scaled to nothing"),
        pytest.param(api(pod(), claims=[claim("ReadWriteMany")]), id="a volume for many"),
        pytest.param(api(pod(claims=())), id="no volume"),
        pytest.param(api(pod(phase="Failed")), id="evicted"),
        pytest.param(api(pod(by="DaemonSet/db")), id="of every node"),
        pytest.param(api(new(None), kept=DEPLOYMENT), id="runs nowhere"),
        pytest.param(api(nodes=[node("wk", kubelet="")]), id="no pods, and a node that says nothing"),
    ],
)
def test_nothing_would_be_locked(hazard, clusters):
    return evaluate(hazard, clusters=clusters)


# -- both --------------------------------------------------------------------------------------------------------------


@proves(STUCK, HELD, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_a_cluster_that_stays(hazard):
    return evaluate(hazard, clusters=api(pod(ends=True), upgrade="none"))


def without(*resources):
    return api(pod(ends=True), broken=dict.fromkeys(resources, "forbidden"))


@proves(STUCK, HELD, kind=UNREADABLE)
@pytest.mark.parametrize(
    "clusters",
    [
        *(pytest.param(without(one), id=one) for one in (*LISTED, "nodes")),
        pytest.param(api(pod(ends=True), nodes=[]), id="no node at all"),
        pytest.param(api(pod(ends=True), broken={"*": "unreachable"}), id="unreachable"),
        pytest.param({"prod": Api(connected=False, manager="other"), "other": api()["prod"]}, id="no kubeconfig"),
    ],
)
def test_neither_can_be_known(hazard, clusters):
    return evaluate(hazard, clusters=clusters, subject="prod")


@proves(STUCK, kind=UNREADABLE, says=["soon"])
def test_a_node_since_when(hazard):
    garbled = node("wk", "Unknown")
    garbled["status"]["conditions"][0]["lastTransitionTime"] = "soon"
    return evaluate(hazard, clusters=api(pod(ends=True), nodes=[garbled]))


@proves(HELD, kind=UNREADABLE, says=["not known of: wk"])
@pytest.mark.parametrize("nodes", [[node("wk", kubelet="")], [node("wk", kubelet="unknown")], [node("other")]])
def test_its_kubelet_is_not_known(hazard, nodes):
    return evaluate(hazard, clusters=api(pod(), nodes=nodes))
