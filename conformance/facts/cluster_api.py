"""Facts of clusters that Cluster API keeps: EKS Anywhere, vSphere Supervisor and others.

The objects are read where they lie: in the cluster that manages the subject (``management:`` or ``supervisor:`` in the
change file), else in the subject itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any, Final

from conformance.answers import Unreadable
from conformance.facts.declare import cluster_fact
from conformance.facts.kubernetes import Node
from conformance.facts.values.capi import CONDITIONS, PAUSED, CapiCluster, ControlPlane, Machine, MachineGroup
from conformance.reads import listing
from conformance.subjects import Subject

__all__ = [
    "Correlated",
    "capi_all_clusters",
    "capi_all_control_planes",
    "capi_all_machine_deployments",
    "capi_all_machines",
    "capi_cluster",
    "capi_control_plane",
    "capi_machine_deployments",
    "capi_machines",
    "correlate",
]

_COMMON: Final = (
    *CONDITIONS,
    "metadata.labels",
    "metadata.ownerReferences",
    "metadata.generation",
    "metadata.deletionTimestamp",
    f"metadata.annotations[{PAUSED}]",
    "spec.clusterName",
    "status.observedGeneration",
)
_COUNTS: Final = (
    *("spec.replicas", "status.replicas", "status.readyReplicas", "status.updatedReplicas", "status.upToDateReplicas"),
)


@cluster_fact(
    listing(
        "clusters.cluster.x-k8s.io",
        *_COMMON,
        "spec.controlPlaneRef",
        "spec.controlPlaneEndpoint",
        "spec.paused",
        "status.phase",
        at="manager",
    )
)
def capi_all_clusters(objects: Iterable[Mapping[str, Any]]) -> list[CapiCluster]:
    """Every Cluster object that lies there, of whatever namespace."""
    return [CapiCluster.of(one) for one in objects]


@cluster_fact(
    listing(
        "kubeadmcontrolplanes.controlplane.cluster.x-k8s.io",
        *_COMMON,
        *_COUNTS,
        "spec.version",
        "status.version",
        at="manager",
    )
)
def capi_all_control_planes(objects: Iterable[Mapping[str, Any]]) -> list[ControlPlane]:
    """Every KubeadmControlPlane that lies there."""
    return [ControlPlane.of(one) for one in objects]


@cluster_fact(
    listing("machinedeployments.cluster.x-k8s.io", *_COMMON, *_COUNTS, "spec.template.spec.version", at="manager")
)
def capi_all_machine_deployments(objects: Iterable[Mapping[str, Any]]) -> list[MachineGroup]:
    """Every MachineDeployment that lies there."""
    return [MachineGroup.of(one) for one in objects]


@cluster_fact(
    listing(
        "machines.cluster.x-k8s.io",
        *_COMMON,
        "metadata.creationTimestamp",
        "spec.version",
        "spec.providerID",
        "status.phase",
        "status.nodeRef.name",
        "status.addresses",
        at="manager",
    )
)
def capi_all_machines(objects: Iterable[Mapping[str, Any]]) -> list[Machine]:
    """Every Machine that lies there."""
    return [Machine.of(one) for one in objects]


@cluster_fact()
def capi_cluster(capi_all_clusters: list[CapiCluster], subject: Subject) -> CapiCluster:
    """The Cluster object of the very cluster: the one of its name, else the only one of a cluster that manages itself.

    ``NAMESPACE/NAME`` names one of several that are called alike.
    """
    named = [one for one in capi_all_clusters if subject.name in (one.name, f"{one.namespace}/{one.name}")]
    if len(named) == 1:
        return named[0]
    where = f"cluster {subject.manager or subject.name}"
    if len(named) > 1:
        spaces = ", ".join(one.namespace for one in named)
        raise Unreadable(
            f"{where} holds a Cluster object {subject.name!r} in each of the namespaces {spaces}: call the one that is meant "
            f"{named[0].namespace}/{subject.name} or the like in the change file"
        )
    if len(capi_all_clusters) == 1 and subject.manager is None:
        return capi_all_clusters[0]
    names = ", ".join(one.name for one in capi_all_clusters) or "none"
    raise Unreadable(
        f"{where} holds no Cluster object {subject.name!r} (there: {names}): mend the name in the change file"
    )


def _of(cluster: CapiCluster, objects: Iterable[Any]) -> list[Any]:
    return [one for one in objects if one.namespace == cluster.namespace and one.cluster == cluster.name]


@cluster_fact()
def capi_control_plane(capi_all_control_planes: list[ControlPlane], capi_cluster: CapiCluster) -> ControlPlane:
    """The KubeadmControlPlane of the very cluster."""
    wanted = capi_cluster.control_plane.partition("/")[2]
    for one in capi_all_control_planes:
        own = one.name == wanted if wanted else one.cluster == capi_cluster.name
        if own and one.namespace == capi_cluster.namespace:
            return one
    raise Unreadable(f"{capi_cluster} has no KubeadmControlPlane {wanted or 'at all'}: what keeps its control plane?")


@cluster_fact()
def capi_machine_deployments(
    capi_all_machine_deployments: list[MachineGroup], capi_cluster: CapiCluster
) -> list[MachineGroup]:
    """The MachineDeployments of the very cluster; a cluster may have none."""
    return _of(capi_cluster, capi_all_machine_deployments)


@cluster_fact()
def capi_machines(capi_all_machines: list[Machine], capi_cluster: CapiCluster) -> list[Machine]:
    """The Machines of the very cluster. A cluster without any cannot be right."""
    found = _of(capi_cluster, capi_all_machines)
    if not found:
        raise Unreadable(f"{capi_cluster} has no Machine in namespace {capi_cluster.namespace}: there must be some")
    return found


@dataclass(frozen=True, slots=True)
class Correlated:
    """One machine with what belongs to it; None where there is none, or nothing was read."""

    machine: Machine
    node: Node | None
    #: The name of the host in the change.
    host: str | None


def correlate(
    machines: Iterable[Machine],
    nodes: Iterable[Node],
    hosts: Mapping[str, Iterable[str]] | None = None,
) -> list[Correlated]:
    """Each machine with its node and its host.

    A machine and its node have nodeRef or an address in common, or the name; a host and its node the name or an address.

    :param hosts: name of a host -> its addresses.
    """
    known = list(nodes)
    places = {name: {_plain(one) for one in addresses} for name, addresses in (hosts or {}).items()}
    found = []
    for machine in machines:
        own = {_plain(one) for one in machine.addresses}
        node = next((one for one in known if one.name == machine.node), None)
        if node is None and machine.node is None and not machine.is_etcd:
            node = next(
                (one for one in known if one.name == machine.name or own & {_plain(a) for a in one.addresses}), None
            )
        names = {machine.name, machine.node, node.name if node else None}
        where = own | ({_plain(one) for one in node.addresses} if node else set())
        host = next((name for name, held in places.items() if name in names or held & where), None)
        found.append(Correlated(machine, node, host))
    return found


def _plain(text: str) -> str:
    """An address in one spelling; a host name as it is, in small letters."""
    try:
        return ip_address(text).compressed
    except ValueError:
        return text.lower()
