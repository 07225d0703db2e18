"""What reads ask of an API server, as RBAC names it: for the printed plan and the role derived from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from conformance.gather.discovery import root_of
from conformance.reads import ClusterRead, Desired, Listing, Named, Path, PodExec, PodLogs, Step

__all__ = ["EXEC", "Location", "ResourceRequest", "requests_of"]

#: What discovery asks for below a root; every authenticated user may, unless somebody took that away.
_DISCOVERY: Final = {"/api": ("/api", "/api/*"), "/apis": ("/apis", "/apis/*")}
#: An API server checks the verb get, since a WebSocket begins as a GET; from Kubernetes 1.35 on also create (KEP-4006).
EXEC: Final = "pods/exec"


@dataclass(frozen=True, slots=True, order=True)
class ResourceRequest:
    """A verb on a resource, in all namespaces or in one."""

    verb: str
    #: Empty for the core group.
    group: str
    resource: str
    #: The only objects that are asked for; None where the names are known only after a listing.
    names: tuple[str, ...] | None = None
    #: The only namespace that is asked for; empty for all.
    namespace: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A GET of a path that is no resource (``nonResourceURLs``)."""

    path: str


def requests_of(reads: Iterable[ClusterRead]) -> list[ResourceRequest | Location]:
    """All that the reads ask for, each once: resources first, then paths, each in alphabetical order."""
    resources: set[tuple[str, str, str, tuple[str, ...], str]] = set()
    paths: set[str] = set()
    for read in reads:
        if isinstance(read, (Listing, Step)):
            over = read.over if isinstance(read, Step) else read
            resources.add(("list", over.group, over.plural, (), over.namespace))
            if isinstance(read, Named):
                resources.add(("get", read.group, read.plural, () if "{" in read.name else (read.name,), ""))
            elif isinstance(read, PodLogs):
                resources.add(("get", "", "pods/log", (), ""))
            elif isinstance(read, PodExec):
                resources |= {(verb, "", EXEC, (), read.namespace) for verb in ("get", "create")}
        elif isinstance(read, Path):
            paths.add(read.location.partition("?")[0])
        elif not isinstance(read, Desired):
            msg = f"{read!r} is no read of a cluster"
            raise TypeError(msg)
    for _, group, *_ in resources:
        paths.update(_DISCOVERY[root_of(group)])
    # A request for any object of a resource makes one for named objects, or for those of one namespace, superfluous.
    kept = [one for one in sorted(resources) if one == (*one[:3], (), "") or (*one[:3], (), "") not in resources]
    return [
        *(ResourceRequest(verb, group, kind, names or None, where) for verb, group, kind, names, where in kept),
        *(Location(path) for path in sorted(paths)),
    ]
