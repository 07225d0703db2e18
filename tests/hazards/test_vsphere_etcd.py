"""Members that attempts to join have left in etcd, as etcdctl shows them beside the nodes of the workload cluster."""

from __future__ import annotations

import pytest

from conformance.facts.etcd import etcd_on_host
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.vsphere import NAME, etcd_pod, etcdctl, machine, member, node, supervisor, world
from tests.hazards.worlds import Machine

LEFT = "vks-etcd-learner-left"
NEW = "cp-new"
NODES = [node(f"cp-{last}", address=f"192.0.2.{last}") for last in (1, 2, 3)]
MEMBERS = [member(f"cp-{last}", f"192.0.2.{last}", 0xA0 + last) for last in (1, 2, 3)]
ABOVE = [machine(f"cp-{last}") for last in (1, 2, 3)]
PODS = {"pods": [etcd_pod("cp-1")]}


def found(hazard, members=MEMBERS, nodes=NODES, machines=ABOVE, objects=PODS, hosts=None, **more):
    programs = more.pop("programs", etcdctl(*members))
    worlds = world(supervisor(*machines), nodes, objects, programs=programs, **more)
    return evaluate(hazard, subject=NAME, hosts=hosts, clusters=worlds)


@proves(
    LEFT,
    kind=PRESENT,
    says=["of 4 members of etcd, 1 cannot stay", f"{NEW} bb (learner): its node {NEW} is gone", "etcdctl in pod"],
    line=f"bb, started, {NEW}, peer https://192.0.2.9:2380, learner true",
    remedy="member remove bb   # cp-new",
)
def test_a_learner_whose_node_was_discarded(hazard):
    return found(hazard, [*MEMBERS, member(NEW, "192.0.2.9", 0xBB, isLearner=True)])


@proves(LEFT, kind=PRESENT, says=[f"{NEW} bb (learner): it is still a learner"], remedy="look at the member list again")
@pytest.mark.parametrize("role", ["control-plane", None])
def test_a_learner_whose_node_is_there(hazard, role):
    nodes = [*NODES, node(NEW, role, address="192.0.2.9")]
    finding = found(hazard, [*MEMBERS, member(NEW, "192.0.2.9", 0xBB, isLearner=True)], nodes, [*ABOVE, machine(NEW)])
    assert "member remove" not in finding.remedy
    return finding


@proves(
    LEFT,
    kind=PRESENT,
    says=["never started, https://192.0.2.9:2380) bb", ": it was added and never started"],
    remedy="member remove bb   # never started",
)
@pytest.mark.parametrize("learner", [True, False])
@pytest.mark.parametrize("nodes", [[], [node(NEW, None, address="192.0.2.9")]], ids=["no node", "node of its address"])
def test_one_that_never_started(hazard, learner, nodes):
    finding = found(hazard, [*MEMBERS, member("", "192.0.2.9", 0xBB, isLearner=learner)], [*NODES, *nodes])
    assert ("node cp-new has its address" in finding.message) == bool(nodes)
    return finding


@proves(LEFT, kind=PRESENT, says=["cp-old bb: its node cp-old is gone; node cp-new has its address"])
def test_the_next_vm_was_given_the_same_address(hazard):
    """Peer URLs already exists: an address alone does not make it the member of the new node."""
    nodes = [*NODES, node(NEW, None, address="192.0.2.9")]
    return found(hazard, [*MEMBERS, member("cp-old", "192.0.2.9", 0xBB)], nodes, [*ABOVE, machine(NEW)])


@proves(
    LEFT, kind=PRESENT, says=["it votes, and yet its node cp-new has no control-plane role"], remedy="Do not delete"
)
def test_etcdctl_looks_fine_and_the_node_is_condemned(hazard):
    nodes = [*NODES, node(NEW, None, address="192.0.2.9")]
    finding = found(hazard, [*MEMBERS, member(NEW, "192.0.2.9", 0xBB)], nodes, [*ABOVE, machine(NEW, joined=True)])
    assert "member remove" not in finding.remedy
    return finding


@proves(LEFT, kind=PRESENT, says=["the Supervisor has no control-plane Machine for its node cp-3"])
def test_the_machine_was_discarded_and_the_node_is_left(hazard):
    return found(hazard, machines=[machine("cp-1"), machine("cp-2")])


@proves(LEFT, kind=PRESENT, says=["2 cannot stay", "cp-8 b8: its node", "cp-9 b9: its node"], remedy="member remove b9")
def test_every_one_is_named(hazard):
    left = [member(f"cp-{last}", f"192.0.2.{last}", 0xB0 + last) for last in (9, 8)]
    finding = found(hazard, [*left, *MEMBERS])
    assert finding.remedy.index("remove b8") < finding.remedy.index("remove b9")
    assert finding.remedy.index("snapshot save") < finding.remedy.index("remove b8")
    return finding


@proves(LEFT, kind=PRESENT, says=["etcdctl on cp-1"])
def test_seen_from_a_control_plane_host(hazard):
    told = etcdctl(*MEMBERS, member(NEW, "192.0.2.9", 0xBB, isLearner=True))
    keys = [one.key for one in etcd_on_host.sources]
    says = {key: text for words, text in told.items() for key in keys if f"{words} " in key and "/usr/local/" in key}
    host = Machine(roles=("control-plane",), cluster=NAME, says=says)
    finding = found(hazard, hosts={"cp-1": host}, objects={})
    assert "\nsudo etcdctl --endpoints=https://127.0.0.1:2379 " in finding.remedy
    assert "kubectl" not in finding.remedy
    return finding


@proves(LEFT, kind=PRESENT, says=["etcdctl in pod"], remedy="kubectl exec -n kube-system etcd-cp-1 -c etcd -- etcdctl ")
def test_the_remedy_runs_where_etcdctl_was_asked(hazard):
    """The host may have no etcdctl: that of its pod was asked."""
    finding = found(hazard, [*MEMBERS, member("cp-\n8", "192.0.2.8", 0xB8), member(NEW, "192.0.2.9", 0xBB)])
    listed, saved = [one for one in finding.remedy.split("\n") if not one.startswith("# ")]
    removed = [one for one in finding.remedy.split("\n") if " member remove " in one]
    assert "sudo" not in finding.remedy
    assert listed.endswith("member list -w table")
    # Whom to remove is known after the wait and the snapshot: no paste does it.
    assert saved.endswith("snapshot save /var/lib/etcd/before-removal.db")
    assert [one.partition(" member ")[2] for one in removed] == ["remove b8   # cp- 8", "remove bb   # cp-new"]
    return finding


@proves(LEFT, kind=ABSENT)
@pytest.mark.parametrize(
    ("members", "nodes", "machines"),
    [
        pytest.param(MEMBERS, NODES, ABOVE, id="three of three"),
        pytest.param(MEMBERS[:1], NODES[:1], ABOVE[:1], id="one of one"),
        pytest.param(MEMBERS, [*NODES, node("wk-1", None, address="192.0.2.21")], ABOVE, id="workers have none"),
        pytest.param(
            MEMBERS,
            [*NODES, node(NEW, None, address="192.0.2.9")],
            [*ABOVE, machine(NEW)],
            id="a node without a member",
        ),
        pytest.param(
            MEMBERS, [node(f"cp-{n}", "master", address=f"192.0.2.{n}") for n in (1, 2, 3)], ABOVE, id="older label"
        ),
        pytest.param(
            MEMBERS,
            NODES,
            [machine(f"shop-{n}", f"cp-{n}") for n in (1, 2, 3)],
            id="machines of another name than nodes",
        ),
        pytest.param(
            MEMBERS, NODES, [*ABOVE[:2], machine("cp-3", None)], id="the Supervisor has not seen the node yet"
        ),
        pytest.param(
            [*MEMBERS[:2], member("cp-3", "198.51.100.3", 0xA3)], NODES, ABOVE, id="at another address of the same node"
        ),
    ],
)
def test_members_as_they_should_be(hazard, members, nodes, machines):
    return found(hazard, members, nodes, machines)


@proves(LEFT, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("world", "why"),
    [
        pytest.param({"objects": {}}, "pod", id="no etcd pod and no host"),
        pytest.param({"broken": {"pods": "forbidden"}}, "forbidden", id="pods cannot be listed"),
        pytest.param({"broken": {"pods/exec": "forbidden"}}, "forbidden", id="nothing may be run in pods"),
        pytest.param({"programs": {"member": (1, "Error: context deadline exceeded")}}, "deadline", id="no quorum"),
        pytest.param({"programs": {"etcdctl": "8211f1d0f64f3269, started, cp-1"}}, "", id="no JSON"),
        pytest.param({"broken": {"nodes": "forbidden"}}, "forbidden", id="nodes cannot be listed"),
        pytest.param({"nodes": []}, "", id="no node at all"),
        pytest.param({"connected": False}, "no kubeconfig", id="no kubeconfig"),
        pytest.param({"machines": [machine("wk-1", master=False)]}, "no control-plane Machine", id="no machine"),
    ],
)
def test_it_cannot_be_known(hazard, world, why):
    finding = found(hazard, **world)
    assert why in finding.message
    return finding


@proves(LEFT, kind=UNREADABLE, says=["is it the etcd of this cluster?"])
def test_members_of_another_cluster_are_no_leftovers(hazard):
    return found(hazard, nodes=[node("elsewhere", address="198.51.100.1")], machines=[machine("elsewhere")])


@proves(LEFT, kind=NOT_APPLICABLE, says=["it is a Supervisor"])
def test_a_supervisor(hazard):
    return evaluate(hazard, subject="supervisor", clusters=world(supervisor(), NODES))
