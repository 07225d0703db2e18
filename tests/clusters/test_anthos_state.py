"""Real nodes, leases, signing requests and certificates in a real API server, and what a run finds in them."""

from __future__ import annotations

import base64
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.anthos import cluster, machine, namespace, node, now
from tests.clusters.crds import BARE_METAL
from tests.lab.controlplane import Authority, ControlPlane, wait_until
from tests.running import Result, preflight

NODES, CSR, CLIENT = "abm-node-unreachable", "abm-pending-kubelet-csr", "abm-ca-rotation-clientconfig"
PREVIEW, SNAPSHOT, PROXY = "abm-containerd-preview", "abm-snapshot-non-root", "abm-multinic-containerd-proxy"
CLIENT_CONFIGS = BARE_METAL[0].parent / "authentication.gke.io_clientconfigs.yaml"
REQUESTS = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
SECRET = "client-secret-that-must-never-be-seen-anywhere"
PASSWORD = "proxy-password-that-must-never-be-seen-anywhere"
#: What every node of a real cluster may do.
MAY_ASK = [{"apiGroups": ["certificates.k8s.io"], "resources": ["certificatesigningrequests"], "verbs": ["create"]}]


def lease(name: str, age: float = 0) -> dict[str, Any]:
    """The lease of a node, renewed so many seconds ago."""
    renewed = now(-age).replace("Z", ".000000Z")
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": renewed},
    }


def tainted(name: str, key: str) -> dict[str, Any]:
    return {**node(name, "192.0.2.13"), "spec": {"taints": [{"key": key, "effect": "NoExecute"}]}}


def cordoned(name: str, address: str) -> dict[str, Any]:
    return {**node(name, address), "spec": {"unschedulable": True}}


def silent(name: str) -> dict[str, Any]:
    """A node that was ready when it was heard of last, an hour ago."""
    found = node(name, "192.0.2.16")
    found["status"]["conditions"][0]["lastHeartbeatTime"] = now(-3600)
    return found


def ask(plane: ControlPlane, place: Path, who: str, signer: str, usage: str) -> str:
    """Let a kubelet ask for a certificate, with a request that openssl made; the name of the request."""
    subject = f"/O=system:nodes/CN=system:node:{who}"
    made = [
        "openssl",
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        subject,
    ]
    out, key = place / f"{who}.csr", place / f"{who}.key"
    subprocess.run([*made, "-keyout", str(key), "-out", str(out)], check=True, capture_output=True)
    from kubernetes.client import CertificatesV1Api
    from kubernetes.config import new_client_from_config

    kubeconfig = plane.kubeconfig(f"system:node:{who}", groups=["system:nodes"])
    body = {
        "metadata": {"generateName": "csr-"},
        "spec": {
            "request": base64.b64encode(out.read_bytes()).decode(),
            "signerName": f"kubernetes.io/{signer}",
            "usages": ["digital signature", usage],
        },
    }
    made_of = CertificatesV1Api(new_client_from_config(str(kubeconfig))).create_certificate_signing_request(body)
    return str(made_of.metadata.name)


def approve(plane: ControlPlane, name: str) -> None:
    request = plane.api.request("GET", f"{REQUESTS}/{name}")
    request["status"] = {
        "conditions": [{"type": "Approved", "status": "True", "reason": "Test", "message": "approved"}]
    }
    plane.api.request("PUT", f"{REQUESTS}/{name}/approval", request)


def client_config(ca: bytes) -> dict[str, Any]:
    oidc = {"clientID": "shop", "clientSecret": SECRET, "issuerURI": "https://id.example.com"}
    return {
        "apiVersion": "authentication.gke.io/v2alpha1",
        "kind": "ClientConfig",
        "metadata": {"name": "default", "namespace": "kube-public"},
        "spec": {
            "name": "prod-admin",
            "server": "https://192.0.2.8:443",
            "certificateAuthorityData": base64.b64encode(ca).decode(),
            "authentication": [{"name": "oidc", "oidc": oidc}],
        },
    }


def root_ca(*pems: bytes) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "kube-root-ca.crt", "namespace": "kube-public"},
        "data": {"ca.crt": b"".join(pems).decode()},
    }


def hybrid() -> dict[str, Any]:
    """A 1.7 cluster that has containerd as a preview, several networks and a proxy, and is not accessed as root."""
    found = cluster("prod-admin", "hybrid", "1.7.4", nodes=["192.0.2.11"])
    found["spec"]["nodeConfig"] = {"containerRuntime": "containerd"}
    found["spec"]["nodeAccess"] = {"loginUser": "ops"}
    found["spec"]["clusterNetwork"]["multipleNetworkInterfaces"] = True
    found["spec"]["proxy"] = {"url": f"http://ops:{PASSWORD}@192.0.2.9:3128"}
    found["spec"]["maintenanceBlocks"] = {"cidrBlocks": ["192.0.2.15-192.0.2.15"]}
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def plane(control_plane: ControlPlane, place: Path) -> Iterator[ControlPlane]:
    control_plane.apply(*BARE_METAL, keep=True)
    control_plane.apply(CLIENT_CONFIGS, namespace("cluster-prod-admin"), hybrid())
    control_plane.apply(*(machine(f"192.0.2.{last}", "cluster-prod-admin") for last in range(11, 17)))
    rbac = {"apiVersion": "rbac.authorization.k8s.io/v1", "metadata": {"name": "kubelets-may-ask"}}
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "kubelets-may-ask"}
    users = [f"system:node:wk-{number}" for number in (1, 2, 3)]
    subjects = [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": one} for one in users]
    control_plane.apply({**rbac, "kind": "ClusterRole", "rules": MAY_ASK})
    control_plane.apply({**rbac, "kind": "ClusterRoleBinding", "roleRef": role, "subjects": subjects})
    wait_until(lambda: all(control_plane.api.may(one, MAY_ASK[0]) for one in users), "kubelets to be allowed to ask")
    yield control_plane
    for request in control_plane.api.request("GET", REQUESTS)["items"]:
        control_plane.api.request("DELETE", f"{REQUESTS}/{request['metadata']['name']}")
    control_plane.reset()


def run_on(plane: ControlPlane, place: Path, reports: str) -> Result:
    kubeconfig = plane.kubeconfig(context="prod-admin", path=place / "prod-admin.kubeconfig")
    change = place / f"{reports}.yaml"
    keys = {
        "profile": "anthos-bare-metal-1.8",
        "examine": ["clusters"],
        "clusters": {"prod-admin": {"kubeconfig": str(kubeconfig), "role": "hybrid"}},
        "parameters": {"csr-pending-minutes": 0},
    }
    change.write_text(yaml.safe_dump(keys), encoding="utf-8")
    kept = place / f"{reports}.json"
    found = preflight(f"--change={change}", f"--save-snapshot={kept}", cwd=place, reports=reports)
    for said in (*found.texts.values(), kept.read_text(encoding="utf-8")):
        assert SECRET not in said
        assert PASSWORD not in said
    return found


@pytest.fixture(scope="module")
def asked(plane: ControlPlane, place: Path) -> dict[str, str]:
    """Who has asked for a certificate -> the name of the request; the one of `approved` was approved."""
    found = {
        "serving": ask(plane, place, "wk-1", "kubelet-serving", "server auth"),
        "client": ask(plane, place, "wk-2", "kube-apiserver-client-kubelet", "client auth"),
        "approved": ask(plane, place, "wk-3", "kubelet-serving", "server auth"),
    }
    approve(plane, found["approved"])
    time.sleep(1.1)  # the API server keeps whole seconds
    return found


@pytest.fixture(scope="module")
def troubled(plane: ControlPlane, place: Path, asked: dict[str, str]) -> Result:
    names = ("cp-1", "wk-dead", "wk-lost", "wk-tainted", "wk-cordoned", "wk-repair")
    plane.apply(node("cp-1", "192.0.2.11", master=True))
    plane.apply(node("wk-dead", "192.0.2.12", ready="False"), node("wk-lost", "192.0.2.17", ready="Unknown"))
    plane.apply(tainted("wk-tainted", "node.kubernetes.io/unreachable"))
    plane.apply(cordoned("wk-cordoned", "192.0.2.14"), cordoned("wk-repair", "192.0.2.15"), silent("wk-silent"))
    plane.apply(*map(lease, names), lease("wk-silent", 3600))
    plane.apply(root_ca(plane.authority.pem), client_config(Authority("the CA before").pem))
    return run_on(plane, place, "troubled")


@pytest.fixture(scope="module")
def mended(plane: ControlPlane, place: Path, asked: dict[str, str], troubled: Result) -> Result:
    """The same cluster after what was found has been put right; the node in maintenance mode stays."""
    plane.delete(*(node(f"wk-{one}") for one in ("dead", "lost", "tainted", "silent")))
    plane.apply({**node("wk-cordoned", "192.0.2.14"), "spec": {}})
    approve(plane, asked["serving"])
    approve(plane, asked["client"])
    # In the middle of a rotation both are trusted; the text differs from the ConfigMap's, the certificates do not.
    old = Authority("the CA before").pem
    plane.apply(client_config(plane.authority.pem.replace(b"\n", b"\r\n") + old))
    return run_on(plane, place, "mended")


def lines_of(finding: dict[str, Any]) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(NODES)
def test_nodes_that_are_not_there(troubled: Result) -> None:
    found = troubled.finding(NODES, "prod-admin")
    assert found["outcome"] == "hazard"
    for said in (
        "5 of 7 nodes",
        "wk-dead is not ready since",
        "wk-lost is not heard of",
        "wk-tainted counts as ready, and yet is tainted node.kubernetes.io/unreachable:NoExecute",
        "wk-silent counts as ready, and yet was heard of last at",
        "wk-cordoned is cordoned, and not for a maintenance mode",
        "on purpose: wk-repair",
    ):
        assert said in found["message"]
    assert "cp-1" not in found["message"]
    assert "node wk-cordoned: spec.unschedulable: true" in lines_of(found)
    assert "kubectl uncordon wk-cordoned" in found["remedy"]


@pytest.mark.real(CSR)
def test_kubelets_that_wait(troubled: Result, asked: dict[str, str]) -> None:
    found = troubled.finding(CSR, "prod-admin")
    assert found["outcome"] == "warning"
    assert "system:node:wk-1 has waited" in found["message"]
    assert "system:node:wk-2 has waited" in found["message"]
    assert "wk-3" not in found["message"]
    line = f"certificatesigningrequest {asked['client']}: kube-apiserver-client-kubelet for system:node:wk-2, created "
    assert any(one.startswith(line) for one in lines_of(found))
    approving = found["remedy"].rpartition("kubectl certificate approve ")[2]
    assert set(approving.split()) == {asked["serving"], asked["client"]}


@pytest.mark.real(CLIENT)
def test_a_client_config_with_the_ca_before(troubled: Result, plane: ControlPlane) -> None:
    found = troubled.finding(CLIENT, "prod-admin")
    assert found["outcome"] == "hazard"
    assert "what clientconfig kube-public/default holds is not the cluster's CA" in found["message"]
    assert [one["read"].split(" as ")[0] for one in found["evidence"]] == [
        "list clientconfigs.authentication.gke.io",
        "get configmaps kube-public/kube-root-ca.crt",
    ]


@pytest.mark.real(PREVIEW, SNAPSHOT)
def test_what_the_cluster_is_configured_for(troubled: Result) -> None:
    assert troubled.finding(PREVIEW, "prod-admin")["outcome"] == "hazard"
    assert "spec.nodeConfig.containerRuntime: containerd" in lines_of(troubled.finding(PREVIEW, "prod-admin"))[0]
    assert troubled.finding(SNAPSHOT, "prod-admin")["outcome"] == "warning"
    assert "as ops, not as root" in troubled.finding(SNAPSHOT, "prod-admin")["message"]


def test_no_proxy_of_nodes_that_nobody_looked_at(troubled: Result) -> None:
    found = troubled.finding(PROXY, "prod-admin")
    assert found["outcome"] == "unknown"
    assert "192.0.2.11" in found["message"]


def test_after_it_was_put_right(mended: Result) -> None:
    assert mended.on("prod-admin")[CSR] == "clear"
    assert mended.on("prod-admin")[CLIENT] == "clear"
    found = mended.finding(NODES, "prod-admin")
    assert found["outcome"] == "warning"
    assert "on purpose" in found["message"]
    assert "wk-repair" in found["message"]


def test_the_same_snapshot_gives_the_same_findings(troubled: Result, place: Path) -> None:
    """Ages are those of when it was read, however late it is looked at."""
    time.sleep(1.1)
    kept = place / "troubled.json"
    again = preflight("--profile=anthos-bare-metal-1.8", f"--snapshot={kept}", cwd=place, reports="again")
    for one in (NODES, CSR, CLIENT):
        assert again.finding(one, "prod-admin") == troubled.finding(one, "prod-admin")
