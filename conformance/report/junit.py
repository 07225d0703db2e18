"""``preflight.junit.xml``: the findings as a test suite, for servers that show test results.

Such servers know passed, failed, error and skipped. A warning passes and says WARNING in its output, since a failure
would stop pipelines that a warning must not stop.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from conformance.findings import Evidence, Examination, Finding, Outcome, Verdict
from conformance.report import groups
from conformance.report.text import cut, cut_lines, one_line, xml

__all__ = ["ANY_SUBJECT", "to_junit"]

#: The name of a test case about a hazard that was left out altogether.
ANY_SUBJECT: Final = "(all subjects)"
_MESSAGE: Final = 500
_LINES: Final = 100
_LINE: Final = 2_000


def to_junit(examination: Examination) -> str:
    """The examination as one JUnit test suite."""
    suite = ET.Element("testsuite", name="preflight")
    properties = ET.SubElement(suite, "properties")
    before, after = groups.upgrade(examination)
    for name, value in (
        ("verdict", examination.verdict.value),
        ("reasons", "; ".join(examination.reasons)),
        ("profile", examination.profile),
        ("from", before or ""),
        ("to", after or ""),
        ("scope", examination.scope),
        ("suite", examination.suite),
    ):
        ET.SubElement(properties, "property", name=name, value=_short(value))
    for finding in examination.findings:
        _finding(suite, finding)
    for hazard, subject, reason in groups.beyond(examination, Outcome.NOT_APPLICABLE):
        _skipped(_case(suite, hazard, subject), f"not applicable: {reason}")
    for hazard, subject, reason in groups.beyond(examination, Outcome.UNKNOWN):
        _problem(_case(suite, hazard, subject), "error", "unknown", f"unknown: {reason}", "")
    for hazard, subject, reason in groups.left_out(examination):
        _skipped(_case(suite, hazard, subject), f"not examined: {reason}")
    _verdict(suite, examination)
    if examination.warnings:
        output = "\n".join(f"WARNING: {one_line(cut(one, _LINE))}" for one in examination.warnings)
        ET.SubElement(suite, "system-out").text = xml(output)
    _count(suite, examination)
    root = ET.Element("testsuites")
    root.append(suite)
    ET.indent(root, " ")
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _finding(suite: ET.Element, finding: Finding) -> None:
    case = _case(suite, finding.hazard, finding.subject)
    message = "; ".join(filter(None, (finding.message or finding.title, *finding.notes)))
    match finding.outcome:
        case Outcome.HAZARD:
            _problem(case, "failure", finding.severity.value, message, _details(finding))
        case Outcome.UNKNOWN:
            _problem(case, "error", "unknown", f"unknown: {message}", _details(finding))
        case Outcome.NOT_APPLICABLE:
            _skipped(case, f"not applicable: {message}")
        case Outcome.WAIVED:
            _skipped(case, _waiver(finding))
            ET.SubElement(case, "system-out").text = xml(_details(finding))
        case Outcome.WARNING:
            ET.SubElement(case, "system-out").text = xml(f"WARNING: {_details(finding)}")


def _case(suite: ET.Element, hazard: str, subject: str) -> ET.Element:
    return ET.SubElement(suite, "testcase", classname=_short(hazard), name=_short(subject or ANY_SUBJECT))


def _short(text: str) -> str:
    return xml(one_line(cut(text, _MESSAGE)))


def _problem(case: ET.Element, tag: str, kind: str, message: str, details: str) -> None:
    ET.SubElement(case, tag, type=kind, message=_short(message)).text = xml(details) or None


def _skipped(case: ET.Element, message: str) -> None:
    ET.SubElement(case, "skipped", message=_short(message))


def _waiver(finding: Finding) -> str:
    waiver = finding.waiver or {}
    ticket = f", {waiver['ticket']}" if waiver.get("ticket") else ""
    return (
        f"waived by {waiver.get('owner', 'nobody named')}{ticket} until {waiver.get('expires', 'no date given')}: "
        f"{waiver.get('reason', 'no reason given')}"
    )


def _details(finding: Finding) -> str:
    parts = [*_cut(finding.message or finding.title), *(cut(one, _LINE) for one in finding.notes)]
    for one in finding.evidence:
        parts += ["", *_evidence(one)]
    if finding.remedy:
        parts += ["", "Remedy:", *_cut(finding.remedy)]
    if finding.source:
        parts += ["", f"Source: {cut(finding.source, _LINE)}"]
    return "\n".join(parts)


def _evidence(evidence: Evidence) -> Sequence[str]:
    return [
        f"{cut(evidence.subject, _MESSAGE)}: {one_line(cut(evidence.read, _LINE))}",
        *cut_lines(evidence.lines, _LINES, _LINE),
    ]


def _cut(text: str) -> list[str]:
    return cut_lines(text.split("\n"), _LINES, _LINE)


def _verdict(suite: ET.Element, examination: Examination) -> None:
    """A case for the verdict itself, where no other one says it: a suite that failed nothing must not look like a go.

    That is so where nothing was examined, or where ``--strict`` makes warnings count.
    """
    if examination.verdict is Verdict.GO:
        return
    tag = "failure" if examination.verdict is Verdict.NO_GO else "error"
    if suite.find(f"testcase/{tag}") is None:
        said = f"{groups.LABELS[examination.verdict]}: {', '.join(examination.reasons)}"
        _problem(_case(suite, "preflight", "verdict"), tag, "verdict", said, said)


def _count(suite: ET.Element, examination: Examination) -> None:
    for name, path in (
        ("tests", "testcase"),
        ("failures", "testcase/failure"),
        ("errors", "testcase/error"),
        ("skipped", "testcase/skipped"),
    ):
        suite.set(name, str(len(suite.findall(path))))
    suite.set("timestamp", xml(examination.started))
    try:
        begun, ended = (datetime.fromisoformat(one) for one in (examination.started, groups.read_until(examination)))
        suite.set("time", f"{max(0.0, (ended - begun).total_seconds()):.3f}")
    except (ValueError, TypeError):
        pass  # an examination without times has no duration to tell
