r"""Text from subjects, made safe for each form of report.

What a host or an API server sends is data. It may hold escape sequences, markup, or characters that turn the reading
direction around; every report passes it through one of these functions first, and through none of them twice. What
cannot be shown is written as an escape such as ``\x1b``, so that a reader sees that it was there.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

__all__ = [
    "cut",
    "cut_lines",
    "encodable",
    "fence",
    "html",
    "markdown",
    "one_line",
    "terminal",
    "width_of",
    "wrap",
    "xml",
]

#: Controls (C0, DEL, C1), direction overrides, invisible and tag characters, separators that some readers take for a
#: new line, lone surrogates and non-characters. Joiners (U+200C, U+200D) stay: whole scripts are written with them.
_HIDDEN: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff\U000e0000-\U000e0fff]"
)

#: Words that Markdown, or a site that shows it, could turn into something: everything but plain letters, digits and
#: calm punctuation ...
_CALM: Final = re.compile(r"[\w.,;:'\"()/=+%?→-]*")
#: ... and of those words, emphasis, schemes, host and file names, and what forges link: mentions, tickets, commits.
_ACTIVE: Final = re.compile(
    r"_|:[^\s]|%\w|\bwww\.|\.[^\W\d]|^\W*GH(?:SA)?-\w|\b(?=[0-9a-f]*\d)[0-9a-f]{7,}\b", re.IGNORECASE
)
#: What starts a list, a quotation or an underlined heading when it stands first on a line.
_LEADING: Final = re.compile(r"^(\d{1,9}(?=[.)]$)|(?=[-+=]+$))")


def _visible(text: str, *, newlines: bool) -> str:
    # isprintable() is false for every character of _HIDDEN and runs at the speed of memory.
    if text.isprintable():
        return text
    if not newlines:
        text = text.replace("\n", r"\n")
    return _HIDDEN.sub(_named, text)


def _named(match: re.Match[str]) -> str:
    code = ord(match.group())
    if code == 0x0D:
        return r"\r"
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def terminal(text: str, *, newlines: bool = False) -> str:
    r"""`text` for a terminal or a log: no escape sequence survives.

    :param newlines: keep line ends; otherwise they become ``\n`` as two visible characters.
    """
    return _visible(text, newlines=newlines)


def encodable(text: str) -> str:
    r"""`text` as every encoding takes it: half of a surrogate pair becomes visible text (``\udce9``)."""
    return text.encode("utf-8", "backslashreplace").decode()


def xml(text: str) -> str:
    """`text` for an XML document, which still has to escape markup; characters that XML 1.0 forbids made visible."""
    return _visible(text, newlines=True)


def html(text: str, *, newlines: bool = False) -> str:
    """`text` for HTML, between tags or in a quoted attribute."""
    return escape(_visible(text, newlines=newlines), quote=True)


def markdown(text: str) -> str:
    """`text` for a line of Markdown, where it can become no link, image, tag, heading, list, cell or fence.

    Backslashes would not be enough: sites that show Markdown link addresses and mention people after they have taken
    the backslashes away. Words that could become something are shown as code, where nothing is looked for.
    """
    parts = []
    # Within code nothing escapes the pipe that ends a table's cell, so pipes stand between the code spans.
    for number, piece in enumerate(_visible(text, newlines=False).replace("\t", " ").strip().split("|")):
        parts.append(r"\|" if number else "")
        parts.extend(_words(piece, first=number == 0))
    return "".join(parts)


def _words(text: str, *, first: bool) -> Iterator[str]:
    """The words of a text without pipes; neighbours that need it share one code span."""
    held: list[str] = []
    for word in re.split(r"(\s+)", text):
        if not word or word.isspace():
            if word and held:
                held.append(" ")
            elif word:
                yield " "
            continue
        if _CALM.fullmatch(word) and not _ACTIVE.search(word):
            yield from _code(held)
            held = []
            yield _LEADING.sub(r"\1\\", word) if first else word
        else:
            held.append(word)
        first = False
    yield from _code(held)


def _code(words: list[str]) -> Iterator[str]:
    """The words as a code span, behind them the space that they ended with; nothing where there are none."""
    content = "".join(words)
    if not content:
        return
    bare = content.rstrip(" ")
    ticks = "`" * (_longest_run(bare) + 1)
    pad = " " if bare.startswith("`") or bare.endswith("`") else ""
    yield f"{ticks}{pad}{bare}{pad}{ticks}" + " " * (len(content) - len(bare))


def fence(lines: Sequence[str]) -> list[str]:
    """Lines as a fenced block of Markdown that none of them can end."""
    shown = [_visible(line, newlines=False) for line in lines]
    ticks = "`" * max(3, max(map(_longest_run, shown), default=0) + 1)
    return [f"{ticks}text", *shown, ticks]


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def cut(line: str, limit: int) -> str:
    """The line, or its beginning and a note of how long it was."""
    return line if len(line) <= limit else f"{line[:limit]} ... [cut here, {len(line):,} characters in all]"


def cut_lines(lines: Sequence[str], count: int, limit: int) -> list[str]:
    """The first `count` lines, each cut to `limit` characters, and a note where there were more.

    Cut before it is made safe: what is dropped need not be looked at.
    """
    kept = [cut(line, limit) for line in lines[:count]]
    if len(lines) > count:
        kept.append(f"... {len(lines) - count:,} more lines, see preflight.json")
    return kept


def one_line(text: str) -> str:
    """The text with its line ends and repeated spaces folded, for messages that are prose."""
    return " ".join(text.split())


def width_of(text: str) -> int:
    """The columns that a text takes on a terminal."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def wrap(text: str, width: int, *, first: str = "", then: str | None = None) -> list[str]:
    """Lines of at most `width` columns, the first behind `first`, the others behind `then` (as wide, if not given).

    Words are never broken - a path or address must stay whole to be copied - except those of scripts without spaces.
    """
    then = " " * width_of(first) if then is None else then
    lines: list[str] = []
    line, used = first, width_of(first)
    empty = True
    for word in _breakable(text, max(20, width - width_of(then))):
        needed = width_of(word)
        if not empty and used + 1 + needed > width:
            lines.append(line)
            line, used, empty = then, width_of(then), True
        line += word if empty else " " + word
        used += needed + (0 if empty else 1)
        empty = False
    return [*lines, line.rstrip()] if line.strip() else lines


def _breakable(text: str, room: int) -> Iterator[str]:
    for word in text.split():
        if word.isascii() or width_of(word) <= room:
            yield word
            continue
        piece, used = "", 0
        for character in word:
            columns = _columns(character)
            if used + columns > room:
                yield piece
                piece, used = "", 0
            piece += character
            used += columns
        yield piece
