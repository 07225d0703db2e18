"""Names that no encoding takes - half of a surrogate pair, a file name that is no UTF-8 - cost nobody a report."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from conformance.answers import Answer
from conformance.change import Change, Host
from conformance.findings import Outcome
from conformance.gate.attestation import attest
from conformance.packs import pack_beside
from conformance.recorded import record_of
from conformance.report.files import STATEMENT
from conformance.report.sarif import to_sarif
from conformance.report.text import encodable
from conformance.snapshot import Snapshot
from tests.running import preflight
from tests.unit.packing import check, write
from tests.unit.report.examples import finding, go

HALVES = ("wk-\ud800", "wk-\udbff")
#: Under a name as Latin-1 writes it: what os.fsdecode makes of the byte 0xE9.
ODD = "caf\udce9"
FILES = {
    "{}/mine.yaml": "hazards: [finds, warns]\n",
    "{}/{}.yaml": "extends: mine\n",
    "{}/facts.py": '@host_fact("ask")\ndef asked(text): return text\n',
    "{}/check_a.py": check("finds", "assert False, asked", names="asked")
    + check("warns", "assert False, asked", names="asked", severity="WARNING"),
    "{}.waivers.yaml": "waivers: []\n",
    "{}.change.yaml": "profile: linux-node\nhosts: {here: {connection: 'local://'}}\n",
}

# Other systems let no file be called so, and there is nothing to mend.
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs file names of any bytes")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for name in (ODD, "plain"):
        write(tmp_path, {path.replace("{}", name): text for path, text in FILES.items()})
    hosts = {one: Host(one, f"ssh://{one}") for one in HALVES}
    answers = {one: {"ask": Answer({"stdout": f"{one} says no", "stderr": "", "rc": 0})} for one in HALVES}
    taken = "2026-01-01T00:00:00+00:00"
    Snapshot(record_of(Change(profile="mine", hosts=hosts)), answers, taken, taken).save(tmp_path / "half.json")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "more"),
    # Options with such names are nothing that pytest-xdist could hand to its workers.
    [(ODD, ()), (ODD, ("--junitxml=j.xml", "-p", "cacheprovider")), ("plain", ("-n2",))],
    ids=["alone", "cache", "workers"],
)
def test_every_form_is_written(place: Path, name: str, more: tuple[str, ...]) -> None:
    run = preflight(
        f"--profile={name}/{name}.yaml",
        "--snapshot=half.json",
        f"--waivers={name}.waivers.yaml",
        f"--sarif={name}.sarif",
        f"--policy-report={name}.json",
        *more,
        cwd=place,
    )
    assert run.code == 1, run
    names = ("html", "intoto.json", "json", "junit.xml", "md")
    assert sorted(run.texts) == ["preflight." + one for one in names] + ["the terminal"]
    # As it is promised: the half as visible text, and nothing that a strict parser would refuse.
    assert [(one["subject"], one["outcome"]) for one in run.report["findings"]] == [
        (subject, outcome) for outcome in ("hazard", "warning") for subject in (r"wk-\ud800", r"wk-\udbff")
    ]
    said = json.loads(run.texts["preflight.intoto.json"])["predicate"]
    assert [one["name"] for one in said["configuration"]] == [f"{encodable(name)}.waivers.yaml", "snapshot"]
    assert len(said["failedTests"]) == len(said["warnedTests"]) == 2
    for form in (f"{name}.sarif", f"{name}.json"):
        text = json.dumps(json.loads((place / form).read_text(encoding="utf-8")), ensure_ascii=False)
        assert text.encode()
        assert text.count(r"\\ud800") >= 2


def test_a_file_of_such_a_name_is_the_same_when_it_is_asked_again(place: Path) -> None:
    change = (f"--change={ODD}.change.yaml", f"--waivers={ODD}.waivers.yaml")
    run = preflight(*change, cwd=place)
    assert run.code == 0, run
    assert sorted(run.report["inputs"]) == [r"caf\udce9.change.yaml", r"caf\udce9.waivers.yaml"]
    again = preflight(*change, "--verify=reports/preflight.json", cwd=place)
    assert again.code == 0, again


def test_the_plan_is_printed(place: Path) -> None:
    run = preflight(f"--profile={ODD}/mine.yaml", "--snapshot=half.json", "--plan", cwd=place)
    assert run.code == 0, run
    assert r"On each of 2 hosts: wk-\ud800, wk-\udbff" in run.out


def test_subjects_stay_apart_in_sarif() -> None:
    found = tuple(finding("h", one, Outcome.HAZARD, message="m") for one in HALVES)
    results = json.loads(to_sarif(replace(go(), findings=found)))["runs"][0]["results"]
    assert len({one["partialFingerprints"]["hazardOnSubject/v1"] for one in results}) == 2


def test_packs_in_such_directories_do_not_meet(tmp_path: Path) -> None:
    packages = set()
    for name in ("caf\udce9", "caf\udce8"):
        (tmp_path / name).mkdir()
        packages.add(pack_beside(tmp_path / name / "p.yaml").package)
    assert len(packages) == 2
    assert all(one.isidentifier() for one in packages)


def test_a_statement_is_written_whatever_it_is_about(tmp_path: Path) -> None:
    one = replace(go(), findings=(finding("h", HALVES[0], Outcome.WARNING, message="m"),))
    (tmp_path / ODD).write_text("")
    attest(one, [tmp_path / ODD], tmp_path, None)
    said = json.loads((tmp_path / STATEMENT).read_text(encoding="utf-8"))
    assert said["subject"][0]["name"] == r"caf\udce9"
    assert said["predicate"]["warnedTests"] == [r"h[wk-\ud800]"]
