"""Every object in deploy/ is one that the API server takes, and the role is the one that the plan asks for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.conftest import Kubectl
from tests.deploy.containers import TOP
from tests.lab.controlplane import ControlPlane
from tests.lab.controlplane.api import ApiError
from tests.running import preflight

DEPLOY = TOP / "deploy"
#: Directories for `kubectl apply -k`, and files for `kubectl apply -f`.
BUILT = ("rbac", "argo-cd", "flux", "flux/platform")
FILES = ("argo-cd/application.yaml", "flux/sync.yaml", "tekton/task.yaml", "policy-report/publisher.yaml")
DRY = ("apply", "--dry-run=server", "--validate=strict")


@pytest.mark.parametrize("path", [*BUILT, *FILES])
def test_the_api_server_takes_it(path: str, prod: ControlPlane, kubectl: Kubectl) -> None:
    said = kubectl(*DRY, "-k" if path in BUILT else "-f", DEPLOY / path)
    assert said.count("server dry run") == len(said.splitlines()) > 0


def test_a_field_that_is_misspelt_would_be_refused(prod: ControlPlane, kubectl: Kubectl) -> None:
    for path, word in (
        ("argo-cd/job.yaml", "backoffLimit"),
        ("tekton/task.yaml", "workingDir"),
        ("flux/sync.yaml", "wait"),
    ):
        text = (DEPLOY / path).read_text("utf-8")
        assert f"{word}:" in text
        done = kubectl.tried(*DRY, "-f", "-", text=text.replace(f"{word}:", f"{word}x:"))
        assert done.returncode != 0
        assert f"{word}x" in done.stderr


def test_nothing_in_there_is_left_out_above() -> None:
    kept = {
        "github": "an action and a workflow",
        "gitlab": "a template",
        "cron": "no objects",
        "container": "no objects",
    }
    seen = {path.partition("/")[0] for path in (*BUILT, *FILES)}
    assert {one.name for one in DEPLOY.iterdir() if one.is_dir()} == seen | set(kept)


@pytest.mark.parametrize("path", ["argo-cd", "flux"])
def test_the_pods_keep_to_the_restricted_standard(path: str, prod: ControlPlane, kubectl: Kubectl) -> None:
    job = next(one for one in rendered(kubectl, path) if one["kind"] == "Job")
    template = job["spec"]["template"]
    where = job["metadata"]["namespace"]
    labels = prod.api.request("GET", f"/api/v1/namespaces/{where}")["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "one"}, "spec": template["spec"]}
    query = {"dryRun": "All", "fieldValidation": "Strict"}
    prod.api.request("POST", f"/api/v1/namespaces/{where}/pods", pod, **query)
    pod["spec"] = {**template["spec"], "hostNetwork": True}
    with pytest.raises(ApiError, match="violates PodSecurity"):
        prod.api.request("POST", f"/api/v1/namespaces/{where}/pods", pod, **query)


def test_the_role_is_what_the_plan_asks_for(tmp_path: Path) -> None:
    printed = preflight(f"--change={DEPLOY / 'argo-cd/upgrade.yaml'}", "--plan=rbac", cwd=tmp_path)
    assert printed.code == 0, printed
    kept = (DEPLOY / "rbac/role.yaml").read_text("utf-8")
    assert kept == printed.out, "stale: pytest --change=deploy/argo-cd/upgrade.yaml --plan=rbac > deploy/rbac/role.yaml"


def test_the_examples_speak_of_one_change(kubectl: Kubectl) -> None:
    """So that the role fits both, and their tests mean the same."""
    argo, flux = (load(DEPLOY / path / "upgrade.yaml") for path in ("argo-cd", "flux"))
    assert flux["clusters"]["prod"].pop("desired") == "platform/cluster.yaml"
    assert argo["clusters"]["prod"].pop("desired") == "cluster.yaml"
    assert argo == flux
    assert load(DEPLOY / "argo-cd/cluster.yaml") == load(DEPLOY / "flux/platform/cluster.yaml")


def test_a_change_of_the_platform_makes_another_job(tmp_path: Path, kubectl: Kubectl) -> None:
    """Flux makes a Job anew only when it differs: else the old answer would let a new configuration through."""
    before = next(one for one in rendered(kubectl, "flux") if one["kind"] == "Job")
    for one in ("kustomization.yaml", "job.yaml", "upgrade.yaml", "platform/cluster.yaml"):
        copy = tmp_path / one
        copy.parent.mkdir(exist_ok=True)
        copy.write_text((DEPLOY / "flux" / one).read_text("utf-8").replace("1.9.0", "1.9.1"))
    after = next(one for one in rendered(kubectl, tmp_path) if one["kind"] == "Job")
    assert before["spec"] != after["spec"]


def load(path: Path) -> Any:
    return yaml.safe_load(path.read_text("utf-8"))


def rendered(kubectl: Kubectl, path: str | Path) -> list[dict[str, Any]]:
    """What kustomize makes of a directory."""
    return [one for one in yaml.safe_load_all(kubectl("kustomize", DEPLOY / path)) if one]
