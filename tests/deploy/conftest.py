"""Fixtures of the tests of deploy/: the image as its Containerfile makes it, a real API server, kubectl, a cluster to upgrade."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clusters.anthos import cluster, machine, machines, namespace, node, node_pool
from tests.clusters.crds import BARE_METAL
from tests.clusters.crds.ci import CI
from tests.deploy import containers
from tests.deploy.containers import TOP, Image
from tests.lab import rootfs
from tests.lab.controlplane import ControlPlane
from tests.lab.controlplane.binaries import built_node_programs
from tests.lab.controlplane.fixtures import control_plane, lab_cluster
from tests.lab.tools import LabError

__all__ = ["Kubectl", "control_plane", "lab_cluster"]


class Kubectl:
    """The real kubectl, as the administrator of the lab's API server."""

    def __init__(self, kubeconfig: Path) -> None:
        self.program = built_node_programs() / "kubectl"
        self.kubeconfig = kubeconfig

    def __call__(self, *words: object, text: str | None = None, kubeconfig: Path | None = None) -> str:
        """What it prints.

        :raises AssertionError: it failed, with what it said.
        """
        done = self.tried(*words, text=text, kubeconfig=kubeconfig)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def tried(
        self, *words: object, text: str | None = None, kubeconfig: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [self.program, f"--kubeconfig={kubeconfig or self.kubeconfig}", *map(str, words)],
            input=text,
            capture_output=True,
            text=True,
            check=False,
        )


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Image]:
    """What deploy/container/Containerfile makes of this checkout."""
    if os.geteuid() != 0:
        raise LabError("mounting the root file system of a container needs root")
    directory = tmp_path_factory.mktemp("image")
    base = rootfs.mount_image(rootfs.image("python3-venv"), directory / "base")
    try:
        yield containers.build(TOP / "deploy/container/Containerfile", base, directory)
    finally:
        if base.is_mount():
            subprocess.run(["umount", str(base)], check=True)


@pytest.fixture(scope="module")
def kubectl(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Kubectl:
    return Kubectl(control_plane.kubeconfig(path=tmp_path_factory.mktemp("kubectl") / "config"))


@pytest.fixture(scope="module")
def prod(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The cluster of the examples before its upgrade, which nothing stands in the way of; deploy/rbac is applied."""
    control_plane.apply(*BARE_METAL, keep=True)
    control_plane.apply(*CI, *map(namespace, ("argocd", "cluster-prod", "flux-system")))
    control_plane.apply(cluster("prod", "standalone", "1.8.3", nodes=["192.0.2.1"], vip="192.0.2.8"))
    control_plane.apply(*machines("cluster-prod", "192.0.2.1"), node_pool("prod", "192.0.2.1", name="prod"))
    control_plane.apply(node("n1", "192.0.2.1", "v1.20.8"))
    control_plane.apply(TOP / "deploy/rbac/account.yaml", TOP / "deploy/rbac/role.yaml")
    yield control_plane
    control_plane.reset()


@pytest.fixture
def troubled(prod: ControlPlane) -> Iterator[ControlPlane]:
    """The same with a machine that an earlier maintenance has left its annotation on: no upgrade to 1.9 gets past it."""
    prod.apply(machine("192.0.2.1", "cluster-prod", "4h0m0s"))
    yield prod
    prod.apply(*machines("cluster-prod", "192.0.2.1"))


@pytest.fixture(scope="module")
def reader(prod: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of the service account of deploy/rbac, as a pipeline outside of the cluster has one."""
    token = prod.service_account("preflight", "preflight")
    path = tmp_path_factory.mktemp("reader") / "kubeconfig"
    prod.kubeconfig("preflight", token=token, context="prod", path=path)
    path.chmod(0o644)  # a container's user is another
    return path


def report_in(directory: Path) -> dict[str, Any]:
    """preflight.json of a run."""
    import json

    return dict(json.loads((directory / "preflight.json").read_text("utf-8")))
