"""The fleet of the shipped example: an admin cluster, two user clusters, their machines and the station they are run from.

Addresses are those set aside for documentation (RFC 5737).
"""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from tests.clusters import anthos
from tests.clusters.anthos import cluster, machines, namespace, node, node_pool, now, secret
from tests.clusters.crds import BARE_METAL
from tests.hazards.workspaces import KEY_PATHS, configuration, key_secret, service_account
from tests.lab.controlplane import ControlPlane
from tests.lab.hosts import HostSpec, UserSpec

__all__ = ["ADDRESSES", "CHANGE", "NODES", "PLANES", "RP_FILTER", "STATION", "VIPS", "fill", "hosts"]

VIPS = {"prod-admin": "192.0.2.8", "store-1": "198.51.100.8", "store-2": "203.0.113.8"}
#: The clusters that have a kubeconfig and an API server of their own: all of them.
PLANES = tuple(VIPS)
#: Node -> cluster, role and address.
NODES = {
    "prod-admin-cp-1": ("prod-admin", "control-plane", "192.0.2.11"),
    "store-1-cp-1": ("store-1", "control-plane", "198.51.100.11"),
    "store-1-wk-1": ("store-1", "worker", "198.51.100.12"),
    "store-1-wk-2": ("store-1", "worker", "198.51.100.13"),
    "store-1-wk-3": ("store-1", "worker", "198.51.100.14"),
    "store-1-wk-4": ("store-1", "worker", "198.51.100.15"),
    "store-2-cp-1": ("store-2", "control-plane", "203.0.113.11"),
    "store-2-wk-1": ("store-2", "worker", "203.0.113.12"),
}
STATION = "admin-station"
ADDRESSES = {STATION: "192.0.2.5", **{name: address for name, (_, _, address) in NODES.items()}}

OLD, NEW = "v1.18.20-gke.3000", "v1.20.9-gke.102"
#: Those that an earlier upgrade did not come to.
STAYED_BEHIND = ("store-1-wk-1", "store-1-wk-3")
#: Machines that were in maintenance mode.
MAINTAINED = ("store-1-wk-2", "store-1-wk-3")
#: Nobody has heard of its kubelet for an hour: it does not run.
SILENT = "store-1-wk-4"
NOEXEC = "store-1-wk-1"

#: A setting of a site's hardening that somebody switched off, and that the next boot brings back: host, file, text.
RP_FILTER = ("store-1-wk-2", "/etc/sysctl.d/99-hardening.conf", "net.ipv4.conf.all.rp_filter = 1\n")

CHANGE = {
    "profile": "anthos-bare-metal-1.9",
    "clusters": {
        "prod-admin": {"kubeconfig": "prod-admin.kubeconfig", "role": "admin"},
        "store-1": {"kubeconfig": "store-1.kubeconfig", "role": "user", "admin": "prod-admin"},
        "store-2": {"kubeconfig": "store-2.kubeconfig", "role": "user", "admin": "prod-admin"},
    },
    "hosts": {
        STATION: {"connection": f"ssh://ops@{STATION}", "roles": ["workstation"]},
        **{
            name: {"connection": f"ssh://ops@{name}", "roles": [role], "cluster": of}
            for name, (of, role, _) in NODES.items()
        },
    },
    "ssh": {"config": "ssh_config", "known_hosts": "known_hosts", "sudo": True},
}

# -- the clusters

#: What bmctl was configured with: the same in its files and in the clusters.
SPEC = {
    "gkeConnect": {"projectID": "shop"},
    "clusterOperations": {"projectID": "shop", "location": "us-central1"},
}
CLIENT_CONFIGS = BARE_METAL[0].parent / "authentication.gke.io_clientconfigs.yaml"
ACCOUNTS = {role: service_account(path.rpartition("/")[2].partition(".")[0]) for role, path in KEY_PATHS.items()}


def fill(planes: dict[str, ControlPlane]) -> None:
    """Put into each API server what its cluster holds."""
    _objects_of_all(planes["prod-admin"], planes)
    for name, plane in planes.items():
        own = plane.authority.pem
        plane.apply(CLIENT_CONFIGS, keep=True)
        plane.apply(anthos.cluster_info(f"https://{VIPS[name]}:443", own), *_authority(name, own))
        plane.apply(*(_node(one) for one, (of, _, _) in NODES.items() if of == name))


def _objects_of_all(admin: ControlPlane, planes: dict[str, ControlPlane]) -> None:
    """What the admin cluster holds of all clusters, itself among them."""
    admin.apply(*BARE_METAL, keep=True)
    admin.apply(*(namespace(f"cluster-{one}") for one in PLANES), namespace("anthos-creds"))
    admin.apply(*(key_secret(role, account) for role, account in ACCOUNTS.items()))
    ingress = {"store-1": "198.51.100.200", "store-2": "203.0.113.200"}
    pools = {
        "store-1": {"services": ["198.51.100.200-198.51.100.219"]},
        "store-2": {"services": ["203.0.113.200/29"], "cameras": ["198.51.100.216/29"]},
    }
    left = [ADDRESSES[one] for one in MAINTAINED]
    for name in PLANES:
        masters, workers = (
            [at for of, what, at in NODES.values() if (of, what) == (name, role)]
            for role in ("control-plane", "worker")
        )
        kind = "admin" if name == "prod-admin" else "user"
        found = cluster(name, kind, nodes=masters, vip=VIPS[name], ingress=ingress.get(name, ""), pools=pools.get(name))
        found["spec"].update(SPEC)
        admin.apply(found, node_pool(name, *masters, name=name), *([node_pool(name, *workers)] if workers else []))
        admin.apply(*machines(f"cluster-{name}", *masters, *workers, maintenance=left))
    of = {
        "store-1": "store-1",
        "store-2": "prod-admin",
    }  # whose kubeconfig each secret holds: the second is overwritten
    for name, whose in of.items():
        kubeconfig = anthos.kubeconfig_text(whose, f"https://{VIPS[whose]}:443", planes[whose].authority.pem)
        admin.apply(secret(name, kubeconfig))


def _authority(name: str, ca: bytes) -> list[dict[str, Any]]:
    """With which CA users log in, and which one the cluster has: the same."""
    space = "kube-public"
    config = {"name": name, "server": f"https://{VIPS[name]}:443", "certificateAuthorityData": b64encode(ca).decode()}
    return [
        {
            "apiVersion": "authentication.gke.io/v2alpha1",
            "kind": "ClientConfig",
            "metadata": {"name": "default", "namespace": space},
            "spec": config,
        },
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "kube-root-ca.crt", "namespace": space},
            "data": {"ca.crt": ca.decode()},
        },
    ]


def _node(name: str) -> dict[str, Any]:
    _, role, address = NODES[name]
    found = node(name, address, OLD if name in STAYED_BEHIND else NEW, master=role == "control-plane")
    if name == SILENT:
        found["status"]["conditions"] = [
            {
                "type": "Ready",
                "status": "Unknown",
                "reason": "NodeStatusUnknown",
                "message": "Kubelet stopped posting node status.",
                "lastHeartbeatTime": now(-3640),
                "lastTransitionTime": now(-3600),
            }
        ]
        found["spec"] = {"taints": [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute"}]}
    return found


# -- the machines

OS_RELEASE = """\
NAME="Ubuntu"
VERSION="20.04.4 LTS (Focal Fossa)"
ID=ubuntu
ID_LIKE=debian
PRETTY_NAME="Ubuntu 20.04.4 LTS"
VERSION_ID="20.04"
"""
FSTAB = "/dev/sda2 / ext4 defaults 0 1\n"
FSTAB_NOEXEC = f"{FSTAB}tmpfs /tmp tmpfs rw,nosuid,nodev,noexec,relatime 0 0\n"
# A process of that name, which the journal has messages of, is all that is looked at of a kubelet.
KUBELET = """\
#!/bin/bash
echo "Kubelet version: v1.20.9-gke.102"
while :; do sleep 3600; done
"""
UNIT = "[Service]\nExecStart=/usr/bin/kubelet\n[Install]\nWantedBy=multi-user.target\n"
PKI = "/var/lib/kubelet/pki"


def hosts() -> list[HostSpec]:
    """The station with bmctl's workspace, and all nodes."""
    return [_station(), *map(_host, NODES)]


def _station() -> HostSpec:
    head = "".join(f"{role}: {path}\n" for role, path in KEY_PATHS.items())
    held = {
        ".profile": "export GOOGLE_APPLICATION_CREDENTIALS=$HOME/bmctl-workspace/.sa-keys/ops.json\n",
        "bmctl-workspace/.manifests/1.8.3/manifest.yaml": "",
        "bmctl-workspace/prod-admin/prod-admin.yaml": configuration("prod-admin", head, "admin", **SPEC),
        **{f"bmctl-workspace/{one}/{one}.yaml": configuration(one, **SPEC) for one in ("store-1", "store-2")},
        **{KEY_PATHS[role]: json.dumps(account, indent=2) for role, account in ACCOUNTS.items()},
    }
    files = {f"/home/ops/{path}": (text, 0o600, "ops") for path, text in held.items()}
    return HostSpec(
        STATION, users=[UserSpec("ops")], files={"/etc/os-release": OS_RELEASE, "/etc/fstab": FSTAB, **files}
    )


def _host(name: str) -> HostSpec:
    noexec = name == NOEXEC
    return HostSpec(
        name,
        init="systemd",
        users=[UserSpec("ops")],
        noexec_tmp=noexec,
        files={
            "/etc/os-release": OS_RELEASE,
            "/etc/fstab": FSTAB_NOEXEC if noexec else FSTAB,
            "/usr/bin/kubelet": (KUBELET, 0o755, "root"),
            "/etc/systemd/system/kubelet.service": UNIT,
        },
        prestart=[
            "sysctl -q -w net.ipv4.conf.all.rp_filter=0",
            *_certificates(name),
            *(["systemctl enable --quiet kubelet"] if name != SILENT else []),
        ],
    )


def _certificates(name: str) -> list[str]:
    """Shell lines that make the certificates of a kubelet, as one keeps them that renews them."""
    new = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 300"
    lines = [f"mkdir -p {PKI} && chmod 700 {PKI} && cd {PKI}"]
    for use in ("client", "server"):
        kept = f"kubelet-{use}-2021-10-04-08-15-30.pem"
        lines.append(f"{new} -subj /O=system:nodes/CN=system:node:{name} -keyout key -out crt 2>/dev/null")
        lines.append(f"cat crt key >{kept} && rm crt key && ln -s {kept} kubelet-{use}-current.pem")
    return ["\n".join(lines)]
