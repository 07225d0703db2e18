r"""NO_PROXY: what is reached without the proxy; and what files of systemd and /etc/environment say of it.

Formats: golang.org/x/net/http/httpproxy (which kubelet, containerd and bmctl follow), pam_env(8), systemd.exec(5).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network
from typing import Final

__all__ = ["NoProxy"]

Network = IPv4Network | IPv6Network

_SEPARATOR: Final = re.compile(r"[\s,]+")
#: Go reads lengths only, no netmasks.
_CIDR: Final = re.compile(r"[0-9A-Fa-f.:]+(/\d{1,3})?", re.ASCII)


@dataclass(frozen=True, slots=True)
class NoProxy:
    """The entries of a NO_PROXY variable.

    >>> NoProxy.parse("localhost, '10.96.0.0/12' .example.com").covers("10.96.0.0/20")
    True
    >>> NoProxy.parse("10.96.0.1,10.96.*").covers("10.96.0.0/20")
    False
    """

    #: As written, without quotes.
    entries: tuple[str, ...]

    @classmethod
    def parse(cls, text: str) -> NoProxy:
        """The entries of any text, separated by commas, white space, or both; quotes around the whole or one are dropped."""
        bare = (one.strip("\"'") for one in _SEPARATOR.split(text))
        return cls(tuple(one for one in bare if one))

    @property
    def networks(self) -> list[Network]:
        """The addresses and networks among the entries; host bits are dropped, as Go does."""
        return [one for entry in self.entries for one in _network(entry)]

    def covers(self, cidr: str) -> bool:
        """Whether every address of a network is reached without the proxy: by one entry, or by several together.

        :raises ValueError: `cidr` is no network.
        """
        wanted = ip_network(cidr.strip(), strict=False)
        if "*" in self.entries:
            return True
        same = [one for one in self.networks if one.version == wanted.version]
        return any(wanted.subnet_of(one) for one in collapse_addresses(same))  # type: ignore[arg-type,type-var]

    def missing(self, cidrs: Iterable[str]) -> list[str]:
        """Those of the networks that are not covered.

        :raises ValueError: one is no network.
        """
        return [one for one in cidrs if not self.covers(one)]


def _network(entry: str) -> Iterable[Network]:
    if not _CIDR.fullmatch(entry):
        return ()
    try:
        return (ip_network(entry, strict=False),)
    except ValueError:
        return ()
