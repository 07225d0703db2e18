"""What a log of cloud-init tells of a new control-plane node that tried to join etcd, attempt by attempt.

Sources: kubeadm, cmd/kubeadm/app/util/etcd/etcd.go and app/phases/etcd/local.go (what it says while a member is added as a
learner and promoted), kubeadm-join-phase(1) (control-plane-join/etcd, later control-plane-join-etcd, then etcd-join); Cluster API, bootstrap/kubeadm/internal/cloudinit/kubeadm-bootstrap-script.sh (what runs kubeadm and
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
_STARTS: Final = re.compile(r"adding (?:an )?etcd member|promoting (?:a|the) learner", re.IGNORECASE)
_PROMOTES: Final = re.compile(r"promoting (?:a|the) learner", re.IGNORECASE)
_STEP: Final = "(?:control-plane-join[-/ .]{1,3}etcd|etcd-join)"
#: The etcd step came to its end, and so did the attempt.
_FAILED: Final = re.compile(
    rf"error execution phase {_STEP}|join phase {_STEP} failed"
    rf"|(?:failed action\(s\)|error|error \d+) (?:for|during) .kubeadm join phase {_STEP}",
    re.IGNORECASE,
)
_BEGINS: Final = re.compile(rf"running .kubeadm join phase {_STEP}", re.IGNORECASE)
#: Said after any step that failed: it ends an attempt that has begun, and by itself tells of no attempt to join etcd.
_CLEANED: Final = re.compile(
    r"fatal error, exiting|too many errors, exiting|removing member from cluster status|removing etcd member"
    r"|bootstrap script \S+ exiting with status",
    re.IGNORECASE,
)
#: The etcd step is behind it. That the learner was promoted says less: kubeadm may have lost patience by then.
_JOINED: Final = re.compile(
    r"this node has joined the cluster and a new control plane instance was created"
    rf"|successful execution for .kubeadm join phase {_STEP}"
    r"|bootstrap script \S+ finished|marking the node \S+ as control-plane"
    r"|your kubernetes control-plane has initialized successfully",
    re.IGNORECASE,
)
#: The same as one extended regular expression without a slash, for a filter on the host.
WORDS: Final = (
    "adding (an )?etcd member|promoting (a|the) learner|learner was promoted|already promoted"
    "|peer urls already exist|can only promote a learner|applied index took too long"
    "|control-plane-join|etcd-join|fatal error, exiting|too many errors, exiting|removing member from cluster status"
    "|removing etcd member|bootstrap script|this node has joined the cluster|marking the node"
    "|control-plane has initialized successfully"
)
_OF_INTEREST: Final = re.compile(WORDS, re.IGNORECASE)
_ISO: Final = re.compile(r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:[.,]\d+)?(Z|[+-]\d\d:?\d\d)?", re.ASCII)
_KLOG: Final = re.compile(r"[IWEF](\d\d)(\d\d) (\d\d:\d\d:\d\d)\.\d+", re.ASCII)
_LEAP: Final = 2024


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
    def dated(self) -> bool:
        """Whether a line says of which year it is; the headers of klog do not."""
        return any(map(_full, self.lines))

    @property
    def begun(self) -> datetime | None:
        """When it began, by the node's own clock; None where no line says. The year counts only where it is `dated`."""
        return next((moment for one in self.lines if (moment := self._moment(one))), None)

    @property
    def ended(self) -> datetime | None:
        """When its last line was written, as `begun`; None where no line says."""
        return next((moment for one in reversed(self.lines) if (moment := self._moment(one))), None)

    def _moment(self, line: str) -> datetime | None:
        known = next((moment for one in self.lines if (moment := _full(one))), None)
        return moment_of(line, known)

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


def moment_of(line: str, known: datetime | None = None) -> datetime | None:
    """The time that a line bears; a time zone that is not written is UTC.

    :param known: a moment nearby, from which a header of klog has its year: the latest leap year without one.
    """
    match = _KLOG.match(line)
    if match is None:
        return _full(line)
    moments = []
    for year in (known.year - 1, known.year, known.year + 1) if known else (_LEAP,):
        try:
            moments.append(datetime.fromisoformat(f"{year:04}-{match[1]}-{match[2]}T{match[3]}+00:00"))
        except ValueError:  # no such day in this year, or no such time
            continue
    return min(moments, key=lambda one: abs(one - known) if known else timedelta(0), default=None)


def _full(line: str) -> datetime | None:
    """The time that stands in a line with its year, other than behind a header of klog."""
    match = None if _KLOG.match(line) else _ISO.search(line)
    if match is None:
        return None
    try:
        text = match[1].replace(" ", "T") + (match[2] or "+00:00").replace("Z", "+00:00")
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def join_attempts(lines: Iterable[str]) -> list[JoinAttempt]:
    """The attempts that the lines of a log tell of, the oldest first; lines without `WORDS` are left out."""
    found: list[JoinAttempt] = []
    for line in filter(_OF_INTEREST.search, lines):
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
