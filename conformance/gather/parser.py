"""The parser of what the script of `conformance.gather.script` prints: which read gave what, and which gave nothing."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from conformance.answers import Answer
from conformance.gather.script import MARGIN
from conformance.reads import HostRead

__all__ = ["KEPT_STDERR", "STDERR_LIMIT", "Parser", "Reading"]

#: Bytes of standard error that are kept of one read: half from its start, half from its end.
KEPT_STDERR: Final = 4096
#: Bytes of standard error after which a read is given up.
STDERR_LIMIT: Final = 4_194_304
#: Bytes outside of any read after which a host is given up: a start-up file of its login shell prints without end.
NOISE_LIMIT: Final = 64 * 1_048_576
#: What `timeout` ends with when it ended a command: GNU's by TERM, any by KILL, busybox's by TERM.
_ENDED_BY_TIMEOUT: Final = frozenset({124, 137, 143})
_MARK: Final = re.compile(rb"b \d+ [a-z-]+|e \d+ (?:\d+|-)|[sg] \d+|done")
#: Bytes of the longest line that may follow the nonce.
_LONGEST_MARK: Final = 64

Stream = Literal["stdout", "stderr"]


@dataclass(slots=True)
class Reading:
    """What has arrived of one read. Times are those of the parser's clock, None while they are to come."""

    read: HostRead
    started: float | None = None
    ended: float | None = None
    #: The exit status, None where there is none: not ended, or cut off.
    rc: int | None = None
    #: Whether it ran with a `timeout` of its own.
    alone: bool = False
    #: As whom a read that needs root was run: root, sudo, or user.
    run_as: str | None = None
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    #: All bytes of standard error that came, of which `stderr` keeps the first and the last.
    stderr_bytes: int = 0
    #: Whether all its standard error has come; the two streams arrive independently.
    errors_ended: bool = False
    #: The exit status of the group in which it was interrupted.
    group_rc: int | None = None

    @property
    def too_long(self) -> bool:
        """Whether it printed more than its limits allow."""
        return len(self.stdout) > self.read.limit or self.stderr_bytes > STDERR_LIMIT

    @property
    def by_timeout(self) -> bool:
        """Whether its own `timeout` ended it, or its group's while it ran."""
        return (self.rc if self.alone else self.group_rc) in _ENDED_BY_TIMEOUT

    @property
    def errors(self) -> str:
        """Its standard error, shortened in the middle where it is long."""
        kept = bytes(self.stderr)
        if self.stderr_bytes > KEPT_STDERR:
            half = KEPT_STDERR // 2
            kept = kept[:half] + b"\n[...]\n" + kept[-half:]
        return kept.decode("utf-8", "backslashreplace")

    def answer(self, nonce: str, now: float) -> Answer | None:
        """What became of the read, or None where that is not known yet."""
        key = self.read.key
        seconds = 0.0 if self.started is None else (now if self.ended is None else self.ended) - self.started
        if len(self.stdout) > self.read.limit:
            message = f"`{key}` was cut off: it printed more than {self.read.limit:,} bytes: look at it there by hand"
            return Answer.failed("cut-off", message, seconds)
        if self.too_long:
            message = (
                f"`{key}` was cut off: it printed more than {STDERR_LIMIT:,} bytes of errors: look at it there by hand"
            )
            return Answer.failed("cut-off", message, seconds)
        if self.ended is None:
            return None
        if not self.errors_ended:
            # What decides may still be on its way, also where it ended with 0: "no such file", without which absent and
            # unreadable look the same, or the hint of journalctl that this is not the whole journal.
            return None
        if self.by_timeout:
            return Answer.failed(
                "timed-out",
                f"`{key}` did not end within {self.read.timeout:g} s: run it there by hand to see why",
                seconds,
            )
        if self.rc is None:
            return Answer.failed("error", f"`{key}` ended without an exit status: {self.errors[-200:]}", seconds)
        text = self.stdout.decode("utf-8", "backslashreplace")
        value: dict[str, Any] = {**self.read.decode(text, nonce), "stderr": self.errors, "rc": self.rc}
        if self.run_as is not None:
            value["as"] = self.run_as
        # A command may print its environment, and a snapshot outlives the nonce.
        if nonce.encode() in self.stdout or nonce.encode() in self.stderr:
            value = {name: _without(one, nonce) for name, one in value.items()}
        return Answer(value=value, seconds=seconds)


class Parser:
    """Takes what the script printed, in pieces of any size, and tells what became of each read.

    `reads` are those that the script was built from, in the same order; `clock` counts seconds.
    """

    def __init__(self, nonce: str, reads: Sequence[HostRead], clock: Callable[[], float] = time.monotonic) -> None:
        self.nonce = nonce
        self.readings = [Reading(read) for read in reads]
        #: The first bytes outside of any read: what a login shell says when it does not run the script.
        self.noise = bytearray()
        self.noise_bytes = 0
        #: Whether the read that runs has to be stopped, since it prints more than its limits allow.
        self.flooding = False
        self._clock = clock
        self._frames: dict[Stream, _Frames] = {"stdout": _Frames(nonce), "stderr": _Frames(nonce)}
        self._current: dict[Stream, Reading | None] = {"stdout": None, "stderr": None}
        self._done: set[Stream] = set()

    def stdout(self, data: bytes) -> None:
        """Bytes from standard output."""
        self._feed("stdout", data)

    def stderr(self, data: bytes) -> None:
        """Bytes from standard error."""
        self._feed("stderr", data)

    @property
    def finished(self) -> bool:
        """Whether the script came to its end; nothing that comes afterwards matters."""
        return len(self._done) == 2

    @property
    def running(self) -> Reading | None:
        """The read that has begun and not ended."""
        return self._current["stdout"]

    def close(self) -> None:
        """Nothing more is to come: take what was held back as the possible start of a marker."""
        for stream, frames in self._frames.items():
            if rest := frames.rest():
                self._take(stream, rest)

    def answers(self) -> dict[str, Answer]:
        """An answer for every read, as if nothing more were to come."""
        now = self._clock()
        stopped = next((one.read.key for one in self.readings if one.started is not None and one.ended is None), None)
        answers: dict[str, Answer] = {}
        for reading in self.readings:
            key = reading.read.key
            answer = reading.answer(self.nonce, now)
            if answer is None and reading.started is not None:
                answer = Answer.failed("timed-out", f"`{key}` had not ended when its answer broke off")
            elif answer is None and stopped is not None:
                answer = Answer.failed("not-read", f"not read, since everything broke off during `{stopped}`")
            answers[key] = answer or Answer.failed("not-read", "nothing came from the host for this read")
        return answers

    def _feed(self, stream: Stream, data: bytes) -> None:
        for body, mark in self._frames[stream].feed(data):
            if body:
                self._take(stream, body)
            if mark:
                self._turn(stream, mark.decode().split(" "))

    def _take(self, stream: Stream, body: bytes) -> None:
        reading = self._current[stream]
        if reading is None:
            if stream not in self._done:
                self.noise_bytes += len(body)
                self.flooding = self.noise_bytes > NOISE_LIMIT
                self.noise += body[: max(0, KEPT_STDERR - len(self.noise))]
        elif stream == "stdout":
            # A little beyond the limit is enough to know; the rest of a flood is not worth the memory.
            reading.stdout += body[: max(0, reading.read.limit + MARGIN - len(reading.stdout))]
            self.flooding = len(reading.stdout) > reading.read.limit
        else:
            reading.stderr_bytes += len(body)
            reading.stderr += body
            half = KEPT_STDERR // 2
            if len(reading.stderr) > KEPT_STDERR:
                del reading.stderr[half:-half]
            if reading.stderr_bytes > STDERR_LIMIT and reading.ended is None:
                self.flooding = True

    def _turn(self, stream: Stream, mark: list[str]) -> None:
        """What a marker changes."""
        kind, current = mark[0], self._current[stream]
        if stream == "stderr" and current is not None:
            current.errors_ended = True
        if kind == "done":
            self._done.add(stream)
        if kind in {"done", "g"}:
            if current is not None and kind == "g":
                current.group_rc = int(mark[1])
            self._current[stream] = None
            self.flooding = False
        elif kind == "b":
            current = self._current[stream] = self.readings[int(mark[1])]
            if stream == "stdout":
                current.started = self._clock()
                current.run_as = None if mark[2] == "-" else mark[2]
        elif kind == "s" and current is not None:
            current.rc = int(mark[1])
        elif kind == "e" and current is not None:
            if stream == "stdout":
                current.ended = self._clock()
                current.alone = mark[2] == "-"
                current.rc = current.rc if current.alone else int(mark[2])
                self.flooding = False
            self._current[stream] = None


class _Frames:
    """Splits one stream into what lies between markers, and the markers."""

    def __init__(self, nonce: str) -> None:
        self._start = b"\n" + nonce.encode() + b" "
        self._held = b""

    def feed(self, data: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Pairs of bytes that are no marker and the marker after them, each possibly empty.

        Bytes that may yet turn out to be the start of a marker are held back.
        """
        held = self._held + data
        begin = look = 0
        while (at := held.find(self._start, look)) >= 0:
            text = at + len(self._start)
            end = held.find(b"\n", text, text + _LONGEST_MARK)
            if end < 0 and len(held) < text + _LONGEST_MARK:
                break
            if end >= 0 and _MARK.fullmatch(held, text, end):
                yield held[begin:at], held[text:end]
                begin = look = end + 1
            else:
                # The nonce, yet no marker of ours: a read may print markers of its own. Its end may begin ours.
                look = text if end < 0 else end
        keep = at if at >= 0 else max(begin, len(held) - len(self._start) + 1)
        if keep > begin:
            yield held[begin:keep], b""
        self._held = held[keep:]

    def rest(self) -> bytes:
        """The bytes held back, which are then gone."""
        held, self._held = self._held, b""
        return held


def _without(value: Any, nonce: str) -> Any:
    if isinstance(value, str):
        return value.replace(nonce, "PF_NONCE")
    if isinstance(value, dict):
        return {_without(key, nonce): _without(one, nonce) for key, one in value.items()}
    return value
