"""SARIF and ClusterPolicyReport: the same examination for code-scanning views and for the cluster itself."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from conformance.findings import Coverage, Finding, LeftOut, Outcome
from conformance.hazards import Severity
from conformance.report.policy_report import to_policy_report
from conformance.report.sarif import to_sarif
from conformance.waivers import Waiver, waive
from tests.running import preflight
from tests.unit.report.examples import clear, examination, finding, go, incomplete

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "troubled-anthos.snapshot.json"
WAIVER = {"subject": "wk-*", "reason": "it leaves", "owner": "me", "ticket": "", "expires": "2026-12-24T18:00:00+01:00"}


def sarif(one, files=None):
    (run,) = json.loads(to_sarif(one, files))["runs"]
    return run


def test_sarif_tells_what_was_found_and_names_each_rule_once():
    one = examination()
    run = sarif(one)
    told = [f for f in one.findings if f.outcome not in (Outcome.CLEAR, Outcome.NOT_APPLICABLE)]
    rules = [rule["id"] for rule in run["tool"]["driver"]["rules"]]
    assert len(run["results"]) == len(told)
    assert rules == sorted({f.hazard for f in told})
    for result, f in zip(run["results"], told, strict=True):
        assert rules[result["ruleIndex"]] == result["ruleId"] == f.hazard
        assert f.subject in result["message"]["text"]
        assert f.remedy.splitlines()[0] in result["message"]["text"] if f.remedy else True
    assert len({r["partialFingerprints"]["hazardOnSubject/v1"] for r in run["results"]}) == len(told)


@pytest.mark.parametrize(
    ("outcome", "severity", "kind", "level"),
    [
        (Outcome.HAZARD, Severity.BLOCKER, "fail", "error"),
        (Outcome.WARNING, Severity.WARNING, "fail", "warning"),
        (Outcome.WARNING, Severity.ADVICE, "fail", "note"),
        (Outcome.WARNING, Severity.BLOCKER, "fail", "warning"),  # lowered
        (Outcome.UNKNOWN, Severity.BLOCKER, "open", "none"),
        (Outcome.UNKNOWN, Severity.ADVICE, "open", "none"),
    ],
)
def test_sarif_levels_are_those_of_the_severity_and_no_waiver_raises_them(outcome, severity, kind, level):
    one = finding(outcome=outcome, severity=severity, message="m")
    named = Waiver("*", "*", "it leaves", "me", datetime.max.replace(tzinfo=UTC))
    accepted = waive(one, [replace(named, hazard=one.hazard)], datetime.now(UTC))
    assert accepted.waived is (outcome if outcome is not Outcome.UNKNOWN else None)
    for told in (one, accepted, Finding.from_dict(json.loads(json.dumps(accepted.to_dict())))):
        run = sarif(replace(go(), findings=(told,)))
        (result,), (rule,) = run["results"], run["tool"]["driver"]["rules"]
        assert (result["kind"], result["level"]) == (kind, level)
        assert level in ("none", rule["defaultConfiguration"]["level"]) or severity is Severity.BLOCKER
        assert ("suppressions" in result) is (told.outcome is Outcome.WAIVED)


def test_sarif_of_a_waived_finding_of_an_older_report():
    one = finding(outcome=Outcome.WAIVED, severity=Severity.BLOCKER, waiver=WAIVER)
    (result,) = sarif(replace(go(), findings=(one,)))["results"]
    assert (result["level"], "waived" in one.to_dict()) == ("error", False)


def test_sarif_of_a_run_that_could_not_read_everything_did_not_succeed():
    assert [sarif(one)["invocations"][0]["executionSuccessful"] for one in (go(), incomplete())] == [True, False]
    assert sarif(incomplete())["invocations"][0]["properties"]["verdict"] == "incomplete"


def test_sarif_points_at_the_files_of_the_subject():
    found = (
        finding(outcome=Outcome.HAZARD, subject="prod", message="m"),
        finding(outcome=Outcome.HAZARD, subject="wk-1"),
    )
    run = sarif(replace(go(), findings=found), {"prod": ["clusters/prod.yaml"], "": ["upgrade.yaml"]})
    places = [one["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for one in run["results"]]
    assert places == ["clusters/prod.yaml", "upgrade.yaml"]
    assert "physicalLocation" not in sarif(replace(go(), findings=found))["results"][0]["locations"][0]


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("clusters/prod.yaml", "clusters/prod.yaml"),
        ("up grade #1.yaml", "up%20grade%20%231.yaml"),
        ("a:b?c%d.yaml", "a%3Ab%3Fc%25d.yaml"),
        ("変更.yaml", "%E5%A4%89%E6%9B%B4.yaml"),
        ("\udce9.yaml", "%E9.yaml"),
    ],
)
def test_sarif_names_a_file_by_a_uri(path, uri):
    found = (finding(outcome=Outcome.HAZARD, subject="prod", message="m"),)
    (result,) = sarif(replace(go(), findings=found), {"": [path]})["results"]
    assert result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == uri


def test_policy_report_counts_everything_and_tells_what_matters():
    one = examination()
    report = json.loads(to_policy_report(one))
    outcomes = [f.outcome for f in one.findings]
    assert (report["apiVersion"], report["kind"]) == ("wgpolicyk8s.io/v1alpha2", "ClusterPolicyReport")
    assert report["metadata"]["name"] == f"preflight-{one.profile}"
    assert report["summary"]["fail"] == outcomes.count(Outcome.HAZARD)
    assert report["summary"]["pass"] == outcomes.count(Outcome.CLEAR)
    assert report["summary"]["error"] >= outcomes.count(Outcome.UNKNOWN)
    verdict, *results = report["results"]
    assert (verdict["rule"], verdict["result"]) == ("verdict", "fail")
    assert {"pass"}.isdisjoint(result["result"] for result in results)
    assert json.loads(to_policy_report(go()))["results"][0]["result"] == "pass"
    assert json.loads(to_policy_report(incomplete()))["results"][0]["result"] == "error"


def test_policy_report_counts_no_decision_as_an_error():
    decided = [LeftOut("of-hosts", "clusters only", decided=True), LeftOut("of-both", "clusters only", decided=True)]
    missing = [LeftOut("of-both", "no cluster is named"), LeftOut("of-both", "stopped before", "wk-1")]
    for listed, errors, skipped in ((decided, 0, 2), ([*decided, *missing], 2, 1), (missing * 2, 2, 0)):
        coverage = Coverage(known=2, examined=0, not_examined=tuple(listed))
        summary = json.loads(to_policy_report(replace(go(), coverage=coverage)))["summary"]
        assert (summary["error"], summary["skip"]) == (errors, skipped)


def test_policy_report_stays_small_enough_for_etcd():
    many = tuple(finding(f"h-{n}", outcome=Outcome.HAZARD, message="x" * 5000, remedy="y" * 5000) for n in range(3000))
    text = to_policy_report(replace(go(), findings=(*many, *clear(1000))))
    assert len(text) < 1_500_000
    report = json.loads(text)
    assert report["summary"]["fail"] == 3000
    assert report["results"][0]["properties"]["results"] == "500 of 3000 told"


@pytest.mark.parametrize(
    "path",
    ["docs/report-format.md", "docs/gates.md", "deploy/README.md", "conformance/report/policy_report.py"],
)
def test_a_policy_report_is_applied_on_the_server_s_side(path):
    # Else kubectl keeps all of it in an annotation, where a large one does not fit.
    parts = re.split(r"\n\s*\n|\n(?=\|)", (ROOT / path).read_text(encoding="utf-8"))
    told = [one for one in parts if re.search("policy-report|ClusterPolicyReport", one) and "kubectl apply -" in one]
    assert "kubectl apply --server-side -f" in "".join(parts)
    assert not [one for one in told if re.search("kubectl apply (?!--server-side)-", one)]


@pytest.mark.parametrize("form", [to_sarif, to_policy_report])
def test_text_from_hosts_is_harmless(form):
    evil = finding("h", "wk-\x1b[31m\u202e", Outcome.HAZARD, message="\x00\x1b]0;x\x07\ud800", remedy="\u2066")
    text = form(replace(go(), findings=(evil,)))
    assert text.isascii()
    said = json.dumps(json.loads(text), ensure_ascii=False)
    assert not any(char in said for char in "\x1b\x07\x00\u202e\u2066\ud800")


def test_they_are_written_where_they_are_asked_for_and_old_ones_are_not_left(tmp_path):
    for name in ("out/code.sarif", "policy.json"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("old")
    asked = ("--sarif=out/code.sarif", "--policy-report=policy.json")
    stopped = preflight("--profile=anthos-bare-metal-1.9", "--snapshot=none.json", *asked, cwd=tmp_path)
    assert stopped.code == 4
    run = preflight("--profile=anthos-bare-metal-1.9", f"--snapshot={EXAMPLE}", *asked, cwd=tmp_path)
    assert run.code == 1
    assert json.loads((tmp_path / "out" / "code.sarif").read_text())["version"] == "2.1.0"
    assert json.loads((tmp_path / "policy.json").read_text())["kind"] == "ClusterPolicyReport"
    assert "code.sarif" in run.out
