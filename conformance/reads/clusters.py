"""Reads on clusters: listings, named objects, and the configuration that is about to be applied.

A read asked `at` "manager" goes to the cluster that manages the subject (the admin cluster of a user cluster), or to
the subject itself where nobody manages it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
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
    "Objects",
    "Reduction",
    "Step",
    "desired",
    "listing",
    "named",
]

#: Runs while gathering on one object as the API server sent it; only its result - plain JSON data - is kept.
Reduction = Callable[[Mapping[str, Any]], Any]
At = Literal["self", "manager"]

#: What every listing keeps, so that a finding can name the object.
IDENTITY: Final = ("metadata.name", "metadata.namespace")
#: A path of the listed object in a pattern of `Named`, and what stands for it where the object has no such value.
PATTERN: Final = re.compile(r"\{([\w.]+)(?:\|([\w.-]+))?\}")
_RESOURCE: Final = re.compile(r"[a-z0-9]+(\.[a-z0-9.-]+)?")
_NAMESPACE: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
#: Where kubectl apply keeps the whole object once more, a Secret's data included.
_LAST_APPLIED: Final = "metadata.annotations[kubectl.kubernetes.io/last-applied-configuration]"


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


class Objects(list[Any]):
    """Listed objects in the order of the API server, and the moment at which they were listed."""

    def __init__(self, objects: Iterable[Any] = (), at: str = "", read: str | None = None) -> None:
        super().__init__(objects)
        self._at = at
        self._read = read

    @property
    def at(self) -> datetime:
        """When they were listed, by the API server's own clock: ages are counted to here, also in a later run.

        :raises Unreadable: the answer does not say.
        """
        if not self._at:
            raise Unreadable("when the objects were listed is not known (the answer had no Date)", read=self._read)
        return datetime.fromisoformat(self._at)


@dataclass(frozen=True, slots=True)
class Listing(ClusterRead):
    """All objects of one resource; the fact receives `Objects`, a list of projected objects that has its own time.

    `resource` is written as kubectl writes it: ``nodes``, ``clusters.baremetal.cluster.gke.io``. The version is
    whichever one the cluster's discovery prefers. A namespace that does not exist has no objects.
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
    #: Only the objects of this namespace, for which a right in it will do; those of all namespaces where it is empty.
    namespace: str = ""
    #: The API server is asked for the objects' metadata alone: their data does not even travel.
    metadata_only: bool = False

    def __post_init__(self) -> None:
        if not _RESOURCE.fullmatch(self.resource):
            msg = f"{self.resource!r}: expected a plural resource name such as 'nodes' or 'clusters.example.com'"
            raise InvalidRead(msg)
        if self.namespace and not _NAMESPACE.fullmatch(self.namespace):
            msg = f"{self.namespace!r}: expected the name of a namespace"
            raise InvalidRead(msg)
        if self.metadata_only and (self.reduce or not all(one.startswith("metadata.") for one in self.keep)):
            msg = f"{self.key}: of metadata alone only paths below metadata can be kept"
            raise InvalidRead(msg)
        if self.plural == "secrets" and self.group == "" and self.reduce is None:
            if not self.metadata_only:
                msg = "a listing of secrets must reduce them, or ask for metadata_only: nothing secret may be stored"
                raise InvalidRead(msg)
            if any(not covers([one], [_LAST_APPLIED]) or not covers([_LAST_APPLIED], [one]) for one in self.keep):
                msg = "name each annotation of secrets that is to be kept: in one of them kubectl keeps their data"
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
    def collection(self) -> str:
        """What is asked for: all listings of the same collection are one request."""
        where = f" in {self.namespace}" if self.namespace else ""
        return f"{self.resource}{where}{' (metadata only)' if self.metadata_only else ''}"

    @property
    def key(self) -> str:
        return f"list {self.collection}" + (f" as {self.reduce.__name__}" if self.reduce else "")

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
                f"{len(objects)} {self.collection} listed where there must be at least {self.at_least}", read=self.key
            )
        return Objects(objects, str(got.get("at", "")), self.key)


@dataclass(frozen=True, slots=True)
class Step(ClusterRead):
    """A read that ranges over the objects of a listing of the same cluster: one more round at most."""

    over: Listing = field(kw_only=True)

    def __post_init__(self) -> None:
        if self.over.reduce is not None or self.over.at != self.at:
            msg = f"{self.key}: a step ranges over a projected listing of the same cluster"
            raise InvalidRead(msg)

    @property
    def needs(self) -> tuple[str, ...]:
        """The paths of the listed objects that it uses."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Named(Step):
    """One object for each object of a listing.

    `namespace` and `name` are patterns over the listed object, such as ``{metadata.name}-kubeconfig``, or with a text
    for where it has no such value, ``{spec.secretRef.name|default-name}``. The fact receives `NamedObjects`.
    """

    resource: str
    namespace: str
    name: str
    reduce: Reduction
    #: Only listed objects that have this value at this path.
    where: tuple[str, str] | None = None
    #: More listed objects than this make the read unknown instead of a flood of requests.
    bound: int = 2000

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
        patterns = [path for path, _ in PATTERN.findall(self.namespace + self.name)]
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
class Desired(ClusterRead):
    """The documents of one kind in the configuration that is about to be applied (``--desired``).

    Nothing is asked of anybody: the files are read where pytest runs. The fact receives a list of projected
    documents, or None where no desired configuration was given.
    """

    kind: str
    group: str = ""
    keep: tuple[str, ...] = ()
    #: Keeps the result of a function instead of a projection, for documents that may hold secrets.
    reduce: Reduction | None = None

    @property
    def key(self) -> str:
        what = f"desired {self.kind or 'documents without a kind'}{'.' + self.group if self.group else ''}"
        return what + (f" as {self.reduce.__name__}" if self.reduce else "")

    def extract(self, answer: Answer) -> Any:
        got = answer.require()
        if got["objects"] is None:
            return None
        lost = [] if self.reduce else covers(got["keep"], self.keep)
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
    """Declare a listing of one resource, kept to the given paths (or reduced by a function).

    It is of all namespaces; `namespace` names a single one. `metadata_only` asks for nothing but metadata. Bounds:
    `timeout` in seconds.
    """
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
    return Named(resource, namespace, name, reduce, where, bound, over=over, at=over.at)


def desired(kind: str, group: str = "", *keep: str, reduce: Reduction | None = None) -> Desired:
    """Declare the documents of one kind in the desired configuration, kept to the given paths (or reduced by a function)."""
    return Desired(kind, group, tuple(dict.fromkeys([*IDENTITY, *keep])), reduce)
