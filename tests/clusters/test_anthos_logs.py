"""Hazards that stand in logs and in the state of objects, made real in API servers and found by a run of the suite."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.anthos import cluster, machine, namespace, node
from tests.clusters.crds import BARE_METAL
from tests.lab.controlplane import ControlPlane, LogServer
from tests.running import Result, preflight

OPERATOR, GENERATION = "abm-manifests-operation-error", "abm-reconciling-generation"
NAMESPACE, AGENT, FORWARDER = "abm-namespace-deleted-first", "abm-connect-agent-memory", "abm-log-forwarder-stuck"
OPERATOR_POD = ("kube-system", "anthos-cluster-operator-776cbfb748-kxxsp", "operator")
PROXY_POD = (*OPERATOR_POD[:2], "kube-rbac-proxy")
AGENT_NAME = "gke-connect-agent-20211105-01-00"
SECRET = "Bearer t0p-s3cret-in-a-log"
INVALID = "is invalid: metadata.resourceVersion: Invalid value: 0x0: must be specified for an update"
LOG = rf"""I0101 10:00:00.000001       1 main.go:10] starting with {SECRET}
E0101 10:00:01.000001       1 cluster_controller.go:201] controllers/Cluster "msg"="error during manifests operations" "error"="1 error occurred:\n\t* Internal error occurred: failed calling webhook \"vcluster.kb.io\"\n" "Cluster"={{"Namespace":"cluster-test","Name":"test"}}
E0101 10:00:02.000001       1 cluster_controller.go:201] controllers/Cluster "msg"="error during manifests operations" "error"="1 error occurred:
	* Service "istio-ingress" {INVALID}

" "Cluster"={{"Namespace":"cluster-prod","Name":"prod"}} {SECRET}
"""
CORRUPT = (
    "[2022/01/01 10:00:00] [error] [input:storage_backlog:storage_backlog.7] chunk validation failed, data might be "
    "corrupted. Found 0 valid records, failed content starts right after byte 0.\n"
)


def pod(where: tuple[str, str, str], *containers: str, **state: Any) -> dict[str, Any]:
    """A pod on node n1 whose first container fares as `state` says."""
    names = (where[2], *containers)
    fine = {"image": "x", "imageID": "x", "restartCount": 0, "ready": True, "started": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": where[0], "name": where[1]},
        "spec": {
            "containers": [{"name": one, "image": "example.com/x"} for one in names],
            "nodeName": "n1",
            "automountServiceAccountToken": False,
        },
        "status": {
            "phase": "Running",
            "containerStatuses": [{"name": one, **fine, **(state if one == names[0] else {})} for one in names],
        },
    }


def agent(limit: str) -> dict[str, Any]:
    labels = {"app": "gke-connect-agent"}
    container = {"name": AGENT_NAME, "image": "example.com/x", "resources": {"limits": {"memory": limit}}}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"namespace": "gke-connect", "name": AGENT_NAME},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }


def ended(reason: str) -> dict[str, Any]:
    return {"lastState": {"terminated": {"exitCode": 137, "reason": reason, "message": SECRET}}}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("logs")


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The admin cluster with its user clusters, of which one is being deleted from the wrong end, and their logs."""
    plane = control_plane
    plane.apply(*BARE_METAL, keep=True)
    plane.apply(namespace("gke-connect"), *(namespace(f"cluster-{one}") for one in ("hub", "prod", "test", "old")))
    plane.apply(cluster("hub", "admin", "1.7.5"), *(cluster(one, version="1.7.5") for one in ("prod", "test", "old")))
    plane.apply(machine("192.0.2.11", "cluster-old"), machine("192.0.2.12", "cluster-prod"))
    with LogServer(plane) as kubelet:
        plane.apply(kubelet.node(node("n1", "192.0.2.1", "v1.19.14")))
        plane.apply(pod(OPERATOR_POD, PROXY_POD[2]))
        kubelet.logs.update({OPERATOR_POD: LOG, PROXY_POD: "listening\n"})
        loop = {"restartCount": 41, "ready": False, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}
        for name, state in (("aa", {**loop, **ended("Error")}), ("bb", {}), ("cc", {"restartCount": 1})):
            forwarder = ("kube-system", f"stackdriver-log-forwarder-{name}", "log-forwarder")
            plane.apply(pod(forwarder, **state))
            kubelet.logs[forwarder] = CORRUPT if name == "bb" else "[info] started\n"
            kubelet.previous[forwarder] = CORRUPT if name == "aa" else "[info] ended\n"
        plane.apply(agent("128Mi"))
        plane.apply(pod(("gke-connect", f"{AGENT_NAME}-x", AGENT_NAME), restartCount=7, **ended("OOMKilled")))
        plane.api.request("DELETE", "/api/v1/namespaces/cluster-old")
        yield plane
    plane.reset()


@pytest.fixture(scope="module")
def bootstrap(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The bootstrap cluster: the admin cluster was moved into it, after an update and with a stale condition."""
    with ControlPlane(control_plane.binaries) as kind:
        kind.apply(*BARE_METAL, keep=True)
        kind.apply(namespace("cluster-hub"), cluster("hub", "admin", "1.7.5"))
        moved = cluster("hub", "admin", "1.8.1")
        kind.apply(moved)
        conditions = [
            {"type": "DashboardReady", "status": "True", "observedGeneration": 2},
            {"type": "Reconciling", "status": "True", "observedGeneration": 2},
        ]
        kind.set_status({**moved, "status": {"systemServiceConditions": conditions}})
        yield kind


def run(place: Path, name: str, clusters: dict[str, Any], *options: str) -> Result:
    change = place / f"{name}.yaml"
    keys = {
        "profile": "anthos-bare-metal-1.8",
        "upgrade": {"from": "1.7.5", "to": "1.8.1"},
        "examine": ["clusters"],
        "clusters": clusters,
    }
    change.write_text(yaml.safe_dump(keys), encoding="utf-8")
    kept = place / f"{name}.json"
    found = preflight(f"--change={change}", f"--save-snapshot={kept}", *options, cwd=place, reports=name)
    for said in (*found.texts.values(), kept.read_text(encoding="utf-8")):
        assert "t0p-s3cret" not in said
    return found


USERS = {one: {"admin": "hub"} for one in ("prod", "test", "old")}


@pytest.fixture(scope="module")
def stuck(plane: ControlPlane, bootstrap: ControlPlane, place: Path) -> Result:
    hub = {"kubeconfig": str(plane.kubeconfig(path=place / "hub.kubeconfig")), "role": "admin"}
    boot = {"kubeconfig": str(bootstrap.kubeconfig(path=place / "boot.kubeconfig")), "role": "bootstrap"}
    return run(place, "stuck", {"hub": hub, "boot": boot, **USERS}, "--situation=stuck")


@pytest.fixture(scope="module")
def before(plane: ControlPlane, place: Path) -> Result:
    hub = {"kubeconfig": str(plane.kubeconfig(path=place / "hub.kubeconfig")), "role": "admin"}
    return run(place, "before", {"hub": hub})


def lines(finding: dict[str, Any]) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(OPERATOR)
def test_the_operator_s_log_names_the_resource_of_one_cluster(stuck: Result) -> None:
    found = stuck.finding(OPERATOR, "prod")
    assert found["outcome"] == "hazard"
    assert "cannot update Service istio-ingress" in found["message"]
    assert lines(found) == [f'{"/".join(OPERATOR_POD[:2])} (operator):  * Service "istio-ingress" {INVALID}']
    assert "annotate Service istio-ingress -n NAMESPACE" in found["remedy"]


@pytest.mark.real(OPERATOR)
def test_what_the_webhook_answered_is_no_hazard(stuck: Result) -> None:
    # The line is the other cluster's; its own is an error that passes.
    assert stuck.outcomes[OPERATOR, "hub"] == "clear"


@pytest.mark.real(GENERATION)
def test_the_stale_condition_is_read_in_the_bootstrap_cluster(stuck: Result) -> None:
    found = stuck.finding(GENERATION, "boot")
    assert found["outcome"] == "hazard"
    assert lines(found) == [
        "cluster cluster-hub/hub: type admin, metadata.generation 2; Reconciling has observedGeneration 2"
    ]
    assert stuck.outcomes[GENERATION, "hub"] == "not-applicable"
    assert stuck.outcomes[GENERATION, "prod"] == "not-applicable"


@pytest.mark.real(NAMESPACE)
def test_the_namespace_that_is_deleted_before_its_cluster(stuck: Result) -> None:
    found = stuck.finding(NAMESPACE, "old")
    assert found["outcome"] == "hazard"
    assert "cluster-old is Terminating while cluster old and 1 machine (192.0.2.11) still exist" in found["message"]
    assert lines(found)[0].startswith("namespace cluster-old: deletionTimestamp 20")
    assert {stuck.outcomes[NAMESPACE, one] for one in ("hub", "prod", "test", "boot")} == {"clear"}


@pytest.mark.real(FORWARDER)
def test_the_forwarder_that_restarts_over_corrupt_chunks(before: Result) -> None:
    found = before.finding(FORWARDER, "hub")
    assert found["outcome"] == "warning"
    assert "1 of 3 log forwarders" in found["message"]
    assert "stackdriver-log-forwarder-aa" in found["message"]
    assert lines(found) == [
        "pod kube-system/stackdriver-log-forwarder-aa: container log-forwarder: 41 restarts, CrashLoopBackOff, last ended Error",
        f"log of kube-system/stackdriver-log-forwarder-aa: {CORRUPT.strip()}",
    ]


@pytest.mark.real(AGENT)
def test_the_agent_that_is_killed(before: Result) -> None:
    found = before.finding(AGENT, "hub")
    assert found["outcome"] == "warning"
    assert "was killed for want of memory" in found["message"]
    assert lines(found)[0] == f"deployment gke-connect/{AGENT_NAME}, container {AGENT_NAME}: limits.memory 128Mi"


@pytest.mark.real(GENERATION)
def test_a_cluster_that_was_never_updated_may_upgrade(before: Result) -> None:
    assert before.outcomes[GENERATION, "hub"] == "clear"


@pytest.mark.real(GENERATION)
def test_a_cluster_that_was_updated_will_hang(bootstrap: ControlPlane, place: Path) -> None:
    kubeconfig = str(bootstrap.kubeconfig(path=place / "updated.kubeconfig"))
    found = run(place, "updated", {"hub": {"kubeconfig": kubeconfig, "role": "admin"}}).finding(GENERATION, "hub")
    assert (found["outcome"], lines(found)) == (
        "hazard",
        ["cluster cluster-hub/hub: type admin, metadata.generation 2"],
    )


@pytest.mark.real(OPERATOR, GENERATION, NAMESPACE)
def test_the_role_of_a_stuck_upgrade_is_enough(plane: ControlPlane, place: Path, stuck: Result) -> None:
    change = place / "stuck.yaml"
    printed = preflight(f"--change={change}", "--situation=stuck", "--plan=rbac", cwd=place)
    role = yaml.safe_load(printed.out)
    assert {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]} in role["rules"]
    plane.bind(role, "preflight/stuck")
    token = plane.service_account("preflight", "stuck")
    hub = plane.kubeconfig("stuck", token=token, path=place / "humble.kubeconfig")
    clusters = yaml.safe_load(change.read_text())["clusters"]
    clusters["hub"]["kubeconfig"] = str(hub)
    humble = run(place, "humble", clusters, "--situation=stuck")
    assert json.dumps(humble.report["findings"]) == json.dumps(stuck.report["findings"])
    told = preflight(f"--change={change}", "--situation=stuck", "--plan", cwd=place).out
    assert "at most 20 pods, 2,000 matching lines" in told
