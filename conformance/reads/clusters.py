"""Reads on clusters: listings, named objects, plain paths, and the configuration that is about to be applied.

A read asked `at` "manager" goes to the cluster that manages the subject (the admin cluster of a user cluster), or to
the subject itself where nobody manages it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from conformance.answers import Answer, NotApplicable, Unreadable
from conformance.reads.hosts import InvalidRead
from conformance.reads.projection import covers

__all__ = [
    "ClusterRead",
    "Desired",
    "Listing",
    "Named",
    "NamedObjects",
    "Path",
    "Reduction",
    "desired",
    "listing",
    "named",
    "path",
]

#: Runs while gathering on one object as the API server sent it; only its result - plain JSON data - is kept.
Reduction = Callable[[Mapping[str, Any]], Any]
At = Literal["self", "manager"]

#: What every listing keeps, so that a finding can name the object.
IDENTITY: Final = ("metadata.name", "metadata.namespace")
_RESOURCE: Final = re.compile(r"[a-z0-9]+(\.[a-z0-9.-]+)?")


@dataclass(frozen=True, slots=True)
class ClusterRead:
    """One read through an API server. Subclasses say what is asked and how the answer is understood."""

    at: At = field(default="self", kw_only=True)
    #: Seconds that the whole read may take, all its pages together.
    timeout: float = field(default=60.0, kw_only=True)

    @property
    def key(self) -> str:
        """The name of the read in plans and snapshots."""
        raise NotImplementedError

    def extract(self, answer: Answer) -> Any:
        """What the fact receives.

        :raises Unreadable: the answer does not settle what was asked.
        :raises NotApplicable: an optional kind is not served by this cluster.
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Listing(ClusterRead):
    """All objects of one resource; the fact receives a list of projected objects in the order of the API server.

    `resource` is written as kubectl writes it: ``nodes``, ``clusters.baremetal.cluster.gke.io``. The version is
    whichever one the cluster's discovery prefers.
    """

    resource: str
    #: The paths that facts need beside `IDENTITY`; everything else is dropped before it is stored.
    keep: tuple[str, ...] = ()
    #: A cluster that does not serve the kind makes this unknown; an optional kind makes it not applicable.
    required: bool = True
    #: Fewer objects than this cannot be right: unknown.
    at_least: int = 0
    #: Keeps the result of a function instead of a projection, for kinds that hold secrets.
    reduce: Reduction | None = None

    def __post_init__(self) -> None:
        if not _RESOURCE.fullmatch(self.resource):
            msg = f"{self.resource!r}: expected a plural resource name such as 'nodes' or 'clusters.example.com'"
            raise InvalidRead(msg)
        if self.plural == "secrets" and self.group == "" and self.reduce is None:
            msg = "a listing of secrets must reduce them: nothing secret may be stored"
            raise InvalidRead(msg)

    @property
    def plural(self) -> str:
        """The resource's plural name, without its group."""
        return self.resource.partition(".")[0]

    @property
    def group(self) -> str:
        """The API group, empty for the core group."""
        return self.resource.partition(".")[2]

    @property
    def key(self) -> str:
        return f"list {self.resource}" + (f" as {self.reduce.__name__}" if self.reduce else "")

    def extract(self, answer: Answer) -> Any:
        if answer.problem is not None and answer.problem.kind == "not-served" and not self.required:
            raise NotApplicable(f"the cluster does not serve {self.resource}")
        got = answer.require()
        lost = [] if self.reduce else covers(got["keep"], self.keep)
        if lost:
            raise Unreadable(
                f"the snapshot holds {self.resource} without {', '.join(lost)}: gather again", read=self.key
            )
        objects = got["objects"]
        if len(objects) < self.at_least:
            raise Unreadable(
                f"{len(objects)} {self.resource} listed where there must be at least {self.at_least}", read=self.key
            )
        return objects


@dataclass(frozen=True, slots=True)
class Named(ClusterRead):
    """One object for each object of a listing: a step, one more round at most.

    `namespace` and `name` are patterns over the listed object, such as ``{metadata.name}-kubeconfig``. The fact
    receives `NamedObjects`.
    """

    resource: str
    over: Listing
    namespace: str
    name: str
    reduce: Reduction
    #: Only listed objects that have this value at this path.
    where: tuple[str, str] | None = None
    #: More listed objects than this make the read unknown instead of a flood of requests.
    bound: int = 2000

    def __post_init__(self) -> None:
        if self.over.reduce is not None or self.over.at != self.at:
            msg = f"{self.key}: a step ranges over a projected listing of the same cluster"
            raise InvalidRead(msg)

    @property
    def plural(self) -> str:
        """The resource's plural name, without its group."""
        return self.resource.partition(".")[0]

    @property
    def group(self) -> str:
        """The API group, empty for the core group."""
        return self.resource.partition(".")[2]

    @property
    def key(self) -> str:
        which = f" with {self.where[0]}={self.where[1]}" if self.where else ""
        return f"get {self.resource} {self.namespace}/{self.name} as {self.reduce.__name__} for each {self.over.resource}{which}"

    @property
    def needs(self) -> tuple[str, ...]:
        """The paths of the listed objects that the patterns and the condition use."""
        patterns = re.findall(r"\{([\w.]+)\}", self.namespace + self.name)
        return tuple(dict.fromkeys([*patterns, *([self.where[0]] if self.where else [])]))

    def extract(self, answer: Answer) -> Any:
        if answer.problem is not None and answer.problem.kind == "not-served" and not self.over.required:
            raise NotApplicable(answer.problem.message)
        return NamedObjects(answer.require()["objects"], self.key)


class NamedObjects(Mapping[str, Any]):
    """``namespace/name`` -> the reduced object, or None where the API server says that there is none.

    :raises Unreadable: on access to an object that could not be read.
    """

    def __init__(self, stored: Mapping[str, Any], read: str) -> None:
        self._stored = stored
        self._read = read

    def __getitem__(self, key: str) -> Any:
        if key not in self._stored:
            raise Unreadable(f"{key} was not read: it was not in the listing", read=self._read)
        one = self._stored[key]
        if "problem" in one:
            raise Unreadable(one["problem"]["message"], read=self._read)
        return one["value"]

    def __iter__(self) -> Iterator[str]:
        return iter(self._stored)

    def __len__(self) -> int:
        return len(self._stored)


@dataclass(frozen=True, slots=True)
class Path(ClusterRead):
    """One path of the API server that is no resource, such as ``/version``; the fact receives its JSON, or its text."""

    location: str
    text: bool = False

    @property
    def key(self) -> str:
        return f"get {self.location}"

    def extract(self, answer: Answer) -> Any:
        return answer.require()["body"]


@dataclass(frozen=True, slots=True)
class Desired(ClusterRead):
    """The documents of one kind in the configuration that is about to be applied (``--desired``).

    Nothing is asked of anybody: the files are read where pytest runs. The fact receives a list of projected
    documents, or None where no desired configuration was given.
    """

    kind: str
    group: str = ""
    keep: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        return f"desired {self.kind or 'documents without a kind'}{'.' + self.group if self.group else ''}"

    def extract(self, answer: Answer) -> Any:
        got = answer.require()
        if got["objects"] is None:
            return None
        lost = covers(got["keep"], self.keep)
        if lost:
            raise Unreadable(f"the snapshot holds {self.key} without {', '.join(lost)}: gather again", read=self.key)
        return got["objects"]


def listing(
    resource: str,
    *keep: str,
    required: bool = True,
    at_least: int = 0,
    reduce: Reduction | None = None,
    at: At = "self",
    **bounds: Any,
) -> Listing:
    """Declare a listing of one resource in all namespaces, kept to the given paths (or reduced by a function)."""
    kept = tuple(dict.fromkeys([*IDENTITY, *keep]))
    return Listing(resource, kept, required=required, at_least=at_least, reduce=reduce, at=at, **bounds)


def named(
    resource: str,
    *,
    over: Listing,
    namespace: str,
    name: str,
    reduce: Reduction,
    where: tuple[str, str] | None = None,
    bound: int = 2000,
) -> Named:
    """Declare one object for each object of a listing; see `Named`."""
    return Named(resource, over, namespace, name, reduce, where, bound, at=over.at)


def path(location: str, *, text: bool = False, at: At = "self", **bounds: Any) -> Path:
    """Declare a path of the API server, such as ``/version``."""
    return Path(location, text, at=at, **bounds)


def desired(kind: str, group: str = "", *keep: str) -> Desired:
    """Declare the documents of one kind in the desired configuration, kept to the given paths."""
    return Desired(kind, group, tuple(dict.fromkeys([*IDENTITY, *keep])))
