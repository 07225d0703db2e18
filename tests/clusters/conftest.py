"""Tests against a real API server: `control_plane` for the session, `lab_cluster` clean for each test."""

from tests.lab.controlplane.fixtures import control_plane, lab_cluster

__all__ = ["control_plane", "lab_cluster"]
