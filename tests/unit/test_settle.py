"""Who may say that a check does not apply: the check and what lies beside it, and nobody from outside."""

from __future__ import annotations

from pathlib import Path

import pytest

from conformance.answers import Answer
from conformance.change import Change, Host
from conformance.recorded import record_of
from conformance.snapshot import Snapshot
from tests.running import Result, preflight
from tests.unit.packing import check, write

FIXTURES = """
@pytest.fixture
def absent(): pytest.skip("no such thing here")
"""
FINDS = "assert False, 'it is there'"
#: hazard -> its text; each would find its hazard.
CHECKS = {
    "says": check("says", "pytest.skip('no such thing here'); " + FINDS, names="kernel, tmp_path", on="HOST"),
    "beside": check("beside", FINDS, names="kernel, absent", on="HOST"),
    "marked": '@pytest.mark.skipif(True, reason="no such thing here")\n' + check("marked", FINDS, on="HOST"),
    "never": '@pytest.mark.skipif(False, reason="never")\n'
    + check("never", FINDS, names="kernel, tmp_path", on="HOST"),
}
FOREIGN = {
    "a mark": "def pytest_collection_modifyitems(items):\n"
    "    for one in items:\n        one.add_marker(pytest.mark.skip(reason='mine'))\n",
    "a fixture": "@pytest.fixture(autouse=True)\ndef mine(): pytest.skip('mine')\n",
    "a hook": "def pytest_runtest_call(item): pytest.skip('mine')\n",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    texts = FIXTURES + "\n".join(CHECKS.values())
    write(tmp_path / "pack", {"p.yaml": f"hazards: [{', '.join(CHECKS)}]\n", "check_a.py": texts})
    change = Change(profile="pack/p.yaml", hosts={"n1": Host("n1", "n1")})
    taken = "2026-01-01T00:00:00+00:00"
    answers = {"n1": {"uname -r": Answer({"stdout": "6.1.0\n", "stderr": "", "rc": 0})}}
    Snapshot(record_of(change), answers, taken, taken).save(tmp_path / "s.json")
    return tmp_path


def outcomes(place: Path, *options: str, path: Path | None = None) -> tuple[Result, dict[str, str]]:
    env = {"PYTHONPATH": str(path or place)}
    result = preflight("--profile=pack/p.yaml", "--snapshot=s.json", *options, cwd=place, env=env)
    return result, result.on("n1")


def test_a_check_its_fixtures_and_its_own_marks_may(place: Path) -> None:
    result, found = outcomes(place)
    assert found == {
        "says": "not-applicable",
        "beside": "not-applicable",
        "marked": "not-applicable",
        "never": "hazard",
    }
    assert {one["message"] for one in result.report["findings"] if one["outcome"] != "hazard"} == {"no such thing here"}


@pytest.mark.parametrize("below", [False, True], ids=["elsewhere", "below the pack"])
@pytest.mark.parametrize("how", FOREIGN)
def test_others_may_not_whatever_marks_the_check_has(place: Path, how: str, below: bool) -> None:
    """Below a pack that lies beside its profile may be a whole .venv."""
    others = place / "pack" / "venv" if below else place
    others.mkdir(exist_ok=True)
    (others / "foreign.py").write_text(f"import pytest\n{FOREIGN[how]}")
    result, found = outcomes(place, "-p", "foreign", path=others)
    assert (result.code, found["never"]) == (10, "unknown"), result
    assert "skipped from outside" in result.finding("never", "n1")["message"]
    assert result.report["verdict"] == "incomplete"
