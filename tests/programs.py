"""Programs of this machine that a test is run with: each is skipped by name where it is not installed."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

__all__ = ["each_of"]


def each_of(*commands: str) -> list[Any]:
    """Parameters of a test, one for each command ("busybox sh"), which is given as it stands here."""
    return [
        pytest.param(
            command,
            id=command,
            marks=pytest.mark.skipif(not shutil.which(program), reason=f"{program} is not installed"),
        )
        for command in commands
        for program in command.split()[:1]
    ]
