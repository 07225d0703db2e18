"""The objects in Git that carry a cluster's version, and which of them go from one version to another.

Nothing is paired by what files look like: objects of several clusters may be alike to the letter. What counts is the file
that an object stays in, then what it is called; what even that leaves open is an error and no guess.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from conformance.documents import InvalidDocument, TextLoader, group_of, objects_in
from conformance.gate.revisions import ChangedFile
from conformance.profiles import Versioned
from conformance.reads.projection import value_at
from conformance.versions import InvalidVersion, Version

__all__ = ["Move", "moves_in"]


@dataclass(frozen=True, slots=True)
class Move:
    """The object of one cluster, from one version to another."""

    #: The name in the object; empty where its kind has none of its own.
    name: str
    before: Version
    after: Version
    file: Path
    namespace: str = ""
    #: Whether no other object in that file carries a version.
    alone: bool = True


@dataclass(frozen=True, slots=True)
class _Object:
    """An object that carries a version, before or after."""

    kind: str
    group: str
    namespace: str
    name: str
    #: As it is written; empty where it says none.
    version: str
    file: Path


_Pair = tuple[_Object, _Object]
#: What an object that stays the same has in common before and after, the most certain first; the last one is for a
#: namespace that is left to the default on one side.
_SAME: Final[tuple[Callable[[_Object], tuple[Any, ...]], ...]] = (
    lambda one: (one.kind, one.group, one.namespace, one.name, one.file),
    lambda one: (one.kind, one.group, one.namespace, one.name),
    lambda one: (one.kind, one.group, one.name),
)


def moves_in(files: Iterable[ChangedFile], versioned: Iterable[Versioned]) -> list[Move]:
    """The objects whose version differs, wherever in the files they stood and stand now, in the order of the files.

    :raises InvalidDocument: a file that seems to hold such an object cannot be read, a version is none, or nobody can tell
        which of several objects is which.
    """
    versioned = list(versioned)
    gone: list[_Object] = []
    come: list[_Object] = []
    for file in files:
        gone += _objects(file.before or "", file.path, versioned)
        come += _objects(file.after or "", file.path, versioned)
    alone = {path for path, there in itertools.groupby(come, lambda one: one.file) if len(list(there)) == 1}
    pairs: list[_Pair] = []
    for number, same in enumerate(_SAME):
        groups: dict[tuple[Any, ...], tuple[list[_Object], list[_Object]]] = {}
        for side, objects in enumerate((gone, come)):
            for one in objects:
                groups.setdefault(same(one), ([], []))[side].append(one)
        for was, now in groups.values():
            if number == len(_SAME) - 1 and all(one.namespace for one in (*was, *now)):
                continue  # in another namespace it is another object
            found = _pairs(was, now)
            if found is None and number:  # what one file leaves open, the others may tell
                raise _ambiguous(was, now)
            pairs += found or ()
        paired = {id(one) for pair in pairs for one in pair}
        gone = [one for one in gone if id(one) not in paired]
        come = [one for one in come if id(one) not in paired]  # what stays of these is made, not upgraded
    moves = [
        _move(before, after, alone=after.file in alone) for before, after in pairs if before.version != after.version
    ]
    return sorted(moves, key=lambda one: (one.file, one.name))


def _pairs(was: list[_Object], now: list[_Object]) -> list[_Pair] | None:
    """Which object is which, as far as that matters for their versions; None where nobody can tell."""
    before, after = ([one.version for one in side] for side in (was, now))
    if not was or not now:
        return []
    if len(was) == len(now) == 1:
        return [(was[0], now[0])]
    if sorted(before) == sorted(after):
        # Moved, or in another order: were they upgraded, one of them would have gone back.
        by_version = (sorted(side, key=lambda one: one.version) for side in (was, now))
        return list(zip(*by_version, strict=True))
    if len({*before}) == 1 and (len(now) <= len(was) or {*before} == {*after}):
        return list(zip(was, now, strict=False))  # wherever each was, it comes from this version
    return None


def _ambiguous(was: list[_Object], now: list[_Object]) -> InvalidDocument:
    before, after = (", ".join(f"{one.file} ({one.version})" for one in side) for side in (was, now))
    shared = len({one.file for one in was}) < len(was) or len({one.file for one in now}) < len(now)
    hint = "give each a file of its own" if shared else "move the files"
    return InvalidDocument(
        f"--since: nobody can tell which {_called(was[0])} is which: before in {before}, now in {after}; {hint} in a commit "
        "before the upgrade and compare with that one, or leave --since out and give the versions"
    )


def _called(one: _Object) -> str:
    return f"{one.kind} {one.name}".rstrip()


def _move(before: _Object, after: _Object, *, alone: bool) -> Move:
    if not before.version or not after.version:
        side = "no longer" if before.version else "only now"
        msg = f"--since: {after.file}: {_called(after)} {side} says its version, so nobody can tell from what to what it goes"
        raise InvalidDocument(msg)
    return Move(after.name, _version(before), _version(after), after.file, after.namespace, alone)


def _version(one: _Object) -> Version:
    try:
        return Version.stated(one.version)
    except InvalidVersion as error:
        msg = f"--since: {one.file}: {error}"
        raise InvalidDocument(msg) from None


def _objects(text: str, path: Path, versioned: list[Versioned]) -> Iterator[_Object]:
    """The objects of a text that carry a version, in their order."""
    likely = [one for one in versioned if one.group in text and one.kind in text]
    if not likely:
        return
    found = (one for document in _documents(text, path, likely[0]) for one in objects_in(document))
    for one, kind in itertools.product(found, likely):
        if one.get("kind") != kind.kind or group_of(one) != kind.group:
            continue
        version = value_at(one, kind.version)
        name = str((value_at(one, kind.name) if kind.name else "") or "")
        namespace = str(value_at(one, "metadata.namespace", ""))
        yield _Object(kind.kind, kind.group, namespace, name, version if isinstance(version, str) else "", path)


def _documents(text: str, path: Path, likely: Versioned) -> list[Mapping[str, Any]]:
    """The mappings in a text, with numbers as they are written."""
    documents: list[Any] = []
    if path.suffix == ".json":
        # A report of ours may lie there: as YAML, a large one would take minutes.
        try:
            documents = [json.loads(text, parse_float=str, parse_int=str)]
        except (ValueError, RecursionError):
            documents = []
    try:
        documents = documents or list(yaml.load_all(text, Loader=TextLoader))
    except Exception as error:
        # Beside YAMLError, what PyYAML lets through for a value that does not fit its tag.
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        msg = (
            f"--since: {path}{where}: it names a {likely.kind} of {likely.group} and is not valid YAML, so nobody "
            "can tell whether its version changes (a template? then give --upgrade-from, --upgrade-to and --desired)"
        )
        raise InvalidDocument(msg) from None
    return [one for one in documents if isinstance(one, Mapping)]
