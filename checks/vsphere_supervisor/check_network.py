"""Network and disks of the control-plane nodes: whether a new member of etcd can catch up within two minutes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

from conformance import BEFORE, CLUSTER, STUCK, WARNING, NotApplicable, Parameter, Unreadable, found, hazard
from conformance.facts.values.roundtrips import RoundTrip

from ..sources import VSPHERE_JOIN_TIMEOUT
from .facts_network import Network

#: Seconds that a new member has. Source: the document; kubeadm, etcdAPICallTimeout.
_PATIENCE: Final = 120
#: Of 20 echo requests one may get lost anywhere; that says nothing of the connection as a whole.
_LOST: Final = 2
#: Bytes in one segment, and those that may be under way with the usual net.ipv4.tcp_rmem.
_SEGMENT: Final = 1448
_WINDOW: Final = 3 * 1024 * 1024
#: That many measurements of etcd say something.
_ENOUGH: Final = 20


def _positive(text: str) -> int:
    if not text.strip().isdecimal() or not int(text):
        raise ValueError("it is no whole number above 0")
    return int(text)


def _share(text: str) -> int:
    if not text.strip().isdecimal() or int(text) >= 100:
        raise ValueError("it is no percentage from 0 to 99")
    return int(text)


@hazard(
    "vks-control-plane-network-slow",
    title="the network between control-plane nodes, or their disks, are slow: a new member of etcd may not catch up in time",
    severity=WARNING,
    on=[CLUSTER],
    situation=(BEFORE, STUCK),
    source=VSPHERE_JOIN_TIMEOUT.section("コントロールプレーンノード間でネットワークテストを実施"),
    remedy="Find out what slows the network between the control-plane VMs (ESXi hosts, uplinks, MTU, firewalls), or their "
    "datastore, and mend it before a control-plane node is made anew: it has 2 minutes to join etcd.",
    parameters={
        "vks-round-trip-ms": Parameter("100", _positive, "milliseconds that a round trip between them may take"),
        "vks-packet-loss-percent": Parameter("5", _share, "a percentage of packets between them that may get lost"),
        "vks-disk-sync-ms": Parameter("100", _positive, "milliseconds that 99 of 100 syncs of etcd's disk may take"),
    },
)
def check_control_plane_network_is_fast(vks_network: Network, parameters: Mapping[str, Any]) -> None:
    net = vks_network
    said: list[str] = []
    evidence: list[str] = []
    for host, trip in net.measured():
        if told := _trouble(trip, net, parameters):
            said.append(f"{host} to {trip.peer}: {told}")
            evidence += [f"{host} {line}" for line in trip.lines]
    limit = parameters["vks-round-trip-ms"] / 1000
    for host, peer, histogram in net.peers():
        took = histogram.quantile(0.99)
        if histogram.count >= _ENOUGH and took is not None and took > limit:
            said.append(f"{host} to {peer}: etcd's own round trips take up to {_ms(took)}")
            evidence.append(f"{host} etcd_network_peer_round_trip_time_seconds to {peer}: p99 {_ms(took)}")
    slow, lines = _disks(net, parameters["vks-disk-sync-ms"] / 1000)
    if said or slow:
        size = f"; the database to be sent is {_mib(net.database)}" if said and net.database >= 1024**2 else ""
        raise found("; ".join([*said, *slow]) + size, evidence=[*evidence, *lines], remedy=_remedy(net, said, slow))
    _doubt(net)


def _trouble(trip: RoundTrip, net: Network, parameters: Mapping[str, Any]) -> str:
    """What is wrong between two hosts, for people; empty where nothing is, or where it is not known."""
    if trip.problem:
        return ""
    if trip.silent:
        return "" if trip.peer in net.unheard else "nothing is answered, neither echo nor port 2380"
    if trip.blocked and trip.sent - trip.received < _LOST:
        return "echo is answered, port 2380 is not: what drops it?"
    said = ["no connection to port 2380 came about in a second"] if trip.blocked else []
    # Echo may be let through before everything else: the slower one of both counts.
    took = max(one for one in (trip.mean, min(trip.connected, default=None)) if one is not None)
    if took * 1000 > parameters["vks-round-trip-ms"]:
        said.append(f"a round trip takes {_ms(took)}")
    sent, answered = (trip.sent, trip.received) if trip.received else (trip.tried, len(trip.connected))
    lost = sent - answered
    loss = lost / sent if sent else 0.0
    if loss * 100 > parameters["vks-packet-loss-percent"]:
        said.append(f"{lost} of {sent} {'packets' if trip.received else 'connections'} got lost ({loss * 100:.0f} %)")
    needed = net.database / _throughput(took, loss if lost >= _LOST else 0.0)
    if needed > _PATIENCE:
        said.append(f"{_mib(net.database)} of database take {needed:.0f} seconds at least")
    return ", ".join(said)


def _throughput(seconds: float, loss: float) -> float:
    """Bytes a second that one TCP connection reaches at most.

    Source: Mathis, Semke, Mahdavi, Ott: The Macroscopic Behavior of the TCP Congestion Avoidance Algorithm (1997).
    """
    took = max(seconds, 1e-5)
    return min(_WINDOW, _SEGMENT * math.sqrt(1.5 / loss) if loss else math.inf) / took


def _disks(net: Network, limit: float) -> tuple[list[str], list[str]]:
    """The hosts whose etcd waits long for its disk, and the lines that show it."""
    said, lines = [], []
    for host in sorted(net.metrics):
        one = net.metrics[host]
        for what, name, histogram in (
            ("WAL", "etcd_disk_wal_fsync_duration_seconds", one.wal_fsync),
            ("database", "etcd_disk_backend_commit_duration_seconds", one.backend_commit),
        ):
            took = histogram.quantile(0.99) if histogram and histogram.count >= _ENOUGH else None
            if histogram and took is not None and took > limit:
                said.append(f"{host}: etcd waits up to {_ms(took)} until its {what} is on the disk")
                lines.append(f"{host} {name}: p99 {_ms(took)}, {histogram.slower_than(limit)} of {histogram.count}")
    return said, lines


def _doubt(net: Network) -> None:
    """Refuse to call it clear where something was not measured.

    :raises Unreadable: it was not.
    :raises NotApplicable: there is nothing to be measured.
    """
    failed = [f"{host} to {trip.peer}: {trip.problem}" for host, trip in net.measured() if trip.problem]
    if failed:
        raise Unreadable(f"not measured: {'; '.join(failed)}")
    if net.known == 1 and net.metrics and not any(net.measured()):
        raise NotApplicable("the cluster has one control-plane node: there is no other one to measure to")
    if net.known is not None and len(net.hosts) < net.known:
        raise Unreadable(
            f"only {', '.join(net.hosts)} of {net.known} control-plane nodes are named: add the others to the hosts of the "
            "change"
        )
    if not any(net.measured()):
        raise Unreadable(f"{', '.join(net.hosts)}: no round trip was measured; name at least two control-plane hosts")
    if not net.metrics:
        raise Unreadable(
            f"on none of {', '.join(net.hosts)} runs an etcd that gives its metrics: its disks are not known"
        )


def _remedy(net: Network, said: list[str], slow: list[str]) -> str:
    parts = []
    if said:
        parts.append(
            "# Find out what slows the network between these VMs: their ESXi hosts and uplinks (esxtop, dropped packets), MTU, "
            "distributed firewall, vMotion or backup traffic on the same uplinks. Measure again with:\n  ping -c 100 -i 0.2 ADDRESS"
        )
    if slow:
        parts.append("# Look at the latency of the datastore of these VMs, and at other VMs that write to it.")
    if net.database > 2 * 1024**3:
        parts.append(
            "# Make the database smaller: delete what nobody needs (events, old objects), then etcdctl defrag."
        )
    return "\n".join([*parts, "# Do not make a control-plane node anew before: it has 2 minutes to join etcd."])


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 0.1 else f"{seconds * 1000:.0f} ms"


def _mib(size: int) -> str:
    return f"{size / 1024**2:.0f} MiB"
