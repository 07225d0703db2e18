"""What etcdctl and etcd's metrics print: any text gives a value or the documented error, and what is printed is read."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from conformance.facts.values.etcd import EtcdCluster, EtcdEndpoint, EtcdHealth, EtcdMember
from conformance.facts.values.etcd_metrics import EtcdMetrics, InvalidMetrics, parse_metrics
from conformance.facts.values.etcdctl import InvalidEtcd, parse_health, parse_members, parse_statuses

IDS = st.integers(1, 2**64 - 1)
NAMES = st.text(st.characters(codec="utf-8"), max_size=12)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | NAMES,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                "members ID name peerURLs clientURLs isLearner Endpoint Status header member_id leader raftIndex errors "
                "endpoint health error took dbSize".split()
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)
TEXTS = st.one_of(st.text(max_size=60), JSON.map(json.dumps))
MEMBERS = st.lists(
    st.builds(EtcdMember, IDS, NAMES, st.lists(NAMES, max_size=2).map(tuple), st.lists(NAMES, max_size=2).map(tuple), st.booleans()),
    min_size=1, max_size=5, unique_by=lambda one: one.id,
)  # fmt: skip


@given(TEXTS)
def test_any_text_is_understood_or_refused(text: str) -> None:
    for parse in (parse_members, parse_statuses, parse_health):
        try:
            found = parse(text)
        except InvalidEtcd:
            continue
        assert isinstance(found, tuple)


def printed(member: EtcdMember, *, as_text: bool) -> dict[str, object]:
    """As Go prints it: without what is empty."""
    whole = {
        "ID": str(member.id) if as_text else member.id,
        "name": member.name,
        "peerURLs": list(member.peer_urls),
        "clientURLs": list(member.client_urls),
        "isLearner": member.learner,
    }
    return {key: value for key, value in whole.items() if value}


@given(MEMBERS, st.booleans())
def test_members_are_read_as_they_were(members: list[EtcdMember], as_text: bool) -> None:  # noqa: FBT001 - given
    text = json.dumps({"members": [printed(one, as_text=as_text) for one in members]})
    assert list(parse_members(text)) == members
    assert all(int(one.hex_id, 16) == one.id for one in members)


DURATIONS = st.tuples(st.integers(0, 5000), st.sampled_from(["h", "m", "s", "ms", "µs", "us", "ns"]))


@given(NAMES, st.booleans(), NAMES, st.lists(DURATIONS, min_size=1, max_size=3))
def test_health_is_read_as_it_was(url: str, healthy: bool, error: str, took: list[tuple[int, str]]) -> None:  # noqa: FBT001
    one = {"endpoint": url, "health": healthy, "took": "".join(f"{n}{unit}" for n, unit in took), "error": error}
    (found,) = parse_health(json.dumps([one]))
    assert (found.url, found.error) == (url, error)
    assert found.healthy == (None if "not supported for learner" in error else healthy)
    assert (found.took_seconds or 0) >= 0


@given(
    MEMBERS,
    st.lists(st.builds(EtcdHealth, NAMES, st.sampled_from([True, False, None]), NAMES), max_size=6),
    st.lists(st.builds(EtcdEndpoint, NAMES, IDS, raft_index=st.integers(0, 99), raft_applied_index=st.integers(0, 99)), max_size=4),
)  # fmt: skip
def test_what_is_counted_agrees(members: list[EtcdMember], health: list[EtcdHealth], said: list[EtcdEndpoint]) -> None:
    seen = EtcdCluster.of(members, said, health)
    assert sorted(one.id for one in seen.members) == sorted(one.id for one in members)
    assert {*seen.voters, *seen.learners} == set(members)
    assert {*seen.healthy_voters} <= {*seen.committing_voters} <= {*seen.voters}
    assert not {*seen.healthy_voters} & {*seen.unhealthy_voters}
    assert seen.has_quorum is (seen.spare >= 0)
    for one in seen.members:
        if one.learner:
            assert seen.spare_without(one) == seen.spare
        # To lose a voter that commits costs one; to take one away that does not costs nothing, and may gain.
        elif one in seen.committing_voters:
            assert seen.spare_without(one) in (seen.spare - 1, seen.spare)
        else:
            assert seen.spare_without(one) in (seen.spare, seen.spare + 1)
        assert (seen.behind(one) or 0) >= 0
    # The order in which etcdctl prints is no news.
    assert EtcdCluster.of(members[::-1], said, health).members == seen.members


COUNTS = st.lists(st.integers(0, 1000), min_size=1, max_size=6)
FSYNC = "etcd_disk_wal_fsync_duration_seconds"


def histogram(counts: list[int], seconds: float, label: str = "") -> list[str]:
    """Buckets 0.001, 0.002, 0.004 … and an infinite one, each with so many more than the one before."""
    bounds = [*(0.001 * 2**n for n in range(len(counts) - 1)), math.inf]
    rows, upto = [], 0
    for bound, count in zip(bounds, counts, strict=True):
        upto += count
        rows.append(f'{FSYNC}_bucket{{{label}le="{"+Inf" if math.isinf(bound) else bound}"}} {upto}')
    return [*rows, f"{FSYNC}_sum {seconds!r}", f"{FSYNC}_count {upto}"]


@given(COUNTS, st.floats(0, 1e6), st.floats(0, 1))
def test_a_histogram_is_read_as_it_was(counts: list[int], seconds: float, share: float) -> None:
    text = "\n".join(["# HELP x", "etcd_server_has_leader 1", *histogram(counts, seconds), 'other{a="}"} x'])
    found = parse_metrics(text).wal_fsync
    assert found is not None
    assert (found.count, found.sum, len(found.buckets)) == (sum(counts), seconds, len(counts))
    value = found.quantile(share)
    assert (value is None) == (found.count == 0)
    if value is not None:
        assert 0 <= value <= max((bound for bound, _ in found.buckets if not math.isinf(bound)), default=0)
        assert value <= (found.quantile(1) or 0) + 1e-12
    assert found.slower_than(0) >= found.slower_than(0.002) >= found.slower_than(math.inf) == 0


@given(st.one_of(
    st.text(max_size=80),
    st.lists(st.sampled_from([
        "etcd_server_has_leader 1", "etcd_server_has_leader nan", 'etcd_server_id{server_id="8e9"} 1', "etcd_x{", "etcd_x 1 2 3",
        'etcd_server_id{server_id="zz"} 1', "etcd_mvcc_db_total_size_in_bytes 1e400", "etcd_mvcc_db_total_size_in_bytes -1",
        'etcd_network_peer_round_trip_time_seconds_count{To="a"} 1', f"{FSYNC}_sum Inf", "go_x 1", "",
        *histogram([1, 2], 0.5),
    ])).map("\n".join),
))  # fmt: skip
def test_any_metrics_are_understood_or_refused(text: str) -> None:
    try:
        found = parse_metrics(text)
    except InvalidMetrics:
        return
    assert isinstance(found, EtcdMetrics)
