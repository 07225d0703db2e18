"""What has changed since an earlier run: from its ``preflight.json`` and the findings of this one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from conformance.documents import InvalidDocument
from conformance.findings import Finding, Outcome

__all__ = ["Changed", "Comparison", "Earlier", "compare", "load_earlier"]

_SCHEMA: Final = "pytest-preflight/report/"
_OPEN: Final = (Outcome.HAZARD, Outcome.WARNING)


@dataclass(frozen=True, slots=True)
class Earlier:
    """An earlier report, as far as it can be compared with."""

    file: str
    profile: str
    finished: str
    verdict: str
    #: Hazard and subject -> how the check ended then.
    outcomes: Mapping[tuple[str, str], Outcome]


@dataclass(frozen=True, slots=True)
class Changed:
    """One hazard on one subject that is not as it was."""

    hazard: str
    subject: str
    #: The outcome then, and now; empty where it was not looked for.
    before: str
    now: str
    message: str = ""

    def to_dict(self) -> dict[str, str]:
        """As it stands in ``preflight.json``."""
        return {
            "hazard": self.hazard,
            "subject": self.subject,
            "before": self.before,
            "now": self.now,
            "message": self.message,
        }


@dataclass(frozen=True, slots=True)
class Comparison:
    """One run beside an earlier one."""

    earlier: Earlier
    #: Found now, and not then.
    new: tuple[Changed, ...]
    #: Found then, looked for again, and no longer there - or accepted by a waiver since.
    gone: tuple[Changed, ...]
    #: Found or accepted then, and not decided now: that is not "gone".
    not_examined: tuple[Changed, ...]
    #: How many are found now as they were then.
    still: int

    def to_dict(self) -> dict[str, Any]:
        """As it stands in ``preflight.json``."""
        return {
            "file": self.earlier.file,
            "profile": self.earlier.profile,
            "finished": self.earlier.finished,
            "verdict": self.earlier.verdict,
            "new": [one.to_dict() for one in self.new],
            "gone": [one.to_dict() for one in self.gone],
            "not_examined": [one.to_dict() for one in self.not_examined],
            "still": self.still,
        }


def load_earlier(path: Path) -> Earlier:
    """Read the report of an earlier run.

    :raises InvalidDocument: it cannot be read, or is no such report.
    """
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"--compare {path}: cannot be read: {error.strerror or error}"
        raise InvalidDocument(msg) from None
    except (ValueError, RecursionError):
        msg = f"--compare {path}: it is no JSON; give the preflight.json of an earlier run"
        raise InvalidDocument(msg) from None
    if not isinstance(record, dict) or not str(record.get("schema", "")).startswith(_SCHEMA):
        msg = f"--compare {path}: it is no report of this suite; give the preflight.json of an earlier run"
        raise InvalidDocument(msg)
    try:
        outcomes = {(one["hazard"], one["subject"]): Outcome(one["outcome"]) for one in record["findings"]}
        return Earlier(path.name, record["profile"], record["finished"], record["verdict"], outcomes)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"--compare {path}: the report is damaged ({type(error).__name__}: {error}); was it edited by hand?"
        raise InvalidDocument(msg) from None


def compare(earlier: Earlier, findings: Iterable[Finding]) -> Comparison:
    """What is new, what is gone, and what cannot be told."""
    now = {(one.hazard, one.subject): one for one in findings}
    new, gone, not_examined = [], [], []
    still = 0
    for key, one in now.items():
        before = earlier.outcomes.get(key)
        if one.outcome in _OPEN:
            if before in _OPEN:
                still += 1
            else:
                new.append(Changed(*key, before.value if before else "", one.outcome.value, one.message))
    for key, outcome in earlier.outcomes.items():
        if outcome not in (*_OPEN, Outcome.WAIVED):
            continue
        found = now.get(key)
        if found is None or found.outcome is Outcome.UNKNOWN:
            why = found.message if found else "it was not looked for"
            not_examined.append(Changed(*key, outcome.value, found.outcome.value if found else "", why))
        elif found.outcome in (Outcome.CLEAR, Outcome.NOT_APPLICABLE) or (
            found.outcome is Outcome.WAIVED and outcome is not Outcome.WAIVED
        ):
            gone.append(Changed(*key, outcome.value, found.outcome.value, found.message))
    return Comparison(earlier, tuple(new), tuple(gone), tuple(not_examined), still)
