"""Runs that do not come to their end: what they say of what they did not get to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from conformance.answers import Answer
from conformance.change import Change, Host
from conformance.recorded import record_of
from conformance.snapshot import Snapshot
from tests.running import preflight
from tests.unit.packing import check, write

DIES = "import os, signal; 'PYTEST_XDIST_WORKER' in os.environ and os.kill(os.getpid(), signal.SIGKILL)"
OPTIONS = ("--profile=p.yaml", "--snapshot=s.json")
ANSWERS = {"uname -r": Answer({"stdout": "6.1.0\n", "stderr": "", "rc": 0})}


def pack(directory: Path, bodies: dict[str, str], hosts: int = 1) -> None:
    texts = "\n".join(check(name, body, on="HOST") for name, body in bodies.items())
    write(directory, {"p.yaml": f"hazards: [{', '.join(bodies)}]\n", "check_a.py": texts})
    names = [f"n{number}" for number in range(hosts)]
    change = Change(profile="p", hosts={name: Host(name, name) for name in names})
    taken = "2026-01-01T00:00:00+00:00"
    Snapshot(record_of(change), dict.fromkeys(names, ANSWERS), taken, taken).save(directory / "s.json")


@pytest.mark.parametrize(
    ("other", "code", "verdict"), [("pass", 10, "incomplete"), ("assert False, 'it is there'", 1, "no-go")]
)
def test_a_worker_that_dies_takes_its_check_with_it_and_nothing_else(
    tmp_path: Path, other: str, code: int, verdict: str
) -> None:
    pack(tmp_path, {"dies": DIES, "other": other})
    result = preflight(*OPTIONS, "-n2", cwd=tmp_path)
    assert (result.code, result.report["verdict"]) == (code, verdict), result
    assert [one["hazard"] for one in result.report["findings"]] == ["other"]
    (left_out,) = result.report["coverage"]["not_examined"]
    assert left_out == {"hazard": "dies", "subject": "n0", "reason": "a worker of pytest-xdist crashed"}


def test_output_that_nobody_takes_is_nobody_s_choice(tmp_path: Path) -> None:
    pack(tmp_path, {"a": "pass"}, hosts=3000)
    argv = [sys.executable, "-m", "pytest", *OPTIONS, "--report-dir=reports", "-v"]
    with subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        assert any(b"PASSED" in line for line in process.stdout)
        process.stdout.close()
    report = json.loads((tmp_path / "reports" / "preflight.json").read_text())
    assert report["verdict"] == "incomplete"
    reasons = {one["reason"] for one in report["coverage"]["not_examined"]}
    assert reasons == {"the run broke off: by an error within, or because nobody took what it printed"}
