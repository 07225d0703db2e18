"""Fixtures around the control plane; a conftest.py offers them to its tests by importing them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import cache

import pytest

from tests.clusters.crds import BARE_METAL
from tests.lab.controlplane.binaries import ControlPlaneUnavailable
from tests.lab.controlplane.server import ControlPlane


@pytest.fixture(scope="session")
def control_plane() -> ControlPlane:
    """A real API server, started once; for tests that leave nothing behind in it. See `lab_cluster`."""
    try:
        return _shared()
    except ControlPlaneUnavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no control plane, and CI must not pass without: {reason}", pytrace=False)
        pytest.skip(f"no control plane: {reason}")


@pytest.fixture
def lab_cluster(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The real API server as a fresh cluster: bare metal CRDs served, no nodes, nothing of other tests."""
    control_plane.apply(*BARE_METAL, keep=True)
    yield control_plane
    control_plane.reset()


# Once per process, not per conftest.py that imports the fixture; it ends itself when the process does.
@cache
def _shared() -> ControlPlane:
    return ControlPlane().start()
