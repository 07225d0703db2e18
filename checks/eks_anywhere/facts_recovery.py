"""Facts for the way back from an interrupted upgrade: what lies in which cluster, who answers, and what is paused.

The shared facts of Cluster API look where a cluster's objects belong. Here each cluster that may hold some is asked
itself, since where they are is the question.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from conformance import Members, NotApplicable, Unreadable, cluster_fact, every, fleet_fact, listing, path
from conformance.answers import Problem
from conformance.facts.cluster_api import (
    capi_all_clusters,
    capi_all_control_planes,
    capi_all_machine_deployments,
    capi_all_machines,
)
from conformance.facts.declare import Fact
from conformance.facts.values.capi import ControlPlane
from conformance.facts.values.moments import kubernetes_time
from conformance.reads import Listing, Reply
from conformance.reads.projection import value_at
from conformance.subjects import Subject

from .recovery import BOOTSTRAP, MANAGEMENT, Holding, Holdings, Side
from .specification import FLUX_RECONCILE, GROUP, PAUSED, EksaCluster

#: HTTP statuses with which an API server, or what stands before it, says that it is not ready.
_NOT_READY: Final = (500, 502, 503, 504)


def _own(fact: Fact, *, required: bool = True) -> Listing:
    """The listing of a shared fact, asked of the very cluster instead of the one that manages it."""
    (read,) = fact.sources
    assert isinstance(read, Listing)
    return replace(read, at="self", required=required)


@cluster_fact()
def recovery_standing(subject: Subject) -> Subject:
    """What a cluster is in the change, whether or not it answers."""
    return subject


@cluster_fact()
def recovery_holder(subject: Subject) -> Subject:
    """A cluster that may hold Cluster API objects; named first it rules the others out before they are looked at."""
    if {BOOTSTRAP, MANAGEMENT} & set(subject.roles) or (not subject.roles and subject.manager is None):
        return subject
    raise NotApplicable(f"its Cluster API objects lie in its management cluster ({subject.manager or 'not named'})")


@cluster_fact()
def recovery_management(subject: Subject) -> Subject:
    """A management cluster; named first it rules the others out before they are looked at."""
    if BOOTSTRAP in subject.roles:
        raise NotApplicable("it is a bootstrap cluster, not the management cluster")
    return recovery_holder(subject)  # type: ignore[no-any-return]


@cluster_fact()
def recovery_bootstrap(subject: Subject) -> Subject:
    """A bootstrap cluster; named first it rules the others out before they are looked at."""
    if BOOTSTRAP not in subject.roles:
        raise NotApplicable("it is no bootstrap cluster")
    return subject


@cluster_fact(
    _own(capi_all_clusters, required=False),
    _own(capi_all_machines),
    _own(capi_all_machine_deployments),
)
def recovery_served(clusters: Iterable[Any], machines: Iterable[Any], deployments: Iterable[Any]) -> Holding:
    """The objects that lie in the very cluster, which need not serve Cluster API."""
    return Holding(
        "",
        tuple(capi_all_clusters(clusters)),
        tuple(capi_all_machines(machines)),
        tuple(capi_all_machine_deployments(deployments)),
    )


@cluster_fact(
    listing(
        f"clusters.{GROUP}",
        f"metadata.annotations[{PAUSED}]",
        f"metadata.annotations[{FLUX_RECONCILE}]",
        "spec.managementCluster",
        "spec.datacenterRef",
        "spec.controlPlaneConfiguration.machineGroupRef",
        "spec.externalEtcdConfiguration.machineGroupRef",
        "spec.kubernetesVersion",
        "spec.workerNodeGroupConfigurations.name",
        "spec.workerNodeGroupConfigurations.kubernetesVersion",
        "spec.workerNodeGroupConfigurations.machineGroupRef",
        required=False,
    )
)
def recovery_eksa_served(objects: Iterable[Mapping[str, Any]]) -> list[EksaCluster]:
    """The Cluster objects of EKS Anywhere that lie in the very cluster, which need not serve them."""
    return [EksaCluster.of(one) for one in objects]


@cluster_fact(_own(capi_all_control_planes, required=False))
def recovery_planes_served(objects: Iterable[Mapping[str, Any]]) -> list[ControlPlane]:
    """The KubeadmControlPlanes that lie in the very cluster, which need not serve them."""
    planes: list[ControlPlane] = capi_all_control_planes(objects)
    return planes


@cluster_fact()
def recovery_held(recovery_holder: Subject, recovery_served: Holding) -> Holding:
    """The objects of Cluster API in a cluster that may hold some."""
    return replace(recovery_served, where=recovery_holder.name)


@cluster_fact()
def recovery_eksa_held(recovery_holder: Subject, recovery_eksa_served: list[EksaCluster]) -> list[EksaCluster]:
    """The Cluster objects of EKS Anywhere in a cluster that may hold some."""
    del recovery_holder
    return recovery_eksa_served


@cluster_fact()
def recovery_planes_held(recovery_holder: Subject, recovery_planes_served: list[ControlPlane]) -> list[ControlPlane]:
    """The KubeadmControlPlanes in a cluster that may hold some."""
    del recovery_holder
    return recovery_planes_served


@fleet_fact(every(recovery_planes_held))
def recovery_planes(members: Members) -> Members:
    """Cluster that may hold some -> its KubeadmControlPlanes."""
    return members


@fleet_fact(every(recovery_standing), every(recovery_held), every(recovery_eksa_held))
def recovery_holdings(standings: Members, held: Members, eksa: Members) -> Holdings:
    """What lies in which cluster. One that certainly does not serve Cluster API holds nothing."""
    subjects: dict[str, Subject] = dict(standings)
    found: dict[str, Holding] = {}
    for name, subject in subjects.items():
        if name in held:
            found[name] = held[name]
        elif name in held.inapplicable and _may_hold(subject):
            found[name] = Holding(name, served=False)
    found = {
        name: replace(one, eksa=tuple(eksa.get(name, ()))) for name, one in found.items() if name not in eksa.unread
    }
    return Holdings(subjects, found, {**eksa.unread, **held.unread})


def _may_hold(subject: Subject) -> bool:
    try:
        recovery_holder(subject)
    except NotApplicable:
        return False
    return True


@fleet_fact()
def recovery_sides(recovery_holdings: Holdings) -> list[Side]:
    """Each management cluster of the change with its bootstrap clusters.

    What cannot be read is left out only where another management cluster's objects are not where they belong.
    """
    there = recovery_holdings.managements
    if not there:
        if recovery_holdings.bootstraps:
            names = ", ".join(one.name for one in recovery_holdings.bootstraps)
            raise Unreadable(f"of bootstrap cluster {names} no management cluster is named: add it (role: management)")
        raise NotApplicable("no management cluster is looked at")
    sides, unknown = [], []
    for one in there:
        try:
            sides.append(recovery_holdings.side_of(one))
        except Unreadable as failure:
            unknown.append(failure)
    if unknown and all(one.settled for one in sides):
        raise Unreadable("; ".join(dict.fromkeys(one.reason for one in unknown)), subject=unknown[0].subject)
    return sides


@cluster_fact(listing("namespaces", "metadata.creationTimestamp"))
def recovery_made(objects: Iterable[Mapping[str, Any]]) -> datetime:
    """When the very cluster was made: the age of its namespace kube-system."""
    for one in objects:
        if one["metadata"]["name"] == "kube-system":
            return kubernetes_time(value_at(one, "metadata.creationTimestamp"))
    raise Unreadable("it has no namespace kube-system: when it was made cannot be told")


@cluster_fact()
def recovery_bootstrap_made(recovery_bootstrap: Subject, recovery_made: datetime) -> datetime:
    """When a bootstrap cluster was made."""
    del recovery_bootstrap
    return recovery_made


@fleet_fact(every(recovery_bootstrap_made))
def recovery_bootstraps_made(members: Members) -> Members:
    """Bootstrap cluster -> when it was made."""
    return members


@dataclass(frozen=True, slots=True)
class Readiness:
    """What an API server says when it is asked whether it is ready."""

    #: The HTTP status, 0 where nothing was answered.
    status: int
    lines: tuple[str, ...] = ()
    #: Why nothing was answered.
    silence: str = ""


@cluster_fact(path("/readyz?verbose", text=True, accept=(200, *_NOT_READY), required=False, timeout=20))
def recovery_readiness(answer: Reply | Problem) -> Readiness:
    """Whether the API server is ready, in its own words. That nothing answers is an answer here.

    Source: https://kubernetes.io/docs/reference/using-api/health-checks/
    """
    if isinstance(answer, Problem):
        if answer.kind not in ("unreachable", "timed-out"):
            raise Unreadable(answer.message)
        return Readiness(0, silence=answer.message)
    lines = tuple(one.strip() for one in str(answer.body).splitlines() if one.strip())
    if answer.status == 200 and "readyz check passed" not in lines:
        raise Unreadable("what answers /readyz is no API server: is a proxy or a login page in between?")
    return Readiness(answer.status, lines)


@dataclass(frozen=True, slots=True)
class FluxObject:
    """A Kustomization or a source of Flux."""

    kind: str
    name: str
    namespace: str
    suspended: bool


def _flux(kind: str, objects: Iterable[Mapping[str, Any]]) -> list[FluxObject]:
    return [
        FluxObject(
            kind,
            str(one["metadata"]["name"]),
            str(one["metadata"].get("namespace", "")),
            value_at(one, "spec.suspend") is True,
        )
        for one in objects
    ]


@cluster_fact(listing("kustomizations.kustomize.toolkit.fluxcd.io", "spec.suspend", required=False))
def recovery_kustomizations(objects: Iterable[Mapping[str, Any]]) -> list[FluxObject]:
    """Flux's Kustomizations."""
    return _flux("Kustomization", objects)


@cluster_fact(listing("gitrepositories.source.toolkit.fluxcd.io", "spec.suspend", required=False))
def recovery_git_sources(objects: Iterable[Mapping[str, Any]]) -> list[FluxObject]:
    """Flux's sources of kind GitRepository."""
    return _flux("GitRepository", objects)


@cluster_fact(listing(f"fluxconfigs.{GROUP}", "spec.systemNamespace", required=False))
def recovery_flux_namespaces(objects: Iterable[Mapping[str, Any]]) -> list[str]:
    """The namespaces in which EKS Anywhere has put Flux."""
    return [str(value_at(one, "spec.systemNamespace") or "flux-system") for one in objects]


@cluster_fact()
def recovery_own_kustomizations(
    recovery_holder: Subject, recovery_kustomizations: list[FluxObject]
) -> list[FluxObject]:
    """Flux's Kustomizations in a cluster where `eksctl anywhere` may have suspended one."""
    del recovery_holder
    return recovery_kustomizations


@cluster_fact()
def recovery_own_git_sources(recovery_holder: Subject, recovery_git_sources: list[FluxObject]) -> list[FluxObject]:
    """Flux's GitRepositories in a cluster where `eksctl anywhere` may have put Flux."""
    del recovery_holder
    return recovery_git_sources


@cluster_fact()
def recovery_own_flux_namespaces(recovery_holder: Subject, recovery_flux_namespaces: list[str]) -> list[str]:
    """The namespaces of Flux in a cluster where `eksctl anywhere` may have put it."""
    del recovery_holder
    return recovery_flux_namespaces


@cluster_fact(every(recovery_own_kustomizations), every(recovery_own_git_sources), every(recovery_own_flux_namespaces))
def recovery_flux(kustomizations: Members, sources: Members, namespaces: Members) -> list[FluxObject]:
    """Those objects of Flux that `eksctl anywhere` suspends: they are called as the namespace that it put Flux into.

    A Kustomization that somebody has suspended for reasons of their own has another name.
    """
    homes = {"flux-system", *(one for held in namespaces.values() for one in held)}
    there: list[FluxObject] = [
        one for members in (kustomizations, sources) for held in members.values() for one in held
    ]
    return [one for one in there if one.name == one.namespace and one.namespace in homes]
