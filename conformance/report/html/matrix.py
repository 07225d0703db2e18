"""Hazards by subjects: a table of cells for a few subjects, a strip of marks for each hazard where there are thousands.

However many there are, what is not as the others stands out, and is named. What is clear on every subject is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

from conformance.findings import ORDER, Examination, Outcome
from conformance.report import groups
from conformance.report.html.parts import GLYPHS, anchor, code, folded, names, some, text
from conformance.report.text import html
from conformance.report.words import Words

__all__ = ["left_out", "matrix"]

#: With at most so many subjects each has a column of its own, which fits a phone and a sheet of paper.
_COLUMNS: Final = 16
#: Groups of subjects alike that are told.
_ALIKE: Final = 100
_REASONS: Final = 20
_NAMES: Final = 5
_WORDS: Final[Mapping[Outcome, str]] = {
    Outcome.HAZARD: "blocks",
    Outcome.UNKNOWN: "unknown",
    Outcome.WARNING: "warning",
    Outcome.WAIVED: "waived",
    Outcome.CLEAR: "clear",
    Outcome.NOT_APPLICABLE: "not applicable",
}
_CALM: Final = (Outcome.CLEAR, Outcome.NOT_APPLICABLE)


@dataclass(frozen=True, slots=True)
class _Grid:
    """The outcomes by hazard and subject."""

    subjects: tuple[str, ...]
    #: Hazard -> subject -> outcome; hazards in the order in which people read findings.
    outcomes: Mapping[str, Mapping[str, Outcome]]


def matrix(examination: Examination, say: Words) -> Iterator[str]:
    """The section of the matrix."""
    grid = _grid(examination)
    yield f'<section id="pf-matrix"><h2>{say("Hazards by subjects")}</h2>'
    yield from _numbers(examination, say)
    if grid.outcomes:
        yield from _legend(say)
        few = len(grid.subjects) <= _COLUMNS
        yield from (_cells(grid, say) if few else _strips(grid, say))
        if not few:
            yield from _alike(grid, say)
    yield from left_out(say("Not examined"), groups.left_out(examination), say)
    yield from left_out(say("Did not apply"), groups.not_applicable(examination), say)
    yield "</section>"


def _grid(examination: Examination) -> _Grid:
    outcomes: dict[str, dict[str, Outcome]] = {}
    for one in examination.findings:
        outcomes.setdefault(one.hazard, {})[one.subject] = one.outcome
    # What applied nowhere is told below, with the reason.
    there = {key: told for key, told in outcomes.items() if set(told.values()) != {Outcome.NOT_APPLICABLE}}
    named = dict.fromkeys(str(one.get("name", "")) for one in examination.subjects)
    seen = dict.fromkeys(subject for told in there.values() for subject in told)
    ordered = [*(one for one in named if one in seen), *(one for one in seen if one not in named)]
    return _Grid(tuple(ordered), there)


def _numbers(examination: Examination, say: Words) -> Iterator[str]:
    numbers = groups.counts(examination)
    told = [(say(_WORDS[one]), numbers[one]) for one in ORDER]
    told.append((say("not examined"), len(groups.left_out(examination))))
    yield '<ul class="pf-numbers">'
    yield "".join(f"<li><strong>{number:,}</strong> {word}</li>" for word, number in told)
    yield "</ul>"


def _legend(say: Words) -> Iterator[str]:
    marks = (
        f'<span><span class="pf-m-{one.value}">{html(GLYPHS[one])}</span> {say(_WORDS[one])}</span>' for one in ORDER
    )
    yield f'<p class="pf-legend">{" ".join(marks)}</p>'


def _hazard_name(hazard: str, outcomes: Mapping[str, Outcome]) -> str:
    """The id, leading to where it is told in full."""
    worst = min(outcomes.values(), key=ORDER.index)
    if worst in (Outcome.HAZARD, Outcome.WARNING, Outcome.WAIVED):
        return f'<a href="#{anchor(worst.value, hazard)}">{code(hazard)}</a>'
    return code(hazard)


def _cells(grid: _Grid, say: Words) -> Iterator[str]:
    """A column for each subject."""
    yield f'<table class="pf-cells"><thead><tr><th scope="col">{say("Hazard")}</th>'
    yield "".join(f'<th scope="col" class="pf-up"><span>{text(one)}</span></th>' for one in grid.subjects)
    yield "</tr></thead><tbody>"
    blank = f'<td><span class="pf-hidden">{say("not looked for")}</span></td>'
    marks = {one: _mark(one, say) for one in Outcome}
    for hazard, outcomes in grid.outcomes.items():
        shown = (marks[outcomes[one]] if one in outcomes else blank for one in grid.subjects)
        yield f'<tr><th scope="row">{_hazard_name(hazard, outcomes)}</th>{"".join(shown)}</tr>'
    yield "</tbody></table>"


def _mark(outcome: Outcome, say: Words) -> str:
    return (
        f'<td class="pf-m-{outcome.value}"><span aria-hidden="true">{html(GLYPHS[outcome])}</span>'
        f'<span class="pf-hidden">{say(_WORDS[outcome])}</span></td>'
    )


def _strips(grid: _Grid, say: Words) -> Iterator[str]:
    """A strip of marks for each hazard that is not clear everywhere, one for each subject, always in the same order."""
    calm = {key: told for key, told in grid.outcomes.items() if all(one in _CALM for one in told.values())}
    number = say.number(len(grid.subjects), "subject")
    order = say(
        "Each mark is a subject, in the order of the list of subjects below; the names of those that stand out follow."
    )
    yield f"<p>{number}. {order}</p>"
    yield '<ul class="pf-strips">'
    for hazard, outcomes in grid.outcomes.items():
        if hazard in calm:
            continue
        yield f"<li>{_hazard_name(hazard, outcomes)} <span>{_odd(outcomes, say)}</span>"
        yield f'<div class="pf-strip" aria-hidden="true">{_strip(grid.subjects, outcomes)}</div></li>'
    yield "</ul>"
    if calm:
        items = (f"<li>{code(key)} ({say.number(len(told), 'subject')})</li>" for key, told in calm.items())
        summary = say("Clear wherever it was looked for: {n}", n=say.number(len(calm), "hazard"))
        yield folded(summary, f"<ul>{''.join(items)}</ul>")


def _odd(outcomes: Mapping[str, Outcome], say: Words) -> str:
    """How many of each outcome, and the first names of those that are not clear."""
    parts = []
    for outcome in ORDER:
        of_it = [subject for subject, one in outcomes.items() if one is outcome]
        if not of_it:
            continue
        told = (
            f'<span class="pf-m-{outcome.value}">{html(GLYPHS[outcome])}</span> {len(of_it):,} {say(_WORDS[outcome])}'
        )
        parts.append(told if outcome in _CALM else f"{told}: {some(say, of_it, _NAMES)}")
    return "; ".join(parts)


def _strip(subjects: Sequence[str], outcomes: Mapping[str, Outcome]) -> str:
    runs = groupby(subjects, outcomes.get)
    shown = []
    for outcome, run in runs:
        length = sum(1 for _ in run)
        if outcome is None:
            shown.append("\u2007" * length)
        elif outcome is Outcome.CLEAR:
            shown.append(GLYPHS[outcome] * length)
        else:
            shown.append(f'<b class="pf-m-{outcome.value}">{html(GLYPHS[outcome] * length)}</b>')
    return "".join(shown)


def _alike(grid: _Grid, say: Words) -> Iterator[str]:
    """The subjects by what they have in common, the worst first; those on which nothing was found are counted."""
    of: dict[str, list[tuple[str, Outcome]]] = {one: [] for one in grid.subjects}
    for hazard, outcomes in grid.outcomes.items():
        for subject, outcome in outcomes.items():
            if outcome not in _CALM:
                of[subject].append((hazard, outcome))
    same: dict[tuple[tuple[str, Outcome], ...], list[str]] = {}
    for subject, found in of.items():
        same.setdefault(tuple(found), []).append(subject)
    calm = same.pop((), [])
    ordered = sorted(same.items(), key=lambda item: (min(ORDER.index(one) for _, one in item[0]), -len(item[0])))
    yield f"<h3>{say('Subjects by what was found on them')}</h3>"
    if calm:
        yield f"<p>{say.number(len(calm), 'subject')}: {say('nothing found')}</p>"
    items = []
    for told, subjects in ordered[:_ALIKE]:
        whats = ", ".join(
            f'<span class="pf-m-{one.value}">{html(GLYPHS[one])}</span>&nbsp;{text(hazard)}' for hazard, one in told
        )
        items.append(f"<li>{names(say, subjects)}: {whats}</li>")
    if len(ordered) > _ALIKE:
        rest = sum(len(subjects) for _, subjects in ordered[_ALIKE:])
        items.append(f"<li>{say('{n} more, see preflight.json', n=say.number(rest, 'subject'))}</li>")
    listed = f'<ul class="pf-alike">{"".join(items)}</ul>'
    yield listed if len(ordered) <= _REASONS else folded(say.number(len(ordered), "group"), listed)


def left_out(heading: str, triples: Sequence[groups.Triple], say: Words) -> Iterator[str]:
    """Counted, and told by hazard: an auditor must see what was left out and why.

    :param heading: as HTML.
    """
    if not triples:
        return
    hazards: dict[str, dict[str, list[str]]] = {}
    for hazard, subject, reason in triples:
        hazards.setdefault(hazard, {}).setdefault(reason, []).append(subject)
    items = []
    for hazard, said in hazards.items():
        whys = []
        for reason, subjects in list(said.items())[:_REASONS]:
            named = [one for one in subjects if one]
            whys.append(text(say.sentence(reason)) + (f" ({some(say, named)})" if named else ""))
        if len(said) > _REASONS:
            whys.append(say("{n} more reasons", n=f"{len(said) - _REASONS:,}"))
        items.append(f"<li>{code(hazard)}: {'; '.join(whys)}</li>")
    yield folded(f"{heading}: {len(triples):,}", f"<ul>{''.join(items)}</ul>")
