"""The audit log of a lab API server: what was asked of it, by whom, and how it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.lab.controlplane.api import Object, wait_until

POLICY = """\
apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
rules:
- level: None
  users: [system:apiserver]
- level: Metadata
"""


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One request that the API server has answered."""

    user: str
    verb: str
    uri: str
    status: int
    document: Object


class AuditLog:
    """The file that an API server with POLICY writes, one JSON object a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.touch()

    def position(self) -> int:
        """Where the log ends now, for `events(since=...)`."""
        return self.path.stat().st_size

    def events(self, *, user: str | None = None, since: int = 0) -> list[AuditEvent]:
        """All requests answered since `since`, by `user` where one is named, refused ones too, in order."""
        # A request is logged as complete just after its answer has left, so what was answered may be missing
        # for a moment. It was logged as received before, though: the log is whole when each has an end.
        wait_until(lambda: not _unfinished(self._lines(since)), "the audit log to have the end of every request")
        events = [_event(line) for line in self._lines(since) if _is_answered(line)]
        return [event for event in events if user is None or event.user == user]

    def _lines(self, since: int) -> list[Object]:
        with self.path.open("rb") as log:
            log.seek(since)
            whole, _, _ = log.read().rpartition(b"\n")
        return [json.loads(line) for line in whole.splitlines()]


def _unfinished(lines: list[Object]) -> set[str]:
    lines = [line for line in lines if line["verb"] != "watch"]
    received = {line["auditID"] for line in lines if line["stage"] == "RequestReceived"}
    return received - {line["auditID"] for line in lines if line["stage"] != "RequestReceived"}


def _is_answered(line: Object) -> bool:
    # What fails authentication gets no further than ResponseStarted.
    refused = line["stage"] == "ResponseStarted" and line.get("responseStatus", {}).get("code") == 401
    return refused or line["stage"] in ("ResponseComplete", "Panic")


def _event(line: Object) -> AuditEvent:
    user: Any = line.get("user", {}).get("username", "")
    return AuditEvent(user, line["verb"], line["requestURI"], line.get("responseStatus", {}).get("code", 0), line)
