"""EKS Anywhere's own objects, and whole clusters: the one of the vendor's document, with nothing wrong but what is said."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tests.hazards.eksa_machines import (
    CAPI,
    CONTROL,
    EKSA,
    NAME,
    WORKER,
    Object,
    capi_cluster,
    condition,
    control_plane,
    deployment,
    etcd,
    machines,
    node,
    ref,
)
from tests.hazards.eksa_running import CRDS, RELEASE, bundle, controllers, crd, release
from tests.hazards.worlds import Api

__all__ = [
    "cluster",
    "datacenter",
    "fluxconfig",
    "group",
    "machine_config",
    "management",
    "source",
    "specification",
]


def group(name: str = "md-0", count: int = 1, version: str | None = None, machines: str = "") -> Object:
    """A worker node group of a Cluster."""
    found: Object = {
        "name": name,
        "count": count,
        "machineGroupRef": ref("VSphereMachineConfig", machines or f"{NAME}-wk"),
    }
    return {**found, "kubernetesVersion": version} if version else found


def cluster(
    name: str = NAME,
    version: Any = "1.22",
    *,
    space: str | None = "default",
    manager: str | None = None,
    annotations: Mapping[str, str] | None = None,
    status: Mapping[str, Any] | None = None,
    **spec: Any,
) -> Object:
    """A Cluster of EKS Anywhere on vSphere; a field of the spec that is None is left out."""
    meta: Object = {"name": name, "generation": 2}
    if space:
        meta["namespace"] = space
    if annotations:
        meta["annotations"] = dict(annotations)
    whole = {
        "kubernetesVersion": version,
        "eksaVersion": RELEASE,
        "managementCluster": {"name": manager or name},
        "controlPlaneConfiguration": {
            "count": 1,
            "endpoint": {"host": "198.18.100.79"},
            "machineGroupRef": ref("VSphereMachineConfig", f"{NAME}-cp"),
        },
        "externalEtcdConfiguration": {"count": 1, "machineGroupRef": ref("VSphereMachineConfig", f"{NAME}-etcd")},
        "workerNodeGroupConfigurations": [group()],
        "datacenterRef": ref("VSphereDatacenterConfig", name),
        "clusterNetwork": {
            "cniConfig": {"cilium": {}},
            "pods": {"cidrBlocks": ["192.168.0.0/16"]},
            "services": {"cidrBlocks": ["10.96.0.0/12"]},
        },
        **spec,
    }
    kept = {key: value for key, value in whole.items() if value is not None}
    return {
        "apiVersion": f"{EKSA}/v1alpha1",
        "kind": "Cluster",
        "metadata": meta,
        "spec": kept,
        "status": dict(status or {}),
    }


def _part(kind: str, name: str, spec: Mapping[str, Any], space: str | None, status: Mapping[str, Any] | None) -> Object:
    meta = {"name": name, **({"namespace": space} if space else {})}
    found = {"apiVersion": f"{EKSA}/v1alpha1", "kind": kind, "metadata": meta, "spec": dict(spec)}
    return {**found, "status": dict(status)} if status is not None else found


def machine_config(
    name: str, space: str | None = "default", status: Mapping[str, Any] | None = None, **spec: Any
) -> Object:
    """A VSphereMachineConfig; a field that is None is left out. Its users hold keys that nobody needs to see."""
    held = {
        "datastore": "/dc/datastore/eks",
        "folder": "/dc/vm/eks",
        "resourcePool": "/dc/host/eks/Resources",
        "template": "/dc/vm/Templates/ubuntu-1-22",
        "osFamily": "ubuntu",
        "users": [{"name": "capv", "sshAuthorizedKeys": ["ssh-rsa AAAA"]}],
        **spec,
    }
    kept = {key: value for key, value in held.items() if value is not None}
    return _part("VSphereMachineConfig", name, kept, space, status)


def datacenter(
    name: str = NAME, space: str | None = "default", status: Mapping[str, Any] | None = None, **spec: Any
) -> Object:
    """A VSphereDatacenterConfig."""
    held = {"server": "vcenter.example.com", "datacenter": "dc", "network": "/dc/network/eks", "thumbprint": "", **spec}
    return _part("VSphereDatacenterConfig", name, held, space, status)


def fluxconfig(name: str = "flux", space: str | None = "default", **spec: Any) -> Object:
    """A FluxConfig; on GitHub where nothing else is said."""
    held = spec or {"github": {"owner": "acme", "repository": "fleet", "personal": False}}
    return _part("FluxConfig", name, held, space, None)


def source(name: str = "flux-system", *conditions: Object, namespace: str = "flux-system", **status: Any) -> Object:
    """A GitRepository of Flux, which is Ready where nothing else is said."""
    ready = condition("Ready", "True", "Succeeded", "stored artifact for revision 'main@sha1:5b1c'")
    return {
        "metadata": {"name": name, "namespace": namespace, "generation": 1},
        "spec": {"url": "https://user:password@git.example.com/fleet"},
        "status": {"conditions": list(conditions) or [ready], "observedGeneration": 1, **status},
    }


def specification(*documents: Mapping[str, Any]) -> str:
    """A file with these documents, each without a status. JSON is YAML."""
    kept = [{key: value for key, value in one.items() if key != "status"} for one in documents]
    return "\n---\n".join(json.dumps(one) for one in kept)


def management(objects: Mapping[str, Any] | None = None, **api: Any) -> Api:
    """The management cluster of the document. `objects` replaces kinds; a kind that is None is not served."""
    held: dict[str, Any] = {
        f"clusters.{EKSA}": [cluster()],
        f"bundles.{EKSA}": [bundle()],
        f"eksareleases.{EKSA}": [release()],
        f"vspheremachineconfigs.{EKSA}": [machine_config(f"{NAME}-{one}") for one in ("cp", "etcd", "wk")],
        f"vspheredatacenterconfigs.{EKSA}": [datacenter()],
        f"fluxconfigs.{EKSA}": [],
        f"gitopsconfigs.{EKSA}": [],
        f"clusters.{CAPI}": [capi_cluster()],
        f"kubeadmcontrolplanes.controlplane.{CAPI}": [control_plane()],
        f"machinedeployments.{CAPI}": [deployment()],
        f"machines.{CAPI}": machines(),
        f"etcdadmclusters.etcdcluster.{CAPI}": [etcd()],
        "customresourcedefinitions.apiextensions.k8s.io": [crd(one) for one in CRDS],
        "deployments.apps": controllers(),
        "poddisruptionbudgets.policy": [],
        "nodes": [node(CONTROL), node(WORKER)],
        **(objects or {}),
    }
    kept = {key: value for key, value in held.items() if value is not None}
    api = {"role": "management", "paths": {"/version": {"gitVersion": "v1.22.17-eks-a51510b"}}, **api}
    return Api(objects=kept, **api)
