"""Who runs this and where files of his own are; in a container that runs as any number neither needs to be known."""

from __future__ import annotations

import getpass
import os
from pathlib import Path

__all__ = ["at_home", "user_name"]


def user_name() -> str:
    """The login name, by the environment or the system's list of users; of one who has none, his number."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def at_home(path: str | Path) -> Path:
    """A path with a leading tilde replaced; one whose home is unknown stays as it is, and so is not there."""
    return Path(os.path.expanduser(path))
