"""The kubeadm cluster itself: its nodes, its kubelets and its etcd are what they claim to be."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests.lab.kubeadm import BUSYBOX, KubeadmFailed, KubeadmLab, cluster
from tests.lab.kubeadm.layer import KERNEL_VALUES
from tests.lab.tools import LabError

# As they are before any cluster starts: this module is imported first.
MACHINE = {name: Path("/proc/sys", name).read_text("ascii") for name in KERNEL_VALUES}
PKI = "/etc/kubernetes/pki/etcd"
MEMBERS = (
    *(
        "etcdctl",
        "--endpoints=https://127.0.0.1:2379",
        f"--cacert={PKI}/ca.crt",
        f"--cert={PKI}/healthcheck-client.crt",
    ),
    *(f"--key={PKI}/healthcheck-client.key", "member", "list", "--write-out=json"),
)


def conditions(node: dict[str, Any]) -> dict[str, str]:
    """The status of each condition of a node, by its type."""
    return {one["type"]: one["status"] for one in node["status"]["conditions"]}


def said(lab: KubeadmLab, target: str, command: str) -> str:
    """What a command printed on a node where it succeeded."""
    done = lab.lab.ssh(target, command)
    assert done.returncode == 0, done
    return str(done.stdout)


def test_every_node_is_ready(kubeadm: KubeadmLab) -> None:
    nodes = {node["metadata"]["name"]: node for node in kubeadm.get("nodes")["items"]}
    assert sorted(nodes) == sorted(kubeadm.hosts)
    for name, node in nodes.items():
        assert conditions(node)["Ready"] == "True"
        assert {"type": "InternalIP", "address": kubeadm.lab.address(name)} in node["status"]["addresses"]
        is_control_plane = "node-role.kubernetes.io/control-plane" in node["metadata"]["labels"]
        assert is_control_plane == (name in kubeadm.control_planes)


def test_the_control_plane_runs_in_static_pods_that_are_ready(kubeadm: KubeadmLab) -> None:
    pods = kubeadm.get("pods", "--namespace=kube-system", "--selector=tier=control-plane")["items"]
    assert len(pods) == 4 * len(kubeadm.control_planes)
    for pod in pods:
        assert pod["metadata"]["ownerReferences"][0]["kind"] == "Node"
        assert [one["status"] for one in pod["status"]["conditions"] if one["type"] == "Ready"] == ["True"]


def test_exec_in_the_etcd_pod_takes_words_and_offers_no_shell(kubeadm: KubeadmLab) -> None:
    members = json.loads(kubeadm.exec("etcd-cp1", *MEMBERS))["members"]
    assert sorted(member["name"] for member in members) == kubeadm.control_planes
    assert not any(member.get("isLearner") for member in members)
    done = kubeadm.try_kubectl("--namespace=kube-system", "exec", "etcd-cp1", "--", "sh", "-c", "true")
    assert done.returncode != 0
    assert "executable file not found" in done.stderr


def test_etcd_answers_to_a_nodes_own_certificates(kubeadm: KubeadmLab) -> None:
    over_ssh = json.loads(said(kubeadm, "cp2", " ".join(MEMBERS)))["members"]
    by_exec = json.loads(kubeadm.exec("etcd-cp1", *MEMBERS))["members"]
    assert {member["ID"] for member in over_ssh} == {member["ID"] for member in by_exec}


def test_logs_of_a_pod(kubeadm: KubeadmLab) -> None:
    lines = kubeadm.kubectl("--namespace=kube-system", "logs", "etcd-cp3").splitlines()
    assert any("ready to serve client requests" in line for line in lines)


def test_a_pod_of_ones_own_with_a_shell_on_the_worker(kubeadm: KubeadmLab) -> None:
    container = {
        "name": "main",
        "image": BUSYBOX,
        "imagePullPolicy": "Never",
        "command": ["/bin/sh", "-c", "echo started; exec sleep 3600"],
    }
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "shell", "namespace": "default"},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    with_pod = kubeadm.cluster
    with_pod.apply(pod)
    try:
        kubeadm.wait("condition=Ready", "pod/shell", namespace="default")
        assert kubeadm.get("pod", "shell")["spec"]["nodeName"] == "worker1"
        assert kubeadm.kubectl("logs", "shell") == "started\n"
        # Pods reach the hosts of other nodes, and the other way round, without any kube-proxy.
        reached = kubeadm.exec("shell", "ping", "-c", "1", kubeadm.lab.address("cp3"), namespace="default")
        assert "1 packets received" in reached
    finally:
        with_pod.delete(pod)


def test_a_role_lets_a_service_account_exec_and_nothing_else(kubeadm: KubeadmLab) -> None:
    role = {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "exec"},
        "rules": [
            {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]},
            {"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]},
        ],
    }
    try:
        token = kubeadm.cluster.service_account("reader", "exec")
        kubeadm.cluster.bind(role, "reader/exec")
        config = kubeadm.kubeconfig_for("exec", token)
        as_user = [str(kubeadm.kubectl_program), f"--kubeconfig={config}"]
        done = kubeadm.lab.run([*as_user, "--namespace=kube-system", "exec", "etcd-cp1", "--", "etcdctl", "version"])
        assert done.returncode == 0, done
        assert "etcdctl version" in done.stdout
        refused = kubeadm.lab.run([*as_user, "get", "nodes"])
        assert "Forbidden" in refused.stderr
    finally:
        kubeadm.cluster.reset()


def test_a_stopped_kubelet_is_noticed_and_so_is_its_return(kubeadm: KubeadmLab) -> None:
    said(kubeadm, "worker1", "systemctl stop kubelet")
    try:
        kubeadm.wait("condition=Ready=Unknown", "node/worker1")
        assert said(kubeadm, "worker1", "systemctl is-active containerd").strip() == "active"
        taints = kubeadm.get("node", "worker1")["spec"]["taints"]
        assert "node.kubernetes.io/unreachable" in {taint["key"] for taint in taints}
    finally:
        said(kubeadm, "worker1", "systemctl start kubelet")
    kubeadm.wait("condition=Ready", "node/worker1")


@pytest.mark.parametrize("name", ["cp1", "worker1"])
def test_a_node_is_a_host_to_log_in_to(kubeadm: KubeadmLab, name: str) -> None:
    assert said(kubeadm, name, "hostname").strip() == name
    assert said(kubeadm, name, "systemctl is-active kubelet containerd").split() == ["active", "active"]
    assert (
        said(kubeadm, name, "kubelet --version").split()[-1]
        == kubeadm.get("node", name)["status"]["nodeInfo"]["kubeletVersion"]
    )


def test_the_kubelets_journal(kubeadm: KubeadmLab) -> None:
    journal = said(
        kubeadm, "worker1", "journalctl --unit=kubelet --output=short-iso --no-pager --grep='Starting kubelet'"
    )
    assert "worker1 kubelet[" in journal


def test_api_servers_of_all_control_planes_answer(kubeadm: KubeadmLab) -> None:
    for name in kubeadm.control_planes:
        assert kubeadm.kubectl("get", "--raw=/readyz", via=name) == "ok"


def test_no_kubelet_sets_what_belongs_to_the_machine(kubeadm: KubeadmLab) -> None:
    assert {name: Path("/proc/sys", name).read_text("ascii") for name in KERNEL_VALUES} == MACHINE
    for name, wanted in KERNEL_VALUES.items():
        assert said(kubeadm, "cp1", f"cat /proc/sys/{name}").strip() == wanted
        assert kubeadm.lab.ssh("cp1", f"echo {wanted} > /proc/sys/{name}").returncode != 0


class TestStart:
    """What happens around the start, without one."""

    def test_a_first_failure_is_forgiven_and_a_second_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        attempts: list[str] = []

        def attempt(self: KubeadmLab, images: object, patience: float) -> KubeadmLab:
            attempts.append("failed")
            if len(attempts) != 2:
                raise KubeadmFailed("no")
            return self

        monkeypatch.setattr(KubeadmLab, "_images", lambda self: [])
        monkeypatch.setattr(KubeadmLab, "_attempt", attempt)
        KubeadmLab().start(1, 0)
        with pytest.raises(KubeadmFailed):
            KubeadmLab().start(1, 0)
        assert len(attempts) == 4

    @pytest.mark.root
    @pytest.mark.skipif(os.geteuid() != 0, reason="needs root: without it that alone is told")
    @pytest.mark.parametrize(("inotify", "megabytes", "says"), [(10**6, 0, "fs.inotify"), (0, 10**9, "memory")])
    def test_a_machine_that_is_too_small_is_told_so(self, inotify: int, megabytes: int, says: str) -> None:
        with pytest.raises(LabError, match=says):
            cluster.check_possible(inotify, megabytes)
