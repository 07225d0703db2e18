"""What a Git checkout changes since a revision. Git is asked and nothing is written; no remote is contacted."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from conformance.documents import InvalidDocument

__all__ = ["ChangedFile", "InvalidRevision", "changed_files", "top_of"]

_SUFFIXES: Final = (".yaml", ".yml", ".json")
_SECONDS: Final = 60


class InvalidRevision(InvalidDocument):
    """The revision cannot be compared with; a usage error that says what Git said and what to do."""


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """One file of configuration that differs."""

    #: Where it is now, or was before it was deleted.
    path: Path
    #: Its text at the revision, None where it was not there; and in the checkout, None where it no longer is.
    before: str | None
    after: str | None


def top_of(directory: Path) -> Path:
    """The top of the checkout that a directory lies in.

    :raises InvalidRevision: it lies in none, or there is no Git.
    """
    return Path(_git(directory, "rev-parse", "--show-toplevel").strip())


def changed_files(directory: Path, revision: str) -> list[ChangedFile]:
    """Files of YAML or JSON that the checkout around `directory` changes, committed or not, added or not, by their path.

    Compared is with the point where both histories part: what others have done since on a target branch is no part of
    this change.

    :raises InvalidRevision: there is no such revision, or no history in common (a shallow clone), or no checkout.
    """
    top = top_of(directory)
    if revision.startswith("-"):
        msg = f"--since {revision}: expected a revision, such as origin/main or HEAD~1"
        raise InvalidRevision(msg)
    try:
        commit = _git(top, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}").strip()
    except InvalidRevision:
        msg = f"--since {revision}: {top} knows no such revision; fetch it first (in a pipeline: the whole history)"
        raise InvalidRevision(msg) from None
    try:
        base = _git(top, "merge-base", commit, "HEAD").strip()
    except InvalidRevision:
        msg = (
            f"--since {revision}: it has no history in common with this checkout, which may be a shallow clone: "
            "fetch the whole history (fetch-depth: 0, GIT_DEPTH: 0, git fetch --unshallow)"
        )
        raise InvalidRevision(msg) from None
    before: dict[str, str | None] = {}
    # Renames would be pairs by content, and the files of several clusters may be alike.
    told = _git(top, "diff", "--name-status", "--no-renames", "-z", base, "--").split("\0")
    for status, name in zip(told[::2], told[1::2], strict=False):
        if name.endswith(_SUFFIXES):
            before[name] = None if status == "A" else _git(top, "show", f"{base}:{name}")
    for name in _git(top, "ls-files", "--others", "--exclude-standard", "-z").split("\0"):
        if name.endswith(_SUFFIXES):
            before.setdefault(name, None)
    found = [ChangedFile(top / name, text, _text(top / name)) for name, text in before.items()]
    return sorted(found, key=lambda one: one.path)


def _text(path: Path) -> str | None:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:  # such as a submodule, or a link that leads nowhere
        return None


def _git(directory: Path, *words: str) -> str:
    # Names and times as they are stored, whatever the user's language and settings.
    command = ["git", "--no-optional-locks", "-c", "core.quotepath=off", "-C", str(directory), *words]
    try:
        done = subprocess.run(command, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - words of our own
    except FileNotFoundError:
        msg = "--since: there is no git here; install it, or give --upgrade-from, --upgrade-to and --desired"
        raise InvalidRevision(msg) from None
    except subprocess.TimeoutExpired:
        msg = f"--since: `git {words[0]}` did not end within {_SECONDS} s in {directory}"
        raise InvalidRevision(msg) from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit {done.returncode}"]
        said = next((line for line in lines if line.startswith("fatal:")), lines[-1])
        msg = f"--since: `git {words[0]}` in {directory}: {said}"
        raise InvalidRevision(msg)
    return done.stdout.decode(errors="replace")
