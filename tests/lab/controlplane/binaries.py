"""Where the programs of a cluster come from: the environment, the PATH, or one build from their Go modules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from tests.lab.cache import built, recipe_key

MODULES = Path(__file__).resolve().parents[2] / "clusters" / "controlplane"
_TARGETS = {
    "kube-apiserver": ("apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"),
    "etcd": ("etcd", "go.etcd.io/etcd/server/v3"),
    "etcdctl": ("etcd", "go.etcd.io/etcd/etcdctl/v3"),
}
# Built at once: most of what they are made of they have in common. Apart from kube-apiserver, so that its users need
# not wait for them.
_NODE_PACKAGES = (
    "k8s.io/kubernetes/cmd/kube-controller-manager",
    "k8s.io/kubernetes/cmd/kube-scheduler",
    "k8s.io/kubernetes/cmd/kubeadm",
    "k8s.io/kubernetes/cmd/kubectl",
    "k8s.io/kubernetes/cmd/kubelet",
    "preflight.test/controlplane/node/pause",
)


class ControlPlaneUnavailable(Exception):  # noqa: N818 - a state of this machine, which tests skip on
    """This machine has no control plane to offer, for the reason that the message gives."""


@dataclass(frozen=True, slots=True)
class Binaries:
    """The two programs of a control plane, and in words where they come from."""

    apiserver: Path
    etcd: Path
    origin: str


def find_binaries() -> Binaries:
    """$KUBEBUILDER_ASSETS, else the PATH, else the cache; what the cache lacks is built into it, once."""
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    if assets:
        return _in_assets(Path(assets))
    apiserver, etcd = shutil.which("kube-apiserver"), shutil.which("etcd")
    if apiserver and etcd:
        return Binaries(Path(apiserver), Path(etcd), "PATH")
    return Binaries(built_binary("kube-apiserver"), built_binary("etcd"), "built from Go modules")


def built_binary(name: str) -> Path:
    """The program `name` (kube-apiserver, etcd or etcdctl) as built from its pinned Go module."""
    folder, package = _TARGETS[name]
    module = MODULES / folder
    key = recipe_key(*((module / part).read_text("utf-8") for part in ("go.mod", "go.sum")), package)
    return built(f"{name}-{key}", partial(_build, module, [package]))


def built_node_programs() -> Path:
    """A directory with kubelet, kubeadm, kubectl, kube-controller-manager, kube-scheduler and pause."""
    module = MODULES / "node"
    sources = [(module / part).read_text("utf-8") for part in ("go.mod", "go.sum", "pause/main.go")]
    return built(f"kubernetes-node-{recipe_key(*sources, *_NODE_PACKAGES)}", partial(_build, module, _NODE_PACKAGES))


def etcd_version() -> str:
    """The version of etcd that the Go module pins, such as 3.7.3."""
    return _required("etcd", r"go\.etcd\.io/etcd/server/v3").removeprefix("v")


def kubernetes_version() -> str:
    """The version of Kubernetes that the Go module pins, such as v1.34.4."""
    return _required("apiserver", r"k8s\.io/kubernetes")


def _required(module: str, path: str) -> str:
    file = MODULES / module / "go.mod"
    match = re.search(rf"{path} (v\S+)", file.read_text("utf-8"))
    if match is None:
        raise ControlPlaneUnavailable(f"{file} does not require {path}")
    return match.group(1)


def _in_assets(directory: Path) -> Binaries:
    # Named but not there is a mistake in the set-up: to fall back to a build of minutes would hide it.
    for name in ("kube-apiserver", "etcd"):
        if not os.access(directory / name, os.X_OK):
            raise ControlPlaneUnavailable(f"KUBEBUILDER_ASSETS is {directory}, but {name} is no program in it")
    return Binaries(directory / "kube-apiserver", directory / "etcd", "KUBEBUILDER_ASSETS")


def _build(module: Path, packages: Sequence[str], output: Path) -> None:
    go = shutil.which("go")
    if go is None:
        raise ControlPlaneUnavailable(
            "there is no kube-apiserver and etcd here, and no Go to build them:"
            " set KUBEBUILDER_ASSETS to a directory that holds both, or install Go"
        )
    names = ", ".join(packages)
    print(f"lab: building {names}, once on this machine; takes minutes on a small one", file=sys.stderr)
    started = time.monotonic()
    if len(packages) > 1:
        output.mkdir()
    # Politely: whoever works on this machine need not notice.
    command = ["nice", go, "build", "-trimpath", "-ldflags", _link_flags(packages[0]), "-o", str(output), *packages]
    # A workspace or flags of the caller's shell must not change what is built here.
    environment = os.environ | {
        "CGO_ENABLED": "0",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly -buildvcs=false",
    }
    done = subprocess.run(command, cwd=module, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        told = "\n".join(done.stderr.strip().splitlines()[-15:])
        raise ControlPlaneUnavailable(f"go build {names} in {module} failed ({done.returncode}):\n{told}")
    print(f"lab: built {names} in {time.monotonic() - started:.0f} s", file=sys.stderr)


def _link_flags(package: str) -> str:
    if not package.startswith("k8s.io/kubernetes/"):
        return "-s -w"
    # Without these the API server reports v0.0.0-master at /version, and refuses some flags because of it.
    version = kubernetes_version()
    major, minor = version.removeprefix("v").split(".")[:2]
    variables = {"gitVersion": version, "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    return "-s -w " + " ".join(f"-X k8s.io/component-base/version.{k}={v}" for k, v in variables.items())
