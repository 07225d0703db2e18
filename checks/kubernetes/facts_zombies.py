"""Nodes that drop out while their host lives on: what their kubelets say, and what runs on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any, Final

from conformance import (
    NODE,
    Members,
    NotApplicable,
    Unreadable,
    cluster_fact,
    command,
    every,
    filtered,
    fleet_fact,
    host_fact,
    journal,
    listing,
)
from conformance.facts.kubernetes_nodes import Leases, NodeState, node_leases, node_states
from conformance.facts.linux import addresses
from conformance.facts.linux_processes import Processes
from conformance.reads.projection import value_at
from conformance.subjects import Subject

#: What a kubelet says that gets no answer on its connection: as the document that the hazards name quotes 1.17, and as
#: 1.19 and later (pkg/kubelet/kubelet_node_status.go, component-helpers/apimachinery/lease/controller.go) word the same.
_SAID: Final = (
    "([Ff]ailed to (update|ensure) (node )?lease|Error updating node status, will retry).*"
    "(use of closed network connection|context deadline exceeded|Client.Timeout exceeded while awaiting headers"
    "|http2: client connection lost)"
)
#: Where some platforms keep the kubelet's log instead of in the journal (IBM Cloud Kubernetes Service).
_FILE: Final = "/var/log/kubelet.log"
# Words on lines of their own: `hidden` where other users' processes are; `fresh` where the log file was written within the
# hour; `kubelet` where one runs, `unit` where it is the unit of that name; and where else it was told to log.
_KUBELET: Final = rf"""date +%Y-%m-%dT%H:%M:%S%z
[ -z "$(find {_FILE} -mmin -60 2>/dev/null)" ] || echo fresh
cat /proc/1/comm >/dev/null 2>&1 || {{ echo hidden; exit 0; }}
set -- $(grep -l -s -x kubelet /proc/[0-9]*/comm)
[ $# -gt 0 ] || exit 0
echo kubelet
grep -q 'kubelet[.]service' ${{1%comm}}cgroup && echo unit
tr '\0' '\n' <${{1%comm}}cmdline | grep -E '^--?(log-file|log-dir|logtostderr=false)'
exit 0"""


@dataclass(frozen=True, slots=True)
class KubeletLog:
    """The lines of a kubelet's log about a dead connection, the oldest first in each of its places."""

    lines: tuple[str, ...]
    #: The host's own clock when they were read.
    now: datetime
    #: Why these may not be all; None where they are.
    gap: Unreadable | None = None


@host_fact(
    journal("kubelet", matching=_SAID, since=1, required=False),
    filtered(f"/usr/bin/tail -n 5000 {_FILE}", matching=_SAID, nothing="No such file or directory", required=False),
    command(_KUBELET, name="the clock, and where the kubelet logs"),
)
def dead_connection_log(said: list[str] | Unreadable, written: list[str] | Unreadable, told: str) -> KubeletLog:
    """What the kubelet said of a dead connection: in the journal of an hour, and at the end of its log file if it has one.

    Lines that are there are there, whatever else could not be read.

    :raises NotApplicable: no kubelet runs, and none has said so.
    """
    clock, *words = told.splitlines()
    lines = [line for source in (said, written) if not isinstance(source, Unreadable) for line in source]
    if not lines and "kubelet" not in words and "hidden" not in words:
        raise NotApplicable("no kubelet runs here as a program of its own")
    now = datetime.fromisoformat(clock)
    if now.tzinfo is None:
        raise Unreadable(f"the host's clock has no time zone: {clock}")
    return KubeletLog(tuple(lines), now, _gap(said, written, words))


def _gap(said: list[str] | Unreadable, written: list[str] | Unreadable, words: list[str]) -> Unreadable | None:
    if isinstance(written, Unreadable):
        return written
    if "fresh" in words:
        return None  # the kubelet's log is this file, wherever else it may be looked for
    if isinstance(said, Unreadable):
        return said
    if "hidden" in words:
        return Unreadable(
            "other users' processes are hidden from the login user, so where the kubelet logs: log in as root"
        )
    elsewhere = [one for one in words if one.startswith("-")]
    if elsewhere:
        return Unreadable(f"the kubelet was started with {' '.join(elsewhere)}: look at its log there by hand")
    if "kubelet" in words and "unit" not in words:
        return Unreadable(
            "the kubelet is not the unit kubelet, and there is no fresh log of it: look at its log by hand"
        )
    return None


@dataclass(frozen=True, slots=True)
class HostSide:
    """What a host shows by itself."""

    name: str
    #: The cluster that the change says it belongs to.
    cluster: str | None
    #: Empty where they could not be read.
    addresses: frozenset[IPv4Address | IPv6Address]
    processes: Processes

    def is_called(self, node: str) -> bool:
        """Whether it has the name of a node; a change may call a host CLUSTER/NODE."""
        return node in (self.name, self.name.rpartition("/")[2])


@host_fact(every(addresses))
def host_side(places: Members, processes: Processes, subject: Subject) -> HostSide:
    """The host's own side; without its addresses where only those cannot be read."""
    own = frozenset(one.ip for links in places.values() for held in links.values() for one in held)
    return HostSide(subject.name, subject.cluster, own, processes)


@dataclass(frozen=True, slots=True)
class Running:
    """Which pods run on the host of a node, held against those that the API server knows."""

    #: ``namespace/name`` of those that are bound to the node, sorted.
    own: tuple[str, ...] = ()
    #: How many there are that the API server has deleted, or never had: the kubelet was not there to end them.
    deleted: int = 0
    #: How many may be anybody's, because the API server's pods could not be read.
    nameless: int = 0
    #: How many are static: the kubelet's own, in any case.
    static: int = 0
    #: How many containers there may be that are in no pod's cgroup: others than the kubelet's, or those of one that makes
    #: no cgroups (cgroupsPerQOS: false).
    loose: int = 0

    @property
    def count(self) -> int:
        """How many pods."""
        return len(self.own) + self.deleted + self.nameless + self.static

    def __str__(self) -> str:
        named = ", ".join(self.own[:5]) + (f" and {len(self.own) - 5} more" if len(self.own) > 5 else "")
        parts = [named, f"{self.static} static" if self.static else ""]
        parts.append(f"{self.deleted} that the API server does not know any more" if self.deleted else "")
        parts.append(f"{self.nameless} whose names could not be read" if self.nameless else "")
        return f"{self.count} pod{'s' if self.count != 1 else ''} ({'; '.join(one for one in parts if one)})"


@dataclass(frozen=True, slots=True)
class SilentNode:
    """A node whose condition Ready is not True, and what its host shows."""

    cluster: str
    node: NodeState
    #: The kubelet renews its lease all the same: the API server hears of it, and it hears of the API server.
    heard: bool
    #: None where no host that answers is known to be that node.
    host: HostSide | None
    running: Running

    def __str__(self) -> str:
        return f"{self.cluster}/{self.node.name}"

    @property
    def lives(self) -> bool | None:
        """Whether its pods run on its host; None where that cannot be told."""
        if self.host is None:
            return None
        return bool(self.running.count) or (None if self.running.loose else False)


@dataclass(frozen=True, slots=True)
class Nodes:
    """All nodes of all clusters that could be asked."""

    count: int
    silent: tuple[SilentNode, ...]


#: Uid -> ``namespace/name`` and node of all pods of a cluster that are bound to one.
Places = Mapping[str, tuple[str, str]]


@cluster_fact(listing("pods", "metadata.uid", "spec.nodeName"))
def pod_places(objects: Iterable[Mapping[str, Any]]) -> Places:
    """Which pod is bound to which node."""
    return {
        str(value_at(one, "metadata.uid")): (f"{one['metadata']['namespace']}/{one['metadata']['name']}", node)
        for one in objects
        if (node := value_at(one, "spec.nodeName"))
    }


#: How old a lease may be that is renewed every 10 seconds, and how far ahead a clock.
_FRESH: Final = timedelta(seconds=40)


@fleet_fact(every(node_states), every(node_leases), every(pod_places), every(host_side, on=[NODE]))
def nodes_and_hosts(states: Members, leases: Members, places: Members, sides: Members) -> Nodes:
    """The nodes that are not ready, each with what the host shows that has its address, or its name."""
    clusters_of: dict[Any, set[str]] = {}
    for cluster, held in states.items():
        for node in held:
            for key in (node.name, *_ips(node)):
                clusters_of.setdefault(key, set()).add(cluster)
    silent = []
    for cluster, held in states.items():
        for node in held:
            if node.ready == "True":
                continue
            unique = all(len(clusters_of[key]) == 1 for key in (node.name, *_ips(node)))
            host = _host_of(cluster, node, sides.values(), unique=unique)
            running = _running(node.name, host.processes, places.get(cluster)) if host else Running()
            silent.append(SilentNode(cluster, node, _heard(node, leases.get(cluster)), host, running))
    return Nodes(sum(map(len, states.values())), tuple(silent))


def _heard(node: NodeState, leases: Leases | None) -> bool:
    """Whether its lease is fresh. A node that counts as Unknown was not heard of when that was decided."""
    lease = leases.of.get(node.name) if leases else None
    return node.ready == "False" and lease is not None and -_FRESH <= lease.age <= max(_FRESH, lease.duration)


def _running(node: str, processes: Processes, places: Places | None) -> Running:
    static = sum("-" not in uid for uid in processes.pods)
    loose = 0 if processes.pods else processes.shims
    if places is None:
        return Running(nameless=len(processes.pods) - static, static=static, loose=loose)
    bound = [places[uid] for uid in processes.pods if uid in places]
    own = tuple(sorted(name for name, where in bound if where == node))
    if len(own) < len(bound):  # the machine is another node by now, and this one only an object that was left
        return Running(own)
    return Running(own, len(processes.pods) - len(own) - static, static=static, loose=loose)


def _host_of(cluster: str, node: NodeState, sides: Iterable[HostSide], *, unique: bool) -> HostSide | None:
    """The host that is a node: one of its cluster, or one of no named cluster where no other's node can be meant.

    A host of the name that has other addresses is another one.
    """
    sides = list(sides)
    ips = _ips(node)
    groups = [
        [one for one in sides if one.cluster == cluster],
        [one for one in sides if one.cluster is None and unique],
    ]
    for group in groups:
        by_name = [one for one in group if one.is_called(node.name)]
        for one in (*by_name, *group):
            if ips & one.addresses:
                return one
        for one in by_name:
            if not (ips and one.addresses):
                return one
    return None


def _ips(node: NodeState) -> frozenset[IPv4Address | IPv6Address]:
    found = set()
    for text in node.addresses:
        try:
            found.add(ip_address(text))
        except ValueError:  # a name, as some providers write
            continue
    return frozenset(found)
