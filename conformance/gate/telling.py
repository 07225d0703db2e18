"""What ``--verify`` says, and the exit status that a pipeline reads."""

from __future__ import annotations

from pathlib import Path

from conformance.findings import Verdict
from conformance.gate.verification import Verification
from conformance.report.text import one_line, terminal

__all__ = ["told"]

_CODES = {Verdict.GO: 0, Verdict.NO_GO: 1, Verdict.INCOMPLETE: 10}


def told(found: Verification, path: Path, profile: str) -> tuple[str, int]:
    """The text for a person, and the exit status.

    The status is that of the report's own verdict where it stands; 1 where it is forged, 10 where it is stale or about
    something else: then nothing is known of the change at hand.
    """
    if found.stands:
        signed = f"signed with the key {found.signed_by[:16]}…" if found.signed_by else "not asked for a signature"
        lines = [
            f"{found.verdict.upper()}: {path} stands for this change ({profile})",
            f"  {', '.join(found.reasons)}",
            f"  fresh until {found.fresh_until}; {signed}",
        ]
        return "\n".join(_line(one) for one in lines), _CODES[found.verdict]
    what = "is not a report to go by" if found.forged else "is no evidence for this change"
    lines = [f"REFUSED: {path} {what} ({profile})", *(f"  - {one}" for one in (*found.forged, *found.refused))]
    lines.append("  Examine again: the same command without --verify.")
    return "\n".join(_line(one) for one in lines), 1 if found.forged else 10


def _line(text: str) -> str:
    indent = text[: len(text) - len(text.lstrip())]
    return indent + terminal(one_line(text))
