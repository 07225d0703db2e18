"""Beside an earlier run: what is new, what is gone, and what only was not looked at again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator

from conformance.comparison import compare, load_earlier
from conformance.documents import InvalidDocument
from conformance.findings import Finding, Outcome
from conformance.hazards import Severity
from conformance.report.summary import json_schema
from tests.running import preflight

EXAMPLE = Path(__file__).parents[2] / "examples" / "troubled-anthos.snapshot.json"


def finding(hazard, outcome, subject="n1", **more):
    more.setdefault("message", f"{hazard} is {outcome}")
    return Finding(hazard, subject, outcome, Severity.BLOCKER, **more)


def report(tmp_path, *findings, **more):
    path = tmp_path / "old.json"
    record = {
        "schema": "pytest-preflight/report/1",
        "profile": "p",
        "finished": "2026-01-01T00:00:00+00:00",
        "verdict": "no-go",
        "findings": [one.to_dict() for one in findings],
        **more,
    }
    path.write_text(json.dumps(record), encoding="utf-8")
    return load_earlier(path)


H, W, C, U, N, A = (
    Outcome.HAZARD,
    Outcome.WARNING,
    Outcome.CLEAR,
    Outcome.UNKNOWN,
    Outcome.NOT_APPLICABLE,
    Outcome.WAIVED,
)


@pytest.mark.parametrize(
    ("before", "now", "where"),
    [
        (H, H, "still"),
        (H, W, "still"),
        (W, H, "new"),  # it blocks now
        (None, H, "new"),
        (C, H, "new"),
        (U, W, "new"),
        (N, H, "new"),
        (A, H, "new"),  # the waiver has expired
        (H, C, "gone"),
        (W, N, "gone"),
        (A, C, "gone"),
        (H, A, "gone"),
        (H, U, "not_examined"),
        (H, None, "not_examined"),
        (A, None, "not_examined"),
        (A, A, None),
        (C, C, None),
        (C, U, None),
        (U, C, None),
        (N, None, None),
    ],
)
def test_what_became_of_a_finding(tmp_path, before, now, where):
    waiver = {"reason": "r", "owner": "o", "expires": "e", "subject": "n1", "ticket": ""}
    old = report(tmp_path, *([finding("h", before, waiver=waiver if before is A else None)] if before else []))
    found = compare(old, [finding("h", now)] if now else [])
    told = {"new": found.new, "gone": found.gone, "not_examined": found.not_examined}
    assert [key for key, changed in told.items() if changed] == ([where] if where in told else [])
    assert found.still == (where == "still")
    for changed in told.get(where, ()):
        assert (changed.hazard, changed.subject) == ("h", "n1")
        assert (changed.before, changed.now) == (before.value if before else "", now.value if now else "")


def test_the_same_hazard_on_another_subject_is_another_finding(tmp_path):
    found = compare(report(tmp_path, finding("h", H, "n1")), [finding("h", H, "n2"), finding("h", C, "n1")])
    assert ([one.subject for one in found.new], [one.subject for one in found.gone]) == (["n2"], ["n1"])


def of(**damage):
    """The text of a report in which something is not what it should be."""
    found = {"hazard": "h", "subject": "n1", "outcome": "hazard"}
    found |= {key: one for key, one in damage.items() if key in found}
    record = {
        "schema": "pytest-preflight/report/1",
        "profile": "p",
        "finished": "f",
        "verdict": "go",
        "findings": [found],
    }
    return json.dumps(record | {key: one for key, one in damage.items() if key in record})


def test_what_is_written_there_is_read(tmp_path):
    (tmp_path / "old.json").write_text(of())
    assert load_earlier(tmp_path / "old.json").outcomes == {("h", "n1"): H}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is no JSON"),
        ("[]", "it is no report of this suite"),
        ('{"schema": "pytest-preflight/plan/1"}', "it is no report of this suite"),
        ('{"schema": "pytest-preflight/report/1"}', "damaged"),
        ('{"schema": "pytest-preflight/report/1", "findings": [{"hazard": "h"}]}', "damaged"),
        ("[" * 100_000, "it is no JSON"),
        (of(subject=None), "damaged .*subject is None where text is expected"),
        (of(hazard=["h"]), "damaged .*hazard is "),
        (of(outcome={}), "damaged .*outcome is "),
        (of(outcome="fine"), "damaged .*'fine' is not a valid Outcome"),
        (of(profile=1), "damaged .*profile is 1"),
        (of(finished=None), "damaged .*finished is None"),
        (of(verdict="maybe"), "damaged .*'maybe' is not a valid Verdict"),
        (of(findings={"a": 1}), "damaged"),
        (of(findings=[None]), "damaged"),
    ],
)
def test_what_is_no_report_is_a_usage_error(tmp_path, text, says):
    path = tmp_path / "old.json"
    path.write_text(text)
    with pytest.raises(InvalidDocument, match=says):
        load_earlier(path)
    with pytest.raises(InvalidDocument, match="cannot be read: No such file"):
        load_earlier(tmp_path / "none.json")


def test_a_run_tells_it_in_every_form(tmp_path):
    args = ("--profile=anthos-bare-metal-1.9", f"--snapshot={EXAMPLE}")
    first = preflight(*args, cwd=tmp_path)
    assert "comparison" not in first.report
    old = tmp_path / "reports" / "preflight.json"
    record = first.report
    known = [one for one in record["findings"] if one["outcome"] == "hazard"]
    record["findings"].remove(known[0])
    record["findings"].append({**known[0], "subject": "a-machine-that-left"})
    old.write_text(json.dumps(record))
    # The report that it is compared with lies where its own will lie.
    second = preflight(*args, "--compare=reports/preflight.json", cwd=tmp_path)
    told = second.report["comparison"]
    Draft202012Validator(json_schema()).validate(second.report)
    assert [(one["hazard"], one["subject"]) for one in told["new"]] == [(known[0]["hazard"], known[0]["subject"])]
    assert [one["subject"] for one in told["not_examined"]] == ["a-machine-that-left"]
    assert told["gone"] == []
    for text in (second.out, second.texts["preflight.md"], second.texts["preflight.html"]):
        assert "1 new, 0 gone" in text
        assert "a-machine-that-left" in text


def test_a_report_that_is_none_ends_the_run_before_anything_is_read(tmp_path):
    run = preflight("--profile=linux-node", "--compare=none.json", cwd=tmp_path)
    assert run.code == 4
    assert "--compare none.json: cannot be read" in run.out
    assert list(run.texts) == ["the terminal"]
