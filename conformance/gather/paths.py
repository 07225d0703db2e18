"""One path of an API server that is no resource, as an answer."""

from __future__ import annotations

from typing import Any

from conformance.answers import Answer
from conformance.gather.http import JSON, Got, Requester
from conformance.reads import Path

__all__ = ["read_path"]


def read_path(requester: Requester, read: Path, until: float) -> Answer:
    """The answer to a path; `until` is the moment at which it must be done.

    :raises Failed: it did not come, or with a status that is no answer.
    """

    def use(got: Got) -> tuple[int, Any]:
        # An error comes as text, whatever was asked for.
        if read.text or got.status != 200:
            return got.status, got.body.decode("utf-8", "replace")
        return got.status, requester.decoded(read.key, got)

    wanted = "*/*" if read.text else JSON
    status, body = requester.get(read.key, read.location, accept=wanted, statuses=read.accept, until=until, use=use)
    return Answer({"body": body} if read.accept == (200,) else {"status": status, "body": body})
