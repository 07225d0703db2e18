"""Facts of the machines of an EKS Anywhere cluster that Cluster API's own facts do not give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance import Members, Unreadable, cluster_fact, every, listing
from conformance.facts.cluster_api import capi_control_plane, capi_machine_deployments, capi_machines
from conformance.facts.kubernetes import nodes
from conformance.facts.kubernetes_nodes import node_states
from conformance.facts.values.capi import (
    CONDITIONS,
    NAME_LABEL,
    CapiCluster,
    Condition,
    ControlPlane,
    Machine,
    MachineGroup,
    condition_of,
    conditions_of,
)
from conformance.reads.projection import value_at
from conformance.subjects import Subject

from .facts import eksa_cluster
from .specification import EksaCluster


@cluster_fact(every(eksa_cluster, any=True))
def eksa_capi_cluster(members: Members, eksa_place: Subject, capi_all_clusters: list[CapiCluster]) -> CapiCluster:
    """The Cluster of Cluster API that EKS Anywhere made for the very cluster: it has the name of its Cluster object.

    A management cluster holds those of all clusters that it manages, and the subject may be called as its context is.
    """
    own: EksaCluster | None = next(iter(members.values()), None)
    name = own.name if own else eksa_place.name
    there = [one for one in capi_all_clusters if one.name == name]
    if len(there) == 1:
        return there[0]
    where = f"cluster {eksa_place.manager or eksa_place.name}"
    if there:
        spaces = ", ".join(one.namespace for one in there)
        raise Unreadable(
            f"{where} holds a Cluster of Cluster API {name!r} in each of the namespaces {spaces}: which one?"
        )
    for failure in members.unread.values():
        raise Unreadable(failure.reason, read=failure.read, subject=failure.subject)
    names = ", ".join(one.name for one in capi_all_clusters) or "none"
    raise Unreadable(
        f"{where} holds no Cluster of Cluster API {name!r} (there: {names}): see eksa-cluster-object-missing"
    )


@cluster_fact()
def eksa_control_plane(capi_all_control_planes: list[ControlPlane], eksa_capi_cluster: CapiCluster) -> ControlPlane:
    """The KubeadmControlPlane of the very cluster."""
    found: ControlPlane = capi_control_plane(capi_all_control_planes, eksa_capi_cluster)
    return found


@cluster_fact()
def eksa_machine_deployments(
    capi_all_machine_deployments: list[MachineGroup], eksa_capi_cluster: CapiCluster
) -> list[MachineGroup]:
    """The MachineDeployments of the very cluster."""
    found: list[MachineGroup] = capi_machine_deployments(capi_all_machine_deployments, eksa_capi_cluster)
    return found


@cluster_fact()
def eksa_machines(capi_all_machines: list[Machine], eksa_capi_cluster: CapiCluster) -> list[Machine]:
    """The Machines of the very cluster. A cluster without any cannot be right."""
    found: list[Machine] = capi_machines(capi_all_machines, eksa_capi_cluster)
    return found


@dataclass(frozen=True, slots=True)
class EtcdCluster:
    """One EtcdadmCluster: the etcd of a cluster that has machines of its own for it."""

    name: str
    namespace: str
    cluster: str
    wanted: int
    ready_replicas: int
    #: What its controller sums up in status.ready; None where it has not said yet.
    ready: bool | None
    #: Ready of its conditions, None where it has none.
    condition: Condition | None
    observed: bool

    def __str__(self) -> str:
        return f"EtcdadmCluster {self.namespace}/{self.name}"

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> EtcdCluster:
        """From the object that the API server gives."""
        meta = obj["metadata"]
        owners = [one.get("name") for one in meta.get("ownerReferences") or [] if one.get("kind") == "Cluster"]
        label = (meta.get("labels") or {}).get(NAME_LABEL)
        seen, generation = value_at(obj, "status.observedGeneration"), meta.get("generation")
        return cls(
            name=str(meta["name"]),
            namespace=str(meta.get("namespace", "")),
            cluster=str(label or next(iter(owners), "")),
            wanted=int(value_at(obj, "spec.replicas") or 1),
            ready_replicas=int(value_at(obj, "status.readyReplicas") or 0),
            ready=value_at(obj, "status.ready"),
            condition=condition_of(conditions_of(obj), "Ready"),
            observed=seen is None or generation is None or seen >= generation,
        )


@cluster_fact(
    listing(
        "etcdadmclusters.etcdcluster.cluster.x-k8s.io",
        *CONDITIONS,
        "metadata.labels",
        "metadata.ownerReferences",
        "metadata.generation",
        "spec.replicas",
        "status.readyReplicas",
        "status.ready",
        "status.observedGeneration",
        required=False,
        at="manager",
    )
)
def eksa_served_etcd_clusters(objects: Iterable[Mapping[str, Any]]) -> list[EtcdCluster]:
    """Every EtcdadmCluster that lies there. A management cluster need not serve the kind."""
    return [EtcdCluster.of(one) for one in objects]


@cluster_fact(every(eksa_served_etcd_clusters))
def eksa_etcd_clusters(members: Members, eksa_capi_cluster: CapiCluster) -> list[EtcdCluster]:
    """The EtcdadmClusters of the very cluster; none where the kind is not served."""
    for failure in members.unread.values():
        raise Unreadable(failure.reason, read=failure.read, subject=failure.subject)
    there = [one for held in members.values() for one in held]
    own = (eksa_capi_cluster.namespace, eksa_capi_cluster.name)
    return [one for one in there if (one.namespace, one.cluster) == own]


@cluster_fact(every(node_states))
def eksa_node_states(members: Members) -> Members:
    """The states of the cluster's nodes, where they could be read: what its machines show does not depend on them."""
    return members


@cluster_fact(every(nodes))
def eksa_nodes(members: Members) -> Members:
    """The cluster's nodes, where they could be read."""
    return members
