"""The verdict: first, in words and colour, with everything that a person has to know before trusting it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from conformance.findings import Examination, Outcome, Verdict
from conformance.report import groups
from conformance.report.html.parts import moment, names, some, text, waiver
from conformance.report.words import Words

__all__ = ["compared", "suite_of", "verdict"]

_MEANING: Final[Mapping[Verdict, str]] = {
    Verdict.GO: "Nothing that was looked for stands in the way of this upgrade.",
    Verdict.NO_GO: "Do not start this upgrade: what blocks it has to be put right first.",
    Verdict.INCOMPLETE: "Not decided: not everything could be looked at, and what was not read is not a pass.",
}
_ACCEPTED: Final = (
    "What was looked for and stands in the way of this upgrade was accepted by somebody: see what is waived."
)
_SITUATIONS: Final[Mapping[str, str]] = {
    "before": "before the upgrade",
    "stuck": "in a stuck upgrade",
    "repair": "around a repair",
}
_REASONS: Final = 5


def verdict(examination: Examination, say: Words) -> Iterator[str]:
    """What is said first."""
    yield f'<section class="pf-verdict" id="pf-verdict" aria-label="{say("Verdict")}">'
    yield f'<p class="pf-label">{groups.LABELS[examination.verdict]}</p>'
    waived = examination.verdict is Verdict.GO and examination.count(Outcome.WAIVED)
    yield f'<p class="pf-meaning">{say(_ACCEPTED if waived else _MEANING[examination.verdict])}</p>'
    yield f'<p class="pf-reasons">{text(", ".join(map(say.sentence, examination.reasons)))}</p>'
    if examination.title:
        yield f'<p class="pf-title">{text(examination.title)}</p>'
    yield '<dl class="pf-facts">'
    for name, value in _facts(examination, say):
        yield f"<div><dt>{name}</dt><dd>{value}</dd></div>"
    yield "</dl>"
    yield from _clusters(examination, say)
    yield "</section>"
    yield from _loud(examination, say)


def _facts(examination: Examination, say: Words) -> Iterator[tuple[str, str]]:
    change = groups.upgrade_text(examination, "→")
    yield say("Upgrade"), f"<strong>{text(change)}</strong>" if change else say("no version is named")
    situation = _SITUATIONS.get(examination.situation)
    yield say("Profile"), text(examination.profile) + (f" ({say(situation)})" if situation else "")
    over = _over(examination, say)
    scope = f" <strong>{text(say.sentence(examination.scope))}</strong>" if examination.scope else ""
    yield say("Examined"), f"{over}{scope}"
    yield (
        say("When"),
        say("{start} to {end}", start=moment(examination.started), end=moment(groups.read_until(examination))),
    )
    if examination.fresh_until:
        yield say("Fresh until"), moment(examination.fresh_until)
    yield say("By"), _made_by(examination, say)


def _over(examination: Examination, say: Words) -> str:
    kinds = [str(one.get("kind", "")) for one in examination.subjects]
    told = [say.number(kinds.count(kind), kind) for kind in ("host", "cluster") if kind in kinds]
    coverage = examination.coverage
    hazards = say("{n} of {all} hazards of the profile", n=f"{coverage.examined:,}", all=f"{coverage.known:,}")
    return ", ".join([*told, hazards])


def _made_by(examination: Examination, say: Words) -> str:
    parts = [text(suite_of(examination)) or say("an unnamed suite")]
    catalogue: Any = examination.gather.get("catalogue")
    if isinstance(catalogue, Mapping):
        parts.append(
            say(
                "catalogue of {n} hazards, {digest}",
                n=text(str(catalogue.get("hazards", "?"))),
                digest=f"<code>{text(str(catalogue.get('digest', '')))}</code>",
            )
        )
    return ", ".join(parts)


def suite_of(examination: Examination) -> str:
    """Name and version of the suite, as text."""
    suite = examination.suite
    return f"pytest-preflight {suite}" if suite[:1].isdigit() else suite


def _clusters(examination: Examination, say: Words) -> Iterator[str]:
    """The verdict on each cluster, where there are several."""
    if not examination.verdicts:
        return
    yield f'<p class="pf-lead">{say("Each cluster on its own")}</p><ul class="pf-clusters">'
    for name, (judged, reasons) in examination.verdicts.items():
        label = f'<strong class="pf-v-{judged.value}">{groups.LABELS[judged]}</strong>'
        yield f"<li>{label} {text(name)}: {text(', '.join(map(say.sentence, reasons)))}</li>"
    yield "</ul>"


def _loud(examination: Examination, say: Words) -> Iterator[str]:
    """What nobody may overlook: warnings of the run, what is unknown, what somebody accepted."""
    for warning in examination.warnings:
        yield f'<p class="pf-loud"><strong>{say("Warning:")}</strong> {text(say.sentence(warning))}</p>'
    unknown = groups.unknown(examination)
    if unknown:
        number = sum(one.number for one in unknown)
        yield f'<div class="pf-loud"><strong>{say("Unknown: {n}", n=f"{number:,}")}</strong><ul>'
        for one in unknown[:_REASONS]:
            whom = f"{some(say, one.subjects, 5)}: " if one.subjects else ""
            yield f"<li>{whom}{text(one.text)} ({say.number(len(one.hazards), 'hazard')})</li>"
        if len(unknown) > _REASONS:
            more = say("{n} more reasons", n=f"{len(unknown) - _REASONS:,}")
            yield f'<li><a href="#pf-{Outcome.UNKNOWN.value}">{more}</a></li>'
        yield "</ul></div>"
    used = groups.waivers(examination)
    if used:
        yield f'<div class="pf-loud"><strong>{say("Waived: accepted by somebody, and still there")}</strong><ul>'
        for accepted in used:
            by = waiver(say, accepted.waiver)
            yield f"<li><code>{text(accepted.hazard)}</code>: {some(say, accepted.subjects)}, {by}</li>"
        yield "</ul></div>"


def compared(examination: Examination, say: Words) -> Iterator[str]:
    """What has changed since an earlier run."""
    one = examination.comparison
    if one is None:
        return
    yield f'<section class="pf-compared"><h2>{say("Since the earlier run")}</h2>'
    yield f"<p>{text(say.sentence(groups.compared(one)))}</p>"
    told = [
        f"<li>{say(label)}: {text(hazard)}: {names(say, subjects)}</li>"
        for label, changed in (("new", one.new), ("gone", one.gone), ("not examined again", one.not_examined))
        for hazard, subjects in groups.by_name(changed)
    ]
    if told:
        yield f"<ul>{''.join(told)}</ul>"
    yield "</section>"
