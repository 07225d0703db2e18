"""What a Cluster of EKS Anywhere refers to, and whether an interrupted upgrade has left its controllers paused.

`eksctl anywhere` pauses its own controllers and Flux not at the Cluster alone, but at the datacenter and at each machine
configuration as well. Source: aws/eks-anywhere, pkg/clustermanager (PauseEKSAControllerReconcile) and pkg/gitops/flux
(PauseClusterResourcesReconcile).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance import Members, Unreadable, cluster_fact, every, fleet_fact, listing
from conformance.reads import Listing
from conformance.reads.projection import value_at

from .facts import eksa_desired_clusters
from .specification import FLUX_RECONCILE, GROUP, PAUSED, EksaCluster, Ref

__all__ = ["Part", "Parts"]

Objects = Iterable[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Part:
    """A datacenter or machine configuration."""

    ref: Ref
    namespace: str
    #: The values of the annotations, None where it does not carry them.
    pause: str | None
    flux: str | None

    def __str__(self) -> str:
        return f"{self.ref.kind} {self.namespace}/{self.ref.name}"


@dataclass(frozen=True, slots=True)
class Parts:
    """The datacenter and machine configurations that lie in each cluster."""

    held: Mapping[str, tuple[Part, ...]]
    #: Cluster -> why some of them are not known.
    unread: Mapping[str, Unreadable]


def _listed(provider: str, what: str = "machine") -> Listing:
    return listing(
        f"{provider.lower()}{what}configs.{GROUP}",
        f"metadata.annotations[{PAUSED}]",
        f"metadata.annotations[{FLUX_RECONCILE}]",
        required=False,
    )


def _parts(provider: str, places: Objects, machines: Objects = ()) -> list[Part]:
    return [
        Part(
            Ref(f"{provider}{kind}Config", str(one["metadata"]["name"])),
            str(one["metadata"].get("namespace", "")),
            value_at(one, f"metadata.annotations[{PAUSED}]"),
            value_at(one, f"metadata.annotations[{FLUX_RECONCILE}]"),
        )
        for kind, objects in (("Datacenter", places), ("Machine", machines))
        for one in objects
    ]


@cluster_fact(_listed("VSphere", "datacenter"), _listed("VSphere"))
def recovery_vsphere_parts(places: Objects, machines: Objects) -> list[Part]:
    """Datacenters and machines of vSphere that lie in the very cluster."""
    return _parts("VSphere", places, machines)


@cluster_fact(_listed("CloudStack", "datacenter"), _listed("CloudStack"))
def recovery_cloudstack_parts(places: Objects, machines: Objects) -> list[Part]:
    """Datacenters and machines of CloudStack that lie in the very cluster."""
    return _parts("CloudStack", places, machines)


@cluster_fact(_listed("Nutanix", "datacenter"), _listed("Nutanix"))
def recovery_nutanix_parts(places: Objects, machines: Objects) -> list[Part]:
    """Datacenters and machines of Nutanix that lie in the very cluster."""
    return _parts("Nutanix", places, machines)


@cluster_fact(_listed("Snow", "datacenter"), _listed("Snow"))
def recovery_snow_parts(places: Objects, machines: Objects) -> list[Part]:
    """Datacenters and machines of Snow that lie in the very cluster."""
    return _parts("Snow", places, machines)


@cluster_fact(_listed("Tinkerbell", "datacenter"), _listed("Tinkerbell"))
def recovery_tinkerbell_parts(places: Objects, machines: Objects) -> list[Part]:
    """Datacenters and machines of bare metal that lie in the very cluster."""
    return _parts("Tinkerbell", places, machines)


@cluster_fact(_listed("Docker", "datacenter"))
def recovery_docker_parts(places: Objects) -> list[Part]:
    """Datacenters of Docker that lie in the very cluster; it has no machine configurations."""
    return _parts("Docker", places)


@fleet_fact(
    # What is refused in a cluster where nothing is looked for does not matter: the check says where it does.
    every(recovery_vsphere_parts, any=True),
    every(recovery_cloudstack_parts, any=True),
    every(recovery_nutanix_parts, any=True),
    every(recovery_snow_parts, any=True),
    every(recovery_tinkerbell_parts, any=True),
    every(recovery_docker_parts, any=True),
)
def recovery_parts(
    vsphere: Members, cloudstack: Members, nutanix: Members, snow: Members, tinkerbell: Members, docker: Members
) -> Parts:
    """The datacenter and machine configurations of every provider that is served, wherever they lie."""
    held: dict[str, tuple[Part, ...]] = {}
    unread: dict[str, Unreadable] = {}
    for members in (vsphere, cloudstack, nutanix, snow, tinkerbell, docker):
        for name, parts in members.items():
            held[name] = (*held.get(name, ()), *parts)
        unread.update(members.unread)
    return Parts(held, unread)


@cluster_fact(every(eksa_desired_clusters, any=True))
def recovery_wanted(members: Members) -> list[EksaCluster] | None:
    """The Clusters of the specification of a cluster; None where none is given, or none could be read."""
    return next(iter(members.values()), None)
