"""Node pools that are made from the Cluster, and are changed there alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from conformance import CLUSTER, WARNING, found, hazard

from ..sources import ANTHOS_BARE_METAL
from .facts import AbmCluster
from .facts_pools import SPECS, OwnPool, plain

#: Keys of labels and taints that the platform sets by itself.
_PLATFORM = ("kubernetes.io/", "k8s.io/", "x-k8s.io/", "gke.io/")


@hazard(
    "abm-nodepool-edited",
    title="the NodePool of the control plane or of the load balancer was edited directly",
    severity=WARNING,
    on=[CLUSTER],
    source=ANTHOS_BARE_METAL.section("コントロール プレーンとロードバランサの仕様"),
    remedy="Make the change in the cluster configuration file, in spec.controlPlane.nodePoolSpec or "
    "spec.loadBalancer.nodePoolSpec, and apply it with bmctl update cluster.",
)
def check_own_node_pools_are_as_the_cluster_says(abm_cluster: AbmCluster, abm_own_pools: list[OwnPool]) -> None:
    edited = [(one, said) for one in abm_own_pools if (said := list(_differences(one)))]
    if edited:
        sections = " and ".join(SPECS[one.part] for one, _ in edited)
        raise found(
            "; ".join(
                f"NodePool {one.pool.namespace}/{one.pool.name} differs from {SPECS[one.part]} of Cluster "
                f"{abm_cluster.name}: {', '.join(said)}"
                for one, said in edited
            ),
            evidence=[
                f"nodepool {one.pool.namespace}/{one.pool.name}: {difference}"
                for one, said in edited
                for difference in said
            ],
            remedy=f"Decide which of the two is meant, put it into {sections} in the cluster configuration file, and apply "
            f"that: bmctl update cluster -c {abm_cluster.name} --kubeconfig ADMIN_KUBECONFIG",
        )


def _differences(one: OwnPool) -> Iterator[str]:
    """What the NodePool has otherwise; what only it has and the platform may have filled in makes no difference."""
    if one.spec is None:
        yield f"the Cluster has no {SPECS[one.part]}"
        return
    ours, theirs = dict(one.spec), dict(one.pool.spec)
    wanted, held = _by_address(ours.pop("nodes", None)), _by_address(theirs.pop("nodes", None))
    for address in (one for one in held if one not in wanted):
        yield f"node {address} is only in the NodePool"
    for address in (one for one in wanted if one not in held):
        yield f"node {address} is only in the Cluster"
    for address in (one for one in wanted if one in held):
        yield from _fields(f"node {address} ", wanted[address], held[address])
    yield from _fields("", ours, theirs)


def _fields(where: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> Iterator[str]:
    yield from _marks(f"{where}label", dict(ours.get("labels") or {}), dict(theirs.get("labels") or {}))
    yield from _marks(f"{where}taint", _taints(ours), _taints(theirs))
    for key in sorted(ours.keys() & theirs.keys() - {"labels", "taints", "address", "clusterName"}):
        if ours[key] != theirs[key]:
            yield f"{where}{key} is {theirs[key]!r}, not {ours[key]!r}"


def _marks(what: str, ours: Mapping[str, str], theirs: Mapping[str, str]) -> Iterator[str]:
    for key in (*ours, *(one for one in theirs if one not in ours)):
        if key not in theirs:
            yield f"{what} {key} is only in the Cluster"
        elif key not in ours:
            if not any(domain in key for domain in _PLATFORM):
                yield f"{what} {key} is only in the NodePool"
        elif ours[key] != theirs[key]:
            yield f"{what} {key} is {theirs[key]!r}, not {ours[key]!r}"


def _taints(spec: Mapping[str, Any]) -> dict[str, str]:
    """``KEY:EFFECT`` -> value of each taint."""
    return {f"{one.get('key')}:{one.get('effect')}": str(one.get("value") or "") for one in spec.get("taints") or []}


def _by_address(nodes: Any) -> dict[str, Mapping[str, Any]]:
    return {plain(one.get("address", "")): one for one in nodes or []}
