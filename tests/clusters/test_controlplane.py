"""The control plane of the lab is a real one, and behaves as the tests that build on it assume."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from kubernetes import config

from tests.clusters.crds import BARE_METAL, crd, served_only_as
from tests.lab.controlplane import (
    ApiError,
    Binaries,
    ControlPlane,
    ControlPlaneFailed,
    ControlPlaneUnavailable,
    LogServer,
    find_binaries,
    wait_until,
)
from tests.lab.controlplane.binaries import kubernetes_version

ROOT = Path(__file__).resolve().parents[2]
CLUSTERS = "/apis/baremetal.cluster.gke.io/v1/clusters"
READ_NODES = """
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: read-nodes}
rules:
- {apiGroups: [""], resources: [nodes], verbs: [list]}
- {nonResourceURLs: [/healthz/etcd], verbs: [get]}
"""
CLUSTER = """
apiVersion: baremetal.cluster.gke.io/v1
kind: Cluster
metadata: {name: edge, namespace: cluster-edge}
spec:
  type: hybrid
  anthosBareMetalVersion: 1.8.3
  clusterNetwork: {pods: {cidrBlocks: [192.168.0.0/16]}, services: {cidrBlocks: [10.96.0.0/20]}}
status:
  systemServiceConditions: [{type: Reconciling, status: "True", observedGeneration: 1}]
"""


def ask(kubeconfig: Path, path: str) -> tuple[int, str]:
    """Status and body of a GET as the official client sends it with this kubeconfig."""
    api = config.new_client_from_config(str(kubeconfig))  # type: ignore[no-untyped-call]
    request = api.param_serialize(method="GET", resource_path=path, auth_settings=["BearerToken"])
    answer = api.call_api(*request, _request_timeout=(5, 30))
    return answer.status, answer.read().decode()


@pytest.fixture
def assets(control_plane: ControlPlane, tmp_path: Path) -> Path:
    """A directory for KUBEBUILDER_ASSETS; a program that is started from it leaves a file `used-NAME`."""
    for name in ("etcd", "kube-apiserver"):
        real = getattr(control_plane.binaries, "etcd" if name == "etcd" else "apiserver")
        script = tmp_path / name
        script.write_text(f'#!/bin/sh\ntouch "{tmp_path}/used-{name}"\nexec "{real}" "$@"\n', "utf-8")
        script.chmod(0o755)
    return tmp_path


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that still run; a dead one that nobody has reaped yet does not."""
    states = {pid: Path(f"/proc/{pid}/stat") for pid in pids}
    return [pid for pid, stat in states.items() if stat.exists() and ") Z " not in stat.read_text("utf-8")]


# -- users


def test_version_is_that_of_a_release(control_plane: ControlPlane) -> None:
    told = control_plane.api.request("GET", "/version")
    if control_plane.binaries.origin == "built from Go modules":
        assert told["gitVersion"] == kubernetes_version()
    assert f"v{told['major']}.{told['minor']}." in told["gitVersion"]


def test_admin_may_list_and_nobody_may_not(lab_cluster: ControlPlane) -> None:
    assert ask(lab_cluster.kubeconfig("admin"), "/api/v1/nodes")[0] == 200
    status, body = ask(lab_cluster.kubeconfig("nobody"), "/api/v1/nodes")
    assert status == 403
    assert 'User \\"nobody\\" cannot list resource \\"nodes\\"' in body
    assert ask(lab_cluster.kubeconfig("nobody"), "/version")[0] == 200


def test_an_unknown_token_is_refused_and_audited(lab_cluster: ControlPlane) -> None:
    start = lab_cluster.audit_position()
    assert ask(lab_cluster.kubeconfig("stranger", token="not-a-token"), "/api/v1/nodes")[0] == 401
    assert [(event.uri, event.status) for event in lab_cluster.audit(since=start)] == [("/api/v1/nodes", 401)]


def test_users_by_client_certificate(lab_cluster: ControlPlane) -> None:
    groups = ["system:masters"]
    assert ask(lab_cluster.kubeconfig("ops", groups=groups), "/api/v1/nodes")[0] == 200
    assert ask(lab_cluster.kubeconfig("ops"), "/api/v1/nodes")[0] == 403
    assert ask(lab_cluster.kubeconfig("ops", groups=groups, expired=True), "/api/v1/nodes")[0] == 401


def test_a_service_account_may_do_what_its_role_says_and_no_more(lab_cluster: ControlPlane) -> None:
    token = lab_cluster.service_account("preflight", "reader")
    kubeconfig = lab_cluster.kubeconfig("reader", token=token)
    assert ask(kubeconfig, "/api/v1/nodes")[0] == 403
    lab_cluster.bind(READ_NODES, "preflight/reader")
    assert ask(kubeconfig, "/api/v1/nodes")[0] == 200
    assert ask(kubeconfig, "/healthz/etcd")[0] == 200
    assert ask(kubeconfig, "/api/v1/pods")[0] == 403


def test_the_audit_log_has_each_request_with_its_user(lab_cluster: ControlPlane) -> None:
    kubeconfig = lab_cluster.kubeconfig("nobody")
    start = lab_cluster.audit_position()
    ask(kubeconfig, "/version")
    ask(kubeconfig, "/api/v1/namespaces/kube-system/secrets")
    events = [(event.verb, event.uri, event.status) for event in lab_cluster.audit(user="nobody", since=start)]
    assert events == [("get", "/version", 200), ("list", "/api/v1/namespaces/kube-system/secrets", 403)]


# -- objects


def test_crds_are_served_with_their_status_subresource(lab_cluster: ControlPlane) -> None:
    lab_cluster.namespace("cluster-edge")
    lab_cluster.apply(CLUSTER)
    (cluster,) = lab_cluster.api.request("GET", CLUSTERS)["items"]
    assert cluster["spec"]["anthosBareMetalVersion"] == "1.8.3"
    assert cluster["status"]["systemServiceConditions"][0]["observedGeneration"] == 1
    served = lab_cluster.api.request("GET", "/apis/baremetal.cluster.gke.io/v1")["resources"]
    assert {"clusters", "nodepools", "baremetalmachines"} <= {entry["name"] for entry in served}


def test_a_misspelt_field_is_an_error(lab_cluster: ControlPlane) -> None:
    lab_cluster.namespace("cluster-edge")
    with pytest.raises(ApiError, match="anthosBaremetalVersion"):
        lab_cluster.apply(CLUSTER.replace("anthosBareMetalVersion", "anthosBaremetalVersion"))


@pytest.mark.parametrize("file", BARE_METAL, ids=lambda file: file.stem.partition("_")[2])
def test_a_crd_can_be_served_in_another_version_only(lab_cluster: ControlPlane, file: Path) -> None:
    lab_cluster.delete(file)
    lab_cluster.apply(served_only_as("v1alpha1", file))
    plural = file.stem.partition("_")[2]
    assert lab_cluster.api.status(f"/apis/baremetal.cluster.gke.io/v1alpha1/{plural}") == 200
    assert lab_cluster.api.status(f"/apis/baremetal.cluster.gke.io/v1/{plural}") == 404


def test_lists_come_in_pages(lab_cluster: ControlPlane) -> None:
    lab_cluster.apply(*(node(f"n{number}") for number in range(5)))
    pages: list[dict[str, Any]] = [lab_cluster.api.request("GET", "/api/v1/nodes", limit="2")]
    while token := pages[-1]["metadata"].get("continue"):
        pages.append(lab_cluster.api.request("GET", "/api/v1/nodes", **{"limit": "2", "continue": token}))
    names = [[item["metadata"]["name"] for item in page["items"]] for page in pages]
    assert names == [["n0", "n1"], ["n2", "n3"], ["n4"]]
    assert [page["metadata"].get("remainingItemCount") for page in pages] == [3, 1, None]


def test_a_node_is_exactly_as_applied(lab_cluster: ControlPlane) -> None:
    lab_cluster.apply(node("n1"))
    told = lab_cluster.api.request("GET", "/api/v1/nodes/n1")
    assert "taints" not in told["spec"]
    assert told["status"]["conditions"][0]["status"] == "True"


def test_pods_have_logs(lab_cluster: ControlPlane) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "kube-system", "name": "operator-0"},
        "spec": {"nodeName": "n1", "containers": [{"name": "operator", "image": "operator"}]},
        "status": {"phase": "Running"},
    }
    path = "/api/v1/namespaces/kube-system/pods/operator-0/log"
    with LogServer(lab_cluster) as kubelet:
        lab_cluster.apply(kubelet.node(node("n1")), pod)
        kubelet.logs["kube-system", "operator-0", "operator"] = "one\ntwo\nthree\n"
        kubelet.previous["kube-system", "operator-0", "operator"] = "chunk validation failed\n"
        assert lab_cluster.api.request("GET", path) == "one\ntwo\nthree\n"
        assert lab_cluster.api.request("GET", path, tailLines="2", limitBytes="6") == "two\nth"
        assert lab_cluster.api.request("GET", path, previous="true") == "chunk validation failed\n"


def test_reset_leaves_a_fresh_cluster(lab_cluster: ControlPlane) -> None:
    lab_cluster.namespace("cluster-edge")
    lab_cluster.apply(CLUSTER.replace("name: edge,", "name: edge, finalizers: [example.com/stay],"), node("n1"))
    unrecorded = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "by-another-client"}}
    lab_cluster.api.request("POST", "/api/v1/namespaces/cluster-edge/configmaps", unrecorded)
    lab_cluster.reset()
    assert lab_cluster.api.request("GET", CLUSTERS)["items"] == []
    assert lab_cluster.api.request("GET", "/api/v1/nodes")["items"] == []
    assert lab_cluster.api.status("/api/v1/namespaces/cluster-edge") == 404
    lab_cluster.namespace("cluster-edge")
    assert lab_cluster.api.request("GET", "/api/v1/namespaces/cluster-edge/configmaps")["items"] == []


def test_a_namespace_stays_terminating_until_somebody_finalizes_it(lab_cluster: ControlPlane) -> None:
    lab_cluster.namespace("cluster-edge")
    lab_cluster.api.request("DELETE", "/api/v1/namespaces/cluster-edge")
    told = lab_cluster.api.request("GET", "/api/v1/namespaces/cluster-edge")
    assert told["status"]["phase"] == "Terminating"


def test_what_goes_with_its_crd_is_no_matter_to_reset(lab_cluster: ControlPlane) -> None:
    lab_cluster.namespace("cluster-edge")
    lab_cluster.apply(CLUSTER)
    lab_cluster.delete(crd("clusters"))
    assert lab_cluster.api.status(CLUSTERS) == 404


# -- processes


def test_two_at_once_know_nothing_of_each_other(lab_cluster: ControlPlane) -> None:
    with ControlPlane(lab_cluster.binaries) as other:
        lab_cluster.apply(node("n1"))
        other.apply(node("n2"))
        names = [
            [item["metadata"]["name"] for item in plane.api.request("GET", "/api/v1/nodes")["items"]]
            for plane in (lab_cluster, other)
        ]
        assert names == [["n1"], ["n2"]]
        assert other.url != lab_cluster.url
        pids, directory = other.pids, other.directory
    assert alive(pids) == []
    assert not directory.exists()


def test_binaries_of_kubebuilder_assets_are_used(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(assets))
    with ControlPlane() as plane:
        assert plane.api.status("/readyz") == 200
    assert (assets / "used-etcd").exists()
    assert (assets / "used-kube-apiserver").exists()


def test_a_server_that_ends_at_once_is_said_with_its_last_words(assets: Path) -> None:
    (assets / "kube-apiserver").write_text("#!/bin/sh\necho this port is mine\nexit 3\n", "utf-8")
    with pytest.raises(ControlPlaneFailed, match="kube-apiserver ended with status 3:\nthis port is mine"):
        ControlPlane(Binaries(assets / "kube-apiserver", assets / "etcd", "a test")).start()


@pytest.mark.parametrize(("in_ci", "told"), [(False, "1 skipped"), (True, "1 error")])
def test_no_control_plane_is_a_skip_but_not_in_ci(tmp_path: Path, *, in_ci: bool, told: str) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "CI" and "PYTEST" not in name}
    environment |= {"KUBEBUILDER_ASSETS": str(tmp_path)} | ({"CI": "true"} if in_ci else {})
    test = f"{Path(__file__).relative_to(ROOT)}::test_version_is_that_of_a_release"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", test]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert told in done.stdout
    assert f"KUBEBUILDER_ASSETS is {tmp_path}" in done.stdout
    assert done.returncode == in_ci


def test_kubebuilder_assets_without_the_programs_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    with pytest.raises(ControlPlaneUnavailable, match="kube-apiserver is no program in it"):
        find_binaries()


def test_binaries_on_the_path_come_before_a_build(assets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", str(assets))
    assert find_binaries().apiserver == assets / "kube-apiserver"


def test_neither_binaries_nor_go_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEBUILDER_ASSETS", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PREFLIGHT_CACHE", str(tmp_path))
    with pytest.raises(ControlPlaneUnavailable, match="set KUBEBUILDER_ASSETS"):
        find_binaries()


START_AND_WAIT = """
import sys
from tests.lab.controlplane import ControlPlane
plane = ControlPlane().start()
print(plane.directory, *plane.pids, flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, None], ids=["killed", "exited"])
def test_the_processes_end_with_ours(assets: Path, end: signal.Signals | None) -> None:
    command, environment = (
        [sys.executable, "-c", START_AND_WAIT],
        os.environ | {"KUBEBUILDER_ASSETS": str(assets)},
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes) as owner:  # type: ignore[call-overload]
        directory, *pids = owner.stdout.readline().split()
        assert len(alive([int(pid) for pid in pids])) == 2
        if end is not None:
            owner.send_signal(end)
    wait_until(lambda: not alive([int(pid) for pid in pids]), "both processes to end")
    wait_until(lambda: not Path(directory).exists(), "their directory to go")


def test_loopback_is_enough(assets: Path) -> None:
    alone = ["unshare", "--user", "--map-root-user", "--net", "sh", "-c"]
    if not shutil.which("unshare") or subprocess.run([*alone, "ip link set lo up"], check=False).returncode:
        pytest.skip("no network namespace for us here (unshare --user --net)")
    code = "from tests.lab.controlplane import ControlPlane as C\nwith C() as c: print(c.api.status('/readyz'))"
    script = f'ip link set lo up && exec "{sys.executable}" -c "$0"'
    environment = os.environ | {"KUBEBUILDER_ASSETS": str(assets)}
    done = subprocess.run(
        [*alone, script, code], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.stdout == "200\n", done.stderr


def test_up_stays_up_until_down(assets: Path, tmp_path: Path) -> None:
    environment = os.environ | {"KUBEBUILDER_ASSETS": str(assets), "PREFLIGHT_CACHE": str(tmp_path / "cache")}

    def run(action: str) -> str:
        command = [sys.executable, "-m", "tests.lab.controlplane", action]
        return subprocess.run(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True).stdout

    line = run("up")
    try:
        assert line.startswith("export KUBECONFIG=")
        kubeconfig = Path(line.strip().partition("=")[2])
        assert ask(kubeconfig, "/readyz")[0] == 200
        assert run("up") == line
    finally:
        run("down")
    assert not kubeconfig.exists()
    run("down")


def node(name: str) -> dict[str, Any]:
    """A healthy node."""
    status = {"conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": status}
