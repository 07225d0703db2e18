"""Tests of what goes wrong on the way to an API server, which is itself a real one."""

from tests.lab.controlplane.fixtures import control_plane, lab_cluster

__all__ = ["control_plane", "lab_cluster"]
