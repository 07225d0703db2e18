"""Hazards of workload clusters that machines and nodes show: remediation that failed, nodes without a role, deletions."""

from __future__ import annotations

import json

import pytest

from checks.vsphere_supervisor.facts import vks_members
from conformance.facts.values.capi import CapiCluster
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.vsphere import (
    CLUSTER_API,
    NAME,
    capi_cluster,
    condition,
    control_plane,
    machine,
    node,
    obj,
    supervisor,
    world,
)
from tests.hazards.worlds import Api

FAILED, ROLE = "vks-remediation-failed", "vks-control-plane-without-role"
SINGLE, DELETED = "vks-single-control-plane", "vks-control-plane-delete-unsafe"
ALL = (FAILED, ROLE, SINGLE, DELETED)

NEW = "cp-new"
GONE = "2026-01-05T10:30:00Z"
MINE = [node("cp-1", address="192.0.2.1")]


def found(hazard, above, nodes=MINE, **more):
    return evaluate(hazard, subject=NAME, clusters=world(above, nodes, **more))


def two(*, joined=False, **new):
    """One machine that holds the cluster, and a new one."""
    new.setdefault("made", "2026-01-05T10:00:00Z")
    return machine("cp-1"), machine(NEW, joined=joined, **new)


# -- remediation failed ------------------------------------------------------------------------------------------------

REASON = "RemediationFailed"
UP = f"{REASON} @ Machine/{NEW}"
SAID = "KubeadmControlPlane can't remediate this machine because this could result in loosing quorum"
CANNOT = "CannotBeRemediated"


@proves(FAILED, kind=PRESENT, says=[f"remediation failed at {NEW}"], remedy=f"kubectl describe machine -n team-a {NEW}")
@pytest.mark.parametrize("beta", ["v1beta1", "v1beta2"])
@pytest.mark.parametrize(
    "place",
    [
        pytest.param("machine", id="at the machine"),
        pytest.param("plane", id="handed up to the control plane"),
        pytest.param("cluster", id="handed up to the cluster"),
        pytest.param("newer", id="in the newer API's words"),
        pytest.param("single", id="one replica"),
    ],
)
def test_remediation_failed(hazard, beta, place):
    old = {
        "machine": [condition("OwnerRemediated", reason=REASON, message="failed to create client", severity="Error")],
        "single": [
            condition(
                "OwnerRemediated",
                reason="WaitingForRemediation",
                message="KubeadmControlPlane can't remediate if current replicas are less or equal to 1",
                severity="Warning",
            )
        ],
    }.get(place, [])
    new = [condition("OwnerRemediated", reason=CANNOT, message=SAID)] if place == "newer" else []
    handed = [condition("MachinesReady", reason=UP, message="failed to create client", severity="Error")]
    above = supervisor(
        *two(old=old, new=new, beta=beta),
        plane=control_plane(1, beta=beta, old=handed if place == "plane" else []),
        cluster=capi_cluster(beta=beta, old=[condition("ControlPlaneReady", reason=UP)] if place == "cluster" else []),
    )
    return found(hazard, above)


@proves(FAILED, kind=PRESENT, says=[f"remediation failed at {NEW}", "Cluster team-a/shop"], line="Remediation Failed @")
def test_the_documents_own_words(hazard):
    said = condition("Ready", reason="ScalingUp", message=f"Remediation Failed @ {NEW}")
    return found(hazard, supervisor(*two(), cluster=capi_cluster(old=[said])))


@proves(FAILED, kind=PRESENT, says=["cp-2, cp-3"], line="CannotBeRemediated")
def test_every_machine_is_named_once(hazard):
    new = [condition("OwnerRemediated", reason=CANNOT, message=SAID)]
    old = [condition("OwnerRemediated", reason=REASON, severity="Error")]
    above = supervisor(machine("cp-1"), machine("cp-3", new=new, old=old), machine("cp-2", new=new, old=old))
    finding = found(hazard, above)
    assert finding.message.startswith("remediation failed at cp-2, cp-3, says Machine")
    return finding


@proves(FAILED, kind=PRESENT, says=["a control-plane machine that is not named"])
def test_it_does_not_say_which(hazard):
    said = condition("MachinesReady", reason=REASON, message="see the logs", severity="Error")
    return found(hazard, supervisor(*two(), plane=control_plane(1, old=[said])))


@proves(FAILED, kind=ABSENT)
@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param([], [], id="nothing is said"),
        pytest.param(
            [condition("OwnerRemediated", reason="WaitingForRemediation", severity="Warning")], [], id="waits"
        ),
        pytest.param(
            [condition("OwnerRemediated", reason="RemediationInProgress", severity="Warning")], [], id="goes on"
        ),
        pytest.param([condition("OwnerRemediated", "True", REASON)], [], id="an earlier one, over by now"),
        pytest.param([], [condition("OwnerRemediated", reason="RemediationDeferred", message="waits")], id="deferred"),
        pytest.param(
            [
                condition(
                    "OwnerRemediated", reason="WaitingForRemediation", message="can't remediate while waiting for a"
                )
            ],
            [],
            id="it waits for the version",
        ),
        pytest.param([condition("Ready", reason="Failed", message="creation failed")], [], id="another failure"),
    ],
)
def test_remediation_has_not_failed(hazard, old, new):
    return found(hazard, supervisor(*two(old=old, new=new)))


@proves(FAILED, kind=ABSENT)
def test_a_worker_is_another_matter(hazard):
    old = [condition("OwnerRemediated", reason=REASON, severity="Error")]
    worker = machine("wk-1", master=False, old=old)
    said = condition("WorkersAvailable", reason=f"{REASON} @ Machine/wk-1")
    return found(hazard, supervisor(*two(), worker, cluster=capi_cluster(old=[said])))


def test_another_clusters_machine_is_not_this_ones():
    old = [condition("OwnerRemediated", reason=REASON, severity="Error")]
    other = machine("cp-x", old=old)
    other["spec"]["clusterName"] = "other"
    assert found(FAILED, supervisor(*two(), other)).outcome == "clear"


# -- a node without its role -------------------------------------------------------------------------------------------


@proves(
    ROLE, kind=PRESENT, says=[f"node {NEW} of control-plane machine {NEW}"], line="roles <none>", remedy="cloud-init"
)
@pytest.mark.parametrize(
    "labels",
    [{}, {"node-role.kubernetes.io/worker": ""}, {"node.cluster.x-k8s.io/control-plane": ""}],
    ids=["none", "worker", "one that looks like it"],
)
def test_ready_without_role(hazard, labels):
    return found(hazard, supervisor(*two()), [*MINE, node(NEW, None, labels=labels)])


@proves(ROLE, kind=PRESENT, says=["node other-name of control-plane machine cp-new"])
def test_the_machine_does_not_know_its_node_yet(hazard):
    above = supervisor(machine("cp-1"), machine(NEW, None, addresses=["192.0.2.9"]))
    return found(hazard, above, [*MINE, node("other-name", None, address="192.0.2.9")])


@proves(ROLE, kind=PRESENT, says=["node cp-2", "node cp-3"])
def test_all_of_them_are_named(hazard):
    return found(hazard, supervisor(), [*MINE, node("cp-3", None), node("cp-2", None)])


@proves(ROLE, kind=ABSENT)
@pytest.mark.parametrize(
    "nodes",
    [
        pytest.param([node("cp-1"), node(NEW)], id="both have it"),
        pytest.param([node("cp-1", "master"), node(NEW, "master")], id="the older label"),
        pytest.param([node("cp-1"), node(NEW, None, ready="False")], id="not Ready: it is on its way, or down"),
        pytest.param([node("cp-1"), node(NEW), node("wk-1", None)], id="a worker has none"),
        pytest.param([node("cp-1")], id="no node yet"),
    ],
)
def test_the_role_is_there(hazard, nodes):
    return found(hazard, supervisor(*two(), machine("wk-1", master=False)), nodes)


def test_what_is_not_ready_is_told():
    finding = found(ROLE, supervisor(*two()), [*MINE, node(NEW, None, ready="Unknown")])
    assert finding.message == "without the role, and not Ready either: cp-new (Ready=Unknown)"


@proves(ROLE, kind=UNREADABLE, says=["no kubeconfig is given"])
def test_the_workload_cluster_cannot_be_asked(hazard):
    return found(hazard, supervisor(*two()), [], connected=False)


@proves(ROLE, kind=UNREADABLE, says=["is this the workload cluster"])
def test_other_nodes_than_the_machines(hazard):
    return found(hazard, supervisor(*two()), [node("elsewhere")])


@proves(ROLE, kind=UNREADABLE)
@pytest.mark.parametrize("broken", ["nodes", "*"])
def test_nodes_cannot_be_listed(hazard, broken):
    return found(hazard, supervisor(*two()), MINE, broken={broken: "forbidden"})


# -- one replica -------------------------------------------------------------------------------------------------------


@proves(
    SINGLE, kind=PRESENT, says=["has 1 replica"], line="spec.replicas 1", remedy="kubectl edit cluster -n team-a shop"
)
@pytest.mark.parametrize("replicas", [1, None], ids=["one", "not said: one"])
@pytest.mark.parametrize("beta", ["v1beta1", "v1beta2"])
def test_one_replica(hazard, replicas, beta):
    return found(hazard, supervisor(plane=control_plane(replicas, beta=beta)))


@proves(SINGLE, kind=PRESENT, says=["has 1 replica"])
def test_one_replica_is_one_while_a_second_machine_is_made(hazard):
    return found(hazard, supervisor(*two(), plane=control_plane(1)))


@proves(SINGLE, kind=ABSENT)
@pytest.mark.parametrize("replicas", [2, 3, 5])
def test_several_replicas(hazard, replicas):
    return found(hazard, supervisor(plane=control_plane(replicas)))


# -- a deletion that must not be ---------------------------------------------------------------------------------------


BEFORE = "2026-01-05T10:00:00Z"


def going(name, beta="v1beta1", **more):
    """A machine that is being deleted, as the controller marks every one of them, whatever it holds."""
    new = [condition("EtcdMemberHealthy", "False", "Deleting", "Machine is deleting")] if beta == "v1beta2" else []
    old = [condition("EtcdMemberHealthy", "False", "Deleting", severity="Info")]
    return machine(name, joined=None, old=old, new=new, deletionTimestamp=GONE, beta=beta, **more)


@proves(
    DELETED,
    kind=PRESENT,
    says=["do not delete cp-1", f"{NEW} has not joined etcd", "nothing would be left"],
    line=f"deletionTimestamp {GONE}",
    remedy="kubectl patch cluster -n team-a shop",
)
@pytest.mark.parametrize(
    "new",
    [
        pytest.param(machine(NEW, joined=False), id="etcd does not answer there"),
        pytest.param(machine(NEW, None, joined=None, phase="Provisioning"), id="it has no node"),
        pytest.param(machine(NEW, None, joined=True), id="it has no node, whatever is said"),
    ],
)
@pytest.mark.parametrize("old", [True, False, None], ids=["healthy", "ill", "not said"])
def test_the_only_one_is_deleted(hazard, new, old):
    return found(hazard, supervisor(machine("cp-1", joined=old, deletionTimestamp=GONE), new))


@proves(
    DELETED,
    kind=PRESENT,
    says=["do not delete cp-1: it holds", f"{NEW} has not joined etcd, and only cp-2, cp-3 would be left"],
    line=f"deletionTimestamp {GONE}",
)
@pytest.mark.parametrize("beta", ["v1beta1", "v1beta2"])
@pytest.mark.parametrize(
    ("nodes", "more"),
    [
        pytest.param(MINE, {}, id="its node has the role"),
        pytest.param(MINE, {"broken": {"nodes": "forbidden"}}, id="it was there when the new one was made"),
    ],
)
def test_one_of_three_is_deleted_while_the_new_one_has_not_joined(hazard, beta, nodes, more):
    """The controller says of each machine that is being deleted that etcd is not healthy there: it says nothing."""
    new = machine(NEW, None, joined=None, phase="Provisioning", made=BEFORE, beta=beta)
    others = [machine(name, beta=beta) for name in ("cp-2", "cp-3")]
    return found(hazard, supervisor(going("cp-1", beta), *others, new), nodes, **more)


def unseen(name, beta="v1beta1", **more):
    """A machine on which the controller could not look at etcd, as for a moment of any upgrade."""
    said = condition("EtcdMemberHealthy", "Unknown", "EtcdMemberInspectionFailed", "Failed to connect to the etcd pod")
    held = {"new": [said]} if beta == "v1beta2" else {"old": [said]}
    return machine(name, joined=None, beta=beta, **held, **more)


@proves(DELETED, kind=UNREADABLE, says=["whether cp-2 has joined etcd is not said (EtcdMemberHealthy is Unknown"])
@pytest.mark.parametrize("beta", ["v1beta1", "v1beta2"])
@pytest.mark.parametrize("nodes", [MINE, ()], ids=["with its role", "nobody could look"])
def test_the_controller_could_not_look_at_another(hazard, beta, nodes):
    new = machine(NEW, made=BEFORE, beta=beta)
    others = [unseen("cp-2", beta), machine("cp-3", beta=beta)]
    return found(hazard, supervisor(going("cp-1", beta), *others, new), nodes)


@proves(DELETED, kind=PRESENT, says=["do not delete cp-1", f"{NEW} has not joined etcd"])
def test_the_controller_could_not_look_at_the_new_one_whose_node_has_no_role(hazard):
    new = unseen(NEW, made=BEFORE)
    world = supervisor(going("cp-1"), machine("cp-2"), machine("cp-3"), new)
    return found(hazard, world, [*MINE, node(NEW, None)])


@proves(DELETED, kind=PRESENT, says=["do not delete cp-1, cp-2: they hold", "nothing would be left of the database"])
def test_all_that_hold_it_are_deleted(hazard):
    new = machine(NEW, joined=False)
    return found(hazard, supervisor(going("cp-1"), going("cp-2"), new), connected=False)


@proves(DELETED, kind=UNREADABLE, says=["whether cp-3, which is being deleted, was part of etcd is not known"])
@pytest.mark.parametrize("more", [{"connected": False}, {"broken": {"nodes": "forbidden"}}, {}])
def test_whether_it_was_part_of_etcd_is_not_known(hazard, more):
    """It may be the third one, or a new one that failed: the next one was made after its deletion was asked for."""
    new = machine(NEW, None, joined=None, made="2026-01-05T11:00:00Z")
    return found(hazard, supervisor(machine("cp-1"), machine("cp-2"), going("cp-3", made=BEFORE), new), **more)


@proves(DELETED, kind=PRESENT, says=["do not delete cp-1", "no other control-plane machine has joined"])
def test_there_is_no_other(hazard):
    return found(hazard, supervisor(machine("cp-1", deletionTimestamp=GONE)))


@proves(DELETED, kind=PRESENT, says=["do not delete cp-1, cp-2: they hold", "only cp-3 would be left"])
def test_two_of_three(hazard):
    gone = [machine(name, deletionTimestamp=GONE) for name in ("cp-2", "cp-1")]
    return found(hazard, supervisor(*gone, machine("cp-3"), machine(NEW, joined=False)))


@proves(DELETED, kind=ABSENT)
@pytest.mark.parametrize(
    "machines",
    [
        pytest.param(two(), id="nobody is deleted"),
        pytest.param(
            (machine("cp-1", deletionTimestamp=GONE), machine(NEW)), id="the new one has joined: as it should be"
        ),
        pytest.param(
            (machine("cp-1"), machine(NEW, joined=False, deletionTimestamp=GONE)), id="the new one, which never joined"
        ),
        pytest.param(
            (machine("cp-1"), going(NEW, made=BEFORE), machine("cp-newer", None, joined=None, made=GONE)),
            id="the new one, whose successor is on its way",
        ),
        pytest.param(
            (machine("cp-1"), going("cp-0", made=BEFORE, node=None), machine(NEW, joined=False, made=GONE)),
            id="one that never had a node",
        ),
        pytest.param(
            (
                *(machine(f"cp-{n}") for n in (1, 2, 3)),
                going("cp-4", made=BEFORE),
                machine(NEW, joined=False, made="2026-01-05T11:00:00Z"),
            ),
            id="as many as there are to be have joined",
        ),
        pytest.param(
            (machine("cp-1"), machine(NEW, joined=False), machine("wk-1", master=False, deletionTimestamp=GONE)),
            id="a worker",
        ),
        pytest.param(
            (machine("cp-1", deletionTimestamp=GONE), machine("cp-2"), machine("cp-3")), id="one of three, all the same"
        ),
    ],
)
def test_deletions_that_do_no_harm(hazard, machines):
    return found(hazard, supervisor(*machines), [*MINE, node(NEW, None)])


@proves(DELETED, kind=UNREADABLE, says=["cp-2 has joined etcd is not said"])
def test_whether_the_other_has_joined_is_not_said(hazard):
    return found(hazard, supervisor(machine("cp-1", deletionTimestamp=GONE), machine("cp-2", joined=None)))


@proves(DELETED, kind=NOT_APPLICABLE, says=["itself is being deleted"])
def test_the_whole_cluster_goes(hazard):
    gone = capi_cluster(deletionTimestamp=GONE)
    return found(hazard, supervisor(*two(deletionTimestamp=GONE), cluster=gone))


# -- what they have in common ------------------------------------------------------------------------------------------


@proves(*ALL, kind=NOT_APPLICABLE, says=["it is a Supervisor"])
def test_a_supervisor_is_no_workload_cluster(hazard):
    return evaluate(hazard, subject="supervisor", clusters=world(supervisor(), MINE))


@proves(*ALL, kind=UNREADABLE)
@pytest.mark.parametrize("broken", ["forbidden", "timed-out", "unreachable", "error"])
@pytest.mark.parametrize("resource", CLUSTER_API[0:4:3])
def test_the_supervisor_cannot_be_read(hazard, broken, resource):
    return found(hazard, supervisor(broken={resource: broken}))


@proves(FAILED, ROLE, DELETED, kind=UNREADABLE)
@pytest.mark.parametrize(
    "above",
    [
        pytest.param(supervisor(broken={CLUSTER_API[1]: "forbidden"}), id="no right to list machines"),
        pytest.param(supervisor(objects={CLUSTER_API[1]: []}), id="no machine"),
        pytest.param(supervisor(machine("wk-1", master=False)), id="no control-plane machine"),
    ],
)
def test_machines_cannot_be_known(hazard, above):
    return found(hazard, above)


@proves(*ALL, kind=UNREADABLE, says=["add the Supervisor"])
def test_no_supervisor_is_named(hazard):
    return evaluate(hazard, clusters={NAME: Api(objects={"nodes": MINE})})


@proves(*ALL, kind=UNREADABLE, says=["holds no Cluster object 'shop'"])
def test_the_supervisor_knows_it_by_another_name(hazard):
    other = capi_cluster()
    other["metadata"]["name"] = "other"
    return found(hazard, supervisor(cluster=other))


@proves(*ALL, kind=UNREADABLE, says=["does not serve"])
def test_no_cluster_api_there(hazard):
    return found(hazard, Api(role="supervisor"))


def test_each_workload_cluster_is_a_subject_of_its_own():
    assert set(findings(SINGLE, clusters=world(supervisor(), MINE))) == {"supervisor", NAME}


def twice():
    """A Supervisor with a Cluster of the same name in two namespaces: one of three replicas, the other of one."""
    first = (capi_cluster(), machine("cp-1"), control_plane())
    second = json.loads(json.dumps((capi_cluster(), machine("cp-9"), control_plane(1))).replace("team-a", "team-b"))
    kinds = (CLUSTER_API[0], CLUSTER_API[1], CLUSTER_API[3])
    return supervisor(objects={one: [*pair] for one, pair in zip(kinds, zip(first, second, strict=True), strict=True)})


def called(name):
    worlds = world(twice(), MINE)
    return {"supervisor": worlds["supervisor"], name: worlds[NAME]}


@proves(SINGLE, kind=UNREADABLE, says=["namespaces team-a, team-b: call the one that is meant team-a/shop"])
def test_the_same_name_in_two_namespaces(hazard):
    return evaluate(hazard, subject=NAME, clusters=called(NAME))


@proves(SINGLE, kind=PRESENT, says=["team-b/shop-cp has 1 replica"], remedy="kubectl edit cluster -n team-b shop")
def test_the_namespace_says_which_one_is_meant(hazard):
    assert evaluate(hazard, subject="team-a/shop", clusters=called("team-a/shop")).outcome == "clear"
    return evaluate(hazard, subject="team-b/shop", clusters=called("team-b/shop"))


def test_clusters_that_are_called_alike_are_found_with_their_namespaces():
    objects = [obj("Cluster", "shop"), obj("Cluster", "shop", namespace="team-b"), obj("Cluster", "till")]
    found = vks_members([CapiCluster.of(one) for one in objects])
    assert [one.name for one in found] == ["team-a/shop", "team-b/shop", "till"]
