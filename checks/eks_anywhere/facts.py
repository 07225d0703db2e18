"""Facts of EKS Anywhere that its hazards share: Cluster objects as they are, and as a specification wants them.

The objects are read where they lie: in the management cluster (``management:`` in the change file), else in the
subject itself, which then manages itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from conformance import Members, NotApplicable, Unreadable, cluster_fact, desired, every, fleet_fact, listing
from conformance.facts.values.capi import CONDITIONS
from conformance.subjects import Subject

from .specification import COMPONENTS, GROUP, PAUSED, EksaCluster

__all__ = ["SPEC", "find_live", "wanted_name"]

#: What is kept of a Cluster. Proxies, which may hold passwords, and the licence are not among it.
SPEC: Final = (
    f"metadata.annotations[{PAUSED}]",
    f"metadata.annotations[{COMPONENTS}]",
    "spec.kubernetesVersion",
    "spec.eksaVersion",
    "spec.bundlesRef",
    "spec.controlPlaneConfiguration.count",
    "spec.controlPlaneConfiguration.endpoint",
    "spec.controlPlaneConfiguration.machineGroupRef",
    "spec.workerNodeGroupConfigurations.name",
    "spec.workerNodeGroupConfigurations.count",
    "spec.workerNodeGroupConfigurations.kubernetesVersion",
    "spec.workerNodeGroupConfigurations.machineGroupRef",
    "spec.externalEtcdConfiguration",
    "spec.datacenterRef",
    "spec.identityProviderRefs",
    "spec.gitOpsRef",
    "spec.clusterNetwork",
    "spec.managementCluster",
    "spec.registryMirrorConfiguration",
)
_STATUS: Final = (
    *CONDITIONS,
    "metadata.deletionTimestamp",
    "metadata.generation",
    "status.observedGeneration",
    "status.failureMessage",
    "status.failureReason",
)


@cluster_fact()
def eksa_place(subject: Subject) -> Subject:
    """A cluster that may be upgraded. Named first it rules out the others, before anything else of them is looked at."""
    if "bootstrap" in subject.roles:
        # eksctl anywhere makes and deletes it.
        raise NotApplicable("it is a bootstrap cluster, which is not upgraded")
    if "workload" in subject.roles and subject.manager is None:
        raise Unreadable(
            f"which cluster manages {subject.name} is not known: name it (`management:` in the change file)"
        )
    return subject


@cluster_fact(listing(f"clusters.{GROUP}", *SPEC, *_STATUS, at="manager"))
def eksa_all_clusters(objects: Iterable[Mapping[str, Any]]) -> list[EksaCluster]:
    """Every Cluster object of EKS Anywhere that lies there, of whatever namespace."""
    return [EksaCluster.of(one) for one in objects]


@cluster_fact(desired("Cluster", GROUP, *SPEC))
def eksa_desired_clusters(objects: list[Mapping[str, Any]] | None) -> list[EksaCluster] | None:
    """The Cluster documents of the specification that is about to be applied; None where none is given."""
    return None if objects is None else [EksaCluster.of(one) for one in objects]


def wanted_name(subject: Subject, wanted: list[EksaCluster] | None) -> str:
    """What the Cluster object of a subject is called: as the only Cluster of its specification, else as itself."""
    names = {one.name for one in wanted or []}
    return next(iter(names)) if len(names) == 1 else subject.name


def find_live(
    subject: Subject, held: Iterable[EksaCluster], wanted: list[EksaCluster] | None
) -> tuple[list[EksaCluster], list[EksaCluster]]:
    """The objects that may be the subject's own - one where it is certain - and all that lie there."""
    held = list(held)
    for name in (subject.name, wanted_name(subject, wanted)):
        named = [one for one in held if one.name == name]
        if named:
            return named, held
    alone = [one for one in held if one.is_self_managed]
    return (alone if len(alone) == 1 and subject.manager is None else []), held


@cluster_fact()
def eksa_cluster(
    eksa_place: Subject, eksa_all_clusters: list[EksaCluster], eksa_desired_clusters: list[EksaCluster] | None
) -> EksaCluster:
    """The Cluster object of the very cluster: that of its name or its specification's, else the only one that manages itself."""
    subject = eksa_place
    found, held = find_live(subject, eksa_all_clusters, eksa_desired_clusters)
    where = f"cluster {subject.manager or subject.name}"
    if len(found) == 1:
        return found[0]
    if found:
        spaces = ", ".join(one.namespace for one in found)
        raise Unreadable(f"{where} holds a Cluster {found[0].name} in each of the namespaces {spaces}: which one?")
    names = ", ".join(one.name for one in held) or "none"
    raise Unreadable(
        f"{where} holds no EKS Anywhere Cluster {wanted_name(subject, eksa_desired_clusters)!r} (there: {names}): mend the "
        "name in the change file, or see eksa-cluster-object-missing"
    )


@cluster_fact()
def eksa_desired_cluster(
    eksa_desired_clusters: list[EksaCluster] | None, eksa_cluster: EksaCluster, subject: Subject
) -> EksaCluster | None:
    """The Cluster of the specification that is about to be applied to the very cluster, None where no specification is given.

    A specification with one Cluster is about this one, whatever its name; with several, the one of its name is.
    """
    if eksa_desired_clusters is None:
        return None
    held = eksa_desired_clusters
    named = [one for one in held if one.name in (eksa_cluster.name, subject.name)]
    if len(named) == 1 or len(held) == 1:
        return (named or held)[0]
    names = ", ".join(one.name for one in held) or "no Cluster at all"
    raise Unreadable(
        f"the specification of {subject.name} names {names}, where it must name the Cluster {eksa_cluster.name} once"
    )


@fleet_fact(every(eksa_cluster))
def eksa_fleet(members: Members) -> Members:
    """Cluster -> its Cluster object, for every cluster that may be upgraded."""
    return members


@fleet_fact(every(eksa_desired_cluster))
def eksa_fleet_desired(members: Members) -> Members:
    """Cluster -> the Cluster of its specification, None where no specification is given."""
    return members
