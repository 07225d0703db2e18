"""What a log of cloud-init tells of a new control-plane node that tried to join etcd, attempt by attempt.

Sources: kubeadm, cmd/kubeadm/app/util/etcd/etcd.go and app/phases/etcd/local.go (what it says while a member is added as a
learner and promoted); Cluster API, bootstrap/kubeadm/internal/cloudinit/kubeadm-bootstrap-script.sh (what runs kubeadm and
cleans up after it); etcd, api/v3rpc/rpctypes/error.go (what etcd answers).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["COMPLAINTS", "WORDS", "JoinAttempt", "join_attempts"]

#: What etcd or kubeadm complains of -> in whose words it is told. The first that fits counts.
COMPLAINTS: Final = {
    "peer urls already exist": "Peer URLs already exists",
    "applied index took too long": "request timed out, waiting for the applied index took too long",
    "can only promote a learner member": "can only promote a learner member which is in sync with leader",
}
_BEGINS: Final = re.compile(r"running .kubeadm join phase control-plane-join(?:-|.)etcd", re.IGNORECASE)
_STARTS: Final = re.compile(
    r"adding (?:an )?etcd member|promoting (?:a|the) learner (?:as|\w+ as)|promoting a learner", re.IGNORECASE
)
_PROMOTES: Final = re.compile(r"promoting a learner|promoting the learner", re.IGNORECASE)
#: The etcd step came to its end, and so did the attempt.
_FAILED: Final = re.compile(
    r"error execution phase control-plane-join|join phase control-plane-join(?:-|.)?etcd. ?failed"
    r"|join phase control-plane-join etcd failed|failed action\(s\) for .kubeadm join phase control-plane-join.etcd"
    r"|unknown error \d+ for .kubeadm join phase control-plane-join.etcd",
    re.IGNORECASE,
)
#: Said after any step that failed: it ends an attempt that has begun, and by itself tells of no attempt to join etcd.
_CLEANED: Final = re.compile(
    r"fatal error, exiting|too many errors, exiting|removing member from cluster status|removing etcd member"
    r"|bootstrap script \S+ exiting with status",
    re.IGNORECASE,
)
#: The etcd step is behind it. That the learner was promoted says less: kubeadm may have lost patience by then.
_JOINED: Final = re.compile(
    r"this node has joined the cluster and a new control plane instance was created"
    r"|successful execution for .kubeadm join phase control-plane-join(?:.etcd)?.$"
    r"|successful execution for .kubeadm join phase control-plane-join.etcd"
    r"|bootstrap script \S+ finished|marking the node \S+ as control-plane"
    r"|your kubernetes control-plane has initialized successfully",
    re.IGNORECASE,
)
#: The same as one extended regular expression without a slash, for a filter on the host.
WORDS: Final = (
    "adding (an )?etcd member|promoting (a|the) learner|learner was promoted|already promoted"
    "|peer urls already exist|can only promote a learner|applied index took too long"
    "|control-plane-join|fatal error, exiting|too many errors, exiting|removing member from cluster status"
    "|removing etcd member|bootstrap script|this node has joined the cluster|marking the node"
    "|control-plane has initialized successfully"
)
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?")
_KLOG: Final = re.compile(r"[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d)\.\d+")


@dataclass(slots=True)
class JoinAttempt:
    """One attempt to join etcd."""

    #: Its lines, in their order.
    lines: list[str] = field(default_factory=list)
    #: ``joined``, ``failed``, or ``open`` where the log ends before it.
    end: str = "open"
    #: The line that decided it: the last complaint, or the end.
    decisive: str = ""
    #: The last complaint in the words of `COMPLAINTS`, empty where there was none.
    complaint: str = ""
    #: How many lines complained.
    complaints: int = 0
    promoting: bool = False
    cleaned: bool = False

    @property
    def begun(self) -> datetime | None:
        """When it began, by the node's own clock; None where no line says."""
        return next((moment for one in self.lines if (moment := moment_of(one))), None)

    @property
    def ended(self) -> datetime | None:
        """When its last line was written; None where no line says."""
        return next((moment for one in reversed(self.lines) if (moment := moment_of(one))), None)

    @property
    def took(self) -> timedelta | None:
        """From the first line to the last one."""
        if self.begun is None or self.ended is None or self.ended < self.begun:
            return None
        return self.ended - self.begun

    @property
    def told(self) -> str:
        """What happened, in the order in which it did, for people."""
        steps = ["was promoted from learner" if self.promoting and self.end == "joined" else ""]
        if self.end != "joined":
            steps = [
                "added as learner" if any("adding" in one.lower() for one in self.lines) else "",
                "was to be promoted" if self.promoting else "",
                f"{self.complaint} ({self.complaints} times)" if self.complaints > 1 else self.complaint,
                "kubeadm join phase control-plane-join etcd failed" if self.end == "failed" else "no end is written",
                "the member was removed and the node cleaned" if self.cleaned else "",
            ]
        else:
            steps = [f"{self.complaint} at first" if self.complaint else "", "joined"]
        return ", ".join(one for one in steps if one)


def moment_of(line: str) -> datetime | None:
    """The time that a line bears; a time zone that is not written is UTC, klog's year the latest leap year."""
    try:
        if match := _ISO.search(line):
            text = match[1].replace(" ", "T") + (match[2] or "+00:00").replace("Z", "+00:00")
            return datetime.fromisoformat(text).astimezone(UTC)
        if match := _KLOG.match(line):
            return datetime.fromisoformat(f"2024-{match[1]}-{match[2]}T{match[3]}+00:00")
    except (ValueError, OverflowError):
        pass
    return None


def join_attempts(lines: Iterable[str]) -> list[JoinAttempt]:
    """The attempts that the lines of a log tell of, the oldest first; lines about something else do no harm."""
    found: list[JoinAttempt] = []
    for line in lines:
        now = found[-1] if found else None
        running = now is not None and now.end == "open"
        words = line.lower()
        complaint = next((said for key, said in COMPLAINTS.items() if key in words), "")
        if _BEGINS.search(line) and not (running and now and _only_begun(now)):
            found.append(JoinAttempt([line]))
        elif complaint or _FAILED.search(line) or _STARTS.search(line):
            if now is None or (not running and not _repeats(now, line)):
                now = JoinAttempt()
                found.append(now)
            _add(now, line, complaint)
        elif now is not None and _CLEANED.search(line):
            now.lines.append(line)
            now.cleaned = now.cleaned or "removing" in words
            if running:
                now.end, now.decisive = "failed", now.decisive or line
        elif now is not None and _JOINED.search(line):
            now.lines.append(line)
            if running:
                now.end, now.decisive = "joined", line
        elif running and now is not None:
            now.lines.append(line)
    return found


def _only_begun(attempt: JoinAttempt) -> bool:
    return len(attempt.lines) == 1 and bool(_BEGINS.search(attempt.lines[0]))


def _repeats(attempt: JoinAttempt, line: str) -> bool:
    """Whether a line only says once more that an attempt failed, as kubeadm and what runs it do one after the other."""
    return attempt.end == "failed" and bool(_FAILED.search(line)) and not attempt.cleaned


def _add(attempt: JoinAttempt, line: str, complaint: str) -> None:
    attempt.lines.append(line)
    attempt.promoting = attempt.promoting or bool(_PROMOTES.search(line))
    if complaint:
        attempt.complaint = complaint
        attempt.complaints += 1
        attempt.decisive = line
    if _FAILED.search(line):
        attempt.end = "failed"
        attempt.decisive = attempt.decisive or line
