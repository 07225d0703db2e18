"""Evidence: the reads behind a finding, and the lines of their answers that decided it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from conformance.answers import Answer
from conformance.facts.resolve import AnswerOf, Planned
from conformance.findings import Evidence

__all__ = ["evidence_of"]

#: An answer of at most so many lines is evidence as a whole, where the check names no lines of its own.
_SHORT: Final = 3
_LONGEST_LINE: Final = 500


def evidence_of(reads: Iterable[Planned], lines: Iterable[str], answer_of: AnswerOf) -> tuple[Evidence, ...]:
    """Each read behind a finding with its deciding lines.

    :param lines: the lines that the check named; each is put beside the read whose answer holds it. A line that
        stands in no answer as it is - one that describes an object of a cluster - goes with the cluster's read, and
        with the one of that very resource where the line begins with its name: ``node wk-1: ...``.
    """
    lines = [line[:_LONGEST_LINE] for line in dict.fromkeys(lines)]
    found: list[tuple[Planned, list[str]]] = []
    for planned in reads:
        answer = answer_of(planned.subject, planned.read.key)
        texts = _texts(answer) if answer else []
        held = [line for line in lines if any(line in text for text in texts)]
        if not lines:
            shown = [line for text in texts for line in text.splitlines() if line.strip()]
            held = [line[:_LONGEST_LINE] for line in shown] if len(shown) <= _SHORT else []
        found.append((planned, held))
    placed = {line for _, held in found for line in held}
    rest = [line for line in lines if line not in placed]
    if rest and found:
        home = next((held for planned, held in found if not planned.read.key.startswith("cat ")), found[0][1])
        for line in rest:
            next((held for planned, held in found if _is_about(line, planned)), home).append(line)
    chosen = [(planned, held) for planned, held in found if held] or found
    return tuple(Evidence(planned.subject, planned.read.key, tuple(held)) for planned, held in chosen)


def _is_about(line: str, planned: Planned) -> bool:
    plural = getattr(planned.read, "plural", "")
    return bool(plural) and line.partition(" ")[0] in (plural, plural.removesuffix("s"))


def _texts(answer: Answer) -> list[str]:
    value: Mapping[str, Any] = answer.value or {}
    files = value.get("files")
    found = [one.get("text") for one in files.values() if isinstance(one, dict)] if isinstance(files, dict) else []
    # A file that somebody made or altered may hold anything; what is no text is no evidence.
    return [text for text in (*found, value.get("stdout")) if isinstance(text, str)]
