"""Which cluster manages which, with their versions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance import Members, Unreadable, Version, cluster_fact, every, fleet_fact
from conformance.subjects import Subject

from .facts import AbmCluster, cluster_of, is_user


@dataclass(frozen=True, slots=True)
class Managed:
    """An admin or hybrid cluster with its user clusters, as their Cluster objects are now."""

    #: The subject that holds the objects.
    admin: str
    version: Version
    #: The name of a user cluster -> its version; None where it is to come.
    users: Mapping[str, Version | None]


def version_of(cluster: AbmCluster) -> Version:
    """spec.anthosBareMetalVersion.

    :raises Unreadable: there is none.
    :raises InvalidVersion: it is none.
    """
    text = cluster.spec.get("anthosBareMetalVersion")
    if not text:
        raise Unreadable(f"Cluster {cluster.name} has no spec.anthosBareMetalVersion")
    return Version.parse(str(text))


@cluster_fact()
def abm_managed(
    abm_clusters: list[AbmCluster], abm_desired_clusters: list[AbmCluster], subject: Subject
) -> Managed | None:
    """The cluster with what it manages, or with what its own manager manages; None where there is no user cluster."""
    to_come = {one.name for one in abm_desired_clusters} - {one.name for one in abm_clusters}
    coming = is_user(subject) and subject.name in to_come
    if not coming:
        cluster_of(abm_clusters, subject)
    users: dict[str, Version | None] = {one.name: version_of(one) for one in abm_clusters if one.type == "user"}
    if coming:
        users[subject.name] = None
    if not users:
        return None
    managers = [one for one in abm_clusters if one.type != "user"]
    where = subject.manager or subject.name
    if len(managers) != 1:
        raise Unreadable(
            f"{where} holds {len(managers)} Cluster objects that are no user cluster's, where there must be one: which one "
            "manages the others cannot be told"
        )
    return Managed(where, version_of(managers[0]), users)


@fleet_fact(every(abm_managed))
def abm_hierarchy(members: Members) -> Members:
    """Cluster -> the admin cluster that it is, or belongs to, with all that this one manages."""
    return members
