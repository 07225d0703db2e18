"""Each form of report of the same examinations: what stands in it, and in which order."""

from __future__ import annotations

import hashlib
import json
import xml.etree.ElementTree as ET

import pytest
from jsonschema import Draft202012Validator

from conformance.findings import Coverage, Finding, LeftOut, Outcome, Verdict
from conformance.report import html, terminal
from conformance.report.junit import to_junit
from conformance.report.markdown import to_markdown
from conformance.report.summary import json_lines, json_schema, to_json
from conformance.report.text import width_of
from tests.unit.report.examples import ADDRESS, clear, examination, finding, go, incomplete, noexec

ALL = [examination, go, incomplete]


def told(one, **options):
    lines = []
    terminal.write(one, lambda text, **markup: lines.append(text), **options)
    return "\n".join(lines)


def in_order(text, *parts):
    at = -1
    for part in parts:
        found = text.find(part, at + 1)
        assert found >= 0, f"{part!r} does not stand behind the one before it in\n{text}"
        at = found


# -- JSON ---------------------------------------------------------------------------------------------------------------


def test_the_schema_is_one():
    Draft202012Validator.check_schema(json_schema())


@pytest.mark.parametrize("make", ALL)
def test_json_keeps_its_schema_and_is_the_same_written(make):
    one = make()
    Draft202012Validator(json_schema()).validate(to_json(one))
    text = "".join(json_lines(one))
    Draft202012Validator(json_schema()).validate(json.loads(text))
    record = json.loads(text)
    before = text[: text.rindex(' "digest"')]
    assert record.pop("digest") == f"sha256:{hashlib.sha256(before.encode()).hexdigest()}"
    assert record == json.loads(json.dumps(to_json(one)))
    assert list(record) == list(to_json(one))
    assert list(json.loads(text))[-2:] == ["gather", "digest"]


def test_json_findings_come_back():
    one = examination()
    assert tuple(map(Finding.from_dict, to_json(one)["findings"])) == one.findings


def test_json_findings_stand_on_a_line_each():
    lines = "".join(json_lines(examination())).splitlines()
    assert sum('"outcome": "hazard"' in line for line in lines) == 5


@pytest.mark.parametrize(
    ("upgrades", "expected"),
    [
        ({"": ("1.8.3", "1.9.0")}, ("1.8.3", "1.9.0")),
        ({"": ("1.8.3", "1.9.0"), "a": ("1.7.0", "1.9.0")}, ("1.8.3", "1.9.0")),
        ({"": ("", "1.9.0"), "a": ("1.8.3", "1.9.0"), "b": ("1.8.3", "1.9.0")}, ("1.8.3", "1.9.0")),
        ({"": ("", "1.9.0"), "a": ("1.8.3", "1.9.0"), "b": ("1.8.4", "1.9.0")}, (None, "1.9.0")),
        ({"a": ("1.8.3", "1.9.0"), "b": ("", "1.9.0")}, (None, "1.9.0")),
        ({"a": ("1.8.3", "1.9.0"), "looked-at": ("", "")}, ("1.8.3", "1.9.0")),
        ({}, (None, None)),
    ],
)
def test_from_and_to_are_those_that_speak_for_all(upgrades, expected):
    record = to_json(examination(upgrades=upgrades))
    assert (record["from"], record["to"]) == expected
    assert "" not in record["upgrades"]


def test_json_tells_what_it_has_no_type_for_as_text():
    gather = {"set": {"b", "a"}, "inf": float("inf"), "path": ADDRESS, 1: None}
    assert to_json(examination(gather=gather))["gather"] == {"set": ["a", "b"], "inf": None, "path": ADDRESS, "1": None}


# -- JUnit --------------------------------------------------------------------------------------------------------------


def cases(one):
    (suite,) = ET.fromstring(to_junit(one).encode())
    return suite, {(case.get("classname"), case.get("name")): case for case in suite.findall("testcase")}


def test_junit_has_a_case_for_each_finding_and_what_was_left_out():
    suite, found = cases(examination())
    counted = {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")}
    assert counted == {"tests": "30", "failures": "5", "errors": "6", "skipped": "6"}
    failure = found["abm-tmp-noexec", "cp-1"].find("failure")
    assert failure.get("type") == "blocker"
    in_order(failure.text, "/tmp is mounted", "cp-1: cat /proc/self/mounts", "tmpfs /tmp", "Remedy:", "Source: ")
    assert found["abm-apparmor", "cp-3"].find("error").get("message").startswith("unknown: cp-3: connection refused")
    assert not list(found["abm-clear-0", "cp-0"])
    warning = found["linux-fstab-swap", "wk-2"]
    assert [one.tag for one in warning] == ["system-out"]
    in_order(warning.find("system-out").text, "WARNING: /etc/fstab line 7", "waives nothing")
    waived = found["abm-docker-inactive", "wk-1"].find("skipped").get("message")
    assert waived == (
        "waived by platform@example.com, CHG-4711 until 2026-12-24T18:00:00+01:00: docker leaves with this upgrade"
    )
    skipped = {
        key: case.find("skipped").get("message") for key, case in found.items() if case.find("skipped") is not None
    }
    assert skipped["abm-198-vip", "(all subjects)"] == "not applicable: from 1.9.2 is not 1.8.*"
    assert skipped["linux-selinux", "station"].startswith("not examined: no host")
    assert "WARNING: waiver of abm-vip" in suite.find("system-out").text


def test_junit_names_verdict_and_versions():
    suite, _ = cases(examination())
    properties = {one.get("name"): one.get("value") for one in suite.find("properties")}
    assert {key: properties[key] for key in ("verdict", "profile", "from", "to")} == {
        "verdict": "no-go",
        "profile": "anthos-bare-metal-1.9",
        "from": "1.8.3",
        "to": "1.9.0",
    }
    assert suite.get("time") == "5.500"


def test_junit_never_looks_like_a_go_where_there_is_none():
    suite, found = cases(incomplete())
    assert suite.get("errors") == "1"
    assert found["preflight", "verdict"].find("error").get("message") == "INCOMPLETE: nothing was examined"
    strict = examination(Verdict.NO_GO, clear(), reasons=("1 waiver unmatched or expired",), coverage=Coverage(4, 4))
    assert cases(strict)[0].get("failures") == "1"
    suite, found = cases(go())
    assert (suite.get("failures"), suite.get("errors")) == ("0", "0")
    assert ("preflight", "verdict") not in found


def test_what_coverage_alone_knows_to_be_unknown_is_an_error_still():
    one = examination(
        Verdict.INCOMPLETE, clear(), coverage=Coverage(4, 4, unknown=(LeftOut("abm-lost", "timed out", "cp-1"),))
    )
    assert cases(one)[1]["abm-lost", "cp-1"].find("error").get("message") == "unknown: timed out"
    assert "timed out" in told(one)
    assert "timed out" in to_markdown(one)
    assert "timed out" in html.verdict_block(one)


# -- Markdown -----------------------------------------------------------------------------------------------------------


def test_markdown_says_all_in_order():
    text = to_markdown(examination())
    in_order(
        text,
        "# NO-GO: 5 blocking hazards, 6 unknown, 2 not examined\n",
        "anthos-bare-metal-1.9, 1.8.3 → 1.9.0\n",
        "**WARNING: waiver of abm-vip",
        "- waived: abm-docker-inactive on wk-1 - by `platform@example.com`, CHG-4711 until",
        "## What blocks\n",
        "### abm-tmp-noexec: /tmp is mounted noexec\n",
        "- on cp-1, wk-1\n",
        "  Read on cp-1, wk-1: cat /proc/self/mounts\n",
        "  ```text\n  tmpfs /tmp tmpfs",
        "Remedy: Remount /tmp",
        "```text\n    mount -o remount,exec /tmp\n```\n",
        "Source: Anthos",
        "### linux-disk-full",
        "- on wk-2: /var has 2.5 GiB free",
        "## Unknown\n",
        "- on cp-3: connection refused",
        "(5 hazards unknown: abm-apparmor, abm-clock-skew",
        "## Warnings\n",
        "waives nothing",
        "## Waived\n",
        "## Not examined: 2\n",
        "## Not applicable: 3\n",
        "- abm-198-vip: from 1.9.2",
        "## Coverage\n",
        "| hazards that the profile names | 21 |",
    )


def test_markdown_names_every_subject_that_blocks():
    text = to_markdown(examination(findings=[noexec(f"node-{one}") for one in range(150)]))
    assert all(f"node-{one}" in text for one in range(150))
    assert text.count("tmpfs /tmp") == 1


def test_markdown_of_a_go_is_short():
    assert "\n".join(to_markdown(go()).splitlines()[:5]).startswith("# GO: 12 clear, nothing blocks\n\nanthos")
    assert "## What blocks" not in to_markdown(go())


# -- terminal -----------------------------------------------------------------------------------------------------------


def test_the_terminal_says_what_to_act_on_first():
    text = told(examination(), reports=["reports/preflight.html", "reports/preflight.json"])
    in_order(
        text,
        "NO-GO: 5 blocking hazards, 6 unknown, 2 not examined\n",
        "anthos-bare-metal-1.9, 1.8.3 -> 1.9.0, 2 hosts, 2 clusters\n",
        "HAZARD abm-tmp-noexec: /tmp is mounted noexec\n",
        "  on cp-1, wk-1\n",
        "     | tmpfs /tmp tmpfs rw",
        "  remedy: Remount /tmp",
        "        mount -o remount,exec /tmp\n",
        "HAZARD linux-disk-full",
        "     wk-2: /var has 2.5 GiB free",
        "UNKNOWN 6: ",
        "  cp-3: connection refused",
        "(5 hazards unknown: abm-apparmor",
        "  prod-user: pods is forbidden",
        "WARNING linux-fstab-swap",
        "     ! the waiver of platform@example.com expired",
        "WAIVED 1\n",
        "clear: 12; 14 of 21 known hazards examined\n",
        "not applicable: 3 - from 1.9.2 is not 1.8.* (2); KubeVirt",
        "not examined: 2 - no host",
        "WARNING: waiver of abm-vip",
        "reports: reports/preflight.html, reports/preflight.json",
    )
    assert text.count("connection refused") == 1


def test_the_terminal_is_short_for_a_go():
    lines = told(go(), reports=["reports/preflight.html"]).splitlines()
    assert lines[1:3] == ["GO: 12 clear, nothing blocks", "anthos-bare-metal-1.9, 1.8.3 -> 1.9.0, 2 hosts, 2 clusters"]
    assert len(lines) <= 8


@pytest.mark.parametrize("make", ALL)
@pytest.mark.parametrize("width", [60, 80, 132])
def test_the_terminal_keeps_its_width(make, width):
    for line in told(make(), width=width).splitlines():
        assert width_of(line) <= width or ADDRESS in line or line.startswith("     | ")


def test_the_terminal_spells_out_twenty_subjects():
    text = told(examination(findings=[noexec(f"node-{one:03}") for one in range(50)]))
    assert "node-019 and 30 more (see" in " ".join(text.split())
    assert "node-020" not in text


def test_a_reason_that_many_subjects_share_is_said_once():
    findings = [
        finding(f"abm-{hazard}", f"cp-{host}", Outcome.UNKNOWN, message=f"cp-{host}: no answer of cp-{host} in 10 s")
        for hazard in range(3)
        for host in range(4)
    ]
    text = " ".join(told(examination(Verdict.INCOMPLETE, findings, coverage=Coverage(3, 0))).split())
    assert "cp-0, cp-1, cp-2, cp-3: no answer of cp-0 in 10 s (3 hazards unknown each: abm-0, abm-1, abm-2)" in text


def test_the_colours_are_those_of_the_verdict():
    marked = {}
    terminal.write(examination(), lambda text, **markup: marked.setdefault(text, markup))
    assert marked["NO-GO: 5 blocking hazards, 6 unknown, 2 not examined"] == {"red": True, "bold": True}
    terminal.write(go(), lambda text, **markup: marked.setdefault(text, markup))
    assert marked["GO: 12 clear, nothing blocks"] == {"green": True, "bold": True}


# -- HTML ---------------------------------------------------------------------------------------------------------------


def test_html_says_all_in_order():
    text = html.verdict_block(
        examination(scope="hosts only", fresh_until="2026-11-22T02:13:04+00:00", snapshot="sha256:0a1b")
    )
    in_order(
        text,
        '<p class="pf-label">NO-GO</p>',
        "Do not start this upgrade",
        "5 blocking hazards, 6 unknown",
        "1.8.3 → 1.9.0",
        "2 hosts, 2 clusters, 14 of 21 hazards of the profile <strong>hosts only</strong>",
        "2026-11-21 02:13:04 UTC to 2026-11-21 02:13:09 UTC",
        "2026-11-22 02:13:04 UTC",
        "pytest-preflight 1.0.0",
        "matches no finding",
        "<strong>Unknown: 6</strong>",
        "connection refused",
        "<code>abm-docker-inactive</code>: wk-1, by platform@example.com, CHG-4711 until",
        "<h2>What blocks: 5 findings</h2>",
        "<h3>/tmp is mounted noexec",
        "The upgrade fails",
        "<pre>tmpfs /tmp",
        '<p class="pf-remedy">Remount /tmp',
        '<pre class="pf-command">mount -o remount,exec /tmp</pre>',
        f'<a href="{ADDRESS}"',
        "<h2>Warnings: 1 finding</h2>",
        "blocker, lowered to warning",
        "<h2>Waived: 1 finding</h2>",
        "<h2>Unknown: 6</h2>",
        "<strong>",
        "connection refused",
        "<h2>Hazards by subjects</h2>",
        "<strong>12</strong> clear",
        '<table class="pf-cells">',
        "<summary>Not examined: 2</summary>",
        "<summary>Did not apply: 3</summary>",
        "<h2>How it was examined</h2>",
        "SHA256:abc",
        "<h2>Sign-off</h2>",
        "It is evidence until 2026-11-22 02:13:04 UTC.",
        "<code>sha256:0a1b</code>",
        "Signature",
    )


def test_html_names_every_subject_that_blocks():
    text = html.verdict_block(examination(findings=[noexec(f"node-{one}") for one in range(150)]))
    assert all(f"node-{one}" in text for one in range(150))


def test_the_title_names_verdict_and_change():
    assert html.report_title(examination()) == "NO-GO: anthos-bare-metal-1.9, 1.8.3 → 1.9.0"
    assert html.report_title(examination(title="CHG-4711")) == "NO-GO: CHG-4711"


OLD = "old evidence: gathered at 2026-11-21T02:13:04+00:00 and no longer fresh since 2026-11-21T02:13:09+00:00"


@pytest.mark.parametrize(
    ("fresh_until", "said"),
    [
        ("2026-11-21T02:13:09+00:00", True),
        ("2026-11-21T02:13:09.500+00:00", False),
        ("2026-11-22T02:13:04+00:00", False),
        ("", False),
        ("soon", False),
        ("2026-11-20", False),  # without a zone it cannot be compared
    ],
)
def test_evidence_that_is_no_longer_fresh_is_said_and_decides_nothing(fresh_until, said):
    one = examination(fresh_until=fresh_until)
    assert (f"! {OLD}" in " ".join(told(one, width=200).split())) == said
    assert (OLD.replace(":", "") in to_markdown(one).replace("`", "").replace(":", "")) == said
    assert ("old evidence" in told(one) + to_markdown(one)) == said
    assert one.verdict is Verdict.NO_GO
    assert "old evidence" not in "".join(json_lines(one))


def test_clusters_that_differ_are_told_one_by_one():
    one = examination(upgrades={"": ("", "1.9.0"), "a": ("1.8.3", "1.9.0"), "b": ("", "1.9.0")})
    assert "a 1.8.3 -> 1.9.0, b unknown version -> 1.9.0" in told(one)
