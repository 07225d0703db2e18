"""SELinux on the nodes of clusters that cannot be upgraded with it."""

from __future__ import annotations

from dataclasses import dataclass

from conformance import NODE, Members, NotApplicable, Unreadable, Version, cluster_fact, every, fleet_fact, host_fact
from conformance.facts.values.osrelease import OsRelease

from .facts import AbmCluster

__all__ = [
    "SelinuxCluster",
    "SelinuxNode",
    "abm_1_7_1_containerd",
    "abm_selinux_fleet",
    "abm_selinux_node",
    "abm_selinux_nodes",
    "abm_selinux_unseen",
]


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
    """Node -> its SELinux, for the named nodes with RHEL or CentOS of a 1.7.1 cluster with containerd."""
    if members or members.unread:
        return dict(members)
    if members.inapplicable:
        raise NotApplicable(f"no node of cluster {abm_1_7_1_containerd.name} runs RHEL or CentOS")
    raise Unreadable(
        f"no node of cluster {abm_1_7_1_containerd.name} is named: give its hosts (`hosts:` in the change file)"
    )


@cluster_fact()
def abm_selinux_unseen(
    abm_1_7_1_containerd: AbmCluster,  # noqa: ARG001 - what it rules out
    abm_unseen_nodes: list[str],
) -> list[str]:
    """The addresses of the nodes of a 1.7.1 cluster with containerd that nobody looked at."""
    return abm_unseen_nodes


@dataclass(frozen=True, slots=True)
class SelinuxCluster:
    """The nodes of a 1.7.1 cluster with containerd."""

    #: Those with RHEL or CentOS, of the hosts that are named.
    nodes: dict[str, SelinuxNode]
    #: The addresses of those that no named host has.
    unseen: list[str]


@fleet_fact(every(abm_selinux_nodes), every(abm_selinux_unseen))
def abm_selinux_fleet(members: Members, unseen: Members) -> dict[str, SelinuxCluster]:
    """The 1.7.1 clusters with containerd, as the change calls them, where a node may have SELinux."""
    found = {name: SelinuxCluster(nodes, unseen.get(name, [])) for name, nodes in members.items()}
    # That the nodes which are named run another system says nothing of the others.
    found |= {name: SelinuxCluster({}, unseen[name]) for name in members.inapplicable if unseen.get(name)}
    if not found and not members.unread and not unseen.unread:
        if members.inapplicable:
            raise NotApplicable("; ".join(members.inapplicable.values()))
        raise Unreadable("no cluster is named: its version and container runtime are not known (--kubeconfig)")
    return found
