"""What etcdctl and the metrics of a member say, and what follows from it for a cluster that may be ill."""

from __future__ import annotations

import json

import pytest

from conformance.answers import NotApplicable, Unreadable
from conformance.facts.declare import Members
from conformance.facts.etcd import (
    etcd,
    etcd_cluster,
    etcd_listed_on_hosts,
    etcd_metrics,
    etcd_on_host,
    etcd_on_hosts,
    etcd_pods_of_kubeadm,
    etcd_pods_of_openshift,
)
from conformance.facts.values.etcd import EtcdCluster, EtcdEndpoint, EtcdHealth, EtcdMember
from conformance.facts.values.etcd_metrics import InvalidMetrics, parse_metrics
from conformance.facts.values.etcdctl import InvalidEtcd, parse_health, parse_members, parse_statuses
from conformance.reads import ExecAnswers
from conformance.subjects import Subject

# As etcdctl 3.4.23 printed it (Debian 12), and what 3.7.3 adds or leaves out; 3.5 and 3.6 lie between the two.
MEMBERS = """{"header":{"cluster_id":6012025715201963436,"member_id":6662698563040693991,"raft_term":2},"members":[\
{"ID":6662698563040693991,"name":"a","peerURLs":["https://10.0.0.1:2380"],"clientURLs":["https://10.0.0.1:2379"]},\
{"ID":8414809075181239711,"peerURLs":["https://10.0.0.2:2380"],"isLearner":true}]}"""
STATUS_34 = """[{"Endpoint":"https://10.0.0.1:2379","Status":{"header":{"cluster_id":6012025715201963436,\
"member_id":6662698563040693991,"revision":1,"raft_term":2},"version":"3.4.23","dbSize":20480,\
"leader":6662698563040693991,"raftIndex":4,"raftTerm":2,"raftAppliedIndex":4,"dbSizeInUse":16384}}]"""
STATUS_37 = """[{"Endpoint":"https://10.0.0.1:2379","Status":{"header":{"cluster_id":4105626727086485397,\
"member_id":11143505474786458302,"revision":1,"raft_term":2},"version":"3.7.3","dbSize":24576,"raftIndex":24,\
"raftTerm":2,"raftAppliedIndex":24,"errors":["etcdserver: no leader"],"dbSizeInUse":16384,"storageVersion":"3.7.0",\
"dbSizeQuota":2147483648,"downgradeInfo":{}}}]"""
# etcd 3.3 tells neither of learners nor of what it has applied.
STATUS_33 = """[{"Endpoint":"127.0.0.1:2379","Status":{"header":{"cluster_id":1,"member_id":7,"revision":1,\
"raft_term":2},"version":"3.3.15","dbSize":20480,"leader":7,"raftIndex":9,"raftTerm":2}}]"""
HEALTH = """[{"endpoint":"https://10.0.0.1:2379","health":true,"took":"2.258656ms"},\
{"endpoint":"https://10.0.0.2:2379","health":false,"took":"5.001095669s","error":"context deadline exceeded"},\
{"endpoint":"https://10.0.0.3:2379","health":false,"took":"45.01ms","error":"etcdserver: rpc not supported for learner"}]"""
ALARM = "Active Alarm(s): NOSPACE "
OLD_API = "Incorrect Usage.\n\nNAME:\n   etcdctl - A simple command line client for etcd.\n"


def members(*names: str, learners: tuple[str, ...] = ()) -> list[EtcdMember]:
    """Members with the ids 1, 2, ..., each with a client URL that is its name."""
    return [EtcdMember(n, name, (), (name,), name in learners) for n, name in enumerate((*names, *learners), 1)]


def cluster(*names: str, down: tuple[str, ...] = (), learners: tuple[str, ...] = (), error: str = "") -> EtcdCluster:
    health = [EtcdHealth(name, name not in down and not error, error or "x" * (name in down)) for name in names]
    return EtcdCluster.of(members(*names, learners=learners), (), health)


class TestEtcdctl:
    def test_members(self) -> None:
        first, second = parse_members(MEMBERS)
        assert (first.name, first.hex_id, first.started, first.learner) == ("a", "5c76a90ae78bcee7", True, False)
        assert (second.started, second.learner) == (False, True)
        assert str(second) == "(never started, https://10.0.0.2:2380) 74c7684532e93d9f (learner)"

    def test_statuses(self) -> None:
        (one,) = parse_statuses(STATUS_34)
        assert (one.leader, one.leader_id, one.db_size_in_use, one.errors) == (True, one.member_id, 16384, ())
        (one,) = parse_statuses(STATUS_37)
        assert (one.leader, one.leader_id, one.errors) == (False, 0, ("etcdserver: no leader",))
        (one,) = parse_statuses(STATUS_33)
        assert (one.db_size_in_use, one.raft_applied_index, one.learner, one.answered) == (None, 9, False, True)
        assert parse_statuses("null") == ()

    def test_health(self) -> None:
        well, dead, learner = parse_health(HEALTH)
        assert (well.healthy, well.took_seconds) == (True, pytest.approx(0.002258656))
        assert (dead.healthy, dead.error, dead.took_seconds) == (
            False,
            "context deadline exceeded",
            pytest.approx(5, 1e-3),
        )
        assert learner.healthy is None

    @pytest.mark.parametrize(
        "text",
        ["", "null", "{}", "[]", '{"members":[]}', '{"members":[{}]}', OLD_API, '{"members":[{"ID":0}]}',
         '{"members":[{"ID":1},{"ID":1}]}', '{"members":[{"ID":18446744073709551616}]}', '{"members":[{"ID":"5c76"}]}',
         '{"members":[{"ID":true}]}', '{"members":[{"ID":1,"isLearner":"no"}]}', "[" * 5000],
    )  # fmt: skip
    def test_no_members(self, text: str) -> None:
        with pytest.raises(InvalidEtcd):
            parse_members(text)

    def test_numbers_of_64_bits_keep_every_digit(self) -> None:
        (one,) = parse_members('{"members":[{"ID":18446744073709551615,"name":"a"}]}')
        assert one.hex_id == "f" * 16
        assert parse_members('{"members":[{"ID":"18446744073709551615","name":"a"}]}') == (one,)


class TestQuorum:
    def test_healthy(self) -> None:
        seen = cluster("a", "b", "c")
        assert (seen.quorum, seen.spare, seen.has_quorum, seen.unhealthy_voters) == (2, 1, True, ())

    @pytest.mark.parametrize(
        ("size", "down", "spare", "without_down", "without_up"),
        [(3, 1, 0, 0, -1), (3, 2, -1, -1, -2), (5, 1, 1, 1, 0), (5, 2, 0, 0, -1), (5, 3, -1, -1, -2), (2, 1, -1, 0, -1),
         (4, 1, 0, 1, 0), (1, 1, -1, -1, None)],
    )  # fmt: skip
    def test_what_a_removal_leaves(
        self, size: int, down: int, spare: int, without_down: int, without_up: int | None
    ) -> None:
        names = "abcde"[:size]
        seen = cluster(*names, down=tuple(names[:down]))
        assert (seen.spare, seen.has_quorum) == (spare, spare >= 0)
        assert seen.spare_without(seen.members[0]) == without_down
        if without_up is not None:
            assert seen.spare_without(seen.members[-1]) == without_up

    def test_a_learner_counts_for_nothing(self) -> None:
        seen = cluster("a", "b", "c", learners=("d",))
        assert (seen.quorum, seen.spare, [one.name for one in seen.learners]) == (2, 1, ["d"])
        assert seen.spare_without(seen.learners[0]) == 1

    def test_an_alarm_is_no_lost_quorum(self) -> None:
        seen = cluster("a", "b", "c", error=ALARM)
        assert (seen.healthy_voters, len(seen.committing_voters)) == ((), 3)
        assert (seen.has_quorum, seen.spare, seen.alarms) == (True, 1, ("NOSPACE",))
        assert cluster("a", "b", "c", error="context deadline exceeded").has_quorum is False

    def test_which_alarms_are_raised_may_not_be_known(self) -> None:
        assert cluster("a", "b", "c", error=ALARM).alarms_known
        assert cluster("a", "b", "c", down=("a",)).alarms_known
        unfetched = cluster("a", "b", "c", error="Unable to fetch the alarm list")
        assert (unfetched.has_quorum, unfetched.alarms, unfetched.alarms_known) == (True, (), False)

    def test_the_view_of_the_quorum_counts_though_an_alarm_is_raised(self) -> None:
        cut_off = cluster("a", "b", "c", error="context deadline exceeded")
        quorum = cluster("a", "b", "c", error=ALARM)
        for views in ((cut_off, quorum), (quorum, cut_off)):
            assert etcd_on_hosts(Members({str(n): one for n, one in enumerate(views)})).alarms == ("NOSPACE",)

    def test_nobody_was_asked(self) -> None:
        seen = EtcdCluster.of(members("a", "b", "c"))
        assert (seen.healthy_voters, seen.has_quorum) == ((), False)

    def test_no_list(self) -> None:
        silent = EtcdEndpoint("a", 1, errors=("etcdserver: no leader",))
        assert EtcdCluster.of(None, [silent], unlisted="why").has_quorum is False
        unknown = EtcdCluster.of(None, [EtcdEndpoint("a", 1)], unlisted="why")
        with pytest.raises(Unreadable, match="why"):
            _ = unknown.has_quorum

    def test_the_leader_of_the_latest_term(self) -> None:
        two = [EtcdEndpoint("a", 1, leader=True, raft_term=4), EtcdEndpoint("b", 2, leader=True, raft_term=5)]
        leader = EtcdCluster.of(members("a", "b", "c"), two).leader
        assert leader is not None
        assert leader.name == "b"
        assert EtcdCluster.of(members("a", "b")).leader is None

    def test_how_far_one_is_behind(self) -> None:
        said = [
            EtcdEndpoint("a", 1, raft_index=900, raft_applied_index=899),
            EtcdEndpoint("b", 2, raft_index=100, raft_applied_index=90),
        ]
        first, second, third = (seen := EtcdCluster.of(members("a", "b", "c"), said)).members
        assert [seen.behind(one) for one in (first, second, third)] == [1, 810, None]

    def test_a_url_that_several_have(self) -> None:
        both = [
            EtcdMember(1, "a", (), ("x", "https://127.0.0.1:2379")),
            EtcdMember(2, "b", (), ("https://127.0.0.1:2379",)),
        ]
        seen = EtcdCluster.of(both, (), [EtcdHealth("https://127.0.0.1:2379", True), EtcdHealth("x", False, "dead")])
        assert [one.name for one in seen.healthy_voters] == []  # nobody knows whose health it is


def pods(read: int, **said: tuple[int, str]) -> ExecAnswers:
    asked = etcd_pods_of_kubeadm()[read]
    stored = {
        f"kube-system/etcd-{pod}": {"container": "etcd", "rc": rc, "stdout": text, "stderr": ""}
        for pod, (rc, text) in said.items()
    }
    return ExecAnswers(stored, asked)


TWO = json.dumps(
    {"members": [{"ID": n, "name": name, "clientURLs": [name]} for n, name in ((1, "a"), (2, "b"), (3, "c"))]}
)


def told(*healthy: str) -> str:
    return json.dumps([{"endpoint": name, "health": name in healthy, "took": "1ms"} for name in "abc"])


def status(*names: str) -> str:
    one = {"raftIndex": 5, "raftTerm": 2, "version": "3.5.9"}
    said = [{"Endpoint": name, "Status": {**one, "header": {"member_id": "_abc".index(name)}}} for name in names]
    return json.dumps(said)


class TestPods:
    def test_one_that_is_cut_off_is_outvoted(self) -> None:
        seen = etcd_cluster(
            pods(0, a=(0, TWO)), pods(1, a=(1, status("a")), b=(1, status("b", "c"))), pods(2, a=(1, told()), b=(1, told("b", "c")))
        )  # fmt: skip
        assert [one.name for one in seen.healthy_voters] == ["b", "c"]
        assert [one.url for one in seen.endpoints if one.answered] == ["b", "c"]

    def test_nobody_was_asked_for_health(self) -> None:
        with pytest.raises(Unreadable, match="names no endpoint whose health could be asked"):
            etcd_cluster(pods(0, a=(0, TWO)), pods(1, a=(0, status("a"))), pods(2, a=(0, "[]")))

    def test_no_pod_answers(self) -> None:
        with pytest.raises(Unreadable, match="etcdctl in pod kube-system/etcd-a ended with 1"):
            etcd_cluster(pods(0, a=(1, TWO)), pods(1), pods(2))

    def test_which_pods_of_openshift(self) -> None:
        import re

        pattern = etcd_pods_of_openshift()[0].names
        assert re.fullmatch(pattern, "etcd-master-0.example.com")
        assert not any(re.fullmatch(pattern, one) for one in ("etcd-quorum-guard-x", "etcd-guard-m0", "installer-3-m0"))


class TestHosts:
    HERE = Subject("cp-1", "host", ("control-plane",))

    def made(self, *eight: str) -> EtcdCluster:
        found: EtcdCluster = etcd_on_host(*eight, subject=self.HERE)
        return found

    def test_wherever_etcdctl_is(self) -> None:
        for place in (0, 1):
            said = ["", ""] * 4
            said[place::2] = [TWO, status("a"), told("a", "b", "c"), status("a")]
            assert self.made(*said).spare == 1

    def test_without_a_quorum(self) -> None:
        seen = self.made("", "", "", "", "", "", STATUS_37, "")
        assert seen.has_quorum is False
        with pytest.raises(Unreadable, match="cp-1 gives no list of members: has etcd lost its quorum"):
            _ = seen.voters

    def test_nothing_at_all(self) -> None:
        with pytest.raises(Unreadable, match="gives nothing: it takes etcdctl in"):
            self.made(*[""] * 8)

    def test_the_old_api(self) -> None:
        with pytest.raises(InvalidEtcd):
            self.made(OLD_API, "", OLD_API, "", OLD_API, "", OLD_API, "")

    def test_the_fullest_view_of_several_hosts(self) -> None:
        alone = EtcdCluster.of(None, [EtcdEndpoint("a", 1)], unlisted="alone")
        whole, ill = cluster("a", "b", "c"), cluster("a", "b", "c", down=("b",))
        assert etcd_on_hosts(Members({"1": alone, "2": ill, "3": whole}, {}, {})) is whole
        assert etcd_listed_on_hosts(Members({"1": alone, "2": ill}, {}, {})) is ill
        assert etcd_on_hosts(Members({"1": alone}, {}, {})) is alone
        with pytest.raises(Unreadable, match="alone"):
            etcd_listed_on_hosts(Members({"1": alone}, {}, {}))
        with pytest.raises(Unreadable, match="add hosts to the change"):
            etcd_on_hosts(Members({}, {}, {}))

    def test_pods_where_hosts_do_not_tell(self) -> None:
        answers = (pods(0, a=(0, TWO)), pods(1, a=(0, status("a"))), pods(2, a=(0, told("a", "b", "c"))))
        nothing = tuple(ExecAnswers({}, one, Unreadable("declined")) for one in etcd_pods_of_kubeadm())
        whole, failed = cluster("a", "b"), {"cp-1": Unreadable("no sudo")}
        alone = EtcdCluster.of(None, [EtcdEndpoint("a", 1)], unlisted="alone")
        assert etcd(*nothing, Members({"1": whole}, {}, {})) is whole
        assert etcd(*answers, Members({}, failed, {})).source == "etcdctl in pod kube-system/etcd-a"
        assert etcd(*answers, Members({"1": alone}, {}, {})).unlisted == ""
        assert etcd(*nothing, Members({"1": alone}, {}, {})) is alone
        with pytest.raises(Unreadable, match="declined; on hosts: no sudo"):
            etcd(*nothing, Members({}, failed, {}))


class TestMetrics:
    def test_no_etcd_here(self) -> None:
        with pytest.raises(NotApplicable, match="no etcd runs on it"):
            etcd_metrics("none\n")

    def test_another_program_at_that_port(self) -> None:
        with pytest.raises(InvalidMetrics, match="expected the metrics of etcd"):
            etcd_metrics("go_goroutines 7\n")

    def test_sizes_by_their_older_names(self) -> None:
        text = "etcd_server_has_leader 1\netcd_debugging_mvcc_db_total_size_in_bytes 2.048e+06\n"
        assert parse_metrics(text).db_size == 2_048_000
        assert parse_metrics(text + "etcd_mvcc_db_total_size_in_bytes 7\n").db_size == 7

    def test_a_histogram_that_is_cut(self) -> None:
        name = "etcd_disk_wal_fsync_duration_seconds"
        rows = [f'{name}_bucket{{le="0.001"}} 1', f'{name}_bucket{{le="+Inf"}} 3', f"{name}_sum 0.5", f"{name}_count 3"]
        text = "\n".join(["etcd_server_has_leader 0", *rows])
        found = parse_metrics(text)
        assert (found.has_leader, found.wal_fsync and found.wal_fsync.slower_than(0.001)) == (False, 2)
        for number in range(1, 4):
            with pytest.raises(InvalidMetrics):
                parse_metrics("\n".join(["etcd_server_has_leader 0", *rows[:number]]))
