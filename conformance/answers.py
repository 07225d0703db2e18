"""Answers: what one read gave, or why it gave nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["PROBLEMS", "Answer", "NotApplicable", "Problem", "Unreadable"]

#: Every kind of problem that a read may end with, and what it means. Snapshots store the kind.
PROBLEMS: Final[Mapping[str, str]] = {
    "unreachable": "no connection could be made, or it was lost",
    "refused": "the credentials were refused",
    "host-key": "the host key is unknown or not the one expected",
    "certificate": "the certificate of the API server does not verify",
    "timed-out": "no answer within the time limit",
    "cut-off": "more output than the size limit allows",
    "forbidden": "the API server denies this request to these credentials",
    "not-served": "discovery, itself read without error, does not list this kind",
    "error": "the subject answered with an error",
    "undecodable": "the answer is not in the form that was asked for",
    "not-read": "the read was not made in this run or is not in the snapshot",
}


class Unreadable(Exception):
    """A fact could not be read or understood. Every check that names it is unknown, never clear.

    :param reason: what is wrong, where, and what to do, in one line.
    :param read: the key of the read that is to blame, where there is one.
    :param subject: the name of the host or cluster that was asked, where it is known.
    """

    def __init__(self, reason: str, *, read: str | None = None, subject: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.read = read
        self.subject = subject


class NotApplicable(Exception):
    """The subject's own facts rule the hazard out, with the reason as a person reads it."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a read gave no answer: one of `PROBLEMS`, and a line that says what, where and what to do."""

    kind: str
    message: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What one read gave: `value` as plain JSON data, or the `problem` that kept it away.

    `seconds` is how long it took and never decides anything.
    """

    value: Mapping[str, Any] | None = None
    problem: Problem | None = None
    seconds: float = 0.0

    @classmethod
    def failed(cls, kind: str, message: str, seconds: float = 0.0) -> Answer:
        """An answer that did not come; `kind` is one of `PROBLEMS`."""
        if kind not in PROBLEMS:
            msg = f"{kind!r} is not a kind of problem"
            raise ValueError(msg)
        return cls(problem=Problem(kind, message), seconds=seconds)

    def require(self) -> Mapping[str, Any]:
        """The value.

        :raises Unreadable: there is none.
        """
        if self.problem is not None or self.value is None:
            raise Unreadable(self.problem.message if self.problem else "nothing was read")
        return self.value
