"""The virtual machines of Anthos VM Runtime, which is KubeVirt, as the very cluster has them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_interface
from typing import Any

from conformance import cluster_fact, listing
from conformance.reads.projection import value_at

__all__ = ["VirtualMachine", "abm_virtual_machines"]


@dataclass(frozen=True, slots=True)
class VirtualMachine:
    """One VirtualMachineInstance."""

    namespace: str
    name: str
    #: Such as Scheduled, Running or Succeeded; empty where none is assigned yet.
    phase: str
    #: Name of the interface (a number where it has none) -> its addresses as written.
    interfaces: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def reachable(self) -> bool:
        """Whether an interface has an address that somebody gave it; link-local ones a machine gives itself.

        :raises ValueError: what stands there is no address.
        """
        found = [ip_interface(text.strip()).ip for _, texts in self.interfaces for text in texts]
        return any(not (one.is_link_local or one.is_loopback or one.is_unspecified) for one in found)


@cluster_fact(
    listing(
        "virtualmachineinstances.kubevirt.io",
        "status.phase",
        "status.interfaces.name",
        "status.interfaces.ipAddress",
        "status.interfaces.ipAddresses",
        required=False,
    )
)
def abm_virtual_machines(objects: Iterable[Mapping[str, Any]]) -> list[VirtualMachine]:
    """The virtual machines of all namespaces.

    Source: VirtualMachineInstanceNetworkInterface of kubevirt.io/v1: ipAddress is the first of ipAddresses, and was
    alone in early versions, where it had a prefix.
    """
    return [
        VirtualMachine(
            one["metadata"].get("namespace", ""),
            one["metadata"]["name"],
            str(value_at(one, "status.phase", "")),
            tuple(
                (str(link.get("name") or number), _addresses(link))
                for number, link in enumerate(value_at(one, "status.interfaces") or [])
            ),
        )
        for one in objects
    ]


def _addresses(link: Mapping[str, Any]) -> tuple[str, ...]:
    texts = [link.get("ipAddress"), *(link.get("ipAddresses") or [])]
    return tuple(dict.fromkeys(str(text) for text in texts if text))
