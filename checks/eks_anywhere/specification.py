"""EKS Anywhere's Cluster as a value, as it is in a cluster and as a specification wants it.

Source: https://anywhere.eks.amazonaws.com/docs/getting-started/optional/ and the API reference of
anywhere.eks.amazonaws.com/v1alpha1.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance import Unreadable, Version
from conformance.facts.values.capi import Condition, conditions_of
from conformance.reads.projection import value_at
from conformance.versions import InvalidVersion

__all__ = ["COMPONENTS", "FLUX_RECONCILE", "GROUP", "PAUSED", "EksaCluster", "Ref", "WorkerGroup", "minor_of"]

GROUP: Final = "anywhere.eks.amazonaws.com"
#: The annotation that keeps EKS Anywhere's controller from a Cluster; `eksctl anywhere` sets it while it upgrades.
PAUSED: Final = f"{GROUP}/paused"
#: The annotation with which `eksctl anywhere` keeps Flux from a Cluster, and from what it refers to, while it upgrades.
FLUX_RECONCILE: Final = "kustomize.toolkit.fluxcd.io/reconcile"
#: The annotation of a management cluster whose controllers are of another release than itself.
COMPONENTS: Final = f"{GROUP}/management-components-version"


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """A reference to another object of the same namespace."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"

    @classmethod
    def at(cls, spec: Mapping[str, Any], path: str) -> Ref | None:
        """The reference at a path of a spec, None where there is none."""
        ref = value_at(spec, path)
        if not isinstance(ref, Mapping) or not ref.get("name"):
            return None
        return cls(str(ref.get("kind") or ""), str(ref["name"]))


@dataclass(frozen=True, slots=True)
class WorkerGroup:
    """One worker node group."""

    name: str
    #: The Kubernetes version of its own, as written; empty where it has that of the cluster.
    version: str
    #: How many machines it is to have; None where the specification does not say, as with an autoscaler.
    count: int | None
    machines: Ref | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EksaCluster:
    """One Cluster of anywhere.eks.amazonaws.com."""

    name: str
    namespace: str
    #: The Kubernetes version as written, ``1.30``; see `minor_of`.
    version: str
    #: The version of EKS Anywhere (``v0.19.3``); empty where it does not say.
    release: str
    #: The version of EKS Anywhere of its controllers, where they were upgraded on their own; else empty.
    components: str
    #: The value of the annotation that pauses its controller, None where it does not carry it.
    pause: str | None
    #: The value of the annotation that keeps Flux from it, None where it does not carry it, or nobody asked.
    flux: str | None
    #: Name of the Cluster that manages it; its own where it manages itself.
    manager: str
    workers: tuple[WorkerGroup, ...]
    control_plane_count: int | None
    control_plane_machines: Ref | None
    #: How many machines its etcd has where it has some of its own, None where it stands on the control plane.
    etcd_count: int | None
    etcd_machines: Ref | None
    datacenter: Ref | None
    gitops: Ref | None
    conditions: tuple[Condition, ...]
    #: What its controller says is wrong, and in which word; empty where nothing is.
    failure: str
    failure_reason: str
    #: When its deletion was asked for (RFC 3339), None where it was not.
    deleted: str | None
    #: The fields that were kept of its spec.
    spec: Mapping[str, Any]

    def __str__(self) -> str:
        return f"Cluster {self.namespace}/{self.name}" if self.namespace else f"Cluster {self.name}"

    @property
    def paused(self) -> bool:
        """Whether its controller leaves it alone; only the value ``true`` does that."""
        return self.pause == "true"

    @property
    def is_self_managed(self) -> bool:
        """Whether it is a management cluster, or one that stands alone."""
        return self.manager == self.name

    @property
    def on_vsphere(self) -> bool:
        """Whether its machines are of vSphere."""
        return self.datacenter is not None and self.datacenter.kind == "VSphereDatacenterConfig"

    def machine_refs(self) -> Iterator[tuple[str, Ref | None]]:
        """Where a machine group is referred to, and what it is; None where the reference is missing."""
        yield "spec.controlPlaneConfiguration.machineGroupRef", self.control_plane_machines
        if self.etcd_count is not None:
            yield "spec.externalEtcdConfiguration.machineGroupRef", self.etcd_machines
        for number, group in enumerate(self.workers):
            yield f"spec.workerNodeGroupConfigurations[{group.name or number}].machineGroupRef", group.machines

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> EksaCluster:
        """From the object that the API server gives, or the document of a specification.

        :raises Unreadable: it is not of the form that is known.
        """
        meta, spec = obj.get("metadata") or {}, obj.get("spec") or {}
        if not isinstance(spec, Mapping) or not meta.get("name"):
            raise Unreadable("a Cluster of EKS Anywhere without a name or a spec of keys and values: mend it")
        name = str(meta["name"])
        groups = value_at(spec, "workerNodeGroupConfigurations") or []
        if not isinstance(groups, list) or not all(isinstance(one, Mapping) for one in groups):
            raise Unreadable(f"Cluster {name}: spec.workerNodeGroupConfigurations is no list of groups")
        etcd = value_at(spec, "externalEtcdConfiguration")
        return cls(
            name=name,
            namespace=str(meta.get("namespace") or ""),
            version=_version(name, "spec.kubernetesVersion", spec.get("kubernetesVersion")),
            release=str(spec.get("eksaVersion") or ""),
            components=str(value_at(meta, f"annotations[{COMPONENTS}]") or ""),
            pause=value_at(meta, f"annotations[{PAUSED}]"),
            flux=value_at(meta, f"annotations[{FLUX_RECONCILE}]"),
            manager=str(value_at(spec, "managementCluster.name") or name),
            workers=tuple(_group(name, one) for one in groups),
            control_plane_count=_count(value_at(spec, "controlPlaneConfiguration.count")),
            control_plane_machines=Ref.at(spec, "controlPlaneConfiguration.machineGroupRef"),
            etcd_count=None if etcd is None else _count(value_at(spec, "externalEtcdConfiguration.count")) or 0,
            etcd_machines=Ref.at(spec, "externalEtcdConfiguration.machineGroupRef"),
            datacenter=Ref.at(spec, "datacenterRef"),
            gitops=Ref.at(spec, "gitOpsRef"),
            conditions=conditions_of(obj),
            failure=str(value_at(obj, "status.failureMessage") or ""),
            failure_reason=str(value_at(obj, "status.failureReason") or ""),
            deleted=meta.get("deletionTimestamp"),
            spec=spec,
        )


def _group(cluster: str, group: Mapping[str, Any]) -> WorkerGroup:
    name = str(group.get("name") or "")
    where = f"spec.workerNodeGroupConfigurations[{name}].kubernetesVersion"
    version = _version(cluster, where, group.get("kubernetesVersion"))
    return WorkerGroup(name, version, _count(group.get("count")), Ref.at(group, "machineGroupRef"))


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _version(cluster: str, where: str, value: Any) -> str:
    """The version as written.

    :raises Unreadable: it is a number: YAML reads 1.30 without quotes as 1.3, and EKS Anywhere refuses it.
    """
    if value is None or isinstance(value, str):
        return (value or "").strip()
    raise Unreadable(f'Cluster {cluster}: {where} is the number {value}: put the version in quotes, as in "1.30"')


def minor_of(version: str, where: str) -> tuple[int, int]:
    """Major and minor of a version as written.

    :raises Unreadable: it is no version; `where` it stands is in the message.
    """
    try:
        parsed = Version.parse(version)
    except InvalidVersion:
        raise Unreadable(f'{where} is {version!r}, which is no Kubernetes version such as "1.30"') from None
    return parsed.major, parsed.minor
