"""Facts of workload clusters that a vSphere Supervisor keeps; their Cluster API objects lie in the Supervisor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from conformance import Member, Members, NotApplicable, Unreadable, Version, cluster_fact, every
from conformance.facts.cluster_api import Correlated, correlate
from conformance.facts.kubernetes import Node, kubernetes_version, nodes
from conformance.facts.kubernetes_nodes import NodeState
from conformance.facts.values.capi import CapiCluster, ControlPlane, Machine
from conformance.subjects import Subject

__all__ = ["ControlPlaneNode", "Held", "existed", "joined"]

#: Conditions that the controller of a control plane sets on its machines once a member of etcd answers there.
#: Source: https://cluster-api.sigs.k8s.io/developer/core/controllers/control-plane
_ETCD_HEALTHY: Final = ("EtcdMemberHealthy",)


@cluster_fact()
def vks_no_supervisor(subject: Subject) -> str:
    """The name of a cluster that is no Supervisor."""
    if "supervisor" in subject.roles:
        raise NotApplicable("it is a Supervisor: each of its workload clusters is looked at for itself")
    return subject.name


@cluster_fact()
def vks_workload(subject: Subject, vks_no_supervisor: str) -> str:
    """The name of the workload cluster, whose Supervisor is named."""
    if subject.manager is None:
        raise Unreadable(
            f"the Cluster API objects of {subject.name} lie in its Supervisor, which is not named: add the Supervisor to "
            f"the clusters of the change file, and `supervisor: NAME` to {subject.name}"
        )
    return vks_no_supervisor


@cluster_fact()
def vks_members(capi_all_clusters: list[CapiCluster]) -> list[Member]:
    """The workload clusters that the Supervisor keeps; those that are called alike with their namespaces."""
    names = Counter(one.name for one in capi_all_clusters)
    return [
        Member(one.name if names[one.name] == 1 else f"{one.namespace}/{one.name}", "workload")
        for one in capi_all_clusters
    ]


@cluster_fact()
def vks_kept_version(vks_workload: str, capi_control_plane: ControlPlane) -> Version:  # noqa: ARG001 - rules out
    """The version that all control-plane machines run by now, as the Supervisor tells."""
    if not capi_control_plane.running:
        raise Unreadable(f"{capi_control_plane} does not say which version it runs (status.version)")
    return Version.parse(capi_control_plane.running)


@cluster_fact(every(kubernetes_version), every(vks_kept_version))
def vks_version(asked: Members, kept: Members) -> Version:
    """The Kubernetes version of the workload cluster: from its own API server, or else from its Supervisor."""
    for held in (asked, kept):
        for version in held.values():
            found: Version = version
            return found
    for why in (*kept.inapplicable.values(), *(one.reason for one in (*asked.unread.values(), *kept.unread.values()))):
        raise Unreadable(why)
    raise Unreadable("neither the cluster nor its Supervisor was asked for its version")


@dataclass(frozen=True, slots=True)
class Held:
    """The Cluster API objects of one workload cluster, as far as they are about its control plane."""

    cluster: CapiCluster
    control_plane: ControlPlane
    #: Control-plane machines, the oldest first.
    machines: tuple[Machine, ...]
    #: The names of all other machines of the cluster.
    workers: frozenset[str]


@cluster_fact()
def vks_held(
    vks_workload: str,  # noqa: ARG001 - rules out
    capi_cluster: CapiCluster,
    capi_control_plane: ControlPlane,
    capi_machines: list[Machine],
) -> Held:
    """The Cluster, its KubeadmControlPlane and the control-plane Machines. A cluster without any of these cannot be right."""
    own = [one for one in capi_machines if one.is_control_plane and not one.is_etcd]
    if not own:
        raise Unreadable(f"{capi_cluster} has no control-plane Machine in the Supervisor: there must be some")
    workers = frozenset(one.name for one in capi_machines if not one.is_control_plane)
    return Held(capi_cluster, capi_control_plane, tuple(sorted(own, key=lambda one: (one.created, one.name))), workers)


def joined(machine: Machine, roles: Mapping[str, bool]) -> bool | None:
    """Whether a machine has a member of etcd; None where nobody says.

    By what the Supervisor sees of it. Where it could not look (Unknown, for a moment of any upgrade), a node without the
    role of the control plane has not joined: kubeadm gives it the role after its member of etcd.
    """
    if machine.node is None:
        return False
    said = machine.condition(*_ETCD_HEALTHY)
    if said is None or said.status == "Unknown":
        return False if roles.get(machine.node) is False else None
    return said.is_true


@cluster_fact(every(nodes, any=True))
def vks_roles(listed: Members) -> Mapping[str, bool]:
    """Node of the workload cluster -> whether it has the role of a control-plane node; empty where nobody could look."""
    held: list[Node] = next(iter(listed.values()), [])
    return {one.name: "control-plane" in one.roles for one in held}


def existed(machine: Machine, held: Held, roles: Mapping[str, bool]) -> bool | None:
    """Whether a machine that is being deleted was part of etcd; None where that cannot be told.

    Its condition does not say: the controller sets EtcdMemberHealthy to False on every machine that is being deleted.
    """
    if machine.node is None:
        return False
    if machine.node in roles:
        return roles[machine.node]
    if joined(machine, roles):
        return True
    # The controller makes no other one before all that are there, and are not being deleted, have joined.
    later = [
        one for one in held.machines if machine.created and machine.created < one.created <= (machine.deleted or "")
    ]
    return True if later else None


@dataclass(frozen=True, slots=True)
class ControlPlaneNode:
    """A node that belongs to a control-plane machine."""

    machine: Machine
    node: Node
    state: NodeState

    @property
    def has_role(self) -> bool:
        """Whether it has the label of a control-plane node."""
        return "control-plane" in self.node.roles


@cluster_fact()
def vks_control_plane_nodes(vks_held: Held, nodes: list[Node], node_states: list[NodeState]) -> list[ControlPlaneNode]:
    """The nodes of control-plane machines, the oldest machine first; a machine without a node is left out."""
    states: Mapping[str, NodeState] = {one.name: one for one in node_states}
    pairs: list[Correlated] = correlate(vks_held.machines, nodes)
    return [
        ControlPlaneNode(one.machine, one.node, states[one.node.name])
        for one in pairs
        if one.node and one.node.name in states
    ]
