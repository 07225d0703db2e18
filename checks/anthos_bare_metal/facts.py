"""Facts of Anthos clusters on bare metal (Google Distributed Cloud on bare metal).

The admin cluster holds the Cluster, NodePool and BareMetalMachine objects of all clusters that it manages, each in the
namespace of its cluster. They are read there, whichever cluster a finding is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance import Member, Unreadable, Version, cluster_fact, desired, listing, named
from conformance.facts.values.kubeconfig import InvalidKubeconfig, KubeconfigFacts
from conformance.reads.projection import value_at
from conformance.subjects import Subject

GROUP = "baremetal.cluster.gke.io"
MAINTENANCE = "baremetal.cluster.gke.io/maintenance-mode-duration"

_SPEC = (
    "spec.type",
    "spec.anthosBareMetalVersion",
    "spec.clusterNetwork",
    "spec.clusterOperations.location",
    "spec.controlPlane.nodePoolSpec.nodes",
    "spec.loadBalancer",
    "spec.maintenanceBlocks",
    "spec.nodeAccess.loginUser",
    "spec.nodeConfig.containerRuntime",
)
_CLUSTERS = listing(f"clusters.{GROUP}", *_SPEC, at="manager", at_least=1)


@dataclass(frozen=True, slots=True)
class AbmCluster:
    """One Cluster object."""

    name: str
    namespace: str
    #: admin, user, hybrid or standalone.
    type: str
    spec: Mapping[str, Any]

    @classmethod
    def of(cls, obj: Mapping[str, Any]) -> AbmCluster:
        """From the object that the API server, or a configuration file, gives."""
        spec = obj.get("spec") or {}
        meta = obj["metadata"]
        return cls(meta["name"], meta.get("namespace", ""), str(spec.get("type", "")), spec)

    @property
    def control_plane_vip(self) -> str:
        """The virtual address of its API server, empty where there is none."""
        return str(value_at(self.spec, "loadBalancer.vips.controlPlaneVIP", "") or "")


@cluster_fact(_CLUSTERS)
def abm_clusters(objects: Iterable[Mapping[str, Any]]) -> list[AbmCluster]:
    """All Cluster objects of the admin cluster: its own and those of the user clusters that it manages."""
    return [AbmCluster.of(one) for one in objects]


def is_user(subject: Subject) -> bool:
    """Whether a subject is a user cluster, as far as the change says."""
    return "user" in subject.roles or subject.manager is not None


def cluster_of(abm_clusters: list[AbmCluster], subject: Subject) -> AbmCluster:
    """The Cluster object of a subject: by its name, else the only one that is no user cluster.

    :raises Unreadable: there is none, or no telling which.
    """
    user = is_user(subject)
    named_so = [one for one in abm_clusters if one.name == subject.name]
    if len(named_so) == 1:
        if named_so[0].type == "user" and not user:
            raise Unreadable(
                f"{subject.name} is asked itself, so it manages clusters; yet it is called like one that it manages: "
                "name both in the change file, the user cluster with `admin:`"
            )
        return named_so[0]
    names = ", ".join(f"{one.name} ({one.type})" for one in abm_clusters)
    if user:
        where = subject.manager or subject.name
        raise Unreadable(f"cluster {where} holds no Cluster object {subject.name!r}, only: {names}; mend the name")
    own = [one for one in abm_clusters if one.type != "user"]
    if len(own) != 1:
        raise Unreadable(
            f"which Cluster object is {subject.name}'s own? There are: {names}; name it in the change file"
        )
    return own[0]


@cluster_fact()
def abm_cluster(abm_clusters: list[AbmCluster], subject: Subject) -> AbmCluster:
    """The Cluster object of the very cluster: by its name, else the only one that is no user cluster."""
    return cluster_of(abm_clusters, subject)


@cluster_fact()
def abm_version(abm_cluster: AbmCluster) -> Version:
    """spec.anthosBareMetalVersion of the very cluster."""
    text = abm_cluster.spec.get("anthosBareMetalVersion")
    if not text:
        raise Unreadable(f"Cluster {abm_cluster.name} has no spec.anthosBareMetalVersion")
    return Version.parse(str(text))


@cluster_fact()
def abm_members(abm_clusters: list[AbmCluster]) -> list[Member]:
    """The user clusters that an admin or hybrid cluster manages."""
    return [Member(one.name, "user") for one in abm_clusters if one.type == "user"]


@dataclass(frozen=True, slots=True)
class Machine:
    """One BareMetalMachine."""

    name: str
    namespace: str
    #: The duration that is left in the maintenance annotation, None where it is not annotated.
    maintenance: str | None


@cluster_fact(listing(f"baremetalmachines.{GROUP}", f"metadata.annotations[{MAINTENANCE}]", at="manager"))
def abm_all_machines(objects: Iterable[Mapping[str, Any]]) -> list[Machine]:
    """All machines that the admin cluster knows, of whatever cluster."""
    return [
        Machine(
            one["metadata"]["name"],
            one["metadata"].get("namespace", ""),
            value_at(one, f"metadata.annotations[{MAINTENANCE}]"),
        )
        for one in objects
    ]


@cluster_fact()
def abm_machines(abm_all_machines: list[Machine], abm_cluster: AbmCluster) -> list[Machine]:
    """The machines of the very cluster: those in its namespace. A cluster without any cannot be right."""
    found = [one for one in abm_all_machines if one.namespace == abm_cluster.namespace]
    if not found:
        raise Unreadable(f"namespace {abm_cluster.namespace} holds no BareMetalMachine: the cluster must have some")
    return found


def kubeconfig_facts(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of the secret of a cluster's kubeconfig: what it points at, and nothing that could log in."""
    encoded = value_at(obj, "data.value")
    if not isinstance(encoded, str):
        return {"invalid": "it has no key `value`"}
    return _outcome(KubeconfigFacts.from_secret, encoded)


def cluster_info_facts(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of kubeadm's ConfigMap cluster-info: address and CA of the cluster itself."""
    return _outcome(KubeconfigFacts.parse, str(value_at(obj, "data.kubeconfig", "")))


def _outcome(parse: Callable[[str], KubeconfigFacts], text: str) -> dict[str, Any]:
    try:
        return {"facts": parse(text).to_dict()}
    except InvalidKubeconfig as error:
        return {"invalid": str(error)}


_USERS = ("spec.type", "user")


@cluster_fact(
    named(
        "secrets",
        over=_CLUSTERS,
        where=_USERS,
        namespace="{metadata.namespace}",
        name="{metadata.name}-kubeconfig",
        reduce=kubeconfig_facts,
    )
)
def abm_kubeconfig_secrets(objects: Mapping[str, Any]) -> Mapping[str, Any]:
    """``namespace/NAME-kubeconfig`` -> what the kubeconfig secret of that user cluster points at, None for no secret."""
    return objects


@cluster_fact(
    named(
        "configmaps",
        over=_CLUSTERS,
        where=_USERS,
        namespace="kube-public",
        name="cluster-info",
        reduce=cluster_info_facts,
    )
)
def abm_admin_info(objects: Mapping[str, Any]) -> KubeconfigFacts | None:
    """Address and CA of the admin cluster itself, from kubeadm's cluster-info; None where it publishes none."""
    for key in objects:
        found = objects[key]
        if found and "invalid" in found:
            raise Unreadable(f"configmap {key} of the admin cluster holds no kubeconfig: {found['invalid']}")
        if found:
            return KubeconfigFacts.from_dict(found["facts"])
    return None


@cluster_fact(desired("Cluster", GROUP, *_SPEC))
def abm_desired_clusters(objects: list[Mapping[str, Any]] | None) -> list[AbmCluster]:
    """The Cluster documents of the configuration that is about to be applied; none where none is given."""
    return [AbmCluster.of(one) for one in objects or []]


_POOL = ("spec.clusterName", "spec.nodes")


@cluster_fact(listing(f"nodepools.{GROUP}", *_POOL, at="manager"))
def abm_node_pools(objects: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """All NodePool objects that the admin cluster knows, of whatever cluster."""
    return objects


@cluster_fact(desired("NodePool", GROUP, *_POOL))
def abm_desired_node_pools(objects: list[Mapping[str, Any]] | None) -> list[Mapping[str, Any]]:
    """The NodePool documents of the configuration that is about to be applied."""
    return objects or []
