"""What ``nft list ruleset`` lists.

Source: nft(8). Of the statements of a rule those are known that people write for addresses, ports and interfaces; a
rule with others is undecided.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from conformance.facts.values.netfilter import (
    Action,
    Chain,
    InvalidRules,
    Probe,
    Rule,
    Ruleset,
    Table,
    any_of,
    holds,
    negated,
    of_ports,
)

__all__ = ["parse"]

_TOKEN: Final = re.compile(r'"(?:[^"\\\n]|\\.)*"|#[^\n]*|\\\n|[{};,\n]|[^\s{};,"#]+|"')
_PORTS: Final = {"http": 80, "https": 443, "domain": 53, "ssh": 22}
_FAMILIES: Final = ("ip", "inet")
_DESTINATION: Final = re.compile(r"(?P<first>[\d.]*)(?:-(?P<last>[\d.]+))?:(?P<port>\d+)")
_ELSEWHERE: Final = re.compile(r"[\d.]+(-[\d.]+)?|\[?[0-9a-f:]+\]?(:\d+)?")
_OUTPUT: Final = re.compile(r"type nat hook output\b")
#: Statements with one word of an own, which change nothing of the way.
_NOTES: Final = frozenset({"counter", "log", "notrack", "continue"})
_ENDS: Final = frozenset({"accept", "drop", "reject", "masquerade", "snat", "queue", "tproxy"})
_LOG_WORDS: Final = frozenset({"prefix", "level", "group", "snaplen", "queue-threshold", "flags"})


def parse(text: str, probe: Probe) -> Ruleset:
    """The tables of the families ip and inet; none where nothing was ever set up.

    :raises InvalidRules: the text is no ruleset, or ends in the middle of one.
    """
    reader = _Reader([one for one in _TOKEN.findall(text) if one != "\\\n"])
    tables: list[Table] = []
    while (words := reader.line()) is not None:
        if not words or words[0].startswith("#"):
            continue
        if words[0] != "table" or not reader.opens or len(words) not in (2, 3):
            msg = f"{' '.join(words)[:80]!r}: expected what nft list ruleset prints"
            raise InvalidRules(msg)
        family = words[1] if len(words) == 3 else "ip"
        table = _table(words[-1], family, reader, probe)
        if family in _FAMILIES:
            tables.append(table)
    return Ruleset(tuple(tables))


@dataclass(slots=True)
class _Reader:
    """The tokens, line by line; a set in braces that follows words of a rule belongs to its line."""

    tokens: list[str]
    place: int = 0
    #: Whether the line that was read last opens a block, or is the end of one.
    opens: bool = False
    closes: bool = False

    def line(self, *, rules: bool = False) -> list[str] | None:
        """The words up to the end of the line, or of the statement; None at the end of the text.

        :param rules: whether what stands in braces is a set, and not a block.
        """
        words: list[str] = []
        depth = 0
        self.opens = self.closes = False
        while self.place < len(self.tokens):
            one, self.place = self.tokens[self.place], self.place + 1
            if one == "{" and not rules:
                self.opens = True
                return words
            if one == "}" and not depth:
                if words:
                    self.place -= 1
                    return words
                self.closes = True
                return words
            depth += {"{": 1, "}": -1}.get(one, 0)
            if one in (";", "\n"):
                if depth or not words:
                    continue
                return words
            words.append(one)
        if depth:
            raise InvalidRules("the listing ends in the middle of a set")
        return words or None

    def skip(self) -> None:
        """Leave the block that was opened."""
        depth = 1
        while depth:
            if self.place >= len(self.tokens):
                raise InvalidRules("the listing ends in the middle of a block")
            depth += {"{": 1, "}": -1}.get(self.tokens[self.place], 0)
            self.place += 1


def _table(name: str, family: str, reader: _Reader, probe: Probe) -> Table:
    chains: dict[str, Chain] = {}
    outputs: list[str] = []
    dormant = False
    while True:
        words = reader.line()
        if words is None:
            msg = f"the listing ends in the middle of table {name}"
            raise InvalidRules(msg)
        if reader.closes:
            return Table(name, chains, () if dormant else tuple(outputs), family)
        if reader.opens and words[:1] == ["chain"] and len(words) == 2:
            chains[words[1]] = Chain(words[1])
            if _chain(chains[words[1]], reader, probe):
                outputs.append(words[1])
        elif reader.opens:
            reader.skip()
        elif words[:1] == ["flags"] and "dormant" in words:
            dormant = True


def _chain(chain: Chain, reader: _Reader, probe: Probe) -> bool:
    """Read the rules of a chain; whether what the host sends has its destination changed by it."""
    output = False
    while True:
        words = reader.line(rules=True)
        if words is None:
            msg = f"the listing ends in the middle of chain {chain.name}"
            raise InvalidRules(msg)
        if reader.closes:
            return output
        line = " ".join(words)
        if words[0] in ("type", "policy", "comment", "flags"):
            output = output or bool(_OUTPUT.match(line))
        elif any("xt" in one or "match" in one for one in words if one.startswith("#")):
            # Made by iptables; an nft that does not know its extensions hides what the rule says in a comment.
            chain.rules.append(Rule(line, applies=None, action="unknown"))
        elif not words[0].startswith("#"):
            bare = [one for one in words if not one.startswith("#")]
            chain.rules.append(_Statements(bare, probe).rule(line))


@dataclass(slots=True)
class _Statements:
    """One rule, read from left to right."""

    words: list[str]
    probe: Probe
    place: int = 0
    matches: list[bool | None] = field(default_factory=list)
    #: Whether a map says what becomes of the packet.
    maps: bool = False

    def rule(self, line: str) -> Rule:
        """The rule; what stands behind its verdict is no part of it."""
        action: Action = "pass"
        to = ""
        while self.place < len(self.words) and action == "pass":
            action, to = self._statement(self._next())
        return Rule(line, holds(self.matches), action, to)

    def _peek(self) -> str:
        return self.words[self.place] if self.place < len(self.words) else ""

    def _next(self) -> str:
        word = self._peek()
        self.place += 1
        return word

    def _statement(self, word: str) -> tuple[Action, str]:
        if word in ("accept", "return", "jump", "goto", "redirect", "dnat") or word in _ENDS:
            return self._verdict(word)
        if word == "xt":
            self.place += 2
            return "unknown", ""
        if word == "comment":
            self._next()
        elif word in _NOTES:
            self._note(word)
        elif (word, self._peek()) in (("meta", "mark"), ("ct", "mark"), ("ct", "zone")):
            self._mark()
        else:
            self._match(word)
        return ("unknown" if self.maps else "pass"), ""

    def _note(self, word: str) -> None:
        if word == "counter":
            while self._peek() in ("packets", "bytes", "name"):
                self.place += 2
        elif word == "log":
            while self._peek() in _LOG_WORDS:
                self.place += 2

    def _mark(self) -> None:
        """A mark that is set, up to the end of what is known; one that is asked for is undecided."""
        self._next()
        if self._peek() == "set":
            self.place += 2
            while self._peek() in ("and", "or", "xor", "&", "|", "^"):
                self.place += 2
        else:
            self.matches.append(None)
            self._value(lambda _: None)

    def _verdict(self, word: str) -> tuple[Action, str]:
        if word == "return":
            return "return", ""
        if word in ("jump", "goto"):
            return ("jump" if word == "jump" else "goto"), self._next()
        if word == "redirect":
            port = ""
            if self._peek() == "to":
                self._next()
                port = self._next().removeprefix(":")
            return ("redirect", port) if not port or port.isdigit() else ("unknown", "")
        if word == "dnat":
            while self._peek() in ("ip", "to"):
                self._next()
            to = _DESTINATION.fullmatch(self._peek())
            if to is None:
                return ("end" if _ELSEWHERE.fullmatch(self._peek()) else "unknown"), ""
            itself = self.probe.sent_to(to["first"], to["last"] or "") if to["first"] else True
            return ("unknown", "") if itself is None else ("redirect", to["port"]) if itself else ("end", "")
        return "end", ""

    def _match(self, word: str) -> None:
        if word == "meta":
            word = self._next()
        probe = self.probe
        what = f"{word} {self._peek()}"
        tests: dict[str, Callable[[str], bool | None]] = {
            "oifname": lambda one: _same_interface(one, probe),
            "oif": lambda one: _same_interface(one, probe),
            "iifname": lambda _: False,
            "iif": lambda _: False,
            "l4proto": lambda one: one in ("tcp", "6"),
            "nfproto": lambda one: one == "ipv4",
            "protocol": lambda one: one in ("ip", "0x0800", "2048"),
        }
        of_two: dict[str, Callable[[str], bool | None]] = {
            "ip protocol": lambda one: one in ("tcp", "6"),
            "ip daddr": lambda one: True if one == "localhost" else probe.in_network(one),
            "ip saddr": lambda one: True if one == "localhost" else probe.in_network(one),
            "tcp dport": lambda one: _to_port(one, probe),
            "th dport": lambda one: _to_port(one, probe),
            "tcp sport": lambda one: of_ports(one, probe.from_port, _PORTS, "-"),
            "th sport": lambda one: of_ports(one, probe.from_port, _PORTS, "-"),
            "ct state": lambda one: one == "new",
        }
        if word in tests:
            self._value(tests[word])
        elif what in of_two:
            self._next()
            self._value(of_two[what])
        elif what in ("fib daddr", "fib saddr") and self.words[self.place + 1 : self.place + 2] == ["type"]:
            self.place += 2
            self._value(lambda one: one == "local")
        elif word in ("ip6", "udp", "icmp", "icmpv6", "sctp", "dccp"):
            self.matches.append(False)
            self._next()
            self._value(lambda _: None)
            self.matches.pop()
        else:
            self.matches.append(None)

    def _value(self, test: Callable[[str], bool | None]) -> None:
        """Hold what comes next - a word, or a set of them - against a test."""
        negate = self._peek() == "!="
        if self._peek() in ("!=", "=="):
            self._next()
        if self._peek() != "{":
            listed = [self._next()]
            while self._peek() == ",":  # ct state established,related
                self._next()
                listed.append(self._next())
        else:
            listed = self._set()
        around = (*listed, self._peek())
        self.maps = self.maps or "vmap" in around or "map" in around
        if self.maps or any(one in (".", "&", "and") for one in around):
            self.matches.append(None)
            return
        self.matches.append(negated(any_of(_tested(test, one) for one in listed), negate))

    def _set(self) -> list[str]:
        self._next()
        listed: list[str] = []
        while self.place < len(self.words) and self._peek() != "}":
            word = self._next()
            if word != ",":
                listed.append(word)
        self._next()
        return listed


def _tested(test: Callable[[str], bool | None], word: str) -> bool | None:
    """What a test says of one element; a named set, and what stands in for another value, are not known."""
    if word.startswith(("@", "$")) or not word:
        return None
    return test(word.strip('"'))


def _same_interface(pattern: str, probe: Probe) -> bool:
    if pattern.endswith("*"):
        return probe.interface.startswith(pattern[:-1])
    return pattern == probe.interface


def _to_port(text: str, probe: Probe) -> bool | None:
    return of_ports(text, lambda low, high: low <= probe.port <= high, _PORTS, "-")
