"""Waivers: findings that somebody accepted, for a reason and until a date."""

from __future__ import annotations

import difflib
import fnmatch
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from conformance.documents import Entry, load, parse
from conformance.findings import Finding, LeftOut, Outcome
from conformance.profiles import Profile

__all__ = ["Waiver", "complaints", "load_waivers", "waive"]

#: What stands in a glob for characters that it does not name.
_WILD: Final = re.compile(r"[*?]|\[!?\]?[^\]]*\]")


@dataclass(frozen=True, slots=True)
class Waiver:
    """One accepted finding: a hazard on the subjects that a name or glob matches, until a moment."""

    hazard: str
    subject: str
    reason: str
    owner: str
    expires: datetime
    ticket: str = ""

    def matches(self, finding: Finding) -> bool:
        """Whether it speaks of this finding, expired or not."""
        return self.hazard == finding.hazard and self._names(finding.subject)

    def may_match(self, left_out: LeftOut) -> bool:
        """Whether it could speak of what was not looked for."""
        return self.hazard == left_out.hazard and (left_out.subject is None or self._names(left_out.subject))

    def _names(self, subject: str) -> bool:
        # A name may hold what a glob would take for itself: ssh://[fd00::1]:22.
        return self.subject == subject or fnmatch.fnmatchcase(subject, self.subject)

    @property
    def is_broad(self) -> bool:
        """Whether its glob names nobody: ``*``, ``[!x]*`` and the like match whatever there is."""
        return bool(self.subject) and not _WILD.sub("", self.subject)

    def to_dict(self) -> dict[str, str]:
        """It in the types of JSON."""
        return {"hazard": self.hazard, **self.as_text()}

    @classmethod
    def from_dict(cls, stored: Mapping[str, str]) -> Waiver:
        """What `to_dict` gave."""
        return cls(**{**stored, "expires": datetime.fromisoformat(stored["expires"])})  # type: ignore[arg-type]

    def as_text(self) -> dict[str, str]:
        """What reports say of it."""
        return {
            "subject": self.subject,
            "reason": self.reason,
            "owner": self.owner,
            "ticket": self.ticket,
            "expires": self.expires.isoformat(),
        }


def load_waivers(
    path: Path,
    known: Collection[str],
    profile: Profile | None = None,
    now: datetime | None = None,
    data: bytes | None = None,
) -> list[Waiver]:
    """Read and validate a waivers file.

    :param known: the ids of all hazards that there are.
    :param data: what was read from the file already.
    :param profile: whose hazards that nobody can waive, and whose longest lifetime as of `now`, bind the waivers.
    :raises InvalidDocument: it is malformed, incomplete, names an unknown hazard, or asks for what the profile forbids.
    """
    top = load(path) if data is None else parse(path, data)
    top.keys(("waivers",), required=("waivers",))
    waivers = []
    for entry in top["waivers"].each():
        waivers.append(_waiver(entry, known))
        if profile is not None and now is not None:
            _bind(entry, waivers[-1], profile, now)
    return waivers


def _bind(entry: Entry, waiver: Waiver, profile: Profile, now: datetime) -> None:
    if waiver.hazard in profile.never_waived:
        entry["hazard"].fail(f"profile {profile.name} lets nobody waive {waiver.hazard}: take the waiver out")
    days = profile.longest_waiver_days
    if days is not None and waiver.expires > now + timedelta(days=days):
        latest = (now + timedelta(days=days)).isoformat(timespec="minutes")
        entry["expires"].fail(
            f"{waiver.expires.isoformat()} is more than {days} days ahead, the longest that profile {profile.name} "
            f"allows: expected {latest} at the latest"
        )


def _waiver(entry: Entry, known: Collection[str]) -> Waiver:
    keys = ("hazard", "subject", "reason", "owner", "expires")
    entry.keys((*keys, "ticket"), required=keys)
    hazard = entry["hazard"].text()
    if hazard not in known:
        close = difflib.get_close_matches(hazard, known, n=1)
        entry["hazard"].fail(f"there is no hazard {hazard!r}" + (f"; did you mean {close[0]!r}?" if close else ""))
    text = entry["expires"].text()
    try:
        expires = datetime.fromisoformat(text)
    except ValueError:
        entry["expires"].fail(f"{text!r} is not a time; expected such as 2026-12-24T18:00:00+01:00")
        raise
    if expires.tzinfo is None:
        entry["expires"].fail(f"{text!r} has no time zone; expected such as 2026-12-24T18:00:00+01:00")
    try:
        expires.astimezone(UTC)
    except OverflowError:
        entry["expires"].fail(f"{text!r} is beyond what calendars hold; expected such as 2026-12-24T18:00:00+01:00")
    return Waiver(
        hazard=hazard,
        subject=entry["subject"].text(),
        reason=entry["reason"].text(),
        owner=entry["owner"].text(),
        expires=expires,
        ticket=entry["ticket"].text("") if "ticket" in entry else "",
    )


def waive(finding: Finding, waivers: Iterable[Waiver], now: datetime) -> Finding:
    """The finding, waived where an unexpired waiver names it, or with a loud note where an expired one does."""
    if finding.outcome not in (Outcome.HAZARD, Outcome.WARNING):
        return finding
    fitting = [one for one in waivers if one.matches(finding)]
    valid = [one for one in fitting if one.expires > now]
    if valid:
        longest = max(valid, key=lambda one: one.expires)
        return replace(finding, outcome=Outcome.WAIVED, waiver=longest.as_text(), waived=finding.outcome)
    expired = tuple(
        f"the waiver of {one.owner} expired on {one.expires.isoformat()}: it waives nothing" for one in fitting
    )
    return replace(finding, notes=(*finding.notes, *expired))


def complaints(
    waivers: Iterable[Waiver],
    findings: Iterable[Finding],
    now: datetime,
    blockers: Collection[str] = (),
    left_out: Collection[LeftOut] = (),
) -> tuple[str, ...]:
    """What must be said loudly: waivers that have expired, that match no finding, or whose glob names nobody.

    One whose finding could not be decided this time may be needed still: nothing is said of it.

    :param blockers: the hazards that a waiver for just anybody must not accept in silence.
    :param left_out: what should have been looked for and was not.
    """
    spoken_of = (Outcome.HAZARD, Outcome.WARNING, Outcome.WAIVED, Outcome.UNKNOWN)
    there = [one for one in findings if one.outcome in spoken_of]
    loud = []
    for one in waivers:
        name = f"waiver of {one.hazard} for {one.subject} ({one.owner})"
        if one.expires <= now:
            loud.append(f"{name} expired on {one.expires.isoformat()}: it waives nothing")
            continue
        if not any(one.matches(finding) for finding in there) and not any(map(one.may_match, left_out)):
            loud.append(f"{name} matches no finding: remove it, or mend its hazard or subject")
        if one.is_broad and one.hazard in blockers:
            loud.append(f"{name} accepts a blocker on every subject there is or will be: name the subjects")
    return tuple(loud)
