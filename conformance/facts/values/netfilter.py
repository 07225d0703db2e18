"""Packet filter rules, whichever program lists them, and what they do to a connection of the host to itself.

The parsers of iptables-save and of nft make the same values; each decides for every rule whether it concerns a `Probe`.
What a parser does not know is undecided (None, ``unknown``), never taken for a yes or a no.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, ip_network
from typing import Final, Literal

__all__ = [
    "Action",
    "Chain",
    "InvalidRules",
    "Probe",
    "Redirect",
    "Rule",
    "Ruleset",
    "Table",
    "any_of",
    "holds",
    "negated",
]

#: What a rule does: changes the destination to the host itself (``redirect``), ends the table otherwise (``end``), goes
#: on behind a note (``pass``), calls a chain (``jump``, ``goto``), goes back (``return``), or nobody knows.
Action = Literal["redirect", "end", "pass", "jump", "goto", "return", "unknown"]
_DEEPEST: Final = 64
_LOCALHOST: Final = IPv4Address("127.0.0.1")


class InvalidRules(ValueError):
    """A text that lists no packet filter rules, or not all of them."""


@dataclass(frozen=True, slots=True)
class Probe:
    """The first packet of a TCP connection from 127.0.0.1 to 127.0.0.1, as the host itself sends it, without a mark."""

    port: int
    interface: str = "lo"
    address: IPv4Address = field(default=_LOCALHOST)
    #: The addresses of the host besides those of loopback; None where nobody knows them.
    own: frozenset[IPv4Address] | None = None

    def in_network(self, text: str) -> bool | None:
        """Whether its address - that of both ends - is in a network; None where the text is none."""
        try:
            network = ip_network(text, strict=False)
        except ValueError:
            return None
        return self.address in network if network.version == 4 else False

    def sent_to(self, first: str, last: str = "") -> bool | None:
        """Whether a new destination - an address, or any of a range - is the host itself; None where that cannot be told."""
        try:
            low, high = IPv4Address(first), IPv4Address(last or first)
        except ValueError:
            return None
        if low.is_loopback and high.is_loopback:
            return True
        if self.own is None:
            return None
        met = any(low <= one <= high for one in (*self.own, _LOCALHOST))
        return met if low == high or not met else None

    def from_port(self, low: int, high: int) -> bool | None:
        """Whether its source port is in a range; the kernel chooses it, from 1024 on whatever is configured."""
        if (low, high) == (0, 65535):
            return True
        return False if high < 1024 else None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as far as it concerns the probe."""

    #: As listed, without white space around it.
    line: str
    #: Whether the probe matches; None where that cannot be told.
    applies: bool | None
    action: Action
    #: Of ``redirect`` the port, of ``jump`` and ``goto`` the chain.
    to: str = ""


@dataclass(frozen=True, slots=True)
class Chain:
    """The rules of one chain in their order."""

    name: str
    rules: list[Rule] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Redirect:
    """What becomes of the probe in one table."""

    #: True where it certainly goes to the port, False where it certainly does not, None where that cannot be told.
    certain: bool | None
    #: The rules that decide it, or that leave it open.
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """One table of IPv4, or of IPv4 and IPv6 together."""

    name: str
    chains: Mapping[str, Chain]
    #: The chains by which a packet that the host sends has its destination changed.
    outputs: tuple[str, ...] = ()
    #: ``ip``, or ``inet`` for both.
    family: str = "ip"

    def redirect(self, port: int) -> Redirect:
        """Whether the probe is sent to another port of the host."""
        decided = [_Walk(self.chains, port).base(one) for one in self.outputs]
        for certain in (True, None):
            for one in decided:
                if one.certain is certain:
                    return one
        return Redirect(certain=False, lines=tuple(line for one in decided for line in one.lines))

    def redirecting(self, port: int) -> list[str]:
        """The rules that would send the probe to this port, in their order; also those that an earlier rule outdoes."""
        found: list[str] = []
        seen: set[str] = set()
        waiting = list(self.outputs)
        while waiting:
            name = waiting.pop(0)
            chain = self.chains.get(name)
            if chain is None or name in seen:
                continue
            seen.add(name)
            for rule in chain.rules:
                if rule.applies is False:
                    continue
                if rule.action == "redirect" and rule.to == str(port):
                    found.append(rule.line)
                elif rule.action in ("jump", "goto"):
                    waiting.append(rule.to)
        return found


@dataclass(frozen=True, slots=True)
class Ruleset:
    """All tables that one program lists."""

    tables: tuple[Table, ...]
    #: Tables that this program cannot show, since they were made by another: only nft can.
    hidden: frozenset[str] = frozenset()

    def chains_of(self, table: str) -> set[str]:
        """The names of the chains in the tables of this name."""
        return {name for one in self.tables if one.name == table for name in one.chains}


class _Walk:
    """The way of the probe through one base chain."""

    def __init__(self, chains: Mapping[str, Chain], port: int) -> None:
        self._chains = chains
        self._port = str(port)
        #: Chain -> the ends that it may come to (None for going back to the caller), each with its line.
        self._known: dict[str, list[tuple[str | None, str]]] = {}

    def base(self, name: str) -> Redirect:
        """What becomes of the probe that enters here."""
        ends = self._ends(name, 0)
        wanted = [line for end, line in ends if end == "redirect"]
        open_ended = [line for end, line in ends if end == "unknown"]
        others = [line for end, line in ends if end not in ("redirect", "unknown")]
        if not wanted and not open_ended:
            return Redirect(certain=False, lines=tuple(line for line in others if line))
        if not others and not open_ended:
            return Redirect(certain=True, lines=tuple(wanted))
        return Redirect(
            certain=None, lines=tuple(dict.fromkeys([*wanted, *open_ended, *(one for one in others if one)]))
        )

    def _ends(self, name: str, depth: int) -> list[tuple[str | None, str]]:
        if name not in self._known:
            self._known[name] = [("unknown", f"chain {name} leads back to itself")]
            self._known[name] = list(dict.fromkeys(self._walk(name, depth)))
        return self._known[name]

    def _walk(self, name: str, depth: int) -> Iterator[tuple[str | None, str]]:
        chain = self._chains.get(name)
        if chain is None or depth > _DEEPEST:
            yield "unknown", f"chain {name} is not listed"
            return
        for rule in chain.rules:
            if rule.applies is False or rule.action == "pass":
                continue
            goes_on = rule.applies is None
            if rule.action == "unknown":
                yield "unknown", rule.line
                continue
            if rule.action == "return":
                yield None, ""
            elif rule.action in ("jump", "goto"):
                ends = self._ends(rule.to, depth + 1)
                yield from (one for one in ends if one[0] is not None)
                falls = any(one[0] is None for one in ends)
                if rule.action == "jump":
                    goes_on = goes_on or falls
                elif falls:
                    yield None, ""
            else:
                same = rule.action == "redirect" and rule.to == self._port
                yield "redirect" if same else "end", rule.line
            if not goes_on:
                return
        yield None, ""


def negated(value: bool | None, negate: bool) -> bool | None:
    """The value, or its opposite; what is not known stays so."""
    return value if value is None else value is not negate


def any_of(values: Iterable[bool | None]) -> bool | None:
    """True where one is, False where all are, else None."""
    held = list(values)
    return True if True in held else None if None in held else False


def holds(values: Iterable[bool | None]) -> bool | None:
    """True where all are, False where one is not, else None."""
    return negated(any_of(negated(one, negate=True) for one in values), negate=True)


def of_ports(text: str, test: Callable[[int, int], bool | None], names: Mapping[str, int], dash: str) -> bool | None:
    """Whether a port, or a range of them joined by `dash`, passes the test; None where the text is neither."""
    low, joined, high = text.partition(dash)
    try:
        first = names[low] if low in names else int(low or 0)
        last = (names[high] if high in names else int(high or 65535)) if joined else first
    except ValueError:
        return None
    return test(first, last)
