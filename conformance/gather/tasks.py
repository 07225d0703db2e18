"""A small pool of threads for the requests of one cluster: never waited for longer than its caller wants to.

The threads are daemons, unlike those of `concurrent.futures`: one that hangs in a name look-up must not keep pytest
from ending.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from typing import Any

__all__ = ["Tasks", "after"]


class Tasks:
    """Runs functions on `size` threads; each may submit more of them.

    :param name: of the threads, for a debugger.
    :param on_error: is told of an exception that a function lets out: a defect of ours.
    """

    def __init__(self, name: str, size: int, on_error: Callable[[Exception], None]) -> None:
        self._queue: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._on_error = on_error
        self._size = size
        self._open = 0
        self._changed = threading.Condition()
        self._stopped = False
        for number in range(size):
            threading.Thread(target=self._work, name=f"{name}-{number}", daemon=True).start()

    def submit(self, function: Callable[[], None]) -> None:
        """Run `function` as soon as a thread is free."""
        with self._changed:
            self._open += 1
        self._queue.put(function)

    def finish(self, until: float) -> None:
        """Return when nothing is left to do, or at the moment `until` (`time.monotonic`), whichever is first.

        Functions that were not begun by then are dropped.
        """
        with self._changed:
            self._changed.wait_for(lambda: not self._open, timeout=max(0.0, until - time.monotonic()))
            self._stopped = True
        for _ in range(self._size):
            self._queue.put(None)

    def _work(self) -> None:
        while (function := self._queue.get()) is not None:
            try:
                if not self._stopped:
                    function()
            except Exception as error:
                self._on_error(error)
            finally:
                with self._changed:
                    self._open -= 1
                    self._changed.notify_all()


def after(futures: Iterable[Future[Any]], tasks: Tasks, function: Callable[[], None]) -> None:
    """Submit `function` once all futures have a result; no thread waits for that."""
    waiting = list(futures)
    lock = threading.Lock()

    def one_is_there(_: Future[Any]) -> None:
        with lock:
            waiting.pop()
            complete = not waiting
        if complete:
            tasks.submit(function)

    for future in list(waiting):
        future.add_done_callback(one_is_there)
