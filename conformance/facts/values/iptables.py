"""What iptables-save, iptables-legacy-save and iptables-nft-save list.

Sources: iptables-save(8), iptables(8), iptables-extensions(8).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
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

_COUNTERS: Final = re.compile(r"^\[\d+:\d+\]\s+")
_HIDDEN: Final = re.compile(r"^#\s*[Tt]able [`']?(?P<name>[\w-]+)'? is incompatible")
_PORTS: Final = {"http": 80, "https": 443, "domain": 53, "ssh": 22}
#: They end the way through the table, whatever else they do.
_ENDS: Final = frozenset("ACCEPT DROP QUEUE NFQUEUE REJECT MASQUERADE SNAT NETMAP TPROXY MIRROR SAME TARPIT".split())  # noqa: SIM905
#: The packet goes on behind them.
_NOTES: Final = frozenset(
    """
    AUDIT CHECKSUM CLASSIFY CONNMARK CONNSECMARK CT DSCP ECN HL HMARK IDLETIMER LED LOG MARK NFLOG RATEEST SECMARK SET
    SYNPROXY TCPMSS TCPOPTSTRIP TEE TOS TRACE TTL ULOG
    """.split()  # noqa: SIM905
)
#: Options with one value that may begin with a hyphen.
_TEXTS: Final = frozenset({"--comment", "--string", "--hex-string", "--log-prefix", "--nflog-prefix", "--ulog-prefix"})
_DESTINATION: Final = re.compile(r"(?P<first>[\d.]*|localhost)(?:-(?P<last>[\d.]+))?:(?P<port>\d+)(?P<more>-[\d/]+)?")

Option = tuple[bool, str, list[str]]


def parse(text: str, probe: Probe) -> Ruleset:
    """The tables of the listing; none where nothing was ever set up.

    :raises InvalidRules: a line is none of iptables-save's, or the listing ends in the middle of a table.
    """
    tables: dict[str, dict[str, Chain]] = {}
    lines: list[tuple[str, str, str]] = []
    hidden: set[str] = set()
    table = ""
    for raw in text.splitlines():
        line = raw.strip()
        if match := _HIDDEN.match(line):
            hidden.add(match["name"])
        if not line or line.startswith("#"):
            continue
        if line.startswith("*") and not table:
            table = line[1:].strip()
            tables.setdefault(table, {})
        elif line == "COMMIT" and table:
            table = ""
        elif line.startswith(":") and table:
            name = (line[1:].split() or [""])[0]
            tables[table][name] = Chain(name)
        elif table and (bare := _COUNTERS.sub("", line)).startswith("-A "):
            name = (bare[3:].split() or [""])[0]
            tables[table].setdefault(name, Chain(name))
            if table == "nat":  # no other one changes a destination
                lines.append((table, name, bare))
        else:
            msg = f"{line[:80]!r}: expected what iptables-save prints"
            raise InvalidRules(msg)
    if table:
        msg = f"the listing ends in the middle of table {table}"
        raise InvalidRules(msg)
    for of, name, line in lines:  # all chains are known by now
        tables[of][name].rules.append(_rule(line, tables[of], probe))
    return Ruleset(
        tuple(
            Table(name, chains, ("OUTPUT",) if name == "nat" and "OUTPUT" in chains else ())
            for name, chains in tables.items()
        ),
        frozenset(hidden),
    )


def _rule(line: str, chains: dict[str, Chain], probe: Probe) -> Rule:
    try:
        words = (shlex.split(line) if any(one in line for one in "\"'\\#") else line.split())[2:]
    except ValueError:
        msg = f"{line[:80]!r}: a quote is not closed"
        raise InvalidRules(msg) from None
    matches: list[bool | None] = []
    target: list[Option] = []
    for negate, name, values in _options(words):
        if target or name in ("-j", "--jump", "-g", "--goto"):
            target.append((negate, name, values))
        else:
            value = _match(name, values, probe)
            matches.append(value if value is None else negated(value, negate))
    action, to = _action(target, chains, probe)
    return Rule(line, holds(matches), action, to)


def _options(words: list[str]) -> Iterator[Option]:
    """Each option with its values; a ``!`` stands in front of it or, as in old versions, of its value."""
    place, negate = 0, False
    while place < len(words):
        word, place = words[place], place + 1
        if word == "!":
            negate = not negate
            continue
        values: list[str] = []
        if word in _TEXTS:
            values, place = words[place : place + 1], place + 1
        while word not in _TEXTS and place < len(words) and not words[place].startswith("-"):
            if words[place] == "!":
                if values or place + 1 >= len(words) or words[place + 1].startswith("-"):
                    break  # of the option that follows
                negate = not negate
            else:
                values.append(words[place])
            place += 1
        yield negate, word, values
        negate = False


def _match(name: str, values: list[str], probe: Probe) -> bool | None:
    value = values[0] if values else ""
    listed = value.split(",")
    match name:
        case "-m" | "--match" | "--comment" | "--limit-iface-out" | "--syn":
            return True
        case "-p" | "--protocol" | "--proto":
            return value.lower() in ("tcp", "6", "all", "0")
        case "-s" | "--source" | "--src" | "-d" | "--destination" | "--dst":
            return any_of(probe.in_network(one) for one in listed)
        case "-o" | "--out-interface":
            return _same_interface(value, probe)
        case "-i" | "--in-interface" | "-f" | "--fragment" | "--limit-iface-in":
            return False  # what the host sends came in by no interface
        case "--dport" | "--destination-port" | "--dports" | "--destination-ports":
            return _to_port(listed, probe)
        case "--sport" | "--source-port" | "--sports" | "--source-ports":
            return _from_port(listed, probe)
        case "--ports" | "--port":
            return any_of([_to_port(listed, probe), _from_port(listed, probe)])
        case "--state" | "--ctstate":
            return "NEW" in value.upper().split(",")
        case "--dst-type" | "--src-type":
            return "LOCAL" in value.upper().split(",")
        case "--tcp-flags" if len(values) == 2:
            return _flags(values[0], values[1])
        case "--mark":
            return _mark(value)
    return None


def _same_interface(pattern: str, probe: Probe) -> bool:
    if pattern.endswith("+"):
        return probe.interface.startswith(pattern[:-1])
    return pattern == probe.interface


def _to_port(listed: list[str], probe: Probe) -> bool | None:
    return any_of(of_ports(one, lambda low, high: low <= probe.port <= high, _PORTS, ":") for one in listed)


def _from_port(listed: list[str], probe: Probe) -> bool | None:
    return any_of(of_ports(one, probe.from_port, _PORTS, ":") for one in listed)


def _flags(mask: str, wanted: str) -> bool:
    """Whether a packet with SYN alone has, of the flags of the mask, just the wanted ones."""
    flags = set() if mask == "NONE" else {"SYN"} if mask == "ALL" or "SYN" in mask.split(",") else set()
    return flags == (set() if wanted == "NONE" else set(wanted.split(",")))


def _mark(text: str) -> bool | None:
    value = text.partition("/")[0]
    try:
        return int(value, 0) == 0
    except ValueError:
        return None


def _action(target: list[Option], chains: dict[str, Chain], probe: Probe) -> tuple[Action, str]:
    if not target:
        return "pass", ""
    _, how, values = target[0]
    name = values[0] if values else ""
    if how in ("-g", "--goto"):
        return "goto", name
    options = {option: " ".join(held) for _, option, held in target[1:]}
    if name in chains:
        return "jump", name
    if name == "RETURN":
        return "return", ""
    if name == "REDIRECT":
        return "redirect", options.get("--to-ports", options.get("--to-port", ""))
    if name == "DNAT":
        return _destination(options.get("--to-destination", ""), probe)
    return ("end" if name in _ENDS else "pass" if name in _NOTES else "unknown"), ""


def _destination(text: str, probe: Probe) -> tuple[Action, str]:
    """What a new destination does; one without a port leaves that as it is."""
    to = _DESTINATION.fullmatch(text)
    if to is None:
        return "end", ""
    first = to["first"].replace("localhost", "127.0.0.1")
    itself = probe.sent_to(first, to["last"] or "") if first else True
    if itself is False:
        return "end", ""
    # Of several ports it is any.
    return ("redirect", to["port"]) if itself and not to["more"] else ("unknown", "")
