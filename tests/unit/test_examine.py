"""From findings to the examination: verdicts by cluster, what it was made from, and until when it counts."""

from __future__ import annotations

import hashlib
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from conformance.change import Cluster, Host, Upgrade
from conformance.examine import examine, fresh_until
from conformance.findings import Finding, Outcome, Verdict
from conformance.hazards import Severity
from conformance.report import groups
from conformance.report.junit import to_junit
from conformance.report.markdown import to_markdown
from conformance.report.terminal import write
from conformance.snapshot import Snapshot
from conformance.versions import Version
from tests.unit.packing import check, run_of

NOW = datetime(2026, 1, 2, tzinfo=UTC)
FILES = {
    "p.yaml": "hazards: [a, b, f]\ntarget: '1.9'",
    "check_a.py": check("a", on="CLUSTER", names="subject"),
    "check_b.py": check("b", on="NODE", names="subject"),
    "check_f.py": check("f", on="FLEET", names="subject"),
}
UP = Upgrade(Version.parse("1.8.3"), Version.parse("1.9.1"))
CLUSTERS = {
    "hub": Cluster("hub", upgrade=Upgrade(none=True)),
    "u1": Cluster("u1", manager="hub", upgrade=UP),
    "u2": Cluster("u2", manager="hub", upgrade=UP),
}
HOSTS = {
    "wk-1": Host("wk-1", "ssh://wk-1", cluster="u1"),
    "wk-2": Host("wk-2", "ssh://wk-2", cluster="u2"),
    "station": Host("station", "ssh://station", ("workstation",)),
}


def examined(tmp_path: Path, bad: dict[tuple[str, str], Outcome], **world: Any) -> Any:
    world = {"clusters": CLUSTERS, "hosts": HOSTS, "files": FILES, **world}
    run = run_of(tmp_path, world.pop("files"), **world)
    found = {}
    for case in run.selection.cases:
        key = (case.hazard.id, case.subject.name)
        outcome = bad.get(key, Outcome.CLEAR if case.ruled_out is None else Outcome.NOT_APPLICABLE)
        found[key] = Finding(*key, outcome, Severity.BLOCKER, title="T", message="m")
    return examine(run, found, [], NOW, strict=False)


@pytest.mark.parametrize(
    ("bad", "verdicts"),
    [
        ({}, ("go", "go", "go")),
        ({("a", "u1"): Outcome.HAZARD}, ("no-go", "no-go", "go")),
        ({("b", "wk-2"): Outcome.UNKNOWN}, ("incomplete", "go", "incomplete")),
        ({("f", "fleet"): Outcome.HAZARD}, ("no-go", "no-go", "no-go")),
        ({("a", "hub"): Outcome.HAZARD}, ("no-go", "no-go", "no-go")),
        ({("a", "u1"): Outcome.HAZARD, ("b", "wk-2"): Outcome.UNKNOWN}, ("no-go", "no-go", "incomplete")),
    ],
    ids=["none", "a cluster", "a host of the other", "the fleet", "who manages them", "each its own"],
)
def test_several_clusters_have_a_verdict_each_and_one_overall(
    tmp_path: Path, bad: dict[tuple[str, str], Outcome], verdicts: tuple[str, ...]
) -> None:
    found = examined(tmp_path, bad)
    assert (found.verdict, *(verdict for verdict, _ in found.verdicts.values())) == verdicts
    assert list(found.verdicts) == ["u1", "u2"]  # the one that is not upgraded has none


def test_a_cluster_of_which_nothing_was_examined_is_no_go(tmp_path: Path) -> None:
    """Alone it would be incomplete: another one's findings do not clear it."""
    files = {"p.yaml": "hazards: [a]\ntarget: '1.9'", "check_a.py": check("a", on="CLUSTER", upgrade_from="'<1.8.4'")}
    later = Upgrade(Version.parse("1.8.5"), Version.parse("1.9.1"))
    clusters = {"u1": Cluster("u1", upgrade=UP), "u2": Cluster("u2", upgrade=later)}
    found = examined(tmp_path, {}, files=files, clusters=clusters, hosts={})
    assert {name: verdict for name, (verdict, _) in found.verdicts.items()} == {"u1": "go", "u2": "incomplete"}
    assert (found.verdict, found.reasons) == ("incomplete", ("u2: nothing was examined",))


def test_why_nobody_settled_a_case(tmp_path: Path) -> None:
    run = run_of(tmp_path, FILES, hosts=HOSTS, clusters=CLUSTERS)
    for told in ("", "a worker of pytest-xdist crashed"):
        found = examine(run, {}, [], NOW, strict=False, broken_off=told)
        assert {one.reason for one in found.coverage.not_examined} == {
            told or "deselected by hand (-k, -m, --lf, a path …)"
        }


def test_one_cluster_has_that_of_the_run(tmp_path: Path) -> None:
    clusters = {**CLUSTERS, "u2": Cluster("u2", manager="hub", upgrade=Upgrade(none=True))}
    assert examined(tmp_path, {}, clusters=clusters).verdicts == {}


def test_they_are_told(tmp_path: Path) -> None:
    found = examined(tmp_path, {("a", "u1"): Outcome.HAZARD})
    lines: list[str] = []
    write(found, lambda line, **_: lines.append(line), width=120)
    told = "u1 (from 1.8.3 to 1.9.1): NO-GO - 1 blocking hazard"
    assert f"  {told}" in lines
    assert any(line.startswith("  u2 (from 1.8.3 to 1.9.1): GO - ") for line in lines)
    assert f"- {told}" in to_markdown(found)
    assert isinstance(found.verdicts["u1"][0], Verdict)


def test_what_was_read_long_before_it_was_decided(tmp_path: Path) -> None:
    """From a snapshot: it is old evidence, and JUnit would tell of months that nobody spent."""
    snapshot = Snapshot(started="2026-01-01T00:00:00+00:00", finished="2026-01-01T00:00:02+00:00")
    found = examined(tmp_path, {}, snapshot=snapshot)
    assert (found.started, groups.read_until(found)) == (snapshot.started, snapshot.finished)
    assert found.finished > snapshot.finished
    assert groups.aged(found).startswith("old evidence: gathered at 2026-01-01T00:00:00+00:00 and no longer fresh")
    assert ET.fromstring("".join(to_junit(found))).find("testsuite").get("time") == "2.000"  # type: ignore[union-attr]
    assert "Examined from `2026-01-01T00:00:00+00:00` to `2026-01-01T00:00:02+00:00`" in to_markdown(found)


def test_until_when_it_counts() -> None:
    assert fresh_until("2026-01-01T23:30:00+00:00", 24) == "2026-01-02T23:30:00+00:00"
    assert [fresh_until(one, 24) for one in ("", "soon")] == ["", ""]


def test_the_digest_of_the_snapshot_is_that_of_its_file(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    Snapshot(started="2026-01-01T00:00:00+00:00", answers={"u1": {}, "ü": {}}).save(path)
    digest = f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"
    assert Snapshot.load(path).digest() == digest
    assert Snapshot(started="2026-01-01T00:00:00+00:00", answers={"u1": {}, "ü": {}}).digest() == digest
    compressed = tmp_path / "kept.json.gz"
    Snapshot.load(path).save(compressed)
    assert Snapshot.load(compressed).digest() == digest
    assert examined(tmp_path / "run", {}, snapshot=Snapshot.load(path)).snapshot == digest
