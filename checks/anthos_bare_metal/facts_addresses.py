"""The addresses and ranges that a cluster uses, each with what for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from conformance import Members, cluster_fact, every, fleet_fact
from conformance.facts.kubernetes import nodes
from conformance.facts.linux import addresses
from conformance.facts.values.addresses import OwnedRange, Range
from conformance.reads.projection import value_at

from .facts import AbmCluster

#: Interfaces of containers, overlays and virtual machines: their addresses are not the machine's own.
VIRTUAL = ("cilium", "cni", "docker", "flannel", "cali", "tunl", "vxlan", "kube-", "nodelocaldns", "lxc", "veth", "br-", "virbr")


@dataclass(frozen=True, slots=True)
class ClusterRanges:
    """The ranges of one cluster."""

    #: As they are, and as they are about to be: what must not meet another cluster's.
    routed: tuple[OwnedRange, ...]
    #: As they are about to be, else as they are; with what is not routed. What must not meet within the cluster.
    own: tuple[OwnedRange, ...]


def ranges_of(owner: str, cluster: AbmCluster, pools: Iterable[Mapping[str, Any]]) -> tuple[list[OwnedRange], list[OwnedRange]]:
    """The routed ranges of one Cluster object with its NodePools, and those that stay inside the cluster.

    :raises InvalidRange: a text is neither an address nor a range.
    """
    routed = [OwnedRange(owner, use, Range.parse(text)) for use, text in _routed(cluster, pools)]
    inner = [OwnedRange(owner, use, Range.parse(text)) for use, text in _networks(cluster)]
    # Pods have addresses of the machines' network in flat mode only; else every cluster may use the same range.
    if value_at(cluster.spec, "clusterNetwork.flatIPv4") is True:
        flat = [one for one in inner if one.use.startswith("pod") and one.range.version == 4]
        return [*routed, *flat], [one for one in inner if one not in flat]
    return routed, inner


def _routed(cluster: AbmCluster, pools: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    spec = cluster.spec
    for path in ("controlPlane.nodePoolSpec.nodes", "loadBalancer.nodePoolSpec.nodes"):
        for node in value_at(spec, path, []) or []:
            yield "node address", str(node["address"])
    for pool in pools:
        for node in value_at(pool, "spec.nodes", []) or []:
            yield "node address", str(node["address"])
    for key, use in (("controlPlaneVIP", "control-plane VIP"), ("ingressVIP", "ingress VIP")):
        vip = value_at(spec, f"loadBalancer.vips.{key}")
        if vip:
            yield use, str(vip)
    for pool in value_at(spec, "loadBalancer.addressPools", []) or []:
        for text in pool.get("addresses") or []:
            yield f"address pool {pool.get('name', '')}".strip(), str(text)


def _networks(cluster: AbmCluster) -> Iterator[tuple[str, str]]:
    for key in ("pods", "services"):
        for text in value_at(cluster.spec, f"clusterNetwork.{key}.cidrBlocks", []) or []:
            yield f"{key.removesuffix('s')} range", str(text)


@cluster_fact()
def abm_ranges(
    abm_cluster: AbmCluster,
    abm_node_pools: list[Mapping[str, Any]],
    abm_desired_clusters: list[AbmCluster],
    abm_desired_node_pools: list[Mapping[str, Any]],
) -> ClusterRanges:
    """The ranges of the very cluster, live and as they are about to be."""
    owner = abm_cluster.name
    live, inner = ranges_of(owner, abm_cluster, _pools_of(abm_cluster, abm_node_pools))
    wanted = [one for one in abm_desired_clusters if one.name == abm_cluster.name]
    if not wanted:
        return ClusterRanges(tuple(dict.fromkeys(live)), tuple(dict.fromkeys([*live, *inner])))
    coming, inner = ranges_of(owner, wanted[0], _pools_of(wanted[0], abm_desired_node_pools))
    return ClusterRanges(tuple(dict.fromkeys([*live, *coming])), tuple(dict.fromkeys([*coming, *inner])))


def _pools_of(cluster: AbmCluster, pools: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [
        pool
        for pool in pools
        if pool["metadata"].get("namespace", "") == cluster.namespace
        and value_at(pool, "spec.clusterName", cluster.name) == cluster.name
    ]


@cluster_fact()
def abm_node_addresses(
    abm_ranges: ClusterRanges,
) -> list[OwnedRange]:
    """The addresses of the cluster's machines as its resources and the desired configuration name them."""
    return [one for one in abm_ranges.routed if one.use == "node address"]


@fleet_fact(every(abm_ranges))
def abm_all_ranges(members: Members) -> list[ClusterRanges]:
    """The ranges of all clusters that are looked at."""
    return list(members.values())


@fleet_fact(every(abm_node_addresses), every(nodes), every(addresses))
def abm_machine_addresses(configured: Members, listed: Members, interfaces: Members) -> list[OwnedRange]:
    """Every address of a machine - of clusters and workstation - from resources, nodes and the hosts themselves."""
    found = [one for ranges in configured.values() for one in ranges]
    for cluster, held in listed.items():
        for node in held:
            found.extend(OwnedRange(cluster, f"node {node.name}", Range.parse(text)) for text in node.addresses)
    for host, links in interfaces.items():
        for link, listed_addresses in links.items():
            if not link.startswith(VIRTUAL):
                found.extend(OwnedRange(host, f"interface {link}", Range.parse(str(one.ip))) for one in listed_addresses)
    return list(dict.fromkeys(found))
