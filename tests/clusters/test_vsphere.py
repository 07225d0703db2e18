"""Workload clusters of a vSphere Supervisor in a real API server, in both versions of Cluster API; one run over all of them.

The same API server stands for the Supervisor and for its workload clusters. A kubelet's stand-in answers for etcdctl.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.anthos import namespace, node
from tests.clusters.crds.cluster_api import served_as
from tests.hazards.vsphere import (
    SPACE,
    capi_cluster,
    condition,
    control_plane,
    etcd_pod,
    etcdctl,
    machine,
    member,
    named,
)
from tests.lab.controlplane import ControlPlane, ExecServer, Said
from tests.running import Result, preflight

FAILED, ROLE = "vks-remediation-failed", "vks-control-plane-without-role"
SINGLE, DELETED = "vks-single-control-plane", "vks-control-plane-delete-unsafe"
LEFT, LOAD = "vks-etcd-learner-left", "vks-control-plane-overloaded"
WHY = "KubeadmControlPlane can't remediate if current replicas are less or equal to 1"
#: Keeps a machine that was deleted until its controller has let go of it.
FINALIZER = "machine.cluster.x-k8s.io"
Object = dict[str, Any]


def objects(beta: str) -> list[Object]:
    """`shop` has one control-plane machine, which is deleted, and a new one that never joined; `tidy` has three."""
    failed = [condition("OwnerRemediated", reason="WaitingForRemediation", message=WHY, severity="Warning")]
    cannot = [condition("OwnerRemediated", reason="CannotBeRemediated", message=WHY)]
    handed = condition("ControlPlaneReady", reason="RemediationFailed @ Machine/cp-new", severity="Error")
    said: dict[str, Any] = {"old": failed} if beta == "v1beta1" else {"new": cannot}
    return [
        *named(
            "shop",
            capi_cluster(beta=beta, old=[handed]),
            control_plane(1, beta=beta),
            machine("cp-1", beta=beta, finalizers=[FINALIZER]),
            machine("cp-new", joined=False, beta=beta, **said),
            machine("wk-1", master=False, beta=beta),
        ),
        *named(
            "tidy",
            capi_cluster(beta=beta),
            control_plane(3, beta=beta),
            *(machine(f"tidy-{number}", beta=beta) for number in (1, 2, 3)),
        ),
    ]


def metrics(plural: str, kind: str, scope: str) -> Object:
    """The metrics API, as far as it is looked at, as a CRD: nothing here measures anything."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1beta1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": f"{plural}.metrics.k8s.io",
            "annotations": {"api-approved.kubernetes.io": "unapproved, in place of an aggregated API"},
        },
        "spec": {
            "group": "metrics.k8s.io",
            "scope": scope,
            "names": {"kind": kind, "listKind": f"{kind}List", "plural": plural, "singular": ""},
            "versions": [version],
        },
    }


def used(name: str, cpu: str, memory: str) -> Object:
    return {
        "apiVersion": "metrics.k8s.io/v1beta1",
        "kind": "NodeMetrics",
        "metadata": {"name": name},
        "usage": {"cpu": cpu, "memory": memory},
    }


def roomy(name: str, address: str, *, master: bool = True) -> Object:
    found = node(name, address, "v1.30.1", master=master)
    found["status"] |= {"allocatable": {"cpu": "4", "memory": "8Gi"}, "capacity": {"cpu": "4", "memory": "8Gi"}}
    return found


def running(on: str) -> Object:
    """The pod of etcd on a node."""
    found = etcd_pod(on)
    found["spec"] = {
        "nodeName": on,
        "automountServiceAccountToken": False,
        "containers": [{"name": "etcd", "image": "example.com/etcd"}],
    }
    state = {"name": "etcd", "image": "x", "imageID": "x", "restartCount": 0, "ready": True}
    found["status"]["containerStatuses"] = [state]
    return {"apiVersion": "v1", "kind": "Pod", **found}


def answer(argv: tuple[str, ...]) -> Said:
    """What etcdctl says of a cluster whose new member is still a learner, and one that was discarded long ago."""
    left = member("cp-old", "192.0.2.8", 0xB8)
    told = etcdctl(member("cp-1", "192.0.2.1", 0xA1), left, member("cp-new", "192.0.2.9", 0xA9, isLearner=True))
    return Said(next(text for words, text in told.items() if words in " ".join(argv)).encode())


@pytest.fixture(scope="module", params=["v1beta1", "v1beta2"])
def run(
    request: pytest.FixtureRequest, control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Result]:
    """A run in a stuck upgrade."""
    beta, plane = request.param, control_plane
    place = tmp_path_factory.mktemp(beta)
    with ExecServer(plane) as kubelet:
        try:
            plane.apply(*served_as(beta), metrics("nodes", "NodeMetrics", "Cluster"))
            plane.apply(metrics("pods", "PodMetrics", "Namespaced"), namespace(SPACE))
            plane.apply(*objects(beta))
            plane.api.request(
                "DELETE", f"/apis/cluster.x-k8s.io/{beta}/namespaces/{SPACE}/machines/cp-1"
            )  # which its finalizer holds up
            plane.apply(kubelet.node(roomy("cp-1", "192.0.2.1")), roomy("cp-new", "192.0.2.9", master=False))
            plane.apply(*(roomy(f"tidy-{number}", f"192.0.2.1{number}") for number in (1, 2, 3)))
            plane.apply(used("cp-1", "3800m", "7000Mi"))
            plane.apply(*(used(f"tidy-{number}", "400m", "2Gi") for number in (1, 2, 3)))
            plane.apply(running("cp-1"))
            kubelet.programs["kube-system", "etcd-cp-1", "etcd"] = answer
            yield examined(plane, place)
        finally:
            plane.reset()


def examined(plane: ControlPlane, place: Path) -> Result:
    shop = {"kubeconfig": str(plane.kubeconfig(context="shop")), "role": "workload", "supervisor": "sv"}
    change = {
        "profile": "vsphere-supervisor-1.31",
        "examine": ["clusters"],
        "clusters": {
            "sv": {"kubeconfig": str(plane.kubeconfig(context="sv")), "role": "supervisor"},
            "shop": shop,
            "tidy": {"role": "workload", "supervisor": "sv"},  # known through its Supervisor only
        },
    }
    path = place / "change.yaml"
    path.write_text(yaml.safe_dump(change), encoding="utf-8")
    return preflight(f"--change={path}", "--situation=stuck", cwd=place)


def lines_of(finding: dict[str, Any]) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(FAILED)
def test_remediation_failed(run: Result) -> None:
    found = run.finding(FAILED, "shop")
    assert found["outcome"] == "hazard", run
    assert "remediation failed at cp-new, says Machine team-a/cp-new, Cluster team-a/shop" in found["message"]
    assert WHY in found["message"]
    assert "kubectl describe machine -n team-a cp-new" in found["remedy"]
    assert run.on("tidy")[FAILED] == "clear"


@pytest.mark.real(DELETED)
def test_the_only_machine_is_being_deleted(run: Result) -> None:
    found = run.finding(DELETED, "shop")
    assert found["outcome"] == "hazard"
    assert "do not delete cp-1: it holds etcd's data, cp-new has not joined etcd" in found["message"]
    assert lines_of(found)[0].startswith("Machine team-a/cp-1: deletionTimestamp 20")
    assert "kubectl patch cluster -n team-a shop" in found["remedy"]
    assert run.on("tidy")[DELETED] == "clear"


@pytest.mark.real(SINGLE)
def test_one_replica(run: Result) -> None:
    assert run.finding(SINGLE, "shop")["outcome"] == "warning"
    assert "has 1 replica" in run.finding(SINGLE, "shop")["message"]
    assert run.on("tidy")[SINGLE] == "clear"
    assert run.on("sv")[SINGLE] == "not-applicable"


@pytest.mark.real(ROLE)
def test_a_node_without_its_role(run: Result) -> None:
    found = run.finding(ROLE, "shop")
    assert found["outcome"] == "hazard"
    assert "node cp-new of control-plane machine cp-new is Ready and has no control-plane role" in found["message"]
    # The Supervisor tells of `tidy`, and nobody gave a way to the cluster itself.
    assert run.on("tidy")[ROLE] == "unknown"


@pytest.mark.real(LEFT)
def test_members_that_were_left(run: Result) -> None:
    found = run.finding(LEFT, "shop")
    assert found["outcome"] == "hazard", found
    assert "cp-new a9 (learner): it is still a learner" in found["message"]
    assert "cp-old b8: its node cp-old is gone" in found["message"]
    assert "etcdctl in pod kube-system/etcd-cp-1" in found["message"]
    assert "member remove b8" in found["remedy"]
    assert "member remove a9" not in found["remedy"]


@pytest.mark.real(LOAD)
def test_a_busy_node(run: Result) -> None:
    found = run.finding(LOAD, "shop")
    assert found["outcome"] == "warning", found
    assert "cp-1 uses 95 % of the CPU and 85 % of the memory" in found["message"]
    assert "tidy" not in found["message"]


def test_hosts_that_nobody_named_are_not_fine(run: Result) -> None:
    assert run.code == 1
    assert run.on("shop")["vks-control-plane-network-slow"] == "unknown"
