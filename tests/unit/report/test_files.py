"""Report files: written whole or not at all, for tens of thousands of findings too."""

from __future__ import annotations

import json
import os
import stat
import time
import tracemalloc

import pytest

from conformance.findings import Coverage, LeftOut, Outcome, Verdict
from conformance.report import ReportNotWritten, discard, html, terminal, write_all
from conformance.report.summary import write_json
from tests.unit.report.examples import clear, examination, finding, go, noexec


def test_all_are_written(tmp_path):
    paths = write_all(examination(), tmp_path / "new" / "reports")
    assert [one.name for one in paths] == ["preflight.json", "preflight.junit.xml", "preflight.md"]
    assert sorted(os.listdir(tmp_path / "new" / "reports")) == sorted(one.name for one in paths)
    assert json.loads(paths[0].read_text())["verdict"] == "no-go"


def test_others_may_read_them(tmp_path):
    before = os.umask(0o022)
    try:
        paths = write_all(go(), tmp_path)
    finally:
        os.umask(before)
    assert {stat.S_IMODE(one.stat().st_mode) for one in paths} == {0o644}


def test_a_report_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ReportNotWritten, match=r"file/preflight.json was not written: (File exists|Not a directory)"):
        write_all(go(), tmp_path / "file")


def test_none_is_replaced_where_one_cannot_be_written(tmp_path):
    write_all(go(), tmp_path)
    before = {one.name: one.read_bytes() for one in tmp_path.iterdir()}
    broken = examination(gather={"key": 1})
    broken.gather["key"] = Unwritable()
    with pytest.raises(RuntimeError):
        write_all(broken, tmp_path)
    assert {one.name: one.read_bytes() for one in tmp_path.iterdir()} == before


class Unwritable:
    def __str__(self):
        raise RuntimeError("not today")


def test_a_directory_in_the_way_is_named_and_nothing_is_left_behind(tmp_path):
    (tmp_path / "preflight.json").mkdir()
    with pytest.raises(ReportNotWritten, match="Is a directory") as caught:
        write_json(go(), tmp_path / "preflight.json")
    assert caught.value.path == tmp_path / "preflight.json"
    assert os.listdir(tmp_path) == ["preflight.json"]


def test_old_reports_can_be_discarded(tmp_path):
    write_all(go(), tmp_path)
    (tmp_path / "mine.txt").write_text("kept")
    discard(tmp_path)
    discard(tmp_path / "never-made")
    assert os.listdir(tmp_path) == ["mine.txt"]


@pytest.fixture(scope="module")
def large():
    findings = [finding(f"abm-clear-{one % 200}", f"node-{one // 200}", message="") for one in range(30_000)]
    findings += [
        finding(
            f"abm-na-{one % 50}", f"node-{one // 50}", Outcome.NOT_APPLICABLE, message=f"no bond on node-{one // 50}"
        )
        for one in range(5_000)
    ]
    findings += [
        finding(f"abm-u-{one % 50}", f"node-{one // 50}", Outcome.UNKNOWN, message=f"node-{one // 50}: timed out")
        for one in range(4_000)
    ]
    findings += [noexec(f"node-{one}") for one in range(1_000)]
    unknown = tuple(LeftOut(one.hazard, one.message, one.subject) for one in findings if one.outcome is Outcome.UNKNOWN)
    return examination(Verdict.NO_GO, findings, coverage=Coverage(300, 300, unknown=unknown))


def test_forty_thousand_findings_are_written_soon_and_in_little_memory(large, tmp_path):
    begun = time.perf_counter()
    write_all(large, tmp_path)
    html.verdict_block(large)
    lines = []
    terminal.write(large, lambda text, **markup: lines.append(text))
    assert time.perf_counter() - begun < 15  # 2 s on an idle machine
    assert len(lines) < 100
    tracemalloc.start()
    write_json(large, tmp_path / "preflight.json")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


def test_clear_findings_cost_nothing_on_the_terminal():
    lines = []
    terminal.write(examination(Verdict.GO, clear(400), coverage=Coverage(4, 4)), lambda text, **_: lines.append(text))
    assert len(lines) < 12
