"""Commands that no read declares, for checks that use testinfra's `host`: one at a time, on an open connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from conformance.answers import Answer
from conformance.gather.jobs import Gathered, Run
from conformance.gather.rounds import Rounds
from conformance.reads import InvalidRead, command

__all__ = ["LIMIT", "TIMEOUT", "rehearsed", "undeclared"]

#: Seconds and bytes of standard output that such a command may take.
TIMEOUT: Final = 30.0
LIMIT: Final = 1_048_576


def undeclared(line: str, read: Callable[[Rounds], None]) -> Answer:
    """The answer of one command line, under the same conditions as any read: /bin/sh, no standard input, bounded.

    :param read: runs all rounds on the host.
    """
    try:
        one = command(line, timeout=TIMEOUT, limit=LIMIT)
    except InvalidRead as error:
        return Answer.failed("error", str(error))
    # As the login user: a command that nobody has declared gets no rights that nobody has reviewed.
    rounds = Rounds([one], sudo=False)
    read(rounds)
    return rounds.answers()[one.key]


def rehearsed(rehearse: Callable[[Run], None], run: Run, gathered: Gathered) -> None:
    """Call what a job wants done after its reads; should it fail, the reads are none the worse."""
    try:
        rehearse(run)
    except BaseException as error:
        gathered.notes["rehearsal"] = f"broke off: {type(error).__name__}: {error}"
