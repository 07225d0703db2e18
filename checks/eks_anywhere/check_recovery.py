"""Around the repair of an interrupted upgrade: whether it is safe to go on with the document's next step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from conformance import (
    BLOCKER,
    CLUSTER,
    FLEET,
    REPAIR,
    HazardFound,
    Members,
    Unreadable,
    clear,
    found,
    hazard,
)
from conformance.facts.values.capi import CapiCluster, CapiObject, ControlPlane, Machine, MachineGroup
from conformance.subjects import Subject

from ..sources import EKS_ANYWHERE
from .facts_recovery import Readiness
from .leftovers import Container
from .parameters import EKSA_DIRECTORY
from .recovery import NAMESPACE, Holding, Holdings, Side, Tools, count_of, listed

REPAIRING = EKS_ANYWHERE.section("アップグレード段階での問題")
_MOVE_AGAIN = (
    "delete none of them by hand: that would delete the machines themselves. Move again, which updates what is there and "
    "takes it out of the bootstrap cluster:"
)
_LOOK = (
    "look for another bootstrap cluster before anything else (docker ps -a), and name it in the change file (role: "
    "bootstrap). Where there is none, put back what was backed up:"
)
_AGAIN = "run this check again (--situation repair) before you go on"


def tools_of(side: Side, container: Container | None, parameters: Mapping[str, str]) -> Tools:
    """The words of the commands for one management cluster."""
    spaces = sorted({one.namespace for held in side.bootstraps for one in held.clusters})
    return Tools(
        side.name,
        container.name if container else "",
        stopped=bool(container and not container.runs),
        namespace=spaces[0] if len(spaces) == 1 else NAMESPACE,
        directory=parameters.get("eksa-directory", ""),
    )


@hazard(
    "eksa-capi-objects-in-bootstrap",
    title="Cluster API objects are not where they belong: to delete the bootstrap cluster now may lose them",
    severity=BLOCKER,
    on=[FLEET],
    sides=["clusters"],
    situation=REPAIR,
    source=REPAIRING,
    remedy="Back them up with clusterctl move --to-directory, move them back with clusterctl move --to-kubeconfig, verify "
    "both sides, then upgrade again with --force-cleanup.",
    parameters=EKSA_DIRECTORY,
)
def check_objects_are_in_the_management_cluster(
    recovery_sides: list[Side],
    recovery_tools: Container | None,
    recovery_workstations: Members,
    parameters: dict[str, str],
) -> None:
    troubles = []
    for side in recovery_sides:
        tools = tools_of(side, recovery_tools, parameters)
        trouble = _misplaced(side, tools)
        if trouble:
            troubles.append(trouble)
    if troubles:
        raise found(
            "; ".join(one.message for one in troubles),
            evidence=[line for one in troubles for line in one.evidence],
            remedy="\n".join(one.remedy or "" for one in troubles),
        )
    for side in recovery_sides:
        if not side.bootstraps:
            _no_other_bootstrap(side, recovery_workstations)
    raise clear(
        "; ".join(
            f"management cluster {side.management.where} holds {count_of(side.management.objects)}"
            + "".join(f", bootstrap cluster {one.where} none" for one in side.bootstraps)
            for side in recovery_sides
        )
    )


def _no_other_bootstrap(side: Side, workstations: Members) -> None:
    """Make sure that there is no bootstrap cluster which the change does not name.

    :raises Unreadable: there is one, or nobody can tell.
    """
    named = f"management cluster {side.management.where} holds {count_of(side.management.objects)}"
    for name, containers in workstations.items():
        if containers and containers.bootstraps:
            told = ", ".join(str(one) for one in containers.bootstraps)
            raise Unreadable(
                f"{named}, but {name} has a bootstrap cluster that the change does not name: {told}; add it with its "
                "kubeconfig (CLUSTER/generated/CLUSTER.kind.kubeconfig) and role: bootstrap"
            )
    if not any(containers and containers.engine != "none" for containers in workstations.values()):
        raise Unreadable(
            f"{named}; whether a bootstrap cluster is left is not known: name it (role: bootstrap), or the workstation from "
            "which the upgrade was run (roles: [workstation]), in the change file"
        )


def _misplaced(side: Side, tools: Tools) -> HazardFound | None:
    """What is wrong with where the objects lie; None where nothing is."""
    strays, doubles = side.strays, side.doubles
    there = f"management cluster {side.management.where}"
    boots = " and ".join(f"bootstrap cluster {one.where}" for one in side.bootstraps)
    evidence = [
        f"{line} of {held.where}" for held in (*side.bootstraps, side.management) for line in listed(held.objects)
    ]
    evidence += [
        f"clusters.cluster.x-k8s.io and machines.cluster.x-k8s.io of {held.where}: none"
        + ("" if held.served else " (it does not serve Cluster API)")
        for held in (*side.bootstraps, side.management)
        if not held.objects
    ]
    unserved = "" if side.management.served else ", which does not even serve Cluster API: install it there first"
    back = [tools.move(), *tools.verify(), f"{_AGAIN}:", tools.upgrade()]
    if strays and not doubles:
        return found(
            f"{count_of(strays)} {'are' if len(strays) > 1 else 'is'} in {boots} and not in {there}{unserved}: to delete the "
            f"bootstrap cluster now loses them",
            evidence=evidence,
            remedy="\n".join([*tools.prepared(), *tools.back_up(), *back]),
        )
    if strays:
        names = ", ".join(f"{one.kind} {one.name}" for one in strays)
        return found(
            f"the move between {boots} and {there} has stopped half way: {names} {'are' if len(strays) > 1 else 'is'} in the "
            f"bootstrap cluster alone, {count_of(doubles)} in both: to delete the bootstrap cluster now loses what is there alone",
            evidence=evidence,
            remedy="\n".join([*tools.prepared(), *tools.back_up(), *back]),
        )
    if doubles:
        return found(
            f"{count_of(doubles)} {'are' if len(doubles) > 1 else 'is'} in both {boots} and {there}: the move has not come to "
            "its end, and controllers on both sides may work on the same machines",
            evidence=evidence,
            remedy="\n".join(
                [
                    _MOVE_AGAIN,
                    *tools.prepared(),
                    *tools.back_up(),
                    *back,
                ]
            ),
        )
    if side.complete:
        return None
    if side.own is not None:
        lost = f"{there} holds Cluster {side.name} without any Machine"
    elif side.management.clusters:
        lost = f"{there} holds {count_of(side.management.clusters)}, but not Cluster {side.name} itself"
    else:
        lost = f"{there} holds no Cluster{unserved}"
    elsewhere = f"{boots} holds nothing" if side.bootstraps else "no bootstrap cluster is named in the change"
    return found(
        f"{lost}, and {elsewhere}: nothing manages its machines",
        evidence=evidence,
        remedy="\n".join(
            [
                _LOOK,
                *tools.prepared(),
                tools.restore(),
                f"{_AGAIN}",
            ]
        ),
    )


@hazard(
    "eksa-machines-not-running",
    title="machines of the cluster are not running, or a condition in its tree is not True",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=REPAIR,
    source=REPAIRING,
    remedy="Find out what keeps them from running and mend it before the objects are moved.",
)
def check_machines_are_running(
    recovery_holdings: Holdings, recovery_planes: Members, recovery_tools: Container | None, subject: Subject
) -> None:
    said: list[str] = []
    evidence: list[str] = []
    remedy: list[str] = []
    paused: list[str] = []
    for held, cluster in recovery_holdings.homes_of(subject):
        boot = "bootstrap" in recovery_holdings.subjects[held.where].roles
        planes = [
            one
            for one in recovery_planes.get(held.where, ())
            if (one.namespace, one.cluster) == (cluster.namespace, cluster.name)
            or f"{one.kind}/{one.name}" == cluster.control_plane
        ]
        wrong = list(_wrong(held, cluster, planes))
        if cluster.suspended:
            paused.append(
                f"{cluster} in {held.where} is paused (spec.paused): what is said of its machines is as of then"
            )
        if wrong:
            said.append(
                f"in {'bootstrap ' if boot else ''}cluster {held.where}: {'; '.join(text for text, _ in wrong)}"
            )
            evidence += [f"{line} (in {held.where})" for _, line in wrong]
            tools = _tools_for(recovery_holdings, subject, recovery_tools)
            remedy.append(tools.describe(cluster.name, bootstrap=boot))
    if said:
        raise found(
            "; ".join(said),
            evidence=evidence,
            remedy="\n".join(
                [*remedy, "mend what these name, and wait until all is Running and True; do not move anything before"]
            ),
        )
    if paused:
        raise clear("; ".join(paused))


def _tools_for(holdings: Holdings, subject: Subject, container: Container | None) -> Tools:
    manager = holdings.subjects.get(subject.manager or "", subject)
    return Tools(
        holdings.name_of(manager), container.name if container else "", stopped=bool(container and not container.runs)
    )


def _wrong(held: Holding, cluster: CapiCluster, planes: list[ControlPlane]) -> list[tuple[str, str]]:
    """What in a cluster's tree is not as it should be, each with the line that shows it."""
    found_: list[tuple[str, str]] = []
    machines = held.machines_of(cluster)

    def tell(one: CapiObject, told: list[str]) -> None:
        if told:
            phase = f" phase={one.phase or '-'}" if isinstance(one, CapiCluster | Machine) else ""
            more = f" node={one.node or '-'} version={one.version or '-'}" if isinstance(one, Machine) else ""
            said = "; ".join(_untrue(one)) or one.health or "no condition"
            line = f"{one.kind.lower()} {one.name}:{phase}{more} {said}"
            found_.append((f"{one.kind} {one.name}: {', '.join(told)}", line))

    for one in (cluster, *planes, *held.deployments_of(cluster)):
        tell(one, _unwell(one))
    for machine in sorted(machines, key=lambda one: one.name):
        phase = [] if machine.phase == "Running" else [f"it is {machine.phase or 'of no phase yet'}, not Running"]
        tell(machine, [*phase, *_unwell(machine)])
    if not machines:
        found_.append((f"Cluster {cluster.name} has no Machine", f"machines of Cluster {cluster.name}: none"))
    return found_


def _unwell(one: CapiObject) -> list[str]:
    told = []
    if one.deleted:
        told.append(f"it is being deleted since {one.deleted}")
    # While its Cluster is paused no controller looks at it, and nothing is wrong with that.
    if not one.observed and not (isinstance(one, CapiCluster) and one.suspended):
        told.append("its controller has not seen its latest change")
    told += _untrue(one)
    if one.health is None and isinstance(one, MachineGroup) and not isinstance(one, ControlPlane):
        # Older releases give a MachineDeployment no conditions; its counts say as much.
        if not one.complete:
            told.append(f"{one.ready} of {one.wanted} machines are ready, {one.up_to_date} up to date")
    elif one.health is None:
        told.append("it has no condition that says how it is")
    return told


#: Conditions of the newer API that say what goes on, and are False where nothing does; and what an upgrade that is not
#: through leaves, whatever its state.
_STATES: Final = frozenset(
    {"Paused", "Deleting", "ScalingUp", "ScalingDown", "RollingOut", "Remediating", "UpToDate", "MachinesUpToDate"}
)
_SUMS: Final = ("Available", "Ready")


def _untrue(one: CapiObject) -> list[str]:
    """Every condition that should be True and is not, as it says itself.

    `Available` and `Ready` must both be: in v1beta1 a control plane is Available from its first machine on.
    """
    etcd = isinstance(one, Machine) and one.is_etcd
    told: dict[str, None] = {}
    for held in one.conditions:
        if held.is_true or held.type in _STATES or (held.severity == "Info" and held.type not in _SUMS):
            continue
        # A machine of an external etcd never becomes a node, which the newer conditions hold against it.
        if etcd and (held.type.startswith("Node") or (held.type in _SUMS and _is_ready(one))):
            continue
        told[str(held)] = None
    return list(told)


def _is_ready(one: CapiObject) -> bool:
    return any(held.type == "Ready" and held.is_true for held in one.conditions)


@hazard(
    "eksa-api-unresponsive",
    title="the API server of the management cluster does not answer, or is not ready",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=REPAIR,
    source=REPAIRING,
    remedy="Bring the API server back before anything is moved: look at its control-plane machines, at their etcd and at the "
    "address of its endpoint.",
)
def check_the_api_server_answers(recovery_management: Subject, recovery_readiness: Readiness) -> None:
    name, ready = recovery_management.name, recovery_readiness
    if ready.status == 200:
        return
    if not ready.status:
        raise found(
            f"the API server of {name} does not answer: {ready.silence}",
            evidence=[f"{name} /readyz?verbose: {ready.silence}"],
        )
    failing = [one for one in ready.lines if one.startswith("[-]")]
    if failing:
        names = ", ".join(one.removeprefix("[-]").partition(" ")[0] for one in failing)
        raise found(f"the API server of {name} says that it is not ready ({ready.status}): {names}", evidence=failing)
    shown = list(ready.lines[:3]) or [f"status {ready.status}, and nothing else"]
    by = "the API server" if ready.status == 500 else "what stands before the API server"
    raise found(f"{by} of {name} answers /readyz with {ready.status}: {' '.join(shown)[:200]}", evidence=shown)
