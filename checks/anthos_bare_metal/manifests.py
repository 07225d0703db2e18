"""What the cluster operator says of manifests that it cannot apply."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from conformance.reads import LogMatch

ERROR = "error during manifests operations"
#: klog writes level, date and time in front of every entry; what an error says in further lines has no such front.
_ENTRY = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d|\{|\d{4}-\d\d-\d\dT")
_SEVERAL = re.compile(r"\d+ errors? occurred:")
_ESCAPED_ENDS = re.compile(r"\\+[nrt]")
_REFUSED = re.compile(
    r"(?:(?P<kind>[A-Za-z][\w.-]*) +)?(?P<name>\\*\"[^\"\\]+\\*\"|[^\s\"\\*]+) is invalid: "
    r"metadata\.resourceVersion: Invalid value: 0x0: must be specified for an update"
)


@dataclass(frozen=True, slots=True)
class Refused:
    """A resource that the operator cannot update."""

    #: As the log names it: ``Deployment.apps``; empty where it names none.
    kind: str
    name: str
    #: The line that names it.
    line: LogMatch
    #: All that is known of the entry that it belongs to: its lines may say of which cluster it is.
    entry: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.name}".strip()


class _Entry:
    """An entry of the log as far as it was read; `ours` where it is an error during manifests operations."""

    def __init__(self, head: str) -> None:
        self.head = head
        self.ours = ERROR in head
        self.lines = [head]
        self.named: list[tuple[re.Match[str], LogMatch]] = []

    def take(self, line: LogMatch) -> None:
        """Take a line of it, with those of its own that follow."""
        self.lines.append(line.text)
        for text in line.after:
            if _ENTRY.match(text):
                break
            self.lines.append(text)
        self.named += [(match, line) for match in _REFUSED.finditer(_ESCAPED_ENDS.sub(" ", line.text))]


def refused(lines: Iterable[LogMatch]) -> tuple[list[Refused], list[LogMatch]]:
    """The resources that errors during manifests operations name, and lines that name some of an unknown error.

    An error of several resources stands in one line with escaped ends, or in several lines. The lines are those of one
    log after the other, each in its order.
    """
    found: list[Refused] = []
    orphans: list[LogMatch] = []
    for entry in _entries(lines):
        if not entry.head:
            orphans += dict.fromkeys(line for _, line in entry.named)
        elif entry.ours:
            found += [_refused(match, line, tuple(entry.lines)) for match, line in entry.named]
    return found, orphans


def _entries(lines: Iterable[LogMatch]) -> list[_Entry]:
    """The entries that the lines belong to; one without a head where it begins before all that was read."""
    entries: list[_Entry] = []
    log = ("", "")
    for line in lines:
        if (line.pod, line.container) != log:
            log = (line.pod, line.container)
            entries.append(_Entry(""))
        heads = [text for text in line.before if _begins(text)]
        if heads and heads[-1] != entries[-1].head:
            entries.append(_Entry(heads[-1]))
        if _begins(line.text):
            entries.append(_Entry(line.text))
        entries[-1].take(line)
    return entries


def _begins(text: str) -> bool:
    return ERROR in text or _ENTRY.match(text) is not None or _SEVERAL.search(text) is not None


def _refused(match: re.Match[str], line: LogMatch, entry: tuple[str, ...]) -> Refused:
    name = match["name"].strip('\\"')
    # "* services is invalid" has no kind: the word before a name that is not quoted is part of a sentence.
    quoted = match["name"] != name
    return Refused((match["kind"] or "") if quoted else "", name, line, entry)
