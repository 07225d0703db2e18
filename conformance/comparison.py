"""What has changed since an earlier run: from its ``preflight.json`` and the findings of this one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from conformance.documents import InvalidDocument
from conformance.findings import Changed, Comparison, Earlier, Finding, Outcome, Verdict

__all__ = ["compare", "load_earlier"]

_SCHEMA: Final = "pytest-preflight/report/"
_OPEN: Final = (Outcome.HAZARD, Outcome.WARNING)


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
        outcomes = {
            (_text(one, "hazard"), _text(one, "subject")): Outcome(_text(one, "outcome")) for one in record["findings"]
        }
        profile, finished, verdict = (_text(record, key) for key in ("profile", "finished", "verdict"))
        return Earlier(path.name, profile, finished, Verdict(verdict).value, outcomes)
    except (KeyError, TypeError, ValueError) as error:
        msg = f"--compare {path}: the report is damaged ({type(error).__name__}: {str(error)[:200]}); was it edited by hand?"
        raise InvalidDocument(msg) from None


def _text(record: Mapping[str, Any], key: str) -> str:
    text = record[key]
    if not isinstance(text, str):
        msg = f"{key} is {text!r} where text is expected"
        raise TypeError(msg)
    return text


def compare(earlier: Earlier, findings: Iterable[Finding]) -> Comparison:
    """What is new, what is gone, and what cannot be told."""
    now = {(one.hazard, one.subject): one for one in findings}
    new, gone, not_examined = [], [], []
    still = 0
    for key, one in now.items():
        before = earlier.outcomes.get(key)
        if one.outcome in _OPEN:
            if before is one.outcome or before is Outcome.HAZARD:
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
