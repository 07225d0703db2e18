"""Runs the suite as a person does: `pytest --profile …` in a process of its own, outside the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Result", "preflight"]


@dataclass(frozen=True)
class Result:
    """What a run left: exit status, what it printed, and its reports."""

    code: int
    out: str
    #: Seconds from start to end, as a person would wait.
    seconds: float
    reports: Path
    #: preflight.json, empty where it was not written.
    report: dict[str, Any] = field(default_factory=dict)

    @property
    def outcomes(self) -> dict[tuple[str, str], str]:
        """(hazard, subject) -> outcome."""
        return {(one["hazard"], one["subject"]): one["outcome"] for one in self.report["findings"]}

    def on(self, subject: str) -> dict[str, str]:
        """Hazard -> outcome on one subject."""
        return {hazard: outcome for (hazard, where), outcome in self.outcomes.items() if where == subject}

    def finding(self, hazard: str, subject: str) -> dict[str, Any]:
        """The one finding about a hazard on a subject."""
        found = [one for one in self.report["findings"] if (one["hazard"], one["subject"]) == (hazard, subject)]
        assert len(found) == 1, self
        return dict(found[0])

    @property
    def texts(self) -> dict[str, str]:
        """Everything that the run has told anybody: its output and its reports, by name."""
        written = {one.name: one.read_text(encoding="utf-8") for one in self.reports.glob("*") if one.is_file()}
        return {"the terminal": self.out, **written}

    def __str__(self) -> str:
        return f"exit {self.code} after {self.seconds:.1f} s\n{self.out}"

    __repr__ = __str__


def preflight(
    *args: object,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    patience: float = 120,
    reports: str = "reports",
    wrapper: Sequence[str] = (),
    own: bool = True,
) -> Result:
    """Run ``pytest`` with these arguments in `cwd`, which is no checkout, and read what it left there.

    It starts where the calling thread is, also in the lab's network. Of the environment only what every login has is
    passed on: nothing of the pytest that runs this test, and no KUBECONFIG of the person who does.

    :param reports: the directory for the reports, below `cwd`.
    :param wrapper: words in front of the command line, as of unshare(1).
    :param own: whether to pass an option of the suite, which somebody without it would not know.
    """
    kept = {name: os.environ[name] for name in ("PATH", "TMPDIR", "LANG") if name in os.environ}
    home = cwd / "home"
    home.mkdir(exist_ok=True)
    directory = cwd / reports
    settings = [f"--report-dir={directory}"] if own else []
    argv = [*wrapper, sys.executable, "-m", "pytest", *settings, *map(str, args)]
    began = time.monotonic()
    done = subprocess.run(
        argv,
        cwd=cwd,
        env={**kept, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=patience,
        check=False,
    )
    seconds = time.monotonic() - began
    written = directory / "preflight.json"
    report = json.loads(written.read_text(encoding="utf-8")) if written.exists() else {}
    return Result(done.returncode, done.stdout.decode("utf-8", "replace"), seconds, directory, report)
