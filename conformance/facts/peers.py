"""Reads among hosts: which other hosts of its cluster a read is told, and under which address."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from conformance.hazards import Target
from conformance.reads import ClusterRead, HostRead
from conformance.subjects import Inventory, Subject

__all__ = ["Addresses", "met", "nowhere"]

#: The network address of a host by its name, empty where nobody knows one.
Addresses = Callable[[str], str]
#: So many are told at most: of more, the next ones in the order of the change.
_MOST: Final = 8


def nowhere(name: str) -> str:  # noqa: ARG001 - knows no host
    """For those who know no addresses."""
    return ""


def met(
    read: HostRead | ClusterRead, asked: Subject, inventory: Inventory, address: Addresses
) -> HostRead | ClusterRead:
    """The read with the addresses of the other hosts of its cluster filled in, where it wants them."""
    if not isinstance(read, HostRead) or not read.peers:
        return read
    role = Target(read.peers)
    cluster = inventory.get(asked.cluster) if asked.cluster else None
    hosts = inventory.members(cluster, "host") if cluster else []
    here = hosts.index(asked) if asked in hosts else 0
    others = [one for one in (*hosts[here + 1 :], *hosts[:here]) if one.is_a(role)]
    places = {one.name: address(one.name) for one in others[:_MOST]}
    own = address(asked.name) if others else ""
    # Behind one address with several ports, nobody can tell from here where the others are.
    return read.meet({name: "" if where == own else where for name, where in places.items()})
