"""The pods of a cluster and how their containers fare."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance.facts.declare import cluster_fact
from conformance.reads import Listing, listing
from conformance.reads.clusters import At
from conformance.reads.projection import value_at

__all__ = ["ContainerState", "Pod", "pods", "pods_listing", "restarting"]

_STATE: Final = ("name", "restartCount", "ready", "state.waiting.reason", "lastState.terminated.reason")


@dataclass(frozen=True, slots=True)
class ContainerState:
    """How one container fares."""

    name: str
    restarts: int
    ready: bool
    #: Why it does not run, such as CrashLoopBackOff; empty where it runs, or has ended.
    waiting: str
    #: Why it ended the last time, such as OOMKilled; empty where it never did, or nobody remembers.
    ended: str

    def __str__(self) -> str:
        told = [f"{self.restarts} restarts", *([self.waiting] if self.waiting else [])]
        return f"container {self.name}: {', '.join([*told, *([f'last ended {self.ended}'] if self.ended else [])])}"


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod."""

    name: str
    namespace: str
    #: Those whose state its kubelet has told; none on a node that never did.
    containers: tuple[ContainerState, ...]

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> Pod:
        """From the object that the API server gives."""
        told = value_at(obj, "status.containerStatuses") or []
        return cls(obj["metadata"]["name"], obj["metadata"].get("namespace", ""), tuple(_state(one) for one in told))

    @property
    def restarts(self) -> int:
        """Of all its containers."""
        return sum(one.restarts for one in self.containers)

    def __str__(self) -> str:
        return f"pod {self.namespace}/{self.name}: {'; '.join(map(str, self.containers)) or 'no container was started'}"


def _state(told: Mapping[str, Any]) -> ContainerState:
    return ContainerState(
        name=str(told.get("name", "")),
        restarts=int(told.get("restartCount") or 0),
        ready=told.get("ready") is True,
        waiting=str(value_at(told, "state.waiting.reason") or ""),
        ended=str(value_at(told, "lastState.terminated.reason") or ""),
    )


def restarting(obj: Mapping[str, Any]) -> bool:
    """Whether a container of a listed pod was ever restarted; for reads of logs."""
    return Pod.of(obj).restarts > 0


def pods_listing(at: At = "self") -> Listing:
    """All pods, with what `Pod` needs."""
    return listing("pods", *(f"status.containerStatuses.{key}" for key in _STATE), at=at)


@cluster_fact(pods_listing())
def pods(objects: Iterable[Mapping[str, Any]]) -> list[Pod]:
    """The pods of all namespaces."""
    return [Pod.of(one) for one in objects]
