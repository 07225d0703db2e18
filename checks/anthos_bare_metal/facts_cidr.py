"""ClusterCIDRConfigs: the ranges from which the pods of a cluster with IPv6 get their addresses.

Source: the platform's guide "IPv4/IPv6 dual-stack networking". The ranges of IPv4 stand in the Cluster object as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from conformance import Members, cluster_fact, desired, every, listing
from conformance.facts.values.addresses import Range
from conformance.reads.projection import value_at

from .facts import GROUP, AbmCluster

__all__ = ["CidrConfig", "by_namespace", "coming_configs", "pod_networks"]

CidrConfig = Mapping[str, Any]
_RANGE: Final = "spec.ipv6.cidr"


@cluster_fact(listing(f"clustercidrconfigs.{GROUP}", _RANGE, at="manager", required=False))
def abm_served_cidr_configs(objects: Iterable[CidrConfig]) -> dict[str, list[CidrConfig]]:
    """The ClusterCIDRConfigs of each namespace of the admin cluster."""
    return by_namespace(objects)


@cluster_fact(every(abm_served_cidr_configs))
def abm_cidr_configs(served: Members) -> dict[str, list[CidrConfig]]:
    """`abm_served_cidr_configs`; none where the platform is older than the kind."""
    for why in served.unread.values():
        raise why
    return next(iter(served.values()), {})


@cluster_fact(desired("ClusterCIDRConfig", GROUP, _RANGE))
def abm_desired_cidr_configs(objects: list[CidrConfig] | None) -> dict[str, list[CidrConfig]]:
    """The ClusterCIDRConfig documents of the configuration that is about to be applied, by namespace."""
    return by_namespace(objects or [])


def by_namespace(objects: Iterable[Mapping[str, Any]]) -> dict[str, list[Mapping[str, Any]]]:
    """Namespace -> the objects in it."""
    found: dict[str, list[Mapping[str, Any]]] = {}
    for one in objects:
        found.setdefault(one["metadata"].get("namespace", ""), []).append(one)
    return found


def coming_configs(live: list[CidrConfig], applied: list[CidrConfig]) -> list[CidrConfig]:
    """Those of one cluster as they are about to be: what is applied takes the place of its namesake alone."""
    names = {one["metadata"]["name"] for one in applied}
    return [*applied, *(one for one in live if one["metadata"]["name"] not in names)]


def pod_networks(cluster: AbmCluster, configs: Iterable[CidrConfig]) -> Iterator[tuple[str, str, str]]:
    """Use, range and holder of the IPv6 ranges, but for those within another one: a rack's may be cut out of it.

    :raises InvalidRange: a text is no range.
    """
    texts = dict.fromkeys(str(text) for one in configs if (text := value_at(one, _RANGE)))
    own = value_at(cluster.spec, "clusterNetwork.pods.cidrBlocks", []) or []
    ranges = [Range.parse(str(text)) for text in (*own, *texts)]
    for text in texts:
        one = Range.parse(text)
        around = (it for it in ranges if it.version == one.version and (it.first, it.last) != (one.first, one.last))
        if not any(it.first <= one.first and one.last <= it.last for it in around):
            yield "pod range", text, ""
