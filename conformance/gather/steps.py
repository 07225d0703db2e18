"""Steps: reads that range over what a listing has found, as the requests that they come to."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

from conformance.gather import execs, logs
from conformance.gather.discovery import Served
from conformance.gather.http import Requester
from conformance.gather.listing import read_object, targets_of
from conformance.reads import Named, PodExec, PodLogs, Step

__all__ = ["asked_of", "needs_kubelet", "parts_of", "whole_of"]


def asked_of(read: Step) -> tuple[str, str, str]:
    """What a step asks for: the resource for people, its plural name and its group."""
    return (read.resource, read.plural, read.group) if isinstance(read, Named) else ("pods", "pods", "")


def needs_kubelet(read: object) -> bool:
    """Whether a kubelet has to answer it, behind the API server: a dead one is waited for."""
    return isinstance(read, PodLogs | PodExec)


def parts_of(
    read: Step, requester: Requester, served: Served, listed: Iterable[Mapping[str, Any]], until: float
) -> dict[str, Callable[[], Any]]:
    """The requests of a step, which may be made side by side; each gives what is stored of it under its key.

    :raises Failed: they are too many, or cannot be told from what was listed.
    """
    if isinstance(read, Named):
        objects = targets_of(read, served, listed)
        return {one.key: partial(read_object, requester, served, read, one, until) for one in objects}
    if isinstance(read, PodLogs):
        wanted = logs.logs_of(read, listed)
        return {one.key: partial(logs.read_log, requester, served, read, one, until) for one in wanted}
    assert isinstance(read, PodExec)
    pods = execs.targets_of(read, listed)
    if read.any:
        return {"": partial(execs.answers_of, requester, served, read, pods, until)}
    ask = partial(execs.read_exec, requester, served, read)
    return {f"{read.namespace}/{one.pod}": partial(ask, one, until) for one in pods}


def whole_of(read: Step, found: Mapping[str, Any]) -> dict[str, Any]:
    """What is stored of a step, from what its parts gave."""
    if isinstance(read, PodExec):
        return {"exec": found[""] if read.any else found}
    return {"logs" if isinstance(read, PodLogs) else "objects": found}
