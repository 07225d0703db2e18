"""Whether a member of OpenShift's etcd can be removed: only where a quorum survives it."""

from __future__ import annotations

import pytest

from checks.openshift.check_members import check_a_member_can_be_removed, check_etcd_members_are_healthy
from conformance import HazardFound, Members, Unreadable
from conformance.facts.values.etcd import EtcdCluster, EtcdEndpoint
from tests.hazards.evaluating import evaluate
from tests.hazards.openshift import ADDRESSES, BAD, ETCD_UNKNOWN, IDS, NODES, PEER, THIRD, etcdctl, member, openshift
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves

UNSAFE = "ocp-etcd-member-replacement-unsafe"
BAD_ID = f"{IDS[BAD]:x}"
THREE = [member(one) for one in NODES]
OTHERS = THREE[1:]
#: Five members, of which the last two are no nodes of the document.
FIVE = [*THREE, member("m4", "10.0.1.4", 4), member("m5", "10.0.1.5", 5)]
NEVER = member("", ADDRESSES[BAD], 0xBAD, started=False)


def on(hazard, *, upgrade=(None, "4.10"), execs=True, **world):
    return evaluate(hazard, clusters={"prod": openshift(**world)}, upgrade=upgrade, execs=execs)


@proves(
    UNSAFE,
    kind=PRESENT,
    says=["nothing can be removed while"],
    line=f"{BAD} {BAD_ID}: peer https://10.0.131.183:2380 unhealthy",
    remedy="cluster-restore.sh",
)
@pytest.mark.parametrize(
    ("programs", "told"),
    [
        (
            etcdctl(down=[BAD, THIRD]),
            f"1 of 3 voting members are healthy, 2 are a majority: nothing can be removed while {BAD}",
        ),
        (etcdctl(down=NODES), "0 of 3 voting members"),
        (etcdctl(FIVE, down=[BAD, "m4", "m5"]), "2 of 5 voting members are healthy, 3 are a majority"),
        (etcdctl(FIVE[:4], down=[BAD, "m4"]), "2 of 4 voting members are healthy, 3 are a majority"),
        (etcdctl(THREE[:2], down=[BAD]), "1 of 2 voting members are healthy, 2 are a majority"),
        (etcdctl([*THREE, member("", "10.0.1.4", 4, started=False)], down=[BAD]), "2 of 4 voting members"),
        (etcdctl([*THREE[:2], member(THIRD, learner=True)], down=[BAD]), "1 of 2 voting members"),
    ],
    ids=[
        "two of three",
        "all",
        "three of five",
        "two of four",
        "one of two",
        "and one never started",
        "a learner is no voter",
    ],
)
def test_a_removal_would_cost_the_quorum(hazard, programs, told):
    finding = on(hazard, programs=programs)
    assert told in finding.message
    return finding


@proves(UNSAFE, kind=ABSENT)
@pytest.mark.parametrize(
    ("programs", "told"),
    [
        pytest.param(
            etcdctl(down=[BAD]),
            f"2 of 3 voting members are healthy: {BAD} {BAD_ID} can be removed (oc rsh -n openshift-etcd -c etcdctl "
            f"etcd-{PEER} etcdctl member remove {BAD_ID}). After that 2 of 2 are healthy, and 0 of them may fail",
            id="one of three, as in the document",
        ),
        pytest.param(
            etcdctl(FIVE, down=[BAD, "m4"]),
            "can be removed one by one, each looked at anew",
            id="two of five, one by one",
        ),
        pytest.param(
            etcdctl(FIVE, down=["m5"]), "After that 4 of 4 are healthy, and 1 of them may fail", id="one of five"
        ),
        pytest.param(etcdctl([NEVER, *OTHERS]), "member remove bad)", id="one that never started"),
        pytest.param(etcdctl(), "all 3 voting members are healthy: none of them has to be removed", id="nobody is ill"),
        pytest.param(
            etcdctl([*THREE, member("m4", "10.0.1.4", 4, learner=True)], down=[BAD]),
            "2 of 3 voting members are healthy",
            id="a learner does not count",
        ),
    ],
)
def test_a_removal_leaves_a_quorum(hazard, programs, told):
    finding = on(hazard, programs=programs)
    assert told in finding.message
    return finding


@proves(UNSAFE, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_removal_in_a_cluster_that_stays(hazard):
    return evaluate(hazard, clusters={"prod": openshift(programs=etcdctl(down=NODES[:2]), upgrade="none")})


@proves(UNSAFE, kind=UNREADABLE)
@pytest.mark.parametrize(("world", "told"), ETCD_UNKNOWN)
def test_the_quorum_cannot_be_known(hazard, world, told):
    finding = on(hazard, **world)
    assert told in finding.message
    return finding


ALARM, UNFETCHED = "Active Alarm(s): NOSPACE ", "Unable to fetch the alarm list"


@proves(
    UNSAFE,
    kind=PRESENT,
    says=["alarm NOSPACE is raised", "remove nobody before"],
    line="https://10.0.154.204:2379: Active Alarm(s): NOSPACE",
    remedy="etcdctl alarm disarm",
)
@pytest.mark.parametrize(
    ("down", "told"),
    [((), "3 of 3 voting members commit"), ((BAD,), "2 of 3 voting members commit: mend and disarm it first")],
    ids=["nobody is down", "one is down"],
)
def test_nobody_is_removed_while_an_alarm_is_raised(hazard, down, told):
    """etcdctl calls every endpoint unhealthy then, those that commit as well."""
    finding = on(hazard, programs=etcdctl(down=[*down], error=ALARM))
    assert told in finding.message
    assert "member remove" not in f"{finding.message} {finding.remedy}"
    assert (f"look again at {BAD}" in finding.message) == bool(down)
    return finding


@proves(UNSAFE, kind=PRESENT, says=["alarm NOSPACE is raised"], line="alarm:NOSPACE", remedy="etcdctl alarm disarm")
@pytest.mark.parametrize("down", [(), (BAD,)], ids=["nobody is down", "one is down"])
def test_the_status_alone_tells_the_alarm(hazard, down):
    finding = on(hazard, programs=etcdctl(down=[*down], alarm="NOSPACE"))
    assert "member remove" not in f"{finding.message} {finding.remedy}"
    return finding


@proves(UNSAFE, kind=PRESENT, says=["alarm CORRUPT is raised"], remedy="Do not disarm it")
def test_a_corrupt_member_is_not_disarmed(hazard):
    finding = on(hazard, programs=etcdctl(error="Active Alarm(s): CORRUPT "))
    assert "alarm disarm" not in finding.remedy
    return finding


@proves(UNSAFE, kind=UNREADABLE, says=["unable to fetch the alarm list"])
@pytest.mark.parametrize("down", [(), (BAD,)])
def test_which_alarms_are_raised_is_not_known(hazard, down):
    return on(hazard, programs=etcdctl(down=[*down], error=UNFETCHED))


# -- a view without a list of members ------------------------------------------------------------------------------


def unlisted(*errors, healthy=None):
    url = "https://10.0.131.183:2379"
    end = EtcdEndpoint(url, leader_id=0, raft_index=1, errors=errors, healthy=healthy, health_error="timed out")
    return EtcdCluster.of(None, [end], (), "the test", unlisted="no list of members")


def test_nothing_can_be_removed_where_no_member_hears_of_a_leader():
    with pytest.raises(HazardFound, match="no quorum: it cannot remove anybody") as caught:
        check_a_member_can_be_removed(unlisted("etcdserver: no leader"))
    assert caught.value.evidence[0].endswith(": etcdserver: no leader")
    with pytest.raises(Unreadable, match="no list of members"):
        check_a_member_can_be_removed(unlisted())


@pytest.mark.parametrize(
    ("seen", "told"),
    [
        (unlisted("etcdserver: no leader"), "etcd has no leader"),
        (
            unlisted("etcdserver: no leader", healthy=False),
            r"https://10\.0\.131\.183:2379 does not commit \(timed out\)",
        ),
    ],
)
def test_members_are_ill_where_none_hears_of_a_leader(seen, told):
    with pytest.raises(HazardFound, match=told):
        check_etcd_members_are_healthy(Members({"prod": seen}), Members({}))
