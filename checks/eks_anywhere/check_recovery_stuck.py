"""The marks of an upgrade that stopped half way: versions that are mixed, and controllers that are still paused."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from conformance import BLOCKER, CLUSTER, STUCK, WARNING, Members, NotApplicable, Unreadable, clear, found, hazard
from conformance.facts.values.capi import CapiCluster, CapiObject, ControlPlane, Machine
from conformance.subjects import Subject

from ..sources import EKS_ANYWHERE
from .facts import wanted_name
from .facts_paused import Part, Parts
from .facts_recovery import FluxObject
from .recovery import Holding, Holdings, Tools
from .specification import FLUX_RECONCILE, GROUP, PAUSED, EksaCluster, minor_of

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
    recovery_holdings: Holdings,
    recovery_planes: Members,
    recovery_parts: Parts,
    recovery_flux: list[FluxObject],
    recovery_wanted: list[EksaCluster] | None,
    subject: Subject,
) -> None:
    places = _places(recovery_holdings, subject)
    if not any(held.clusters or held.eksa for held in places):
        names = ", ".join(one.where for one in places)
        raise Unreadable(
            f"no Cluster, neither of EKS Anywhere nor of Cluster API, is found in {names}: is it the right one?"
        )
    manager = recovery_holdings.subjects.get(subject.manager or "", subject)
    tools = Tools(recovery_holdings.name_of(manager))
    owned = list(_owned(recovery_holdings, places, subject, recovery_wanted))
    displaced = any(boot and any(one.name in own for one in held.clusters) for held, boot, own in owned)
    pauses: list[_Pause] = []
    for held, boot, own in owned:
        # What has to be moved first is resumed where it lies then.
        config = tools.kind_kubeconfig if boot and not displaced else tools.kubeconfig
        parts = _parts_of(held, own, recovery_parts.held.get(held.where, ()), own if manager == subject else set())
        pauses += _eksa(held, own, parts, config)
        pauses += _capi(held, own, recovery_planes.get(held.where, ()), config)
        pauses += _kept_from_flux(held, own, parts, config)
    if manager == subject:
        pauses += _flux(recovery_flux, subject.name, tools.kubeconfig)
    if not pauses:
        for held in places:
            if held.where in recovery_parts.unread:
                why = recovery_parts.unread[held.where]
                raise Unreadable(f"what is paused in {held.where} is not known: {why.reason}", read=why.read)
        return
    raise found(
        f"still paused: {'; '.join(one.said for one in pauses)}",
        evidence=[one.line for one in pauses],
        remedy="\n".join(_resumed(tools, list(dict.fromkeys(one.command for one in pauses)), displaced=displaced)),
    )


def _resumed(tools: Tools, commands: list[str], *, displaced: bool) -> list[str]:
    """The lines of the remedy."""
    if displaced:
        # As comments alone: a controller that is resumed before its objects are back would make them anew.
        return [
            "# First bring the Cluster API objects back: they are in the bootstrap cluster (--situation repair,",
            "# eksa-capi-objects-in-bootstrap). Then run this check again, and in the management cluster:",
            *(f"# {one}" for one in commands),
        ]
    return [
        "# Make sure that the Cluster API objects are in the management cluster (--situation repair), then:",
        *tools.steps(*commands, tools=False),
    ]


def _owned(
    holdings: Holdings, places: list[Holding], subject: Subject, wanted: list[EksaCluster] | None
) -> Iterator[tuple[Holding, bool, set[str]]]:
    """Where something of a subject may lie, whether that is a bootstrap cluster, and the names of the subject's Clusters.

    :raises Unreadable: the Cluster of a workload cluster is found nowhere.
    """
    manager = holdings.subjects.get(subject.manager or "", subject)
    there = {held.where: {one.name for one in (*held.clusters, *held.eksa)} for held in places}
    if manager == subject:
        # Those of clusters that the change names are told of them.
        others = {one.name for one in holdings.subjects.values() if one.manager == subject.name}
        own = set().union(*there.values()) - others
    else:
        known = set().union(*there.values())
        own = {one for one in (subject.name, wanted_name(subject, wanted)) if one in known}
        own = {subject.name} if subject.name in own else own
        if not own:
            raise Unreadable(
                f"no Cluster {wanted_name(subject, wanted)} is found in {', '.join(there)} (there: "
                f"{', '.join(sorted(known))}): mend the name in the change file"
            )
    for held in places:
        yield held, "bootstrap" in holdings.subjects[held.where].roles, there[held.where] & own


def _parts_of(held: Holding, own: set[str], parts: Iterable[Part], otherwise: set[str]) -> list[Part]:
    """The configurations that Clusters of these names refer to; `otherwise` says whose those are that none refers to."""
    users: dict[tuple[str, str, str], set[str]] = {}
    for one in held.eksa:
        for ref in (one.datacenter, *(ref for _, ref in one.machine_refs())):
            if ref:
                users.setdefault((ref.kind, one.namespace, ref.name), set()).add(one.name)
    return [one for one in parts if users.get((one.ref.kind, one.namespace, one.ref.name), otherwise) & own]


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


def _eksa(held: Holding, own: set[str], parts: Iterable[Part], config: str) -> Iterator[_Pause]:
    for one in held.eksa:
        if one.name in own and one.paused:
            yield _Pause(
                f"EKS Anywhere's controller for {one} in {held.where} (annotation {PAUSED})",
                f"clusters.anywhere.eks.amazonaws.com {one.namespace}/{one.name} of {held.where}: {PAUSED}: {one.pause}",
                _unannotated("Cluster", one.name, one.namespace, PAUSED, config),
            )
    for part in parts:
        if part.pause == "true":
            yield _Pause(
                f"EKS Anywhere's controller for {part} in {held.where} (annotation {PAUSED})",
                f"{part} of {held.where}: {PAUSED}: {part.pause}",
                _unannotated(part.ref.kind, part.ref.name, part.namespace, PAUSED, config),
            )


def _kept_from_flux(held: Holding, own: set[str], parts: Iterable[Part], config: str) -> Iterator[_Pause]:
    there = [("Cluster", one.name, one.namespace, one.flux) for one in held.eksa if one.name in own]
    there += [(one.ref.kind, one.ref.name, one.namespace, one.flux) for one in parts]
    for kind, name, namespace, value in there:
        if value and value.lower() == "disabled":
            yield _Pause(
                f"Flux for {kind} {namespace}/{name} in {held.where} (annotation {FLUX_RECONCILE})",
                f"{kind} {namespace}/{name} of {held.where}: {FLUX_RECONCILE}: {value}",
                _unannotated(kind, name, namespace, FLUX_RECONCILE, config),
            )


def _unannotated(kind: str, name: str, namespace: str, annotation: str, config: str) -> str:
    return (
        f"kubectl --kubeconfig {config} annotate {kind.lower()}s.{GROUP} {shlex.quote(name)} "
        f"-n {shlex.quote(namespace or 'default')} {annotation}-"
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
