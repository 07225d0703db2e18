"""Reads of logs that only root may read: filtered on the host, so that nothing but the lines that matter leaves it.

The log is printed by one program with plain words, as root where `sudo` allows it. What it prints goes through a filter
that the login user runs. Searching by journalctl itself (``--grep``) would not do: systemd before 237 does not have it,
Ubuntu 18.04 and Debian 10 are built without it, and together with ``--lines`` older ones search only the last entries.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.answers import Answer, Unreadable
from conformance.reads.hosts import HostRead, InvalidRead
from conformance.reads.refusals import last_line, refusal, says_nothing

__all__ = ["Filtered", "Journal", "filtered", "journal"]

#: Seconds for reading a log of a day; not the default, so that it stands in no group.
_TIMEOUT: Final = 20.0
#: Characters that are kept of one line.
_LONGEST: Final = 1000
_UNIT: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.@-]*")
_PATTERN: Final = re.compile(r"[^\x00-\x1f\x7f/]+")
_WORD: Final = re.compile(r"[A-Za-z0-9_=.,:/@%+-]+")


@dataclass(frozen=True, slots=True)
class Filtered(HostRead):
    """The last lines of what a program prints that match a pattern; the fact receives them as a list, the oldest first.

    The pattern is an extended regular expression over bytes, without a slash: ``.`` stands for one.
    """

    line: str
    matching: str
    #: How many lines are kept, the last ones.
    lines: int = 20
    ignore_case: bool = False
    #: Exit statuses of the program that count as an answer.
    ok: tuple[int, ...] = (0,)
    #: What it says on standard error where its exit status is no answer, and yet nothing is wrong: a line of its own, or
    #: what follows its name; that a file does not exist, of a path among its arguments.
    nothing: str = ""
    #: Where not, the fact receives the `Unreadable` instead of its being raised: for lines that only make certain what
    #: something else decides, or that decide together with other reads.
    required: bool = True
    timeout: float = field(default=_TIMEOUT, kw_only=True)
    sudo: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        words = self.line.split()
        if not words or not words[0].startswith("/") or not all(_WORD.fullmatch(one) for one in words):
            msg = f"{self.line!r}: expected one program with an absolute path and plain arguments"
            raise InvalidRead(msg)
        _check_filter(self.matching, self.lines, ignore_case=self.ignore_case, sudo=self.sudo)

    @property
    def key(self) -> str:
        return f"sudo {self.line} {_shown(self.matching, self.lines, ignore_case=self.ignore_case)}"

    @property
    def words(self) -> tuple[str, ...] | None:
        return tuple(self.line.split())

    @property
    def through(self) -> str:
        return _filter(self.matching, self.lines, ignore_case=self.ignore_case)

    @property
    def script(self) -> str:
        return self.line

    def decode(self, stdout: str, nonce: str) -> Mapping[str, Any]:
        return _decode(stdout, nonce)

    def extract(self, answer: Answer) -> Any:
        return _attempt(self._lines, answer, required=self.required)

    def _lines(self, answer: Answer) -> list[str]:
        got = _required(self.key, answer)
        rc = got["source_rc"]
        if rc in self.ok or says_nothing(rc, got["stderr"], self.words or (), self.nothing):
            return _split(got["stdout"])
        raise Unreadable(refusal(f"sudo {self.line}", {**got, "rc": rc}), read=self.key)


@dataclass(frozen=True, slots=True)
class Journal(HostRead):
    """The last lines of the journal that match a pattern; the fact receives them as a list, the oldest first.

    The list is empty where the journal, as far back as it goes within these hours, holds no such line - also where it
    is only as old as the last boot, or where the unit never said anything. A host without a journal, one that keeps
    none, and one whose journal the user may not read - journalctl says so, and ends with 0 - are `Unreadable`.

    The pattern is an extended regular expression over the whole line (time, host, program, message) as bytes, without
    a slash: ``.`` stands for one. Source: journalctl(1).
    """

    #: None for all units.
    unit: str | None
    matching: str
    #: Hours back from now.
    since: int = 24
    #: How many lines are kept, the last ones.
    lines: int = 20
    #: What the kernel said, in all boots of these hours.
    kernel: bool = False
    ignore_case: bool = False
    #: As in `Filtered`.
    required: bool = True
    timeout: float = field(default=_TIMEOUT, kw_only=True)
    sudo: bool = field(default=True, kw_only=True)

    def __post_init__(self) -> None:
        if (self.unit is None) is not self.kernel:
            msg = f"journal: expected a unit, or kernel=True, not unit={self.unit!r} with kernel={self.kernel}"
            raise InvalidRead(msg)
        if self.unit is not None and not _UNIT.fullmatch(self.unit):
            msg = f"{self.unit!r}: expected the name of a unit, of letters, digits and . - _ @"
            raise InvalidRead(msg)
        if self.since < 1:
            msg = f"journal: since={self.since}: expected whole hours, 1 at least"
            raise InvalidRead(msg)
        _check_filter(self.matching, self.lines, ignore_case=self.ignore_case, sudo=self.sudo)

    @property
    def words(self) -> tuple[str, ...] | None:
        which = "_TRANSPORT=kernel" if self.unit is None else f"--unit={self.unit}"
        return ("/usr/bin/journalctl", "--no-pager", "--all", "--output=short-iso", f"--since=-{self.since}h", which)

    @property
    def key(self) -> str:
        shown = _shown(self.matching, self.lines, ignore_case=self.ignore_case)
        return f"sudo {' '.join(self.words or ())} {shown}"

    @property
    def through(self) -> str:
        return _filter(self.matching, self.lines, ignore_case=self.ignore_case)

    @property
    def script(self) -> str:
        return " ".join(self.words or ())

    def decode(self, stdout: str, nonce: str) -> Mapping[str, Any]:
        return _decode(stdout, nonce)

    def extract(self, answer: Answer) -> Any:
        return _attempt(self._lines, answer, required=self.required)

    def _lines(self, answer: Answer) -> list[str]:
        got = _required(self.key, answer)
        said = got["stderr"]
        command = f"sudo {' '.join(self.words or ())}"
        if "insufficient permissions" in said or "not seeing messages" in said:
            raise Unreadable(
                f"the journal is not readable to the login user (`{command.removeprefix('sudo ')}`): give --sudo, or put "
                "the user into the group systemd-journal",
                read=self.key,
            )
        if "No journal files" in said:
            raise Unreadable(
                f"the host keeps no journal (it said: {last_line(said)}): see Storage= in journald.conf, and look at "
                f"where {self.unit or 'the kernel'} logs by hand",
                read=self.key,
            )
        # With nothing to show, newer ones end with 1.
        if got["source_rc"] != 0 and (got["source_rc"] != 1 or said.strip()):
            raise Unreadable(refusal(command, {**got, "rc": got["source_rc"]}), read=self.key)
        found = _split(got["stdout"])
        if not found and said.strip():
            raise Unreadable(f"`{command}` did not read the whole journal: {last_line(said)}", read=self.key)
        return found


def _check_filter(matching: str, lines: int, *, ignore_case: bool, sudo: bool) -> None:
    if not _PATTERN.fullmatch(matching):
        msg = f"{matching!r}: expected a pattern of one line without a slash; write . for one"
        raise InvalidRead(msg)
    try:
        re.compile(matching)
    except re.error as error:
        msg = f"{matching!r} is no regular expression: {error}"
        raise InvalidRead(msg) from None
    if ignore_case and re.search(r"[\\[]", matching):
        msg = f"{matching!r}: with ignore_case, expected a pattern without brackets and backslashes"
        raise InvalidRead(msg)
    if lines < 1:
        msg = f"lines={lines}: expected 1 at least"
        raise InvalidRead(msg)
    if not sudo:
        msg = "a filtered read is for what root may read; without, write a pipe as a command"
        raise InvalidRead(msg)


def _shown(matching: str, lines: int, *, ignore_case: bool) -> str:
    case = "grep -Ei" if ignore_case else "grep -E"
    return f"| {case} '{matching}' | tail -n {lines}"


def _filter(matching: str, lines: int, *, ignore_case: bool) -> str:
    """The snippet; the line with the exit status goes by, behind the last of the others.

    What journalctl itself says, such as ``-- No entries --``, is dropped.
    """
    pattern = matching.replace("'", "'\\''")
    if ignore_case:  # busybox's sed has no flag for it
        pattern = re.sub(r"[A-Za-z]", lambda match: f"[{match[0].lower()}{match[0].upper()}]", pattern)
    return (
        f"sed -n -E -e \"/^$PF_NONCE rc [0-9]+\\$/{{p;d;}}\" -e '/^-- .* --$/d' "
        f"-e '/{pattern}/{{s/^(.{{{_LONGEST}}}).*$/\\1/;p;}}' | tail -n {lines + 1}"
    )


def _decode(stdout: str, nonce: str) -> Mapping[str, Any]:
    text, mark, rc = stdout.rpartition(f"{nonce} rc ")
    return {"stdout": text if mark else stdout, "source_rc": int(rc) if rc.strip().isdigit() and mark else None}


def _split(text: str) -> list[str]:
    """The lines; other characters that end a line somewhere, such as a form feed, do not end one in a log."""
    return text.removesuffix("\n").split("\n") if text else []


def _attempt(lines: Callable[[Answer], list[str]], answer: Answer, *, required: bool) -> list[str] | Unreadable:
    try:
        return lines(answer)
    except Unreadable as failure:
        if required:
            raise
        return failure


def _required(key: str, answer: Answer) -> Mapping[str, Any]:
    got = answer.require()
    if got["rc"] != 0 or got["source_rc"] is None:
        raise Unreadable(f"`{key}` did not come to its end: {last_line(got['stderr'])}", read=key)
    return got


def journal(
    unit: str | None = None,
    *,
    matching: str,
    since: int = 24,
    lines: int = 20,
    kernel: bool = False,
    ignore_case: bool = False,
    required: bool = True,
    **bounds: Any,
) -> Journal:
    """Declare the lines of a unit's journal - or, with `kernel`, of the kernel's - that match a pattern; see `Journal`.

    :param since: hours back from now.
    :param lines: how many are kept, the last ones.
    :param required: where not, the fact receives the `Unreadable` instead of its being raised.
    """
    return Journal(unit, matching, since, lines, kernel, ignore_case, required, **bounds)


def filtered(
    line: str,
    *,
    matching: str,
    lines: int = 20,
    ignore_case: bool = False,
    ok: tuple[int, ...] = (0,),
    nothing: str = "",
    required: bool = True,
    **bounds: Any,
) -> Filtered:
    """Declare the lines that match a pattern of what a program prints that needs root; see `Filtered`.

    :param nothing: what the program itself says on standard error where it found nothing and ends with an error.
    :param required: as in `journal`.
    """
    return Filtered(line, matching, lines, ignore_case, ok, nothing, required, **bounds)
