"""The NodePools of a cluster's control plane and load balancer, and the sections of its Cluster that they are made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Literal

from conformance import Unreadable, cluster_fact, listing
from conformance.reads.projection import value_at

from .facts import GROUP, AbmCluster

__all__ = ["SPECS", "OwnPool", "PoolObject", "abm_own_pools", "abm_pool_objects", "abm_pool_specs", "plain"]

Spec = Mapping[str, Any]
Part = Literal["control-plane", "load-balancer"]

#: What a pool is for -> the section of the Cluster that it is made from.
SPECS: Mapping[Part, str] = {
    "control-plane": "spec.controlPlane.nodePoolSpec",
    "load-balancer": "spec.loadBalancer.nodePoolSpec",
}
#: How the platform calls them: like the cluster, and like the cluster with this behind.
_SUFFIX: Mapping[Part, str] = {"control-plane": "", "load-balancer": "-lb"}


@dataclass(frozen=True, slots=True)
class PoolObject:
    """One NodePool."""

    name: str
    namespace: str
    #: Names of the Clusters that own it.
    owners: tuple[str, ...]
    #: What its labels and annotations say that it is for: control-plane, load-balancer.
    marks: tuple[str, ...]
    spec: Spec

    @property
    def addresses(self) -> set[str]:
        """The addresses of its nodes, each in one spelling."""
        return addresses_of(self.spec)


def plain(address: Any) -> str:
    """An address in the one spelling that all of its spellings have in common; as it is where it is none."""
    text = str(address).strip()
    try:
        found = ip_address(text)
    except ValueError:
        return text
    return str(getattr(found, "ipv4_mapped", None) or found)


def addresses_of(spec: Spec) -> set[str]:
    """The addresses of the nodes in a node pool's specification."""
    return {plain(one.get("address", "")) for one in spec.get("nodes") or []}


def pool_object(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of a NodePool: its specification, who owns it and which marks of the platform it bears, and no other annotation."""
    meta = obj["metadata"]
    owners = [
        one.get("name")
        for one in meta.get("ownerReferences") or []
        if one.get("kind") == "Cluster" and str(one.get("apiVersion", "")).startswith(f"{GROUP}/")
    ]
    marks = [
        part
        for part in SPECS
        for held in (meta.get("labels"), meta.get("annotations"))
        for key, value in (held or {}).items()
        if key.startswith(f"{GROUP}/{part}") and str(value).lower() != "false"
    ]
    return {
        "name": meta["name"],
        "namespace": meta.get("namespace", ""),
        "owners": owners,
        "marks": sorted(set(marks)),
        "spec": obj.get("spec") or {},
    }


@cluster_fact(listing(f"nodepools.{GROUP}", reduce=pool_object, at="manager"))
def abm_pool_objects(objects: Iterable[Mapping[str, Any]]) -> list[PoolObject]:
    """All NodePools that the admin cluster knows, of whatever cluster."""
    return [
        PoolObject(one["name"], one["namespace"], tuple(one["owners"]), tuple(one["marks"]), one["spec"])
        for one in objects
    ]


@cluster_fact(listing(f"clusters.{GROUP}", *SPECS.values(), "spec.loadBalancer.mode", at="manager", at_least=1))
def abm_pool_specs(objects: Iterable[Mapping[str, Any]]) -> dict[tuple[str, str], dict[Part, Spec]]:
    """Namespace and name of each Cluster -> what its own node pools are to be; those that it does not have are left out."""
    found: dict[tuple[str, str], dict[Part, Spec]] = {}
    for one in objects:
        specs = {part: spec for part, path in SPECS.items() if (spec := value_at(one, path))}
        if value_at(one, "spec.loadBalancer.mode") == "manual":
            specs.pop("load-balancer", None)  # nobody makes a pool of it
        found[one["metadata"].get("namespace", ""), one["metadata"]["name"]] = specs
    return found


@dataclass(frozen=True, slots=True)
class OwnPool:
    """A node pool of the platform itself: as its Cluster has it, and as its NodePool has it."""

    part: Part
    #: None where the Cluster has no such section.
    spec: Spec | None
    pool: PoolObject


@cluster_fact()
def abm_own_pools(
    abm_cluster: AbmCluster,
    abm_pool_specs: dict[tuple[str, str], dict[Part, Spec]],
    abm_pool_objects: list[PoolObject],
) -> list[OwnPool]:
    """The node pools of the control plane and, where it has machines of its own, of the load balancer."""
    specs = abm_pool_specs[abm_cluster.namespace, abm_cluster.name]
    pools = [
        one
        for one in abm_pool_objects
        if one.namespace == abm_cluster.namespace
        and one.spec.get("clusterName", abm_cluster.name) == abm_cluster.name
        and (not one.owners or abm_cluster.name in one.owners)
    ]
    if "control-plane" not in specs:
        raise Unreadable(f"Cluster {abm_cluster.name} has no {SPECS['control-plane']}")
    found: list[OwnPool] = []
    taken: list[PoolObject] = []
    for part in SPECS:
        spec = specs.get(part)
        pool = _pool_of(part, spec, [one for one in pools if one not in taken], abm_cluster.name)
        if pool is not None:
            taken.append(pool)
            found.append(OwnPool(part, spec, pool))
        elif spec is not None:
            held = ", ".join(one.name for one in pools) or "none"
            raise Unreadable(
                f"which NodePool is made from {SPECS[part]} of Cluster {abm_cluster.name} cannot be told: none is marked, "
                f"called or addressed so; namespace {abm_cluster.namespace} holds: {held}"
            )
    return found


def _pool_of(part: Part, spec: Spec | None, pools: list[PoolObject], cluster: str) -> PoolObject | None:
    """The NodePool of a section: the one with the platform's mark, else with most of its addresses, else with its name."""
    marked = [one for one in pools if part in one.marks]
    if spec is None:
        return marked[0] if marked else None
    wanted, usual = addresses_of(spec), cluster + _SUFFIX[part]
    others = {cluster + suffix for other, suffix in _SUFFIX.items() if other != part}
    # One that is marked as another's, or that nobody owns where the platform's own are owned, is not it.
    left = [one for one in pools if not one.marks and one.name not in others]
    left = marked or [one for one in left if one.owners] or left
    best = max(left, key=lambda one: (len(one.addresses & wanted), one.name == usual), default=None)
    return best if best and (marked or best.addresses & wanted or best.name == usual) else None
