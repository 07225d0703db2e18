"""Objects of Cluster API and nodes of an EKS Anywhere cluster: the machines of the vendor's document, and all is well."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

__all__ = [
    "CAPI",
    "CONTROL",
    "EKSA",
    "ETCD",
    "NAME",
    "SPACE",
    "WORKER",
    "Object",
    "capi_cluster",
    "condition",
    "control_plane",
    "deployment",
    "etcd",
    "machine",
    "machines",
    "node",
    "ref",
]

Object = dict[str, Any]

NAME, SPACE = "cluster3", "eksa-system"
EKSA, CAPI = "anywhere.eks.amazonaws.com", "cluster.x-k8s.io"
FROM = "v1.22.17-eks-1-22-24"


def condition(type: str, status: str = "True", reason: str = "", message: str = "", **more: str) -> Object:
    """A condition of an object."""
    moment = {"lastTransitionTime": "2022-01-01T10:00:00Z"}
    return {"type": type, "status": status, "reason": reason, "message": message, **moment, **more}


def ref(kind: str, name: str) -> Object:
    """A reference to another object."""
    return {"kind": kind, "name": name}


def _capi(kind: str, name: str, of: str, spec: Any, status: Any, labels: Any = None, **meta: Any) -> Object:
    return {
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": SPACE,
            "generation": 1,
            "labels": {f"{CAPI}/cluster-name": of, **(labels or {})},
            **meta,
        },
        "spec": dict(spec),
        "status": {"observedGeneration": 1, **status},
    }


def capi_cluster(name: str = NAME, **meta: Any) -> Object:
    """The Cluster of Cluster API."""
    spec = {"controlPlaneRef": ref("KubeadmControlPlane", name)}
    return _capi("Cluster", name, name, spec, {"phase": "Provisioned"}, **meta)


def _counts(wanted: int, there: int | None, ready: int | None, fresh: int | None) -> Object:
    there = wanted if there is None else there
    return {
        "replicas": there,
        "readyReplicas": there if ready is None else ready,
        "updatedReplicas": there if fresh is None else fresh,
    }


def control_plane(
    wanted: int = 1,
    there: int | None = None,
    ready: int | None = None,
    fresh: int | None = None,
    conditions: Iterable[Object] = (),
    of: str = NAME,
    **more: Any,
) -> Object:
    """The KubeadmControlPlane."""
    status = {**_counts(wanted, there, ready, fresh), "version": FROM, **more.pop("status", {})}
    told = list(conditions) or [condition("Available"), condition("Ready")]
    spec = {"replicas": wanted, "version": FROM}
    return _capi("KubeadmControlPlane", of, of, spec, {**status, "conditions": told}, **more)


def deployment(
    name: str = "md-0",
    wanted: int = 1,
    there: int | None = None,
    ready: int | None = None,
    fresh: int | None = None,
    conditions: Iterable[Object] = (),
    of: str = NAME,
    **more: Any,
) -> Object:
    """The MachineDeployment of a worker node group."""
    status = {**_counts(wanted, there, ready, fresh), **more.pop("status", {})}
    told = list(conditions) or [condition("Available"), condition("Ready")]
    spec = {"replicas": wanted, "template": {"spec": {"version": FROM}}}
    return _capi("MachineDeployment", f"{of}-{name}", of, spec, {**status, "conditions": told}, **more)


def etcd(wanted: int = 1, ready: int | None = None, well: bool | None = True, of: str = NAME, **more: Any) -> Object:
    """The EtcdadmCluster."""
    status = {"readyReplicas": wanted if ready is None else ready, "ready": well, **more.pop("status", {})}
    return _capi("EtcdadmCluster", f"{of}-etcd", of, {"replicas": wanted}, status, **more)


def machine(
    name: str, kind: str = "worker", node: str | None = "", phase: str = "Running", of: str = NAME, **more: Any
) -> Object:
    """A Machine of the control plane, an etcd or a worker; its node is called as it is, or there is None."""
    labels = {
        "control-plane": {f"{CAPI}/control-plane": ""},
        "etcd": {f"{CAPI}/etcd-cluster": f"{of}-etcd"},
        "worker": {f"{CAPI}/deployment-name": f"{of}-md-0"},
    }[kind]
    status: Object = {"phase": phase, **more.pop("status", {})}
    if node is not None and kind != "etcd":
        status["nodeRef"] = ref("Node", node or name)
    return _capi("Machine", name, of, {"clusterName": of, "version": FROM}, status, labels, **more)


CONTROL, ETCD, WORKER = "cluster3-2snw8", "cluster3-etcd-chkc5", "cluster3-md-0-854976576-tw6hr"


def machines(**changed: Mapping[str, Any] | None) -> list[Object]:
    """The three machines of the document; `control`, `etcd` and `worker` change one of them, None takes it away."""
    all_of = {"control": (CONTROL, "control-plane"), "etcd": (ETCD, "etcd"), "worker": (WORKER, "worker")}
    kept = {key: changed.get(key, {}) for key in all_of}
    return [machine(*all_of[key], **held) for key, held in kept.items() if held is not None]


def node(name: str, ready: str | None = "True", kubelet: str = "v1.22.17-eks-a51510b", **more: Any) -> Object:
    """A node of the cluster."""
    told = (
        [] if ready is None else [condition("Ready", ready, "KubeletReady" if ready == "True" else "KubeletNotReady")]
    )
    labels = {"node-role.kubernetes.io/control-plane": ""} if name == CONTROL else {}
    status = {"conditions": told, "addresses": [], "nodeInfo": {"kubeletVersion": kubelet, "osImage": "Ubuntu"}}
    return {"metadata": {"name": name, "labels": labels}, "spec": more, "status": status}
