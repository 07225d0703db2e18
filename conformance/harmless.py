"""Reports as pytest is given them, which it prints as they are: text of subjects is made safe there.

The finding inside a report stays as it was said; each of our own reports makes it safe in its own way.
"""

from __future__ import annotations

import json
from typing import Any, Final

import pytest

from conformance.report.text import one_line, terminal

__all__ = ["make_harmless", "packed", "said", "unpacked"]

_FINDING: Final = "preflight"


def said(text: str) -> str:
    """Text of a subject as pytest may print it on a line."""
    return terminal(one_line(text))


def make_harmless(report: pytest.TestReport) -> pytest.TestReport:
    """The report, with no escape sequence in anything that pytest shows of it: failure, reason, what was printed."""
    report.longrepr = _safe(report.longrepr)
    if isinstance(report.longrepr, tuple):
        path, line, reason = report.longrepr
        report.longrepr = (path, line, one_line(reason))
    report.sections = _safe(report.sections)
    if hasattr(report, "wasxfail"):
        report.wasxfail = said(report.wasxfail)
    return report


def _safe(value: Any) -> Any:
    """Text, or what pytest makes of a failure: an object that holds texts, and others of its kind."""
    if isinstance(value, str):
        # Most texts are a path or a reason, and there are tens of thousands.
        return value if value.isprintable() else terminal(value, newlines=True)
    if isinstance(value, list | tuple):
        return type(value)(_safe(one) for one in value)
    if hasattr(value, "toterminal"):
        for name, one in vars(value).items():
            setattr(value, name, _safe(one))
    return value


def packed(data: dict[str, Any] | None) -> dict[str, Any] | None:
    """A report on its way from a worker of pytest-xdist, with the finding as ASCII.

    The pipe refuses half a surrogate pair, which a name or an answer may hold.
    """
    if data is not None and _FINDING in data:
        data[_FINDING] = json.dumps(data[_FINDING])
    return data


def unpacked(data: dict[str, Any]) -> dict[str, Any]:
    """What `packed` packed."""
    if isinstance(data.get(_FINDING), str):
        data[_FINDING] = json.loads(data[_FINDING])
    return data
