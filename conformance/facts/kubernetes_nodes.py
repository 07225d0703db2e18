"""How the nodes of a cluster are: ready, tainted, cordoned, when each was heard of last, and what their kubelets wait for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from conformance.facts.declare import cluster_fact
from conformance.facts.values.moments import kubernetes_time
from conformance.reads import listing
from conformance.reads.clusters import Objects
from conformance.reads.projection import value_at

__all__ = [
    "Lease",
    "Leases",
    "NodeState",
    "PendingRequest",
    "Taint",
    "node_leases",
    "node_states",
    "pending_kubelet_requests",
    "silent_nodes",
]

#: Where kubelets keep their leases. Source: https://kubernetes.io/docs/concepts/architecture/leases/
_NAMESPACE: Final = "kube-node-lease"
#: Source: kubelet(1), --node-lease-duration-seconds.
_USUAL: Final = 40
#: How long a node may have been silent: with a lease, and where only its status tells.
_QUIET: Final = timedelta(minutes=5)
_QUIET_STATUS: Final = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Taint:
    """One taint of a node."""

    key: str
    value: str
    effect: str

    def __str__(self) -> str:
        return f"{self.key}{f'={self.value}' if self.value else ''}:{self.effect}"


@dataclass(frozen=True, slots=True)
class NodeState:
    """What the API server knows of how a node is."""

    name: str
    #: The condition Ready: True, False or Unknown; empty where there is none.
    ready: str
    #: The condition's reason, such as NodeStatusUnknown.
    reason: str
    #: When the condition came to its status; None where that is not said.
    since: datetime | None
    #: When the node last confirmed the condition, by its own clock; None where that is not said.
    heartbeat: datetime | None
    taints: tuple[Taint, ...]
    #: Cordoned: spec.unschedulable.
    cordoned: bool
    #: Addresses of type InternalIP and ExternalIP, as written.
    addresses: tuple[str, ...]

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> NodeState:
        """From the object that the API server gives.

        :raises InvalidMoment: a time in it is none.
        """
        conditions = value_at(obj, "status.conditions", []) or []
        ready: Mapping[str, Any] = next((one for one in conditions if one.get("type") == "Ready"), {})
        listed = value_at(obj, "status.addresses", []) or []
        return cls(
            name=obj["metadata"]["name"],
            ready=str(ready.get("status") or ""),
            reason=str(ready.get("reason") or ""),
            since=_moment(ready.get("lastTransitionTime")),
            heartbeat=_moment(ready.get("lastHeartbeatTime")),
            taints=tuple(
                Taint(str(one.get("key", "")), str(one.get("value") or ""), str(one.get("effect", "")))
                for one in value_at(obj, "spec.taints", []) or []
            ),
            cordoned=value_at(obj, "spec.unschedulable") is True,
            addresses=tuple(one["address"] for one in listed if one.get("type") in ("InternalIP", "ExternalIP")),
        )


def _moment(text: Any) -> datetime | None:
    return kubernetes_time(text) if text else None


_CONDITION: Final = ("type", "status", "reason", "lastTransitionTime", "lastHeartbeatTime")


@cluster_fact(
    listing(
        "nodes",
        "spec.taints",
        "spec.unschedulable",
        "status.addresses",
        *(f"status.conditions.{key}" for key in _CONDITION),
        at_least=1,
    )
)
def node_states(objects: Iterable[Mapping[str, Any]]) -> list[NodeState]:
    """How each node of the cluster is; a cluster without any cannot be right."""
    return [NodeState.of(one) for one in objects]


@dataclass(frozen=True, slots=True)
class Lease:
    """The lease that the kubelet of a node renews all the time."""

    renewed: datetime
    #: From the renewal to the listing; below zero where the node's clock is ahead of the API server's.
    age: timedelta
    #: How long it counts once it is renewed.
    duration: timedelta


@dataclass(frozen=True, slots=True)
class Leases:
    """The leases of nodes, with the moment at which they were listed."""

    of: Mapping[str, Lease]
    at: datetime


@cluster_fact(listing("leases.coordination.k8s.io", "spec.renewTime", "spec.leaseDurationSeconds"))
def node_leases(objects: Objects) -> Leases:
    """The lease of each node by the node's name; a node whose kubelet never renewed one has none."""
    found: dict[str, Lease] = {}
    for one in objects:
        renewed = value_at(one, "spec.renewTime")
        if one["metadata"].get("namespace") == _NAMESPACE and renewed:
            moment = kubernetes_time(renewed)
            seconds = int(value_at(one, "spec.leaseDurationSeconds") or _USUAL)
            found[one["metadata"]["name"]] = Lease(moment, objects.at - moment, timedelta(seconds=seconds))
    return Leases(found, objects.at)


@cluster_fact()
def silent_nodes(node_states: list[NodeState], node_leases: Leases) -> dict[str, datetime | None]:
    """Of the nodes that count as ready, those not heard of for too long: name -> since when, None where nothing says.

    Source: https://kubernetes.io/docs/reference/node/node-status/#heartbeats - a kubelet renews its lease every 10
    seconds and writes its status at least every 5 minutes. A node that is silent for 40 to 50 seconds is no longer
    ready, unless nobody watches: then it goes on to look ready, whatever became of it.
    """
    found: dict[str, datetime | None] = {}
    for node in node_states:
        if node.ready != "True":
            continue
        lease = node_leases.of.get(node.name)
        heard = [one for one in (lease.renewed if lease else None, node.heartbeat) if one]
        patience = max(_QUIET, 3 * lease.duration) if lease else _QUIET_STATUS
        if not heard or node_leases.at - max(heard) > patience:
            found[node.name] = max(heard, default=None)
    return found


@dataclass(frozen=True, slots=True)
class PendingRequest:
    """A certificate signing request of a kubelet that nobody has approved or denied yet."""

    name: str
    #: ``kubelet-serving`` or ``kube-apiserver-client-kubelet``; empty for an API server that does not say (before 1.18).
    signer: str
    #: The user that asks: ``system:node:NAME``, or one of a bootstrap token.
    user: str
    created: datetime
    #: How long it had been waiting when it was listed.
    age: timedelta


_SIGNERS: Final = ("kubelet-serving", "kube-apiserver-client-kubelet")
_SETTLED: Final = frozenset({"Approved", "Denied", "Failed"})


@cluster_fact(
    listing(
        "certificatesigningrequests.certificates.k8s.io",
        *("metadata.creationTimestamp", "spec.signerName", "spec.username", "status.conditions.type"),
    )
)
def pending_kubelet_requests(objects: Objects) -> list[PendingRequest]:
    """The signing requests of kubelets that are pending, the oldest first.

    Source: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/ - a request is pending
    until it has one of the conditions Approved, Denied and Failed.
    """
    found = []
    for one in objects:
        signer, user = str(value_at(one, "spec.signerName") or ""), str(value_at(one, "spec.username") or "")
        kubelets = signer.removeprefix("kubernetes.io/") in _SIGNERS if signer else user.startswith("system:node:")
        conditions = {condition.get("type") for condition in value_at(one, "status.conditions", []) or []}
        if kubelets and not conditions & _SETTLED:
            created = kubernetes_time(value_at(one, "metadata.creationTimestamp"))
            name, short = one["metadata"]["name"], signer.removeprefix("kubernetes.io/")
            found.append(PendingRequest(name, short, user, created, objects.at - created))
    return sorted(found, key=lambda one: (one.created, one.name))
