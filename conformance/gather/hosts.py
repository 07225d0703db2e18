"""All hosts of a run side by side, each with a deadline of its own."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from conformance.answers import Problem
from conformance.gather.jobs import Gathered, HostJob, Progress, SshSettings
from conformance.gather.lifeline import Lifeline
from conformance.gather.targets import is_ssh

if TYPE_CHECKING:
    from conformance.gather.ssh import Ssh

__all__ = ["gather_hosts"]

#: Seconds that a worker has to hand over what it has read, once its host is cut off; then it is left behind.
_FAREWELL: Final = 2.0
#: Seconds between two looks at the limits that workers set meanwhile.
_LOOK: Final = 0.5


@dataclass(slots=True)
class _Work:
    job: HostJob
    lifeline: Lifeline
    started: float
    #: When it was cut off.
    cut: float | None = None


def gather_hosts(
    jobs: Sequence[HostJob], settings: SshSettings, progress: Progress | None = None
) -> dict[str, Gathered]:
    """Make the reads of all hosts. Every read of every job gets an answer, if only a problem.

    A host that hangs costs its own deadline, counted from when its turn comes, and nobody else's: at most
    `settings.parallel` are asked at a time. `progress` is told of each host that is done, in this thread.

    :raises InvalidSshSettings: the ssh configuration is missing or malformed (see `check_settings`).
    """
    waiting = deque(jobs)
    running: dict[str, _Work] = {}
    done: dict[str, Gathered] = {}
    results: queue.SimpleQueue[tuple[str, Gathered]] = queue.SimpleQueue()
    ssh = _shared(jobs, settings)
    try:
        while waiting or running:
            while waiting and len(running) < max(1, settings.parallel):
                job = waiting.popleft()
                running[job.subject] = _start(job, settings, ssh, results)
            finished: dict[str, Gathered] = {}
            try:
                subject, gathered = results.get(timeout=_until_next_limit(running))
                finished[subject] = gathered
            except queue.Empty:
                pass
            finished |= _cut_off(running)
            for subject, gathered in finished.items():
                # One that was left behind may still hand over something; its host has its answers.
                if running.pop(subject, None) is not None:
                    done[subject] = gathered
                    if progress is not None:
                        progress(subject, _trouble(gathered))
    finally:
        # Empty but for an interrupt.
        cuts = [_cut(work, Problem("not-read", "the run was interrupted")) for work in running.values()]
        for cut in cuts:
            cut.join(_FAREWELL)
        if ssh is not None:
            ssh.close()
    return {job.subject: done[job.subject] for job in jobs}


def _shared(jobs: Sequence[HostJob], settings: SshSettings) -> Ssh | None:
    if not any(is_ssh(job.connection) for job in jobs):
        return None
    from conformance.gather.ssh import Ssh

    return Ssh(settings)


def _start(
    job: HostJob, settings: SshSettings, ssh: Ssh | None, results: queue.SimpleQueue[tuple[str, Gathered]]
) -> _Work:
    work = _Work(job, Lifeline(settings.deadline), time.monotonic())

    def gather() -> None:
        try:
            if ssh is not None and is_ssh(job.connection):
                gathered = ssh.gather(job, work.lifeline)
            else:
                from conformance.gather import local

                gathered = local.gather(job, work.lifeline, sudo=settings.sudo)
        except BaseException as error:
            # A defect of ours: every check of this host is unknown, the other hosts are none the worse.
            message = f"the host could not be asked: {type(error).__name__}: {error}"
            gathered = Gathered.nothing([read.key for read in job.reads], "error", message)
        # Closes the connection and whatever else is held.
        work.lifeline.cut(Problem("not-read", "the host is done"))
        results.put((job.subject, gathered))

    # A daemon: one that hangs where nothing wakes it must not keep the interpreter from ending.
    threading.Thread(target=gather, name=f"gather {job.subject}", daemon=True).start()
    return work


def _until_next_limit(running: dict[str, _Work]) -> float:
    """Seconds until somebody has to be cut off or left behind, as far as is known now."""
    return min([_LOOK, *(work.lifeline.left for work in running.values() if work.cut is None)])


def _cut(work: _Work, problem: Problem) -> threading.Thread:
    """Cut off a host in a thread of its own: closing may wait for the other side."""
    thread = threading.Thread(target=work.lifeline.cut, args=(problem,), daemon=True)
    thread.start()
    return thread


def _cut_off(running: dict[str, _Work]) -> dict[str, Gathered]:
    """Cut off hosts whose time is over; the result is what is left of those whose worker does not come back."""
    left_behind: dict[str, Gathered] = {}
    for subject, work in running.items():
        now = time.monotonic()
        if work.cut is None:
            problem = work.lifeline.due()
            if problem is not None:
                work.cut = now
                _cut(work, problem)
        elif now > work.cut + _FAREWELL:
            problem = work.lifeline.problem or Problem("timed-out", "the host did not answer in time")
            keys = [read.key for read in work.job.reads]
            left_behind[subject] = Gathered.nothing(keys, problem.kind, problem.message, now - work.started)
    return left_behind


def _trouble(gathered: Gathered) -> str | None:
    """Why a host gave no answer at all, or None."""
    problems = [answer.problem for answer in gathered.answers.values()]
    return problems[0].message if problems and problems[0] is not None and all(problems) else None
