"""Listings in pages, each projected and reduced at once, and single objects named after listed ones.

However many facts want a resource, it is listed once: with the union of the paths that they keep, and with every
reduction applied in the same pass.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final

from conformance.answers import Answer
from conformance.gather.discovery import Served
from conformance.gather.failures import Failed
from conformance.gather.http import JSON, Got, Requester, TooLarge
from conformance.gather.wording import plain
from conformance.reads import InvalidRead, Listing, Named, Step
from conformance.reads.clusters import PATTERN, Reduction
from conformance.reads.projection import covers, project, smallest, tree_of, value_at

__all__ = ["Listed", "Request", "Target", "held_listing", "listings_of", "read_listing", "read_object", "targets_of"]

#: How often a list is begun anew after its continuation has expired (410).
RESTARTS: Final = 2
#: What may stand in a path as the name of an object or namespace; "." and ".." would lead to another one.
_NAME: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._:-]{1,253}")
#: Asks for the metadata of objects and nothing else; an API server that cannot do so refuses, it does not send more.
_METADATA: Final = "PartialObjectMetadataList"
_METADATA_ONLY: Final = f"application/json;as={_METADATA};g=meta.k8s.io;v=v1"
#: Decoding holds the interpreter's lock anyway; one page at a time keeps memory small.
_DECODING: Final = threading.Lock()


@dataclass(slots=True)
class Request:
    """One list request for all that is read of one collection: of a resource, or of its objects in one namespace."""

    collection: str
    resource: str
    plural: str
    group: str
    #: Empty for all namespaces.
    namespace: str = ""
    metadata_only: bool = False
    #: Seconds that the whole list may take.
    timeout: float = 0.0
    #: The union of what is kept; None where only reductions are asked for.
    keep: tuple[str, ...] | None = None
    #: The key of the read that wants the projection, where one does (a named read alone does not).
    projection: str = ""
    #: The key of the read -> its reduction.
    reductions: dict[str, Reduction] = field(default_factory=dict)

    @property
    def keys(self) -> list[str]:
        """The reads that this request answers."""
        return [*([self.projection] if self.projection else []), *self.reductions]

    def add(self, read: Listing, keep: Iterable[str], *, wanted: bool = True) -> None:
        """Let this request answer `read` too; with `wanted` off, only read what a step needs of it.

        :raises InvalidRead: another reduction has the same name, so the answers could not be told apart.
        """
        self.timeout = max(self.timeout, read.timeout)
        if read.reduce is None:
            self.keep = smallest([*(self.keep or ()), *keep])
            self.projection = read.key if wanted else self.projection
        elif self.reductions.setdefault(read.key, read.reduce) is not read.reduce:
            msg = f"{read.key}: two different functions of this name reduce {read.resource}; rename one"
            raise InvalidRead(msg)


@dataclass(frozen=True, slots=True)
class Listed:
    """What a list gave: the answers of its reads, and the projected objects for the steps over it."""

    answers: Mapping[str, Answer]
    objects: list[Any]


def listings_of(reads: Iterable[object]) -> dict[str, Request]:
    """By collection, the one list request for all listings and steps among `reads`."""
    requests: dict[str, Request] = {}
    for read in reads:
        over = read.over if isinstance(read, Step) else read
        if isinstance(over, Listing):
            where = Request(over.collection, over.resource, over.plural, over.group, over.namespace, over.metadata_only)
            request = requests.setdefault(over.collection, where)
            if isinstance(read, Step):
                request.add(over, read.needs or ("metadata.name",), wanted=False)
            else:
                request.add(over, over.keep)
    return requests


def held_listing(request: Request, answer: Answer | None) -> Listed | Failed | None:
    """What an earlier listing gave for the steps over it; None where it must be made (again)."""
    if request.keys or answer is None:
        return None
    if answer.problem is not None:
        return Failed(answer.problem.kind, answer.problem.message)
    if answer.value is None or covers(answer.value["keep"], request.keep or ()):
        return None
    return Listed({}, answer.value["objects"])


def read_listing(requester: Requester, served: Served, request: Request, page_size: int, until: float) -> Listed:
    """Ask for all objects of a resource, in pages.

    :raises Failed: they could not all be read; what was read of them is dropped.
    """
    for restart in range(RESTARTS + 1):
        sieve = _Sieve(request)
        try:
            _read_pages(requester, served, sieve, page_size, until)
        except Failed as failed:
            if failed.status != 410 or restart == RESTARTS:
                raise
        else:
            return sieve.listed(served.version)
    raise AssertionError  # the last round returns or raises


def _read_pages(requester: Requester, served: Served, sieve: _Sieve, page_size: int, until: float) -> None:
    what = f"list {sieve.request.collection}"
    path = served.collection_in(sieve.request.namespace)
    accept = _METADATA_ONLY if sieve.request.metadata_only else JSON
    token = ""

    def take_page(got: Got) -> str:
        sieve.at = sieve.at or _moment(got.date)
        with _DECODING:
            return sieve.take_page(what, requester.decoded(what, got))

    while True:
        # No resourceVersion: a list of version 0 may be as old as the API server's cache.
        query = [("limit", str(page_size)), *([("continue", token)] if token else [])]
        try:
            following = requester.get(what, path, query, accept=accept, until=until, use=take_page)
        except TooLarge:
            if page_size == 1:
                raise
            page_size = max(1, page_size // 8)
            continue
        if not following:
            return
        if following == token:
            raise Failed("undecodable", f"{what}: the API server repeats a page: is a cache in between?")
        token = following


def _moment(date: str) -> str:
    """A header Date (RFC 9110) in ISO 8601; empty where it is none."""
    try:
        return parsedate_to_datetime(date).astimezone(UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return ""


def _checked(page: Any, what: str) -> tuple[list[Mapping[str, Any]], str]:
    """The objects of a page and the token of the next one."""
    # An empty list is `[]` or, from some servers, null; an answer without the field is something else.
    if isinstance(page, dict) and str(page.get("kind")).endswith("List") and "items" in page:
        items, metadata = [] if page["items"] is None else page["items"], page.get("metadata") or {}
        if isinstance(items, list) and all(isinstance(item, dict) for item in items) and isinstance(metadata, dict):
            return items, str(metadata.get("continue") or "")
    raise Failed("undecodable", f"{what}: the answer is not a list of objects: is a proxy in between?")


class _Sieve:
    """Takes objects one by one and keeps of each what the reads of a request want."""

    def __init__(self, request: Request) -> None:
        self.request = request
        #: When the first page was made: the others go on where it ended, as things were then.
        self.at = ""
        self._tree = tree_of(request.keep or ())
        self._objects: list[Any] = []
        self._reduced: dict[str, list[Any]] = {key: [] for key in request.reductions}
        self._broken: dict[str, Failed] = {}

    def take_page(self, what: str, page: Any) -> str:
        """Take all objects of a page; the token of the next page, empty after the last.

        :raises Failed: this is no page of a list.
        """
        items, following = _checked(page, what)
        if self.request.metadata_only and page["kind"] != _METADATA:
            raise Failed("undecodable", f"{what}: the answer is more than metadata: is a proxy in between?")
        for item in items:
            self.take(item)
        return following

    def take(self, item: Mapping[str, Any]) -> None:
        """Keep of one object what is wanted; a reduction that fails is not tried again."""
        if self.request.keep is not None:
            self._objects.append(project(item, self._tree))
        for key, reduction in self.request.reductions.items():
            if key not in self._broken:
                try:
                    self._reduced[key].append(_reduced(reduction, self.request.resource, item))
                except Failed as failed:
                    self._broken[key] = failed

    def listed(self, version: str) -> Listed:
        """All that was kept, as answers."""
        head = {"version": version, "at": self.at}
        answers = {key: Answer({**head, "keep": [], "objects": objects}) for key, objects in self._reduced.items()}
        answers |= {key: failed.answer() for key, failed in self._broken.items()}
        if self.request.projection:
            value = {**head, "keep": list(self.request.keep or ()), "objects": self._objects}
            answers[self.request.projection] = Answer(value)
        return Listed(answers, self._objects)


def _reduced(reduction: Reduction, resource: str, item: Mapping[str, Any]) -> Any:
    """What the reduction makes of one object.

    :raises Failed: it raises an exception, or gives what JSON cannot hold.
    """
    try:
        result = reduction(item)
        json.dumps(result)
    except Exception as error:
        # Only the kind of the error: its text may quote what the reduction is there to drop.
        name = "/".join(str(value_at(item, f"metadata.{part}", "")) for part in ("namespace", "name")).lstrip("/")
        how = f"{reduction.__name__} cannot read it ({type(error).__name__})"
        raise Failed("undecodable", f"{resource} {plain(name)}: {how}") from None
    return result


@dataclass(frozen=True, slots=True)
class Target:
    """One object that a named read asks for; `problem` where its name cannot be told from the listed object."""

    namespace: str
    name: str
    problem: Failed | None = None

    @property
    def key(self) -> str:
        """The object's key in the stored answer."""
        return f"{self.namespace}/{self.name}"


def targets_of(read: Named, served: Served, listed: Iterable[Any]) -> list[Target]:
    """The objects that a step asks for, each once.

    :raises Failed: they are more than its bound.
    """
    targets: dict[str, Target] = {}
    for one in listed:
        if read.where is None or _as_text(value_at(one, read.where[0])) == read.where[1]:
            target = _target(read, served, one)
            targets[target.key] = target
    if len(targets) > read.bound:
        msg = f"{read.key}: {len(targets)} objects, more than the {read.bound} that may be asked for"
        raise Failed("cut-off", msg)
    return list(targets.values())


def _target(read: Named, served: Served, one: Any) -> Target:
    problem = ""

    def filled(match: re.Match[str]) -> str:
        nonlocal problem
        value = _as_text(value_at(one, match[1])) or match[2]
        problem = problem or ("" if value else f"has no {match[1]}")
        return value or match[0]

    namespace, name = (PATTERN.sub(filled, pattern) for pattern in (read.namespace, read.name))
    # An empty name would turn the request into a list of all objects.
    if not problem and not (_NAME.fullmatch(name) and (_NAME.fullmatch(namespace) or not served.namespaced)):
        problem = "leads to a name that no object can have"
    if not problem:
        return Target(namespace, name)
    origin = "/".join(str(value_at(one, f"metadata.{part}", "")) for part in ("namespace", "name")).lstrip("/")
    wanted = f"{read.resource} {read.namespace}/{read.name}"
    text = f"{read.over.resource} {plain(origin)} {problem}: {wanted} cannot be asked for"
    return Target(namespace, f"{name} of {origin}", Failed("undecodable", text))


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int)) else ""


def read_object(requester: Requester, served: Served, read: Named, target: Target, until: float) -> dict[str, Any]:
    """What is stored of one object: ``{"value": …}``, None where there is none, or ``{"problem": …}``."""
    try:
        if target.problem is not None:
            raise target.problem
        what = f"get {read.resource} {target.key}"
        found = requester.get_json(what, served.path(target.namespace, target.name), until=until)
        if not isinstance(found, dict) or value_at(found, "metadata.name") != target.name:
            raise Failed("undecodable", f"{what}: the answer is not this object: is a proxy in between?")
        return {"value": _reduced(read.reduce, read.resource, found)}
    except Failed as failed:
        # Only the API server's own word counts: a proxy's "not found" is not an object's absence.
        if failed.missing == target.name:
            return {"value": None}
        return {"problem": {"kind": failed.problem.kind, "message": failed.problem.message}}
