"""Facts of what a specification consists of beside its Cluster, each as it is and as it is about to be.

Proxies and addresses of Git repositories may hold a password: of such an address only the rest is kept.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance import Members, NotApplicable, Unreadable, cluster_fact, desired, every, fleet_fact, listing
from conformance.facts.values.capi import CONDITIONS, Condition, conditions_of
from conformance.reads.projection import project, tree_of, value_at
from conformance.subjects import Subject

from .specification import GROUP, EksaCluster

#: Who logs in: up to the last @, since a password may hold anything. The scheme, where there is one, stays.
_LOGIN: Final = re.compile(r"^([a-zA-Z][a-zA-Z0-9+.-]*://)?.*@", re.DOTALL)
_GITOPS: Final = tree_of(
    (
        *("metadata.name", "metadata.namespace", "spec.systemNamespace", "spec.clusterConfigPath", "spec.branch"),
        *("spec.github.owner", "spec.github.repository", "spec.github.personal", "spec.git.repositoryUrl"),
        *("spec.git.sshKeyAlgorithm", "spec.flux.github"),
    )
)


def without_login(address: str) -> dict[str, Any]:
    """An address without who logs in: that may be a password."""
    text = _LOGIN.sub(lambda match: match[1] or "", address.strip())
    return {"address": text, "login": text != address.strip()}


def eksa_proxies(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of a Cluster: its proxies, without who logs in there."""
    proxies = value_at(obj, "spec.proxyConfiguration") or {}
    kept: dict[str, Any] = {
        key: without_login(str(proxies[key])) for key in ("httpProxy", "httpsProxy") if proxies.get(key)
    }
    kept["noProxy"] = [str(one) for one in proxies.get("noProxy") or []]
    return {"metadata": project(obj.get("metadata") or {}, tree_of(("name", "namespace"))), "proxies": kept}


def eksa_gitops(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of a FluxConfig or GitOpsConfig: what says where it points, without who logs in there."""
    kept = project(obj, _GITOPS)
    address = value_at(kept, "spec.git.repositoryUrl")
    if address:
        kept["spec"]["git"]["repositoryUrl"] = without_login(str(address))["address"]
    return dict(kept)


@dataclass(frozen=True, slots=True)
class Part:
    """One object of a specification: as it is in the management cluster, and as it is about to be."""

    kind: str
    name: str
    #: None where there is none.
    live: Mapping[str, Any] | None
    wanted: Mapping[str, Any] | None


def _by_name(objects: Iterable[Mapping[str, Any]], namespace: str) -> dict[str, Mapping[str, Any]]:
    """Those of the namespace of the Cluster; a document without one is of whatever namespace."""
    return {
        str(one["metadata"]["name"]): one
        for one in objects
        if str(one["metadata"].get("namespace") or namespace) == namespace
    }


def _named(objects: Iterable[Mapping[str, Any]] | None) -> dict[str, Mapping[str, Any]]:
    held = [one for one in objects or [] if isinstance(one.get("metadata"), Mapping)]
    return {str(one["metadata"].get("name")): one for one in held}


_MACHINE: Final = (
    *("spec.datastore", "spec.folder", "spec.resourcePool", "spec.template", "spec.osFamily"),
    "spec.storagePolicyName",
)
_DATACENTER: Final = ("spec.datacenter", "spec.network", "spec.server", "spec.insecure", "spec.thumbprint")
_STATUS: Final = (*CONDITIONS, "status.specValid", "status.failureMessage")
MACHINES: Final = "VSphereMachineConfig"
DATACENTERS: Final = "VSphereDatacenterConfig"


@cluster_fact(
    listing(f"vspheremachineconfigs.{GROUP}", *_MACHINE, *_STATUS, required=False, at="manager"),
    listing(f"vspheredatacenterconfigs.{GROUP}", *_DATACENTER, *_STATUS, required=False, at="manager"),
)
def eksa_live_vsphere(
    machines: list[Mapping[str, Any]], datacenters: list[Mapping[str, Any]]
) -> dict[str, list[Mapping[str, Any]]]:
    """Kind -> all objects of vSphere that lie there."""
    return {MACHINES: machines, DATACENTERS: datacenters}


@cluster_fact(desired(MACHINES, GROUP, *_MACHINE), desired(DATACENTERS, GROUP, *_DATACENTER))
def eksa_desired_vsphere(
    machines: list[Mapping[str, Any]] | None, datacenters: list[Mapping[str, Any]] | None
) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Kind -> name -> document of vSphere in the specification."""
    return {MACHINES: _named(machines), DATACENTERS: _named(datacenters)}


@cluster_fact(every(eksa_live_vsphere))
def eksa_vsphere_there(members: Members) -> dict[str, list[Mapping[str, Any]]]:
    """Kind -> all objects of vSphere that lie there; none where the kinds are not served."""
    held: dict[str, list[Mapping[str, Any]]] = read_of(members, {})
    return held


def read_of(members: Members, otherwise: Any) -> Any:
    """What an optional kind gave; `otherwise` where it is not served.

    :raises Unreadable: it could not be read.
    """
    for failure in members.unread.values():
        raise Unreadable(failure.reason, read=failure.read, subject=failure.subject)
    return next(iter(members.values()), otherwise)


@dataclass(frozen=True, slots=True)
class Vsphere:
    """A cluster on vSphere, with what it refers to."""

    live: EksaCluster
    #: None where no specification is given.
    wanted: EksaCluster | None
    live_objects: Mapping[str, Mapping[str, Mapping[str, Any]]]
    wanted_objects: Mapping[str, Mapping[str, Mapping[str, Any]]]


@cluster_fact()
def eksa_vsphere(
    eksa_cluster: EksaCluster,
    eksa_desired_cluster: EksaCluster | None,
    eksa_vsphere_there: dict[str, list[Mapping[str, Any]]],
    eksa_desired_vsphere: dict[str, dict[str, Mapping[str, Any]]],
) -> Vsphere:
    """What a cluster on vSphere refers to, as it is and as it is about to be."""
    wanted = eksa_desired_cluster
    if not eksa_cluster.on_vsphere and not (wanted and wanted.on_vsphere):
        kind = eksa_cluster.datacenter.kind if eksa_cluster.datacenter else "no datacenter"
        raise NotApplicable(f"{eksa_cluster} is not on vSphere, but of {kind}")
    live = {kind: _by_name(held, eksa_cluster.namespace) for kind, held in eksa_vsphere_there.items()}
    return Vsphere(eksa_cluster, wanted, live, eksa_desired_vsphere)


def conditions_and_failure(obj: Mapping[str, Any]) -> tuple[list[Condition], str]:
    """The conditions of an object that are False, and what its controller says is wrong."""
    bad = [one for one in conditions_of(obj) if one.status == "False"]
    failure = "" if value_at(obj, "status.specValid") is True else str(value_at(obj, "status.failureMessage") or "")
    return bad, failure


@cluster_fact(
    listing(f"clusters.{GROUP}", reduce=eksa_proxies, at="manager"), desired("Cluster", GROUP, reduce=eksa_proxies)
)
def eksa_all_proxies(
    live: list[Mapping[str, Any]], wanted: list[Mapping[str, Any]] | None
) -> tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]]:
    """The proxies of every Cluster there, and of those in the specification."""
    return list(live), list(wanted or [])


@cluster_fact(
    listing(f"fluxconfigs.{GROUP}", reduce=eksa_gitops, required=False, at="manager"),
)
def eksa_live_flux(objects: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Every FluxConfig there."""
    return list(objects)


@cluster_fact(listing(f"gitopsconfigs.{GROUP}", reduce=eksa_gitops, required=False, at="manager"))
def eksa_live_gitops(objects: list[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Every GitOpsConfig there: what older releases had for a FluxConfig on GitHub."""
    return list(objects)


@cluster_fact(desired("FluxConfig", GROUP, reduce=eksa_gitops), desired("GitOpsConfig", GROUP, reduce=eksa_gitops))
def eksa_desired_gitops(
    flux: list[Mapping[str, Any]] | None, gitops: list[Mapping[str, Any]] | None
) -> dict[str, dict[str, Mapping[str, Any]]]:
    """Kind -> name -> what says how the specification keeps itself in Git."""
    return {"FluxConfig": _named(flux), "GitOpsConfig": _named(gitops)}


@cluster_fact(every(eksa_live_flux), every(eksa_live_gitops))
def eksa_git_part(
    flux: Members,
    gitops: Members,
    eksa_cluster: EksaCluster,
    eksa_desired_cluster: EksaCluster | None,
    eksa_desired_gitops: dict[str, dict[str, Mapping[str, Any]]],
) -> Part | None:
    """The FluxConfig or GitOpsConfig that the cluster refers to, or is about to; None where it refers to none."""
    wanted_ref = eksa_desired_cluster.gitops if eksa_desired_cluster else None
    ref = eksa_cluster.gitops or wanted_ref
    if ref is None:
        return None
    held = read_of(gitops if ref.kind == "GitOpsConfig" else flux, [])
    live = _by_name(held, eksa_cluster.namespace) if eksa_cluster.gitops else {}
    wanted = eksa_desired_gitops.get(wanted_ref.kind, {}).get(wanted_ref.name) if wanted_ref else None
    return Part(ref.kind, ref.name, live.get(ref.name), wanted)


@dataclass(frozen=True, slots=True)
class Specified:
    """A cluster as it is, and as its specification wants it."""

    subject: str
    live: EksaCluster
    #: None where no specification is given.
    wanted: EksaCluster | None
    live_proxies: Mapping[str, Any]
    wanted_proxies: Mapping[str, Any]
    git: Part | None
    #: Of a cluster on vSphere; None elsewhere.
    live_datacenter: Mapping[str, Any] | None
    wanted_datacenter: Mapping[str, Any] | None


@cluster_fact()
def eksa_specified(
    eksa_cluster: EksaCluster,
    eksa_desired_cluster: EksaCluster | None,
    eksa_all_proxies: tuple[list[Mapping[str, Any]], list[Mapping[str, Any]]],
    eksa_git_part: Part | None,
    eksa_vsphere_there: dict[str, list[Mapping[str, Any]]],
    eksa_desired_vsphere: dict[str, dict[str, Mapping[str, Any]]],
    subject: Subject,
) -> Specified:
    """Everything that is compared between a cluster and its specification."""
    live, wanted = eksa_cluster, eksa_desired_cluster
    there, to_come = eksa_all_proxies
    own = [one for one in there if one["metadata"].get("namespace", "") == live.namespace]
    place = live.datacenter.name if live.datacenter and live.on_vsphere else ""
    return Specified(
        subject.name,
        live,
        wanted,
        _named(own).get(live.name, {}).get("proxies", {}),
        _named(to_come).get(wanted.name, {}).get("proxies", {}) if wanted else {},
        eksa_git_part,
        _by_name(eksa_vsphere_there.get(DATACENTERS, []), live.namespace).get(place),
        eksa_desired_vsphere[DATACENTERS].get(place),
    )


@fleet_fact(every(eksa_specified))
def eksa_specifications(members: Members) -> Members:
    """Cluster -> the cluster with its specification."""
    return members


@fleet_fact(every(eksa_vsphere))
def eksa_vsphere_clusters(members: Members) -> Members:
    """Cluster -> what it refers to of vSphere; clusters elsewhere are ruled out."""
    return members
