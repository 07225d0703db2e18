"""Whatever a log of cloud-init says of joining etcd, and a host of round trips: a value, or the one declared error."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conformance.facts.values.joinlog import COMPLAINTS, WORDS, join_attempts, moment_of
from conformance.facts.values.roundtrips import InvalidRoundTrips, RoundTrip, round_trips

STEP = "control-plane-join etcd"
BEGIN = f"+++ [2026-01-05T10:30:00+00:00] running 'kubeadm join phase {STEP}'"
ADDED = "I0105 10:30:01.120000    1811 etcd.go:321] [etcd] Adding etcd member as learner"
FAILED = "error execution phase control-plane-join-etcd: etcdserver: Peer URLs already exists"
JOINED = f"+++ [2026-01-05T10:31:00+00:00] kubeadm reported successful execution for 'kubeadm join phase {STEP}'"
CLEANED = "+++ [2026-01-05T10:32:05+00:00] Removing member from cluster status"
LINES = st.sampled_from(
    [
        *(BEGIN, ADDED, FAILED, JOINED, CLEANED),
        *(f"etcdserver: {words}" for words in COMPLAINTS.values()),
        *("retrying of unary invoker failed", "PROMOTING a Learner as a voting member", "Fatal error, exiting", ""),
        *(
            "[mark-control-plane] Marking the node cp-2 as control-plane by adding the labels",
            "Reading package lists...",
        ),
        *("error execution phase etcd-join: timed out", "cluster.x-k8s.io kubeadm bootstrap script /tmp/x finished"),
        "Your Kubernetes control-plane has initialized successfully!",
    ]
)
LOGS = st.lists(LINES | st.text(alphabet=st.characters(exclude_characters="\n\r")), max_size=40)
MOMENTS = st.datetimes(datetime(2020, 1, 2), datetime(2029, 12, 30), timezones=st.just(UTC))  # noqa: DTZ001 - as it wants


# -- attempts to join


@settings(deadline=None)
@given(LOGS)
def test_any_log_gives_attempts(lines: list[str]) -> None:
    found = join_attempts(lines)
    told = [line for one in found for line in one.lines]
    rest = iter(lines)
    assert all(line in rest for line in told), "in their order, each once"
    for one in found:
        assert one.lines
        assert one.end in ("joined", "failed", "open")
        assert (one.complaint in COMPLAINTS.values()) == bool(one.complaints)
        assert one.decisive in ("", *one.lines)
        assert one.told
        assert one.took is None or one.took >= timedelta(0)


@settings(deadline=None)
@given(LOGS)
def test_what_the_filter_leaves_out_decides_nothing(lines: list[str]) -> None:
    kept = [one for one in lines if re.search(WORDS, one, re.IGNORECASE)]

    def decided(of: list[str]) -> list[tuple[object, ...]]:
        return [(one.end, one.complaint, one.complaints, one.decisive, one.cleaned) for one in join_attempts(of)]

    assert decided(kept) == decided(lines)


@settings(deadline=None)
@given(st.lists(st.sampled_from(["failed", "joined"]), min_size=1, max_size=6))
def test_each_attempt_ends_as_it_was_written(ends: list[str]) -> None:
    log = []
    for end in ends:
        log += [BEGIN, ADDED, *([FAILED, "fatal error, exiting", CLEANED] if end == "failed" else [JOINED])]
    found = join_attempts(log)
    assert [one.end for one in found] == ends
    assert [one.complaint for one in found] == ["Peer URLs already exists" if one == "failed" else "" for one in ends]
    assert {one.took for one in found} <= {timedelta(minutes=1), timedelta(minutes=2, seconds=5)}


@settings(deadline=None)
@given(MOMENTS, st.integers(0, 3600))
def test_lines_of_klog_have_their_year_from_the_others(begun: datetime, seconds: int) -> None:
    """Also over the turn of a year: klog's header has none."""
    ended = begun + timedelta(seconds=seconds)
    lines = [
        f"I{begun:%m%d %H:%M:%S}.120000 1811 etcd.go:321] [etcd] Adding etcd member as learner",
        f"!!! [{ended.isoformat(timespec='seconds')}] kubeadm reported failed action(s) for 'kubeadm join phase {STEP}'",
    ]
    (one,) = join_attempts(lines)
    assert one.dated
    assert one.begun == begun.replace(microsecond=0)
    assert one.ended == ended.replace(microsecond=0)
    assert one.took == one.ended - one.begun


def test_without_any_year_the_time_of_day_is_told() -> None:
    (one,) = join_attempts([ADDED, ADDED.replace("10:30:01", "10:31:31")])
    assert not one.dated
    assert one.took == timedelta(seconds=90)
    assert f"{one.ended:%m-%d %H:%M:%S}" == "01-05 10:31:31"


@settings(deadline=None)
@given(st.text() | st.from_regex(r"[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d([+-]\d\d:\d\d)?"))
def test_any_line_bears_a_time_or_none(line: str) -> None:
    found = moment_of(line)
    assert found is None or found.tzinfo is not None


@pytest.mark.parametrize(
    "step", ["control-plane-join/etcd", "control-plane-join-etcd", "control-plane-join etcd", "etcd-join"]
)
def test_the_step_has_had_several_names(step: str) -> None:
    (one,) = join_attempts([f"error execution phase {step}: etcdserver: server stopped"])
    assert one.end == "failed"
    assert join_attempts([f"error execution phase {step.replace('etcd', 'mark')}: no"]) == []


# -- round trips

PIECES = st.sampled_from(
    [
        *("== cp-2=192.0.2.2\n", "== cp-2=\n", "20 packets transmitted, 20 received, ", "ping 0\n", "ping 1\n", "\n"),
        *("rtt min/avg/max/mdev = 0.1/0.2/0.3/0.1 ms", "tcp ", "open 1.000001 1.000002\n", "none 124", "1" * 30),
    ]
)


@settings(deadline=None)
@given(st.text() | st.lists(PIECES).map("".join))
def test_any_text_is_measurements_or_the_error(text: str) -> None:
    try:
        found = round_trips(text)
    except InvalidRoundTrips as error:
        assert str(error)
        return
    assert found == sorted(found, key=lambda one: one.peer)
    for one in found:
        assert one.received <= one.sent
        assert len(one.connected) <= one.tried
        assert not (one.silent and one.blocked)
        assert one.loss is None or 0 <= one.loss <= 1
        assert (one.seconds is None) == (one.silent or bool(one.problem))


@settings(deadline=None)
@given(
    st.integers(0, 20),
    st.floats(0, 5000).map(lambda one: round(one, 3)),
    st.lists(st.floats(0, 1).map(lambda one: round(one, 6)), max_size=3),
)
def test_what_ping_and_bash_say_comes_back(received: int, mean: float, connects: list[float]) -> None:
    counts = f"20 packets transmitted, {received} received, {100 - 5 * received}% packet loss, time 3801ms"
    times = f"\nrtt min/avg/max/mdev = {mean:.3f}/{mean:.3f}/{mean:.3f}/0.000 ms" if received else ""
    tries = [f"open 1700000000.000000 {1_700_000_000 + one:.6f}" for one in connects] + ["none 124"]
    text = f"== cp-2=192.0.2.2\n{counts}{times}\nping {0 if received else 1}\ntcp " + "\n".join(tries) + "\n"
    (one,) = round_trips(text)
    assert isinstance(one, RoundTrip)
    assert (one.peer, one.address, one.sent, one.received) == ("cp-2", "192.0.2.2", 20, received)
    assert one.mean == (pytest.approx(mean / 1000) if received else None)
    assert one.tried == len(connects) + 1
    assert list(one.connected) == pytest.approx(connects, abs=1e-6)
    assert one.silent == (not received and not connects)
    assert one.blocked == bool(received and not connects)


def test_busybox_says_it_in_other_words() -> None:
    said = "20 packets transmitted, 18 packets received, 10% packet loss\nround-trip min/avg/max = 0.1/0.5/2.0 ms"
    (one,) = round_trips(f"== cp-2=192.0.2.2\n{said}\nping 0\ntcp none 143\nnone 143\nnone 143\n")
    assert (one.sent, one.received, one.mean, one.longest, one.tried) == (20, 18, 0.0005, 0.002, 3)
