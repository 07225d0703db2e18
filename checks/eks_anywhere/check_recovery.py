"""Around the repair of an interrupted upgrade: whether it is safe to go on with the document's next step."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

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
from conformance.subjects import Subject

from ..sources import EKS_ANYWHERE
from .facts_recovery import Readiness
from .leftovers import Container
from .parameters import EKSA_DIRECTORY
from .recovery import NAMESPACE, Holdings, Side, Tools, count_of, listed
from .recovery_tree import wrong_in

REPAIRING = EKS_ANYWHERE.section("アップグレード段階での問題")
_MOVE_AGAIN = (
    "# Delete none of them by hand: that would delete the machines themselves. Move again, which updates what is there and",
    "# takes it out of the bootstrap cluster.",
)
_LOOK = (
    "# Look for another bootstrap cluster before anything else (docker ps -a), and name it in the change file (role:",
    "# bootstrap). Only where there is none, put back what was backed up:",
)
_AGAIN = "# Run this check again (--situation repair) before you go on."
_BACK = (
    "# The bootstrap cluster must hold none of them now, the management cluster all. Run this check again (--situation",
    "# repair): once it is clear, it names the command that upgrades again and takes the bootstrap cluster away.",
)


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
            + _next(side, tools_of(side, recovery_tools, parameters))
            for side in recovery_sides
        )
    )


def _next(side: Side, tools: Tools) -> str:
    """What comes next where a bootstrap cluster is still there."""
    return f": next comes `{tools.upgrade()}`" if side.bootstraps else ""


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
    # The last step, --force-cleanup, deletes the bootstrap cluster: it is not told before the move is seen to be done.
    back = "\n".join([*tools.steps(*tools.back_up(), tools.move(), *tools.verify()), *_BACK])
    if strays and not doubles:
        return found(
            f"{count_of(strays)} {'are' if len(strays) > 1 else 'is'} in {boots} and not in {there}{unserved}: to delete the "
            f"bootstrap cluster now loses them",
            evidence=evidence,
            remedy=back,
        )
    if strays:
        names = ", ".join(f"{one.kind} {one.name}" for one in strays)
        return found(
            f"the move between {boots} and {there} has stopped half way: {names} {'are' if len(strays) > 1 else 'is'} in the "
            f"bootstrap cluster alone, {count_of(doubles)} in both: to delete the bootstrap cluster now loses what is there alone",
            evidence=evidence,
            remedy=back,
        )
    if doubles:
        return found(
            f"{count_of(doubles)} {'are' if len(doubles) > 1 else 'is'} in both {boots} and {there}: the move has not come to "
            "its end, and controllers on both sides may work on the same machines",
            evidence=evidence,
            remedy="\n".join([*_MOVE_AGAIN, back]),
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
        remedy="\n".join([*_LOOK, *tools.steps(tools.restore()), _AGAIN]),
    )


@hazard(
    "eksa-machines-not-running",
    title="machines of the cluster are not running, or a condition in its tree is not True",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=REPAIR,
    source=REPAIRING,
    remedy="Find out what keeps them from running and mend it before the objects are moved.",
    parameters=EKSA_DIRECTORY,
)
def check_machines_are_running(
    recovery_holdings: Holdings,
    recovery_planes: Members,
    recovery_tools: Container | None,
    subject: Subject,
    parameters: dict[str, str],
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
        wrong = wrong_in(held, cluster, planes)
        if cluster.suspended:
            paused.append(
                f"{cluster} in {held.where} is paused (spec.paused): what is said of its machines is as of then"
            )
        if wrong:
            said.append(
                f"in {'bootstrap ' if boot else ''}cluster {held.where}: {'; '.join(text for text, _ in wrong)}"
            )
            evidence += [f"{line} (in {held.where})" for _, line in wrong]
            tools = replace(
                _tools_for(recovery_holdings, subject, recovery_tools, parameters), namespace=cluster.namespace
            )
            remedy += tools.steps(tools.describe(cluster.name, bootstrap=boot))
    if said:
        raise found(
            "; ".join(said),
            evidence=evidence,
            remedy="\n".join(
                [
                    *remedy,
                    "# Mend what it names, and wait until all is Running and True; do not move anything before.",
                ]
            ),
        )
    if paused:
        raise clear("; ".join(paused))


def _tools_for(
    holdings: Holdings, subject: Subject, container: Container | None, parameters: Mapping[str, str]
) -> Tools:
    manager = holdings.subjects.get(subject.manager or "", subject)
    return Tools(
        holdings.name_of(manager),
        container.name if container else "",
        stopped=bool(container and not container.runs),
        directory=parameters.get("eksa-directory", ""),
    )


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
