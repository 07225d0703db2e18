"""The network of a Linux host: kernel parameters, packet filter rules, firewalld."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from conformance.answers import Unreadable
from conformance.facts.declare import Members, every, host_fact
from conformance.facts.values import iptables, nftables
from conformance.facts.values.netfilter import Probe, Redirect, Ruleset, Table
from conformance.facts.values.sysctl import CONF, DIRECTORIES, SysctlSettings
from conformance.reads import command, file, files

__all__ = [
    "Firewalld",
    "PacketFilter",
    "firewalld",
    "iptables_legacy_listing",
    "iptables_listing",
    "iptables_nft_listing",
    "nft_listing",
    "packet_filter",
    "packet_filter_programs",
    "rp_filter",
    "sysctl_settings",
]


@host_fact(file("/proc/sys/net/ipv4/conf/all/rp_filter"))
def rp_filter(text: str | None) -> int:
    """net.ipv4.conf.all.rp_filter now: 0 for no source validation, 1 strict, 2 loose. Source: the kernel's ip-sysctl."""
    if text is None:
        raise Unreadable("/proc/sys/net/ipv4/conf/all/rp_filter does not exist: is /proc mounted, and IPv4 there?")
    return int(text)


@host_fact(*(files(one, "*.conf") for one in DIRECTORIES), file(CONF))
def sysctl_settings(
    etc: Mapping[str, str],
    run: Mapping[str, str],
    local: Mapping[str, str],
    vendor: Mapping[str, str],
    lib: Mapping[str, str],
    conf: str | None,
) -> SysctlSettings:
    """The kernel parameters that the files of sysctl.d and /etc/sysctl.conf set."""
    held = {**etc, **run, **local, **vendor, **lib}
    return SysctlSettings.parse(held if conf is None else {**held, CONF: conf})


@dataclass(frozen=True, slots=True)
class Firewalld:
    """firewalld as systemd knows it."""

    active: bool
    #: Whether it is started at the next boot.
    enabled: bool
    #: What systemd said, such as ``ActiveState=active``.
    line: str


@host_fact("systemctl show -p LoadState -p ActiveState -p UnitFileState firewalld.service")
def firewalld(output: str) -> Firewalld:
    """Whether firewalld runs, and whether it will after a boot; neither where it is not installed.

    Source: systemctl(1), org.freedesktop.systemd1(5).
    """
    values = dict(line.split("=", 1) for line in output.splitlines() if "=" in line)
    state = values.get("ActiveState", "")
    if not state or "LoadState" not in values:
        raise Unreadable("systemctl does not say whether firewalld is active: look at it by hand")
    active = state in ("active", "reloading", "activating")
    line = f"ActiveState={state}"
    if not active and values.get("UnitFileState", "") == "enabled":
        line = "UnitFileState=enabled"
    return Firewalld(active, values.get("UnitFileState", "") == "enabled", line)


#: Program -> what it lists.
_PROGRAMS: Final = ("iptables-save", "iptables-legacy-save", "iptables-nft-save", "nft")
#: Bytes: thousands of Services make a long listing.
_LIMIT: Final = 8 * 1_048_576


@host_fact(
    f"cd /sbin && for i in {' '.join(_PROGRAMS)}; do if [ -e $i ]; then echo $i; fi; done",
)
def packet_filter_programs(output: str) -> tuple[str, ...]:
    """Which of the programs that list packet filter rules there are."""
    return tuple(output.split())


# Without -t: with it, iptables-save of the legacy kind would load the kernel's module of a table that is not used.
@host_fact(command("/sbin/iptables-save", sudo=True, limit=_LIMIT))
def iptables_listing(output: str) -> str:
    """The rules of IPv4 as iptables-save prints them, of whichever kind the host's default is."""
    return output


@host_fact(command("/sbin/iptables-legacy-save", sudo=True, limit=_LIMIT))
def iptables_legacy_listing(output: str) -> str:
    """The rules of IPv4 in the legacy tables, as iptables-save prints them."""
    return output


@host_fact(command("/sbin/iptables-nft-save", sudo=True, limit=_LIMIT))
def iptables_nft_listing(output: str) -> str:
    """The rules of IPv4 that iptables put into nf_tables, as iptables-save prints them."""
    return output


@host_fact(command("/sbin/nft list ruleset", sudo=True, limit=_LIMIT))
def nft_listing(output: str) -> str:
    """All rules in nf_tables, as nft prints them."""
    return output


@dataclass(frozen=True)
class PacketFilter:
    """The packet filter rules of a host, as each program that is there lists them."""

    #: Program -> its listing.
    listings: Mapping[str, str]
    #: Program that is there -> why its listing could not be read.
    unread: Mapping[str, str]

    def tables(self, probe: Probe) -> list[tuple[str, Table]]:
        """The tables of IPv4, each with the program that lists it. What iptables made, nft need not tell again.

        :raises InvalidRules: a listing is none.
        """
        found: list[tuple[str, Table]] = []
        told: set[str] = set()
        for program, text in self.listings.items():
            if program == "nft":
                made = [one for one in self._native(probe).tables if one.family != "ip" or one.name not in told]
            else:
                ruleset = iptables.parse(text, probe)
                made = list(ruleset.tables)
                told |= {one.name for one in made} - ruleset.hidden if _in_nft(program, text) else set()
            found += [(program, one) for one in made if all(one != other for _, other in found)]
        return found

    def _native(self, probe: Probe) -> Ruleset:
        return nftables.parse(self.listings["nft"], probe)

    @cached_property
    def chains(self) -> dict[str, set[str]]:
        """Table (``filter``, ``nat``) -> the names of its chains, of all kinds together.

        :raises InvalidRules: a listing is none.
        """
        found: dict[str, set[str]] = {}
        for _, table in self.tables(Probe(0)):
            found.setdefault(table.name, set()).update(table.chains)
        return found

    @property
    def gaps(self) -> str:
        """What could not be read and why, empty where nothing."""
        reasons = list(self.unread.values())
        if "nft" not in self.listings and "nft" not in self.unread and self._hidden():
            reasons.append(
                f"table {', '.join(sorted(self._hidden()))} is one that only nft can show, and there is no nft"
            )
        return "; ".join(reasons)

    def _hidden(self) -> frozenset[str]:
        kinds = [iptables.parse(text, Probe(0)) for program, text in self.listings.items() if program != "nft"]
        return frozenset().union(*(one.hidden for one in kinds))

    def redirect(self, probe: Probe, port: int) -> Redirect:
        """Whether a connection of the host to itself is sent to another port.

        :raises Unreadable: it is not by the rules that could be read, and others could not.
        :raises InvalidRules: a listing is none.
        """
        answers = [table.redirect(port) for _, table in self.tables(probe)]
        for certain in (True, None):
            for one in answers:
                if one.certain is certain:
                    return one
        if self.gaps:
            raise Unreadable(self.gaps)
        return Redirect(certain=False, lines=tuple(line for one in answers for line in one.lines))

    def redirecting(self, probe: Probe, port: int) -> list[tuple[str, str, str]]:
        """Program, table and rule of all that would send the connection there, each once.

        :raises InvalidRules: a listing is none.
        """
        return [(of, one.name, line) for of, one in self.tables(probe) for line in one.redirecting(port)]


def _in_nft(program: str, text: str) -> bool:
    """Whether what iptables-save prints lies in nf_tables; the comments in front of the tables say so."""
    said = [line for line in text.splitlines() if line.startswith("# Generated by")][:1]
    return program == "iptables-nft-save" or any(
        w in one for one in said for w in ("nf_tables", "xtables-save", "nft-save")
    )


@host_fact(every(iptables_listing), every(iptables_legacy_listing), every(iptables_nft_listing), every(nft_listing))
def packet_filter(
    default: Members, legacy: Members, nft_kind: Members, native: Members, packet_filter_programs: tuple[str, ...]
) -> PacketFilter:
    """The packet filter rules, from the programs that the host has: not every distribution has them all."""
    listings: dict[str, str] = {}
    unread: dict[str, str] = {}
    for program, answer in zip(_PROGRAMS, (default, legacy, nft_kind, native), strict=True):
        for text in answer.values():
            listings[program] = text
        for why in answer.unread.values():
            if program in packet_filter_programs:
                unread[program] = why.reason
    if unread and not listings:
        raise Unreadable("; ".join(dict.fromkeys(unread.values())))
    if not listings:
        raise Unreadable(
            f"none of {', '.join(_PROGRAMS)} is in /sbin: packet filter rules cannot be listed; install one"
        )
    return PacketFilter(listings, unread)
