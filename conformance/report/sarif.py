"""SARIF 2.1.0, for views that show the results of code scanning beside the files in Git.

What was found of a cluster points at the files of its desired configuration, everything else at the change file; where
neither is in reach of the directory that pytest runs in, a result has its subject's name and no file. Source:
https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from typing import Any, Final
from urllib.parse import quote

from conformance.findings import Examination, Finding, Outcome, Verdict
from conformance.hazards import Severity
from conformance.report import groups
from conformance.report.text import cut, terminal

__all__ = ["to_sarif"]

_SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_TOLD: Final = (Outcome.HAZARD, Outcome.UNKNOWN, Outcome.WARNING, Outcome.WAIVED)
_LEVELS: Final = {Severity.BLOCKER: "error", Severity.WARNING: "warning", Severity.ADVICE: "note"}
#: What such views take of one text.
_TEXT: Final = 4_000


def to_sarif(examination: Examination, files: Mapping[str, Iterable[str]] | None = None) -> str:
    """The examination as one SARIF run. Clear and not applicable findings are left out, as such views know only results.

    :param files: subject name -> paths, relative to the checkout, of the files that describe it; "" for all others.
    """
    told = [one for one in examination.findings if one.outcome in _TOLD]
    rules = {one.hazard: one for one in reversed(told)}
    order = sorted(rules)
    document = {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {
                        "name": "pytest-preflight",
                        "version": examination.suite or "0",
                        "rules": [_rule(rules[one]) for one in order],
                    }
                },
                "invocations": [_invocation(examination)],
                "results": [_result(one, order.index(one.hazard), files or {}) for one in told],
                "columnKind": "unicodeCodePoints",
            }
        ],
    }
    return json.dumps(document, ensure_ascii=True, indent=1) + "\n"


def _say(text: str) -> str:
    return terminal(cut(text, _TEXT), newlines=True)


def _rule(one: Finding) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": one.hazard,
        "shortDescription": {"text": _say(one.title or one.hazard)},
        "defaultConfiguration": {"level": _LEVELS[one.severity]},
        "properties": {"severity": one.severity.value},
    }
    if one.source:
        rule["fullDescription"] = {"text": _say(f"{one.title or one.hazard}. Source: {one.source}")}
    return rule


def _invocation(examination: Examination) -> dict[str, Any]:
    before, after = groups.upgrade(examination)
    said = f"{groups.LABELS[examination.verdict]}: {', '.join(examination.reasons)}"
    return {
        # The run came to its end; what it could not read stands among the results and in the verdict.
        "executionSuccessful": examination.verdict is not Verdict.INCOMPLETE,
        "startTimeUtc": examination.started.replace("+00:00", "Z"),
        "endTimeUtc": examination.finished.replace("+00:00", "Z"),
        "toolExecutionNotifications": [
            {"level": "note", "message": {"text": _say(one)}} for one in (said, *examination.warnings)
        ],
        "properties": {
            "verdict": examination.verdict.value,
            "profile": _say(examination.profile),
            "from": before and _say(before),
            "to": after and _say(after),
            "scope": examination.scope,
        },
    }


def _level(one: Finding) -> str:
    """As its rule has it by the severity, but for a blocker that its check lowered; a waiver changes nothing of that."""
    if one.outcome is Outcome.UNKNOWN:
        return "none"
    lowered = one.severity is Severity.BLOCKER and (one.waived or one.outcome) is Outcome.WARNING
    return "warning" if lowered else _LEVELS[one.severity]


def _result(one: Finding, rule: int, files: Mapping[str, Iterable[str]]) -> dict[str, Any]:
    unknown = one.outcome is Outcome.UNKNOWN
    parts = [f"{one.subject}: {'unknown: ' if unknown else ''}{one.message or one.title}", *one.notes]
    parts += [line for evidence in one.evidence for line in evidence.lines]
    if one.remedy:
        parts.append(f"Remedy: {one.remedy}")
    paths = list(files.get(one.subject) or files.get("") or ())
    location: dict[str, Any] = {"logicalLocations": [{"name": _say(one.subject), "kind": "resource"}]}
    if paths:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": quote(os.fsencode(paths[0]))},
            "region": {"startLine": 1},
        }
    # A name may hold half of a surrogate pair, which no encoding allows.
    named = f"{one.hazard}\0{one.subject}".encode("utf-8", "surrogatepass")
    result: dict[str, Any] = {
        "ruleId": one.hazard,
        "ruleIndex": rule,
        "kind": "open" if unknown else "fail",
        "level": _level(one),
        "message": {"text": _say("\n".join(parts))},
        "locations": [location],
        # The same hazard on the same subject is the same result in every run, whatever its message says.
        "partialFingerprints": {"hazardOnSubject/v1": hashlib.sha256(named).hexdigest()},
    }
    if one.waiver:
        waiver = one.waiver
        said = f"{waiver.get('reason', '')} ({waiver.get('owner', '')}, until {waiver.get('expires', '')})"
        result["suppressions"] = [{"kind": "external", "status": "accepted", "justification": _say(said)}]
    return result
