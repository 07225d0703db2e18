"""The examination as a block of static HTML, for the top of pytest-html's report.

No script and no inline style: it reads the same where a content security policy blocks both, with `STYLE` in a
``<style>`` element where that is allowed. pytest-html escapes nothing that it is given, so every text is escaped here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from typing import Any, Final

from conformance.findings import Evidence, Examination, Outcome
from conformance.hazards import Severity
from conformance.report import groups
from conformance.report.groups import Group, HazardGroup, number_of
from conformance.report.text import cut, cut_lines, html, one_line, terminal

__all__ = ["report_title", "style", "verdict_block"]

_LINES: Final = 60
_LINE: Final = 2_000
_GROUPS: Final = 20
_ANSWERS: Final = 5
_ALIKE: Final = "the others with other numbers, see preflight.json"
#: Names that stand openly; more are folded away, never dropped.
_NAMES: Final = 30
_ADDRESS: Final = re.compile(r"https?://[\w.~:/?#@!$&*+,;=%-]+$", re.ASCII)
_TAGS: Final[Mapping[Outcome, str]] = {
    Outcome.HAZARD: "hazard",
    Outcome.WARNING: "warning",
    Outcome.WAIVED: "waived",
}


def report_title(examination: Examination) -> str:
    """The title of the report, as text that still has to be escaped."""
    label = groups.LABELS[examination.verdict]
    change = f"{examination.profile}, {groups.upgrade_text(examination, '→')}"
    return terminal(one_line(cut(f"{label}: {examination.title or change}", _LINE)))


def style() -> str:
    """The style sheet of the block."""
    return resources.files(__package__).joinpath("preflight.css").read_text(encoding="utf-8")


def verdict_block(examination: Examination) -> str:
    """The examination as one HTML element."""
    parts = [
        f'<div class="preflight preflight-{examination.verdict.value}">',
        *_verdict(examination),
        *_compared(examination),
        *_hazards(examination, Outcome.HAZARD, "What blocks"),
        *_hazards(examination, Outcome.WARNING, "Warnings"),
        *_hazards(examination, Outcome.WAIVED, "Waived"),
        *_unknown(examination),
        *_coverage(examination),
        *_left_out("Not examined", groups.left_out(examination)),
        *_left_out("Not applicable", groups.not_applicable(examination)),
        *_how(examination),
        "</div>",
    ]
    return "\n".join(parts) + "\n"


def _verdict(examination: Examination) -> Iterator[str]:
    label = groups.LABELS[examination.verdict]
    yield '<div class="pf-verdict" role="status">'
    yield f'<p class="pf-label">{label}</p>'
    yield f'<p class="pf-reasons">{_text(", ".join(examination.reasons))}</p>'
    if examination.title:
        yield f'<p class="pf-title">{_text(examination.title)}</p>'
    scope = f" <strong>{_text(examination.scope)}</strong>" if examination.scope else ""
    kinds = [str(one.get("kind", "")) for one in examination.subjects]
    told = [number_of(kinds.count(kind), kind) for kind in ("host", "cluster") if kind in kinds]
    yield (
        f"<p>{_text(', '.join([examination.profile, groups.upgrade_text(examination, '→'), *told]))}"
        f"<br>{_text(examination.started)} to {_text(examination.finished)}{scope}</p>"
    )
    yield "</div>"
    for warning in examination.warnings:
        yield f'<p class="pf-loud"><strong>Warning:</strong> {_text(warning)}</p>'
    used = groups.waivers(examination)
    if used:
        yield '<ul class="pf-waivers">'
        for one in used:
            yield f"<li>Waived: <code>{_text(one.hazard)}</code> on {_names(one.subjects)}, {_waiver(one.waiver)}</li>"
        yield "</ul>"


def _compared(examination: Examination) -> Iterator[str]:
    one = examination.comparison
    if one is None:
        return
    yield f"<h2>Since the earlier run</h2><p>{_text(groups.compared(one))}</p>"
    told = [
        f"<li>{label}: {_text(hazard)} on {_names(subjects)}</li>"
        for label, changed in (("new", one.new), ("gone", one.gone), ("not examined again", one.not_examined))
        for hazard, subjects in groups.by_name(changed)
    ]
    if told:
        yield f"<ul>{''.join(told)}</ul>"


def _hazards(examination: Examination, outcome: Outcome, heading: str) -> Iterator[str]:
    found = groups.by_hazard(examination, outcome)
    if found:
        yield f"<h2>{heading}: {number_of(sum(one.number for one in found), 'finding')}</h2>"
    for hazard in found:
        yield f'<section class="pf-hazard pf-{_TAGS[outcome]}">'
        yield (
            f"<h3><code>{_text(hazard.hazard)}</code> {_text(hazard.title)} "
            f'<span class="pf-severity">{_severity(hazard, outcome)}</span></h3>'
        )
        for group in hazard.groups[:_GROUPS]:
            yield from _group(group)
        if len(hazard.groups) > _GROUPS:
            rest = [subject for group in hazard.groups[_GROUPS:] for subject in group.subjects]
            yield f'<p class="pf-on">On {_names(rest)}: each in other words, see preflight.json</p>'
        if outcome is not Outcome.WAIVED:
            yield from _remedies(hazard)
        if hazard.source:
            yield f'<p class="pf-source">Source: {_source(hazard.source)}</p>'
        yield "</section>"


def _severity(hazard: HazardGroup, outcome: Outcome) -> str:
    """A check may lower its finding: what would block is only a warning then, and the label says both."""
    lowered = outcome is Outcome.WARNING and hazard.severity is Severity.BLOCKER
    return "blocker, lowered to warning" if lowered else hazard.severity.value


def _group(group: Group) -> Iterator[str]:
    said, many = group.said_once, len(group.findings) > _LINES
    if said is not None or many:
        said = said or f"{group.first.subject}: {group.first.message} ({_ALIKE})"
        yield f'<p class="pf-on">On {_names(group.subjects)}</p>'
        yield f'<p class="pf-message">{_prose(said)}</p>'
    else:
        messages = (f"<li>On {_names([one.subject])}: {_prose(one.message)}</li>" for one in group.findings)
        yield f'<ul class="pf-message">{"".join(messages)}</ul>'
    for waiver in group.waivers:
        yield f"<p>Waived {_waiver(waiver)}</p>"
    for note in group.notes:
        yield f'<p class="pf-loud">{_text(note)}</p>'
    answers = group.evidence()
    for subjects, evidence in answers[:_ANSWERS]:
        yield from _evidence(subjects, evidence)
    if len(answers) > _ANSWERS:
        yield f"<p>{number_of(len(answers) - _ANSWERS, 'more answer')}, see preflight.json</p>"


def _evidence(subjects: Sequence[str], evidence: Evidence) -> Iterator[str]:
    yield f'<p class="pf-read">Read on {_names(subjects)}: <code>{_text(evidence.read)}</code></p>'
    if evidence.lines:
        yield f"<pre>{_lines(evidence.lines)}</pre>"


def _remedies(hazard: HazardGroup) -> Iterator[str]:
    remedies = hazard.remedies
    for subjects, remedy in remedies[:_GROUPS]:
        whom = f" on {_names(subjects)}" if len(remedies) > 1 else ""
        yield f'<p class="pf-remedy">Remedy{whom}</p>'
        yield f'<pre class="pf-remedy">{_lines(remedy.strip().split(chr(10)))}</pre>'
    if len(remedies) > _GROUPS:
        yield f"<p>{number_of(len(remedies) - _GROUPS, 'more remedy', 'more remedies')}, see preflight.json</p>"


def _unknown(examination: Examination) -> Iterator[str]:
    unknown = groups.unknown(examination)
    if not unknown:
        return
    yield f"<h2>Unknown: {sum(one.number for one in unknown):,}</h2>"
    yield "<p>What could not be read is not a pass. These hazards may be present.</p>"
    yield '<ul class="pf-unknown">'
    for one in unknown:
        whom = f"<strong>{_names(one.subjects)}</strong>: " if one.subjects else ""
        yield f"<li>{whom}{_text(one.text)}<br>{_ids(one.hazards)}</li>"
    yield "</ul>"


def _coverage(examination: Examination) -> Iterator[str]:
    coverage = examination.coverage
    numbers = groups.counts(examination)
    yield "<h2>Coverage</h2>"
    yield (
        f"<p>{coverage.examined:,} of {number_of(coverage.known, 'hazard')} that the profile names "
        f"were examined on at least one subject.</p>"
    )
    yield '<table class="pf-numbers"><tbody>'
    rows = [(outcome.value, numbers[outcome]) for outcome in Outcome]
    for name, number in (*rows, ("not examined", len(groups.left_out(examination)))):
        yield f'<tr><th scope="row">{name}</th><td>{number:,}</td></tr>'
    yield "</tbody></table>"
    clear = groups.by_hazard(examination, Outcome.CLEAR)
    if clear:
        items = (
            f"<li><code>{_text(one.hazard)}</code> {_text(one.title)} ({number_of(one.number, 'subject')})</li>"
            for one in clear
        )
        yield f"<details><summary>Clear: {number_of(len(clear), 'hazard')}</summary><ul>{''.join(items)}</ul></details>"


def _left_out(heading: str, triples: Sequence[groups.Triple]) -> Iterator[str]:
    """Counted, and told by hazard: an auditor must see what was left out and why."""
    if not triples:
        return
    hazards: dict[str, dict[str, list[str]]] = {}
    for hazard, subject, reason in triples:
        hazards.setdefault(hazard, {}).setdefault(reason, []).append(subject)
    yield f"<details><summary>{heading}: {len(triples):,}</summary><ul>"
    for hazard, said in hazards.items():
        whys = []
        for reason, subjects in list(said.items())[:_GROUPS]:
            named = [one for one in subjects if one]
            whys.append(_text(reason) + (f" ({_some(named)})" if named else ""))
        if len(said) > _GROUPS:
            whys.append(f"{len(said) - _GROUPS:,} more reasons, see preflight.json")
        yield f"<li><code>{_text(hazard)}</code>: {'; '.join(whys)}</li>"
    yield "</ul></details>"


def _how(examination: Examination) -> Iterator[str]:
    """How it was examined: the subjects, and what the gatherers tell."""
    yield "<details><summary>How it was examined</summary>"
    yield f"<p>By {_text(examination.suite or 'an unnamed suite')}.</p>"
    if examination.subjects:
        keys = list(dict.fromkeys(key for one in examination.subjects for key in one))
        yield '<table class="pf-subjects"><thead><tr>'
        yield "".join(f'<th scope="col">{_text(key)}</th>' for key in keys)
        yield "</tr></thead><tbody>"
        for one in examination.subjects:
            cells = "".join(f"<td>{_text(_told(one.get(key)))}</td>" for key in keys)
            yield f"<tr>{cells}</tr>"
        yield "</tbody></table>"
    if examination.gather:
        yield '<table class="pf-gather"><tbody>'
        for key, value in examination.gather.items():
            yield f'<tr><th scope="row">{_text(str(key))}</th><td>{_text(_told(value))}</td></tr>'
        yield "</tbody></table>"
    yield "</details>"


def _told(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {_told(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(_told(one) for one in value)
    return str(value)


def _waiver(waiver: Mapping[str, str]) -> str:
    ticket = f", {_text(waiver['ticket'])}" if waiver.get("ticket") else ""
    return (
        f"by {_text(waiver.get('owner', 'nobody named'))}{ticket} until {_text(waiver.get('expires', 'no date'))}: "
        f"{_text(waiver.get('reason', 'no reason given'))}"
    )


def _source(source: str) -> str:
    """The source with its address as a link. It comes from the pack that declares the hazard, never from a subject."""
    address = _ADDRESS.search(source)
    if address is None:
        return _text(source)
    shown = html(address.group())
    return f'{_text(source[: address.start()])}<a href="{shown}" rel="noopener noreferrer">{shown}</a>'


def _names(names: Iterable[str]) -> str:
    """All names; where they are many, those after the first folded away."""
    shown = [f'<span class="pf-name">{_text(one)}</span>' for one in dict.fromkeys(names)]
    if len(shown) <= _NAMES:
        return ", ".join(shown)
    rest = ", ".join(shown[_NAMES:])
    more = f'<span class="pf-more">{rest}</span>'
    return f"{', '.join(shown[:_NAMES])} and {len(shown) - _NAMES:,} more: {more}"


def _ids(hazards: Iterable[str]) -> str:
    return ", ".join(f"<code>{_text(one)}</code>" for one in hazards)


def _some(names: Sequence[str]) -> str:
    shown = ", ".join(_text(one) for one in names[:_NAMES])
    return shown if len(names) <= _NAMES else f"{shown} and {len(names) - _NAMES:,} more"


def _prose(message: str) -> str:
    return "<br>".join(html(line) for line in cut_lines(message.strip().split("\n"), _LINES, _LINE))


def _lines(lines: Sequence[str]) -> str:
    return "\n".join(html(line) for line in cut_lines(lines, _LINES, _LINE))


def _text(text: str) -> str:
    return html(cut(text, _LINE))
