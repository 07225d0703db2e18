"""A real Kubernetes cluster, made by kubeadm, whose nodes are test hosts with a real kubelet and a real containerd.

    with KubeadmLab().start(control_planes=3, workers=1) as cluster:
        cluster.exec("etcd-cp1", "etcdctl", "version")
        cluster.lab.ssh("cp1", "systemctl is-active kubelet")

The nodes are cp1 to cpN and worker1 to workerN. There is no kube-proxy, no name service and no registry: of images
those of the control plane are there, and `layer.BUSYBOX`.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import yaml

from tests.lab import cache, cgroups
from tests.lab.controlplane.api import Api, wait_until
from tests.lab.controlplane.binaries import ControlPlaneUnavailable, built_node_programs
from tests.lab.controlplane.cluster import Cluster
from tests.lab.controlplane.kubeconfig import Login, render
from tests.lab.hosts import Lab, LabError
from tests.lab.kubeadm.configuration import DISCOVERY_FILE, KUBEADM_FILE, Layout
from tests.lab.kubeadm.layer import node_images, start_containerd
from tests.lab.spec import addresses

# inotify instances and memory of one node. The controller manager that leads has six instances more than the others.
_INOTIFY = {"control plane": 23, "worker": 14}
_LEADER = 6
_MEGABYTES = {"control plane": 900, "worker": 250}
_Subject = TypeVar("_Subject")
_COMPONENTS = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")

_ADMINISTRATOR = """\
apiVersion: v1
kind: ServiceAccount
metadata: {name: preflight-lab, namespace: kube-system}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: preflight-lab}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: cluster-admin}
subjects: [{kind: ServiceAccount, name: preflight-lab, namespace: kube-system}]
"""


class KubeadmFailed(Exception):  # noqa: N818 - says what happened
    """A cluster did not come up, or a command to it failed; the message says where to read on."""


class KubeadmLab:
    """The hosts of `lab` as one Kubernetes cluster; with `stays` they outlive this process."""

    def __init__(self, *, stays: bool = False) -> None:
        self._stays = stays
        self.lab = Lab(stays=stays)
        self.control_planes: list[str] = []
        self.workers: list[str] = []

    @classmethod
    def attach(cls, lab: Lab) -> KubeadmLab:
        """The cluster of a running lab that some other process started."""
        cluster = cls(stays=True)
        cluster.lab = lab
        cluster.control_planes = [name for name in lab.hosts if name.startswith("cp")]
        cluster.workers = [name for name in lab.hosts if name.startswith("worker")]
        return cluster

    # -- life

    def start(self, control_planes: int = 3, workers: int = 1, patience: float = 240) -> Self:
        """Bring the cluster up: when this returns, every node and every pod of the control plane is ready.

        A first attempt that fails or takes longer than `patience` seconds is repeated once: on a machine that is busy
        an etcd may miss its heartbeats. LabError where this machine cannot have such a cluster.
        """
        if control_planes < 1:
            raise ValueError("a cluster has at least one control plane")
        self.control_planes = [f"cp{number}" for number in range(1, control_planes + 1)]
        self.workers = [f"worker{number}" for number in range(1, workers + 1)]
        images = self._images()
        try:
            return self._attempt(images, patience)
        except KubeadmFailed as failure:
            print(f"lab: {failure}\nlab: once more", file=sys.stderr)
        return self._attempt(images, patience)

    def stop(self) -> None:
        """End all nodes and remove everything of them; harmless when they have ended already."""
        self.lab.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside the cluster's network for a while: `kubeconfig` and `cluster` lead to something only there."""
        with self.lab.entered():
            yield

    # -- what is there

    @property
    def hosts(self) -> list[str]:
        """The names of all nodes, which are those of their hosts, control planes first."""
        return [*self.control_planes, *self.workers]

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig, to the API server of the first control plane."""
        return self.kubeconfig_of(self.control_planes[0])

    def kubeconfig_of(self, control_plane: str) -> Path:
        """The administrator's kubeconfig, to the API server of this control plane."""
        return self.lab.directory / f"admin-{control_plane}.conf"

    def kubeconfig_for(self, user: str, token: str) -> Path:
        """A kubeconfig for whoever has this token, as of `cluster.service_account`."""
        admin = yaml.safe_load(self.kubeconfig.read_text("utf-8"))["clusters"][0]["cluster"]
        path = self.lab.directory / f"{user}.conf"
        path.touch(mode=0o600)
        ca = self._read(self.control_planes[0], "/etc/kubernetes/pki/ca.crt").encode()
        path.write_text(render(Login(user, token), admin["server"], ca), "utf-8")
        return path

    @cached_property
    def cluster(self) -> Cluster:
        """Objects and service accounts of the cluster, as administrator; to be used when `entered`."""
        self.kubectl("apply", "--filename=-", given=_ADMINISTRATOR)
        token = self.kubectl("--namespace=kube-system", "create", "token", "preflight-lab", "--duration=24h").strip()
        ca = self.lab.directory / "cluster-ca.crt"
        ca.write_text(self._read(self.control_planes[0], "/etc/kubernetes/pki/ca.crt"), "utf-8")
        return Cluster(Api(f"https://{self.lab.address(self.control_planes[0])}:6443", ca, token))

    @property
    def kubectl_program(self) -> Path:
        """The kubectl of the cluster's own version, on this machine."""
        return built_node_programs() / "kubectl"

    # -- commands

    def kubectl(self, *argv: str, seconds: float = 60, via: str | None = None, given: str | None = None) -> str:
        """What kubectl prints as administrator, by way of the control plane `via`; `given` is its standard input."""
        done = self.try_kubectl(*argv, seconds=seconds, via=via, given=given)
        if done.returncode != 0:
            raise KubeadmFailed(f"kubectl {' '.join(argv)}: {done.stderr.strip()[-2000:]}")
        return done.stdout

    def try_kubectl(
        self, *argv: str, seconds: float = 60, via: str | None = None, given: str | None = None
    ) -> subprocess.CompletedProcess[str]:
        """The same where it may fail: with its exit status and what it printed."""
        config = self.kubeconfig_of(via) if via else self.kubeconfig
        options = (f"--kubeconfig={config}", f"--cache-dir={self.lab.directory / 'kubectl'}")
        stdin: dict[str, Any] = {"stdin": subprocess.DEVNULL} if given is None else {"input": given}
        try:
            return self.lab.run([self.kubectl_program, *options, *argv], timeout=seconds, **stdin)
        except subprocess.TimeoutExpired as error:
            raise KubeadmFailed(f"kubectl {' '.join(argv)} took longer than {seconds:.0f} s") from error

    def get(self, *argv: str) -> Any:
        """The object or list that `kubectl get` is asked for."""
        return json.loads(self.kubectl("get", *argv, "--output=json"))

    def exec(self, pod: str, *argv: str, namespace: str = "kube-system") -> str:
        """What a program in a pod prints; the words go to it as they are, without a shell."""
        return self.kubectl(f"--namespace={namespace}", "exec", pod, "--", *argv)

    def wait(self, condition: str, *objects: str, namespace: str = "kube-system", seconds: float = 60) -> None:
        """Watch until these objects (node/cp1, pod/x ...) have a condition as `kubectl wait --for` takes it."""
        words = (f"--namespace={namespace}", "wait", f"--for={condition}", f"--timeout={seconds:.0f}s")
        self.kubectl(*words, *objects, seconds=seconds + 10)

    # -- how it comes up

    def _images(self) -> list[Path]:
        """Make sure that this machine can have the cluster, build what is missing; LabError where it cannot."""
        kinds = ["control plane"] * len(self.control_planes) + ["worker"] * len(self.workers)
        check_possible(sum(_INOTIFY[kind] for kind in kinds) + _LEADER, sum(_MEGABYTES[kind] for kind in kinds))
        try:
            return node_images()
        except ControlPlaneUnavailable as error:
            raise LabError(f"no programs for a Kubernetes cluster: {error}") from error

    def _attempt(self, images: list[Path], patience: float) -> Self:
        deadline = time.monotonic() + patience
        layout = Layout(
            self.control_planes,
            self.workers,
            addresses(self.hosts),
            token=f"{secrets.token_hex(3)}.{secrets.token_hex(8)}",
            certificate_key=secrets.token_hex(32),
        )
        self.lab = Lab(stays=self._stays, images=images)
        self.__dict__.pop("cluster", None)
        try:
            self.lab.start([layout.spec(name) for name in self.hosts], patience=patience)
            self._bring_up(deadline)
        except BaseException as error:
            kept = self._keep_logs(error)
            self.stop()
            if isinstance(error, KubeadmFailed | LabError | TimeoutError):
                raise KubeadmFailed(f"no Kubernetes cluster: {error}\nlogs of its hosts: {kept}") from error
            raise
        return self

    def _bring_up(self, deadline: float) -> None:
        _all(self.hosts, lambda name: start_containerd(self.lab, name))
        first, *others = self.control_planes
        self._kubeadm(first, "init --upload-certs --skip-phases=preflight,addon", deadline)
        for name in self.control_planes:
            self._write_kubeconfig(name)
        # Control planes one after the other: etcd takes one new member at a time, and what waits for it - the next one's
        # API server, and with it its kubelet - would wait ever longer between its attempts.
        _all([others, *([name] for name in self.workers)], lambda names: self._join(names, deadline))
        nodes = [f"node/{name}" for name in self.hosts]
        pods = [f"pod/{component}-{name}" for name in self.control_planes for component in _COMPONENTS]
        # Without it pods are refused.
        for kind, names in (("nodes", nodes), ("pods", pods), ("serviceaccounts", ["serviceaccount/default"])):
            self._await_created(kind, set(names), deadline)
        self.wait("condition=Ready", *nodes, *pods, seconds=deadline - time.monotonic())

    def _join(self, names: Sequence[str], deadline: float) -> None:
        """Have these hosts join one after the other."""
        ca = self._read(self.control_planes[0], "/etc/kubernetes/pki/ca.crt").encode()
        info = render(Login("nobody"), f"https://{self.lab.address(self.control_planes[0])}:6443", ca)
        for name in names:
            self.lab.inside(name, f"cat > {DISCOVERY_FILE}", input=info)
            self._kubeadm(name, "join --skip-phases=preflight", deadline)

    def _await_created(self, kind: str, names: set[str], deadline: float) -> None:
        # `kubectl wait --for=create` gives up where two of several objects are not there yet.
        def created() -> bool:
            return names <= set(self.kubectl("get", kind, "--all-namespaces", "--output=name").split())

        wait_until(created, f"{', '.join(sorted(names))} to be there", deadline - time.monotonic())

    def _kubeadm(self, name: str, words: str, deadline: float) -> None:
        command = f"kubeadm {words} --config {KUBEADM_FILE} --ignore-preflight-errors=all --v=1"
        environment = "env -i HOME=/root PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        log = self.lab.directory / f"{name}.kubeadm.log"
        with log.open("w", encoding="utf-8") as output:
            options: dict[str, Any] = {"capture_output": False, "stdout": output, "stderr": subprocess.STDOUT}
            options |= {"stdin": subprocess.DEVNULL, "timeout": max(1.0, deadline - time.monotonic())}
            try:
                done = self.lab.inside(name, f"{environment} {command}", **options)
            except subprocess.TimeoutExpired as error:
                raise KubeadmFailed(f"{name}: kubeadm {words} took too long: {_tail(log)}") from error
        if done.returncode != 0:
            raise KubeadmFailed(f"{name}: kubeadm {words} failed: {_tail(log)}")

    def _write_kubeconfig(self, control_plane: str) -> None:
        config = yaml.safe_load(self._read(self.control_planes[0], "/etc/kubernetes/admin.conf"))
        # From the network's own point of view: nobody there knows the name that the nodes have for it.
        config["clusters"][0]["cluster"]["server"] = f"https://{self.lab.address(control_plane)}:6443"
        path = self.kubeconfig_of(control_plane)
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")

    def _read(self, name: str, path: str) -> str:
        done = self.lab.inside(name, f"cat {path}")
        if done.returncode != 0:
            raise KubeadmFailed(f"{name}: {done.stderr.strip()}")
        return str(done.stdout)

    def _keep_logs(self, error: BaseException) -> Path:
        """Save what the hosts have to say before they end; only that of the last failure is kept."""
        kept = cache.cache_dir() / "kubeadm-failed"
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir(mode=0o700)
        (kept / "error").write_text(f"{error}\n", "utf-8")
        for log in self.lab.directory.glob("*.log"):
            shutil.copy(log, kept)
        script = "journalctl --no-pager --lines=3000; tail -n 100 /var/log/pods/*/*/*.log"
        for name in self.hosts:
            with contextlib.suppress(OSError, KeyError, subprocess.TimeoutExpired):
                said = self.lab.inside(name, script, timeout=20)
                (kept / f"{name}.journal").write_text(said.stdout + said.stderr, "utf-8")
        return kept


def check_possible(inotify: int, megabytes: int) -> None:
    """LabError where this machine lacks the cgroups, inotify instances or memory: nodes would hang without a word."""
    if os.geteuid() != 0:
        raise LabError("a Kubernetes cluster in test hosts needs root: namespaces, mounts and a bridge")
    controllers = {name for tree in cgroups.wanted("v1") for name in tree.options.split(",")}
    missing = {"cpu", "cpuset", "memory", "pids"} - controllers
    if missing:
        raise LabError(
            f"Kubernetes nodes in test hosts need cgroups of version 1, not here: {', '.join(sorted(missing))}"
        )
    limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text(encoding="ascii"))
    used = sum(1 for link in Path("/proc").glob("[0-9]*/fd/*") if _is_inotify(link))
    if used + inotify > limit:
        raise LabError(
            f"{inotify} inotify instances are needed beside the {used} that are in use, and this machine allows {limit}:"
            f" sysctl fs.inotify.max_user_instances={used + 2 * inotify}"
        )
    rows = (line.split() for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines())
    available = next(int(row[1]) // 1024 for row in rows if row[0] == "MemAvailable:")
    if available < megabytes:
        raise LabError(f"a Kubernetes cluster needs {megabytes} MB of memory, and {available} MB are available")


def _is_inotify(link: Path) -> bool:
    try:
        return link.readlink() == Path("anon_inode:inotify")
    except OSError:  # its process has just ended
        return False


def _all(subjects: Sequence[_Subject], act: Callable[[_Subject], None]) -> None:
    """Do the same with several at once; the first failure, in their order, is raised at the end."""
    with ThreadPoolExecutor() as pool:
        for done in [pool.submit(act, subject) for subject in subjects]:
            done.result()


def _tail(log: Path) -> str:
    return "\n".join(log.read_text("utf-8", "replace").splitlines()[-15:])
