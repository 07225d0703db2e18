"""The change read from Git (``--since``): versions before and after, and desired files, from the clusters' own objects.

Which objects carry a cluster's version is known to the profile (``versioned:``); nothing here knows a vendor.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from conformance.change import Change, Cluster, Upgrade
from conformance.documents import InvalidDocument
from conformance.gate.moves import Move, moves_in
from conformance.gate.revisions import changed_files
from conformance.profiles import Profile
from conformance.versions import Version

__all__ = ["NothingChanged", "since"]


class NothingChanged(Exception):
    """No cluster's version changes since the revision: there is no upgrade to examine."""


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


def _cluster_of(move: Move, change: Change) -> str:
    """The cluster of the change that an object belongs to: by its name, by its file, or because there is one only."""
    named = [name for name, one in change.clusters.items() if _same(one.desired, move.file)]
    own = next((one for one in (f"{move.namespace}/{move.name}", move.name) if one in change.clusters), None)
    if own is not None:
        if named and move.alone and own not in named and change.clusters[own].desired:
            msg = (
                f"--since: {move.file} is `desired` of {', '.join(named)}, and its only object is called {own}, "
                f"which has other files: give it to {own} as `desired`, or name the clusters as their objects are"
            )
            raise InvalidDocument(msg)
        return own
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
