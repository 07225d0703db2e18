"""IP addresses and ranges, and which of very many overlap.

Formats: what `ipaddress` reads, and the ``a-b`` of load-balancer address pools.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import IPv6Address, ip_address, ip_network
from itertools import compress
from operator import attrgetter
from typing import Final

__all__ = ["InvalidRange", "Overlap", "Overlaps", "OwnedRange", "Range", "overlaps"]

_LONGEST: Final = 200
_POSITION: Final = attrgetter("range.first", "range.last", "owner", "use", "range.text")
_FIRST: Final = attrgetter("range.first")
#: Above every address.
_BEYOND: Final = 1 << 128
#: The ways to write the numbers of an IPv4 address, and lengths of prefixes: a fleet has a million texts, and
#: `ipaddress` takes ten times as long to say the same of each.
_OCTETS: Final = {str(number): number for number in range(256)}
_LENGTHS: Final = {str(number): number for number in range(129)}


class InvalidRange(ValueError):
    """A text that is no address, network or range; the message says which and what was expected."""


# Range and OwnedRange are never changed, yet not frozen: a fleet has a million, and frozen ones are made at half the speed.
@dataclass(unsafe_hash=True, slots=True)
class Range:
    """All addresses from `first` to `last`, both included; equal where the addresses are, however written.

    >>> pool = Range.parse("10.0.0.10 - 10.0.0.20")
    >>> pool.overlaps(Range.parse("10.0.0.16/28")), pool.overlaps(Range.parse("10.0.0.21"))
    (True, False)
    >>> Range.parse("2001:db8::0:1") == Range.parse("2001:DB8::1")
    True
    """

    #: Addresses as numbers.
    first: int
    last: int
    #: 4 or 6.
    version: int
    #: As written, without the white space around it.
    text: str = field(compare=False)

    @classmethod
    def parse(cls, text: str) -> Range:
        """An address, a network (``10.0.0.0/24``) or a range (``10.0.0.1-10.0.0.9``).

        A network may have host bits set, as an interface's address has: ``10.0.0.5/24`` is the whole network.
        Cut the length off where the address alone is meant.

        :raises InvalidRange: the text is none of them, or the range ends before it begins.
        """
        stripped = text.strip()
        number = _dotted(stripped)
        if number is not None:
            return cls(number, number, 4, stripped)
        try:
            first, last, version = _ends(stripped) if len(stripped) <= _LONGEST else (1, 0, 0)
        except ValueError:
            first, last, version = 1, 0, 0
        if first > last:
            shown = stripped if len(stripped) <= _LONGEST else stripped[:40] + "…"
            msg = f"{shown!r}: expected an IP address, a network (10.0.0.0/24) or a range (10.0.0.1-10.0.0.9)"
            raise InvalidRange(msg)
        return cls(first, last, version, stripped)

    def overlaps(self, other: Range) -> bool:
        """True where both have an address in common."""
        return self.version == other.version and self.first <= other.last and other.first <= self.last

    def __str__(self) -> str:
        return self.text


def _ends(text: str) -> tuple[int, int, int]:
    """First and last address and version; the first is above the last where the versions differ."""
    if "/" in text:
        head, _, length = text.partition("/")
        if length not in _LENGTHS:
            network = ip_network(text, strict=False)
            return int(network.network_address), int(network.broadcast_address), network.version
        address, version = _number(head)
        free = (32 if version == 4 else 128) - _LENGTHS[length]
        if free < 0:
            return 1, 0, 0
        rest = (1 << free) - 1
        return address & ~rest, address | rest, version
    start, dash, end = text.partition("-")
    if not dash:
        address, version = _number(start)
        return address, address, version
    (first, version), (last, other) = _number(start.strip()), _number(end.strip())
    return (first, last, version) if version == other else (1, 0, 0)


def _number(text: str) -> tuple[int, int]:
    """An address as a number, and its version.

    :raises ValueError: it is none.
    """
    number = _dotted(text)
    if number is not None:
        return number, 4
    address = IPv6Address(text) if ":" in text else ip_address(text)
    return int(address), address.version


def _dotted(text: str) -> int | None:
    """An IPv4 address as a number; None where the text is none, or is to be looked at more closely."""
    octets = text.split(".")
    if len(octets) != 4:
        return None
    one, two, three, four = octets
    try:
        return _OCTETS[one] << 24 | _OCTETS[two] << 16 | _OCTETS[three] << 8 | _OCTETS[four]
    except KeyError:
        return None


@dataclass(unsafe_hash=True, slots=True)
class OwnedRange:
    """A range with whose it is, and what for."""

    #: Such as a cluster's name.
    owner: str
    #: Such as "ingress VIP".
    use: str
    range: Range

    def __str__(self) -> str:
        return f"{self.owner}: {self.use} {self.range}"


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two ranges with addresses in common, the one that begins first in front."""

    one: OwnedRange
    other: OwnedRange


@dataclass(frozen=True, slots=True)
class Overlaps:
    """What overlaps among many ranges: the owners in full, the pairs up to a bound."""

    #: Pairs of different owners, by address.
    across: tuple[Overlap, ...]
    #: Pairs of one owner, by address.
    within: tuple[Overlap, ...]
    #: Every owner that overlaps with another one, whether or not its pairs are among those above; sorted.
    owners_across: tuple[str, ...]
    #: Every owner that overlaps with itself; sorted.
    owners_within: tuple[str, ...]
    #: False where a bound left out pairs.
    complete: bool

    def __bool__(self) -> bool:
        return bool(self.owners_across or self.owners_within)


def overlaps(ranges: Iterable[OwnedRange], *, at_most: int = 1000, per_range: int = 20) -> Overlaps:
    """Which ranges overlap, in O(n log n) however they lie; the order of the input makes no difference.

    :param at_most: bound on the pairs across owners, and again on those within one.
    :param per_range: bound on the pairs in which one range is the one in front, so that a range that contains
        all others neither fills the answer nor costs more than any other.
    """
    across, within = _Pairs(at_most, per_range), _Pairs(at_most, per_range)
    owners_across: set[str] = set()
    owners_within: set[str] = set()
    by_version: dict[int, list[OwnedRange]] = {4: [], 6: []}
    for one in ranges:
        by_version[one.range.version].append(one)
    for same_version in by_version.values():
        with_others, with_own = _overlapping(_touching(same_version))
        owners_across.update(one.owner for one in with_others)
        owners_within.update(one.owner for one in with_own)
        across.sweep(with_others, same_owner=False)
        within.sweep(with_own, same_owner=True)
    return Overlaps(
        tuple(across.found),
        tuple(within.found),
        tuple(sorted(owners_across)),
        tuple(sorted(owners_within)),
        across.complete and within.complete,
    )


def _touching(ranges: list[OwnedRange]) -> list[OwnedRange]:
    """Those that overlap any other one, in their order. Of a million hardly any does, and only these cost more."""
    ranges.sort(key=_FIRST)
    found: list[OwnedRange] = []
    furthest, before = -1, None
    for one in ranges:
        place = one.range
        if place.first <= furthest:
            if before is not None:
                found.append(before)
            found.append(one)
            before = None
            furthest = max(furthest, place.last)
        else:
            furthest, before = place.last, one
    found.sort(key=_POSITION)
    return found


def _overlapping(ordered: list[OwnedRange]) -> tuple[list[OwnedRange], list[OwnedRange]]:
    """The ranges that overlap one of another owner, and those that overlap one of their own, in order."""
    across, within = bytearray(len(ordered)), bytearray(len(ordered))
    # Forwards: does a range that begins before reach this one? The one that reaches furthest answers; among
    # other owners that is the furthest of all, or where it is our own owner's the furthest of all others.
    furthest_own: dict[str, int] = {}
    furthest = second = -1
    leader = ""
    for place, one in enumerate(ordered):
        owner, first, last = one.owner, one.range.first, one.range.last
        own = furthest_own.get(owner, -1)
        within[place] = first <= own
        across[place] = first <= (second if owner == leader else furthest)
        if last > own:
            furthest_own[owner] = last
        if last > furthest:
            second = second if owner == leader else furthest
            furthest, leader = last, owner
        elif owner != leader and last > second:
            second = last
    # Backwards: does this one reach a range that begins after? The nearest answers in the same way.
    nearest_own: dict[str, int] = {}
    nearest = second = _BEYOND
    leader = ""
    for place in range(len(ordered) - 1, -1, -1):
        one = ordered[place]
        owner, last = one.owner, one.range.last
        if last >= nearest_own.get(owner, _BEYOND):
            within[place] = True
        if last >= (second if owner == leader else nearest):
            across[place] = True
        if owner != leader:
            second, leader = nearest, owner
        nearest = nearest_own[owner] = one.range.first
    return list(compress(ordered, across)), list(compress(ordered, within))


class _Pairs:
    """The pairs found so far, and the bounds on them."""

    def __init__(self, at_most: int, per_range: int) -> None:
        self.found: list[Overlap] = []
        self.complete = True
        self._at_most = at_most
        self._per_range = per_range

    def sweep(self, ordered: list[OwnedRange], *, same_owner: bool) -> None:
        """Pair each range with those before it that are still open, of its owner or of all other owners.

        Looking at an open range either closes it (once in its life) or makes a pair (`per_range` times in its
        life), so that the sweep takes O(n) steps whatever the input.
        """
        open_of: dict[str, list[tuple[OwnedRange, int]]] = {}
        for new in ordered:
            for owner in [new.owner] if same_owner else [name for name in open_of if name != new.owner]:
                still = [(one, pairs + 1) for one, pairs in open_of.pop(owner, []) if self._pair(one, new, pairs)]
                if still:
                    open_of[owner] = still
            if len(self.found) >= self._at_most and not self.complete:
                return
            open_of.setdefault(new.owner, []).append((new, 0))

    def _pair(self, one: OwnedRange, new: OwnedRange, pairs: int) -> bool:
        if one.range.last < new.range.first:
            return False
        if pairs >= self._per_range or len(self.found) >= self._at_most:
            self.complete = False
            return False
        self.found.append(Overlap(one, new))
        return True
