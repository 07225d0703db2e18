"""Hazards of Anthos clusters on bare metal that show in the nodes of the very cluster."""

from __future__ import annotations

import pytest

from conformance.hazards import Situation
from tests.hazards.anthos import GROUP, admin_api, cluster, machine_object
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

NODES = "abm-node-unreachable"
#: The API server says that it is 12:00:00.
FRESH, QUIET, GONE = "2022-01-01T11:59:55Z", "2022-01-01T11:54:50Z", "2022-01-01T11:40:00Z"


def node(name, ready="True", *, ip=None, taints=(), heartbeat=FRESH, since="2021-12-01T00:00:00Z", reason="", **spec):
    """A node; a taint is written ``key:effect``."""
    conditions = [{"type": "MemoryPressure", "status": "False"}, {"type": "DiskPressure", "status": "Unknown"}]
    if ready is not None:
        one = {"type": "Ready", "status": ready, "reason": reason, "lastTransitionTime": since}
        conditions.append({**one, **({"lastHeartbeatTime": heartbeat} if heartbeat else {})})
    keys = [one.partition(":") for one in taints]
    return {
        "metadata": {"name": name},
        "spec": {"taints": [{"key": key, "effect": effect} for key, _, effect in keys], **spec},
        "status": {
            "conditions": conditions,
            "addresses": [{"type": "Hostname", "address": name}, {"type": "InternalIP", "address": ip or "10.200.0.4"}],
        },
    }


def lease(name, renewed=FRESH, seconds=40, namespace="kube-node-lease"):
    spec = {"holderIdentity": name, "leaseDurationSeconds": seconds, "renewTime": renewed}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


GOOD = node("good", ip="10.200.0.3")


def looked_at(*nodes, leases=None, machines=(), blocks=None, situation=None, **world):
    own = cluster("hub", "hybrid")
    if blocks:
        own["spec"]["maintenanceBlocks"] = {"cidrBlocks": blocks}
    api = admin_api(own, nodes=nodes, machines=machines, **world)
    held = [lease(one["metadata"]["name"]) for one in nodes] if leases is None else leases
    api.objects["leases.coordination.k8s.io"] = held
    return evaluate(NODES, clusters={"hub": api}, situation=situation)


@proves(
    NODES, kind=PRESENT, says=["1 of 2 nodes", "wk-1 is not"], line="node wk-1: Ready=", remedy="describe node wk-1"
)
@pytest.mark.parametrize("situation", [Situation.BEFORE, Situation.STUCK])
@pytest.mark.parametrize("ready", ["False", "Unknown"])
def test_a_node_is_not_ready(hazard, ready, situation):
    found = looked_at(GOOD, node("wk-1", ready, reason="NodeStatusUnknown"), situation=situation)
    assert "good" not in found.message
    assert "since 2021-12-01 00:00:00 UTC (NodeStatusUnknown)" in found.message
    return found


@proves(NODES, kind=PRESENT, says=["wk-1 has no condition Ready"])
def test_a_node_that_never_was_ready(hazard):
    return looked_at(GOOD, node("wk-1", None))


@proves(NODES, kind=PRESENT, says=["wk-1", "tainted node.kubernetes.io/"], line="node wk-1: Ready=True, taints node.")
@pytest.mark.parametrize("effect", ["NoSchedule", "NoExecute"])
@pytest.mark.parametrize("key", ["unreachable", "not-ready"])
def test_a_taint_alone(hazard, key, effect):
    return looked_at(GOOD, node("wk-1", taints=[f"node.kubernetes.io/{key}:{effect}"]))


@proves(NODES, kind=PRESENT, says=["wk-1", "heard of last at 2022-01-01 11:5"], line="node wk-1: Ready=True, lease or")
@pytest.mark.parametrize(
    ("renewed", "heartbeat"), [(QUIET, None), (QUIET, "2022-01-01T11:50:00Z"), ("2022-01-01T11:54:50.123456Z", GONE)]
)
def test_a_lease_that_nobody_renews(hazard, renewed, heartbeat):
    return looked_at(GOOD, node("wk-1", heartbeat=heartbeat), leases=[lease("good"), lease("wk-1", renewed)])


@proves(NODES, kind=PRESENT, says=["wk-1", "heard of last at 2022-01-01 11:40:00 UTC"])
def test_a_status_that_nobody_writes(hazard):
    # What another component holds, or a lease of the same name elsewhere, says nothing of the node.
    return looked_at(GOOD, node("wk-1", heartbeat=GONE), leases=[lease("good"), lease("wk-1", namespace="kube-system")])


@proves(
    NODES,
    kind=PRESENT,
    says=["2 of 3 nodes", "wk-1 is cordoned", "wk-2 is cordoned"],
    line="node wk-1: spec.unschedulable: true",
    remedy="kubectl uncordon wk-1 wk-2",
)
def test_cordoned_by_mistake(hazard):
    taints = ["node.kubernetes.io/unschedulable:NoSchedule"]
    return looked_at(GOOD, node("wk-1", unschedulable=True, taints=taints), node("wk-2", unschedulable=True))


@proves(
    NODES, kind=PRESENT, says=["2 of 4 nodes", "a is not ready", "b is cordoned", "on purpose: c"], remedy="uncordon b"
)
def test_one_of_each(hazard):
    nodes = [GOOD, node("a", "False", unschedulable=True), node("b", unschedulable=True)]
    return looked_at(*nodes, node("c", unschedulable=True, ip="10.200.0.9"), blocks=["10.200.0.9/32"])


@proves(NODES, kind=LOWERED, says=["maintenance", "on purpose", "wk-1"], line="node wk-1: spec.unschedulable: true")
@pytest.mark.parametrize(
    "why",
    [
        pytest.param({"blocks": ["10.200.0.4"]}, id="its address is in the blocks"),
        pytest.param({"blocks": ["10.0.9.0/24", "10.200.0.4-10.200.0.6"]}, id="in a range"),
        pytest.param(
            {
                "blocks": ["10.200.0.4"],
                "machines": [machine_object("10.200.0.4", "hub", **{"maintenance-mode-duration": "1h"})],
            },
            id="with the annotation that comes with it",
        ),
        pytest.param({"taints": [f"{GROUP}/maintenance:NoSchedule"]}, id="taint"),
    ],
)
def test_cordoned_on_purpose(hazard, why):
    taints = why.get("taints", ())
    world = {key: value for key, value in why.items() if key != "taints"}
    return looked_at(GOOD, node("wk-1", unschedulable=True, taints=taints), **world)


@proves(NODES, kind=PRESENT, says=["wk-1 is cordoned"])
@pytest.mark.parametrize(
    "why",
    [
        pytest.param({"blocks": ["10.200.0.40", "10.200.0.5-10.200.0.6"]}, id="another address is in the blocks"),
        pytest.param({"machines": [machine_object("10.200.0.4", "hub")]}, id="no annotation"),
        pytest.param(
            {"machines": [machine_object("10.200.0.4", "prod", **{"maintenance-mode-duration": "1h"})]},
            id="a machine of another cluster",
        ),
    ],
)
def test_cordoned_beside_a_maintenance_mode_of_others(hazard, why):
    finding = looked_at(GOOD, node("wk-1", unschedulable=True), **why)
    assert "annotation" not in finding.message
    return finding


@proves(
    NODES,
    kind=PRESENT,
    says=["1 of 2 nodes", "wk-1 is cordoned", "the annotation on its machine stays after one"],
    remedy="uncordon wk-1",
)
@pytest.mark.parametrize("name", ["10.200.0.4", "wk-1"])
def test_a_maintenance_mode_of_old_explains_no_cordon(hazard, name):
    machines = [machine_object(name, "hub", **{"maintenance-mode-duration": "1h"})]
    return looked_at(GOOD, node("wk-1", unschedulable=True), machines=machines)


@proves(NODES, kind=PRESENT, says=["wk-1 is not ready"])
def test_a_maintenance_mode_brings_no_node_back(hazard):
    return looked_at(GOOD, node("wk-1", "False"), blocks=["10.200.0.4"])


@proves(NODES, kind=ABSENT)
@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param([GOOD], id="ready"),
        pytest.param([node("cp", taints=["node-role.kubernetes.io/master:NoSchedule"])], id="a control plane"),
        pytest.param([node("wk", taints=["node.kubernetes.io/disk-pressure:NoSchedule"])], id="pressure"),
        pytest.param([node("wk", taints=["example.com/unreachable:NoExecute"])], id="a taint of that name"),
        pytest.param([node("wk", unschedulable=False)], id="uncordoned"),
        pytest.param([node("wk", heartbeat=None)], id="a lease alone"),
        pytest.param([node("wk", heartbeat=GONE)], id="an old status with a fresh lease"),
        pytest.param([node("wk", since="2022-01-01T11:59:59Z")], id="ready for a second"),
    ],
)
def test_nodes_that_are_there(hazard, nodes):
    return looked_at(*nodes)


@proves(NODES, kind=ABSENT)
@pytest.mark.parametrize(
    ("held", "heartbeat"),
    [
        pytest.param(lease("wk", "2022-01-01T11:55:10Z"), GONE, id="renewed not long ago"),
        pytest.param(lease("wk", "2022-01-01T12:07:00Z"), None, id="a clock that is ahead"),
        pytest.param(lease("wk", "2022-01-01T13:59:59+02:00"), None, id="another time zone"),
        pytest.param(lease("wk", QUIET, seconds=300), None, id="a long lease"),
        pytest.param(lease("other"), "2022-01-01T11:51:00Z", id="no lease, and a status not long ago"),
    ],
)
def test_leases_of_nodes_that_are_there(hazard, held, heartbeat):
    return looked_at(node("wk", heartbeat=heartbeat), leases=[held])


@proves(NODES, kind=ABSENT)
def test_nodes_are_cordoned_while_an_upgrade_drains_them(hazard):
    return looked_at(GOOD, node("wk-1", unschedulable=True), situation=Situation.STUCK)


@proves(NODES, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_nodes_of_a_cluster_that_stays(hazard):
    return looked_at(GOOD, node("wk-1", "False"), upgrade="none")


@proves(NODES, kind=UNREADABLE, says=["wk-1", "heard of last"])
def test_nobody_says_when_a_node_was_heard_of(hazard):
    return looked_at(GOOD, node("wk-1", heartbeat=None), leases=[lease("good")])


@proves(NODES, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        {"broken": {"nodes": "forbidden"}},
        {"broken": {"leases.coordination.k8s.io": "forbidden"}},
        {"broken": {"leases.coordination.k8s.io": "not-served"}},
        {"broken": {f"baremetalmachines.{GROUP}": "timed-out"}},
        {"broken": {"*": "unreachable"}},
        {"blocks": ["10.200.0.x"]},
        {"leases": [lease("good", "yesterday")]},
        {"date": ""},
        {"date": "long ago"},
    ],
    ids=str,
)
def test_nodes_cannot_be_known(hazard, world):
    return looked_at(GOOD, **world)


@proves(NODES, kind=UNREADABLE, says=["at least 1"])
def test_a_cluster_without_nodes(hazard):
    return looked_at()


@proves(NODES, kind=UNREADABLE, says=["no kubeconfig is given for cluster prod"])
def test_nodes_of_a_user_cluster_that_nobody_can_ask(hazard):
    clusters = {
        "hub": admin_api(cluster("hub", "admin"), cluster("prod"), nodes=[GOOD]),
        "prod": Api(role="user", manager="hub", connected=False),
    }
    return evaluate(hazard, clusters=clusters, subject="prod")
