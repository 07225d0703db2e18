"""What the platform's own controllers do and say: their pods and logs, and how far they have come with each cluster."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from conformance import Members, Unreadable, cluster_fact, every, fleet_fact, listing, pod_logs
from conformance.change import Upgrade
from conformance.facts.kubernetes_pods import pods_listing, restarting
from conformance.facts.values.quantities import InvalidQuantity, Quantity
from conformance.reads import MatchedLogs, PodLogs
from conformance.reads.projection import value_at
from conformance.subjects import Subject

from .facts import GROUP, AbmCluster

#: Seconds back for what goes wrong now: a controller tries again every 17 minutes at the latest.
RECENT = 3600
OPERATOR = "kube-system/anthos-cluster-operator-*"
FORWARDER = "kube-system/stackdriver-log-forwarder-*"
#: Where bmctl keeps the kubeconfig of the bootstrap cluster.
KIND = "bmctl-workspace/.kindkubeconfig"


@dataclass(frozen=True, slots=True)
class ClusterState:
    """How far the controllers have come with one Cluster object."""

    cluster: AbmCluster
    generation: int | None
    #: type -> observedGeneration of the entries of status.systemServiceConditions; 0 where none is given.
    observed: Mapping[str, int] = field(default_factory=dict)


def _generation(value: Any, what: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int | None):
        raise Unreadable(f"{what} is {value!r}, no number")
    return value or 0


@cluster_fact(
    listing(
        f"clusters.{GROUP}",
        "metadata.generation",
        "spec.type",
        "status.systemServiceConditions.type",
        "status.systemServiceConditions.observedGeneration",
        at="manager",
    )
)
def abm_cluster_states(objects: Iterable[Mapping[str, Any]]) -> list[ClusterState]:
    """Each Cluster object that lies there. There may be none: an upgrade moves them to the bootstrap cluster and back."""
    found = []
    for obj in objects:
        cluster = AbmCluster.of(obj)
        observed: dict[str, int] = {}
        for one in value_at(obj, "status.systemServiceConditions") or []:
            kind = str(one["type"])
            told = _generation(one.get("observedGeneration"), f"observedGeneration of {kind} of cluster {cluster.name}")
            observed[kind] = max(told, observed.get(kind, 0))
        generation = _generation(value_at(obj, "metadata.generation"), f"metadata.generation of cluster {cluster.name}")
        found.append(ClusterState(cluster, generation or None, observed))
    return found


@cluster_fact(
    pod_logs(
        listing("pods", at="manager"),
        namespace="kube-system",
        names=r"anthos-cluster-operator-.+",
        matching=r"error during manifests operations|\d+ errors? occurred:|metadata\.resourceVersion: Invalid value: 0x0: ",
        context=3,
        since=RECENT,
    )
)
def abm_operator_logs(logs: MatchedLogs) -> MatchedLogs:
    """Errors of the last hour in the logs of the cluster operator, which runs in the cluster that manages the subject."""
    return logs


def _forwarders(*, previous: bool) -> PodLogs:
    return pod_logs(
        pods_listing(),
        namespace="kube-system",
        names=r"stackdriver-log-forwarder-.+",
        only=restarting,
        matching=r"chunk validation failed, data might\s+be corrupted",
        context=0,
        since=RECENT,
        pods=100,
        previous=previous,
    )


@cluster_fact(_forwarders(previous=False), _forwarders(previous=True))
def abm_forwarder_logs(now: MatchedLogs, before: MatchedLogs) -> tuple[MatchedLogs, MatchedLogs]:
    """Corrupt chunks of the last hour in the logs of log forwarders that restart, now and before their last restart."""
    return now, before


@dataclass(frozen=True, slots=True)
class Agent:
    """A deployment of the Connect agent."""

    name: str
    #: container -> its memory limit as written; those without one are left out.
    limits: Mapping[str, str]


@cluster_fact(
    listing(
        "deployments.apps",
        "spec.template.spec.containers.name",
        "spec.template.spec.containers.resources.limits.memory",
    )
)
def connect_agents(objects: Iterable[Mapping[str, Any]]) -> list[Agent]:
    """The deployments gke-connect-agent* in gke-connect; none in a cluster that is not registered."""
    found = []
    for obj in objects:
        name = obj["metadata"]["name"]
        if obj["metadata"].get("namespace") == "gke-connect" and name.startswith("gke-connect-agent"):
            listed = value_at(obj, "spec.template.spec.containers") or []
            limits = {str(one.get("name", "")): value_at(one, "resources.limits.memory") for one in listed}
            found.append(Agent(name, {key: value for key, value in limits.items() if value is not None}))
    return found


def memory(text: Any, what: str) -> Quantity:
    """A memory limit.

    :raises Unreadable: it is none.
    """
    try:
        return Quantity.parse(text)
    except InvalidQuantity as error:
        raise Unreadable(f"{what}: {error}") from None


@dataclass(frozen=True, slots=True)
class Namespace:
    """One namespace of the cluster that manages the subject."""

    name: str
    #: Since when it is being deleted; empty where it is not, or where only its phase says so.
    since: str
    terminating: bool


@cluster_fact(listing("namespaces", "metadata.deletionTimestamp", "status.phase", at="manager", at_least=1))
def abm_namespaces(objects: Iterable[Mapping[str, Any]]) -> list[Namespace]:
    """The namespaces of the cluster that manages the subject."""
    found = []
    for obj in objects:
        since = str(value_at(obj, "metadata.deletionTimestamp") or "")
        ending = bool(since) or value_at(obj, "status.phase") == "Terminating"
        found.append(Namespace(obj["metadata"]["name"], since, ending))
    return found


@cluster_fact()
def abm_standing(subject: Subject) -> Subject:
    """What the change says of a cluster."""
    return subject


@fleet_fact(every(abm_standing))
def abm_standings(members: Members) -> list[Subject]:
    """What the change says of all clusters; nothing is read for it."""
    return list(members.values())


def bootstraps_of(subject: Subject, standings: Iterable[Subject], upgrades: Mapping[str, Upgrade]) -> list[str]:
    """The bootstrap clusters that are looked at too, where every cluster that is upgraded through one may have one.

    :raises Unreadable: there are fewer.
    """
    standings = list(standings)
    found = [one.name for one in standings if "bootstrap" in one.roles]
    through = [
        one.name
        for one in standings
        if one.manager is None and not {"bootstrap", "user"} & {*one.roles} and not upgrades[one.name].none
    ]
    if len(found) < len(through):
        other = f", and so do {', '.join(n for n in through if n != subject.name)}" if len(through) > 1 else ""
        raise Unreadable(
            f"{subject.name} upgrades through a bootstrap cluster{other}; {len(found)} of {len(through)} is looked at: "
            f"while the upgrade runs, name it in the change file, `bootstrap: {{kubeconfig: {KIND}, role: bootstrap}}`; "
            "say `upgrade: none` of a cluster that is not upgraded"
        )
    return found


def word(text: str) -> re.Pattern[str]:
    """A name as it stands alone in a line of a log."""
    return re.compile(rf"(?<![\w.-]){re.escape(text)}(?![\w-]|\.\w)")
