"""What reads ask of an API server, as RBAC names it: for the printed plan and the role derived from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from conformance.gather.discovery import root_of
from conformance.reads import ClusterRead, Desired, Listing, Named, Path

__all__ = ["Location", "ResourceRequest", "requests_of"]

#: What discovery asks for below a root; every authenticated user may, unless somebody took that away.
_DISCOVERY: Final = {"/api": ("/api", "/api/*"), "/apis": ("/apis", "/apis/*")}


@dataclass(frozen=True, slots=True, order=True)
class ResourceRequest:
    """A verb on a resource in all namespaces."""

    verb: str
    #: Empty for the core group.
    group: str
    resource: str
    #: The only objects that are asked for; None where the names are known only after a listing.
    names: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True, order=True)
class Location:
    """A GET of a path that is no resource (``nonResourceURLs``)."""

    path: str


def requests_of(reads: Iterable[ClusterRead]) -> list[ResourceRequest | Location]:
    """All that the reads ask for, each once: resources first, then paths, each in alphabetical order."""
    resources: set[tuple[str, str, str, tuple[str, ...]]] = set()
    paths: set[str] = set()
    for read in reads:
        if isinstance(read, (Listing, Named)):
            over = read.over if isinstance(read, Named) else read
            resources.add(("list", over.group, over.plural, ()))
            if isinstance(read, Named):
                resources.add(("get", read.group, read.plural, () if "{" in read.name else (read.name,)))
        elif isinstance(read, Path):
            paths.add(read.location.partition("?")[0])
        elif not isinstance(read, Desired):
            msg = f"{read!r} is no read of a cluster"
            raise TypeError(msg)
    for _, group, _, _ in resources:
        paths.update(_DISCOVERY[root_of(group)])
    # A request for any object of a resource makes one for named objects of it superfluous.
    kept = [one for one in sorted(resources) if not one[3] or (*one[:3], ()) not in resources]
    return [
        *(ResourceRequest(verb, group, resource, names or None) for verb, group, resource, names in kept),
        *(Location(path) for path in sorted(paths)),
    ]
