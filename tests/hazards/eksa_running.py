"""What an EKS Anywhere management cluster runs: CRDs, controllers, bundles; and the pods and budgets of a shop."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.hazards.eksa_machines import CAPI, EKSA, SPACE, WORKER, Object, condition

__all__ = ["CRDS", "PROVIDERS", "RELEASE", "budget", "bundle", "controller", "controllers", "crd", "pod", "release"]

RELEASE, BUNDLE = "v0.19.3", "bundles-67"
CRDS = (
    *(f"{plural}.{CAPI}" for plural in ("clusters", "machinedeployments", "machines", "machinesets")),
    f"kubeadmconfigs.bootstrap.{CAPI}",
    f"kubeadmcontrolplanes.controlplane.{CAPI}",
    *(f"{one}.{EKSA}" for one in ("bundles", "clusters", "vspheredatacenterconfigs", "vspheremachineconfigs")),
    *(f"{one}.infrastructure.{CAPI}" for one in ("vsphereclusters", "vspheremachines", "vspheremachinetemplates")),
    f"etcdadmclusters.etcdcluster.{CAPI}",
    f"etcdadmconfigs.bootstrap.{CAPI}",
)
#: Provider -> namespace, Deployment and image of its controller.
PROVIDERS = {
    "cluster-api": ("capi-system", "capi-controller-manager", "cluster-api-controller:v1.5.2-eks-a-51"),
    "bootstrap-kubeadm": (
        "capi-kubeadm-bootstrap-system",
        "capi-kubeadm-bootstrap-controller-manager",
        "kubeadm-bootstrap-controller:v1.5.2-eks-a-51",
    ),
    "control-plane-kubeadm": (
        "capi-kubeadm-control-plane-system",
        "capi-kubeadm-control-plane-controller-manager",
        "kubeadm-control-plane-controller:v1.5.2-eks-a-51",
    ),
    "infrastructure-vsphere": ("capv-system", "capv-controller-manager", "manager:v1.8.5-eks-a-51"),
    "eks-anywhere": (SPACE, "eksa-controller-manager", "eks-anywhere-cluster-controller:v0.19.3-eks-a-67"),
}
_IMAGES = {
    "cluster-api": ("clusterAPI", "controller"),
    "bootstrap-kubeadm": ("bootstrap", "controller"),
    "control-plane-kubeadm": ("controlPlane", "controller"),
    "infrastructure-vsphere": ("vSphere", "clusterAPIController"),
    "eks-anywhere": ("eksa", "clusterController"),
}


def crd(name: str, established: str | None = "True", accepted: str | None = "True", **meta: Any) -> Object:
    """A CRD."""
    told = {"NamesAccepted": accepted, "Established": established}
    conditions = [condition(key, status) for key, status in told.items() if status is not None]
    return {"metadata": {"name": name, **meta}, "status": {"conditions": conditions}}


def controller(
    provider: str, image: str = "", wanted: int | None = 1, available: int | None = None, **more: Any
) -> Object:
    """The Deployment of a controller; its image as the bundle states it where none is named."""
    space, name, usual = PROVIDERS[provider]
    available = (wanted or 1) if available is None else available
    labels = {} if provider == "eks-anywhere" else {f"{CAPI}/provider": provider}
    proxy = {"name": "kube-rbac-proxy", "image": "public.ecr.aws/eks-anywhere/kube-rbac-proxy:v0.15.0"}
    manager = {"name": "manager", "image": image or f"mirror.example.com:5000/eks-anywhere/{usual}"}
    spec: Object = {"template": {"spec": {"containers": [proxy, manager]}}}
    return {
        "metadata": {"name": name, "namespace": space, "labels": labels, "generation": 3, **more.pop("meta", {})},
        "spec": spec if wanted is None else {**spec, "replicas": wanted},
        "status": {"availableReplicas": available, "observedGeneration": 3, **more},
    }


def controllers(**changed: Object | None) -> list[Object]:
    """All controllers; a provider's name (with underscores) changes one, None takes it away."""
    other = {"metadata": {"name": "coredns", "namespace": "kube-system"}, "spec": {"replicas": 2}, "status": {}}
    names = {name.replace("_", "-"): held for name, held in changed.items()}
    kept = [names[one] if one in names else controller(one) for one in PROVIDERS]
    return [*(one for one in kept if one is not None), other]


def bundle(name: str = BUNDLE, *versions: str, images: Mapping[str, str] | None = None) -> Object:
    """A bundle of these Kubernetes versions."""
    one: Object = {}
    for provider, (_, _, image) in PROVIDERS.items():
        outer, inner = _IMAGES[provider]
        uri = (images or {}).get(provider, f"public.ecr.aws/eks-anywhere/{image}")
        one.setdefault(outer, {})[inner] = {"uri": uri}
    spec = {"versionsBundles": [{"kubeVersion": held, **one} for held in versions or ("1.22", "1.23")]}
    return {"metadata": {"name": name, "namespace": SPACE}, "spec": spec}


def release(version: str = RELEASE, bundles: str = BUNDLE) -> Object:
    """An EKSARelease."""
    spec = {"version": version, "bundlesRef": {"name": bundles, "namespace": SPACE}}
    return {"metadata": {"name": f"eksa-{version.replace('.', '-')}", "namespace": SPACE}, "spec": spec}


def pod(name: str, labels: Mapping[str, str] | None = None, ready: str = "True", **more: Any) -> Object:
    """A pod; `owner` is the kind of what keeps it."""
    owner = more.pop("owner", "ReplicaSet")
    meta = {
        "name": name,
        "namespace": more.pop("space", "shop"),
        "labels": dict(labels or {"app": "web"}),
        "ownerReferences": [{"kind": owner, "name": "any", "controller": True}],
        **more.pop("meta", {}),
    }
    status = {"phase": more.pop("phase", "Running"), "conditions": [condition("Ready", ready)]}
    return {"metadata": meta, "spec": {"nodeName": WORKER}, "status": status}


def budget(
    name: str = "web",
    allowed: int | None = 0,
    healthy: int = 1,
    desired: int = 1,
    *,
    seen: int | None = 1,
    space: str = "shop",
    **spec: Any,
) -> Object:
    """A PodDisruptionBudget of the pods with app=web where nothing else is said; a selector of None is left out."""
    held = {"minAvailable": desired, "selector": {"matchLabels": {"app": "web"}}, **spec}
    status: Object = {"currentHealthy": healthy, "desiredHealthy": desired, "expectedPods": healthy}
    if allowed is not None:
        status["disruptionsAllowed"] = allowed
    if seen is not None:
        status["observedGeneration"] = seen
    return {
        "metadata": {"name": name, "namespace": space, "generation": 1},
        "spec": {key: value for key, value in held.items() if value is not None},
        "status": status,
    }
