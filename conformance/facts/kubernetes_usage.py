"""What nodes and pods use at the moment, as the metrics API tells (``kubectl top``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from conformance.facts.declare import cluster_fact
from conformance.facts.values.quantities import Quantity
from conformance.reads import listing
from conformance.reads.projection import value_at

__all__ = ["NodeUsage", "PodUsage", "node_usage", "pod_usage"]

#: Label of a pod that a ReplicaSet made for a Deployment: what stands behind the Deployment's name in the ReplicaSet's.
_HASH: Final = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class NodeUsage:
    """What one node has for pods, and what is used of it."""

    name: str
    control_plane: bool
    #: Cores and bytes that pods may use.
    cpu: Fraction
    memory: Fraction
    #: Cores and bytes in use, by pods or not; None where the metrics API says nothing of the node.
    cpu_used: Fraction | None
    memory_used: Fraction | None

    def share(self, cpu: Fraction, memory: Fraction) -> tuple[float, float]:
        """These cores and bytes in percent of what the node has."""
        return (
            float(100 * cpu / self.cpu) if self.cpu else 0.0,
            float(100 * memory / self.memory) if self.memory else 0.0,
        )


@dataclass(frozen=True, slots=True)
class PodUsage:
    """What the containers of one pod use together."""

    namespace: str
    name: str
    #: None as long as it is not scheduled.
    node: str | None
    #: ``kind/name`` of what keeps it, as kubectl writes it; empty where nothing does.
    owner: str
    cpu: Fraction
    memory: Fraction


_MASTER: Final = ("node-role.kubernetes.io/control-plane", "node-role.kubernetes.io/master")


@cluster_fact(
    listing("nodes", "metadata.labels", "status.allocatable", at_least=1),
    listing("nodes.metrics.k8s.io", "usage"),
)
def node_usage(nodes: Iterable[Mapping[str, Any]], metrics: Iterable[Mapping[str, Any]]) -> list[NodeUsage]:
    """All nodes by name. Source: https://kubernetes.io/docs/reference/external-api/metrics.v1beta1/.

    :raises InvalidQuantity: an amount is none.
    """
    used = {one["metadata"]["name"]: value_at(one, "usage", {}) or {} for one in metrics}
    found = []
    for one in nodes:
        name = one["metadata"]["name"]
        labels = value_at(one, "metadata.labels", {}) or {}
        room = value_at(one, "status.allocatable", {}) or {}
        found.append(
            NodeUsage(
                name,
                any(key in labels for key in _MASTER),
                _amount(room.get("cpu", "0")),
                _amount(room.get("memory", "0")),
                _amount(used[name]["cpu"]) if "cpu" in used.get(name, {}) else None,
                _amount(used[name]["memory"]) if "memory" in used.get(name, {}) else None,
            )
        )
    return sorted(found, key=lambda one: one.name)


@cluster_fact(
    listing("pods", "metadata.labels", "metadata.ownerReferences", "spec.nodeName"),
    listing("pods.metrics.k8s.io", "containers.usage"),
)
def pod_usage(pods: Iterable[Mapping[str, Any]], metrics: Iterable[Mapping[str, Any]]) -> list[PodUsage]:
    """The pods of which the metrics API tells something, by namespace and name.

    :raises InvalidQuantity: an amount is none.
    """
    used: dict[tuple[str, str], tuple[Fraction, Fraction]] = {}
    for one in metrics:
        held = [value_at(container, "usage", {}) or {} for container in value_at(one, "containers") or []]
        used[_where(one)] = (
            sum((_amount(usage.get("cpu", "0")) for usage in held), Fraction(0)),
            sum((_amount(usage.get("memory", "0")) for usage in held), Fraction(0)),
        )
    found = [
        PodUsage(*_where(one), value_at(one, "spec.nodeName"), _owner(one), *used[_where(one)])
        for one in pods
        if _where(one) in used
    ]
    return sorted(found, key=lambda one: (one.namespace, one.name))


def _where(obj: Mapping[str, Any]) -> tuple[str, str]:
    return str(obj["metadata"].get("namespace", "")), str(obj["metadata"]["name"])


def _owner(pod: Mapping[str, Any]) -> str:
    for one in value_at(pod, "metadata.ownerReferences") or []:
        if not one.get("controller"):
            continue
        kind, name = str(one.get("kind", "")), str(one.get("name", ""))
        suffix = f"-{(value_at(pod, 'metadata.labels', {}) or {}).get(_HASH, '')}"
        if kind == "ReplicaSet" and len(suffix) > 1 and name.endswith(suffix):
            return f"deployment/{name.removesuffix(suffix)}"
        return f"{kind.lower()}/{name}"
    return ""


def _amount(text: Any) -> Fraction:
    return Quantity.parse(text).value
