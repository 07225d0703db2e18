"""Facts of what has to run in a management cluster: CRDs, controllers, and the bundle that says their versions."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance import Members, Unreadable, cluster_fact, every, listing
from conformance.facts.values.capi import Condition, condition_of, conditions_of
from conformance.reads.projection import value_at

from .facts import eksa_all_clusters
from .specification import GROUP

PROVIDER: Final = "cluster.x-k8s.io/provider"
EKSA: Final = "eks-anywhere"
#: Group of a CRD -> whose it is.
_GROUPS: Final = re.compile(rf"\.(?:{re.escape(GROUP)}|(?:[a-z0-9]+\.)?cluster\.x-k8s\.io)$")
#: The provider, as clusterctl labels it -> where a bundle names the image of its controller.
IMAGES: Final = {
    "cluster-api": "clusterAPI.controller",
    "bootstrap-kubeadm": "bootstrap.controller",
    "control-plane-kubeadm": "controlPlane.controller",
    "bootstrap-etcdadm-bootstrap": "etcdadmBootstrap.controller",
    "etcdadm-bootstrap": "etcdadmBootstrap.controller",
    "etcdadm-controller": "etcdadmController.controller",
    "bootstrap-etcdadm-controller": "etcdadmController.controller",
    "infrastructure-vsphere": "vSphere.clusterAPIController",
    "infrastructure-cloudstack": "cloudStack.clusterAPIController",
    "infrastructure-docker": "docker.manager",
    "infrastructure-nutanix": "nutanix.clusterAPIController",
    "infrastructure-tinkerbell": "tinkerbell.clusterAPIController",
    "infrastructure-snow": "snow.manager",
    EKSA: "eksa.clusterController",
}
#: Of whatever cluster: those that must be there.
ALWAYS: Final = ("cluster-api", "bootstrap-kubeadm", "control-plane-kubeadm", EKSA)


@dataclass(frozen=True, slots=True)
class Crd:
    """One CustomResourceDefinition of Cluster API or EKS Anywhere."""

    name: str
    established: Condition | None
    names_accepted: Condition | None
    deleted: str | None


@cluster_fact(
    listing(
        "customresourcedefinitions.apiextensions.k8s.io",
        "metadata.deletionTimestamp",
        "status.conditions",
        at="manager",
    )
)
def eksa_crds(objects: Iterable[Mapping[str, Any]]) -> dict[str, Crd]:
    """Name -> the CRDs of Cluster API and EKS Anywhere."""
    found = {}
    for one in objects:
        name = str(one["metadata"]["name"])
        if _GROUPS.search(name):
            said = conditions_of(one)
            accepted = condition_of(said, "NamesAccepted")
            deleted = one["metadata"].get("deletionTimestamp")
            found[name] = Crd(name, condition_of(said, "Established"), accepted, deleted)
    return found


@cluster_fact(every(eksa_all_clusters))
def eksa_known_clusters(members: Members) -> Members:
    """All Cluster objects where they can be read: what must be served is known without them, but for the providers."""
    return Members(members)


@dataclass(frozen=True, slots=True)
class Controller:
    """The Deployment of one controller of Cluster API or EKS Anywhere."""

    name: str
    namespace: str
    #: As clusterctl labels it; `EKSA` for EKS Anywhere's own.
    provider: str
    wanted: int
    available: int
    observed: bool
    deleted: bool
    #: The images of its containers, by name.
    images: Mapping[str, str]

    def __str__(self) -> str:
        return f"Deployment {self.namespace}/{self.name}"

    @property
    def image(self) -> str:
        """The image of the controller itself, without what stands in front in a proxy or mirror."""
        return self.images.get("manager") or next(iter(self.images.values()), "")


@cluster_fact(
    listing(
        "deployments.apps",
        f"metadata.labels[{PROVIDER}]",
        "metadata.generation",
        "metadata.deletionTimestamp",
        "spec.replicas",
        "spec.template.spec.containers.name",
        "spec.template.spec.containers.image",
        "status.availableReplicas",
        "status.observedGeneration",
        at="manager",
    )
)
def eksa_controllers(objects: Iterable[Mapping[str, Any]]) -> list[Controller]:
    """The controllers of Cluster API, its providers and EKS Anywhere, in the order of the API server."""
    found = []
    for one in objects:
        meta = one["metadata"]
        own = (meta.get("namespace"), meta["name"]) == ("eksa-system", "eksa-controller-manager")
        provider = EKSA if own else str((meta.get("labels") or {}).get(PROVIDER) or "")
        if not provider:
            continue
        wanted = value_at(one, "spec.replicas")
        seen, generation = value_at(one, "status.observedGeneration"), meta.get("generation")
        containers = value_at(one, "spec.template.spec.containers", []) or []
        found.append(
            Controller(
                name=str(meta["name"]),
                namespace=str(meta.get("namespace", "")),
                provider=provider,
                wanted=1 if wanted is None else int(wanted),
                available=int(value_at(one, "status.availableReplicas") or 0),
                observed=seen is None or generation is None or seen >= generation,
                deleted=bool(meta.get("deletionTimestamp")),
                images={str(held.get("name")): str(held.get("image") or "") for held in containers},
            )
        )
    return found


@dataclass(frozen=True, slots=True)
class Bundle:
    """The versions that one Kubernetes version of a release of EKS Anywhere is made of."""

    name: str
    namespace: str
    kubernetes: str
    #: Provider -> image of its controller.
    images: Mapping[str, str]


@cluster_fact(
    listing(
        f"bundles.{GROUP}",
        "spec.versionsBundles.kubeVersion",
        *(f"spec.versionsBundles.{path}.uri" for path in dict.fromkeys(IMAGES.values())),
        required=False,
        at="manager",
    )
)
def eksa_served_bundles(objects: Iterable[Mapping[str, Any]]) -> list[Bundle]:
    """Every bundle that lies there, one for each Kubernetes version in it."""
    return [
        Bundle(
            str(one["metadata"]["name"]),
            str(one["metadata"].get("namespace", "")),
            str(held.get("kubeVersion") or ""),
            {provider: str(uri) for provider, path in IMAGES.items() if (uri := value_at(held, f"{path}.uri", ""))},
        )
        for one in objects
        for held in value_at(one, "spec.versionsBundles", []) or []
    ]


@cluster_fact(listing(f"eksareleases.{GROUP}", "spec.version", "spec.bundlesRef", required=False, at="manager"))
def eksa_served_releases(objects: Iterable[Mapping[str, Any]]) -> dict[str, tuple[str, str]]:
    """Release of EKS Anywhere (``v0.19.3``) -> namespace and name of its bundle. Older ones have no such object."""
    return {
        str(value_at(one, "spec.version")): (
            str(value_at(one, "spec.bundlesRef.namespace") or ""),
            str(value_at(one, "spec.bundlesRef.name") or ""),
        )
        for one in objects
        if value_at(one, "spec.version")
    }


def _only(members: Members, otherwise: Any) -> Any:
    for failure in members.unread.values():
        raise Unreadable(failure.reason, read=failure.read, subject=failure.subject)
    return next(iter(members.values()), otherwise)


@cluster_fact(every(eksa_served_bundles))
def eksa_bundles(members: Members) -> list[Bundle]:
    """Every bundle that lies there; none where the kind is not served."""
    held: list[Bundle] = _only(members, [])
    return held


@cluster_fact(every(eksa_served_releases))
def eksa_releases(members: Members) -> dict[str, tuple[str, str]]:
    """Release -> its bundle; none where the kind is not served."""
    held: dict[str, tuple[str, str]] = _only(members, {})
    return held
