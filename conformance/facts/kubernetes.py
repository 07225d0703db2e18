"""Facts of any Kubernetes cluster, and of any host that runs a kubelet."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.facts.declare import cluster_fact
from conformance.reads import listing, path
from conformance.reads.projection import value_at
from conformance.versions import Version

__all__ = ["Node", "kubernetes_version", "nodes"]

_ROLE = "node-role.kubernetes.io/"


@dataclass(frozen=True, slots=True)
class Node:
    """One node as the API server knows it."""

    name: str
    #: ``control-plane`` or ``worker``; and ``arbiter`` where it has that role of OpenShift, to run etcd and little else.
    roles: tuple[str, ...]
    #: Addresses of type InternalIP and ExternalIP, as written.
    addresses: tuple[str, ...]
    internal_ip: str | None
    kubelet: str
    os_image: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Node:
        """From the object that the API server gives."""
        labels = value_at(obj, "metadata.labels", {}) or {}
        master = any(f"{_ROLE}{word}" in labels for word in ("control-plane", "master"))
        listed = value_at(obj, "status.addresses", []) or []
        ips = [(one["type"], one["address"]) for one in listed if one.get("type") in ("InternalIP", "ExternalIP")]
        return cls(
            name=obj["metadata"]["name"],
            roles=("control-plane" if master else "worker", *(["arbiter"] if f"{_ROLE}arbiter" in labels else [])),
            addresses=tuple(address for _, address in ips),
            internal_ip=next((address for kind, address in ips if kind == "InternalIP"), None),
            kubelet=str(value_at(obj, "status.nodeInfo.kubeletVersion", "")),
            os_image=str(value_at(obj, "status.nodeInfo.osImage", "")),
        )


@cluster_fact(
    listing(
        "nodes",
        "metadata.labels",
        "status.addresses",
        "status.nodeInfo.kubeletVersion",
        "status.nodeInfo.osImage",
        at_least=1,
    )
)
def nodes(objects: Iterable[Mapping[str, Any]]) -> list[Node]:
    """The nodes of the cluster; a cluster without any cannot be right."""
    return [Node.of(one) for one in objects]


@cluster_fact(path("/version"))
def kubernetes_version(body: Mapping[str, Any]) -> Version:
    """The version of the API server."""
    return Version.parse(body["gitVersion"])
