"""Control plane, workers and nodes before an upgrade: everything that is not ready, with its name."""

from __future__ import annotations

import pytest

from tests.hazards.eksa import cluster, group, management
from tests.hazards.eksa_machines import (
    CAPI,
    CONTROL,
    EKSA,
    ETCD,
    NAME,
    WORKER,
    capi_cluster,
    condition,
    control_plane,
    deployment,
    etcd,
    machine,
    machines,
    node,
)
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

PLANE, WORKERS, NODES = "eksa-control-plane-not-ready", "eksa-workers-not-ready", "eksa-nodes-not-ready"
ALL = (PLANE, WORKERS, NODES)
CLUSTERS, MACHINES = f"clusters.{CAPI}", f"machines.{CAPI}"
PLANES = f"kubeadmcontrolplanes.controlplane.{CAPI}"
GROUPS, ETCDS = f"machinedeployments.{CAPI}", f"etcdadmclusters.etcdcluster.{CAPI}"
GONE = "2022-01-01T11:00:00Z"


def found(hazard, objects=None, **api):
    return evaluate(hazard, clusters={NAME: management(objects, **api)})


def plane(*of, conditions=(), **more):
    return {PLANES: [control_plane(*of, conditions=conditions, **more)]}


def workers(*of, conditions=(), **more):
    return {GROUPS: [deployment("md-0", *of, conditions=conditions, **more)]}


# -- all is well -------------------------------------------------------------------------------------------------------

STACKED = {f"clusters.{EKSA}": [cluster(externalEtcdConfiguration=None)], MACHINES: machines(etcd=None)}
SCALED = [machine(f"cluster3-md-0-x-{number}") for number in range(3)]


@proves(*ALL, kind=ABSENT)
@pytest.mark.parametrize(
    "objects",
    [
        pytest.param({}, id="the document's cluster, whose etcd never becomes a node"),
        pytest.param({**STACKED, ETCDS: []}, id="etcd on the control plane"),
        pytest.param({**STACKED, ETCDS: None}, id="a kind of etcd that is not served"),
        pytest.param(
            {
                f"clusters.{EKSA}": [cluster(), cluster("other", manager=NAME)],
                CLUSTERS: [capi_cluster(), capi_cluster("other")],
                PLANES: [control_plane(), control_plane(3, 1, of="other")],
                GROUPS: [deployment(), deployment(of="other", ready=0)],
                ETCDS: [etcd(), etcd(3, 1, well=False, of="other")],
                MACHINES: [*machines(), machine("other-cp", "control-plane", None, "Failed", of="other")],
            },
            id="another cluster that is not well",
        ),
        pytest.param(
            {
                **workers(3),
                MACHINES: [*machines(worker=None), *SCALED],
                "nodes": [node(CONTROL), *(node(one["metadata"]["name"]) for one in SCALED)],
            },
            id="more machines than the specification says, as an autoscaler wants it",
        ),
        pytest.param(
            {
                f"clusters.{EKSA}": [cluster(workerNodeGroupConfigurations=[])],
                GROUPS: [],
                MACHINES: machines(worker=None),
                "nodes": [node(CONTROL)],
            },
            id="no workers at all, by decision",
        ),
        pytest.param({**workers(0), MACHINES: machines(worker=None)}, id="a group of none"),
        pytest.param(
            {GROUPS: [deployment(conditions=[condition("Paused", "False"), condition("Available")])]},
            id="another condition that is False, as it should be",
        ),
        pytest.param({"nodes": [node(CONTROL), node(WORKER), node("guest")]}, id="a node of no machine"),
        pytest.param(
            {"nodes": [node(CONTROL), node(WORKER, unschedulable=True)]}, id="a node that is cordoned, yet Ready"
        ),
        pytest.param(
            {
                PLANES: [
                    control_plane(
                        status={"updatedReplicas": None, "upToDateReplicas": 1, "v1beta2": {"conditions": []}},
                        conditions=[condition("Available")],
                    )
                ]
            },
            id="as v1beta2 counts",
        ),
    ],
)
def test_all_is_well(hazard, objects):
    return found(hazard, objects)


@proves(*ALL, kind=ABSENT)
@pytest.mark.parametrize("name", ["mgmt-admin@mgmt", "whatever"])
def test_a_context_is_called_otherwise(hazard, name):
    """The name of the subject is that of its context; which of several clusters manages itself tells which it is."""
    objects = {
        f"clusters.{EKSA}": [cluster(), cluster("other", manager=NAME)],
        CLUSTERS: [capi_cluster(), capi_cluster("other")],
    }
    return evaluate(hazard, clusters={name: management(objects)})


# -- the control plane -------------------------------------------------------------------------------------------------


@proves(PLANE, kind=PRESENT, says=[f"KubeadmControlPlane eksa-system/{NAME}"], remedy="kubectl -n eksa-system describe")
@pytest.mark.parametrize(
    ("of", "conditions", "word"),
    [
        pytest.param((3, 3, 2), (), "2 of 3 machines are ready (3 are there, 3 up to date)", id="one is not ready"),
        pytest.param((3, 4, 4, 2), (), "4 of 3 machines are ready (4 are there, 2 up to date)", id="in a roll-out"),
        pytest.param((3, 2), (), "2 of 3", id="one is missing"),
        pytest.param((1, 1, 0), (), "0 of 1", id="none is ready"),
        pytest.param((1, 1, 1, 0), (), "0 up to date", id="old machines"),
        pytest.param((1,), (condition("Ready", "False", "ScalingUp", "1 of 3"),), "Ready=False (ScalingUp", id="Ready"),
        pytest.param(
            (1,), (condition("Available", "Unknown"), condition("Ready")), "Available=Unknown", id="nobody knows"
        ),
    ],
)
def test_the_control_plane_is_not_ready(hazard, of, conditions, word):
    finding = found(hazard, plane(*of, conditions=conditions))
    assert word in finding.message
    return finding


@proves(PLANE, kind=PRESENT, says=["has not seen its latest change"], line="replicas wanted=1")
def test_a_change_that_nobody_saw(hazard):
    """A control plane that was changed a moment ago still counts as it was before."""
    return found(hazard, plane(generation=2))


@proves(PLANE, kind=PRESENT, says=[f"being deleted since {GONE}"])
@pytest.mark.parametrize(
    "objects", [plane(deletionTimestamp=GONE), {MACHINES: machines(control={"deletionTimestamp": GONE})}]
)
def test_a_control_plane_that_is_deleted(hazard, objects):
    return found(hazard, objects)


@proves(
    PLANE, kind=PRESENT, says=[f"Machine eksa-system/{CONTROL} is Provisioned, not Running"], line="phase=Provisioned"
)
def test_a_machine_of_the_control_plane(hazard):
    """Whatever its control plane counts."""
    finding = found(hazard, {MACHINES: machines(control={"phase": "Provisioned"})})
    assert f"describe machine.cluster.x-k8s.io {CONTROL}" in finding.remedy
    return finding


@proves(PLANE, kind=PRESENT, says=["(InfrastructureReady=False (Cloning: no space))"])
def test_why_a_machine_does_not_run(hazard):
    told = {"conditions": [condition("InfrastructureReady", "False", "Cloning", "no space")]}
    return found(hazard, {MACHINES: machines(control={"phase": "Provisioning", "status": told})})


@proves(PLANE, kind=PRESENT, says=["has no Machine at all"], line="none is of its control plane")
def test_no_machine(hazard):
    return found(hazard, {MACHINES: machines(control=None)})


@proves(PLANE, kind=PRESENT, says=["etcd"], remedy="kubectl")
@pytest.mark.parametrize(
    ("objects", "word"),
    [
        ({ETCDS: [etcd(3, 2)]}, "2 of 3 members are ready"),
        ({ETCDS: [etcd(well=False)]}, "status.ready is not true"),
        ({ETCDS: [etcd(well=None)]}, "status.ready is not true"),
        ({ETCDS: [etcd(generation=2)]}, "has not seen its latest change"),
        (
            {ETCDS: [etcd(status={"conditions": [condition("Ready", "False", "EtcdMachineUnhealthy")]})]},
            "EtcdMachineUnhealthy",
        ),
        ({ETCDS: []}, "no EtcdadmCluster of it"),
        ({ETCDS: None}, "no EtcdadmCluster of it"),
        ({MACHINES: machines(etcd=None)}, "0 of 1 machines of its etcd are there"),
    ],
)
def test_etcd_on_machines_of_its_own(hazard, objects, word):
    finding = found(hazard, objects)
    assert word in finding.message
    return finding


@proves(PLANE, kind=PRESENT, says=[f"Machine eksa-system/{ETCD} is Failed, not Running"])
def test_a_machine_of_etcd(hazard):
    return found(hazard, {MACHINES: machines(etcd={"phase": "Failed"})})


@proves(PLANE, kind=PRESENT, says=["2 of 3 machines", CONTROL, ETCD, "1 of 2 members"])
def test_everything_is_named_and_not_the_first_alone(hazard):
    of = {"control": {"phase": "Failed"}, "etcd": {"phase": "Pending"}}
    return found(hazard, {**plane(3, 3, 2), MACHINES: machines(**of), ETCDS: [etcd(2, 1)]})


# -- workers -----------------------------------------------------------------------------------------------------------


@proves(WORKERS, kind=PRESENT, says=[f"MachineDeployment eksa-system/{NAME}-md-0"], line="replicas wanted=")
@pytest.mark.parametrize(
    ("of", "conditions", "word"),
    [
        pytest.param((3, 3, 2), (), "2 of 3", id="one is not ready"),
        pytest.param((1, 0), (), "0 of 1", id="none is there"),
        pytest.param((1, 2, 2, 1), (), "2 of 1", id="in a roll-out"),
        pytest.param((2, 2, 2, 1), (), "1 up to date", id="an old one is left"),
        pytest.param((1,), (condition("Available", "False", "WaitingForAvailableMachines"),), "Waiting", id="says so"),
    ],
)
def test_workers_are_not_ready(hazard, of, conditions, word):
    finding = found(hazard, workers(*of, conditions=conditions))
    assert word in finding.message
    assert f"describe machinedeployment.cluster.x-k8s.io {NAME}-md-0" in finding.remedy
    return finding


@proves(WORKERS, kind=PRESENT, says=[f"Machine eksa-system/{WORKER} is Failed, not Running"], line="phase=Failed")
def test_a_worker_machine(hazard):
    return found(hazard, {MACHINES: machines(worker={"phase": "Failed"})})


@proves(
    WORKERS,
    kind=PRESENT,
    says=[f"{NAME}-a: its controller", f"{NAME}-b: 1 of 2", "worker node group c has no MachineDeployment"],
)
def test_every_group_is_named(hazard):
    three = [group("a"), group("b", 2), group("c")]
    held = [deployment("b", 2, 1), deployment("a", generation=7)]
    return found(hazard, {f"clusters.{EKSA}": [cluster(workerNodeGroupConfigurations=three)], GROUPS: held})


# -- nodes -------------------------------------------------------------------------------------------------------------


@proves(
    NODES,
    kind=PRESENT,
    says=[f"node {WORKER} is not Ready"],
    line=f"Node {WORKER}: Ready=",
    remedy="kubectl describe node",
)
@pytest.mark.parametrize(
    ("ready", "word"), [("False", "Ready=False"), ("Unknown", "Ready=Unknown"), (None, "not said")]
)
def test_a_node_is_not_ready(hazard, ready, word):
    finding = found(hazard, {"nodes": [node(CONTROL), node(WORKER, ready)]})
    assert word in finding.message
    if ready:
        assert "since 2022-01-01T10:00:00Z" in finding.message
    return finding


@proves(NODES, kind=PRESENT, says=[f"node {CONTROL} is not Ready", f"node {WORKER} is not Ready"])
def test_all_nodes_and_not_the_first(hazard):
    return found(hazard, {"nodes": [node(CONTROL, "False"), node(WORKER, "Unknown")]})


@proves(NODES, kind=PRESENT, says=[f"Machine eksa-system/{WORKER} has no node"], line="node=-")
def test_a_machine_without_a_node(hazard):
    return found(hazard, {MACHINES: machines(worker={"node": None, "phase": "Provisioned"})})


@proves(NODES, kind=PRESENT, says=["has the node lost, which the cluster does not have"], line="node=lost")
def test_a_machine_whose_node_is_gone(hazard):
    return found(hazard, {MACHINES: machines(worker={"node": "lost"})})


@proves(NODES, kind=PRESENT, says=["has no node"])
def test_a_machine_without_a_node_while_nodes_cannot_be_listed(hazard):
    return found(hazard, {MACHINES: machines(control={"node": None})}, broken={"nodes": "forbidden"})


@proves(NODES, kind=PRESENT, says=[f"node {WORKER} is not Ready"])
def test_nodes_without_the_cluster_object(hazard):
    """What the nodes show does not depend on EKS Anywhere's own object."""
    return found(hazard, {f"clusters.{EKSA}": [], "nodes": [node(CONTROL), node(WORKER, "False")]})


@proves(NODES, kind=ABSENT)
@pytest.mark.parametrize("more", [{"objects": {f"clusters.{EKSA}": []}}, {"broken": {f"clusters.{EKSA}": "forbidden"}}])
def test_nodes_that_are_well_without_the_cluster_object(hazard, more):
    return found(hazard, **more)


# -- a workload cluster ------------------------------------------------------------------------------------------------


def two(objects=None, own=None, **workload):
    above = management(objects)
    nodes = {"nodes": [node("shop-cp"), node("shop-md-0-1", **(own or {}))]}
    below = Api(objects=nodes, role="workload", manager="mgmt", **workload)
    return {"mgmt": above, "shop": below}


SHOP = {
    f"clusters.{EKSA}": [cluster(), cluster("shop", manager=NAME, externalEtcdConfiguration=None)],
    CLUSTERS: [capi_cluster(), capi_cluster("shop")],
    PLANES: [control_plane(), control_plane(of="shop")],
    GROUPS: [deployment(), deployment(of="shop")],
    MACHINES: [*machines(), machine("shop-cp", "control-plane", of="shop"), machine("shop-md-0-1", of="shop")],
}


@proves(*ALL, kind=ABSENT)
def test_a_workload_cluster(hazard):
    return evaluate(hazard, subject="shop", clusters=two(SHOP))


@proves(*ALL, kind=PRESENT, says=["shop"], remedy="on cluster")
def test_a_workload_cluster_that_is_not_well(hazard):
    held = [
        machine("shop-cp", "control-plane", None, "Failed", of="shop"),
        machine("shop-md-0-1", phase="Failed", of="shop"),
    ]
    return evaluate(hazard, subject="shop", clusters=two({**SHOP, MACHINES: held}, {"ready": "False"}))


# -- not applicable, not known -----------------------------------------------------------------------------------------


@proves(*ALL, kind=NOT_APPLICABLE, says=["bootstrap cluster"])
def test_a_bootstrap_cluster(hazard):
    return found(hazard, plane(3, 1), role="bootstrap")


@proves(*ALL, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_a_cluster_that_stays_as_it_is(hazard):
    return found(hazard, plane(3, 1), upgrade="none")


READS = {
    PLANE: (CLUSTERS, PLANES, MACHINES, ETCDS, f"clusters.{EKSA}"),
    WORKERS: (CLUSTERS, GROUPS, MACHINES, f"clusters.{EKSA}"),
    NODES: (CLUSTERS, MACHINES, "nodes"),
}


@proves(*ALL, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["forbidden", "unreachable", "timed-out", "cut-off"])
def test_each_read(hazard, problem):
    return [found(hazard, broken={one: problem}) for one in READS[hazard]]


@proves(*ALL, kind=UNREADABLE)
def test_kinds_that_are_not_served(hazard):
    return [found(hazard, {one: None}) for one in READS[hazard] if one not in (ETCDS, "nodes")]


@proves(*ALL, kind=UNREADABLE, says=["no Machine in namespace eksa-system"])
def test_no_machines_at_all(hazard):
    return found(hazard, {MACHINES: []})


@proves(*ALL, kind=UNREADABLE, says=["no Cluster of Cluster API 'cluster3' (there: none)"])
def test_no_cluster_of_cluster_api(hazard):
    return found(hazard, {CLUSTERS: []})


@proves(*ALL, kind=UNREADABLE, says=["which cluster manages"])
def test_a_workload_cluster_that_nobody_manages(hazard):
    return found(hazard, role="workload")


@proves(PLANE, kind=UNREADABLE, says=["has no KubeadmControlPlane"])
def test_no_control_plane(hazard):
    return found(hazard, {PLANES: []})


@proves(NODES, kind=UNREADABLE)
def test_no_nodes(hazard):
    return found(hazard, {"nodes": []})
