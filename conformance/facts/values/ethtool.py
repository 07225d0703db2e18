"""Network interfaces, their drivers, and what ethtool says of their offloads."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

__all__ = ["Feature", "InvalidFeature", "InvalidLinks", "Link", "Links"]

_FEATURE: Final = re.compile(r"\s*(?P<name>[A-Za-z0-9_-]+):\s+(?P<value>on|off)(?:\s+\[(?P<note>[a-z ]+)\])?\s*")


Address = IPv4Address | IPv6Address


class InvalidFeature(ValueError):
    """A text that states no feature of an interface."""


class InvalidLinks(ValueError):
    """A text that describes no network interfaces."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature of an interface, such as ``tx-udp_tnl-segmentation: off [fixed]``. Source: ethtool(8), option -k.

    >>> Feature.parse("tx-udp_tnl-segmentation: off [fixed]")
    Feature(name='tx-udp_tnl-segmentation', on=False, fixed=True, line='tx-udp_tnl-segmentation: off [fixed]')
    """

    name: str
    on: bool
    #: The driver does not let it be changed.
    fixed: bool
    line: str

    @classmethod
    def parse(cls, text: str) -> Feature:
        """From one line.

        :raises InvalidFeature: it states none.
        """
        match = _FEATURE.fullmatch(text)
        if match is None:
            msg = f"{text[:80]!r} is no feature: expected such as 'tx-udp_tnl-segmentation: off [fixed]'"
            raise InvalidFeature(msg)
        return cls(match["name"], match["value"] == "on", match["note"] == "fixed", text.strip())


@dataclass(frozen=True, slots=True)
class Link:
    """One network interface."""

    name: str
    #: The driver of its device; None where it has no device, as a bond or a VLAN.
    driver: str | None
    #: The interfaces that it stands on.
    lower: tuple[str, ...]
    #: Name -> feature, of those that were asked for.
    features: Mapping[str, Feature]
    #: Why its features could not be read.
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Links:
    """The interfaces of a host that have a device or stand on others, and what tells which of them carries its address."""

    links: Mapping[str, Link]
    #: The interfaces of the default routes that the kernel prefers.
    default: tuple[str, ...]
    #: What the kubelet was told by ``--node-ip``; empty where nothing was told, or no kubelet runs.
    node_ips: tuple[Address, ...]
    #: The host's address in the SSH session that read it, None where there was none.
    ssh: Address | None

    @classmethod
    def parse(cls, text: str) -> Links:
        """From lines, each with a word in front, in any order; the last one is ``end``.

        They are ``link NAME DRIVER LOWER…``, ``feature NAME LINE``, ``failed NAME WHY``, ``route4 ROUTE``, ``route6 ROUTE``,
        ``node-ip LIST`` and ``ssh CLIENT PORT SERVER PORT``.

        :raises InvalidLinks: a line is none of these, or the end is missing.
        """
        rows = text.removesuffix("\n").split("\n")
        if rows[-1] != "end":
            msg = f"the description of the network interfaces breaks off after {rows[-1][:80]!r}"
            raise InvalidLinks(msg)
        found: dict[str, tuple[str | None, tuple[str, ...]]] = {}
        features: dict[str, dict[str, Feature]] = {}
        failures: dict[str, str] = {}
        routes: dict[str, list[tuple[int, str]]] = {"route4": [], "route6": []}
        told: list[Address] = []
        ssh: Address | None = None
        for row in rows[:-1]:
            word, _, rest = row.partition(" ")
            first, _, more = rest.partition(" ")
            if word == "link" and more:
                driver, *lower = more.split()
                found[first] = (None if driver == "-" else driver, tuple(lower))
            elif word == "feature":
                feature = Feature.parse(more)
                features.setdefault(first, {})[feature.name] = feature
            elif word == "failed":
                failures.setdefault(first, more.strip() or "without a word")
            elif word in routes:
                routes[word].extend(_default(rest))
            elif word == "node-ip":
                told.extend(one for one in map(_address, rest.split(",")) if not one.is_unspecified)
            elif word == "ssh":
                ssh = _address(rest.split()[2]) if len(rest.split()) == 4 else None
            else:
                msg = f"{row[:80]!r} describes no network interface"
                raise InvalidLinks(msg)
        links = {
            name: Link(name, driver, lower, features.get(name, {}), failures.get(name, ""))
            for name, (driver, lower) in found.items()
        }
        preferred = _preferred(routes["route4"]) or _preferred(routes["route6"])
        return cls(links, preferred, tuple(dict.fromkeys(told)), ssh)

    def standing(self, name: str) -> Iterator[Link]:
        """The interface and all that it stands on, each once; those without a device and without others are left out."""
        waiting, seen = [name], set()
        while waiting:
            one = waiting.pop(0)
            link = self.links.get(one)
            if link is None or one in seen:
                continue
            seen.add(one)
            yield link
            waiting += link.lower


def _address(text: str) -> Address:
    try:
        return ip_address(text.strip().partition("%")[0])
    except ValueError:
        msg = f"{text.strip()[:80]!r} is no address"
        raise InvalidLinks(msg) from None


def _default(route: str) -> Iterator[tuple[int, str]]:
    """Metric and interface of each way of a default route. Source: ip-route(8), option -o."""
    words = route.replace("\\", " ").split()
    metric = next((int(b) for a, b in itertools.pairwise(words) if a == "metric" and b.isdecimal()), 0)
    for a, b in itertools.pairwise(words):
        if a == "dev":
            yield metric, b


def _preferred(routes: list[tuple[int, str]]) -> tuple[str, ...]:
    best = min((metric for metric, _ in routes), default=0)
    return tuple(dict.fromkeys(name for metric, name in routes if metric == best))
