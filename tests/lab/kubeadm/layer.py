"""What makes a test host a Kubernetes node: a root file system with containerd, and a layer of Kubernetes over it.

The layer, one squashfs file, holds the programs, the units that the packages of kubelet and kubeadm bring, and
containerd's store with all images unpacked. They are unpacked once, while the layer is built: every node then mounts
the same files, which costs neither its start nor its memory anything.
"""

from __future__ import annotations

import inspect
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from tests.lab import cache, rootfs
from tests.lab.controlplane.api import wait_until
from tests.lab.controlplane.binaries import built_binary, built_node_programs, etcd_version, kubernetes_version
from tests.lab.hosts import HostSpec, Lab
from tests.lab.kubeadm import images
from tests.lab.tools import LabError

PACKAGES = ("conntrack", "containerd", "containernetworking-plugins", "runc", "socat")
PAUSE = "registry.k8s.io/pause:3.10.1"
ETCD_TAG = f"{etcd_version()}-0"
BUSYBOX = "docker.io/library/busybox:1"
"""The one image with a shell, for pods that a test makes."""
STORE = "/usr/lib/preflight-lab/containerd"
"""On a node: containerd's directory as it is to be at the start."""

CONTAINERD = f"""\
version = 2
disabled_plugins = [
  "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp",
]
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "{PAUSE}"
  restrict_oom_score_adj = true  # a test host lacks the right to lower it
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"  # where Debian has them
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
"""
# Both as the packages of Kubernetes have them (kubernetes/release, cmd/krel/templates/latest).
KUBELET_UNIT = """\
[Unit]
Description=kubelet: The Kubernetes Node Agent
Documentation=https://kubernetes.io/docs/
Wants=network-online.target
After=network-online.target

[Service]
ExecStart=/usr/bin/kubelet
Restart=always
StartLimitInterval=0
RestartSec=10

[Install]
WantedBy=multi-user.target
"""
KUBEADM_DROPIN = """\
# Note: This dropin only works with kubeadm and kubelet v1.11+
[Service]
Environment="KUBELET_KUBECONFIG_ARGS=--bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf --kubeconfig=/etc/kubernetes/kubelet.conf"
Environment="KUBELET_CONFIG_ARGS=--config=/var/lib/kubelet/config.yaml"
EnvironmentFile=-/var/lib/kubelet/kubeadm-flags.env
EnvironmentFile=-/etc/default/kubelet
ExecStart=
ExecStart=/usr/bin/kubelet $KUBELET_KUBECONFIG_ARGS $KUBELET_CONFIG_ARGS $KUBELET_KUBEADM_ARGS $KUBELET_EXTRA_ARGS
"""
KERNEL_VALUES = {
    "vm/overcommit_memory": "1",
    "vm/panic_on_oom": "0",
    "kernel/panic": "10",
    "kernel/panic_on_oops": "1",
    "kernel/keys/root_maxkeys": "1000000",
    "kernel/keys/root_maxbytes": "25000000",
}
"""Of /proc/sys: what a kubelet sets where it finds something else (kubernetes, pkg/util/sysctl)."""
KERNEL_VALUES_BELOW = "/usr/lib/preflight-lab/sys"
_FILES = {
    **{f"{KERNEL_VALUES_BELOW}/{name}".lstrip("/"): f"{value}\n" for name, value in KERNEL_VALUES.items()},
    "etc/containerd/config.toml": CONTAINERD,
    # The kernel's messages are the machine's, not the host's: no journal of a host shall hold them.
    "etc/systemd/journald.conf.d/lab.conf": "[Journal]\nReadKMsg=no\n",
    "usr/lib/systemd/system/kubelet.service": KUBELET_UNIT,
    "usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf": KUBEADM_DROPIN,
}
# An overlay cannot have its upper directory on another one, which a host's root is.
CONTAINERD_DIRECTORY = (
    "mkdir -p /var/lib/containerd",
    "mount -t tmpfs -o mode=711 containerd /var/lib/containerd",
)
# They would set what belongs to the whole machine; what a node needs is set at its start.
_MASKED = ("systemd-sysctl.service", "systemd-modules-load.service")


def node_images() -> list[Path]:
    """The squashfs files of a node's root file system, topmost first; built where the cache lacks them."""
    root = rootfs.image(*PACKAGES)
    programs = built_node_programs()
    others = {name: built_binary(name) for name in ("kube-apiserver", "etcd", "etcdctl")}
    recipe = (inspect.getsource(images), Path(__file__).read_text("utf-8"), root.name, programs.name)
    key = cache.recipe_key(*recipe, *(path.name for path in others.values()))
    return [
        cache.built(f"kubernetes-layer-{key}.squashfs", lambda target: _build(target, root, programs, others)),
        root,
    ]


def _build(target: Path, root: Path, programs: Path, others: dict[str, Path]) -> None:
    tree = target.with_suffix(".root")
    try:
        for path, content in _FILES.items():
            _file(tree / path).write_text(content, "utf-8")
        for unit in _MASKED:
            _file(tree / "etc/systemd/system" / unit).symlink_to("/dev/null")
        _file(tree / "etc/systemd/system/multi-user.target.wants/kubelet.service").symlink_to(
            "/usr/lib/systemd/system/kubelet.service"
        )
        for program in (programs / "kubelet", programs / "kubeadm", programs / "kubectl"):
            shutil.copy(program, _file(tree / "usr/bin" / program.name))
        shutil.copy(others["etcdctl"], tree / "usr/bin/etcdctl")
        _fill_store(tree, root, {**{path.name: path for path in programs.iterdir()}, **others})
        rootfs.squash(tree, target)
    finally:
        shutil.rmtree(tree, ignore_errors=True)


def _file(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _fill_store(tree: Path, root: Path, programs: dict[str, Path]) -> None:
    """Have a containerd of the very kind that the nodes run unpack all images, and keep its directory."""
    spec = HostSpec(
        "builder",
        init="systemd",
        cgroup="v1",
        files={"/etc/containerd/config.toml": CONTAINERD},
        prestart=CONTAINERD_DIRECTORY,
    )
    store = tree / STORE.lstrip("/")
    store.mkdir(parents=True)
    with Lab(images=[root]).start([spec]) as lab, tempfile.TemporaryDirectory(dir=tree.parent) as scratch:
        busybox = Path(scratch) / "busybox"
        busybox.write_bytes(_inside(lab, "cat /bin/busybox"))
        busybox.chmod(0o755)
        start_containerd(lab, "builder")
        archive = Path(scratch) / "image.tar"
        for reference, content in _contents(programs).items():
            images.write_archive(archive, reference, content, entrypoint=["/pause"] if reference == PAUSE else [])
            _import(lab, archive)
        applets = _inside(lab, "/bin/busybox --list").decode().split()
        links = {f"/bin/{name}": "busybox" for name in applets if name != "busybox"}
        images.write_archive(archive, BUSYBOX, {"/bin/busybox": busybox}, links=links, entrypoint=["/bin/sh"])
        _import(lab, archive)
        _inside(lab, "systemctl stop containerd")
        packed = Path(scratch) / "store.tar"
        with packed.open("wb") as output:
            _inside(lab, "tar -C /var/lib/containerd -cf - .", stdout=output)
        rootfs.run("tar", "-C", str(store), "-xf", str(packed))
    _thin_out(store)


def _contents(programs: dict[str, Path]) -> dict[str, dict[str, Path]]:
    """The images of a control plane, as kubeadm asks for them; the one of etcd has no shell, like the real one."""
    version = kubernetes_version()
    components = ("kube-apiserver", "kube-controller-manager", "kube-scheduler")
    return {
        PAUSE: {"/pause": programs["pause"]},
        f"registry.k8s.io/etcd:{ETCD_TAG}": {f"/usr/local/bin/{name}": programs[name] for name in ("etcd", "etcdctl")},
        **{f"registry.k8s.io/{name}:{version}": {f"/usr/local/bin/{name}": programs[name]} for name in components},
    }


def _thin_out(store: Path) -> None:
    """Leave what a node has to copy at its start small: the unpacked files stay where they are, behind links."""
    for blob in (store / "io.containerd.content.v1.content/blobs").rglob("*"):
        if blob.is_file() and blob.stat().st_size > 500_000:  # the layers, which nobody unpacks a second time
            blob.unlink()
    snapshots = store / "io.containerd.snapshotter.v1.overlayfs/snapshots"
    unpacked = store.with_name("snapshots")
    unpacked.mkdir()
    for snapshot in snapshots.iterdir():
        (snapshot / "fs").rename(unpacked / snapshot.name)
        (snapshot / "fs").symlink_to(Path(STORE).with_name("snapshots") / snapshot.name)


def _import(lab: Lab, archive: Path) -> None:
    with archive.open("rb") as content:
        _inside(lab, "ctr --namespace k8s.io images import -", stdin=content)


def start_containerd(lab: Lab, name: str) -> None:
    """Return when containerd answers on a host; a host answers before its systemd takes orders."""

    def started() -> bool:
        return lab.inside(name, "timeout 30 systemctl start containerd").returncode == 0

    wait_until(started, f"containerd to start on {name}", 60)


def _inside(lab: Lab, command: str, **options: Any) -> bytes:
    pipes = {"capture_output": False, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    done: subprocess.CompletedProcess[Any] = lab.inside("builder", command, **{"text": False, **pipes, **options})
    if done.returncode != 0:
        said = f"{done.stderr.decode('utf-8', 'replace').strip()[-1500:]}\n{lab.log('builder')[-1500:]}"
        raise LabError(f"the image store of the nodes could not be built: {command}: {said}")
    return bytes(done.stdout or b"")
