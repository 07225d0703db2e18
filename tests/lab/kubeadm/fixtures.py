"""Fixtures around the kubeadm cluster; a conftest.py offers them to its tests by importing them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.lab.hosts import labs
from tests.lab.kubeadm.cluster import KubeadmLab
from tests.lab.tools import LabError

CLUSTER_VARIABLE = "PREFLIGHT_KUBEADM_LAB"
"""Names a cluster that `python -m tests.lab kubeadm up` has left running: tests use it, and leave it running."""


@pytest.fixture(scope="session")
def kubeadm() -> Iterator[KubeadmLab]:
    """A real cluster of three control planes and a worker, brought up once; about a minute where all is built.

    A test that names it runs inside its network; a fixture of wider scope says `with kubeadm.entered():`. Whatever a
    test stops or changes it puts right again before it ends. Where no such cluster can be had, the test is skipped by
    name, and fails in CI (see tests/conftest.py).
    """
    named = os.environ.get(CLUSTER_VARIABLE)
    if named:
        running = [lab for lab in labs() if lab.id == named]
        if not running:
            raise LabError(f"{CLUSTER_VARIABLE} is {named}, and no lab of that name is running")
        yield KubeadmLab.attach(running[0])
        return
    with KubeadmLab().start(control_planes=3, workers=1) as cluster:
        yield cluster


@pytest.fixture(autouse=True)
def inside_the_cluster(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take a test that uses the cluster into its network, where the nodes are, and out again."""
    if "kubeadm" not in request.fixturenames:
        yield
        return
    cluster: KubeadmLab = request.getfixturevalue("kubeadm")
    with cluster.entered():
        yield
