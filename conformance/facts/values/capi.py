"""Cluster API objects as values, whichever version of the API they are written in.

v1beta1 keeps its conditions in ``status.conditions`` (with a severity) and, from Cluster API 1.9 on, the newer ones in
``status.v1beta2.conditions``; v1beta2 has those in ``status.conditions`` and the old ones in
``status.deprecated.v1beta1.conditions``. Sources: https://cluster-api.sigs.k8s.io/reference/api/reference, and the
proposal "Improving status in CAPI resources".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance.reads.projection import value_at

__all__ = [
    "CONDITIONS",
    "CONTROL_PLANE_LABEL",
    "NAME_LABEL",
    "PAUSED",
    "CapiCluster",
    "CapiObject",
    "Condition",
    "ControlPlane",
    "Machine",
    "MachineGroup",
    "condition_of",
    "conditions_of",
]

NAME_LABEL: Final = "cluster.x-k8s.io/cluster-name"
CONTROL_PLANE_LABEL: Final = "cluster.x-k8s.io/control-plane"
PAUSED: Final = "cluster.x-k8s.io/paused"
#: Where conditions may stand; a listing must keep all of them.
CONDITIONS: Final = ("status.conditions", "status.v1beta2.conditions", "status.deprecated.v1beta1.conditions")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of an object."""

    type: str
    #: ``True``, ``False`` or ``Unknown``.
    status: str
    reason: str = ""
    message: str = ""
    #: Of v1beta1 conditions that are False: ``Error``, ``Warning`` or ``Info``; else empty.
    severity: str = ""
    #: When it last changed, as written (RFC 3339); empty where it does not say.
    since: str = ""

    @property
    def is_true(self) -> bool:
        """Whether the status is ``True``."""
        return self.status == "True"

    def __str__(self) -> str:
        why = ": ".join(part for part in (self.reason, " ".join(self.message.split())) if part)
        return f"{self.type}={self.status}" + (f" ({why})" if why else "")


def conditions_of(obj: Mapping[str, Any]) -> tuple[Condition, ...]:
    """All conditions of an object, those of its own version first."""
    found = [
        Condition(
            str(one["type"]),
            str(one.get("status", "Unknown")),
            str(one.get("reason") or ""),
            str(one.get("message") or ""),
            str(one.get("severity") or ""),
            str(one.get("lastTransitionTime") or ""),
        )
        for path in CONDITIONS
        for one in value_at(obj, path, []) or []
        if isinstance(one, Mapping) and one.get("type")
    ]
    return tuple(dict.fromkeys(found))


def condition_of(conditions: Iterable[Condition], *types: str) -> Condition | None:
    """The first condition of the first of these types that is there."""
    held = list(conditions)
    return next((one for wanted in types for one in held if one.type == wanted), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CapiObject:
    """What all objects of Cluster API have in common."""

    kind: str
    name: str
    namespace: str
    #: The name of the Cluster that it belongs to, empty where it does not say.
    cluster: str
    conditions: tuple[Condition, ...]
    #: Whether it carries the annotation that pauses its controllers.
    paused: bool
    #: When its deletion was asked for (RFC 3339), None where it was not.
    deleted: str | None
    #: ``Kind/name`` of its owners.
    owners: tuple[str, ...]
    labels: Mapping[str, str]
    #: Whether its controller has seen it as it is; True where it does not tell.
    observed: bool

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}"

    def condition(self, *types: str) -> Condition | None:
        """The first condition of the first of these types that it has."""
        return condition_of(self.conditions, *types)

    @property
    def health(self) -> Condition | None:
        """The condition that sums it up: ``Available`` of the newer API, else ``Ready``; None where it has neither."""
        return self.condition("Available", "Ready")


def _common(obj: Mapping[str, Any], kind: str) -> dict[str, Any]:
    meta = obj["metadata"]
    labels = meta.get("labels") or {}
    seen = value_at(obj, "status.observedGeneration")
    return {
        "kind": kind,
        "name": str(meta["name"]),
        "namespace": str(meta.get("namespace", "")),
        "cluster": str(value_at(obj, "spec.clusterName") or labels.get(NAME_LABEL) or ""),
        "conditions": conditions_of(obj),
        "paused": PAUSED in (meta.get("annotations") or {}),
        "deleted": meta.get("deletionTimestamp"),
        "owners": tuple(f"{one.get('kind')}/{one.get('name')}" for one in meta.get("ownerReferences") or []),
        "labels": dict(labels),
        "observed": seen is None or meta.get("generation") is None or seen >= meta["generation"],
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class CapiCluster(CapiObject):
    """One Cluster of cluster.x-k8s.io."""

    phase: str
    #: ``Kind/name`` of its control plane, empty where it names none.
    control_plane: str
    #: ``host:port`` of its API server, empty where it has none yet.
    endpoint: str
    #: Whether spec.paused holds it.
    suspended: bool

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> CapiCluster:
        """From the object that the API server gives."""
        ref = value_at(obj, "spec.controlPlaneRef", {}) or {}
        where = value_at(obj, "spec.controlPlaneEndpoint", {}) or {}
        common = {**_common(obj, "Cluster"), "cluster": str(obj["metadata"]["name"])}
        return cls(
            **common,
            phase=str(value_at(obj, "status.phase", "") or ""),
            control_plane=f"{ref['kind']}/{ref['name']}" if ref.get("kind") and ref.get("name") else "",
            endpoint=f"{where['host']}:{where.get('port', '')}" if where.get("host") else "",
            suspended=value_at(obj, "spec.paused") is True,
        )


def _count(obj: Mapping[str, Any], *paths: str) -> int:
    for path in paths:
        value = value_at(obj, path)
        if isinstance(value, int):
            return value
    return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineGroup(CapiObject):
    """What keeps several machines: a MachineDeployment, or any control plane."""

    #: The Kubernetes version that its machines are to have, as written; empty where it says none.
    version: str
    #: How many machines are wanted; 1 where the object does not say.
    wanted: int
    #: How many there are, are ready, and are as the present specification wants them.
    replicas: int
    ready: int
    up_to_date: int

    @property
    def complete(self) -> bool:
        """Whether exactly the wanted machines are there, ready and up to date, and the controller knows of no change."""
        return self.observed and self.replicas == self.ready == self.up_to_date == self.wanted

    @classmethod
    def of(cls, obj: Mapping[str, Any], kind: str = "MachineDeployment") -> MachineGroup:
        """From the object that the API server gives."""
        return cls(**_group(obj, kind))


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlPlane(MachineGroup):
    """One KubeadmControlPlane."""

    #: The version that all of its machines run by now (status.version), empty where it does not say.
    running: str

    @classmethod
    def of(cls, obj: Mapping[str, Any], kind: str = "KubeadmControlPlane") -> ControlPlane:
        """From the object that the API server gives."""
        return cls(**_group(obj, kind), running=str(value_at(obj, "status.version", "") or ""))


def _group(obj: Mapping[str, Any], kind: str) -> dict[str, Any]:
    wanted = value_at(obj, "spec.replicas")
    version = value_at(obj, "spec.template.spec.version") or value_at(obj, "spec.version") or ""
    return {
        **_common(obj, kind),
        "version": str(version),
        "wanted": wanted if isinstance(wanted, int) else 1,
        "replicas": _count(obj, "status.replicas"),
        "ready": _count(obj, "status.readyReplicas"),
        "up_to_date": _count(obj, "status.upToDateReplicas", "status.updatedReplicas"),
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine(CapiObject):
    """One Machine of cluster.x-k8s.io."""

    #: Pending, Provisioning, Provisioned, Running, Deleting, Deleted, Failed or Unknown; empty where it says none.
    phase: str
    #: The Kubernetes version that it is to have, empty for machines without one such as those of an external etcd.
    version: str
    #: The name of its node, None as long as it has none.
    node: str | None
    addresses: tuple[str, ...]
    is_control_plane: bool
    provider_id: str
    #: When it was made (RFC 3339).
    created: str

    @property
    def is_etcd(self) -> bool:
        """Whether it belongs to an etcd cluster of its own (etcdadm), and so never becomes a node."""
        return any(one.startswith("EtcdadmCluster/") for one in self.owners) or any(
            label.endswith("/etcd-cluster") for label in self.labels
        )

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Machine:
        """From the object that the API server gives."""
        common = _common(obj, "Machine")
        listed = value_at(obj, "status.addresses", []) or []
        return cls(
            **common,
            phase=str(value_at(obj, "status.phase", "") or ""),
            version=str(value_at(obj, "spec.version", "") or ""),
            node=value_at(obj, "status.nodeRef.name"),
            addresses=tuple(str(one["address"]) for one in listed if one.get("address")),
            is_control_plane=CONTROL_PLANE_LABEL in common["labels"],
            provider_id=str(value_at(obj, "spec.providerID", "") or ""),
            created=str(obj["metadata"].get("creationTimestamp", "")),
        )
