"""``preflight.html``: the report that people read, compare and sign.

pytest-html makes the page, its title and its rows. What stands above the rows is made here, as static HTML without a
script and without an inline style: it reads the same where a content security policy blocks both.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from conformance.findings import Examination, Outcome
from conformance.report import groups
from conformance.report.html.blocks import found, unknown
from conformance.report.html.how import how, sign_off
from conformance.report.html.matrix import matrix
from conformance.report.html.page import sealed
from conformance.report.html.verdict import compared, verdict
from conformance.report.text import cut, one_line, terminal
from conformance.report.words import ENGLISH, Words

__all__ = ["report_title", "rows_heading", "sealed", "verdict_block"]

_TITLE: Final = 200
_PLACES: Final = (
    ("pf-hazard", "What blocks"),
    ("pf-warning", "Warnings"),
    ("pf-waived", "Waived"),
    ("pf-unknown", "Unknown"),
    ("pf-matrix", "Hazards by subjects"),
    ("pf-how", "How it was examined"),
    ("pf-sign", "Sign-off"),
)


def report_title(examination: Examination) -> str:
    """The title of the report, as text that still has to be escaped."""
    label = groups.LABELS[examination.verdict]
    change = f"{examination.profile}, {groups.upgrade_text(examination, '→')}"
    return terminal(one_line(cut(f"{label}: {examination.title or change}", _TITLE)))


def verdict_block(examination: Examination, say: Words = ENGLISH) -> str:
    """The examination as one HTML element, in the order in which a change is decided."""
    sections = [
        *compared(examination, say),
        *found(examination, Outcome.HAZARD, say),
        *found(examination, Outcome.WARNING, say),
        *found(examination, Outcome.WAIVED, say),
        *unknown(examination, say),
        *matrix(examination, say),
        *how(examination, say),
        *sign_off(examination, say),
    ]
    parts = [
        f'<div class="preflight preflight-{examination.verdict.value}">',
        *verdict(examination, say),
        *_places(sections, say),
        *sections,
        "</div>",
    ]
    return "\n".join(parts) + "\n"


def _places(sections: list[str], say: Words) -> Iterator[str]:
    """Where to find what: links to the sections that there are."""
    there = [(name, words) for name, words in _PLACES if any(f'id="{name}"' in one for one in sections)]
    links = (f'<li><a href="#{name}">{say(words)}</a></li>' for name, words in there)
    yield f'<nav class="pf-places" aria-label="{say("Sections of this report")}"><ul>{"".join(links)}</ul></nav>'


def rows_heading(shown: int, left_out: int, say: Words = ENGLISH) -> str:
    """What stands between our sections and pytest-html's rows: what they are, and how many were left out of them.

    :param shown: results that have a row.
    :param left_out: results that have none, because there are too many for a browser to draw.
    """
    told = say(
        "{n} results have a row, drawn by a script of pytest-html; all they tell stands above too.", n=f"{shown:,}"
    )
    more = say(
        "{n} have none: clear and not applicable ones of a large run, and findings beyond the first 500.",
        n=f"{left_out:,}",
    )
    extra = f' <strong class="pf-cut">{more}</strong>' if left_out else ""
    return f'<div class="preflight-rows"><h2>{say("Each result, as pytest ran it")}</h2><p>{told}{extra}</p></div>\n'
