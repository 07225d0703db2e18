"""Where the lab keeps what is expensive to build, so that it is built once per machine and not once per run.

A build is a file or directory whose name carries a hash of its recipe: a changed recipe is another name, an
old build is never repaired. It appears under its final name by one rename, complete or not at all.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """The cache directory: $PREFLIGHT_CACHE, else pytest-preflight below the user's cache directory."""
    named = os.environ.get("PREFLIGHT_CACHE")
    if named:
        path = Path(named).expanduser().absolute()
    else:
        path = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "pytest-preflight"
    path.mkdir(parents=True, exist_ok=True)
    return path


def recipe_key(*parts: str) -> str:
    """A short name for a recipe: the same parts give the same key, on every machine."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Hold the cache's lock called `name`; a second process waits until the first is done or dead."""
    # The lock file stays: removing it would let a third process lock a new file of that name beside the
    # second.
    path = cache_dir() / f"{name}.lock"
    with path.open("a", encoding="ascii") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"lab: waiting for another process that holds {path}", file=sys.stderr)
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield  # closing the file lets go of the lock, and so does the death of the process


def built(name: str, build: Callable[[Path], None]) -> Path:
    """The finished build `name` in the cache; `build(path)` makes it at `path`, once, where it is not there.

    `path` does not exist when `build` is called: it creates a file or a directory there. What it leaves is
    renamed to its final name only when it returns; what a failed build left is removed.
    """
    final = cache_dir() / name
    if final.exists():
        return final
    with locked(name):
        if final.exists():
            return final
        scratch = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=cache_dir()))
        try:
            build(scratch / name)
            (scratch / name).rename(final)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    return final
