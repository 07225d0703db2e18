"""The control-plane hosts around a repair: whether there is a backup, and whether an earlier one was left half done."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from conformance import (
    BLOCKER,
    CONTROL_PLANE,
    FLEET,
    REPAIR,
    WARNING,
    NotApplicable,
    Parameter,
    Unreadable,
    clear,
    found,
    hazard,
)
from conformance.change import Upgrade
from conformance.facts.values.moments import span
from conformance.subjects import Subject

from ..sources import OPENSHIFT_ETCD
from .facts_hosts import API_SERVER, DATA, MANIFEST, MOVED, MOVED_DATA, Backup, HostBackups, StaticPod

#: A stamp so far ahead of the host's clock tells nothing.
_AHEAD = timedelta(hours=-1)


def _hours(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError("it is no number of hours")
    return int(text)


def _directory(text: str) -> str:
    if not text.startswith("/"):
        raise ValueError("it is no absolute directory")
    return text


@hazard(
    "ocp-etcd-no-backup",
    title="there is no recent backup of etcd: if the repair goes wrong, nothing can be restored",
    severity=BLOCKER,
    on=[FLEET],
    sides=["hosts"],
    situation=REPAIR,
    source=OPENSHIFT_ETCD.section("前提条件"),
    remedy="On one healthy control-plane node: sudo /usr/local/bin/cluster-backup.sh /home/core/assets/backup",
    parameters={
        "backup-directory": Parameter(
            "/home/core/assets/backup", _directory, "the directory of backups on the control-plane nodes"
        ),
        "backup-max-age": Parameter("24", _hours, "hours: a backup that is older does not count"),
    },
)
def check_there_is_a_backup(
    backups_by_host: Mapping[str, HostBackups], upgrades: Mapping[str, Upgrade], parameters: dict[str, Any]
) -> None:
    oldest = timedelta(hours=parameters["backup-max-age"])
    groups: dict[str | None, dict[str, HostBackups]] = {}
    concerned = [name for name, one in upgrades.items() if not one.none]
    only = concerned[0] if len(concerned) == 1 else None
    for host, held in backups_by_host.items():
        if held.cluster in concerned or held.cluster not in upgrades:
            groups.setdefault(held.cluster or only, {})[host] = held
    good, bad, unknown = [], [], [f"no control-plane host of {one} is named" for one in concerned if one not in groups]
    for cluster, hosts in groups.items():
        where = f"{cluster}: " if cluster else ""
        fresh = [(host, one) for host, held in hosts.items() for one in _counting(held, oldest)]
        unread = [f"{host} ({held.unread})" for host, held in hosts.items() if held.backups is None]
        if fresh:
            host, best = min(fresh, key=lambda one: one[1].age)
            good.append(f"{where}{host} has that of {best.stamp}, {span(best.age)} old")
        elif unread:
            unknown.append(f"{where}whether there is a backup is not known of {', '.join(unread)}; elsewhere is none")
        else:
            bad.append((where, hosts))
    if bad:
        raise _no_backup(bad, parameters)
    if unknown:
        raise Unreadable("; ".join(unknown))
    raise clear("; ".join(good))


def _counting(held: HostBackups, oldest: timedelta) -> list[Backup]:
    backups = held.backups.backups if held.backups else ()
    return [one for one in backups if not one.lacks and _AHEAD <= one.age <= oldest]


def _no_backup(bad: list[tuple[str, dict[str, HostBackups]]], parameters: dict[str, Any]) -> Exception:
    directory, hours = parameters["backup-directory"], parameters["backup-max-age"]
    told = [
        f"{where}no whole backup of the last {hours} hours in {directory} on any control-plane node: "
        + ", ".join(f"{host}: {_latest(held)}" for host, held in hosts.items())
        for where, hosts in bad
    ]
    lines = []
    for _, hosts in bad:
        for host, held in hosts.items():
            said = held.backups.lines if held.backups else ()
            nothing = "no such directory" if held.backups and not held.backups.there else "no backup"
            lines += [f"{host}: {directory}: {one}" for one in said] or [f"{host}: {directory}: {nothing}"]
    return found(
        "; ".join(told),
        evidence=lines,
        remedy="# On one healthy control-plane node, not on the one that is to be repaired:\n"
        f"  sudo /usr/local/bin/cluster-backup.sh {shlex.quote(directory)}\n"
        "# Keep a copy elsewhere. Where backups lie in another directory, name it: parameter backup-directory.",
    )


def _latest(held: HostBackups) -> str:
    backups = held.backups
    if backups is None or not backups.there:
        return "no such directory"
    if not backups.backups:
        return "none"
    latest = backups.backups[0]
    age = f"{span(latest.age)} old" if latest.age >= _AHEAD else "of the future, by the host's clock"
    return f"that of {latest.stamp} is {age}{f', {latest.lacks}' if latest.lacks else ''}"


@hazard(
    "ocp-etcd-static-pod-moved",
    title="etcd was taken away from a control-plane node and not brought back: a repair that was not finished",
    severity=WARNING,
    on=[CONTROL_PLANE],
    situation=REPAIR,
    source=OPENSHIFT_ETCD.section("手順"),
    remedy="Finish the repair: remove the member, delete its secrets, force the redeployment. The operator writes the "
    "static pod again; once the member was removed, never move the old one or its data back.",
)
def check_static_pod_is_in_its_place(etcd_static_pod: StaticPod, subject: Subject) -> None:
    there = etcd_static_pod.there
    told = []
    if not there[MANIFEST]:
        if not (there[API_SERVER] or there[MOVED] or "control-plane" in subject.roles):
            raise NotApplicable("it has no static pod of a control plane: by all signs it is a worker")
        told.append(f"there is no {MANIFEST}" + (f": it was moved to {MOVED}" if there[MOVED] else ""))
    if not there[DATA]:
        told.append(f"there is no {DATA}" + (f": it was moved to {MOVED_DATA}" if there[MOVED_DATA] else ""))
    elif etcd_static_pod.data.startswith("/tmp/"):
        told.append(f"{DATA} lies in {etcd_static_pod.data}, which the next boot empties")
    if told:
        raise found("; ".join(told), evidence=etcd_static_pod.lines)
