"""Ranges of addresses and their overlaps; trap by trap of abm-cluster-ip-overlap and abm-bootstrap-cidr-overlap."""

import time
from ipaddress import ip_address

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from conformance.facts.values import InvalidRange, OwnedRange, Range, overlaps

PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
ADDRESSES = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))
SMALL = st.builds(
    lambda owner, first, size, version: OwnedRange(owner, "pool", Range(first, first + size, version, f"{first}+{size}")),
    st.sampled_from("abc"), st.integers(0, 30), st.integers(0, 8), st.sampled_from([4, 6]),
)  # fmt: skip


def own(owner: str, text: str, use: str = "pool") -> OwnedRange:
    return OwnedRange(owner, use, Range.parse(text))


def pairs(found) -> list[tuple[str, str]]:
    return [(str(pair.one.range), str(pair.other.range)) for pair in found]


@pytest.mark.parametrize(
    ("text", "first", "last", "version"),
    [
        ("10.0.0.1", "10.0.0.1", "10.0.0.1", 4),
        ("10.0.0.0/24", "10.0.0.0", "10.0.0.255", 4),
        ("10.0.0.77/24", "10.0.0.0", "10.0.0.255", 4),
        ("10.0.0.1-10.0.0.9", "10.0.0.1", "10.0.0.9", 4),
        (" 10.0.0.1 - 10.0.0.9 ", "10.0.0.1", "10.0.0.9", 4),
        ("10.0.0.9-10.0.0.9", "10.0.0.9", "10.0.0.9", 4),
        ("2001:db8::/64", "2001:db8::", "2001:db8::ffff:ffff:ffff:ffff", 6),
        ("2001:db8::1-2001:DB8::ff", "2001:db8::1", "2001:db8::ff", 6),
        ("0.0.0.0/0", "0.0.0.0", "255.255.255.255", 4),
    ],
)
def test_every_way_to_write_a_range(text, first, last, version):
    found = Range.parse(text)
    assert (found.first, found.last, found.version) == (int(ip_address(first)), int(ip_address(last)), version)
    assert str(found) == text.strip()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-",
        "/",
        "10.0.0",
        "10.0.0.256",
        "10.0.0.9-10.0.0.1",
        "10.0.0.1-::1",
        "10.0.0.0/33",
        "010.0.0.1",
        "1-2-3",
        "x" * 5000,
        "10.0.0.1-",
    ],
)
def test_what_is_no_range_is_refused_by_name(text):
    with pytest.raises(InvalidRange, match="expected") as refused:
        Range.parse(text)
    assert len(str(refused.value)) < 400


def test_one_range_in_two_spellings_is_one():
    assert Range.parse("2001:db8:0::1") == Range.parse("2001:DB8::1")
    assert Range.parse("10.0.0.0/30") == Range.parse("10.0.0.0-10.0.0.3")
    assert len({Range.parse("::1"), Range.parse("0:0::1")}) == 1


def test_a_node_in_the_bootstrap_clusters_ranges():
    pods, services = Range.parse("192.168.122.0/24"), Range.parse("10.96.0.0/27")
    assert Range.parse("192.168.122.0").overlaps(pods)
    assert Range.parse("192.168.122.255").overlaps(pods)
    assert not Range.parse("192.168.123.0").overlaps(pods)
    assert Range.parse("10.96.0.31").overlaps(services)
    assert not Range.parse("10.96.0.32").overlaps(services)
    assert not Range.parse("::ffff").overlaps(Range.parse("0.0.0.0/0"))


def test_overlaps_of_clusters_and_within_one():
    found = overlaps([
        own("a", "10.0.0.0/24", "nodes"), own("b", "10.0.0.250-10.0.1.5"), own("b", "10.0.1.5", "ingress VIP"),
        own("c", "10.0.2.0/24"), own("c", "2001:db8::/64"), own("d", "2001:db8::5"),
    ])  # fmt: skip
    assert pairs(found.across) == [("10.0.0.0/24", "10.0.0.250-10.0.1.5"), ("2001:db8::/64", "2001:db8::5")]
    assert pairs(found.within) == [("10.0.0.250-10.0.1.5", "10.0.1.5")]
    assert (found.owners_across, found.owners_within, found.complete) == (("a", "b", "c", "d"), ("b",), True)
    assert str(found.across[0].one) == "a: nodes 10.0.0.0/24"
    assert found


def test_nothing_overlaps():
    found = overlaps([own("a", "10.0.0.0/25"), own("b", "10.0.0.128/25"), own("b", "::10.0.0.1")])
    assert not found
    assert (found.across, found.within, found.complete) == ((), (), True)
    assert not overlaps([])


def test_a_bound_on_the_pairs_is_said_and_no_owner_is_lost():
    ranges = [own("huge", "10.0.0.0/8")] + [own(f"c{number:03}", f"10.0.{number}.1") for number in range(200)]
    found = overlaps(ranges, at_most=50, per_range=20)
    assert (len(found.across), found.complete) == (20, False)
    assert len(found.owners_across) == 201
    found = overlaps([own(f"c{number}", "10.0.0.1") for number in range(100)], at_most=50, per_range=20)
    assert (len(found.across), found.complete, len(found.owners_across)) == (50, False, 100)


def test_a_bound_that_is_just_met_leaves_nothing_out():
    found = overlaps([own("a", "10.0.0.1"), own("b", "10.0.0.1")], at_most=1, per_range=1)
    assert (len(found.across), found.complete) == (1, True)


@pytest.mark.parametrize("shape", ["apart", "one contains all", "all the same", "one in the other"])
def test_it_stays_fast_for_many_ranges(shape):
    def at(number: int) -> Range:
        first, last = {
            "apart": (number * 4, number * 4 + 3),
            "one contains all": (number * 4, 1 << 31 if number == 0 else number * 4 + 3),
            "all the same": (0, 255),
            "one in the other": (number, (1 << 31) - number),
        }[shape]
        return Range(first, last, 4, "")

    ranges = [OwnedRange(f"cluster-{number % 2000}", "pool", at(number)) for number in range(50_000)]
    start = time.process_time()
    found = overlaps(ranges)
    # All pairs would take minutes; sorting takes a fraction of a second.
    assert time.process_time() - start < 5
    assert len(found.owners_across) == (0 if shape == "apart" else 2000)


@PATIENT
@given(st.one_of(st.text(), st.text("0123456789.-/:abcdef% ")))
def test_any_text_is_a_range_or_is_refused(text):
    try:
        found = Range.parse(text)
    except InvalidRange:
        return
    assert found.first <= found.last
    assert Range.parse(str(found)) == found


@PATIENT
@given(ADDRESSES, ADDRESSES)
def test_two_addresses_make_a_range_where_the_first_is_not_above_the_second(one, other):
    text = f"{one}-{other}"
    if one.version == other.version and one <= other:
        assert Range.parse(text).overlaps(Range.parse(str(one)))
        assert Range.parse(text).overlaps(Range.parse(str(other)))
    else:
        with pytest.raises(InvalidRange):
            Range.parse(text)


@PATIENT
@given(st.lists(SMALL, max_size=12), st.randoms())
def test_the_sweep_finds_what_comparing_all_pairs_finds(ranges, random):
    found = overlaps(ranges)
    across, within = [], []
    for place, one in enumerate(ranges):
        for other in ranges[place + 1 :]:
            if one.range.overlaps(other.range):
                (within if one.owner == other.owner else across).append({id(one), id(other)})

    def same(expected, pairs) -> bool:
        key = lambda pair: sorted((one.owner, one.range.version, one.range.text) for one in pair)  # noqa: E731
        by_id = {id(one): one for one in ranges}
        wanted = sorted(key([by_id[one] for one in pair]) for pair in expected)
        return wanted == sorted(key([pair.one, pair.other]) for pair in pairs)

    assert same(across, found.across)
    assert same(within, found.within)
    assert found.owners_across == tuple(
        sorted({pair.one.owner for pair in found.across} | {pair.other.owner for pair in found.across})
    )
    assert found.owners_within == tuple(sorted({pair.one.owner for pair in found.within}))
    assert found.complete
    shuffled = ranges.copy()
    random.shuffle(shuffled)
    assert overlaps(shuffled) == found


@PATIENT
@given(st.lists(SMALL, max_size=14), st.integers(0, 4), st.integers(0, 3))
def test_bounds_leave_out_pairs_but_no_owner(ranges, at_most, per_range):
    everything, bounded = overlaps(ranges), overlaps(ranges, at_most=at_most, per_range=per_range)
    assert (bounded.owners_across, bounded.owners_within) == (everything.owners_across, everything.owners_within)
    assert set(pairs(bounded.across)) <= set(pairs(everything.across))
    left_out = len(bounded.across) < len(everything.across) or len(bounded.within) < len(everything.within)
    assert bounded.complete is not left_out
    assert max(len(bounded.across), len(bounded.within)) <= at_most
