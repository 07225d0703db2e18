"""What a report says of the examination itself: which reads were made, by which versions, from which catalogue."""

from __future__ import annotations

import hashlib
import platform
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from conformance.run import Run
    from conformance.snapshot import Snapshot

__all__ = ["account_of"]

_PARTS: Final = ("pytest", "pytest-html", "pytest-testinfra", "paramiko", "kubernetes")


def account_of(run: Run) -> dict[str, Any]:
    """``reads`` (each once: on how many subjects, how many were not answered, the slowest), ``versions``, ``catalogue``."""
    return {"reads": _reads(run.snapshot), "versions": _versions(), "catalogue": _catalogue(run)}


def _reads(snapshot: Snapshot) -> list[dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for answers in snapshot.answers.values():
        for key, answer in answers.items():
            one = made.setdefault(key, {"read": key, "subjects": 0, "unread": 0, "seconds": 0.0})
            one["subjects"] += 1
            one["unread"] += answer.problem is not None
            one["seconds"] = max(one["seconds"], round(answer.seconds, 3))
    return [made[key] for key in sorted(made)]


@cache
def _versions() -> dict[str, str]:
    found = {"Python": platform.python_version()}
    for name in _PARTS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _catalogue(run: Run) -> dict[str, Any]:
    """How many hazards are known, and a digest of the files of the checks and profiles that they were looked for with."""
    digest = hashlib.sha256()
    files = {check.path for check, _ in run.table.values()} | {run.profile.file}
    # Names and content, wherever the checkout lies.
    for path in sorted(files, key=lambda one: one.parts[-2:]):
        # The bytes of its name, which need not be UTF-8.
        name = "/".join(path.parts[-2:]).encode("utf-8", "surrogateescape")
        digest.update(name + b"\0" + _content(path) + b"\0")
    return {"hazards": len(run.table), "digest": f"sha256:{digest.hexdigest()[:16]}"}


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""
