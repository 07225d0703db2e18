"""Facts of OpenShift: its version, the pods of etcd, what the etcd operator says, and the names of the nodes' secrets.

etcd runs as a static pod etcd-NODE on each control-plane node, in the namespace openshift-etcd. Sources: the vendor's
document that the hazards name; openshift/api (config/v1 ClusterVersion, operator/v1 Etcd); the pod's manifest in
openshift/cluster-etcd-operator, bindata/etcd/pod.yaml.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from conformance import Unreadable, Version, cluster_fact, desired, listing
from conformance.facts.kubernetes import Node
from conformance.facts.values.moments import kubernetes_time
from conformance.reads.clusters import Objects
from conformance.reads.projection import value_at

NAMESPACE: Final = "openshift-etcd"
#: What the pods of etcd carry; the guards, installers and pruners beside them have labels of their own, or none.
_LABEL: Final = ("app", "etcd")


@cluster_fact(
    listing(
        "clusterversions.config.openshift.io",
        *("status.desired.version", "status.history.state", "status.history.version"),
        at_least=1,
    )
)
def openshift_version(objects: Iterable[Mapping[str, Any]]) -> Version:
    """The version that the cluster was brought to last, whole: while an upgrade is under way, the one before it."""
    own = next((one for one in objects if one["metadata"]["name"] == "version"), None)
    if own is None:
        raise Unreadable("there is no ClusterVersion called version: is this OpenShift?")
    history = value_at(own, "status.history") or []
    done = next((one for one in history if one.get("state") == "Completed" and one.get("version")), None)
    if done is None:
        wanted = value_at(own, "status.desired.version") or "nobody knows which"
        raise Unreadable(f"no version was ever brought out whole ({wanted} is wanted): is it still being installed?")
    return Version.parse(done["version"])


@cluster_fact()
def control_plane_nodes(nodes: list[Node]) -> list[Node]:
    """The nodes that etcd is to run on: those of the control plane, and arbiters beside two of them.

    Source: cluster-etcd-operator, which lists node-role.kubernetes.io/master and …/arbiter.
    """
    found = [one for one in nodes if {"control-plane", "arbiter"} & set(one.roles)]
    if not any("control-plane" in one.roles for one in found):
        raise Unreadable("no control-plane node is listed: where the control plane is hosted elsewhere, look there")
    return found


# -- pods


@dataclass(frozen=True, slots=True)
class EtcdContainer:
    """How one container of an etcd pod fares."""

    name: str
    ready: bool
    restarts: int
    #: When it was started the last time; None where it does not run, or nobody says.
    started: datetime | None
    #: Why it does not run, such as CrashLoopBackOff or Error; empty where it runs.
    stopped: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> EtcdContainer:
        """From an element of status.containerStatuses.

        :raises InvalidMoment: a time in it is none.
        """
        started = value_at(told, "state.running.startedAt")
        code = value_at(told, "state.terminated.exitCode")
        return cls(
            str(told.get("name", "")),
            told.get("ready") is True,
            int(told.get("restartCount") or 0),
            kubernetes_time(started) if started else None,
            str(value_at(told, "state.waiting.reason") or "")
            or str(value_at(told, "state.terminated.reason") or "")
            or (f"exit status {code}" if code else ""),
        )

    def __str__(self) -> str:
        state = f", {self.stopped}" if self.stopped else ""
        return f"{self.name} {'ready' if self.ready else 'not ready'}{state}, {self.restarts} restarts"


@dataclass(frozen=True, slots=True)
class EtcdPod:
    """One pod of etcd."""

    name: str
    #: The node that it runs on.
    node: str
    phase: str
    #: The condition Ready: True, False or Unknown; empty where its kubelet never told.
    condition: str
    terminating: bool
    containers: tuple[EtcdContainer, ...]
    #: Why its init containers do not come to their end, such as ``setup CrashLoopBackOff``; empty where they did.
    held_up: str

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> EtcdPod:
        """From the object that the API server gives.

        :raises InvalidMoment: a time in it is none.
        """
        conditions = value_at(obj, "status.conditions") or []
        inits = [EtcdContainer.of(one) for one in value_at(obj, "status.initContainerStatuses") or []]
        held = [f"{one.name} {one.stopped}" for one in inits if not one.ready and one.stopped not in ("", "Completed")]
        return cls(
            name=obj["metadata"]["name"],
            node=str(value_at(obj, "spec.nodeName") or ""),
            phase=str(value_at(obj, "status.phase") or ""),
            condition=next((str(one.get("status")) for one in conditions if one.get("type") == "Ready"), ""),
            terminating=bool(value_at(obj, "metadata.deletionTimestamp")),
            containers=tuple(EtcdContainer.of(one) for one in value_at(obj, "status.containerStatuses") or []),
            held_up=", ".join(held),
        )

    @property
    def ready(self) -> bool:
        """Whether all of it runs and serves, as far as its kubelet is heard of."""
        whole = bool(self.containers) and all(one.ready for one in self.containers)
        return whole and self.phase == "Running" and self.condition == "True" and not self.terminating

    def __str__(self) -> str:
        number = sum(one.ready for one in self.containers)
        states = "; ".join(map(str, self.containers)) or "no container was started"
        more = f"; init: {self.held_up}" if self.held_up else ""
        ready = f"Ready={self.condition or '(none)'}{', terminating' if self.terminating else ''}"
        return f"pod {NAMESPACE}/{self.name}: {number}/{len(self.containers)} {self.phase}, {ready}: {states}{more}"


@dataclass(frozen=True, slots=True)
class EtcdPods:
    """The pods of etcd, with the moment at which they were listed."""

    pods: tuple[EtcdPod, ...]
    at: datetime

    def on(self, node: str) -> EtcdPod | None:
        """The pod on a node; the ready one of several."""
        return max((one for one in self.pods if one.node == node), key=lambda one: one.ready, default=None)


_STATE: Final = ("name", "ready", "restartCount", "state.waiting.reason", "state.terminated", "state.running.startedAt")


@cluster_fact(
    listing(
        "pods",
        *("metadata.labels", "metadata.deletionTimestamp", "spec.nodeName", "status.phase"),
        *("status.conditions.type", "status.conditions.status"),
        *(f"status.{kind}.{key}" for kind in ("containerStatuses", "initContainerStatuses") for key in _STATE),
        namespace=NAMESPACE,
    )
)
def etcd_pods(objects: Objects) -> EtcdPods:
    """The pods of etcd themselves; guards, installers and pruners are none."""
    key, value = _LABEL
    own = [one for one in objects if (value_at(one, "metadata.labels") or {}).get(key) == value]
    if not own:
        raise Unreadable(
            f"namespace {NAMESPACE} holds no pod with the label {key}={value}: is this OpenShift, and its etcd its own?"
        )
    return EtcdPods(tuple(sorted(map(EtcdPod.of, own), key=lambda one: one.name)), objects.at)


# -- the operator


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition of the operator."""

    type: str
    status: str
    message: str
    #: When it came to this status; None where that is not said.
    since: datetime | None


@dataclass(frozen=True, slots=True)
class EtcdOperator:
    """The object ``etcds.operator.openshift.io/cluster``."""

    #: spec.forceRedeploymentReason; empty where nobody ever gave one.
    reason: str
    conditions: Mapping[str, Condition]
    #: Node -> the revision of etcd that it runs; 0 where none was ever brought out on it.
    revisions: Mapping[str, int]
    #: Node -> the revision that is being brought out on it; nodes without one are left out.
    targets: Mapping[str, int]
    #: The revision that all nodes are to run; 0 where that is not said.
    latest: int


#: Of these conditions alone something is kept.
CONDITIONS: Final = ("EtcdMembersAvailable", "EtcdMembersDegraded")


@cluster_fact(
    listing(
        "etcds.operator.openshift.io",
        *("spec.forceRedeploymentReason", "status.latestAvailableRevision", "status.nodeStatuses.nodeName"),
        *("status.nodeStatuses.currentRevision", "status.nodeStatuses.targetRevision"),
        *(f"status.conditions.{key}" for key in ("type", "status", "message", "lastTransitionTime")),
        at_least=1,
    )
)
def etcd_operator(objects: Iterable[Mapping[str, Any]]) -> EtcdOperator:
    """What the etcd operator was told, and what it says of the members and of each node."""
    own = next((one for one in objects if one["metadata"]["name"] == "cluster"), None)
    if own is None:
        raise Unreadable("there is no Etcd (operator.openshift.io) called cluster")
    conditions = {}
    for one in value_at(own, "status.conditions") or []:
        if one.get("type") in CONDITIONS:
            since = one.get("lastTransitionTime")
            texts = (str(one.get(key) or "") for key in ("type", "status", "message"))
            conditions[one["type"]] = Condition(*texts, kubernetes_time(since) if since else None)
    nodes = {str(one.get("nodeName")): one for one in value_at(own, "status.nodeStatuses") or []}
    return EtcdOperator(
        str(value_at(own, "spec.forceRedeploymentReason") or ""),
        conditions,
        {name: int(one.get("currentRevision") or 0) for name, one in nodes.items()},
        {name: int(one["targetRevision"]) for name, one in nodes.items() if one.get("targetRevision")},
        int(value_at(own, "status.latestAvailableRevision") or 0),
    )


@cluster_fact(desired("Etcd", "operator.openshift.io", "spec.forceRedeploymentReason"))
def desired_redeployment_reason(documents: list[Any] | None) -> str | None:
    """The reason for a redeployment in the desired configuration; None where it gives none."""
    reasons = [value_at(one, "spec.forceRedeploymentReason") for one in documents or []]
    told = [one for one in reasons if one]
    if any(not isinstance(one, str) for one in told):
        raise Unreadable("spec.forceRedeploymentReason in the desired configuration is no text: put it in quotes")
    if len(set(told)) > 1:
        raise Unreadable(f"the desired configuration gives several reasons: {', '.join(map(repr, told))}")
    return told[0] if told else None


# -- secrets


@dataclass(frozen=True, slots=True)
class NodeSecret:
    """A secret of a node's etcd, by its name alone."""

    name: str
    #: The nodes that it may belong to: two where the name can be read in two ways.
    nodes: tuple[str, ...]
    created: datetime | None


@dataclass(frozen=True, slots=True)
class NodeSecrets:
    """The secrets of all nodes' etcd, with the moment at which they were listed."""

    secrets: tuple[NodeSecret, ...]
    at: datetime
    #: Revision of etcd -> when it was made of the secrets that there were.
    revisions: Mapping[int, datetime] = field(default_factory=dict)


#: The secrets of a node NODE. The signers, clients and bundles beside them begin otherwise.
_SECRET: Final = re.compile(r"etcd-(?:peer|serving-metrics|serving)-(.+)")
_AMBIGUOUS: Final = "etcd-serving-"
#: What a revision takes along of them all.
_REVISION: Final = re.compile(r"etcd-all-certs-([1-9][0-9]{0,8})")


def nodes_of_secret(name: str) -> tuple[str, ...]:
    """The nodes that a secret may belong to, the likeliest first; none where it belongs to no node.

    ``etcd-serving-metrics-a`` is the metrics secret of node a, or the serving secret of a node metrics-a.
    """
    match = _SECRET.fullmatch(name)
    if not match:
        return ()
    other = name.removeprefix(_AMBIGUOUS) if name.startswith(_AMBIGUOUS) else match[1]
    return tuple(dict.fromkeys((match[1], other)))


@cluster_fact(listing("secrets", "metadata.creationTimestamp", namespace=NAMESPACE, metadata_only=True))
def node_secrets(objects: Objects) -> NodeSecrets:
    """The secrets of nodes in the namespace of etcd. Their data is not asked for."""
    if not objects:
        raise Unreadable(f"namespace {NAMESPACE} holds no secret at all, where there must be some")
    found, revisions = [], {}
    for one in objects:
        name, created = one["metadata"]["name"], one["metadata"].get("creationTimestamp")
        moment = kubernetes_time(created) if created else None
        if nodes := nodes_of_secret(name):
            found.append(NodeSecret(name, nodes, moment))
        elif moment and (match := _REVISION.fullmatch(name)):
            revisions[int(match[1])] = moment
    return NodeSecrets(tuple(sorted(found, key=lambda one: one.name)), objects.at, revisions)
