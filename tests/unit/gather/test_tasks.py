"""The pool of threads: more work out of work, nothing after the deadline, no defect that hangs or hides."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future

from conformance.gather.tasks import Tasks, after


def test_work_may_bring_more_work() -> None:
    tasks, done = Tasks("t", 2, lambda error: None), []

    def first() -> None:
        for number in range(10):
            tasks.submit(lambda number=number: done.append(number))  # type: ignore[misc]

    tasks.submit(first)
    tasks.finish(time.monotonic() + 5)
    assert sorted(done) == list(range(10))


def test_finish_returns_at_the_deadline_and_drops_what_was_not_begun() -> None:
    tasks, done, release = Tasks("t", 1, lambda error: None), [], threading.Event()

    def hang() -> None:
        release.wait(5)

    tasks.submit(hang)
    tasks.submit(lambda: done.append(1))
    started = time.monotonic()
    tasks.finish(started + 0.1)
    assert time.monotonic() - started < 2
    release.set()
    time.sleep(0.1)
    assert not done


def test_an_error_is_told_and_the_rest_goes_on() -> None:
    errors: list[Exception] = []
    tasks, done = Tasks("t", 1, errors.append), []
    tasks.submit(lambda: 1 / 0)  # type: ignore[arg-type]
    tasks.submit(lambda: done.append(1))
    tasks.finish(time.monotonic() + 5)
    assert done == [1]
    assert [type(error) for error in errors] == [ZeroDivisionError]


def test_after_waits_for_all_without_a_thread() -> None:
    tasks, done = Tasks("t", 1, lambda error: None), []
    one, two = Future[int](), Future[int]()
    after([one, two], tasks, lambda: done.append((one.result(), two.result())))

    def resolve() -> None:
        assert not done
        two.set_result(2)
        tasks.submit(lambda: one.set_result(1))

    tasks.submit(resolve)
    tasks.finish(time.monotonic() + 5)
    assert done == [(1, 2)]
