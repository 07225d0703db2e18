"""Reads that only a kubelet can answer, made by runs of the suite: programs in etcd's pods, logs, conditions, requests.

The role that --plan=rbac prints is all that such a run has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.controlplane.api import wait_until
from tests.lab.kubeadm import BUSYBOX, KubeadmLab
from tests.running import Result, preflight

WORKER = "worker1"
#: A pack that says what the shared facts hold.
PACK = {
    "lab.yaml": "title: What kubelets answer\nhazards: [t-etcd, t-etcd-metrics, t-logs, t-nodes, t-requests]\n",
    "facts.py": """\
from conformance import cluster_fact, listing, pod_logs


@cluster_fact(
    pod_logs(listing("pods"), namespace="kube-system", names="etcd-.+", matching="ready to serve client requests"),
    pod_logs(listing("pods"), namespace="default", names="shell", matching="started"),
)
def lab_logs(etcd, shell):
    return etcd, shell
""",
    "check_lab.py": """\
from conformance import BLOCKER, CLUSTER, CONTROL_PLANE, Source, Unreadable, clear, found, hazard

SAID = {"severity": BLOCKER, "source": Source("d", "s"), "remedy": "None."}


@hazard("t-etcd", title="etcd", on=[CLUSTER], **SAID)
def check_etcd(etcd):
    told = f"{etcd.source}: {len(etcd.healthy_voters)} of {len(etcd.voters)} healthy, {etcd.spare} to spare"
    ill = [f"{one.name} {one.hex_id}" for one in etcd.unhealthy_voters]
    if ill:
        raise found(f"{told}: {', '.join(ill)}", evidence=[one.health_error for one in etcd.endpoints])
    raise clear(f"{told}, leader {etcd.leader.name}, {', '.join(one.name for one in etcd.members)}")


@hazard("t-etcd-metrics", title="metrics", on=[CONTROL_PLANE], **SAID)
def check_metrics(etcd_metrics):
    raise clear(str(etcd_metrics))


@hazard("t-logs", title="logs", on=[CLUSTER], **SAID)
def check_logs(lab_logs):
    etcd, shell = lab_logs
    if shell.unread:
        raise Unreadable("; ".join(why.reason for why in shell.unread.values()))
    raise clear(" ".join(sorted(etcd) + [one.text for one in shell.matches]))


@hazard("t-nodes", title="nodes", on=[CLUSTER], **SAID)
def check_nodes(node_states, silent_nodes):
    heard = f"silent: {', '.join(silent_nodes) or 'none'}"
    raise clear("; ".join(f"{one.name} {one.ready} {one.reason} {one.addresses[0]}" for one in node_states) + "; " + heard)


@hazard("t-requests", title="requests", on=[CLUSTER], **SAID)
def check_requests(pending_kubelet_requests):
    waits = {f"{one.signer} for {one.user}" for one in pending_kubelet_requests}
    if waits:
        raise found(", ".join(sorted(waits)), evidence=[one.name for one in pending_kubelet_requests])
""",
}
SHELL = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "shell", "namespace": "default"},
    "spec": {
        "containers": [
            {
                "name": "main",
                "image": BUSYBOX,
                "imagePullPolicy": "Never",
                "command": ["/bin/sh", "-c", "echo started; exec sleep 3600"],
            }
        ],
        "terminationGracePeriodSeconds": 0,
    },
}


@dataclass
class Reader:
    """The cluster, and who reads it with no right but those of the derived role."""

    lab: KubeadmLab
    place: Path
    kubeconfig: Path
    #: A ClusterRole, and the Roles of single namespaces.
    roles: list[dict[str, Any]] = field(default_factory=list)

    def change(self, name: str, kubeconfig: Path, hosts: tuple[str, ...] = ()) -> Path:
        """A change file over the cluster, and these of its control planes."""
        path = self.place / f"{name}.yaml"
        connections = {
            host: {"connection": f"ssh://{host}", "roles": ["control-plane"], "cluster": "lab"} for host in hosts
        }
        keys: dict[str, Any] = {"profile": "lab/lab.yaml", "clusters": {"lab": {"kubeconfig": str(kubeconfig)}}}
        sides = {"hosts": connections, "ssh": {"config": str(self.lab.lab.ssh_config)}} if hosts else {}
        path.write_text(yaml.safe_dump({**keys, **(sides or {"examine": ["clusters"]})}), encoding="utf-8")
        return path

    def bound(self, account: str, roles: list[dict[str, Any]]) -> Path:
        """The kubeconfig of a service account that has these roles and no others."""
        token = self.lab.cluster.service_account("preflight", account)
        for one in roles:
            self.lab.cluster.bind({**one, "metadata": {**one["metadata"], "name": account}}, f"preflight/{account}")
        return self.lab.kubeconfig_for(account, token)

    def run(self, name: str, *options: str, kubeconfig: Path | None = None, hosts: tuple[str, ...] = ()) -> Result:
        """The suite in that change."""
        change = self.change(name, kubeconfig or self.kubeconfig, hosts)
        return preflight(f"--change={change}", *options, cwd=self.place, reports=name)


@pytest.fixture(scope="module")
def reader(kubeadm: KubeadmLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reader]:
    place = tmp_path_factory.mktemp("reads")
    (place / "lab").mkdir()
    for name, text in PACK.items():
        (place / "lab" / name).write_text(text, encoding="utf-8")
    with kubeadm.entered():
        reader = Reader(kubeadm, place, kubeadm.kubeconfig)
        try:
            printed = reader.run("plan", "--plan=rbac")
            assert printed.code == 0, printed
            reader.roles = list(yaml.safe_load_all(printed.out))
            reader.kubeconfig = reader.bound("reads", reader.roles)
            kubeadm.cluster.apply(SHELL)
            kubeadm.wait("condition=Ready", "pod/shell", namespace="default")
            yield reader
        finally:
            kubeadm.cluster.delete(SHELL)
            kubeadm.cluster.reset()


@pytest.fixture(scope="module")
def sound(reader: Reader) -> Result:
    with reader.lab.entered():
        return reader.run("sound")


class TestByTheApiServerAlone:
    def test_the_role_names_the_right_to_exec(self, reader: Reader) -> None:
        of_pods = {
            (one["kind"], one["metadata"].get("namespace"), *rule["resources"], *rule["verbs"])
            for one in reader.roles
            for rule in one["rules"]
            if "pods" in rule["resources"][0]
        }
        assert of_pods == {
            ("ClusterRole", None, "pods", "list"),
            ("ClusterRole", None, "pods/log", "get"),
            ("Role", "kube-system", "pods/exec", "create"),
            ("Role", "kube-system", "pods/exec", "get"),
        }

    def test_etcd_is_asked_in_one_of_its_pods(self, sound: Result) -> None:
        found = sound.finding("t-etcd", "lab")
        assert (found["outcome"], sound.code) == ("clear", 0)
        assert "etcdctl in pod kube-system/etcd-cp" in found["message"]
        assert ": 3 of 3 healthy, 1 to spare, leader cp" in found["message"]
        assert found["message"].endswith(", cp1, cp2, cp3")

    def test_logs(self, sound: Result) -> None:
        told = sound.finding("t-logs", "lab")["message"]
        assert told == "kube-system/etcd-cp1 kube-system/etcd-cp2 kube-system/etcd-cp3 started"

    def test_conditions_and_leases_of_nodes(self, reader: Reader, sound: Result) -> None:
        addresses = [(name, reader.lab.lab.address(name)) for name in reader.lab.hosts]
        nodes = [f"{name} True KubeletReady {address}" for name, address in addresses]
        assert sound.finding("t-nodes", "lab")["message"] == "; ".join([*nodes, "silent: none"])

    def test_requests_that_were_approved_are_not_pending(self, sound: Result) -> None:
        assert sound.outcomes["t-requests", "lab"] == "clear"

    def test_a_program_in_a_pod_can_be_declined(self, reader: Reader) -> None:
        run = reader.run("declined", "--no-exec")
        found = run.finding("t-etcd", "lab")
        assert found["outcome"] == "unknown"
        assert "--no-exec" in found["message"]
        assert run.outcomes["t-logs", "lab"] == "clear"

    def test_without_the_right_to_exec_etcd_is_unknown(self, reader: Reader) -> None:
        humble = [
            {**one, "rules": [rule for rule in one["rules"] if rule["resources"] != ["pods/exec"]]}
            for one in reader.roles
        ]
        run = reader.run("humble", kubeconfig=reader.bound("humble", humble))
        found = run.finding("t-etcd", "lab")
        assert found["outcome"] == "unknown"
        assert "exec etcdctl in pod kube-system/etcd-cp1: forbidden to system:serviceaccount:" in found["message"]
        assert "grant the role that --plan=rbac prints" in found["message"]


def test_etcd_is_asked_on_hosts_where_they_are_named(reader: Reader) -> None:
    """With the node's own certificates, over SSH; then nothing is run in a pod, though it might be."""
    run = reader.run("hosts", "--save-snapshot=hosts.json", hosts=("cp2", "cp3"))
    found = run.finding("t-etcd", "lab")
    assert found["outcome"] == "clear", run
    assert found["message"].startswith("etcdctl on cp")
    assert ": 3 of 3 healthy, 1 to spare, leader cp" in found["message"]
    kept = json.loads((reader.place / "hosts.json").read_text(encoding="utf-8"))
    assert "list nodes" in kept["answers"]["lab"]
    assert [read for read in kept["answers"]["lab"] if read.startswith("exec in")] == []
    for host in ("cp2", "cp3"):
        assert run.outcomes["t-etcd-metrics", host] == "clear"
        assert "has_leader" in run.finding("t-etcd-metrics", host)["message"]


def test_a_member_that_hangs(reader: Reader) -> None:
    """Its process is there and its port is open; etcdctl ends with 1, and says all that it knows."""
    with hanging(reader, "cp3"):
        run = reader.run("hangs")
    found = run.finding("t-etcd", "lab")
    assert found["outcome"] == "hazard"
    assert "2 of 3 healthy, 0 to spare: cp3 " in found["message"]


@contextmanager
def hanging(reader: Reader, name: str) -> Iterator[None]:
    """Have etcd on a control plane do nothing for a while, less long than its kubelet would wait before it restarts it."""
    inside = reader.lab.lab.inside
    pid = int(inside(name, "pgrep -x etcd").stdout)
    assert inside(name, f"kill -STOP {pid}").returncode == 0
    try:
        yield
    finally:
        inside(name, f"kill -CONT {pid}")
        healthy = ["get", "--raw=/readyz"]
        wait_until(
            lambda: reader.lab.try_kubectl(*healthy, via=name).returncode == 0,
            f"the API server of {name} to answer",
            90,
        )
        reader.lab.wait("condition=Ready", *(f"node/{one}" for one in reader.lab.hosts), seconds=90)


def test_a_kubelet_whose_request_nobody_approves(reader: Reader) -> None:
    """It has no certificate to serve with: its logs cannot be had, and who reads is told why."""
    inside, config = reader.lab.lab.inside, "/var/lib/kubelet/config.yaml"
    requests = ("get", "csr", "--field-selector=spec.signerName=kubernetes.io/kubelet-serving", "--output=name")
    try:
        assert inside(WORKER, f"echo 'serverTLSBootstrap: true' >> {config}; systemctl restart kubelet").returncode == 0
        wait_until(lambda: bool(reader.lab.kubectl(*requests).split()), "the kubelet to ask for a certificate", 60)
        run = reader.run("pending")
    finally:
        inside(WORKER, f"sed -i '/^serverTLSBootstrap/d' {config}; systemctl restart kubelet")
        wait_until(lambda: reader.lab.try_kubectl("logs", "shell").returncode == 0, "the kubelet to serve again", 60)
        reader.lab.kubectl("delete", *reader.lab.kubectl(*requests).split())
    found = run.finding("t-requests", "lab")
    assert found["outcome"] == "hazard"
    assert found["message"] == f"kubelet-serving for system:node:{WORKER}"
    found = run.finding("t-logs", "lab")
    assert found["outcome"] == "unknown"
    assert "tls: internal error" in found["message"]
