"""When a kubelet said something, and what runs on a host: any text gives a value, and what is printed is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from conformance.facts.linux_processes import processes
from conformance.facts.values.klog import said_at

NOW = datetime(2024, 3, 1, 12, tzinfo=timezone(timedelta(hours=9)))
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
#: Anything, and what is close to a line of a log.
LINES = st.one_of(
    st.text(max_size=60),
    st.from_regex(r"\A *[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([+-][0-9]{2}:?[0-9]{2}|Z) x\Z"),
    st.from_regex(r"\A(log )?[IWEFX][0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{1,9} +1 x\.go:1\] y\Z"),
)
SECONDS = st.datetimes(datetime(1970, 1, 1), datetime(2100, 1, 1)).map(lambda one: one.replace(microsecond=0))
NAMES = st.text(st.characters(codec="ascii", categories=("L", "N", "P", "S")), min_size=1, max_size=15)
UIDS = st.one_of(st.uuids().map(str), st.uuids().map(lambda one: one.hex))


@given(LINES, st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)), ZONES)
def test_a_line_has_a_moment_with_a_zone_or_none(line, now, zone):
    found = said_at(line, now.replace(tzinfo=zone))
    assert found is None or found.utcoffset() is not None


@given(SECONDS, ZONES, st.sampled_from(["%z", "colon"]))
def test_a_line_of_the_journal(moment, zone, form):
    moment = moment.replace(tzinfo=zone)
    stamp = moment.isoformat() if form == "colon" else moment.strftime("%Y-%m-%dT%H:%M:%S%z")
    assert said_at(f"{stamp} wk kubelet[1]: E0101 00:00:00.000001       1 x.go:1] y", NOW) == moment


@given(st.datetimes(datetime(1971, 1, 1), datetime(2100, 1, 1)), st.integers(0, 364 * 86_400 - 1), ZONES)
def test_a_line_of_klog_within_a_year(now, seconds, zone):
    now = now.replace(microsecond=0, tzinfo=zone)
    moment = now - timedelta(seconds=seconds)
    assert said_at(f"E{moment:%m%d %H:%M:%S}.000001    1 x.go:1] y", now) == moment


def test_a_clock_that_was_put_back_by_less_than_a_day_shows():
    assert said_at("E0302 11:59:59.1 1 x.go:1] y", NOW) == NOW + timedelta(hours=23, minutes=59, seconds=59)
    assert said_at("E0302 12:00:01.1 1 x.go:1] y", NOW) == datetime(2023, 3, 2, 12, 0, 1, tzinfo=NOW.tzinfo)
    assert said_at("E0229 12:00:00.1 1 x.go:1] y", datetime(2025, 2, 1, tzinfo=UTC)) == datetime(
        2024, 2, 29, 12, tzinfo=UTC
    )


@given(st.text(max_size=200))
def test_processes_of_any_text(text):
    found = processes(text)
    assert all(count > 0 for count in found.names.values())
    assert found.shims >= 0


@given(
    st.dictionaries(NAMES, st.integers(1, 9999), max_size=5),
    st.dictionaries(UIDS, st.tuples(st.integers(1, 99), st.booleans()), max_size=5),
)
def test_processes_as_they_are_printed(names, pods):
    told = "".join(f"{count:7} {name}\n" for name, count in names.items()) + "pods:\n"
    for uid, (count, systemd) in pods.items():
        place = f"kubepods-besteffort-pod{uid.replace('-', '_')}" if systemd else f"kubepods/besteffort/pod{uid}"
        told += f"{count:7} {place}\n"
    found = processes(told)
    assert found.names == names
    assert found.pods == {uid: count for uid, (count, _) in pods.items()}
