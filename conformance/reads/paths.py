"""Reads of paths of an API server that are no resources, such as ``/version`` and ``/readyz``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from conformance.answers import Answer
from conformance.reads.clusters import At, ClusterRead
from conformance.reads.hosts import InvalidRead

__all__ = ["Path", "Reply", "path"]

_GOOD: Final = 200


@dataclass(frozen=True, slots=True)
class Reply:
    """What a path answered, where more statuses than 200 are an answer."""

    #: The HTTP status.
    status: int
    #: The text, or the decoded JSON.
    body: Any


@dataclass(frozen=True, slots=True)
class Path(ClusterRead):
    """One path of the API server that is no resource, such as ``/version``; the fact receives its JSON, or its text.

    Where `accept` has more statuses than 200, it receives a `Reply`. Where the read is not `required`, it receives the
    `Problem` instead of its being raised: for the question whether the API server answers at all.
    """

    location: str
    text: bool = False
    #: HTTP statuses that are an answer. One other than 200 is asked for again, in case it passes.
    accept: tuple[int, ...] = (_GOOD,)
    required: bool = True

    def __post_init__(self) -> None:
        if _GOOD not in self.accept or any(not 400 <= one < 600 or one == 401 for one in self.accept if one != _GOOD):
            msg = f"{self.location}: expected 200, and beside it statuses from 400 on that are no refusal of a login (401)"
            raise InvalidRead(msg)

    @property
    def key(self) -> str:
        others = [str(one) for one in self.accept if one != _GOOD]
        return f"get {self.location}" + (f" also with status {', '.join(others)}" if others else "")

    def extract(self, answer: Answer) -> Any:
        if answer.problem is not None and not self.required:
            return answer.problem
        got = answer.require()
        return got["body"] if self.accept == (_GOOD,) else Reply(got["status"], got["body"])


def path(
    location: str,
    *,
    text: bool = False,
    accept: tuple[int, ...] = (_GOOD,),
    required: bool = True,
    at: At = "self",
    **bounds: Any,
) -> Path:
    """Declare a path of the API server, such as ``/version``; see `Path`."""
    return Path(location, text, accept, required, at=at, **bounds)
