"""Findings: the outcome of one check on one subject, and the verdict that follows from all of them.

Every report is made from `Outcome`, `Finding` and `Examination`; none decides anything again.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from conformance.hazards import Severity

__all__ = [
    "ORDER",
    "Changed",
    "Comparison",
    "Coverage",
    "Earlier",
    "Evidence",
    "Examination",
    "Finding",
    "LeftOut",
    "Outcome",
    "Verdict",
    "judge",
    "overall",
]


class Outcome(StrEnum):
    """How a check on one subject ended."""

    CLEAR = "clear"
    HAZARD = "hazard"
    WARNING = "warning"
    UNKNOWN = "unknown"
    NOT_APPLICABLE = "not-applicable"
    WAIVED = "waived"


class Verdict(StrEnum):
    """What a run says of the upgrade."""

    GO = "go"
    NO_GO = "no-go"
    INCOMPLETE = "incomplete"


#: The order in which people read findings: what blocks first.
ORDER: Final = (
    Outcome.HAZARD,
    Outcome.UNKNOWN,
    Outcome.WARNING,
    Outcome.WAIVED,
    Outcome.CLEAR,
    Outcome.NOT_APPLICABLE,
)
_SEVERITIES: Final = tuple(Severity)


@dataclass(frozen=True, slots=True)
class Evidence:
    """One read that decided a finding, and the lines of its answer that did."""

    subject: str
    read: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check on one subject."""

    hazard: str
    subject: str
    outcome: Outcome
    severity: Severity
    title: str = ""
    message: str = ""
    evidence: tuple[Evidence, ...] = ()
    remedy: str = ""
    source: str = ""
    #: Of a waived finding: reason, owner, ticket and expiry as its waiver gives them.
    waiver: Mapping[str, str] | None = None
    #: What a person must hear beside it, such as a waiver that has expired.
    notes: tuple[str, ...] = ()
    #: Of a waived finding: the outcome that was waived.
    waived: Outcome | None = None

    @property
    def rank(self) -> tuple[int, int, str, str]:
        """Sorts findings as people read them, the same in every run."""
        return ORDER.index(self.outcome), _SEVERITIES.index(self.severity), self.hazard, self.subject

    def to_dict(self) -> dict[str, Any]:
        """As it stands in ``preflight.json``."""
        record: dict[str, Any] = {
            "hazard": self.hazard,
            "subject": self.subject,
            "outcome": self.outcome.value,
            "severity": self.severity.value,
            "title": self.title,
            "message": self.message,
            "evidence": [{"subject": e.subject, "read": e.read, "lines": list(e.lines)} for e in self.evidence],
            "remedy": self.remedy,
            "source": self.source,
        }
        if self.waiver:
            record["waiver"] = dict(self.waiver)
        if self.notes:
            record["notes"] = list(self.notes)
        if self.waived:
            record["waived"] = self.waived.value
        return record

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> Finding:
        """The finding that `to_dict` wrote."""
        return cls(
            hazard=record["hazard"],
            subject=record["subject"],
            outcome=Outcome(record["outcome"]),
            severity=Severity(record["severity"]),
            title=record["title"],
            message=record["message"],
            evidence=tuple(Evidence(e["subject"], e["read"], tuple(e["lines"])) for e in record["evidence"]),
            remedy=record["remedy"],
            source=record["source"],
            waiver=record.get("waiver"),
            notes=tuple(record.get("notes", ())),
            waived=Outcome(record["waived"]) if "waived" in record else None,
        )


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A hazard that was not looked for, on one subject or (without one) at all, and why."""

    hazard: str
    reason: str
    subject: str | None = None
    #: Left out by a decision that the verdict names (``--examine``); it does not make the run incomplete.
    decided: bool = False

    def to_dict(self) -> dict[str, str]:
        """As it stands in ``preflight.json``."""
        record = {"hazard": self.hazard, "reason": self.reason}
        return {**record, "subject": self.subject} if self.subject else record


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of what is known was looked at. Hazards and subjects are counted as pairs."""

    #: Hazards that the profile names.
    known: int
    #: Hazards that were decided on at least one subject.
    examined: int
    not_applicable: tuple[LeftOut, ...] = ()
    not_examined: tuple[LeftOut, ...] = ()
    unknown: tuple[LeftOut, ...] = ()


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier report, as far as it can be compared with."""

    file: str
    profile: str
    finished: str
    verdict: str
    #: Hazard and subject -> how the check ended then.
    outcomes: Mapping[tuple[str, str], Outcome]


@dataclass(frozen=True, slots=True)
class Changed:
    """One hazard on one subject that is not as it was."""

    hazard: str
    subject: str
    #: The outcome then, and now; empty where it was not looked for.
    before: str
    now: str
    message: str = ""

    def to_dict(self) -> dict[str, str]:
        """As it stands in ``preflight.json``."""
        return {
            "hazard": self.hazard,
            "subject": self.subject,
            "before": self.before,
            "now": self.now,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run beside an earlier one."""

    earlier: Earlier
    #: Found now and not then, or a warning then that blocks now.
    new: tuple[Changed, ...]
    #: Found then, looked for again, and no longer there - or accepted by a waiver since.
    gone: tuple[Changed, ...]
    #: Found or accepted then, and not decided now: that is not "gone".
    not_examined: tuple[Changed, ...]
    #: How many are found now as they were then.
    still: int

    def to_dict(self) -> dict[str, Any]:
        """As it stands in ``preflight.json``."""
        return {
            "file": self.earlier.file,
            "profile": self.earlier.profile,
            "finished": self.earlier.finished,
            "verdict": self.earlier.verdict,
            "new": [one.to_dict() for one in self.new],
            "gone": [one.to_dict() for one in self.gone],
            "not_examined": [one.to_dict() for one in self.not_examined],
            "still": self.still,
        }


@dataclass(frozen=True, slots=True)
class Examination:
    """Everything that a report says, decided."""

    verdict: Verdict
    #: Why it is that verdict, in a few words each; for people.
    reasons: tuple[str, ...]
    profile: str
    #: "clusters only" or "hosts only" where one side was left out by decision, else empty.
    scope: str
    #: Cluster name (or "" for the change as a whole) -> (from, to) as text, empty where unknown.
    upgrades: Mapping[str, tuple[str, str]]
    started: str
    finished: str
    #: Each with name, kind, roles and what it belongs to.
    subjects: tuple[Mapping[str, Any], ...]
    coverage: Coverage
    #: Sorted by `Finding.rank`.
    findings: tuple[Finding, ...]
    #: What must be said loudly: expired or unmatched waivers, host keys that were not verified …
    warnings: tuple[str, ...] = ()
    #: How it was gathered; never decides anything.
    gather: Mapping[str, Any] = field(default_factory=dict)
    suite: str = ""
    title: str = ""
    #: What has changed since an earlier run, where one was given (``--compare``).
    comparison: Comparison | None = None
    #: Which hazards were looked for: before, stuck or repair.
    situation: str = "before"
    #: The sha256 digest of the snapshot that all of this speaks of, as ``sha256:…`` (see `Snapshot.digest`).
    snapshot: str = ""
    #: Until when this is considered evidence, ISO 8601; empty where nothing was read.
    fresh_until: str = ""
    #: The files that describe the change - change file, desired configuration, waivers: path -> ``sha256:…``.
    inputs: Mapping[str, str] = field(default_factory=dict)
    #: The verdict on each cluster that is upgraded, with its reasons, where there are several.
    verdicts: Mapping[str, tuple[Verdict, tuple[str, ...]]] = field(default_factory=dict)

    def count(self, outcome: Outcome) -> int:
        """How many findings have an outcome."""
        return sum(1 for one in self.findings if one.outcome is outcome)


def judge(
    findings: Iterable[Finding], not_examined: Iterable[LeftOut], *, strict: bool, loud: int = 0
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict and why.

    :param not_examined: what should have been looked for and was not.
    :param strict: warnings, and `loud` things such as unmatched waivers, count as hazards.
    """
    findings = list(findings)
    counts = {outcome: sum(1 for one in findings if one.outcome is outcome) for outcome in Outcome}
    missing = [one for one in not_examined if not one.decided]
    reasons = []
    blocking = counts[Outcome.HAZARD]
    if blocking:
        reasons.append(f"{blocking} blocking {_plural(blocking, 'hazard')}")
    if strict and counts[Outcome.WARNING]:
        number = counts[Outcome.WARNING]
        reasons.append(f"{number} {_plural(number, 'warning')}, which --strict counts as hazards")
    if strict and loud:
        reasons.append(
            f"{loud} {_plural(loud, 'waiver')} unmatched, expired or too broad, which --strict counts as hazards"
        )
    if reasons:
        return Verdict.NO_GO, tuple(reasons + _open_ends(counts, missing))
    open_ends = _open_ends(counts, missing)
    if not any(counts[one] for one in (Outcome.CLEAR, Outcome.WARNING, Outcome.WAIVED, Outcome.UNKNOWN)):
        open_ends.append("nothing was examined")
    if open_ends:
        return Verdict.INCOMPLETE, tuple(open_ends)
    clear, waived = counts[Outcome.CLEAR], counts[Outcome.WAIVED]
    return Verdict.GO, (
        f"{clear} clear, {waived} waived, nothing else blocks" if waived else f"{clear} clear, nothing blocks",
    )


def overall(
    of_all: tuple[Verdict, tuple[str, ...]], of_each: Mapping[str, tuple[Verdict, tuple[str, ...]]]
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict on a change of several clusters: never a go while that on one of them is none.

    :param of_all: of all findings together.
    :param of_each: cluster -> the verdict on it.
    """
    if of_all[0] is not Verdict.GO:
        return of_all
    open_ends = [f"{name}: {', '.join(why)}" for name, (verdict, why) in of_each.items() if verdict is not Verdict.GO]
    return (Verdict.INCOMPLETE, tuple(open_ends)) if open_ends else of_all


def _open_ends(counts: Mapping[Outcome, int], missing: list[LeftOut]) -> list[str]:
    reasons = []
    if counts[Outcome.UNKNOWN]:
        reasons.append(f"{counts[Outcome.UNKNOWN]} unknown")
    if missing:
        number = len({(one.hazard, one.subject) for one in missing})
        reasons.append(f"{number} not examined")
    return reasons


def _plural(number: int, word: str) -> str:
    return word if number == 1 else f"{word}s"
