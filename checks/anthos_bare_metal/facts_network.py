"""Of the nodes' network: which of them firewalld can cut off, Cilium's chains, and what its load balancer is."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Final

from conformance import Members, NotApplicable, cluster_fact, every, host_fact
from conformance.facts.linux import addresses
from conformance.facts.linux_network import PacketFilter, packet_filter
from conformance.facts.values.netfilter import InvalidRules
from conformance.facts.values.osrelease import OsRelease
from conformance.reads.projection import value_at

from .facts import AbmCluster

__all__ = [
    "CiliumChains",
    "abm_anetd_runs",
    "abm_cilium_chains",
    "abm_own_addresses",
    "abm_red_hat_host",
    "abm_separate_balancer",
]


@cluster_fact()
def abm_separate_balancer(abm_cluster: AbmCluster) -> str:
    """How the load balancer is kept apart from the control plane, for people; one that is not is ruled out.

    Either somebody else's (mode manual), or the bundled one on nodes of its own. Source: the known issues of the
    platform, and its Cluster resource: spec.loadBalancer.
    """
    mode = str(value_at(abm_cluster.spec, "loadBalancer.mode") or "bundled")
    if mode == "manual":
        return "loadBalancer.mode is manual"
    if value_at(abm_cluster.spec, "loadBalancer.nodePoolSpec.nodes"):
        return f"loadBalancer.mode is {mode}, on nodes of its own (loadBalancer.nodePoolSpec)"
    raise NotApplicable(
        f"cluster {abm_cluster.name} has loadBalancer.mode {mode} without nodes of its own: its control-plane nodes "
        "answer on port 443"
    )


@host_fact(every(addresses))
def abm_own_addresses(members: Members) -> frozenset[IPv4Address] | None:
    """The host's own addresses of IPv4, of whichever interface, besides those of loopback; None where they cannot be read."""
    if members.unread:
        return None
    listed = (one.ip for links in members.values() for held in links.values() for one in held)
    return frozenset(one for one in listed if isinstance(one, IPv4Address))


@host_fact()
def abm_red_hat_host(os_release: OsRelease) -> OsRelease:
    """The operating system of a host of the Red Hat family; any other is ruled out."""
    if not os_release.is_rhel_family:
        raise NotApplicable(f"the host runs {os_release}, not RHEL or CentOS")
    return os_release


# anetd is Cilium: its process is cilium-agent. Where a user does not see others' processes, its pid file tells.
_ANETD: Final = """pidof cilium-agent && exit 0
e=$(ls -d -- /var/run/cilium/cilium.pid 2>&1) && { echo "$e"; exit 0; }
case $e in *"No such file"*) exit 0;; esac
echo "$e" >&2; exit 1"""


@host_fact(_ANETD)
def abm_anetd_runs(output: str) -> bool:
    """Whether anetd runs on the host: its process is there, or its pid file. Source: cilium-agent, --state-dir."""
    return bool(output.strip())


@dataclass(frozen=True, slots=True)
class CiliumChains:
    """Whether a node that runs anetd has the chains that anetd makes when it starts."""

    #: Which tables lack them; empty where they are there, or where anetd does not run.
    missing: tuple[str, ...] = ()
    #: Why it cannot be told, empty where it can.
    unknown: str = ""


@host_fact(every(packet_filter), every(abm_anetd_runs))
def abm_cilium_chains(filters: Members, agents: Members) -> CiliumChains:
    """Cilium's chains in the tables filter and nat, of whichever program's; their names begin with CILIUM_.

    Source: Cilium, pkg/datapath/iptables: while it starts, the names of the old ones begin with OLD_CILIUM_.
    """
    for why in agents.unread.values():
        return CiliumChains(unknown=why.reason)
    if not any(agents.values()):
        return CiliumChains()
    for why in filters.unread.values():
        return CiliumChains(unknown=why.reason)
    (rules,) = filters.values()
    try:
        missing = _without(rules)
    except InvalidRules as error:
        return CiliumChains(unknown=f"the packet filter rules are not understood: {error}")
    if missing and rules.gaps:
        return CiliumChains(unknown=rules.gaps)
    return CiliumChains(missing)


def _without(rules: PacketFilter) -> tuple[str, ...]:
    return tuple(
        table
        for table in ("filter", "nat")
        if not any(one.startswith(("CILIUM_", "OLD_CILIUM_")) for one in rules.chains.get(table, ()))
    )
