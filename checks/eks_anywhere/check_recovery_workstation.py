"""What an interrupted upgrade left on the workstation, and the backup without which nothing should be moved."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from datetime import datetime

from conformance import (
    BLOCKER,
    REPAIR,
    STUCK,
    WORKSTATION,
    Members,
    NotApplicable,
    Unreadable,
    clear,
    found,
    hazard,
)
from conformance.facts.values.capi import CapiObject
from conformance.hazards import Situation

from ..sources import EKS_ANYWHERE
from .check_recovery import tools_of
from .leftovers import Backup, Container, Containers, Directory
from .parameters import EKSA_DIRECTORY
from .recovery import Side

REPAIRING = EKS_ANYWHERE.section("アップグレード段階での問題")


@hazard(
    "eksa-bootstrap-leftover",
    title="a bootstrap cluster or tools container of an interrupted upgrade is still there",
    severity=BLOCKER,
    on=[WORKSTATION],
    situation=(STUCK, REPAIR),
    source=REPAIRING,
    remedy="Once the Cluster API objects have been moved back, upgrade again with --force-cleanup.",
    parameters=EKSA_DIRECTORY,
)
def check_nothing_is_left_of_an_upgrade(
    recovery_containers: Containers, recovery_directory: Directory, situation: Situation
) -> None:
    here, files = recovery_containers, recovery_directory.kubeconfigs
    if not here.bootstraps and not here.tools:
        _files_alone(here, recovery_directory)
        return
    said = [
        f"the bootstrap cluster of {one.cluster}, {one}"
        + (f", with its kubeconfig {files[one.cluster]}" if one.cluster in files else "")
        for one in here.bootstraps
    ]
    said += [f"the tools container {one}" for one in here.tools]
    running = ""
    if here.running:
        ids = ", ".join(map(str, here.running))
        running = f"; eksctl anywhere runs (process {ids}): they may be those of an upgrade that still goes on"
    names = [one.cluster or "" for one in here.bootstraps] or ["CLUSTER"]
    steps = (
        ["# End no eksctl anywhere that still works: let it come to its end, or stop it, first."]
        if here.running
        else []
    )
    # As comments alone: where the objects are is not known here, and the command deletes the bootstrap cluster.
    steps += [
        "# Delete nothing by hand. As long as eksa-capi-objects-in-bootstrap (--situation repair) finds Cluster API objects in",
        "# the bootstrap cluster, back them up and move them back. Once it is clear, let the next run clean up:",
        *(
            f"# eksctl anywhere upgrade cluster -f {shlex.quote(f'{one}/{one}-eks-a-cluster.yaml')} --force-cleanup -v9"
            for one in names
        ),
    ]
    raise found(
        f"still there: {', and '.join(said)}{running}",
        evidence=[f"container|{one.name}|{one.status}|{one.created}" for one in (*here.bootstraps, *here.tools)],
        remedy="\n".join(steps),
        # Around the repair they are needed, and its last step takes them away.
        lower=situation is REPAIR,
    )


def _files_alone(here: Containers, directory: Directory) -> None:
    """No container is there; a kubeconfig may say that there was one, here or elsewhere."""
    if directory.kubeconfigs:
        told = ", ".join(directory.kubeconfigs[one] for one in sorted(directory.kubeconfigs))
        seen = "there is neither docker nor podman" if here.engine == "none" else f"{here.engine} knows none"
        raise found(
            f"{told} is the kubeconfig of a bootstrap cluster, but {seen} here: was it made elsewhere, or by another engine?",
            evidence=[f"kubeconfig {one}" for one in directory.kubeconfigs.values()],
            remedy="Find out where the bootstrap cluster was made (docker context ls, DOCKER_HOST). Where it is gone for good, "
            "the file says nothing any more.",
            lower=True,
        )
    if directory.hidden:
        raise Unreadable(
            f"{', '.join(directory.hidden)} cannot be entered by the login user: log in as the one that runs eksctl anywhere"
        )
    if here.engine == "none":
        raise NotApplicable("neither docker nor podman is installed: eksctl anywhere cannot be run from here")


@hazard(
    "eksa-capi-backup-missing",
    title="there is no backup of the Cluster API objects that are about to be moved",
    severity=BLOCKER,
    on=[WORKSTATION],
    situation=REPAIR,
    source=REPAIRING,
    remedy="Back the objects up with clusterctl move --to-directory before they are moved.",
    parameters=EKSA_DIRECTORY,
)
def check_objects_are_backed_up(
    recovery_sides: list[Side],
    recovery_bootstraps_made: Members,
    recovery_directory: Directory,
    recovery_tools: Container | None,
    parameters: dict[str, str],
) -> None:
    waiting = [side for side in recovery_sides if not side.settled]
    if not waiting:
        names = ", ".join(side.management.where for side in recovery_sides)
        raise NotApplicable(f"nothing is to be moved: the objects are in management cluster {names}")
    said, evidence, remedy, good = [], [], [], []
    for side in waiting:
        tools = tools_of(side, recovery_tools, parameters)
        problems = list(_problems(side, recovery_directory, recovery_bootstraps_made))
        if problems:
            said.append("; ".join(problems))
            evidence += _seen(recovery_directory, side)
            remedy += tools.steps(*tools.back_up())
        else:
            good.append(_praise(recovery_directory, side))
    if said:
        raise found("; ".join(said), evidence=evidence, remedy="\n".join(remedy))
    raise clear("; ".join(good))


def _needed(side: Side) -> list[CapiObject]:
    return [one for held in side.bootstraps for one in held.objects]


def _place(directory: Directory, side: Side) -> str:
    return f"{directory.path.rstrip('/')}/{side.name}-backup"


def _problems(side: Side, directory: Directory, made: Members) -> Iterator[str]:
    """Why a backup will not do."""
    place, needed = _place(directory, side), _needed(side)
    backup = directory.backups.get(f"{side.name}-backup") if directory.exists else None
    if backup is None:
        yield f"there is no backup {place}"
        return
    if backup.unread:
        raise Unreadable(
            f"{backup.unread[0]} cannot be read by the login user (clusterctl writes as root): connect as root, or let the "
            "login user read the backup"
        )
    lacking = _lacking(backup, side, needed)
    if lacking:
        yield f"{place} lacks {', '.join(lacking)}"
    if backup.broken:
        yield f"in {place}: {', '.join(backup.broken)}"
    oldest = min(backup.objects.values(), default=None)
    for held in side.bootstraps:
        if oldest is None:
            continue
        if held.where in made.unread:
            raise Unreadable(
                f"when bootstrap cluster {held.where} was made is not known: {made.unread[held.where].reason}"
            )
        born: datetime | None = made.get(held.where)
        if born is not None and oldest < born:
            yield (
                f"{place} was written {_at(oldest)}, before bootstrap cluster {held.where} was made ({_at(born)}): it is of "
                "another upgrade"
            )


def _lacking(backup: Backup, side: Side, needed: list[CapiObject]) -> list[str]:
    """What the backup does not hold of what there is - or, where nothing is anywhere, of what there must be at least."""
    there = set(backup.objects)
    if needed:
        return [f"{one.kind} {one.name}" for one in needed if (one.kind, one.namespace, one.name) not in there]
    lacking = []
    if not any(kind == "Cluster" and name == side.name for kind, _, name in there):
        lacking.append(f"Cluster {side.name}")
    if not any(kind == "Machine" for kind, _, _ in there):
        lacking.append("any Machine")
    return lacking


def _seen(directory: Directory, side: Side) -> list[str]:
    """What there is, in the words of the read."""
    backup = directory.backups.get(f"{side.name}-backup")
    if backup is None:
        return [f"directory {directory.path}"]
    return [f"backup {backup.name}", *(f"object {kind} {space} {name}" for kind, space, name in backup.objects)]


def _praise(directory: Directory, side: Side) -> str:
    backup = directory.backups[f"{side.name}-backup"]
    machines = sum(1 for kind, _, _ in backup.objects if kind == "Machine")
    clusters = ", ".join(name for kind, _, name in backup.objects if kind == "Cluster")
    when = _at(min(backup.objects.values()))
    return f"{_place(directory, side)} of {when} holds Cluster {clusters} and {machines} Machine{'s' if machines != 1 else ''}"


def _at(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"
