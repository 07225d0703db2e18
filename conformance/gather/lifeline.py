"""Lifelines: how the work on one host is ended from outside, whatever it is waiting for."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from threading import Lock

from conformance.answers import Problem

__all__ = ["Failed", "Lifeline"]


class Failed(Exception):
    """A host cannot be asked, or no further: the problem that its reads get."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.problem = Problem(kind, message)


class Lifeline:
    """The time limits of the work on one host, and everything that has to be closed to end it.

    A worker takes part by `limit` and `hold`; a supervisor asks for `due` and calls `cut`. Times are those of
    `time.monotonic`, durations in seconds.
    """

    def __init__(self, seconds: float) -> None:
        message = f"the deadline of {seconds:g} s for everything on this host has passed"
        self._limits: list[tuple[float, Problem]] = [(time.monotonic() + seconds, Problem("timed-out", message))]
        self._held: list[Callable[[], None]] = []
        self._lock = Lock()
        #: Why it was cut, once it was.
        self.problem: Problem | None = None

    @property
    def left(self) -> float:
        """Seconds until the nearest limit, never negative."""
        with self._lock:
            return max(0.0, min(limit for limit, _ in self._limits) - time.monotonic())

    @contextlib.contextmanager
    def limit(self, seconds: float, message: str) -> Iterator[None]:
        """What happens inside has to be done within `seconds`; else the host is cut off with this message."""
        entry = (time.monotonic() + seconds, Problem("timed-out", message))
        with self._lock:
            self._limits.append(entry)
        try:
            yield
        finally:
            with self._lock:
                self._limits.remove(entry)

    def due(self) -> Problem | None:
        """The problem of a limit that has passed, or None."""
        now = time.monotonic()
        with self._lock:
            return next(
                (problem for limit, problem in sorted(self._limits, key=lambda one: one[0]) if limit <= now), None
            )

    def hold(self, close: Callable[[], None]) -> None:
        """Have `close` called when the host is cut off or done: at once where it already is."""
        with self._lock:
            if self.problem is None:
                self._held.append(close)
                return
        close()

    def cut(self, problem: Problem) -> None:
        """End the work: close everything that is held, so that whoever waits for it wakes up."""
        with self._lock:
            if self.problem is None:
                self.problem = problem
            held, self._held = self._held[::-1], []
        for close in held:
            # One that cannot be closed must not keep the others open.
            with contextlib.suppress(Exception):
                close()
