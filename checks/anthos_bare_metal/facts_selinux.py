"""SELinux on the nodes of clusters that cannot be upgraded with it."""

from __future__ import annotations

from dataclasses import dataclass

from conformance import NODE, Members, NotApplicable, Unreadable, Version, cluster_fact, every, fleet_fact, host_fact
from conformance.facts.values.osrelease import OsRelease

from .facts import AbmCluster

__all__ = ["SelinuxNode", "abm_1_7_1_containerd", "abm_selinux_fleet", "abm_selinux_node", "abm_selinux_nodes"]


@cluster_fact()
def abm_1_7_1_containerd(abm_version: Version, abm_containerd: AbmCluster) -> AbmCluster:
    """The Cluster object of a cluster of version 1.7.1 with containerd; others are ruled out."""
    if abm_version.release[:3] != (1, 7, 1):
        raise NotApplicable(f"cluster {abm_containerd.name} is {abm_version}, not 1.7.1")
    return abm_containerd


@dataclass(frozen=True, slots=True)
class SelinuxNode:
    """A node with RHEL or CentOS of such a cluster."""

    #: enforcing, permissive or disabled.
    mode: str
    system: str


@host_fact()
def abm_selinux_node(
    abm_1_7_1_containerd: AbmCluster,  # noqa: ARG001 - what it rules out
    abm_red_hat_host: OsRelease,
    selinux: str,
) -> SelinuxNode:
    """A node of a 1.7.1 cluster with containerd that runs RHEL or CentOS; other nodes are ruled out."""
    return SelinuxNode(selinux, str(abm_red_hat_host))


@cluster_fact(every(abm_selinux_node, on=[NODE]))
def abm_selinux_nodes(members: Members, abm_1_7_1_containerd: AbmCluster) -> dict[str, SelinuxNode]:
    """Node -> its SELinux, for the nodes with RHEL or CentOS of a 1.7.1 cluster with containerd."""
    if members or members.unread:
        return dict(members)
    if members.inapplicable:
        raise NotApplicable(f"no node of cluster {abm_1_7_1_containerd.name} that is looked at runs RHEL or CentOS")
    raise Unreadable(
        f"no node of cluster {abm_1_7_1_containerd.name} is named: give its hosts (`hosts:` in the change file)"
    )


@fleet_fact(every(abm_selinux_nodes))
def abm_selinux_fleet(members: Members) -> dict[str, dict[str, SelinuxNode]]:
    """Cluster -> node -> its SELinux, for the 1.7.1 clusters with containerd, as the change calls them."""
    if not members and not members.unread:
        if members.inapplicable:
            raise NotApplicable("; ".join(members.inapplicable.values()))
        raise Unreadable("no cluster is named: its version and container runtime are not known (--kubeconfig)")
    return dict(members)
