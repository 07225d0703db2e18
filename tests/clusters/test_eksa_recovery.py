"""An interrupted upgrade of EKS Anywhere, and the way back from it: two real API servers, one change file, step by step."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.anthos import node
from tests.clusters.crds.eksa_recovery import FLUX
from tests.clusters.eksa_recovery import PASSWORD, apply, as_document, move, serve, wanted
from tests.hazards.eksa_recovery import MACHINES, NAME, SPACE, capi, condition, flux, group, plane, table
from tests.lab.controlplane import ControlPlane, ControlPlaneUnavailable
from tests.running import Result, preflight

OBJECTS, RUNNING, ANSWERS = "eksa-capi-objects-in-bootstrap", "eksa-machines-not-running", "eksa-api-unresponsive"
MIXED, PAUSED = "eksa-mixed-versions", "eksa-reconcile-paused"
BACKUP, LEFT = "eksa-capi-backup-missing", "eksa-bootstrap-leftover"
BOOT, MGMT = "kind", "mgmt"
FIRST, ETCD, WORKER = (one["metadata"]["name"] for one in table(MACHINES))

Object = dict[str, Any]


def suspended(kind: str, group: str, suspend: bool) -> Object:
    return {"apiVersion": f"{group}.toolkit.fluxcd.io/v1", **flux(kind, suspend=suspend)}


class Recovery:
    """Both clusters, the change file that names them, and the runs over it."""

    def __init__(self, place: Path, boot: ControlPlane, mgmt: ControlPlane) -> None:
        self.place, self.boot, self.mgmt = place, boot, mgmt
        files = {
            name: one.kubeconfig(context=name, path=place / f"{name}.kubeconfig")
            for name, one in ((BOOT, boot), (MGMT, mgmt))
        }
        clusters = {
            BOOT: {"kubeconfig": str(files[BOOT]), "role": "bootstrap"},
            MGMT: {"kubeconfig": str(files[MGMT]), "role": "management"},
        }
        self.change = place / "upgrade.yaml"
        keys = {"profile": "eks-anywhere-1.23", "examine": ["clusters"], "clusters": clusters}
        self.change.write_text(yaml.safe_dump(keys), encoding="utf-8")

    def run(self, step: str, situation: str = "repair", *options: str) -> Result:
        kept = self.place / f"{step}.json"
        given = (f"--change={self.change}", f"--situation={situation}", f"--save-snapshot={kept}", *options)
        found = preflight(*given, cwd=self.place, reports=step)
        assert kept.exists(), found
        for said in (*found.texts.values(), kept.read_text(encoding="utf-8")):
            assert PASSWORD not in said
        return found


@pytest.fixture(scope="module")
def recovery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Recovery]:
    """The management cluster of an interrupted upgrade and its bootstrap cluster, into which its objects were moved."""
    try:
        boot, mgmt = ControlPlane(), ControlPlane()
    except ControlPlaneUnavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no control plane, and CI must not pass without: {reason}", pytrace=False)
        pytest.skip(f"no control plane: {reason}")
    with boot, mgmt:
        serve(boot)
        serve(mgmt, *FLUX)
        boot.apply(node(f"{NAME}-eks-a-cluster-control-plane", "192.0.2.1", "v1.22.17", master=True))
        mgmt.apply(node(FIRST, "192.0.2.11", "v1.23.17", master=True), node(WORKER, "192.0.2.12", "v1.22.17"))
        apply(mgmt, wanted("true"))
        apply(mgmt, suspended("Kustomization", "kustomize", True), suspended("GitRepository", "source", False))
        # One of the machines waits for its VM.
        first, etcd, worker = (one for one in as_document() if one["kind"] == "Machine")
        etcd["status"] = {
            "phase": "Provisioning",
            "conditions": [condition(status="False", reason="WaitingForVM", message="no space", severity="Warning")],
        }
        apply(boot, capi(paused=False), plane(), group(), first, etcd, worker)
        yield Recovery(tmp_path_factory.mktemp("recovery"), boot, mgmt)


def lines_of(finding: Object) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


# The steps change the clusters: each fixture names the one before it.


@pytest.fixture(scope="module")
def stuck(recovery: Recovery) -> Result:
    """What is seen first: an upgrade that stopped."""
    return recovery.run("stuck", "stuck")


@pytest.fixture(scope="module")
def broken(recovery: Recovery, stuck: Result) -> Result:
    """Around the repair: a machine does not run, so nothing may be moved yet."""
    return recovery.run("broken")


@pytest.fixture(scope="module")
def mended(recovery: Recovery, broken: Result) -> Result:
    """The document's step 3: its own output."""
    apply(recovery.boot, *as_document())
    return recovery.run("mended")


@pytest.fixture(scope="module")
def half(recovery: Recovery, mended: Result) -> Result:
    """Step 5, interrupted: some are in both, and one machine is in the bootstrap cluster alone."""
    objects = [one for one in as_document() if one["metadata"]["name"] != WORKER]
    apply(recovery.boot, capi(paused=True))
    apply(recovery.mgmt, *objects, capi(paused=True))
    return recovery.run("half")


@pytest.fixture(scope="module")
def done(recovery: Recovery, half: Result) -> tuple[Result, Result]:
    """Step 6 and after: all moved, and everything resumed."""
    move(recovery.boot, recovery.mgmt, as_document())
    recovery.mgmt.delete(wanted("true"))
    apply(recovery.mgmt, capi(paused=False), wanted(None), suspended("Kustomization", "kustomize", False))
    worker = as_document()[-1]
    worker["spec"]["version"] = table(MACHINES)[0]["spec"]["version"]
    apply(recovery.mgmt, worker)
    return recovery.run("done"), recovery.run("done-stuck", "stuck")


@pytest.fixture(scope="module")
def dead(recovery: Recovery, done: tuple[Result, Result]) -> Result:
    """The management cluster's etcd is gone."""
    os.kill(recovery.mgmt.pids[0], 9)
    # Without what such an API server would be asked for in vain, for a minute.
    alone = recovery.place / "alone.yaml"
    keys = {"title": "Whether it answers", "extends": "eks-anywhere-1.23", "without": [OBJECTS, RUNNING, BACKUP, LEFT]}
    alone.write_text(yaml.safe_dump(keys), encoding="utf-8")
    return recovery.run("dead", "repair", f"--profile={alone}")


@pytest.fixture(scope="module")
def silent(recovery: Recovery, dead: Result) -> Result:
    """And then its API server."""
    recovery.mgmt.close()
    return recovery.run("silent")


@pytest.mark.real(PAUSED)
def test_reconciliation_is_still_paused(stuck: Result) -> None:
    assert stuck.code == 1, stuck
    found = stuck.finding(PAUSED, MGMT)
    assert found["outcome"] == "hazard"
    assert "EKS Anywhere's controller for Cluster default/cluster3 in mgmt" in found["message"]
    assert "Flux's Kustomization flux-system/flux-system in mgmt (spec.suspend)" in found["message"]
    assert "GitRepository" not in found["message"]
    assert "kustomizations flux-system/flux-system: spec.suspend: true" in lines_of(found)
    assert found["remedy"].startswith("# First bring the Cluster API objects back: they are in the bootstrap cluster")
    assert stuck.on(BOOT)[PAUSED] == "not-applicable"


@pytest.mark.real(MIXED)
def test_the_upgrade_stopped_half_way(stuck: Result) -> None:
    found = stuck.finding(MIXED, MGMT)
    assert found["outcome"] == "warning"
    assert (
        f"the control plane v1.23.17-eks-1-23-19 ({FIRST}); cluster3-md-0 v1.22.17-eks-1-22-24 ({WORKER})"
        in (found["message"])
    )
    assert f"machine {WORKER}: version=v1.22.17-eks-1-22-24 phase=Running" in lines_of(found)


@pytest.mark.real(RUNNING)
def test_a_machine_that_does_not_run(broken: Result) -> None:
    assert broken.code == 1, broken
    found = broken.finding(RUNNING, MGMT)
    assert found["outcome"] == "hazard"
    assert f"in bootstrap cluster {BOOT}: Machine {ETCD}: it is Provisioning, not Running" in found["message"]
    assert FIRST not in found["message"]
    assert any("Ready=False (WaitingForVM: no space)" in line for line in lines_of(found))
    assert broken.on(MGMT)[ANSWERS] == "clear"


@pytest.mark.real(OBJECTS)
def test_all_objects_are_in_the_bootstrap_cluster(mended: Result) -> None:
    assert mended.code == 1, mended
    found = mended.finding(OBJECTS, "fleet")
    assert found["outcome"] == "hazard"
    said = f"Cluster {NAME} and 3 Machines are in bootstrap cluster {BOOT} and not in management cluster {MGMT}"
    assert said in found["message"]
    assert f"machine {WORKER} in {SPACE}, phase Running of {BOOT}" in lines_of(found)
    assert f"--to-kubeconfig {NAME}/{NAME}-eks-a-cluster.kubeconfig" in found["remedy"]
    # The document's own tree: what is there can be moved.
    assert mended.on(MGMT) == {RUNNING: "clear", ANSWERS: "clear"}


def test_the_move_was_interrupted(half: Result) -> None:
    assert half.code == 1, half
    found = half.finding(OBJECTS, "fleet")
    assert f"has stopped half way: Machine {WORKER} is in the bootstrap cluster alone" in found["message"]
    assert f"Cluster {NAME} and 2 Machines in both" in found["message"]
    # Machines of a paused cluster that run may be moved on.
    told = half.finding(RUNNING, MGMT)
    assert told["outcome"] == "clear"
    assert "is paused (spec.paused)" in told["message"]


def test_every_step_is_done(done: tuple[Result, Result]) -> None:
    repair, stuck = done
    assert (repair.code, stuck.code) == (0, 0), done
    assert repair.finding(OBJECTS, "fleet")["outcome"] == "clear"
    said = f"management cluster {MGMT} holds Cluster {NAME} and 3 Machines, bootstrap cluster {BOOT} none"
    assert said in repair.finding(OBJECTS, "fleet")["message"]
    assert repair.on(MGMT) == {RUNNING: "clear", ANSWERS: "clear"}
    assert {MIXED: "clear", PAUSED: "clear"}.items() <= stuck.on(MGMT).items()
    assert repair.report["verdict"] == stuck.report["verdict"] == "go"


@pytest.mark.real(ANSWERS)
def test_the_api_server_has_lost_its_etcd(dead: Result) -> None:
    found = dead.finding(ANSWERS, MGMT)
    assert found["outcome"] == "hazard", dead
    assert "says that it is not ready (500)" in found["message"]
    assert "etcd" in found["message"]
    assert "[-]etcd failed: reason withheld" in lines_of(found)


def test_the_api_server_is_gone(silent: Result) -> None:
    found = silent.finding(ANSWERS, MGMT)
    assert found["outcome"] == "hazard"
    assert "does not answer" in found["message"]
    # Nothing else of it is known, and nothing is called lost.
    assert silent.finding(RUNNING, MGMT)["outcome"] == "unknown"
    told = silent.finding(OBJECTS, "fleet")
    assert told["outcome"] == "unknown"
    assert f"what management cluster {MGMT} holds is not known" in told["message"]
    assert "do not delete the bootstrap cluster" in told["message"]
