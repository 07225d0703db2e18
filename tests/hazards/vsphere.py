"""Objects of workload clusters as a vSphere Supervisor holds them, and as the workload clusters themselves show them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from tests.hazards.worlds import Api

__all__ = [
    "CLUSTER_API",
    "NAME",
    "SPACE",
    "capi_cluster",
    "condition",
    "control_plane",
    "etcd_pod",
    "etcdctl",
    "machine",
    "member",
    "named",
    "node",
    "obj",
    "supervisor",
    "world",
]

Object = dict[str, Any]

NAME, SPACE = "shop", "team-a"
CORE, KCP = "cluster.x-k8s.io", "controlplane.cluster.x-k8s.io"
CLUSTER_API = (f"clusters.{CORE}", f"machines.{CORE}", f"machinedeployments.{CORE}", f"kubeadmcontrolplanes.{KCP}")
MADE = "2026-01-05T09:00:00Z"


def condition(type: str, status: str = "False", reason: str = "", message: str = "", **more: str) -> Object:
    """A condition, as both versions of the API have it; `severity` makes it one of the older."""
    return {
        "type": type,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": "2026-01-05T10:20:00Z",
        **more,
    }


def obj(
    kind: str,
    name: str,
    spec: Mapping[str, Any] | None = None,
    old: Iterable[Object] = (),
    new: Iterable[Object] = (),
    beta: str = "v1beta1",
    labels: Mapping[str, str] | None = None,
    status: Mapping[str, Any] | None = None,
    **meta: Any,
) -> Object:
    """An object of Cluster API in one version (`beta`); `old` and `new` are conditions of v1beta1 and v1beta2."""
    group = KCP if kind == "KubeadmControlPlane" else CORE
    held: dict[str, Any] = {"conditions": list(old), "v1beta2": {"conditions": list(new)}}
    if beta == "v1beta2":
        held = {"conditions": list(new), "deprecated": {"v1beta1": {"conditions": list(old)}}}
    return {
        "apiVersion": f"{group}/{beta}",
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": SPACE,
            "labels": {"cluster.x-k8s.io/cluster-name": NAME, **(labels or {})},
            **meta,
        },
        "spec": {"clusterName": NAME, **(spec or {})} if kind == "Machine" else dict(spec or {}),
        "status": {**held, **(status or {})},
    }


def capi_cluster(**more: Any) -> Object:
    """The Cluster."""
    spec = {"controlPlaneRef": {"kind": "KubeadmControlPlane", "name": f"{NAME}-cp"}}
    return obj("Cluster", NAME, spec, **more)


def control_plane(replicas: int | None = 3, running: str = "v1.30.1", **more: Any) -> Object:
    """The KubeadmControlPlane."""
    spec: dict[str, Any] = {"version": "v1.31.4"}
    if replicas is not None:
        spec["replicas"] = replicas
    return obj("KubeadmControlPlane", f"{NAME}-cp", spec, status={"version": running}, **more)


def machine(
    name: str,
    node: str | None = "",
    *,
    joined: bool | None = True,
    master: bool = True,
    made: str = MADE,
    phase: str = "Running",
    addresses: Iterable[str] = (),
    **more: Any,
) -> Object:
    """A Machine whose node is called as it is; None for one without. `joined` is what its condition says of etcd."""
    labels = {"cluster.x-k8s.io/control-plane": ""} if master else {}
    status: dict[str, Any] = {
        "phase": phase,
        "addresses": [{"type": "InternalIP", "address": one} for one in addresses],
    }
    if node is not None:
        status["nodeRef"] = {"kind": "Node", "name": node or name}
    old = list(more.pop("old", ()))
    if joined is not None and master:
        old.append(condition("EtcdMemberHealthy", str(joined), "" if joined else "EtcdMemberUnhealthy"))
    return obj(
        "Machine", name, {"version": "v1.31.4"}, labels=labels, status=status, old=old, creationTimestamp=made, **more
    )


def node(
    name: str, role: str | None = "control-plane", ready: str = "True", address: str = "192.0.2.1", **more: Any
) -> Object:
    """A node of the workload cluster; without a role of its own where None."""
    labels = {f"node-role.kubernetes.io/{role}": ""} if role else {}
    return {
        "metadata": {"name": name, "labels": {**labels, **more.pop("labels", {})}},
        "spec": more.pop("spec", {}),
        "status": {
            "conditions": [{"type": "Ready", "status": ready, "reason": "KubeletReady"}],
            "addresses": [{"type": "InternalIP", "address": address}],
            "nodeInfo": {"kubeletVersion": "v1.31.4", "osImage": "VMware Photon OS/Linux"},
            **more,
        },
    }


def supervisor(*machines: Object, cluster: Object | None = None, plane: Object | None = None, **api: Any) -> Api:
    """The Supervisor, with the objects of one workload cluster in it."""
    held = (
        [capi_cluster() if cluster is None else cluster],
        list(machines or (machine("cp-1"), machine("cp-2"), machine("cp-3"))),
        [],
        [control_plane() if plane is None else plane],
    )
    objects = {**dict(zip(CLUSTER_API, held, strict=True)), **api.pop("objects", {})}
    return Api(objects=objects, role="supervisor", **api)


def world(
    above: Api, nodes: Iterable[Object] = (), objects: Mapping[str, Any] | None = None, **own: Any
) -> dict[str, Api]:
    """Supervisor and workload cluster, the latter with these nodes and objects."""
    own.setdefault("paths", {"/version": {"gitVersion": "v1.30.1"}})
    workload = Api(objects={"nodes": list(nodes), **(objects or {})}, role="workload", manager="supervisor", **own)
    return {"supervisor": above, NAME: workload}


def named(cluster: str, *objects: Object) -> list[Object]:
    """These objects as those of a cluster that is called otherwise."""
    text = json.dumps(objects).replace(f'"{NAME}"', f'"{cluster}"').replace(f'"{NAME}-cp"', f'"{cluster}-cp"')
    found: list[Object] = json.loads(text)
    return found


def etcd_pod(on: str) -> Object:
    """The static pod of etcd on a node, as kubeadm makes it."""
    return {
        "metadata": {
            "name": f"etcd-{on}",
            "namespace": "kube-system",
            "labels": {"component": "etcd", "tier": "control-plane"},
        },
        "spec": {"nodeName": on, "containers": [{"name": "etcd"}]},
        "status": {"phase": "Running", "containerStatuses": [{"name": "etcd", "ready": True}]},
    }


def member(name: str, address: str, number: int, **more: Any) -> Object:
    """One member as etcdctl prints it; an empty name is one that never started."""
    clients = [f"https://{address}:2379"] if name else []
    return {"ID": number, "name": name, "peerURLs": [f"https://{address}:2380"], "clientURLs": clients, **more}


def etcdctl(*members: Object) -> dict[str, str]:
    """What etcdctl prints, in a pod, of a cluster with these members, all of which answer."""
    urls = [(one["ID"], url) for one in members for url in one["clientURLs"]]
    status = {"leader": members[0]["ID"] if members else 0, "version": "3.5.10", "raftIndex": 9000, "raftTerm": 4}
    return {
        "member list": json.dumps({"header": {"member_id": 1}, "members": list(members)}),
        "endpoint status": json.dumps(
            [{"Endpoint": url, "Status": {"header": {"member_id": number}, **status}} for number, url in urls]
        ),
        "endpoint health": json.dumps([{"endpoint": url, "health": True, "took": "2.1ms"} for _, url in urls]),
    }
