"""Findings put together as people read them: by hazard, by what they say, by the reason that kept them unknown.

Every form of report for people is made from these groups. They arrange; what a finding is was decided before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from conformance.findings import Changed, Comparison, Evidence, Examination, Finding, LeftOut, Outcome
from conformance.hazards import Severity

__all__ = [
    "LABELS",
    "Group",
    "HazardGroup",
    "Reason",
    "Triple",
    "Waived",
    "aged",
    "beyond",
    "by_hazard",
    "by_name",
    "compared",
    "counts",
    "left_out",
    "not_applicable",
    "number_of",
    "reasons",
    "unknown",
    "upgrade",
    "upgrade_text",
    "waivers",
]

#: Verdicts as they are written for people.
LABELS: Final[Mapping[str, str]] = {"go": "GO", "no-go": "NO-GO", "incomplete": "INCOMPLETE"}
#: Hazard, subject (empty: all of them) and reason.
Triple = tuple[str, str, str]
_NUMBER: Final = re.compile(r"\d+(?:[.,:]\d+)*")


@dataclass(frozen=True, slots=True)
class Group:
    """Findings of one hazard whose messages are the same but for numbers and the subject's own name."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        """The finding whose words stand for the group."""
        return self.findings[0]

    @property
    def subjects(self) -> tuple[str, ...]:
        """All subjects, in the order of the findings."""
        return tuple(one.subject for one in self.findings)

    @property
    def said_once(self) -> str | None:
        """What all say, where they differ in their own names only; the name that stands in it is the first's."""
        said = {_nameless(one.message, one.subject) for one in self.findings}
        if len(said) > 1:
            return None
        same = all(one.message == self.first.message for one in self.findings)
        return self.first.message if same else f"{self.first.message} (so on {self.first.subject}, the others alike)"

    @property
    def notes(self) -> tuple[str, ...]:
        """What must be heard beside the findings, each once."""
        return tuple(dict.fromkeys(note for one in self.findings for note in one.notes))

    @property
    def waivers(self) -> list[Mapping[str, str]]:
        """The waivers that accepted these findings, each once."""
        return list({tuple(one.waiver.items()): one.waiver for one in self.findings if one.waiver}.values())

    def evidence(self) -> list[tuple[tuple[str, ...], Evidence]]:
        """The evidence, each read with the same lines once, and the subjects that it was read from."""
        merged: dict[tuple[str, tuple[str, ...]], list[Evidence]] = {}
        for finding in self.findings:
            for one in finding.evidence:
                merged.setdefault((one.read, one.lines), []).append(one)
        return [(tuple(dict.fromkeys(one.subject for one in same)), same[0]) for same in merged.values()]


@dataclass(frozen=True, slots=True)
class HazardGroup:
    """All findings of one hazard with the same outcome."""

    hazard: str
    title: str
    severity: Severity
    source: str
    groups: tuple[Group, ...]

    @property
    def remedies(self) -> list[tuple[tuple[str, ...], str]]:
        """Each remedy once, with the subjects that it is for."""
        merged: dict[str, list[str]] = {}
        for group in self.groups:
            for one in group.findings:
                if one.remedy:
                    merged.setdefault(one.remedy, []).append(one.subject)
        return [(tuple(subjects), remedy) for remedy, subjects in merged.items()]

    @property
    def number(self) -> int:
        """How many findings there are."""
        return sum(len(one.findings) for one in self.groups)


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason, the hazards that it kept from being decided and the subjects (empty: at all)."""

    text: str
    hazards: tuple[str, ...]
    subjects: tuple[str, ...]
    #: Pairs of hazard and subject.
    number: int


@dataclass(frozen=True, slots=True)
class Waived:
    """A waiver that accepted findings of this run, and the subjects that it accepted them on."""

    hazard: str
    subjects: tuple[str, ...]
    waiver: Mapping[str, str]


def by_hazard(examination: Examination, outcome: Outcome) -> list[HazardGroup]:
    """The findings of one outcome, in the order of the examination."""
    hazards: dict[str, dict[tuple[str, str], list[Finding]]] = {}
    for one in examination.findings:
        if one.outcome is outcome:
            shapes = hazards.setdefault(one.hazard, {})
            shapes.setdefault((one.severity.value, _shape(one.message, one.subject)), []).append(one)
    return [_hazard_group(name, list(shapes.values())) for name, shapes in hazards.items()]


def _hazard_group(name: str, shapes: list[list[Finding]]) -> HazardGroup:
    first = shapes[0][0]
    groups = tuple(Group(tuple(findings)) for findings in shapes)
    return HazardGroup(name, first.title, first.severity, first.source, groups)


def _shape(message: str, subject: str) -> str:
    """What a message says apart from numbers and the name of its subject."""
    return _NUMBER.sub("#", _nameless(message, subject))


def _nameless(text: str, subject: str) -> str:
    return text.replace(subject, "\0") if subject else text


def unknown(examination: Examination) -> list[Reason]:
    """Why findings are unknown: each reason once, with the subjects that share it and the hazards left open."""
    return reasons([*_said(examination, Outcome.UNKNOWN), *beyond(examination, Outcome.UNKNOWN)])


def not_applicable(examination: Examination) -> list[Triple]:
    """Everything that versions or the subject's own facts ruled out."""
    return [*_said(examination, Outcome.NOT_APPLICABLE), *beyond(examination, Outcome.NOT_APPLICABLE)]


def beyond(examination: Examination, outcome: Outcome) -> list[Triple]:
    """What the coverage lists as unknown or not applicable and no finding says."""
    coverage = examination.coverage
    listed = coverage.unknown if outcome is Outcome.UNKNOWN else coverage.not_applicable
    said = {(hazard, subject) for hazard, subject, _ in _said(examination, outcome)}
    return [one for one in _merged(listed) if one[:2] not in said]


def _said(examination: Examination, outcome: Outcome) -> list[Triple]:
    return [(one.hazard, one.subject, one.message) for one in examination.findings if one.outcome is outcome]


def left_out(examination: Examination) -> list[Triple]:
    """Everything that was not looked for."""
    return _merged(examination.coverage.not_examined)


def _merged(listed: Iterable[LeftOut]) -> list[Triple]:
    """Each pair of hazard and subject once, with all its reasons."""
    merged: dict[tuple[str, str], list[str]] = {}
    for one in listed:
        merged.setdefault((one.hazard, one.subject or ""), []).append(one.reason)
    return [(hazard, subject, "; ".join(dict.fromkeys(why))) for (hazard, subject), why in merged.items()]


def reasons(triples: Iterable[Triple]) -> list[Reason]:
    """Hazard, subject and reason, told by reason: what concerns most stands first."""
    said: dict[tuple[str, str], list[str]] = {}
    for hazard, subject, text in triples:
        # The subject is named beside the reason already.
        said.setdefault((subject, text.removeprefix(f"{subject}: ")), []).append(hazard)
    shared: dict[tuple[str, tuple[str, ...]], list[tuple[str, str]]] = {}
    for (subject, text), hazards in said.items():
        # Subjects share a reason where it left the same hazards open, whatever name each of them puts in it.
        shared.setdefault((_nameless(text, subject), tuple(dict.fromkeys(hazards))), []).append((subject, text))
    told = [
        Reason(
            text=same[0][1],
            hazards=hazards,
            subjects=tuple(subject for subject, _ in same if subject),
            number=len(hazards) * len(same),
        )
        for (_, hazards), same in shared.items()
    ]
    return sorted(told, key=lambda one: -one.number)


def waivers(examination: Examination) -> list[Waived]:
    """The waivers that were used, and what each accepted."""
    used: dict[tuple[str, tuple[tuple[str, str], ...]], list[str]] = {}
    for one in examination.findings:
        if one.outcome is Outcome.WAIVED:
            used.setdefault((one.hazard, tuple(sorted((one.waiver or {}).items()))), []).append(one.subject)
    return [Waived(hazard, tuple(subjects), dict(waiver)) for (hazard, waiver), subjects in used.items()]


def compared(one: Comparison) -> str:
    """The numbers of a comparison in a sentence."""
    return (
        f"Compared with {one.earlier.file} ({one.earlier.profile}, {one.earlier.verdict}, {one.earlier.finished}): "
        f"{len(one.new):,} new, {len(one.gone):,} gone, {one.still:,} as before, "
        f"{len(one.not_examined):,} not examined again"
    )


def by_name(changed: Iterable[Changed]) -> list[tuple[str, list[str]]]:
    """Hazard and, where they differ, its outcomes -> the subjects on which it changed."""
    named: dict[str, list[str]] = {}
    for one in changed:
        named.setdefault(
            f"{one.hazard} ({one.before or 'not looked for'}, now {one.now or 'not looked for'})", []
        ).append(one.subject)
    return list(named.items())


def upgrade(examination: Examination) -> tuple[str | None, str | None]:
    """The versions before and after, where one pair speaks for the whole change: its own, or that of all clusters."""
    whole = examination.upgrades.get("", ("", ""))
    # A pair without any version is a cluster that is looked at and not upgraded.
    pairs = [pair for name, pair in examination.upgrades.items() if name and any(pair)]
    agreed = [{pair[side] for pair in pairs} for side in (0, 1)]
    before, after = (
        whole[side] or (next(iter(agreed[side])) if len(agreed[side]) == 1 else "") or None for side in (0, 1)
    )
    return before, after


def verdicts(examination: Examination) -> list[str]:
    """A line on each cluster where several are upgraded: its verdict, and from what to what."""
    told = []
    for name, (verdict, reasons) in examination.verdicts.items():
        before, after = examination.upgrades.get(name, ("", ""))
        way = " ".join(filter(None, (f"from {before}" if before else "", f"to {after}" if after else "")))
        told.append(f"{name}{f' ({way})' if way else ''}: {LABELS[verdict]} - {', '.join(reasons)}")
    return told


def aged(examination: Examination) -> str:
    """A sentence where it was read longer ago than evidence counts as fresh, else empty. It decides nothing."""
    try:
        old = datetime.fromisoformat(examination.finished) > datetime.fromisoformat(examination.fresh_until)
    except (ValueError, TypeError):
        old = False  # nothing was read, or nobody knows when
    if not old:
        return ""
    return f"old evidence: gathered at {examination.started} and no longer fresh since {examination.fresh_until}"


def read_until(examination: Examination) -> str:
    """When reading ended; the verdict on a snapshot may be much later."""
    return str(examination.gather.get("finished") or examination.finished)


def upgrade_text(examination: Examination, arrow: str = "->") -> str:
    """The versions as people write them: ``1.8.3 -> 1.9.0``; each cluster's own where they differ."""
    before, after = upgrade(examination)
    clusters = {name: pair for name, pair in examination.upgrades.items() if name and any(pair)}
    if not before and not after and not clusters:
        return ""
    if (before and after) or len(clusters) < 2:
        return _pair(before, after, arrow)
    told = [f"{name} {_pair(*pair, arrow)}" for name, pair in list(clusters.items())[:5]]
    more = [f"{len(clusters) - 5} more"] if len(clusters) > 5 else []
    return ", ".join([*told, *more])


def _pair(before: str | None, after: str | None, arrow: str) -> str:
    return f"{before or 'unknown version'} {arrow} {after or 'unknown version'}"


def counts(examination: Examination) -> dict[Outcome, int]:
    """How many findings have each outcome."""
    numbers = dict.fromkeys(Outcome, 0)
    for one in examination.findings:
        numbers[one.outcome] += 1
    return numbers


def number_of(number: int, word: str, plural: str = "") -> str:
    """``1 host``, ``2 hosts``."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"
