"""The image, and the Jobs of Argo CD and Flux run in it as they are written: in the cluster, with their account's token."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.deploy.conftest import Kubectl, report_in
from tests.deploy.containers import Image
from tests.deploy.pods import run_job
from tests.deploy.test_objects import rendered
from tests.lab.controlplane import ControlPlane

MAINTENANCE = "abm-maintenance-annotation"
ACCOUNT = "system:serviceaccount:preflight:preflight"


def test_the_image_runs_read_only_as_anybody(image: Image) -> None:
    assert image.user == "65532:65532"
    done = image.run(
        "--profile=linux-node", "--report-dir=/reports", volumes={"/reports": None, "/tmp": None}, user="123456:0"
    )
    assert done.returncode == 0, done.stdout
    assert "\nGO" in done.stdout
    assert "Warning" not in done.stdout
    assert "Errno" not in done.stdout


def test_the_image_says_what_it_is(image: Image) -> None:
    done = image.run("--list-profiles", volumes={"/tmp": None})
    assert done.returncode == 0, done.stdout
    assert "anthos-bare-metal-1.9" in done.stdout
    done = image.run("git", "--version", entrypoint=())
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("path", ["argo-cd", "flux"])
def test_a_go_is_success(path: str, image: Image, prod: ControlPlane, kubectl: Kubectl, tmp_path: Path) -> None:
    began = prod.audit_position()
    objects = rendered(kubectl, path)
    job = next(one for one in objects if one["kind"] == "Job")
    done = run_job(job, objects, image, prod, tmp_path)
    assert done.returncode == 0, done.stdout
    report = report_in(tmp_path / "reports")
    assert (report["verdict"], report["scope"], report["upgrades"]["prod"]["from"]) == ("go", "clusters only", "1.8.3")
    # A report out of a pod can be verified where the change lies in Git: it names the files as they lie there.
    cluster = {"argo-cd": "cluster.yaml", "flux": "platform/cluster.yaml"}[path]
    assert set(report["inputs"]) == {"upgrade.yaml", cluster}
    events = prod.audit(user=ACCOUNT, since=began)
    assert {event.verb for event in events} <= {"get", "list"}
    assert {event.status for event in events} <= {200, 404}
    assert events


def test_a_hazard_fails_the_job_for_good(
    image: Image, troubled: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> None:
    objects = rendered(kubectl, "argo-cd")
    job = next(one for one in objects if one["kind"] == "Job")
    done = run_job(job, objects, image, troubled, tmp_path)
    assert done.returncode == 1, done.stdout
    assert f"HAZARD {MAINTENANCE}" in done.stdout
    assert report_in(tmp_path / "reports")["verdict"] == "no-go"
    # That status ends the Job as failed, at once: and with a failed PreSync hook Argo CD does not sync.
    spec = job["spec"]
    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")
    assert job["metadata"]["annotations"]["argocd.argoproj.io/hook"] == "PreSync"
    change = next(one for one in objects if one["kind"] == "ConfigMap")["metadata"]["annotations"]
    assert change["argocd.argoproj.io/hook"] == "PreSync"
    assert int(change["argocd.argoproj.io/sync-wave"]) < 0


def test_without_its_rights_it_is_no_success(
    image: Image, prod: ControlPlane, kubectl: Kubectl, tmp_path: Path
) -> None:
    """A binding that somebody forgot: unknown is not go."""
    objects = rendered(kubectl, "argo-cd")
    job = next(one for one in objects if one["kind"] == "Job")
    job["spec"]["template"]["spec"]["serviceAccountName"] = "without-rights"
    done = run_job(job, objects, image, prod, tmp_path)
    assert done.returncode == 10, done.stdout
    assert "forbidden" in done.stdout
