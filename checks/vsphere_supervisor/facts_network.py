"""What the control-plane hosts of a workload cluster, and etcd on them, measure of each other and of their disks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from conformance import CONTROL_PLANE, Members, Unreadable, cluster_fact, every
from conformance.facts.etcd import etcd_metrics
from conformance.facts.kubernetes import Node, nodes
from conformance.facts.linux_peers import control_plane_round_trips
from conformance.facts.values.etcd_metrics import EtcdMetrics, Histogram
from conformance.facts.values.roundtrips import RoundTrip

__all__ = ["Network"]


@dataclass(frozen=True, slots=True)
class Network:
    """What was measured among the control-plane hosts of one cluster."""

    #: Host -> what it measured to each of the others, and to whom it could not measure.
    trips: Mapping[str, list[RoundTrip]]
    #: Host -> what the etcd on it says of itself.
    metrics: Mapping[str, EtcdMetrics]
    #: Hosts that answered nothing at all, or where no other host was named.
    unheard: frozenset[str]
    #: Control-plane nodes that the API server knows; None where it was not read.
    known: int | None

    @property
    def hosts(self) -> list[str]:
        """The control-plane hosts that the change names."""
        return sorted({*self.trips, *self.metrics, *self.unheard})

    @property
    def database(self) -> int:
        """Bytes of the largest database that a member holds: what a new one is sent; 0 where nobody says."""
        return max((one.db_size or 0 for one in self.metrics.values()), default=0)

    def measured(self) -> Iterator[tuple[str, RoundTrip]]:
        """Each host with each of its measurements, in the order of their names."""
        for host in sorted(self.trips):
            for trip in self.trips[host]:
                yield host, trip

    def peers(self) -> Iterator[tuple[str, str, Histogram]]:
        """Each host with each peer of its etcd, and the round trips that etcd took; the peer by its host where known."""
        names = {one.server_id: host for host, one in self.metrics.items() if one.server_id}
        for host in sorted(self.metrics):
            for member, histogram in self.metrics[host].round_trips.items():
                yield host, names.get(member, f"member {member:x}"), histogram


@cluster_fact(
    every(control_plane_round_trips, on=[CONTROL_PLANE]),
    every(etcd_metrics, on=[CONTROL_PLANE]),
    every(nodes),
)
def vks_network(trips: Members, metrics: Members, listed: Members, vks_no_supervisor: str) -> Network:
    """What was measured among the control-plane hosts that the change names for the cluster.

    :raises Unreadable: it names none.
    """
    unheard = {*trips.unread, *trips.inapplicable, *metrics.unread, *metrics.inapplicable} - {*trips, *metrics}
    held: list[list[Node]] = list(listed.values())
    known = sum("control-plane" in one.roles for one in held[0]) if held else None
    found = Network(dict(trips), dict(metrics), frozenset(unheard), known)
    if not found.hosts:
        raise Unreadable(
            f"no control-plane host of {vks_no_supervisor} is named: add its control-plane nodes to the hosts of the change"
        )
    return found
