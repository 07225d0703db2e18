"""Pipelines' scripts, carried out as their servers do it; and the repository that they run in."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.containers import TOP

__all__ = ["Github", "Repository", "load"]


def load(path: str) -> Any:
    """A YAML file below deploy/; every file there is UTF-8 without tabs."""
    return yaml.safe_load((TOP / "deploy" / path).read_text("utf-8"))


class Repository:
    """A Git repository with the change and the cluster of the examples, at 1.8.3."""

    def __init__(self, top: Path) -> None:
        self.top = top
        top.mkdir()
        self.git("init", "-q", "-b", "main")
        for name in ("upgrade.yaml", "cluster.yaml"):
            text = (TOP / "deploy/argo-cd" / name).read_text("utf-8")
            (top / name).write_text(text.replace("1.9.0", "1.8.3"), encoding="utf-8")
        self.base = self.commit()
        (top / "README.md").write_text("the fleet\n", encoding="utf-8")
        self.other = self.commit()

    def upgrade(self) -> None:
        """Upgrade the cluster to 1.9.0."""
        path = self.top / "cluster.yaml"
        path.write_text(path.read_text("utf-8").replace("1.8.3", "1.9.0"), encoding="utf-8")
        self.commit()

    def commit(self) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "x")
        self.open()
        return self.git("rev-parse", "HEAD").strip()

    def open(self) -> None:
        """Let everybody write, as runners whose containers run as other users do."""
        subprocess.run(["chmod", "-R", "a+rwX", str(self.top)], check=True)

    def git(self, *words: str) -> str:
        who = ("-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false")
        done = subprocess.run(["git", *who, "-C", self.top, *words], check=True, capture_output=True, text=True)
        return done.stdout


@dataclass
class Github:
    """A composite action's steps, with the files and variables that a runner gives them."""

    action: dict[str, Any]
    workspace: Path
    temp: Path
    env: Mapping[str, str] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    summary: str = ""
    said: str = ""

    def run(self, names: list[str], **given: str) -> int:
        """Run the steps of these names one after another; the exit status of the first that fails, else 0."""
        inputs = {key: str(one.get("default", "")) for key, one in self.action["inputs"].items()}
        assert given.keys() <= {one.replace("-", "_") for one in inputs}, given
        inputs |= {key: given[key.replace("-", "_")] for key in inputs if key.replace("-", "_") in given}
        for step in self.action["runs"]["steps"]:
            if step["name"] in names:
                status = self._run(step, inputs)
                if status:
                    return status
        return 0

    def _run(self, step: dict[str, Any], inputs: Mapping[str, str]) -> int:
        assert step["shell"] == "bash"  # a composite action has to say it
        assert "${{" not in step["run"]  # text of a pull request would become part of the script
        env = {key: _said(value, inputs) for key, value in step.get("env", {}).items()}
        files = {name: self.temp / name for name in ("output", "step_summary", "env", "path")}
        for one in files.values():
            one.write_text("")
        script = self.temp / "script.sh"
        script.write_text(step["run"], encoding="utf-8")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", script],
            cwd=self.workspace,
            env={
                **{name: os.environ[name] for name in ("PATH", "LANG", "TMPDIR") if name in os.environ},
                "HOME": str(self.temp),
                "GITHUB_ACTIONS": "true",
                "GITHUB_WORKSPACE": str(self.workspace),
                "RUNNER_TEMP": str(self.temp),
                **{f"GITHUB_{name.upper()}": str(path) for name, path in files.items()},
                **self.env,
                **env,
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.said, self.summary = done.stdout, files["step_summary"].read_text("utf-8")
        told = files["output"].read_text("utf-8")
        self.outputs[step.get("id", step["name"])] = dict(line.split("=", 1) for line in told.splitlines())
        return done.returncode


def _said(value: str, inputs: Mapping[str, str]) -> str:
    return re.sub(r"\$\{\{ inputs\.([a-z-]+) \}\}", lambda match: inputs[match[1]], value)
