"""The pieces that every section of the HTML report is made of. pytest-html escapes nothing: all text is escaped here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from conformance.findings import Outcome
from conformance.report.text import cut, cut_lines, html
from conformance.report.words import Words

__all__ = [
    "GLYPHS",
    "anchor",
    "code",
    "folded",
    "ids",
    "lines",
    "moment",
    "names",
    "prose",
    "remedy",
    "rows",
    "some",
    "source",
    "table",
    "text",
    "told",
    "waiver",
]

LINES: Final = 60
_LINE: Final = 2_000
#: Names that stand openly; more are folded away, never dropped.
_NAMES: Final = 12
_ADDRESS: Final = re.compile(r"https?://[\w.~:/?#@!$&*+,;=%-]+$", re.ASCII)
#: What stands for an outcome in the matrix: never a colour alone.
GLYPHS: Final[Mapping[Outcome, str]] = {
    Outcome.HAZARD: "✗",
    Outcome.UNKNOWN: "?",
    Outcome.WARNING: "!",
    Outcome.WAIVED: "w",
    Outcome.CLEAR: "·",
    Outcome.NOT_APPLICABLE: "-",
}


def text(words: str) -> str:
    """Text on one line, cut where it is very long."""
    return html(cut(words, _LINE))


def moment(given: str) -> str:
    """A moment as people write it: the day, the time, the zone; as it was given where it is none."""
    try:
        when = datetime.fromisoformat(given)
    except ValueError:
        return text(given)
    zone = "UTC" if when.utcoffset() == timedelta(0) else when.isoformat()[-6:] if when.tzinfo else ""
    return text(f"{when:%Y-%m-%d %H:%M:%S} {zone}".strip())


def code(words: str) -> str:
    """Text as it would be typed."""
    return f"<code>{text(words)}</code>"


def prose(message: str) -> str:
    """What a check said, with its line ends."""
    return "<br>".join(html(line) for line in cut_lines(message.strip().split("\n"), LINES, _LINE))


def lines(shown: Sequence[str]) -> str:
    """Lines as they were read."""
    return "\n".join(html(line) for line in cut_lines(shown, LINES, _LINE))


def anchor(kind: str, name: str) -> str:
    """The id of an element; only of what the suite itself named, and harmless whatever it is."""
    return f"pf-{kind}-{re.sub(r'[^a-z0-9-]', '', name.lower())[:80]}"


def names(say: Words, given: Iterable[str]) -> str:
    """All names; where they are many, those after the first folded away."""
    shown = [f'<span class="pf-name">{text(one)}</span>' for one in dict.fromkeys(given)]
    if len(shown) <= _NAMES:
        return ", ".join(shown)
    more = say("and {n} more", n=f"{len(shown) - _NAMES:,}")
    rest = ", ".join(shown[_NAMES:])
    return f'{", ".join(shown[:_NAMES])} <details class="pf-more"><summary>{more}</summary><div>{rest}</div></details>'


def some(say: Words, given: Sequence[str], limit: int = _NAMES) -> str:
    """The first names and how many more: for lists that stand in full elsewhere."""
    given = list(dict.fromkeys(given))
    shown = ", ".join(text(one) for one in given[:limit])
    return shown if len(given) <= limit else f"{shown} {say('and {n} more', n=f'{len(given) - limit:,}')}"


def ids(hazards: Iterable[str]) -> str:
    """Ids of hazards."""
    return ", ".join(code(one) for one in hazards)


def folded(summary: str, content: str) -> str:
    """What is shown on demand, without a script, and always on paper. Both are HTML."""
    return f"<details><summary>{summary}</summary>{content}</details>"


def table(kind: str, head: Sequence[str], body: Iterable[Sequence[str]], caption: str = "") -> str:
    """A table whose first cell of each row names it. All cells are HTML."""
    top = "".join(f'<th scope="col">{one}</th>' for one in head)
    told_by = f"<caption>{caption}</caption>" if caption else ""
    return f'<table class="{kind}">{told_by}<thead><tr>{top}</tr></thead><tbody>{rows(body)}</tbody></table>'


def rows(body: Iterable[Sequence[str]]) -> str:
    """Rows of a table, without one."""
    return "".join(
        f'<tr><th scope="row">{first}</th>{"".join(f"<td>{one}</td>" for one in rest)}</tr>' for first, *rest in body
    )


def remedy(words: str) -> Iterator[str]:
    """What to do: sentences, and commands on lines of their own where they stand so."""
    shown = cut_lines(words.strip().split("\n"), LINES, _LINE)
    for command, run in groupby(shown, lambda line: line.startswith((" ", "\t", "$ "))):
        if command:
            yield f'<pre class="pf-command">{chr(10).join(html(one.strip().removeprefix("$ ")) for one in run)}</pre>'
        else:
            yield f'<p class="pf-remedy">{"<br>".join(html(one) for one in run)}</p>'


def source(words: str) -> str:
    """The source with its address as a link. It comes from the pack that declares the hazard, never from a subject."""
    address = _ADDRESS.search(words)
    if address is None:
        return text(words)
    shown = html(address.group())
    return f'{text(words[: address.start()])}<a href="{shown}" rel="noopener noreferrer">{shown}</a>'


def waiver(say: Words, given: Mapping[str, str]) -> str:
    """Who accepted what, why and until when."""
    ticket = f", {text(given['ticket'])}" if given.get("ticket") else ""
    return say(
        "by {owner} until {expires}: {reason}",
        owner=text(given.get("owner", "nobody named")) + ticket,
        expires=text(given.get("expires", "no date")),
        reason=text(given.get("reason", "no reason given")),
    )


def told(value: Any) -> str:
    """Plain data as text."""
    if value is None:
        return ""
    if isinstance(value, Mapping):
        return "; ".join(f"{key}: {told(one)}" for key, one in value.items())
    if isinstance(value, (list, tuple, set, frozenset)):
        return ", ".join(told(one) for one in value)
    return str(value)
