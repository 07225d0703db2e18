"""Objects of Anthos clusters on bare metal, as an admin cluster holds them."""

from __future__ import annotations

import base64
import json
from typing import Any

from tests.hazards.worlds import Api

__all__ = ["CA", "KEY", "admin_api", "cluster", "encoded", "kubeconfig", "machine_object", "node_pool", "pem", "secret"]

GROUP = "baremetal.cluster.gke.io"
#: What must never leave the cluster.
KEY = "LS0tLS1CRUdJTi-the-private-key-of-the-admin"


def pem(word: str) -> str:
    """What stands for a certificate; only that it differs by word matters."""
    body = base64.b64encode(f"certificate of {word}".encode()).decode()
    return f"-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n"


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


CA = {"admin": pem("admin"), "user": pem("user")}


def cluster(
    name: str, type: str = "user", version: str = "1.9.0", namespace: str | None = None, **spec: Any
) -> dict[str, Any]:
    """A Cluster object; `vip`, `ingress`, `nodes`, `pools`, `pods`, `services` and `flat` say its addresses."""
    balancer: dict[str, Any] = {"mode": "bundled", "vips": {}}
    if spec.get("vip"):
        balancer["vips"]["controlPlaneVIP"] = spec["vip"]
    if spec.get("ingress"):
        balancer["vips"]["ingressVIP"] = spec["ingress"]
    if spec.get("pools"):
        balancer["addressPools"] = [{"name": f"pool{n}", "addresses": one} for n, one in enumerate(spec["pools"])]
    if spec.get("balancers"):
        balancer["nodePoolSpec"] = {"nodes": [{"address": one} for one in spec["balancers"]]}
    network: dict[str, Any] = {
        "pods": {"cidrBlocks": spec.get("pods", ["192.168.0.0/16"])},
        "services": {"cidrBlocks": spec.get("services", ["10.96.0.0/20"])},
    }
    if spec.get("flat"):
        network["flatIPv4"] = True
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "Cluster",
        "metadata": {"name": name, "namespace": f"cluster-{name}" if namespace is None else namespace},
        "spec": {
            "type": type,
            "anthosBareMetalVersion": version,
            "clusterNetwork": network,
            "controlPlane": {"nodePoolSpec": {"nodes": [{"address": one} for one in spec.get("nodes", [])]}},
            "loadBalancer": balancer,
        },
    }


def node_pool(name: str, of: str, *addresses: str, namespace: str | None = None) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "NodePool",
        "metadata": {"name": name, "namespace": f"cluster-{of}" if namespace is None else namespace},
        "spec": {"clusterName": of, "nodes": [{"address": one} for one in addresses]},
    }


def machine_object(name: str, of: str = "prod", namespace: str | None = None, **annotations: str) -> dict[str, Any]:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "BareMetalMachine",
        "metadata": {
            "name": name,
            "namespace": f"cluster-{of}" if namespace is None else namespace,
            "annotations": {f"{GROUP}/{key}": value for key, value in annotations.items()},
        },
    }


def kubeconfig(name: str, server: str, ca: str, context: str | None = None) -> str:
    """A kubeconfig as bmctl writes it, with a client key in it."""
    inside = {"server": server, "certificate-authority-data": encoded(ca)} if ca else {"server": server}
    context = context or f"kubernetes-admin@{name}"
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": inside}],
            "contexts": [{"name": context, "context": {"cluster": name, "user": "kubernetes-admin"}}],
            "current-context": context,
            "users": [{"name": "kubernetes-admin", "user": {"client-key-data": KEY, "token": KEY}}],
        }
    )


def secret(of: str, value: str | None, namespace: str | None = None) -> dict[str, Any]:
    """The kubeconfig secret of a user cluster; `value` as it stands in the data."""
    data = {"value": value} if value is not None else {"other": "eA=="}
    namespace = f"cluster-{of}" if namespace is None else namespace
    return {"kind": "Secret", "metadata": {"name": f"{of}-kubeconfig", "namespace": namespace}, "data": data}


def admin_api(
    *clusters: Any, pools: Any = (), machines: Any = (), secrets: Any = (), info: str | None = None, **api: Any
) -> Api:
    """An admin cluster that holds these objects; `info` is the kubeconfig in its ConfigMap cluster-info."""
    maps = (
        [{"metadata": {"name": "cluster-info", "namespace": "kube-public"}, "data": {"kubeconfig": info}}]
        if info
        else []
    )
    nodes = api.pop("nodes", ())
    objects = {
        f"clusters.{GROUP}": clusters,
        f"nodepools.{GROUP}": pools,
        f"baremetalmachines.{GROUP}": machines,
        "secrets": secrets,
        "configmaps": maps,
        "nodes": nodes,
    }
    return Api(objects=objects, role="admin", **api)
