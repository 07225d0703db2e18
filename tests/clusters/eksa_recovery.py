"""What an interrupted upgrade of EKS Anywhere leaves in real API servers; the cluster is the document's."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from tests.clusters.anthos import namespace
from tests.clusters.crds.cluster_api import served_as
from tests.clusters.crds.eksa_recovery import EKS_ANYWHERE
from tests.hazards.eksa_recovery import MACHINES, SPACE, capi, eksa, group, plane, table
from tests.lab.controlplane import ControlPlane

__all__ = ["PASSWORD", "apply", "as_document", "move", "serve", "wanted"]

Object = dict[str, Any]

#: What must never be seen again.
PASSWORD = "proxy-password-that-must-never-be-seen-anywhere"


def apply(cluster: ControlPlane, *objects: Object) -> None:
    """Objects with their status, as controllers have left them."""
    for one in copy.deepcopy(objects):
        cluster.apply(one)
        if one.get("status"):
            cluster.set_status(one)


def as_document() -> tuple[Object, ...]:
    """All objects of the document's cluster."""
    machines = table(MACHINES)
    for one in machines:
        one["spec"] |= {"bootstrap": {}, "infrastructureRef": {}}
        one["metadata"]["ownerReferences"] = [{**owner, "uid": "x"} for owner in one["metadata"]["ownerReferences"]]
    return (capi(), plane(), group(), *machines)


def move(source: ControlPlane, target: ControlPlane, objects: Iterable[Object]) -> None:
    """What ``clusterctl move`` does: make them there, then take them away here."""
    objects = list(objects)
    apply(target, *objects)
    source.delete(*objects)


def serve(cluster: ControlPlane, *crds: Object) -> None:
    cluster.apply(*served_as("v1beta1"), *EKS_ANYWHERE, *crds, namespace(SPACE), namespace("flux-system"))


def wanted(pause: str | None) -> Object:
    found = eksa(pause=pause)
    found["spec"]["proxyConfiguration"] = {"httpProxy": f"http://ops:{PASSWORD}@192.0.2.9:3128"}
    return found
