"""Progress of gathering: one line that moves on a terminal, plain lines where there is none."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from conformance.gather.jobs import Progress
from conformance.gathering import Announce

__all__ = ["announcer"]

_WIDTH = 24


def announcer(config: pytest.Config) -> Announce:
    """What `conformance.gathering` tells its progress to."""
    terminal = config.pluginmanager.getplugin("terminalreporter")

    def announce(what: str, total: int) -> Progress:
        if terminal is None:
            return lambda _subject, _problem: None
        return _Line(terminal, what, total)

    return announce


class _Line:
    """The progress of one round; called from several threads."""

    def __init__(self, terminal: Any, what: str, total: int) -> None:
        self._terminal, self._what, self._total = terminal, what, total
        self._done = self._problems = 0
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._moves = bool(terminal.isatty) and terminal.verbosity >= 0
        if not self._moves and terminal.verbosity >= 0:
            terminal.write_line(f"reading {what} ...")

    def __call__(self, subject: str, problem: str | None) -> None:  # noqa: ARG002 - the protocol's signature
        with self._lock:
            self._done += 1
            self._problems += problem is not None
            if self._terminal.verbosity < 0:
                return
            if self._moves:
                filled = self._done * _WIDTH // self._total
                bar = f"[{'#' * filled}{'.' * (_WIDTH - filled)}]"
                self._terminal.rewrite(f"reading {self._what} {bar} {self._done}/{self._total}", erase=True)
            if self._done == self._total:
                failed = f", {self._problems} could not be read" if self._problems else ""
                took = time.monotonic() - self._began
                if self._moves:
                    self._terminal.rewrite("", erase=True)
                self._terminal.write_line(f"read {self._what} in {took:.1f} s{failed}")
