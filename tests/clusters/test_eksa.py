"""An EKS Anywhere management cluster in a real API server, and the specification of its next upgrade; two runs over it.

The first upgrade skips a version and changes what nothing may change, on a cluster that is not well; the second is fine.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.anthos import namespace
from tests.clusters.crds.cluster_api import served_as
from tests.clusters.crds.eks_anywhere import ANYWHERE, EKS_ANYWHERE, GIT_REPOSITORY, OTHERS
from tests.hazards.eksa import cluster, datacenter, fluxconfig, group, machine_config, management, source
from tests.hazards.eksa_machines import CAPI, CONTROL, ETCD, NAME, WORKER, condition, machine, ref
from tests.hazards.eksa_running import bundle, controller, controllers, release
from tests.lab.controlplane import ControlPlane
from tests.running import Result, preflight

PASSWORD = "proxy-password-that-must-never-be-seen-anywhere"
PLANE, WORKERS, NODES = "eksa-control-plane-not-ready", "eksa-workers-not-ready", "eksa-nodes-not-ready"
KINDS, OBJECT, OUTDATED = "eksa-crds-missing", "eksa-cluster-object-missing", "eksa-capi-components-outdated"
STEP, FIELDS, BUDGET = "eksa-version-increment", "eksa-immutable-fields", "eksa-disruption-budget"
GIT, ENVIRONMENT, OBJECTS = "eksa-git-provider-auth", "eksa-vsphere-environment", "eksa-vsphere-objects"
ALL = (PLANE, WORKERS, NODES, KINDS, OBJECT, OUTDATED, STEP, FIELDS, BUDGET, OBJECTS)
TEMPLATES = f"vspheremachinetemplates.infrastructure.{CAPI}"
Object = dict[str, Any]

_VERSIONS = {
    "KubeadmControlPlane": f"controlplane.{CAPI}/v1beta1",
    "EtcdadmCluster": f"etcdcluster.{CAPI}/v1beta1",
    "MachineDeployment": f"{CAPI}/v1beta1",
    "Machine": f"{CAPI}/v1beta1",
}


def whole(found: Object, api: str, kind: str) -> Object:
    """An object as an API server takes it: of an API and a kind, and without what the server itself counts."""
    found = copy.deepcopy({"apiVersion": api, "kind": kind, **found})
    found["metadata"].pop("generation", None)
    if found.get("status", {}).get("observedGeneration"):
        found["status"]["observedGeneration"] = 1
    return found


def capi(found: Object) -> Object:
    return whole(found, _VERSIONS.get(found["kind"], f"{CAPI}/v1beta1"), found["kind"])


def anywhere(found: Object, kind: str) -> Object:
    """An object of EKS Anywhere, with the fields that must be there and nobody reads."""
    found = whole(found, f"{ANYWHERE}/v1alpha1", kind)
    if kind == "VSphereMachineConfig":
        found["spec"] |= {"memoryMiB": 8192, "numCPUs": 2}
    if kind == "VSphereDatacenterConfig":
        found["spec"].setdefault("insecure", False)
    if kind == "EKSARelease":
        found["spec"]["bundlesRef"]["apiVersion"] = f"{ANYWHERE}/v1alpha1"
    return found


def running(found: Object) -> Object:
    """The Deployment of a controller."""
    found = whole(found, "apps/v1", "Deployment")
    labels = {"control-plane": found["metadata"]["name"]}
    found["spec"] |= {"selector": {"matchLabels": labels}}
    template = found["spec"].setdefault("template", {"spec": {"containers": [{"name": "x", "image": "x"}]}})
    template["metadata"] = {"labels": labels}
    available = found.get("status", {}).get("availableReplicas", 0)
    found["status"] = {"observedGeneration": 1, "replicas": 1, "updatedReplicas": 1}
    found["status"] |= {"readyReplicas": available, "availableReplicas": available} if available else {}
    return found


def node(name: str, ready: str = "True") -> Object:
    status = {
        "conditions": [condition("Ready", ready, "KubeletReady" if ready == "True" else "KubeletNotReady")],
        "nodeInfo": dict.fromkeys(
            ("machineID", "systemUUID", "bootID", "kernelVersion", "containerRuntimeVersion", "kubeProxyVersion"), ""
        )
        | {
            "kubeletVersion": "v1.22.17-eks-a51510b",
            "osImage": "Ubuntu",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}


def pod(name: str) -> Object:
    spec = {"nodeName": WORKER, "automountServiceAccountToken": False, "containers": [{"name": "x", "image": "x"}]}
    status = {"phase": "Running", "conditions": [condition("Ready")]}
    meta = {"name": name, "namespace": "shop", "labels": {"app": "web"}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status}


def budget(allowed: int) -> Object:
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}}
    counts = {"currentHealthy": 1 + allowed, "desiredHealthy": 1, "expectedPods": 1 + allowed}
    status = {"disruptionsAllowed": allowed, "observedGeneration": 1, **counts}
    meta = {"name": "web", "namespace": "shop"}
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": meta, "spec": spec, "status": status}


def live() -> Object:
    found = cluster(gitOpsRef=ref("FluxConfig", "flux"))
    found["spec"]["proxyConfiguration"] = {"httpProxy": f"http://ops:{PASSWORD}@192.0.2.9:3128", "noProxy": ["a"]}
    return anywhere(found, "Cluster")


MACHINE_CONFIGS = [f"{NAME}-{one}" for one in ("cp", "etcd", "wk")]


def built() -> list[Object]:
    """Everything of a cluster that is well, but for what `troubles` says of it."""
    held = management().objects
    kinds = (f"clusters.{CAPI}", f"kubeadmcontrolplanes.controlplane.{CAPI}", f"machinedeployments.{CAPI}")
    return [
        live(),
        *(anywhere(machine_config(one), "VSphereMachineConfig") for one in MACHINE_CONFIGS),
        anywhere(datacenter(), "VSphereDatacenterConfig"),
        anywhere(fluxconfig(), "FluxConfig"),
        anywhere(bundle(), "Bundles"),
        anywhere(release(), "EKSARelease"),
        *(capi(one) for kind in kinds for one in held[kind]),
        *(capi(one) for one in held[f"etcdadmclusters.etcdcluster.{CAPI}"]),
        *(capi(machine(*one)) for one in ((CONTROL, "control-plane"), (ETCD, "etcd"), (WORKER,))),
        *(running(one) for one in controllers()[:-1]),
        node(CONTROL),
        node(WORKER),
        pod("web-1"),
        budget(1),
        git(condition("Ready", "True", "Succeeded", "stored artifact")),
    ]


def git(ready: Object) -> Object:
    found = whole(source("flux-system", ready), "source.toolkit.fluxcd.io/v1", "GitRepository")
    found["spec"] |= {"interval": "1m", "url": f"https://user:{PASSWORD}@git.example.com/fleet"}
    return found


OLD = running(controller("bootstrap-kubeadm", "public.ecr.aws/x/kubeadm-bootstrap-controller:v1.4.3-eks-a-40"))
INVALID = {"specValid": False, "failureMessage": "no such template"}
DOWN = running(controller("infrastructure-vsphere", available=0))


def troubles() -> list[Object]:
    """What is not as it should be, over `built`."""
    lost = condition(
        "Ready", "False", "GitOperationFailed", f"cannot clone https://user:{PASSWORD}@git.example.com/fleet"
    )
    return [
        capi(machine(ETCD, "etcd", phase="Failed")),
        capi(machine(WORKER, phase="Deleting")),
        node(WORKER, "Unknown"),
        budget(0),
        git(lost),
        OLD,
        DOWN,
        anywhere(machine_config(f"{NAME}-wk", status=INVALID), "VSphereMachineConfig"),
    ]


def wanted(**spec: Any) -> Object:
    """The Cluster of a specification: with the proxy and the repository that it has."""
    found = live()
    found["spec"] |= spec
    return found


def upgraded() -> list[Object]:
    """A specification with nothing wrong: the next version, another template."""
    configs = [machine_config(one, None, template="/dc/vm/Templates/ubuntu-1-23") for one in MACHINE_CONFIGS]
    return [wanted(kubernetesVersion="1.23"), datacenter(space=None), *configs, fluxconfig(space=None)]


def broken() -> list[Object]:
    """Two versions at once, fields that nothing may change, a machine configuration that is not there."""
    spec = cluster()["spec"]
    endpoint = {
        "controlPlaneConfiguration": {**spec["controlPlaneConfiguration"], "endpoint": {"host": "198.18.100.80"}}
    }
    pods = {"clusterNetwork": {**spec["clusterNetwork"], "pods": {"cidrBlocks": ["10.1.0.0/16"]}}}
    workers = {"workerNodeGroupConfigurations": [group(machines="gone")]}
    new = wanted(kubernetesVersion="1.24", externalEtcdConfiguration=None, **endpoint, **pods, **workers)
    new["spec"] = {key: value for key, value in new["spec"].items() if value is not None}
    return [
        new,
        datacenter(space=None, network="/dc/network/new"),
        *(machine_config(one, None) for one in MACHINE_CONFIGS),
        fluxconfig(space=None),
    ]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("eksa")


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    try:
        served = [one for one in OTHERS if one["metadata"]["name"] != TEMPLATES]
        control_plane.apply(*served_as("v1beta1"), *EKS_ANYWHERE, *served, GIT_REPOSITORY)
        spaces = {one["metadata"]["namespace"] for one in built() if "namespace" in one["metadata"]} - {"default"}
        control_plane.apply(*(namespace(one) for one in sorted(spaces)), *built(), *troubles())
        yield control_plane
    finally:
        control_plane.reset()


def examined(plane: ControlPlane, place: Path, name: str, documents: list[Object], **env: str) -> Result:
    desired = place / f"{name}-specification.yaml"
    desired.write_text(yaml.safe_dump_all([{k: v for k, v in one.items() if k != "status"} for one in documents]))
    kubeconfig = plane.kubeconfig(context="mgmt-admin@mgmt", path=place / "mgmt.kubeconfig")
    change = {
        "profile": "eks-anywhere-1.23",
        # What the API server says of itself is not what EKS Anywhere upgrades here.
        "clusters": {
            NAME: {
                "kubeconfig": str(kubeconfig),
                "role": "management",
                "desired": str(desired),
                "upgrade": {"from": "1.22"},
            }
        },
        "hosts": {"station": {"connection": "local://", "roles": ["workstation"]}},
    }
    path = place / f"{name}.yaml"
    path.write_text(yaml.safe_dump(change), encoding="utf-8")
    kept = place / f"{name}.json"
    found = preflight(f"--change={path}", f"--save-snapshot={kept}", cwd=place, reports=name, env=env)
    for said in (*found.texts.values(), kept.read_text(encoding="utf-8")):
        assert PASSWORD not in said
    return found


@pytest.fixture(scope="module")
def troubled(plane: ControlPlane, place: Path) -> Result:
    return examined(plane, place, "troubled", broken())


@pytest.fixture(scope="module")
def mended(plane: ControlPlane, place: Path, troubled: Result) -> Result:
    templates = next(one for one in OTHERS if one["metadata"]["name"] == TEMPLATES)
    changed = {(one["kind"], one["metadata"]["name"]) for one in troubles()}
    for one in built():
        if (one["kind"], one["metadata"]["name"]) not in changed:
            continue
        if one["kind"] == "Deployment":
            plane.delete(one)  # its generation would grow, and no controller looks at it
        valid = {"status": {"specValid": True}} if one["kind"] == "VSphereMachineConfig" else {}
        plane.apply({**one, **valid})
    plane.apply(templates)
    secrets = dict.fromkeys(("EKSA_VSPHERE_USERNAME", "EKSA_VSPHERE_PASSWORD", "EKSA_GITHUB_TOKEN"), PASSWORD)
    return examined(plane, place, "mended", upgraded(), **secrets)


def lines_of(finding: Object) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(PLANE, WORKERS, NODES)
def test_machines_and_nodes(troubled: Result) -> None:
    plane, workers, nodes = (troubled.finding(one, NAME) for one in (PLANE, WORKERS, NODES))
    assert [one["outcome"] for one in (plane, workers, nodes)] == ["hazard"] * 3, troubled
    assert f"Machine eksa-system/{ETCD} is Failed, not Running" in plane["message"]
    assert WORKER not in plane["message"]
    assert f"Machine eksa-system/{WORKER} is Deleting, not Running" in workers["message"]
    assert f"kubectl -n eksa-system describe machine.cluster.x-k8s.io {WORKER}" in workers["remedy"]
    assert f"node {WORKER} is not Ready (Ready=Unknown" in nodes["message"]
    assert CONTROL not in nodes["message"]
    assert ETCD not in nodes["message"]


@pytest.mark.real(STEP)
def test_the_version_is_two_ahead(troubled: Result) -> None:
    found = troubled.finding(STEP, NAME)
    assert found["outcome"] == "hazard"
    assert "is at 1.22 and the specification asks for 1.24: only 1.22 or 1.23 will do" in found["message"]
    assert f"Cluster default/{NAME}: spec.kubernetesVersion=1.22" in lines_of(found)
    assert "one upgrade after the other: 1.23, 1.24" in found["remedy"]


@pytest.mark.real(FIELDS)
def test_fields_that_may_not_change(troubled: Result) -> None:
    found = troubled.finding(FIELDS, "fleet")
    assert found["outcome"] == "hazard"
    for said in (
        "spec.controlPlaneConfiguration.endpoint.host from 198.18.100.79 to 198.18.100.80",
        "spec.clusterNetwork.pods.cidrBlocks from 192.168.0.0/16 to 10.1.0.0/16",
        "spec.externalEtcdConfiguration.count from 1 to nothing",
        f"VSphereDatacenterConfig {NAME} spec.network from /dc/network/eks to /dc/network/new",
    ):
        assert said in found["message"]
    assert len(lines_of(found)) == 4


@pytest.mark.real(OBJECTS)
def test_objects_that_are_not_there(troubled: Result) -> None:
    found = troubled.finding(OBJECTS, "fleet")
    assert found["outcome"] == "hazard"
    assert (
        "[md-0].machineGroupRef names VSphereMachineConfig gone, which the specification does not hold"
        in found["message"]
    )
    assert f"VSphereMachineConfig {NAME}-wk: no such template" in found["message"]


@pytest.mark.real(KINDS)
def test_a_crd_is_missing(troubled: Result) -> None:
    found = troubled.finding(KINDS, NAME)
    assert (found["outcome"], found["message"]) == ("hazard", f"{NAME} lacks the CRD {TEMPLATES}")


@pytest.mark.real(OUTDATED)
def test_controllers(troubled: Result) -> None:
    found = troubled.finding(OUTDATED, NAME)
    assert found["outcome"] == "warning"
    assert "runs v1.4.3-eks-a-40, the bundle bundles-67 states v1.5.2-eks-a-51" in found["message"]
    assert "Deployment capv-system/capv-controller-manager has 0 of 1 replicas available" in found["message"]


@pytest.mark.real(BUDGET)
def test_a_budget_that_blocks(troubled: Result) -> None:
    found = troubled.finding(BUDGET, NAME)
    assert found["outcome"] == "hazard"
    assert "PodDisruptionBudget shop/web (minAvailable: 1) allows no disruption now" in found["message"]
    assert f"it holds shop/web-1 on {WORKER}" in found["message"]


@pytest.mark.real(GIT, ENVIRONMENT)
def test_the_workstation(troubled: Result) -> None:
    found = troubled.finding(GIT, "station")
    assert found["outcome"] == "hazard"
    assert "EKSA_GITHUB_TOKEN is unset" in found["message"]
    assert "GitOperationFailed: cannot clone https://git.example.com/fleet" in found["message"]
    found = troubled.finding(ENVIRONMENT, "station")
    assert found["outcome"] == "hazard"
    assert "EKSA_VSPHERE_PASSWORD is unset" in found["message"]


def test_after_it_was_put_right(mended: Result) -> None:
    outcomes = mended.outcomes
    assert {one: outcomes[one, "fleet" if one in (FIELDS, OBJECTS) else NAME] for one in ALL} == dict.fromkeys(
        ALL, "clear"
    ), mended
    assert (outcomes[GIT, "station"], outcomes[ENVIRONMENT, "station"]) == ("clear", "clear")
    assert mended.finding("eksa-registry-mirror-certificate", "fleet")["outcome"] == "not-applicable"


@pytest.mark.real(OBJECT)
def test_the_object_was_deleted(plane: ControlPlane, place: Path, mended: Result) -> None:
    plane.delete(live())
    found = examined(plane, place, "deleted", upgraded())
    assert found.finding(OBJECT, NAME)["outcome"] == "hazard"
    assert f"{NAME} holds no EKS Anywhere Cluster {NAME} (there: none)" in found.finding(OBJECT, NAME)["message"]
    # What needs the object is not known, and never clear.
    assert {found.on(NAME)[one] for one in (PLANE, WORKERS, STEP)} == {"unknown"}
    assert found.on(NAME)[NODES] == "clear"
    assert found.outcomes[FIELDS, "fleet"] == "unknown"
