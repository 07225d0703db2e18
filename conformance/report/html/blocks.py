"""What was found, grouped by hazard: why it matters, on whom, what decided it, what to do, where it is documented."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from conformance.findings import Evidence, Examination, Outcome
from conformance.hazards import Severity
from conformance.report import groups
from conformance.report.groups import Group, HazardGroup
from conformance.report.html.parts import (
    LINES,
    anchor,
    code,
    folded,
    ids,
    lines,
    names,
    prose,
    remedy,
    some,
    source,
    text,
    waiver,
)
from conformance.report.words import Words

__all__ = ["found", "unknown"]

#: Groups of a hazard that stand openly, that are folded away, and lines of a list that stand openly.
_OPEN: Final = 3
_GROUPS: Final = 20
_LIST: Final = 10
_ANSWERS: Final = 5
#: Above so many, subjects that stand in full already are not named again.
_FEW: Final = 5
_HEADINGS: Final[Mapping[Outcome, str]] = {
    Outcome.HAZARD: "What blocks",
    Outcome.WARNING: "Warnings",
    Outcome.WAIVED: "Waived",
}
_WHY: Final[Mapping[Severity, str]] = {
    Severity.BLOCKER: "The upgrade fails, gets stuck or loses data with it.",
    Severity.WARNING: "The upgrade works with it, with harm or at a risk.",
    Severity.ADVICE: "Worth knowing before the upgrade.",
}
_LOWERED: Final = "Nothing is wrong yet; it comes with the next boot or the next change."


def found(examination: Examination, outcome: Outcome, say: Words) -> Iterator[str]:
    """The section of one outcome; of blockers also where there are none, for their place not to be empty."""
    hazards = groups.by_hazard(examination, outcome)
    if not hazards and outcome is not Outcome.HAZARD:
        return
    number = say.number(sum(one.number for one in hazards), "finding")
    yield f'<section id="pf-{outcome.value}"><h2>{say(_HEADINGS[outcome])}: {number}</h2>'
    if not hazards:
        yield f"<p>{say('Nothing that was looked for and read blocks.')}</p>"
    for one in hazards:
        yield from _hazard(one, outcome, say)
    yield "</section>"


def _hazard(hazard: HazardGroup, outcome: Outcome, say: Words) -> Iterator[str]:
    lowered = outcome is Outcome.WARNING and hazard.severity is Severity.BLOCKER
    label = "blocker, lowered to warning" if lowered else hazard.severity.value
    yield f'<article class="pf-found pf-o-{outcome.value}" id="{anchor(outcome.value, hazard.hazard)}">'
    yield (
        f"<h3>{text(say.title(hazard.hazard, hazard.title))} "
        f'<span class="pf-tags">{code(hazard.hazard)} <span class="pf-severity">{say(label)}</span></span></h3>'
    )
    yield f'<p class="pf-why">{say(_LOWERED if lowered else _WHY[hazard.severity])}</p>'
    for group in hazard.groups[:_OPEN]:
        yield from _group(group, say)
    more = [piece for group in hazard.groups[_OPEN:_GROUPS] for piece in _group(group, say)]
    if more:
        others = [subject for group in hazard.groups[_OPEN:_GROUPS] for subject in group.subjects]
        yield folded(say("On {n}, in other words", n=say.number(len(others), "more subject")), "".join(more))
    if len(hazard.groups) > _GROUPS:
        rest = [subject for group in hazard.groups[_GROUPS:] for subject in group.subjects]
        yield f'<div class="pf-on">{say("On")} {names(say, rest)}: {say("each in other words, see preflight.json")}</div>'
    if outcome is not Outcome.WAIVED:
        yield from _remedies(hazard, say)
    if hazard.source:
        yield f'<p class="pf-source">{say("Source")}: {source(hazard.source)}</p>'
    yield "</article>"


def _group(group: Group, say: Words) -> Iterator[str]:
    said, many = group.said_once, len(group.findings) > LINES
    if said is not None or many:
        also = say("the others with other numbers, see preflight.json")
        number = f"{say.number(len(group.findings), 'subject')}: " if len(group.findings) > 1 else ""
        yield f'<div class="pf-on">{say("On")} {number}{names(say, group.subjects)}</div>'
        if said is not None:
            yield f'<p class="pf-message">{prose(said)}</p>'
        else:
            yield f'<p class="pf-message">{text(group.first.subject)}: {prose(group.first.message)} ({also})</p>'
    else:
        each = [f"<li>{names(say, [one.subject])}: {prose(one.message)}</li>" for one in group.findings]
        yield f'<ul class="pf-message">{"".join(each[:_LIST])}</ul>'
        if each[_LIST:]:
            yield folded(say.number(len(each) - _LIST, "more subject"), f"<ul>{''.join(each[_LIST:])}</ul>")
    for one in group.waivers:
        yield f'<p class="pf-waiver">{say("Waived")} {waiver(say, one)}</p>'
    for note in group.notes:
        yield f'<p class="pf-loud">{text(say.sentence(note))}</p>'
    answers = group.evidence()
    for subjects, evidence in answers[:_ANSWERS]:
        yield from _evidence(subjects, evidence, say)
    if len(answers) > _ANSWERS:
        yield f"<p>{say('{n} more answers, see preflight.json', n=f'{len(answers) - _ANSWERS:,}')}</p>"


def _evidence(subjects: Sequence[str], evidence: Evidence, say: Words) -> Iterator[str]:
    on = some(say, subjects, _FEW)
    yield f'<p class="pf-read">{say("Read on {subjects}:", subjects=on)} {code(evidence.read)}</p>'
    if evidence.lines:
        yield f"<pre>{lines(evidence.lines)}</pre>"


def _remedies(hazard: HazardGroup, say: Words) -> Iterator[str]:
    """The way out: what the hazard's document says, and the check's own words with the names filled in."""
    remedies = hazard.remedies
    general = list(dict.fromkeys(say.remedy(hazard.hazard, given)[0] for _, given in remedies))
    once = len(general) == 1 and len(remedies) > 1
    if not remedies:
        return
    yield '<div class="pf-remedies">'
    yield f'<p class="pf-lead">{say("Remedy")}</p>'
    if once:
        yield from remedy(general[0])
    for subjects, given in remedies[:_GROUPS]:
        words, own = say.remedy(hazard.hazard, given)
        if len(remedies) > 1 and (own or not once):
            yield f'<p class="pf-whom">{say("On")} {some(say, subjects)}:</p>'
        if not once:
            yield from remedy(words)
        if own:
            yield f'<div lang="en">{"".join(remedy(own))}</div>'
    if len(remedies) > _GROUPS:
        yield f"<p>{say('{n} more remedies, see preflight.json', n=f'{len(remedies) - _GROUPS:,}')}</p>"
    yield "</div>"


def unknown(examination: Examination, say: Words) -> Iterator[str]:
    """What could not be decided and why; each reason once."""
    reasons = groups.unknown(examination)
    if not reasons:
        return
    yield f'<section id="pf-unknown"><h2>{say("Unknown: {n}", n=f"{sum(one.number for one in reasons):,}")}</h2>'
    yield f"<p>{say('What could not be read is not a pass. These hazards may be present.')}</p>"
    yield '<ul class="pf-unknowns">'
    for one in reasons:
        whom = f"<strong>{names(say, one.subjects)}</strong>: " if one.subjects else ""
        yield f"<li>{whom}{text(one.text)}<br>{ids(one.hazards)}</li>"
    yield "</ul></section>"
