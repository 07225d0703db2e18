"""The files that describe a change, by their digests: a report speaks of these, and of no later ones."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from conformance.change import Change
from conformance.documents import content_of
from conformance.profiles import Profile
from conformance.report.text import encodable
from conformance.waivers import Waiver, load_waivers

__all__ = ["beside", "digests_of", "file_digest", "waivers_of"]

_BESIDE: Final = " (beside the snapshot)"


def digests_of(change: Change) -> dict[str, str]:
    """Change file and desired configuration: where they lie beside the change file -> ``sha256:…``.

    The waivers are no part of what is read: with a snapshot others may be given (`waivers_of`).

    :raises InvalidDocument: one cannot be read.
    """
    return dict(sorted((_name(path, change), file_digest(path)) for path in _files(change)))


def beside(change: Change, kept: Mapping[str, Any]) -> Change:
    """The change that is named beside a snapshot, with what that was read for: which files, and which clusters.

    A file that is not what it was then, or was no part of it, stands there under a name of its own: what was read, was
    read for another one.

    :param kept: the change in the snapshot.
    :raises InvalidDocument: a file cannot be read.
    """
    then, clusters = _mapping(kept, "inputs"), dict(change.clusters)
    now = {_name(path, change): file_digest(path) for path in _files(change) if path.exists()}
    others = {f"{name}{_BESIDE}": digest for name, digest in now.items() if then.get(name) != digest}
    for name, cluster in clusters.items():
        record = _mapping(_mapping(kept, "clusters"), name)
        server, authority = (str(record.get(key) or "") for key in ("server", "authority"))
        clusters[name] = replace(cluster, server=server, authority=authority)
    return replace(change, clusters=clusters, inputs=dict(sorted({**then, **others}.items())))


def _mapping(record: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = record.get(key)
    return found if isinstance(found, Mapping) else {}


def waivers_of(
    change: Change, known: Collection[str], profile: Profile, now: datetime
) -> tuple[list[Waiver], dict[str, str]]:
    """The waivers of a change, and as from `digests_of` the digest of the very text that they were read from.

    :raises InvalidDocument: they cannot be read, or are wrong (see `load_waivers`).
    """
    path = change.waivers
    if path is None:
        return [], {}
    data = content_of(path)  # once: a pipe gives it once, and a file may be another one later
    return load_waivers(path, known, profile, now, data), {_name(path, change): _digest(data)}


def _name(path: Path, change: Change) -> str:
    base = change.file.absolute().parent if change.file else Path.cwd()
    if path.absolute().is_relative_to(base):
        # As it is called there: the files of a ConfigMap are links to a directory whose name is another in each pod.
        found = Path(os.path.relpath(path.absolute(), base)).as_posix()
    else:
        found = Path(os.path.relpath(path.resolve(), base.resolve())).as_posix()
    # As it will stand in the report, with which it is compared some day.
    return encodable(found)


def _files(change: Change) -> Iterator[Path]:
    if change.file is not None:
        yield change.file
    for cluster in change.clusters.values():
        yield from cluster.desired


def file_digest(path: Path) -> str:
    """``sha256:`` and the digest of a file.

    :raises InvalidDocument: it cannot be read.
    """
    return _digest(content_of(path))


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
