"""The addresses and ranges that a cluster uses, each with what for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from conformance import NODE, Members, Unreadable, cluster_fact, every, fleet_fact, listing
from conformance.facts.kubernetes import nodes
from conformance.facts.linux import addresses
from conformance.facts.values.addresses import OwnedRange, Range
from conformance.reads.projection import value_at
from conformance.subjects import Subject

from .facts import GROUP, AbmCluster, cluster_of, is_user
from .facts_cidr import CidrConfig, by_namespace, coming_configs, pod_networks

Pool = Mapping[str, Any]

_VIRTUAL: Final = re.compile(
    # Docker calls the bridge of a network of its own after the first twelve digits of the network's id; other bridges,
    # such as br-lan and br-bond0, are people's, and the machine's way out.
    "cilium|cni|docker|flannel|cali|tunl|vxlan|kube-|nodelocaldns|lxc|veth|virbr|br-[0-9a-f]{12}$"
)
_NODE: Final = "node address"
_PLANE: Final = "the control plane"
_BALANCER: Final = "the load balancer"


def is_virtual(link: str) -> bool:
    """Whether an interface is one of containers, overlays or virtual machines: its addresses are not the machine's own.

    >>> [one for one in ("eth0", "br-lan", "br-0123456789ab", "virbr0") if is_virtual(one)]
    ['br-0123456789ab', 'virbr0']
    """
    return _VIRTUAL.match(link) is not None


@dataclass(frozen=True, slots=True)
class ClusterRanges:
    """The ranges of one cluster."""

    owner: str
    #: The cluster that holds its objects: another one's may have the same name.
    admin: str
    #: As they are, and as they are about to be: what must not meet another cluster's.
    routed: tuple[OwnedRange, ...]
    #: As they are about to be, else as they are; with what is not routed. What must not meet within the cluster.
    own: tuple[OwnedRange, ...]
    #: Whether a desired configuration says how they are about to be.
    changes: bool = False

    def with_more(self, other: ClusterRanges) -> ClusterRanges:
        """The same cluster's ranges as two subjects tell them: itself, and one whose desired configuration names it.

        :raises Unreadable: they are not of the same cluster.
        """
        if other.admin != self.admin:
            raise Unreadable(f"{self.admin} and {other.admin} both have a cluster {self.owner}: look at one at a time")
        routed = tuple(dict.fromkeys([*self.routed, *other.routed]))
        if self.changes != other.changes:
            return ClusterRanges(self.owner, self.admin, routed, (self if self.changes else other).own, changes=True)
        own = tuple(dict.fromkeys([*self.own, *other.own]))
        return ClusterRanges(self.owner, self.admin, routed, own, self.changes)


def ranges_of(
    owner: str, cluster: AbmCluster, pools: list[Pool], configs: Iterable[CidrConfig] = (), *, written: bool = False
) -> tuple[list[OwnedRange], list[OwnedRange]]:
    """The routed ranges of one Cluster object with its NodePools, and what stays inside the cluster; each once.

    Inside stays also what tells that an address is that of a node twice.

    :param configs: the ClusterCIDRConfigs of the cluster.
    :param written: whether the pools are those of a configuration file, which has none of the platform's own.
    :raises InvalidRange: a text is neither an address nor a range.
    """
    routed, again = _owned(owner, _routed(cluster, pools))
    inner, _ = _owned(owner, [*_networks(cluster), *pod_networks(cluster, configs)])
    twice = _twice(cluster, pools, again, written=written) if again else []
    # Pods have addresses of the machines' network in flat mode only, which with IPv6 is the only one; else every cluster
    # may use the same range.
    versions = (4, 6) if value_at(cluster.spec, "clusterNetwork.flatIPv4") is True else (6,)
    flat = [one for one in inner if one.use.startswith("pod") and one.range.version in versions]
    return [*routed, *flat], [*(one for one in inner if one not in flat), *twice]


@dataclass(frozen=True, slots=True)
class _Again:
    """A range that two hold for the same use, such as two node pools."""

    range: OwnedRange
    first: str
    other: str


def _owned(owner: str, texts: Iterable[tuple[str, str, str]]) -> tuple[list[OwnedRange], list[_Again]]:
    """The ranges that uses, texts and holders mean, each use of one once, and those with a second holder."""
    found: dict[tuple[str, int, int, int], tuple[OwnedRange, str]] = {}
    again = []
    for use, text, holder in texts:
        one = Range.parse(text)
        place = use, one.first, one.last, one.version
        if place not in found:
            found[place] = OwnedRange(owner, use, one), holder
        elif found[place][1] != holder:
            again.append(_Again(*found[place], holder))
    return [one for one, _ in found.values()], again


def _twice(cluster: AbmCluster, pools: list[Pool], again: list[_Again], *, written: bool) -> list[OwnedRange]:
    """Those that should have one holder alone.

    The platform makes a NodePool from the Cluster's section, so the two hold the same: the pool that is called as the
    platform calls it, else that with the most of the section's addresses. Whether the load balancer may be given nodes
    of the control plane is documented nowhere: that is let through.

    Source: the platform's guide "Update clusters" for the names.
    """
    names = {f"NodePool {one['metadata']['name']}" for one in pools}
    made: dict[str, str] = {}
    for section, end in ((_PLANE, ""), (_BALANCER, "-lb")):
        met = Counter(one.other for one in again if one.first == section and one.other in names - made.keys())
        usual = next(
            (one for name in (cluster.name, cluster.namespace) if (one := f"NodePool {name}{end}") in names), None
        )
        if usual:
            made[usual] = section
        elif met and not written:
            made[met.most_common(1)[0][0]] = section
    # With a load balancer of somebody else's, nobody makes anything of its section.
    may = {_PLANE, _BALANCER}
    manual = value_at(cluster.spec, "loadBalancer.mode") == "manual"
    found = []
    for one in again:
        first, other = made.get(one.first, one.first), made.get(one.other, one.other)
        if first == other or {first, other} == may or (manual and _BALANCER in (first, other)):
            continue
        found.append(OwnedRange(one.range.owner, f"{one.range.use} (of {first} and of {other})", one.range.range))
    return found


def _routed(cluster: AbmCluster, pools: Iterable[Pool]) -> Iterator[tuple[str, str, str]]:
    spec = cluster.spec
    for part, holder in (("controlPlane", _PLANE), ("loadBalancer", _BALANCER)):
        for node in value_at(spec, f"{part}.nodePoolSpec.nodes", []) or []:
            yield _NODE, str(node["address"]), holder
    for pool in pools:
        holder = f"NodePool {pool['metadata']['name']}"
        for node in value_at(pool, "spec.nodes", []) or []:
            yield _NODE, str(node["address"]), holder
    for key, use in (("controlPlaneVIP", "control-plane VIP"), ("ingressVIP", "ingress VIP")):
        vip = value_at(spec, f"loadBalancer.vips.{key}")
        if vip:
            yield use, str(vip), ""
    for pool in value_at(spec, "loadBalancer.addressPools", []) or []:
        for text in pool.get("addresses") or []:
            yield f"address pool {pool.get('name', '')}".strip(), str(text), ""


def _networks(cluster: AbmCluster) -> Iterator[tuple[str, str, str]]:
    for key in ("pods", "services"):
        for text in value_at(cluster.spec, f"clusterNetwork.{key}.cidrBlocks", []) or []:
            yield f"{key.removesuffix('s')} range", str(text), ""


# Made once for all clusters of an admin cluster, so that each of thousands finds its own without looking at the others'.


@cluster_fact(listing(f"nodepools.{GROUP}", "spec.clusterName", "spec.nodes", at="manager"))
def abm_pools_by_namespace(objects: Iterable[Pool]) -> dict[str, list[Pool]]:
    """The NodePools of each namespace of the admin cluster."""
    return by_namespace(objects)


_SPEC = ("spec.type", "spec.clusterNetwork", "spec.controlPlane.nodePoolSpec.nodes", "spec.loadBalancer")


@cluster_fact(listing(f"clusters.{GROUP}", *_SPEC, at="manager", at_least=1))
def abm_clusters_by_name(objects: Iterable[Mapping[str, Any]]) -> dict[str, list[AbmCluster]]:
    """The Cluster objects of each name that the admin cluster holds."""
    found: dict[str, list[AbmCluster]] = {}
    for one in objects:
        cluster = AbmCluster.of(one)
        found.setdefault(cluster.name, []).append(cluster)
    return found


@cluster_fact()
def abm_ranges(
    abm_clusters: list[AbmCluster],
    abm_clusters_by_name: dict[str, list[AbmCluster]],
    abm_pools_by_namespace: dict[str, list[Pool]],
    abm_desired_clusters: list[AbmCluster],
    abm_desired_node_pools: list[Pool],
    abm_cidr_configs: dict[str, list[CidrConfig]],
    abm_desired_cidr_configs: dict[str, list[CidrConfig]],
    subject: Subject,
) -> list[ClusterRanges]:
    """The ranges of the cluster, live and as they are about to be, and of others that its desired configuration names.

    A cluster to come has no Cluster object yet; its desired configuration alone tells its ranges.
    """
    desired = {one.name: one for one in abm_desired_clusters}
    namesakes = abm_clusters_by_name.get(subject.name, [])
    to_come = is_user(subject) and subject.name in desired and not namesakes
    own = subject.name if to_come else cluster_of(namesakes if len(namesakes) == 1 else abm_clusters, subject).name
    named = [own, *desired, *(str(value_at(one, "spec.clusterName", own)) for one in abm_desired_node_pools)]
    if abm_desired_cidr_configs:
        live = [one for held in abm_clusters_by_name.values() for one in held]
        named += _in_namespaces([*desired.values(), *live], abm_desired_cidr_configs)
    found = []
    for name in dict.fromkeys(named):
        owner = subject.name if name == own else name
        admin = subject.manager or subject.name
        here, coming = (abm_clusters_by_name.get(name) or [None])[-1], desired.get(name)
        if here is None and coming is None:
            raise Unreadable(
                f"the desired configuration has a NodePool of {name}, and there is no Cluster of that name"
            )
        beside = abm_pools_by_namespace.get(here.namespace, []) if here else []
        cidrs = abm_cidr_configs.get(here.namespace, []) if here else []
        now = ranges_of(owner, here, _pools_of(here, beside), cidrs) if here else ([], [])
        pools = _coming_pools(here, coming, beside, abm_desired_node_pools)
        either = coming or here
        cidrs_then = abm_desired_cidr_configs.get(either.namespace, []) if either else []
        if coming is None and not pools and not cidrs_then:
            routed = tuple(now[0])
            found.append(ClusterRanges(owner, admin, routed, (*routed, *now[1])))
            continue
        pools = pools or _pools_of(here, beside) if coming is None else pools
        then = ranges_of(owner, coming or here, pools, coming_configs(cidrs, cidrs_then), written=coming is not None)
        found.append(ClusterRanges(owner, admin, _each_once(now[0], then[0]), _each_once(*then), changes=True))
    return found


def _in_namespaces(clusters: list[AbmCluster], namespaces: Iterable[str]) -> list[str]:
    """The clusters to which these namespaces belong."""
    names: dict[str, str] = {}
    for one in clusters:
        names.setdefault(one.namespace, one.name)
    for namespace in namespaces:
        if namespace not in names:
            raise Unreadable(
                f"the desired configuration has a ClusterCIDRConfig in {namespace!r}, and no Cluster is there"
            )
    return [names[one] for one in namespaces]


def _each_once(*held: Iterable[OwnedRange]) -> tuple[OwnedRange, ...]:
    return tuple(dict.fromkeys(one for ranges in held for one in ranges))


def _coming_pools(
    here: AbmCluster | None, coming: AbmCluster | None, pools: list[Pool], desired: list[Pool]
) -> list[Pool]:
    """The NodePools of a cluster as they are about to be: a configuration without its Cluster changes only its own."""
    if coming is not None:
        return _pools_of(coming, desired)
    changed = _pools_of(here, desired) if here else []
    names = {one["metadata"]["name"] for one in changed}
    kept = [one for one in _pools_of(here, pools) if one["metadata"]["name"] not in names] if here and changed else []
    return [*kept, *changed]


def _pools_of(cluster: AbmCluster, pools: Iterable[Pool]) -> list[Pool]:
    return [
        pool
        for pool in pools
        if pool["metadata"].get("namespace", "") == cluster.namespace
        and value_at(pool, "spec.clusterName", cluster.name) == cluster.name
    ]


@cluster_fact()
def abm_node_addresses(abm_ranges: list[ClusterRanges]) -> list[OwnedRange]:
    """The addresses of the cluster's machines as its resources and the desired configuration name them."""
    return [one for ranges in abm_ranges for one in ranges.routed if one.use == _NODE]


@cluster_fact(every(addresses, on=[NODE]))
def abm_unseen_nodes(members: Members, abm_cluster: AbmCluster, abm_node_pools: list[Pool]) -> list[str]:
    """The addresses of the cluster's machines that no named host has: nobody looked at those machines."""
    routed, _ = ranges_of(abm_cluster.name, abm_cluster, _pools_of(abm_cluster, abm_node_pools))
    wanted = [ip_address(one.range.text) for one in routed if one.use == _NODE]
    if not wanted:
        raise Unreadable(f"Cluster {abm_cluster.name} names the address of no node: which nodes has it?")
    seen = {one.ip for links in members.values() for held in links.values() for one in held}
    return [str(one) for one in dict.fromkeys(wanted) if one not in seen]


@fleet_fact(every(abm_ranges))
def abm_all_ranges(members: Members) -> list[ClusterRanges]:
    """The ranges of all clusters that are looked at, or are to come, each cluster once."""
    found: dict[str, ClusterRanges] = {}
    for held in members.values():
        for one in held:
            found[one.owner] = found[one.owner].with_more(one) if one.owner in found else one
    return list(found.values())


@fleet_fact(every(abm_node_addresses), every(nodes), every(addresses))
def abm_machine_addresses(configured: Members, listed: Members, interfaces: Members) -> list[OwnedRange]:
    """Every address of a machine - of clusters and workstation - from resources, nodes and the hosts themselves."""
    found = [one for ranges in configured.values() for one in ranges]
    for cluster, held in listed.items():
        for node in held:
            found.extend(OwnedRange(cluster, f"node {node.name}", Range.parse(text)) for text in node.addresses)
    for host, links in interfaces.items():
        for link, listed_addresses in links.items():
            if not is_virtual(link):
                found.extend(
                    OwnedRange(host, f"interface {link}", Range.parse(str(one.ip))) for one in listed_addresses
                )
    return list(dict.fromkeys(found))
