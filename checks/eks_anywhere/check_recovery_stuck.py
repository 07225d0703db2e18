"""The marks of an upgrade that stopped half way: versions that are mixed, and controllers that are still paused."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from conformance import BLOCKER, CLUSTER, STUCK, WARNING, Members, NotApplicable, Unreadable, clear, found, hazard
from conformance.facts.values.capi import CapiCluster, CapiObject, ControlPlane, Machine
from conformance.subjects import Subject

from ..sources import EKS_ANYWHERE
from .facts_recovery import FluxObject
from .recovery import Holding, Holdings, Tools
from .specification import PAUSED, EksaCluster, minor_of

STOPPED = EKS_ANYWHERE.section("アップグレードフェーズ")
_DEPLOYMENT = "cluster.x-k8s.io/deployment-name"
_CONTROL_PLANE = "the control plane"


@hazard(
    "eksa-mixed-versions",
    title="control plane and workers, or machines of one group, run different Kubernetes versions",
    severity=WARNING,
    on=[CLUSTER],
    situation=STUCK,
    source=STOPPED,
    remedy="The upgrade has stopped half way: mend what stopped it, bring the Cluster API objects back (--situation repair), and "
    "upgrade again to the same version. Do not begin another upgrade.",
)
def check_machines_run_one_version(recovery_holdings: Holdings, subject: Subject) -> None:
    designed: list[str] = []
    for held, cluster in recovery_holdings.homes_of(subject):
        groups = _groups(held.machines_of(cluster))
        if not groups:
            raise Unreadable(f"Cluster {cluster.name} in {held.where} has no Machine that says its version: which run?")
        mixed = [name for name, machines in groups.items() if len({one.version for one in machines}) > 1]
        leading = {one.version for one in groups.get(_CONTROL_PLANE, ())}
        others = {
            name: next(iter({one.version for one in machines}))
            for name, machines in groups.items()
            if name not in mixed and name != _CONTROL_PLANE
        }
        wanted = _wanted(recovery_holdings, cluster)
        apart = []
        for name, version in others.items():
            if leading and version not in leading and not _as_designed(cluster, name, version, wanted):
                apart.append(name)
            elif leading and version not in leading:
                designed.append(
                    f"{name} has a Kubernetes version of its own ({version}), as its specification wants it"
                )
        if not leading and len(set(others.values())) > 1:
            apart = list(others)
        if mixed or apart:
            told = [name for name in groups if name in mixed or name in apart or name == _CONTROL_PLANE]
            raise found(
                f"machines of Cluster {cluster.name} run different versions: "
                + "; ".join(f"{name} {_versions(groups[name])}" for name in told),
                evidence=[
                    f"machine {one.name}: version={one.version} phase={one.phase or '-'}"
                    for name in told
                    for one in groups[name]
                ],
            )
    if designed:
        raise clear("; ".join(designed))


def _groups(machines: Iterable[Machine]) -> dict[str, list[Machine]]:
    """The control plane first, then the groups of workers by name; machines of an etcd have no Kubernetes version."""
    found_: dict[str, list[Machine]] = {}
    for one in sorted(machines, key=lambda machine: (not machine.is_control_plane, machine.name)):
        if not one.version:
            continue
        group = _CONTROL_PLANE if one.is_control_plane else one.labels.get(_DEPLOYMENT) or "the workers"
        found_.setdefault(group, []).append(one)
    return found_


def _versions(machines: Iterable[Machine]) -> str:
    by_version: dict[str, list[str]] = {}
    for one in machines:
        by_version.setdefault(one.version, []).append(one.name)
    return ", ".join(f"{version} ({', '.join(names)})" for version, names in sorted(by_version.items()))


def _wanted(holdings: Holdings, cluster: CapiCluster) -> EksaCluster | None:
    """The EKS Anywhere Cluster of the same name, wherever it lies."""
    there = [one for held in holdings.held.values() for one in held.eksa if one.name == cluster.name]
    return there[0] if there else None


def _as_designed(cluster: CapiCluster, group: str, version: str, wanted: EksaCluster | None) -> bool:
    """Whether the specification gives this group of workers the version that it runs."""
    for one in wanted.workers if wanted else ():
        if f"{cluster.name}-{one.name}" == group and one.version:
            return minor_of(one.version, f"kubernetesVersion of {one.name}") == minor_of(version, f"version of {group}")
    return False


@dataclass(frozen=True, slots=True)
class _Pause:
    """One thing that is paused."""

    said: str
    line: str
    command: str


@hazard(
    "eksa-reconcile-paused",
    title="reconciliation is still paused by an interrupted upgrade",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=STUCK,
    source=STOPPED,
    remedy="Resume it, but only after the Cluster API objects are back in the management cluster.",
)
def check_nothing_is_paused(
    recovery_holdings: Holdings, recovery_planes: Members, recovery_flux: list[FluxObject], subject: Subject
) -> None:
    places = _places(recovery_holdings, subject)
    if not any(held.clusters or held.eksa for held in places):
        names = ", ".join(one.where for one in places)
        raise Unreadable(
            f"no Cluster, neither of EKS Anywhere nor of Cluster API, is found in {names}: is it the right one?"
        )
    manager = recovery_holdings.subjects.get(subject.manager or "", subject)
    tools = Tools(recovery_holdings.name_of(manager))
    is_manager = manager == subject
    skipped = (
        {one.name for one in recovery_holdings.subjects.values() if one.manager == subject.name}
        if is_manager
        else set()
    )
    owned: list[tuple[Holding, bool, set[str]]] = []
    for held in places:
        boot = "bootstrap" in recovery_holdings.subjects[held.where].roles
        names = {one.name for one in (*held.clusters, *held.eksa)}
        owned.append((held, boot, names - skipped if is_manager else names & {subject.name}))
    displaced = any(boot and any(one.name in own for one in held.clusters) for held, boot, own in owned)
    pauses: list[_Pause] = []
    for held, boot, own in owned:
        # What has to be moved first is resumed where it lies then.
        config = tools.kind_kubeconfig if boot and not displaced else tools.kubeconfig
        pauses += _eksa(held, own, config)
        pauses += _capi(held, own, recovery_planes.get(held.where, ()), config)
    if is_manager:
        pauses += _flux(recovery_flux, subject.name, tools.kubeconfig)
    if not pauses:
        return
    first = (
        "first bring the Cluster API objects back: they are in the bootstrap cluster (--situation repair, "
        "eksa-capi-objects-in-bootstrap). Then, in the management cluster:"
        if displaced
        else "make sure that the Cluster API objects are in the management cluster (--situation repair), then:"
    )
    raise found(
        f"still paused: {'; '.join(one.said for one in pauses)}",
        evidence=[one.line for one in pauses],
        remedy="\n".join([first, *dict.fromkeys(one.command for one in pauses)]),
    )


def _places(holdings: Holdings, subject: Subject) -> list[Holding]:
    """The clusters in which something of a subject may be paused.

    :raises NotApplicable: it is a bootstrap cluster of a cluster that the change names.
    :raises Unreadable: what lies in one of them is not known.
    """
    if "bootstrap" in subject.roles:
        about = holdings.management_of(subject)
        if about is not None:
            raise NotApplicable(
                f"it is the bootstrap cluster of {about.name}: what is paused in it is told of that cluster"
            )
        members = [subject]
    else:
        holder = holdings.subjects.get(subject.manager or "", subject)
        members = [holder, *(holdings.bootstraps_of(holder) if holder in holdings.managements else [])]
    for one in members:
        if one.name in holdings.unread and len(members) == 1:
            raise Unreadable(f"what is paused in {one.name} is not known: {holdings.unread[one.name].reason}")
    return [holdings.held[one.name] for one in members if one.name in holdings.held]


def _eksa(held: Holding, own: set[str], config: str) -> Iterator[_Pause]:
    for one in held.eksa:
        if one.name in own and one.paused:
            yield _Pause(
                f"EKS Anywhere's controller for {one} in {held.where} (annotation {PAUSED})",
                f"clusters.anywhere.eks.amazonaws.com {one.namespace}/{one.name} of {held.where}: {PAUSED}: {one.pause}",
                f"kubectl --kubeconfig {config} annotate clusters.anywhere.eks.amazonaws.com {shlex.quote(one.name)} "
                f"-n {shlex.quote(one.namespace or 'default')} {PAUSED}-",
            )


def _capi(held: Holding, own: set[str], planes: Iterable[CapiObject], config: str) -> Iterator[_Pause]:
    for cluster in held.clusters:
        if cluster.name in own and cluster.suspended:
            yield _Pause(
                f"{cluster} in {held.where} (spec.paused)",
                f"cluster {cluster.namespace}/{cluster.name} of {held.where}: spec.paused: true",
                f"kubectl --kubeconfig {config} patch clusters.cluster.x-k8s.io {shlex.quote(cluster.name)} "
                f'-n {shlex.quote(cluster.namespace)} --type merge -p \'{{"spec":{{"paused":false}}}}\'',
            )
    for one in (*held.clusters, *planes, *held.deployments, *held.machines):
        if one.cluster in own and one.paused:
            plural = f"{one.kind.lower()}s"
            # The group belongs to it: EKS Anywhere has clusters as well.
            group = f"{'controlplane.' if isinstance(one, ControlPlane) else ''}cluster.x-k8s.io"
            yield _Pause(
                f"{one} in {held.where} (annotation cluster.x-k8s.io/paused)",
                f"{plural.removesuffix('s')} {one.namespace}/{one.name} of {held.where}: annotation cluster.x-k8s.io/paused",
                f"kubectl --kubeconfig {config} annotate {plural}.{group} {shlex.quote(one.name)} "
                f"-n {shlex.quote(one.namespace)} cluster.x-k8s.io/paused-",
            )


def _flux(flux: Iterable[FluxObject], where: str, config: str) -> Iterator[_Pause]:
    words = {"Kustomization": "kustomization", "GitRepository": "source git"}
    plurals = {"Kustomization": "kustomizations", "GitRepository": "gitrepositories"}
    for one in flux:
        if one.suspended:
            yield _Pause(
                f"Flux's {one.kind} {one.namespace}/{one.name} in {where} (spec.suspend)",
                f"{plurals[one.kind]} {one.namespace}/{one.name}: spec.suspend: true",
                f"flux resume {words[one.kind]} {shlex.quote(one.name)} -n {shlex.quote(one.namespace)} --kubeconfig {config}",
            )
