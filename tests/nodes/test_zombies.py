"""A node that the API server calls dead while its host runs its pods on, on a real cluster with a real kubelet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.lab.controlplane.api import wait_until
from tests.lab.kubeadm import BUSYBOX, KubeadmLab
from tests.running import Result, preflight

NODE, SINGLETON, LOG = "k8s-zombie-node", "k8s-zombie-singleton", "k8s-kubelet-dead-connection-log"
WORKER = "worker1"
#: The profiles for kubelets of today leave the log out, for theirs have a newer Go. What they say is the same.
PROFILE = {
    "title": "Zombies of today",
    "extends": "kubernetes",
    "target": "1.35",
    "without": ["os-tmp-noexec", "os-kernel-too-old", "os-centos-repos"],
}
#: Nobody says that the connection is gone, as where a cable is pulled.
CUT = "add table inet lab; add chain inet lab {0} {{ type filter hook {0} priority 0; }}; add rule inet lab {0} tcp {1} 6443 drop"
CNI = "/etc/cni/net.d/10-lab.conflist"


def workload() -> list[dict[str, Any]]:
    """A database: one replica, whose volume lies on the worker; it is given up soon after its node."""
    where, labels = {"name": "db", "namespace": "default"}, {"app": "db"}
    size, modes = {"storage": "1Mi"}, ["ReadWriteOnce"]
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": "db"},
        "spec": {
            "capacity": size,
            "accessModes": modes,
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": "/srv/db", "type": "DirectoryOrCreate"},
            "claimRef": where,
        },
    }
    claim = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": where,
        "spec": {
            "accessModes": modes,
            "resources": {"requests": size},
            "storageClassName": "",
            "volumeName": "db",
        },
    }
    container = {
        "name": "main",
        "image": BUSYBOX,
        "imagePullPolicy": "Never",
        "command": ["sleep", "3600"],
        "volumeMounts": [{"name": "data", "mountPath": "/data"}],
    }
    gone = {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 1,
    }
    pod = {
        "containers": [container],
        "volumes": [{"name": "data", "persistentVolumeClaim": {"claimName": "db"}}],
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
        "tolerations": [gone],
    }
    deployment = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": where,
        "spec": {"selector": {"matchLabels": labels}, "template": {"metadata": {"labels": labels}, "spec": pod}},
    }
    return [volume, claim, deployment]


@dataclass
class Site:
    """The cluster with its workload, and the directory in which runs are made."""

    lab: KubeadmLab
    place: Path
    kubeconfig: Path

    def pods(self) -> dict[str, dict[str, Any]]:
        """Those of the workload, by name."""
        return {one["metadata"]["name"]: one for one in self.lab.get("pods", "--selector=app=db")["items"]}

    def runs(self) -> bool:
        """Whether it has one pod, which is ready and wanted."""
        pods = list(self.pods().values())
        conditions = {one["type"]: one["status"] for pod in pods for one in pod["status"].get("conditions", [])}
        return len(pods) == 1 and "deletionTimestamp" not in pods[0]["metadata"] and conditions.get("Ready") == "True"

    def is_replaced(self) -> bool:
        """Whether its pod is to end, and another one waits."""
        return sorted("deletionTimestamp" in one["metadata"] for one in self.pods().values()) == [False, True]

    def on_worker(self, command: str) -> str:
        """What a command printed on the worker, where it succeeded."""
        done = self.lab.lab.inside(WORKER, command)
        assert done.returncode == 0, done
        return str(done.stdout)

    def kubelet(self) -> int:
        """The process id of the worker's kubelet, as the worker sees it."""
        return int(self.on_worker("systemctl show --property=MainPID --value kubelet"))

    def change(self, name: str, kubeconfig: Path, **hosts: str) -> Path:
        """A change file over the cluster and these of its hosts: name -> role."""
        profile = self.place / "zombies.yaml"
        profile.write_text(yaml.safe_dump(PROFILE), encoding="utf-8")
        keys = {
            "profile": str(profile),
            "clusters": {"lab": {"kubeconfig": str(kubeconfig)}},
            "hosts": {
                host: {"connection": f"ssh://{host}", "roles": [role], "cluster": "lab"} for host, role in hosts.items()
            },
            "ssh": {"config": str(self.lab.lab.ssh_config)},
        }
        change = self.place / f"{name}.yaml"
        change.write_text(yaml.safe_dump(keys), encoding="utf-8")
        return change

    def run(self, name: str) -> Result:
        """The suite over the cluster and its hosts in a stuck upgrade, with no right but that of the derived role."""
        hosts = dict.fromkeys(self.lab.control_planes, "control-plane") | {WORKER: "worker"}
        change = self.change(name, self.kubeconfig, **hosts)
        return preflight(f"--change={change}", "--situation=stuck", cwd=self.place, reports=name)


@pytest.fixture(scope="module")
def site(kubeadm: KubeadmLab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The cluster with a workload on its worker, and with a service account that may do what the plan says."""
    with kubeadm.entered(), ExitStack() as stack:
        site = Site(kubeadm, tmp_path_factory.mktemp("zombies"), kubeadm.kubeconfig)
        stack.callback(kubeadm.cluster.reset)
        change = site.change("plan", kubeadm.kubeconfig, worker1="worker")
        printed = preflight(f"--change={change}", "--situation=stuck", "--plan=rbac", cwd=site.place)
        token = kubeadm.cluster.service_account("preflight", "zombies")
        kubeadm.cluster.bind(yaml.safe_load(printed.out), "preflight/zombies")
        site.kubeconfig = kubeadm.kubeconfig_for("zombies", token)
        kubeadm.cluster.apply(*workload())
        stack.callback(wait_until, lambda: not site.pods(), "the pods of the workload to go", 60)
        stack.callback(kubeadm.cluster.delete, *reversed(workload()))
        wait_until(site.runs, "the workload to run", 60)
        yield site


@pytest.fixture(scope="module")
def runs(site: Site) -> dict[str, Result]:
    """A run for each of the things that happen to the worker, one after the other."""
    found = {}
    with site.lab.entered():
        # What its kubelet said during other tests is not this one's affair.
        site.on_worker("journalctl --rotate --vacuum-size=1")
        found["sound"] = site.run("sound")
        try:
            site.on_worker(f"mv {CNI} /root/")
            site.lab.wait("condition=Ready=False", f"node/{WORKER}")
            found["not ready"] = site.run("not-ready")
        finally:
            # Written anew: containerd does not notice a file that is moved.
            site.on_worker(f"cat /root/{CNI.rpartition('/')[2]} > {CNI}")
        site.lab.wait("condition=Ready", f"node/{WORKER}")
        pid = site.kubelet()
        try:
            # The worker's packets to and from all API servers get lost.
            rules = "; ".join(CUT.format(*one) for one in (("output", "dport"), ("input", "sport")))
            site.on_worker(f"nft '{rules}'")
            site.lab.wait("condition=Ready=Unknown", f"node/{WORKER}")
            wait_until(site.is_replaced, "a replacement for its pod", 60)
            said = "journalctl --unit=kubelet --since=-60s --grep='Client.Timeout exceeded' --quiet | wc -l"
            wait_until(lambda: int(site.on_worker(said)) > 2, "the kubelet to say so", 60)
            found["cut off"] = site.run("cut-off")
            # It does nothing any more, although its process is there and systemd calls it active.
            site.on_worker(f"kill -STOP {pid}; nft delete table inet lab")
            assert site.on_worker("systemctl is-active kubelet").strip() == "active"
            found["frozen"] = site.run("frozen")
            # Everything has ended, and the host answers.
            site.on_worker("systemctl kill --signal=KILL kubelet; systemctl stop kubelet")
            site.on_worker("for one in $(ctr -n k8s.io tasks ls -q); do ctr -n k8s.io tasks kill -s KILL $one; done")
            found["ended"] = site.run("ended")
        finally:
            site.on_worker(f"nft delete table inet lab; kill -CONT {pid}; systemctl start kubelet")
        site.lab.wait("condition=Ready", f"node/{WORKER}")
    return found


def lines(finding: dict[str, Any]) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(NODE, SINGLETON, LOG)
def test_nothing_is_wrong_with_a_sound_cluster(runs: dict[str, Result]) -> None:
    sound = runs["sound"]
    assert sound.outcomes[NODE, "fleet"] == "clear"
    assert sound.outcomes[SINGLETON, "lab"] == "clear"
    assert sound.outcomes[LOG, WORKER] == "clear"


@pytest.mark.real(NODE, SINGLETON)
def test_a_kubelet_that_says_itself_that_its_node_is_not_ready(runs: dict[str, Result]) -> None:
    """It is heard of: nothing runs twice yet, and nobody has given up its pods."""
    found = runs["not ready"].finding(NODE, "fleet")
    assert found["outcome"] == "warning"
    assert f"host {WORKER} answers and runs its kubelet, which is heard of, and 1 pod (default/db-" in found["message"]
    assert lines(found)[0] == f"cluster lab: node {WORKER} Ready=False KubeletNotReady"
    found = runs["not ready"].finding(SINGLETON, "lab")
    assert found["outcome"] == "warning"
    assert "nothing takes its place yet" in found["message"]
    assert runs["not ready"].outcomes[LOG, WORKER] == "clear"


@pytest.mark.real(NODE)
@pytest.mark.parametrize("run", ["cut off", "frozen"])
def test_a_node_lives_on(runs: dict[str, Result], run: str) -> None:
    found = runs[run].finding(NODE, "fleet")
    assert found["outcome"] == "hazard"
    assert f"node {WORKER} of lab is NotReady (Unknown) since " in found["message"]
    assert f"host {WORKER} answers and runs its kubelet and 1 pod (default/db-" in found["message"]
    assert lines(found)[0] == f"cluster lab: node {WORKER} Ready=Unknown NodeStatusUnknown"
    assert "cp1" not in found["message"]
    assert f"sudo systemctl restart kubelet   # on {WORKER}" in found["remedy"]
    assert runs[run].code == 1


@pytest.mark.real(LOG)
def test_its_kubelet_says_that_nobody_answers(runs: dict[str, Result]) -> None:
    found = runs["cut off"].finding(LOG, WORKER)
    assert found["outcome"] == "hazard"
    assert "the kubelet gets no answer from its API server" in found["message"]
    assert any("Error updating node status, will retry" in one for one in lines(found))
    assert any("Client.Timeout exceeded while awaiting headers" in one for one in lines(found))


@pytest.mark.real(SINGLETON)
@pytest.mark.parametrize("run", ["cut off", "frozen", "ended"])
def test_its_only_pod_is_stuck(runs: dict[str, Result], run: str) -> None:
    found = runs[run].finding(SINGLETON, "lab")
    assert found["outcome"] == "hazard"
    assert "deployment default/db: pod db-" in found["message"]
    assert f" on {WORKER} (Terminating) is still there ({WORKER} is NotReady (Unknown) since " in found["message"]
    assert "cannot take its place" in found["message"]
    assert f"node {WORKER}, not ready, terminating; claims db" in lines(found)[0]
    assert "node (none), not ready; claims db" in lines(found)[1]


@pytest.mark.real(NODE)
def test_a_node_that_is_as_dead_as_it_seems(runs: dict[str, Result]) -> None:
    found = runs["ended"].finding(NODE, "fleet")
    assert found["outcome"] == "clear"
    assert f"not ready, and their hosts run none of their pods: lab/{WORKER}" in found["message"]
