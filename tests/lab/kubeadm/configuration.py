"""The files that make a host a node of one certain cluster, and what kubeadm is told."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from tests.lab.controlplane.binaries import kubernetes_version
from tests.lab.kubeadm.layer import CONTAINERD_DIRECTORY, ETCD_TAG, KERNEL_VALUES, KERNEL_VALUES_BELOW, STORE
from tests.lab.spec import File, HostSpec

ENDPOINT = "api.lab"
"""The name of the API server for kubelets: in /etc/hosts it has the address of every control plane."""
KUBEADM_FILE = "/root/kubeadm.yaml"
DISCOVERY_FILE = "/root/cluster-info.yaml"
_SOCKET = "unix:///run/containerd/containerd.sock"
_API = "kubeadm.k8s.io/v1beta4"
# Beyond a namespace of its own a host has nothing; a kubelet wants these as well. The cluster's own traffic is on
# routes: there is neither kube-proxy nor a name service.
_PRESTART = (
    "mount --make-rshared /",
    *CONTAINERD_DIRECTORY,
    f"cp -a {STORE}/. /var/lib/containerd/",
    "mkdir -p /var/lib/kubelet /var/lib/etcd /var/log/pods",
    "mount -t tmpfs -o mode=755 kubelet /var/lib/kubelet",
    "mount -t tmpfs -o mode=700 etcd /var/lib/etcd",
    "mount -t tmpfs -o mode=755 pods /var/log/pods",
    # The kernel's own messages are those of the whole machine: this has none, and a kubelet is content.
    ": > /dev/kmsg",
    "echo 1 > /proc/sys/net/ipv4/ip_forward",
    # What a kubelet would set for the whole machine, already as it wants it, and not to be written to.
    *(
        f"mount --bind {KERNEL_VALUES_BELOW}/{name} /proc/sys/{name} && mount -o remount,bind,ro /proc/sys/{name}"
        for name in KERNEL_VALUES
    ),
)


@dataclass(frozen=True)
class Layout:
    """Which hosts a cluster has, and the secrets by which they find together."""

    control_planes: Sequence[str]
    workers: Sequence[str]
    addresses: Mapping[str, str]
    token: str
    """A bootstrap token."""
    certificate_key: str
    """What the certificates are encrypted with on their way to the next control plane: 64 hexadecimal digits."""

    @property
    def hosts(self) -> list[str]:
        """All names, control planes first."""
        return [*self.control_planes, *self.workers]

    def spec(self, name: str) -> HostSpec:
        """The test host that becomes the node `name` when kubeadm is run in it."""
        number = self.hosts.index(name)
        documents = _init(self) if number == 0 else [_join(self, name)]
        hosts = ["127.0.0.1 localhost", *(f"{self.addresses[one]} {one}" for one in self.hosts)]
        hosts += [f"{self.addresses[one]} {ENDPOINT}" for one in self.control_planes]
        files: dict[str, File] = {
            "/etc/hosts": "".join(f"{line}\n" for line in hosts),
            "/etc/cni/net.d/10-lab.conflist": json.dumps(_cni(number), indent=1),
            KUBEADM_FILE: (yaml.safe_dump_all(documents, sort_keys=False), 0o600, "root"),
        }
        routes = [
            f"ip route add {_pod_subnet(other)} via {self.addresses[one]}"
            for other, one in enumerate(self.hosts)
            if one != name
        ]
        return HostSpec(name, init="systemd", cgroup="v1", files=files, prestart=(*_PRESTART, *routes))


def _pod_subnet(number: int) -> str:
    return f"10.244.{number}.0/24"


def _cni(number: int) -> dict[str, Any]:
    addresses = {
        "type": "host-local",
        "ranges": [[{"subnet": _pod_subnet(number)}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": "cni0", "isGateway": True, "hairpinMode": True, "ipam": addresses}
    return {
        "cniVersion": "0.4.0",
        "name": "lab",
        "plugins": [bridge, {"type": "portmap", "capabilities": {"portMappings": True}}],
    }


def _registration(layout: Layout, name: str) -> dict[str, Any]:
    registration: dict[str, Any] = {
        "name": name,
        "criSocket": _SOCKET,
        "imagePullPolicy": "Never",
        "kubeletExtraArgs": [{"name": "node-ip", "value": layout.addresses[name]}],
    }
    # Without workers a pod of a test has to find its place beside the control plane.
    return registration if layout.workers else {**registration, "taints": []}


def _endpoint(layout: Layout, name: str) -> dict[str, Any]:
    return {"advertiseAddress": layout.addresses[name], "bindPort": 6443}


def _init(layout: Layout) -> list[dict[str, Any]]:
    first = layout.control_planes[0]
    groups = ["system:bootstrappers:kubeadm:default-node-token"]
    init = {
        "apiVersion": _API,
        "kind": "InitConfiguration",
        "certificateKey": layout.certificate_key,
        "localAPIEndpoint": _endpoint(layout, first),
        "nodeRegistration": _registration(layout, first),
        "bootstrapTokens": [{"token": layout.token, "usages": ["signing", "authentication"], "groups": groups}],
    }
    manager = {"node-monitor-grace-period": "8s", "node-monitor-period": "1s"}
    cluster = {
        "apiVersion": _API,
        "kind": "ClusterConfiguration",
        "kubernetesVersion": kubernetes_version(),
        "clusterName": "lab",
        "controlPlaneEndpoint": f"{ENDPOINT}:6443",
        "networking": {"serviceSubnet": "10.96.0.0/16", "podSubnet": "10.244.0.0/16"},
        "etcd": {"local": {"imageTag": ETCD_TAG}},
        "controllerManager": {"extraArgs": [{"name": name, "value": value} for name, value in manager.items()]},
    }
    kubelet = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "containerRuntimeEndpoint": _SOCKET,
        "cgroupDriver": "cgroupfs",
        "failCgroupV1": False,
        "failSwapOn": False,
        # A lease of the usual 40 s beside a grace of 8 s (above) would have healthy nodes flap.
        "nodeLeaseDurationSeconds": 4,
        "nodeStatusUpdateFrequency": "2s",
        "nodeStatusReportFrequency": "2s",
        "volumePluginDir": "/var/lib/kubelet/volumeplugins",
        "resolvConf": "",
        # The machine's disk and memory are not the cluster's affair: nothing is evicted because they are short.
        "evictionHard": {
            "memory.available": "10Mi",
            "nodefs.available": "1Mi",
            "imagefs.available": "1Mi",
            "nodefs.inodesFree": "1%",
            "imagefs.inodesFree": "1%",
        },
        "imageGCHighThresholdPercent": 100,
    }
    return [init, cluster, kubelet]


def _join(layout: Layout, name: str) -> dict[str, Any]:
    # Not by the token alone: the signature that this needs comes with the controller manager, seconds later.
    file = {"kubeConfigPath": DISCOVERY_FILE}
    join: dict[str, Any] = {
        "apiVersion": _API,
        "kind": "JoinConfiguration",
        "discovery": {"file": file, "tlsBootstrapToken": layout.token},
        "nodeRegistration": _registration(layout, name),
    }
    if name in layout.control_planes:
        endpoint = _endpoint(layout, name)
        join["controlPlane"] = {"localAPIEndpoint": endpoint, "certificateKey": layout.certificate_key}
    return join
