"""Objects of a fleet of Anthos clusters on bare metal, as an admin cluster holds them; names and addresses are made up.

Addresses are those set aside for documentation (RFC 5737, RFC 3849).
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml

from tests.clusters.crds import BARE_METAL

__all__ = [
    "BARE_METAL",
    "GROUP",
    "MAINTENANCE",
    "PROFILE",
    "USER_KEY",
    "USER_PASSWORD",
    "USER_TOKEN",
    "cluster",
    "cluster_info",
    "desired_file",
    "kubeconfig_text",
    "machine",
    "machines",
    "namespace",
    "node",
    "node_pool",
    "now",
    "secret",
]

Object = dict[str, Any]

GROUP = "baremetal.cluster.gke.io"
MAINTENANCE = f"{GROUP}/maintenance-mode-duration"
PROFILE = "--profile=anthos-bare-metal-1.9"
#: What must never be seen again: in the keys of kubeconfig secrets. Each can be looked for as it is and in base64.
USER_KEY = "-----BEGIN RSA PRIVATE KEY-----\nTHISPRIVATEKEYMUSTNEVERBESEENANYWHERE\n-----END RSA PRIVATE KEY-----\n"
USER_TOKEN = "token-that-must-never-be-seen-anywhere"
USER_PASSWORD = "password-that-must-never-be-seen-anywhere"


def _meta(name: str, namespace: str | None = None, **more: Any) -> Object:
    return {"name": name, **({"namespace": namespace} if namespace else {}), **more}


def namespace(name: str) -> Object:
    """A namespace."""
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": _meta(name)}


def cluster(
    name: str,
    kind: str = "user",
    version: str | None = "1.8.3",
    *,
    where: str | None = None,
    nodes: Iterable[str] = (),
    balancers: Iterable[str] = (),
    vip: str = "",
    ingress: str = "",
    pools: Mapping[str, Iterable[str]] | None = None,
    pods: Iterable[str] = ("10.200.0.0/16",),
    services: Iterable[str] = ("10.201.0.0/20",),
    flat: bool | None = None,
    served: str = "v1",
) -> Object:
    """A Cluster in its namespace (``cluster-NAME`` unless `where` says otherwise)."""
    spec: Object = {
        "type": kind,
        "clusterNetwork": {"pods": {"cidrBlocks": list(pods)}, "services": {"cidrBlocks": list(services)}},
        "controlPlane": {"nodePoolSpec": {"clusterName": name, "nodes": [{"address": one} for one in nodes]}},
        "loadBalancer": {
            "mode": "bundled",
            "vips": {key: at for key, at in (("controlPlaneVIP", vip), ("ingressVIP", ingress)) if at},
            "addressPools": [{"name": key, "addresses": list(held)} for key, held in (pools or {}).items()],
        },
    }
    if balancers:
        spec["loadBalancer"]["nodePoolSpec"] = {"nodes": [{"address": one} for one in balancers]}
    if version:
        spec["anthosBareMetalVersion"] = version
    if flat is not None:
        spec["clusterNetwork"]["flatIPv4"] = flat
    return {
        "apiVersion": f"{GROUP}/{served}",
        "kind": "Cluster",
        "metadata": _meta(name, where or f"cluster-{name}"),
        "spec": spec,
    }


def node_pool(of: str, *addresses: str, name: str = "workers", where: str | None = None) -> Object:
    """The worker machines of a cluster."""
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "NodePool",
        "metadata": _meta(name, where or f"cluster-{of}"),
        "spec": {"clusterName": of, "nodes": [{"address": one} for one in addresses]},
    }


def machine(name: str, where: str, maintenance: str | None = None) -> Object:
    """A BareMetalMachine; `maintenance` is what a maintenance mode left in its annotation."""
    annotations = {} if maintenance is None else {"annotations": {MAINTENANCE: maintenance}}
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": "BareMetalMachine",
        "metadata": _meta(name, where, **annotations),
        "spec": {"address": name},
    }


def machines(where: str, *names: str, maintenance: Iterable[str] = ()) -> list[Object]:
    """Several of them; those named in `maintenance` carry the annotation."""
    left = set(maintenance)
    return [machine(one, where, "4h0m0s" if one in left else None) for one in names]


def now(seconds: float = 0) -> str:
    """This moment, or one so many seconds away, as API objects write it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def node(
    name: str, address: str = "", kubelet: str = "v1.21.5-gke.1200", *, master: bool = False, ready: str = "True"
) -> Object:
    """A node of the cluster that is asked itself; just now its kubelet has said how it is (`ready`)."""
    labels = {"labels": {"node-role.kubernetes.io/master": ""}} if master else {}
    info = dict.fromkeys(
        ("machineID", "systemUUID", "bootID", "kernelVersion", "containerRuntimeVersion", "kubeProxyVersion"), "made up"
    )
    condition = {"type": "Ready", "status": ready, "lastHeartbeatTime": now(), "lastTransitionTime": now()}
    status: Object = {
        "conditions": [condition],
        "nodeInfo": {
            **info,
            "osImage": "Ubuntu 20.04.4 LTS",
            "operatingSystem": "linux",
            "architecture": "amd64",
            "kubeletVersion": kubelet,
        },
    }
    if address:
        status["addresses"] = [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": name}]
    return {"apiVersion": "v1", "kind": "Node", "metadata": _meta(name, **labels), "status": status}


def kubeconfig_text(of: str, server: str, ca: bytes, *, context: str | None = None) -> str:
    """A kubeconfig with a user whose key, token and password are never to be seen."""
    context = context or f"{of}-admin@{of}"
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": of, "cluster": {"server": server, "certificate-authority-data": b64encode(ca).decode()}}],
        "contexts": [{"name": context, "context": {"cluster": of, "user": f"{of}-admin"}}],
        "current-context": context,
        "users": [
            {
                "name": f"{of}-admin",
                "user": {
                    "client-key-data": b64encode(USER_KEY.encode()).decode(),
                    "token": USER_TOKEN,
                    "password": USER_PASSWORD,
                    "username": "admin",
                },
            }
        ],
    }
    return yaml.safe_dump(document, sort_keys=False)


def secret(of: str, content: str | bytes | None, *, where: str | None = None) -> Object:
    """The kubeconfig secret of a user cluster; with None one that has lost its key `value`."""
    raw = content.encode() if isinstance(content, str) else content
    data = {"value": b64encode(raw).decode()} if raw is not None else {"other": b64encode(USER_KEY.encode()).decode()}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": _meta(f"{of}-kubeconfig", where or f"cluster-{of}"),
        "type": "Opaque",
        "data": data,
    }


def cluster_info(server: str, ca: bytes) -> Object:
    """What kubeadm publishes in the admin cluster: its address and its CA, for everybody who joins."""
    published = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "", "cluster": {"server": server, "certificate-authority-data": b64encode(ca).decode()}}],
    }
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": _meta("cluster-info", "kube-public"),
        "data": {"kubeconfig": yaml.safe_dump(published, sort_keys=False)},
    }


def desired_file(*documents: Object) -> str:
    """A bmctl configuration: keys for bmctl itself first, then the documents that it applies."""
    head = "gcrKeyPath: bmctl-workspace/.sa-keys/gcr.json\nsshPrivateKeyPath: id_ed25519\n"
    return "---\n".join([head, *(yaml.safe_dump(one, sort_keys=False) for one in documents)])
