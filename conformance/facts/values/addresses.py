"""IP addresses and ranges, and which of very many overlap.

Formats: what `ipaddress` reads, and the ``a-b`` of load-balancer address pools.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from itertools import compress
from operator import attrgetter
from typing import Final

__all__ = ["InvalidRange", "Overlap", "Overlaps", "OwnedRange", "Range", "overlaps"]

_LONGEST: Final = 200
_POSITION: Final = attrgetter("range.first", "range.last", "owner", "use", "range.text")
#: Above every address.
_BEYOND: Final = 1 << 128


class InvalidRange(ValueError):
    """A text that is no address, network or range; the message says which and what was expected."""


@dataclass(frozen=True, slots=True)
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
        network = ip_network(text, strict=False)
        return int(network[0]), int(network[-1]), network.version
    start, dash, end = text.partition("-")
    first = ip_address(start.strip())
    last = ip_address(end.strip()) if dash else first
    return (int(first), int(last), first.version) if first.version == last.version else (1, 0, 0)


@dataclass(frozen=True, slots=True)
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
    ordered = sorted(ranges, key=_POSITION)
    across, within = _Pairs(at_most, per_range), _Pairs(at_most, per_range)
    owners_across: set[str] = set()
    owners_within: set[str] = set()
    for version in (4, 6):
        same_version = [one for one in ordered if one.range.version == version]
        with_others, with_own = _overlapping(same_version)
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
