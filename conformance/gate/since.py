"""The change read from Git (``--since``): versions before and after, and desired files, from the clusters' own objects.

Which objects carry a cluster's version is known to the profile (``versioned:``); nothing here knows a vendor.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import yaml

from conformance.change import Change, Cluster, Upgrade
from conformance.documents import InvalidDocument, TextLoader, group_of, objects_in
from conformance.gate.revisions import ChangedFile, changed_files
from conformance.profiles import Profile, Versioned
from conformance.reads.projection import value_at
from conformance.versions import InvalidVersion, Version

__all__ = ["Move", "NothingChanged", "moves_in", "since"]


#: Kind, group, namespace and name of an object.
_Key = tuple[str, str, str, str]


class NothingChanged(Exception):
    """No cluster's version changes since the revision: there is no upgrade to examine."""


@dataclass(frozen=True, slots=True)
class Move:
    """The object of one cluster, from one version to another."""

    #: The name in the object; empty where its kind has none of its own.
    name: str
    before: Version
    after: Version
    file: Path


def since(change: Change, profile: Profile, revision: str) -> Change:
    """The change with versions and desired files of the clusters that Git says are upgraded; others stay as they are.

    :raises InvalidRevision: the revision cannot be compared with.
    :raises InvalidDocument: Git and the change contradict each other, or a cluster that changes is not named.
    :raises NothingChanged: no version changes.
    """
    if not profile.versioned:
        msg = f"--since: {profile.file} does not say which objects carry a cluster's version (`versioned:`)"
        raise InvalidDocument(msg)
    directory = change.file.absolute().parent if change.file else Path.cwd()
    found = moves_in(changed_files(directory, revision), profile.versioned)
    if not found:
        kinds = ", ".join(f"{one.kind} ({one.group})" for one in profile.versioned)
        msg = f"--since {revision}: no cluster's version changes, so there is no upgrade to examine; looked at: {kinds}"
        raise NothingChanged(msg)
    moves: dict[str, Move] = {}
    for move in found:
        name = _cluster_of(move, change)
        if name in moves and moves[name] != move:
            other = moves[name]
            msg = (
                f"--since {revision}: {move.file} and {other.file} both change the version of {name}, "
                f"to {move.after} and to {other.after}; keep one, or give them names of their own"
            )
            raise InvalidDocument(msg)
        moves[name] = move
    clusters = {name: _moved(one, moves.get(name), change.upgrade) for name, one in change.clusters.items()}
    return replace(change, clusters=clusters, upgrade=Upgrade())


def moves_in(files: Iterable[ChangedFile], versioned: Iterable[Versioned]) -> list[Move]:
    """The objects whose version differs, wherever in the files they stood and stand now, in the order of the files.

    :raises InvalidDocument: a file that seems to hold such an object cannot be read, or a version is none.
    """
    versioned = list(versioned)
    moves: list[Move] = []
    gone: dict[_Key, list[str]] = {}
    come: list[tuple[_Key, str, Path]] = []
    for file in files:
        before = dict(_versions(file.before or "", file.path, versioned))
        after = dict(_versions(file.after or "", file.path, versioned))
        # What stays in its file is compared there: the objects of several clusters may be called alike.
        for key in before.keys() & after.keys():
            moves += _move(key, before[key], after[key], file.path)
        for key in before.keys() - after.keys():
            gone.setdefault(key, []).append(before[key])
        come += ((key, after[key], file.path) for key in after.keys() - before.keys())
    for key, text, path in come:
        if gone.get(key):  # else it is made, not upgraded
            moves += _move(key, gone[key].pop(0), text, path)
    return sorted(moves, key=lambda one: (one.file, one.name))


def _move(key: _Key, before: str, after: str, path: Path) -> list[Move]:
    if before == after:
        return []
    if not before or not after:
        side = "no longer" if before else "only now"
        msg = (
            f"--since: {path}: {key[0]} {key[-1]} {side} says its version, so nobody can tell from what to what it goes"
        )
        raise InvalidDocument(msg)
    return [Move(key[-1], _version(before, path), _version(after, path), path)]


def _versions(text: str, path: Path, versioned: list[Versioned]) -> Iterator[tuple[_Key, str]]:
    """The objects of a text with the version that each says, empty where it says none."""
    likely = [one for one in versioned if one.group in text and one.kind in text]
    if not likely:
        return
    try:
        documents = list(yaml.load_all(text, Loader=TextLoader))
    except Exception as error:
        # Beside YAMLError, what PyYAML lets through for a value that does not fit its tag.
        mark = getattr(error, "problem_mark", None)
        where = f":{mark.line + 1}" if mark else ""
        msg = (
            f"--since: {path}{where}: it names a {likely[0].kind} of {likely[0].group} and is not valid YAML, so nobody "
            "can tell whether its version changes (a template? then give --upgrade-from, --upgrade-to and --desired)"
        )
        raise InvalidDocument(msg) from None
    objects = [one for document in documents if isinstance(document, Mapping) for one in objects_in(document)]
    for one, kind in itertools.product(objects, likely):
        if one.get("kind") != kind.kind or group_of(one) != kind.group:
            continue
        version = value_at(one, kind.version)
        name = value_at(one, kind.name) if kind.name else ""
        key = (kind.kind, kind.group, str(value_at(one, "metadata.namespace", "")), str(name or ""))
        yield key, version if isinstance(version, str) else ""


def _version(text: str, path: Path) -> Version:
    try:
        return Version.parse(text)
    except InvalidVersion as error:
        msg = f"--since: {path}: {error}"
        raise InvalidDocument(msg) from None


def _cluster_of(move: Move, change: Change) -> str:
    """The cluster of the change that an object belongs to: by its file, by its name, or because there is one only."""
    named = [name for name, one in change.clusters.items() if _same(one.desired, move.file)]
    if move.name in change.clusters and (not named or move.name in named):
        return move.name
    if len(named) == 1:
        return named[0]
    free = [name for name, one in change.clusters.items() if not one.upgrade.none]
    if len(free) == 1 and not change.clusters[free[0]].desired:
        return free[0]
    what = f"cluster {move.name}" if move.name else "a cluster"
    known = ", ".join(change.clusters) or "no cluster"
    msg = (
        f"--since: {move.file} upgrades {what} from {move.before} to {move.after}, and the change does not say which "
        f"of its clusters that is ({known}): name it there as its object is named, or give it this file as `desired`"
    )
    raise InvalidDocument(msg)


def _same(paths: Iterable[Path], file: Path) -> bool:
    return any(one.resolve() == file.resolve() for one in paths)


def _moved(cluster: Cluster, move: Move | None, whole: Upgrade) -> Cluster:
    if move is None and (cluster.upgrade.source or cluster.upgrade.target):
        msg = (
            f"{cluster.name}: the change gives versions of its own, and Git does not upgrade it: with --since leave "
            "versions out"
        )
        raise InvalidDocument(msg)
    if move is None:
        return replace(cluster, upgrade=Upgrade(none=True))
    if cluster.upgrade.none:
        msg = (
            f"{cluster.name}: the change says `upgrade: none`, and Git upgrades it from {move.before} to {move.after} "
            f"({move.file}): take one of the two out"
        )
        raise InvalidDocument(msg)
    for side, said, found in (
        ("from", cluster.upgrade.source or whole.source, move.before),
        ("to", cluster.upgrade.target or whole.target, move.after),
    ):
        if said is not None and not _agree(said, found):
            msg = (
                f"{cluster.name}: the change says {side} {said}, and Git says {side} {found} ({move.file}): "
                "with --since leave versions out"
            )
            raise InvalidDocument(msg)
    desired = cluster.desired if _same(cluster.desired, move.file) else (*cluster.desired, move.file)
    return replace(cluster, upgrade=Upgrade(move.before, move.after), desired=desired)


def _agree(said: Version, found: Version) -> bool:
    """Whether a version by hand, perhaps of a whole series, holds the one of Git."""
    return said.release[:2] == found.release[:2] if said.is_series else said.public == found.public
