"""Rounds: the reads of one host, run by as few scripts as possible; one, where nothing goes wrong.

A read may hang in a way that nothing on the host can end (a dead NFS mount), flood the connection, or take its group
down with it. Then the round is given up, the culprit has its answer, and the reads that are left have another round.
Every round settles at least one read, so this ends.

This module decides; it neither connects nor waits. A transport does, for each script::

    while (script := rounds.next()) is not None:
        ... run it; feed rounds.stdout and rounds.stderr until rounds.over, or the output ends,
        or rounds.patience() is used up ...
        rounds.end()
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from conformance.answers import Answer, Problem
from conformance.gather.parser import Parser, Reading
from conformance.gather.script import build, is_alone, new_nonce
from conformance.reads import HostRead

__all__ = ["GRACE", "Rounds"]

#: Seconds that a host has to end a read by itself, beyond the limit of the read, before the round is given up.
GRACE: Final = 3.0
#: Seconds that the login has to begin with the script; before that run the start-up files of the login shell.
BEGIN: Final = 30.0


class Rounds:
    """All rounds of one host.

    :param sudo: whether reads that need root may use ``sudo -n``.
    :param longest: bytes that a script may have where the transport is bounded, else None.
    :param clock: counts seconds.
    """

    def __init__(
        self,
        reads: Sequence[HostRead],
        *,
        sudo: bool,
        longest: int | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reads = tuple(reads)
        self._sudo = sudo
        self._longest = longest
        self._clock = clock
        self._settled: dict[str, Answer] = {}
        self._alone: set[str] = set()
        self._parser: Parser | None = None
        self._asked = 0.0
        self.count = 0

    def next(self) -> str | None:
        """The script of the next round, or None where every read has its answer."""
        pending = [read for read in self._reads if read.key not in self._settled]
        if not pending:
            return None
        self.count += 1
        nonce = new_nonce()
        while True:
            script = build(pending, nonce, sudo=self._sudo, alone=self._alone)
            if self._longest is None or len(script.encode()) <= self._longest or len(pending) == 1:
                break
            del pending[(len(pending) + 1) // 2 :]
        self._parser = Parser(nonce, pending, self._clock)
        self._asked = self._clock()
        return script

    @property
    def parser(self) -> Parser:
        """The parser of the round that is running."""
        if self._parser is None:
            msg = "no round is running"
            raise RuntimeError(msg)
        return self._parser

    def stdout(self, data: bytes) -> None:
        """Bytes from the script's standard output."""
        self.parser.stdout(data)

    def stderr(self, data: bytes) -> None:
        """Bytes from the script's standard error."""
        self.parser.stderr(data)

    @property
    def over(self) -> bool:
        """Whether nothing more is to be waited for: the script is done, or it floods."""
        return self.parser.finished or self.parser.flooding

    def patience(self) -> float:
        """Seconds until the round has to be given up, since it does not begin or a read does not end; else infinite."""
        running = self.parser.running
        if not self._begun:
            return self._asked + BEGIN - self._clock()
        if running is None or running.started is None:
            return float("inf")
        return running.started + running.read.timeout + GRACE - self._clock()

    @property
    def _begun(self) -> bool:
        return any(one.started is not None for one in self.parser.readings)

    def end(self, broken: Problem | None = None) -> None:
        """Draw the conclusions of a round.

        :param broken: why there can be no further one: the connection is lost, the deadline is over.
        """
        if broken is None and not self._begun and (self.parser.flooding or self.patience() <= 0.0):
            does = "prints without end" if self.parser.flooding else f"has not ended within {BEGIN:.0f} s"
            broken = Problem(
                "timed-out",
                f"a start-up file of the login shell {does}: mend it (.bashrc, .zshenv, .cshrc, config.fish)",
            )
        parser, self._parser = self.parser, None
        parser.close()
        now = self._clock()
        before = len(self._settled) + len(self._alone)
        for reading in parser.readings:
            answer = reading.answer(parser.nonce, now)
            if answer is None and reading.started is not None and (reading.ended is None or broken is not None):
                answer = self._interrupted(reading, now, broken)
            if answer is not None:
                self._settled[reading.read.key] = answer
        if broken is None and len(self._settled) + len(self._alone) == before:
            said = parser.noise.decode("utf-8", "backslashreplace").strip()[-300:]
            if any(one.ended is not None for one in parser.readings):
                broken = Problem("error", "standard error does not arrive from there: what ran may have failed")
            else:
                broken = Problem("error", f"/bin/sh did not run there: {said or 'nothing was printed'}")
        if broken is not None:
            stopped = next(
                (one.read.key for one in parser.readings if one.started is not None and one.ended is None), None
            )
            self.give_up(broken, stopped)

    def give_up(self, problem: Problem, during: str | None = None) -> None:
        """No further round: every read without an answer gets this problem, or is not read because of it.

        :param during: the key of the read that was running then.
        """
        if during is not None and during in self._settled:
            problem = Problem("not-read", f"not read: {problem.message} (during `{during}`)")
        for read in self._reads:
            self._settled.setdefault(read.key, Answer(problem=problem))

    def answers(self) -> dict[str, Answer]:
        """An answer for every read, in the order of the reads.

        :raises KeyError: not all reads have one yet.
        """
        return {read.key: self._settled[read.key] for read in self._reads}

    def _interrupted(self, reading: Reading, now: float, broken: Problem | None) -> Answer | None:
        """What became of a read that began and has not arrived whole, or None where it shall be tried again, alone."""
        key, limit = reading.read.key, reading.read.timeout
        seconds = now - (reading.started or now)
        if reading.ended is not None and broken is not None:
            message = f"{broken.message} (before all that `{key}` said on standard error had arrived)"
            return Answer.failed(broken.kind, message, reading.ended - (reading.started or now))
        if seconds >= limit - 0.5 or (broken is not None and broken.kind == "timed-out"):
            message = f"`{key}` did not end within {min(limit, seconds):.0f} s: run it there by hand to see why"
            return Answer.failed("timed-out", message, seconds)
        if broken is not None:
            return Answer.failed(broken.kind, f"{broken.message} (during `{key}`)", seconds)
        if not is_alone(reading.read, self._alone):
            self._alone.add(key)
            return None
        return Answer.failed("error", f"`{key}` ended the shell that ran it: {reading.errors[-200:]}", seconds)
