"""What a run is settled on before anything is read: the profile of a base, and whose configuration --desired is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.running import preflight
from tests.unit.packing import check, write
from tests.unit.test_usage import KUBECONFIG

BASE = {
    "pack/plat.yaml": "title: A platform\nabstract: true\nhazards: [old]\n",
    "pack/plat-1.9.yaml": "title: A platform, upgrade to 1.9\nextends: plat\ntarget: '1.9'\nhazards: [new]\n",
    "pack/check_a.py": "\n".join((check("old"), check("new", 'assert str(kernel) == "0"'))),
}


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["here", "workers"])
def test_a_base_is_the_profile_of_its_target_live_in_workers_and_on_a_snapshot(
    tmp_path: Path, workers: tuple[str, ...]
) -> None:
    write(tmp_path, BASE)
    base = f"--profile={tmp_path}/pack/plat.yaml"

    def verdict(*args: str, where: str) -> dict[str, Any]:
        result = preflight(base, *args, *workers, cwd=tmp_path, reports=where)
        assert result.code == 1, result
        report: dict[str, Any] = result.report
        return {one: report[one] for one in ("profile", "verdict", "to")} | {"left": report["coverage"]["not_examined"]}

    expected = {"profile": "plat-1.9", "verdict": "no-go", "to": "1.9.2", "left": []}
    live = verdict("--upgrade-to=1.9.2", "--hosts=local://", "--save-snapshot=kept.json", where="live")
    assert live == expected
    assert verdict("--snapshot=kept.json", where="kept") == expected


def test_hosts_in_somebody_s_settings_do_not_disturb_a_run_on_a_snapshot(tmp_path: Path) -> None:
    profile = "--profile=linux-node"
    assert preflight(profile, "--save-snapshot=kept.json", cwd=tmp_path).code in (0, 1)
    settings = {"PYTEST_ADDOPTS": "--hosts=ssh://nowhere.invalid"}
    kept = preflight(profile, "--snapshot=kept.json", cwd=tmp_path, env=settings, reports="kept")
    assert [one["name"] for one in kept.report["subjects"]] == ["local://"], kept


def test_the_plan_of_a_base_needs_no_target(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    result = preflight("--profile=kubernetes", "--kubeconfig=kubeconfig", "--plan=rbac", cwd=tmp_path)
    assert result.code == 0, result
    assert "kind: ClusterRole" in result.out


def test_the_cluster_of_the_usual_place_gets_the_desired_configuration(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text(KUBECONFIG)
    (tmp_path / "desired.yaml").write_text(
        "apiVersion: baremetal.cluster.gke.io/v1\nkind: Cluster\nmetadata: {name: c}\n"
    )
    env = {"KUBECONFIG": str(tmp_path / "kubeconfig")}
    profile = ("--profile=anthos-bare-metal-1.9", "--upgrade-from=1.8.3", "--examine=clusters", "--plan=json")
    result = preflight(*profile, "--desired=desired.yaml", cwd=tmp_path, env=env)
    assert result.code == 0, result
    assert json.loads(result.out)["desired"]["me"]["files"] == ["desired.yaml"]
    result = preflight(*profile, "--desired=missing.yaml", cwd=tmp_path, env=env)
    assert result.code == 4, result
    assert "--desired missing.yaml: cannot be read: No such file" in result.out
