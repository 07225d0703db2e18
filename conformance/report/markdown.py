"""``preflight.md``: the examination for people who read it in a change request or beside a pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import Final

from conformance.findings import Examination, Outcome
from conformance.report import groups
from conformance.report.groups import HazardGroup, number_of
from conformance.report.text import cut, cut_lines, fence, markdown

__all__ = ["to_markdown"]

_LINES: Final = 40
_LINE: Final = 1_000
#: Groups of one hazard that are told in full, and answers that are quoted of each.
_GROUPS: Final = 20
_ANSWERS: Final = 5
_ALIKE: Final = "the others with other numbers, see preflight.json"


def to_markdown(examination: Examination) -> str:
    """The examination as Markdown: the verdict, what leads to it, and what was and was not looked at."""
    parts = [
        *_verdict(examination),
        *_compared(examination),
        *_hazards(examination, Outcome.HAZARD, "What blocks"),
        *_unknown(examination),
        *_hazards(examination, Outcome.WARNING, "Warnings"),
        *_hazards(examination, Outcome.WAIVED, "Waived"),
        *_left_out("Not examined", groups.left_out(examination)),
        *_left_out("Not applicable", groups.not_applicable(examination)),
        *_coverage(examination),
    ]
    return "\n".join(parts) + "\n"


def _verdict(examination: Examination) -> Iterator[str]:
    label = groups.LABELS[examination.verdict]
    yield f"# {label}: {_text(', '.join(examination.reasons))}"
    yield ""
    if examination.title:
        yield from (_text(examination.title), "")
    scope = f", {_loud(examination.scope)}" if examination.scope else ""
    yield f"{_text(examination.profile)}, {_text(groups.upgrade_text(examination, '→'))}{scope}"
    yield ""
    if examination.verdicts:
        yield from (f"- {_text(line)}" for line in groups.verdicts(examination))
        yield ""
    if aged := groups.aged(examination):
        yield from (_loud(f"WARNING: {aged}"), "")
    for warning in examination.warnings:
        yield from (_loud(f"WARNING: {warning}"), "")
    for used in groups.waivers(examination):
        yield f"- waived: {_text(used.hazard)} on {_names(used.subjects)} - {_waiver(used.waiver)}"
        yield ""


def _compared(examination: Examination) -> Iterator[str]:
    one = examination.comparison
    if one is None:
        return
    yield from ("## Since the earlier run", "", _text(groups.compared(one)), "")
    for label, changed in (("new", one.new), ("gone", one.gone), ("not examined again", one.not_examined)):
        for hazard, subjects in groups.by_name(changed):
            yield f"- {label}: {_text(hazard)} on {_names(subjects)}"
    yield ""


def _hazards(examination: Examination, outcome: Outcome, heading: str) -> Iterator[str]:
    found = groups.by_hazard(examination, outcome)
    if not found:
        return
    yield from (f"## {heading}", "")
    for one in found:
        yield from _hazard(one, waived=outcome is Outcome.WAIVED)


def _hazard(hazard: HazardGroup, *, waived: bool) -> Iterator[str]:
    yield f"### {_text(hazard.hazard)}: {_text(hazard.title)}"
    yield ""
    for group in hazard.groups[:_GROUPS]:
        said, many = group.said_once, len(group.findings) > _LINES
        if said is not None or many:
            yield from (f"- on {_names(group.subjects)}", "")
            yield from _paragraph(said or f"{group.first.subject}: {group.first.message} ({_ALIKE})")
        else:
            for finding in group.findings:
                yield f"- on {_text(finding.subject)}: {_text(finding.message)}"
            yield ""
        for note in group.notes:
            yield from (f"  {_loud(note)}", "")
        for waiver in group.waivers:
            yield from (f"  {_waiver(waiver)}", "")
        answers = group.evidence()
        for subjects, evidence in answers[:_ANSWERS]:
            yield f"  Read on {_names(subjects, 20)}: {_text(evidence.read)}"
            yield ""
            if evidence.lines:
                yield from (f"  {line}" for line in fence(cut_lines(evidence.lines, _LINES, _LINE)))
                yield ""
        if len(answers) > _ANSWERS:
            yield f"  {len(answers) - _ANSWERS:,} more answers, see preflight.json"
            yield ""
    if len(hazard.groups) > _GROUPS:
        rest = [subject for group in hazard.groups[_GROUPS:] for subject in group.subjects]
        yield from (f"- on {_names(rest)}: each in other words, see preflight.json", "")
    if not waived:
        yield from _remedies(hazard)
    if hazard.source:
        yield from (f"Source: {_text(hazard.source)}", "")


def _remedies(hazard: HazardGroup) -> Iterator[str]:
    remedies = hazard.remedies
    for subjects, remedy in remedies[:_GROUPS]:
        whom = f" on {_names(subjects)}" if len(remedies) > 1 else ""
        first = f"Remedy{whom}: "
        for command, lines in groupby(remedy.strip().split("\n"), lambda line: line.startswith((" ", "\t", "$ "))):
            if command:
                yield from (*fence(list(lines)), "")
                continue
            for line in lines:
                if line.strip():
                    yield from (first + _text(line), "")
                    first = ""
    if len(remedies) > _GROUPS:
        yield from (f"{len(remedies) - _GROUPS:,} more remedies, see preflight.json", "")


def _unknown(examination: Examination) -> Iterator[str]:
    unknown = groups.unknown(examination)
    if not unknown:
        return
    yield from ("## Unknown", "", "What could not be read is not a pass. These hazards may be present.", "")
    for one in unknown:
        whom = f"on {_names(one.subjects)}: " if one.subjects else ""
        yield f"- {whom}{_text(one.text)}"
        yield f"  ({number_of(len(one.hazards), 'hazard')} unknown: {_names(one.hazards)})"
    yield ""


def _left_out(heading: str, triples: Sequence[groups.Triple]) -> Iterator[str]:
    """Counted, and told by hazard: an auditor must see what was left out and why."""
    if not triples:
        return
    hazards: dict[str, dict[str, list[str]]] = {}
    for hazard, subject, reason in triples:
        hazards.setdefault(hazard, {}).setdefault(reason, []).append(subject)
    yield f"## {heading}: {len(triples):,}"
    yield ""
    for hazard, said in hazards.items():
        whys = []
        for reason, subjects in said.items():
            named = [one for one in subjects if one]
            whys.append(f"{_text(reason)} ({_names(named, 20)})" if named else _text(reason))
        more = f"; {len(whys) - _GROUPS:,} more reasons, see preflight.json" if len(whys) > _GROUPS else ""
        yield f"- {_text(hazard)}: {'; '.join(whys[:_GROUPS])}{more}"
    yield ""


def _coverage(examination: Examination) -> Iterator[str]:
    coverage = examination.coverage
    numbers = groups.counts(examination)
    yield from ("## Coverage", "", "| | |", "| --- | ---: |")
    for name, number in (
        ("hazards that the profile names", coverage.known),
        ("of these examined", coverage.examined),
        ("subjects", len(examination.subjects)),
        *((f"findings: {outcome.value}", numbers[outcome]) for outcome in Outcome),
        ("pairs not examined", len(groups.left_out(examination))),
    ):
        yield f"| {name} | {number:,} |"
    yield ""
    yield f"Examined from {_text(examination.started or 'unknown')} to {_text(groups.read_until(examination) or 'unknown')}"
    yield f"by {_text(examination.suite or 'an unnamed suite')}. Everything in full: preflight.json."


def _paragraph(message: str) -> Iterator[str]:
    """A message of one or several lines, below a list item."""
    lines = [line for line in cut_lines(message.strip().split("\n"), _LINES, _LINE) if line.strip()]
    for line in lines:
        yield from (f"  {_text(line)}", "")


def _waiver(waiver: Mapping[str, str]) -> str:
    ticket = f", {_text(waiver['ticket'])}" if waiver.get("ticket") else ""
    return (
        f"by {_text(waiver.get('owner', 'nobody named'))}{ticket} until {_text(waiver.get('expires', 'no date'))}: "
        f"{_text(waiver.get('reason', 'no reason given'))}"
    )


def _loud(text: str) -> str:
    shown = _text(text)
    return f"**{shown}**" if shown else ""


def _names(names: Iterable[str], limit: int | None = None) -> str:
    """Names one after the other; the list itself is never shortened unless a limit is given."""
    names = list(dict.fromkeys(names))
    shown = ", ".join(_text(one) for one in names[:limit])
    return shown if limit is None or len(names) <= limit else f"{shown} and {len(names) - limit:,} more"


def _text(text: str) -> str:
    return markdown(cut(text, _LINE))
