"""Services, what they refer to, and the policies of the egress NAT gateway, as the very cluster has them."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_interface
from typing import Any

from conformance import Members, NotApplicable, Unreadable, cluster_fact, every, listing
from conformance.facts.kubernetes import Node
from conformance.reads.projection import value_at

__all__ = [
    "EgressPolicy",
    "Exposed",
    "abm_egress_policies",
    "abm_endpoint_slices",
    "abm_endpoints",
    "abm_exposed_services",
    "abm_pods_by_service",
    "abm_red_hat_nodes",
    "same_address",
]

_SERVICE_NAME = "kubernetes.io/service-name"
_OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
#: Characters that stand for one pod, see `slice_pods`.
_WIDTH = 8


def _name(obj: Mapping[str, Any]) -> str:
    meta = obj["metadata"]
    return "/".join(part for part in (meta.get("namespace"), meta["name"]) if part)


@dataclass(frozen=True, slots=True)
class Exposed:
    """A Service that is reached from outside the cluster."""

    namespace: str
    name: str
    #: LoadBalancer or NodePort.
    type: str
    #: externalTrafficPolicy: Cluster or Local; Cluster where none is set.
    policy: str


@cluster_fact(listing("services", "spec.type", "spec.externalTrafficPolicy", at_least=1))
def abm_exposed_services(objects: Iterable[Mapping[str, Any]]) -> list[Exposed]:
    """The Services of type LoadBalancer and NodePort. A cluster has Services at any rate: default/kubernetes is one."""
    return [
        Exposed(
            one["metadata"].get("namespace", ""),
            one["metadata"]["name"],
            kind,
            str(value_at(one, "spec.externalTrafficPolicy") or "Cluster"),
        )
        for one in objects
        if (kind := str(value_at(one, "spec.type", ""))) in ("LoadBalancer", "NodePort")
    ]


@dataclass(frozen=True, slots=True)
class EgressPolicy:
    """One EgressNATPolicy."""

    #: ``namespace/name``, or the name where the kind has no namespaces.
    name: str
    #: spec.egressSourceIP as written; None where there is none.
    source: Any


@cluster_fact(listing("egressnatpolicies.networking.gke.io", "spec.egressSourceIP", required=False))
def abm_egress_policies(objects: Iterable[Mapping[str, Any]]) -> list[EgressPolicy]:
    """The EgressNATPolicies of all namespaces, in whatever version they are served."""
    return [EgressPolicy(_name(one), value_at(one, "spec.egressSourceIP") or None) for one in objects]


def same_address(text: Any) -> IPv4Address | IPv6Address:
    """The address that a text means: equal for all its spellings, the IPv4-mapped one of IPv6 among them.

    A prefix is left out, as in 10.0.0.9/32.

    :raises ValueError: it is no address.
    """
    if not isinstance(text, str):
        msg = f"{text!r} is no text"
        raise ValueError(msg)  # noqa: TRY004 - a value that came from the cluster, no mistake of a caller
    text = text.strip()
    found = ip_interface(text).ip if "/" in text else ip_address(text)
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


@cluster_fact()
def abm_red_hat_nodes(nodes: list[Node]) -> list[Node]:
    """The nodes with RHEL or CentOS.

    Source: status.nodeInfo.osImage is PRETTY_NAME of /etc/os-release, such as ``Red Hat Enterprise Linux 8.4 (Ootpa)``.
    """
    found = [one for one in nodes if one.os_image.strip().lower().startswith(("red hat enterprise linux", "centos"))]
    if found:
        return found
    unknown = [one.name for one in nodes if not one.os_image.strip()]
    if unknown:
        raise Unreadable(f"which operating system these nodes run is not known: {', '.join(unknown)} (no osImage)")
    raise NotApplicable("no node runs RHEL or CentOS")


def slice_pods(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of an EndpointSlice: its Service, and eight characters for each pod, all in one text.

    Which pod it is does not matter, only that one in several slices of a Service is told as one - it is where it has
    several ports, or two families of addresses: 48 bits of a hash are enough, and keep the snapshot of 100,000 below
    one MB. A pod that is not ready counts, since it may be so at any time; one that terminates does not, since its
    successor is there already (and Endpoints leave it out as well).

    Source: EndpointSlice of discovery.k8s.io/v1. Clients use the first address of an endpoint; what has no Service
    or is a name (FQDN) is no endpoint for kube-proxy.
    """
    service = value_at(obj, f"metadata.labels[{_SERVICE_NAME}]")
    if not service or obj.get("addressType") == "FQDN":
        return {"service": None, "pods": ""}
    pods = dict.fromkeys(
        _pod(one.get("targetRef"), (one.get("addresses") or [""])[0])
        for one in obj.get("endpoints") or []
        if value_at(one, "conditions.terminating") is not True
    )
    return {"service": f"{obj['metadata'].get('namespace', '')}/{service}", "pods": "".join(pods)}


def endpoints_pods(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of an Endpoints object: its Service, how many pods it names, and whether it leaves out others (above 1,000)."""
    pods = {
        _pod(one.get("targetRef"), one.get("ip", ""))
        for subset in obj.get("subsets") or []
        for kind in ("addresses", "notReadyAddresses")
        for one in subset.get(kind) or []
    }
    cut = value_at(obj, f"metadata.annotations[{_OVER_CAPACITY}]") == "truncated"
    return {"service": _name(obj), "pods": len(pods), "cut": cut}


def _pod(target: Mapping[str, Any] | None, address: str) -> str:
    """Eight characters for a pod - by its uid or name, by its address where nobody says which pod it is."""
    of = (target or {}).get
    named = of("uid") or (f"{of('kind', '')} {of('namespace', '')}/{of('name')}" if of("name") else "")
    digest = hashlib.blake2b((named or address).encode(), digest_size=_WIDTH * 6 // 8, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


@cluster_fact(listing("endpointslices.discovery.k8s.io", required=False, reduce=slice_pods))
def abm_endpoint_slices(objects: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """``namespace/name`` of each Service that has EndpointSlices -> how many pods they name, each once."""
    texts: dict[str, list[str]] = {}
    for one in objects:
        if one["service"]:
            texts.setdefault(one["service"], []).append(one["pods"])
    counts: dict[str, int] = {}
    for service, held in texts.items():
        # Within one slice nobody stands twice.
        pods = held if len(held) == 1 else ["".join({text[i : i + _WIDTH] for text in held for i in _starts(text)})]
        counts[service] = len(pods[0]) // _WIDTH
    return counts


def _starts(text: str) -> range:
    return range(0, len(text), _WIDTH)


@cluster_fact(listing("endpoints", reduce=endpoints_pods))
def abm_endpoints(objects: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, bool]]:
    """``namespace/name`` of each Endpoints object -> how many pods it names, and whether it leaves out others."""
    return {one["service"]: (one["pods"], one["cut"]) for one in objects}


@cluster_fact(every(abm_endpoint_slices))
def abm_pods_by_service(slices: Members, abm_endpoints: dict[str, tuple[int, bool]]) -> dict[str, tuple[int, bool]]:
    """``namespace/name`` of each Service -> how many pods it refers to, and whether there are more of them.

    From its EndpointSlices, from its Endpoints object where it has none (or the cluster serves no such kind).
    """
    for why in slices.unread.values():
        raise why
    counts = {service: (count, False) for held in slices.values() for service, count in held.items()}
    counts = {**abm_endpoints, **counts}
    if not counts:
        raise Unreadable("no Service has endpoints, not even default/kubernetes: what was listed cannot be all")
    return counts
