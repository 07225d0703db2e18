"""The composite action, its steps run as a runner runs them: in a real repository, against a real API server."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.deploy.conftest import Kubectl
from tests.deploy.containers import TOP, Image, linked, wheels
from tests.deploy.pipelines import Github, Repository, load
from tests.lab.controlplane import ControlPlane

ACTION = load("github/action.yml")
MAINTENANCE = "abm-maintenance-annotation"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    made = Repository(tmp_path_factory.mktemp("github") / "fleet")
    made.upgrade()
    return made


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if not shutil.which("openssl"):
        pytest.skip("needs openssl, to make keys as the documentation says")
    place = tmp_path_factory.mktemp("keys")
    text = (TOP / "docs/gates.md").read_text("utf-8")
    lines = [line for line in text.splitlines() if line.startswith("openssl ")]
    assert len(lines) == 2
    for line in lines:
        subprocess.run(["sh", "-c", line], cwd=place, check=True, capture_output=True)
    return place


@pytest.fixture(scope="module")
def github(repository: Repository, reader: Path, image: Image, tmp_path_factory: pytest.TempPathFactory) -> Github:
    """With the suite installed by the action's own step; what it depends on is there, as on a runner that is used again."""
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(wheels()), "KUBECONFIG": str(reader)}
    runner = Github(ACTION, repository.top, tmp_path_factory.mktemp("runner"), env)
    packages = f"lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    for layer in image.layers:
        if (layer / "opt/preflight" / packages).is_dir():
            ignored = shutil.ignore_patterns("conformance", "pytest_preflight*")
            to = runner.temp / "preflight" / packages
            shutil.copytree(layer / "opt/preflight" / packages, to, ignore=ignored, copy_function=linked)
    assert runner.run(["Install"], suite=str(TOP), python=sys.executable) == 0, runner.said
    return runner


def test_a_go_passes_and_its_report_is_asked_again_later(
    github: Github, repository: Repository, prod: ControlPlane, keys: Path, kubectl: Kubectl, tmp_path: Path
) -> None:
    policy = tmp_path / "policy-report.yaml"
    given = {"since": repository.base, "sarif": "reports/preflight.sarif", "sign_key": str(keys / "preflight.pem")}
    assert github.run(["Examine"], **given, arguments=f"--policy-report={policy}\n-q") == 0, github.said
    assert github.outputs["examine"] == {"status": "0", "verdict": "go", "sarif": "reports/preflight.sarif"}
    reports = repository.top / "reports"
    assert github.summary == (reports / "preflight.md").read_text("utf-8")
    assert json.loads((reports / "preflight.sarif").read_text("utf-8"))["version"] == "2.1.0"
    said = json.loads((reports / "preflight.json").read_text("utf-8"))["upgrades"]["prod"]
    assert said == {"from": "1.8.3", "to": "1.9.0"}

    verify = {"since": repository.base, "verify": "reports/preflight.json", "verify_key": str(keys / "preflight.pub")}
    assert github.run(["Examine"], **verify) == 0, github.said
    assert "stands for this change" in github.summary
    assert "signed with the key" in github.summary

    # What only kubectl writes, with the rights that the example gives.
    token = prod.service_account("preflight", "publisher")
    prod.bind(TOP / "deploy/policy-report/publisher.yaml", "preflight/publisher")
    publisher = prod.kubeconfig("publisher", token=token, path=tmp_path / "publisher")
    kubectl("apply", "--server-side", "--validate=strict", "-f", policy, kubeconfig=publisher)
    kubectl("apply", "--server-side", "--validate=strict", "-f", policy, kubeconfig=publisher)
    kept = json.loads(kubectl("get", "clusterpolicyreports", "preflight-anthos-bare-metal-1.9", "-o", "json"))
    assert (kept["results"][0]["rule"], kept["results"][0]["result"]) == ("verdict", "pass")

    # Whoever verifies has something to upgrade: a revision since which nothing changes is a mistake then.
    assert github.run(["Examine"], **{**verify, "since": "HEAD"}) == 5, github.said

    # Something has changed since: another version is another upgrade.
    path = repository.top / "cluster.yaml"
    before = path.read_text("utf-8")
    path.write_text(before.replace("1.9.0", "1.9.1"), encoding="utf-8")
    try:
        assert github.run(["Examine"], **verify) == 10, github.said
    finally:
        path.write_text(before, encoding="utf-8")
    assert "REFUSED" in github.summary


def test_a_hazard_fails_and_the_summary_names_it(
    github: Github, repository: Repository, troubled: ControlPlane
) -> None:
    assert github.run(["Examine"], since=repository.base, sarif="reports/preflight.sarif") == 1, github.said
    assert github.outputs["examine"] == {"status": "1", "verdict": "no-go", "sarif": "reports/preflight.sarif"}
    assert MAINTENANCE in github.summary


def test_no_change_of_a_version_passes_and_no_old_report_is_taken_for_its_own(
    github: Github, repository: Repository
) -> None:
    (repository.top / "reports").mkdir(exist_ok=True)
    (repository.top / "reports/preflight.json").write_text('{"verdict": "go"}')
    assert github.run(["Examine"], since="HEAD", sarif="reports/preflight.sarif") == 0, github.said
    assert github.outputs["examine"] == {"status": "5"}
    assert "::notice title=Preflight::No cluster's version changes since HEAD" in github.said
    assert not (repository.top / "reports/preflight.json").exists()


def test_a_mistake_is_no_pass(github: Github, repository: Repository) -> None:
    assert github.run(["Examine"], since="no-such-revision") == 4, github.said
    assert github.outputs["examine"] == {"status": "4"}


def test_the_workflow_gives_what_the_action_takes() -> None:
    workflow = load("github/workflow.yml")
    used = [step for job in workflow["jobs"].values() for step in job["steps"] if step.get("uses") == "./deploy/github"]
    assert len(used) == 2
    for step in used:
        assert step["with"].keys() <= ACTION["inputs"].keys()
    assert workflow["jobs"]["upgrade"]["if"] == "${{ needs.preflight.outputs.verdict == 'go' }}"
    assert workflow["jobs"]["preflight"]["outputs"]["verdict"] == "${{ steps.preflight.outputs.verdict }}"
    assert ("verify" in used[0]["with"], "verify" in used[1]["with"]) == (False, True)
    checkouts = [s for job in workflow["jobs"].values() for s in job["steps"] if "checkout" in s.get("uses", "")]
    assert all(one["with"]["fetch-depth"] == 0 for one in checkouts)


def test_every_yaml_file_of_deploy_is_yaml() -> None:
    files = [one for one in (TOP / "deploy").rglob("*") if one.suffix in (".yaml", ".yml")]
    assert len(files) > 10
    for one in files:
        assert [found for found in yaml.safe_load_all(one.read_text("utf-8")) if found], one
