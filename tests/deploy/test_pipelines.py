"""GitLab's template and Tekton's Task in the image that they name, and cron's script: their scripts run as they are written."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import pytest

from tests.clusters.anthos import machine, machines
from tests.deploy.conftest import report_in
from tests.deploy.containers import TOP, Image
from tests.deploy.pipelines import Repository, load
from tests.deploy.pods import ACCOUNT, service_account
from tests.lab.controlplane import ControlPlane

CHECKOUT = "/builds/platform/fleet"
GITLAB = load("gitlab/preflight.gitlab-ci.yml")
TASK = load("tekton/task.yaml")["spec"]
MAINTENANCE = "abm-maintenance-annotation"


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    made = Repository(tmp_path / "fleet")
    made.upgrade()
    return made


class TestGitlab:
    def run(self, job: str, image: Image, repository: Repository, reader: Path, base: str) -> tuple[int, str]:
        """A job of the template, as a runner with the Docker executor runs it."""
        found = {**GITLAB[GITLAB[job]["extends"]], **GITLAB[job]}
        assert found["image"]["entrypoint"] == [""]
        variables = {**GITLAB["variables"], **found["variables"]}
        variables |= {"CI_MERGE_REQUEST_DIFF_BASE_SHA": base, "KUBECONFIG": "/builds/kubeconfig", "CI": "true"}
        done = image.run(
            *("bash", "-eo", "pipefail", "-c", "\n".join(found["script"])),
            entrypoint=(),
            env=variables,
            workdir=CHECKOUT,
            volumes={CHECKOUT: repository.top, "/builds/kubeconfig": reader, "/tmp": None},
        )
        return done.returncode, done.stdout

    def test_an_upgrade_is_examined_and_asked_for_again(
        self, image: Image, repository: Repository, prod: ControlPlane, reader: Path
    ) -> None:
        code, said = self.run("preflight", image, repository, reader, repository.base)
        assert code == 0, said
        reports = repository.top / "reports"
        assert report_in(reports)["upgrades"]["prod"] == {"from": "1.8.3", "to": "1.9.0"}
        artifacts = GITLAB["preflight"]["artifacts"]
        assert artifacts["when"] == "always"
        junit = ET.parse(repository.top / artifacts["reports"]["junit"])
        assert [one for one in junit.iter() if one.tag in ("failure", "error")] == []
        kept = {one for one in artifacts["paths"] if (repository.top / one).is_file()}
        assert set(artifacts["paths"]) - kept == {"reports/preflight.dsse.json"}  # it was not signed

        code, said = self.run("preflight-verify", image, repository, reader, repository.base)
        assert code == 0, said
        assert "stands for this change" in said
        assert GITLAB["preflight-verify"]["needs"] == ["preflight"]
        report = reports / "preflight.json"
        report.write_text(report.read_text("utf-8").replace('"clear"', '"waived"', 1), encoding="utf-8")
        code, said = self.run("preflight-verify", image, repository, reader, repository.base)
        assert code == 1, said
        assert "altered after it was written" in said

    def test_a_hazard_stops_the_pipeline_and_keeps_its_report(
        self, image: Image, repository: Repository, troubled: ControlPlane, reader: Path
    ) -> None:
        code, said = self.run("preflight", image, repository, reader, repository.base)
        assert code == 1, said
        assert MAINTENANCE in (repository.top / "reports/preflight.md").read_text("utf-8")

    def test_a_merge_request_that_upgrades_nothing_passes(
        self, image: Image, repository: Repository, reader: Path
    ) -> None:
        code, said = self.run("preflight", image, repository, reader, "HEAD")
        assert code == 0, said
        assert "no cluster's version changes" in said

    def test_a_mistake_stops_it(self, image: Image, repository: Repository, reader: Path) -> None:
        """Such as a variable that GitLab sets in pipelines of merge requests only."""
        code, said = self.run("preflight", image, repository, reader, "no-such-revision")
        assert code == 4, said


class TestTekton:
    def run(
        self, image: Image, repository: Repository, plane: ControlPlane, place: Path, **params: str
    ) -> tuple[int, str, str]:
        """The Task's step, as its TaskRun's pod would run it as the service account: status, what it said, verdict."""
        step = TASK["steps"][0]
        results, reports = place / "results", place / "reports"
        for one in (results, reports):
            one.mkdir(mode=0o777, exist_ok=True)
            one.chmod(0o777)
        said: dict[str, str] = {
            f"params.{one['name']}": one["default"] for one in TASK["params"] if one["type"] == "string"
        }
        said |= {f"params.{name}": value for name, value in params.items()}
        said |= {f"workspaces.{one['name']}.path": f"/workspace/{one['name']}" for one in TASK["workspaces"]}
        said |= {"workspaces.kubeconfig.path": "", "results.verdict.path": "/tekton/results/verdict"}
        assert "$(" not in re.sub(r"\$\(\(", "", step["script"])  # parameters are no part of the script
        script = place / "script"
        script.write_text(step["script"], encoding="utf-8")
        script.chmod(0o755)
        account, env = service_account(plane, "preflight", "preflight", place / f"account-{len(list(place.iterdir()))}")
        env |= {one["name"]: _said(one["value"], said) for one in step["env"]}
        assert step["args"] == ["$(params.arguments[*])"]
        done = image.run(
            entrypoint=("/tekton/scripts/script-0",),
            env=env,
            user=f"{step['securityContext']['runAsUser']}:0",
            workdir=_said(step["workingDir"], said),
            volumes={
                "/workspace/source": repository.top,
                "/workspace/reports": reports,
                "/tekton/results": results,
                "/tekton/scripts/script-0": script,
                "/tmp": None,
                ACCOUNT: account,
            },
            read_only={f"/workspace/{one['name']}" for one in TASK["workspaces"] if one.get("readOnly")}
            - {"/workspace/kubeconfig"},
        )
        verdict = results / "verdict"
        return done.returncode, done.stdout, verdict.read_text() if verdict.exists() else ""

    def test_what_it_tells(self, image: Image, repository: Repository, prod: ControlPlane, tmp_path: Path) -> None:
        code, said, verdict = self.run(image, repository, prod, tmp_path, since="HEAD~1")
        assert (code, verdict) == (0, "go"), said
        assert report_in(tmp_path / "reports")["upgrades"]["prod"] == {"from": "1.8.3", "to": "1.9.0"}
        prod.apply(machine("192.0.2.1", "cluster-prod", "4h0m0s"))
        try:
            code, said, verdict = self.run(image, repository, prod, tmp_path)
        finally:
            prod.apply(*machines("cluster-prod", "192.0.2.1"))
        assert (code, verdict) == (1, "no-go"), said
        code, said, verdict = self.run(image, repository, prod, tmp_path, since="HEAD")
        assert (code, verdict) == (0, "none"), said


def _said(text: str, values: dict[str, Any]) -> str:
    return re.sub(r"\$\(([^()]+)\)", lambda match: values[match[1]], text)


class TestCron:
    def run(self, place: Path, reader: Path, *more: str) -> tuple[int, str]:
        change = TOP / "deploy/argo-cd/upgrade.yaml"
        done = subprocess.run(
            [TOP / "deploy/cron/preflight-watch", place / "kept", f"--change={change}", *more],
            cwd=place,
            env={
                "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
                "HOME": str(place),
                "KUBECONFIG": str(reader),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        return done.returncode, done.stdout

    def test_it_speaks_up_only_when_something_has_changed(
        self, prod: ControlPlane, reader: Path, tmp_path: Path
    ) -> None:
        if not shutil.which("flock"):
            pytest.skip("needs flock (util-linux)")
        code, said = self.run(tmp_path, reader)
        assert code == 0, said
        assert "\nGO" in said  # the first time it is news
        assert self.run(tmp_path, reader) == (0, "")
        kept = tmp_path / "kept/last"
        assert report_in(kept)["verdict"] == "go"
        prod.apply(machine("192.0.2.1", "cluster-prod", "4h0m0s"))
        try:
            code, said = self.run(tmp_path, reader)
            assert code == 1, said
            assert f"HAZARD {MAINTENANCE}" in said
        finally:
            prod.apply(*machines("cluster-prod", "192.0.2.1"))
        # What could not be run at all is news each time, and the last report stays.
        for _ in range(2):
            code, said = self.run(tmp_path, reader, "--upgrade-to=nonsense")
            assert code == 4
            assert "--upgrade-to" in said
        assert report_in(kept)["verdict"] == "no-go"

    def test_its_line_is_one_that_cron_takes(self) -> None:
        text = (TOP / "deploy/cron/preflight.cron").read_text("utf-8")
        *_, line = text.splitlines()
        assert re.fullmatch(r"\d+ \d+ \* \* \* [a-z]+ /\S+( \S+)+", line)
        assert "%" not in line  # cron would take it for a new line
        assert os.access(TOP / "deploy/cron/preflight-watch", os.X_OK)
