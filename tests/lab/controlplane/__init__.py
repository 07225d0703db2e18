"""A real kube-apiserver and etcd for tests; `python -m tests.lab.controlplane up` is for work by hand."""

from tests.lab.controlplane.api import Api, ApiError, Object, wait_until
from tests.lab.controlplane.audit import AuditEvent
from tests.lab.controlplane.binaries import Binaries, ControlPlaneUnavailable, built_binary, find_binaries
from tests.lab.controlplane.cluster import Cluster, documents
from tests.lab.controlplane.kubelet import LogServer
from tests.lab.controlplane.pki import Authority, KeyPair
from tests.lab.controlplane.programs import ExecServer, Said
from tests.lab.controlplane.server import ControlPlane, ControlPlaneFailed

__all__ = [
    "Api",
    "ApiError",
    "AuditEvent",
    "Authority",
    "Binaries",
    "Cluster",
    "ControlPlane",
    "ControlPlaneFailed",
    "ControlPlaneUnavailable",
    "ExecServer",
    "KeyPair",
    "LogServer",
    "Object",
    "Said",
    "built_binary",
    "documents",
    "find_binaries",
    "wait_until",
]
