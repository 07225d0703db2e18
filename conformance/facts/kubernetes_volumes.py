"""Workloads of one replica on a volume that only one node may write to: what must never run twice."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance.facts.declare import cluster_fact
from conformance.reads import listing
from conformance.reads.projection import value_at

__all__ = ["Singleton", "SingletonPod", "singletons"]

#: Access modes with which one node alone may write, and the one with which any may. Source:
#: https://kubernetes.io/docs/concepts/storage/persistent-volumes/#access-modes
_ONE_NODE: Final = frozenset({"ReadWriteOnce", "ReadWriteOncePod"})
_ANY_NODE: Final = "ReadWriteMany"
#: Phases of a pod that has ended for good: an evicted one stays as an object.
_ENDED: Final = frozenset({"Succeeded", "Failed"})


@dataclass(frozen=True, slots=True)
class SingletonPod:
    """A pod of such a workload."""

    name: str
    #: None as long as it is not scheduled.
    node: str | None
    #: Whether its deletion was asked for.
    terminating: bool
    #: Whether its condition Ready is True.
    ready: bool


@dataclass(frozen=True, slots=True)
class Singleton:
    """One workload with one replica and a volume that only one node may write to."""

    #: Deployment, StatefulSet, ReplicaSet or ReplicationController.
    kind: str
    namespace: str
    name: str
    #: Its claims of such volumes, by name.
    claims: tuple[str, ...]
    #: All pods that it has at the moment and that have not ended: more than one while one replaces the other.
    pods: tuple[SingletonPod, ...]

    def __str__(self) -> str:
        return f"{self.kind.lower()} {self.namespace}/{self.name}"


_OWNER: Final = ("metadata.ownerReferences",)


@cluster_fact(
    listing("deployments.apps", "spec.replicas"),
    listing("statefulsets.apps", "spec.replicas"),
    listing("replicasets.apps", "spec.replicas", *_OWNER),
    listing("replicationcontrollers", "spec.replicas"),
    listing("persistentvolumeclaims", "spec.accessModes"),
    listing(
        "pods",
        *_OWNER,
        "metadata.deletionTimestamp",
        "spec.nodeName",
        "spec.volumes.persistentVolumeClaim.claimName",
        "status.phase",
        "status.conditions.type",
        "status.conditions.status",
    ),
)
def singletons(
    deployments: Iterable[Mapping[str, Any]],
    stateful_sets: Iterable[Mapping[str, Any]],
    replica_sets: Iterable[Mapping[str, Any]],
    replication_controllers: Iterable[Mapping[str, Any]],
    claims: Iterable[Mapping[str, Any]],
    pods: Iterable[Mapping[str, Any]],
) -> list[Singleton]:
    """The workloads of one replica whose pods mount such a volume, sorted by namespace, kind and name.

    What keeps a pod is its controlling owner; a ReplicaSet stands for the Deployment that owns it, a
    ReplicationController for a DeploymentConfig of OpenShift. A workload that is scaled to 0, or has no pod at the
    moment, harms nobody. Of what other controllers keep (operators, jobs) nobody says how many there are to be.
    """
    alone = _exclusive(claims)
    replicas = {
        **{("Deployment", *_where(one)): _replicas(one) for one in deployments},
        **{("StatefulSet", *_where(one)): _replicas(one) for one in stateful_sets},
        **{("ReplicationController", *_where(one)): _replicas(one) for one in replication_controllers},
    }
    above: dict[tuple[str, str, str], tuple[str, str, str]] = {}
    for one in replica_sets:
        key = ("ReplicaSet", *_where(one))
        replicas[key] = _replicas(one)
        owner = _owner(one)
        if owner and owner[0] == "Deployment":
            above[key] = owner
    found: dict[tuple[str, str, str], tuple[dict[str, None], list[SingletonPod]]] = {}
    for pod in pods:
        owner = _owner(pod)
        if owner is None or value_at(pod, "status.phase") in _ENDED:
            continue
        owner = above.get(owner, owner)
        used = [name for name in _claims_of(pod) if (owner[1], name) in alone]
        if used and replicas.get(owner) == 1:
            names, held = found.setdefault(owner, ({}, []))
            names.update(dict.fromkeys(used))
            held.append(_pod(pod))
    return [
        Singleton(kind, namespace, name, tuple(sorted(names)), tuple(sorted(held, key=lambda one: one.name)))
        for (kind, namespace, name), (names, held) in sorted(found.items(), key=lambda item: (item[0][1], item[0]))
    ]


def _where(obj: Mapping[str, Any]) -> tuple[str, str]:
    return str(obj["metadata"].get("namespace", "")), str(obj["metadata"]["name"])


def _replicas(obj: Mapping[str, Any]) -> int:
    replicas = value_at(obj, "spec.replicas")
    return 1 if replicas is None else int(replicas)


def _owner(obj: Mapping[str, Any]) -> tuple[str, str, str] | None:
    for one in value_at(obj, "metadata.ownerReferences") or []:
        if one.get("controller"):
            return str(one.get("kind", "")), str(obj["metadata"].get("namespace", "")), str(one.get("name", ""))
    return None


def _exclusive(claims: Iterable[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """The claims whose volume only one node may write to, by namespace and name."""
    found = set()
    for one in claims:
        modes = set(value_at(one, "spec.accessModes") or [])
        if modes & _ONE_NODE and _ANY_NODE not in modes:
            found.add(_where(one))
    return found


def _claims_of(pod: Mapping[str, Any]) -> list[str]:
    volumes = value_at(pod, "spec.volumes") or []
    return [name for one in volumes if (name := value_at(one, "persistentVolumeClaim.claimName"))]


def _pod(obj: Mapping[str, Any]) -> SingletonPod:
    conditions = {one.get("type"): one.get("status") for one in value_at(obj, "status.conditions") or []}
    return SingletonPod(
        name=str(obj["metadata"]["name"]),
        node=value_at(obj, "spec.nodeName"),
        terminating=bool(value_at(obj, "metadata.deletionTimestamp")),
        ready=conditions.get("Ready") == "True",
    )
