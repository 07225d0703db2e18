"""Facts of OpenShift's control-plane hosts: the backups of etcd, and where its static pod and its data are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from conformance import CONTROL_PLANE, Members, Unreadable, command, every, fleet_fact, host_fact
from conformance.subjects import Subject

#: What cluster-backup.sh writes. Source: openshift/cluster-etcd-operator, bindata/etcd/cluster-backup.sh: the stamp is
#: ``date +%F_%H%M%S``; with --force a word follows.
_FILE: Final = re.compile(r"(snapshot|static_kuberesources)_((\d{4}-\d\d-\d\d_\d{6})\w*)\.(?:db|tar\.gz)")
_STAMP: Final = "%Y-%m-%d_%H%M%S"
#: The host's own time in the same form, and in seconds.
_CLOCK: Final = re.compile(r"(\d{4}-\d\d-\d\d_\d{6}) (\d{1,11})", re.ASCII)


def _local(stamp: str) -> datetime | None:
    """A stamp as the host's own time; None where there is no such day or hour."""
    try:
        return datetime.strptime(stamp, _STAMP)  # noqa: DTZ007
    except ValueError:
        return None


class InvalidBackups(ValueError):
    """A listing of backups that is none; the message says what was expected."""


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup: the pair of files with the same time stamp."""

    stamp: str
    #: How long before the listing it was made: by its name or by its files' times, whichever is longer.
    age: timedelta
    #: Bytes of the snapshot of etcd and of the static pods' resources; None where there is no such file.
    snapshot: int | None
    resources: int | None

    @property
    def lacks(self) -> str:
        """What is missing or empty of it; empty where it is whole."""
        parts = (("snapshot", self.snapshot), ("static pod resources", self.resources))
        return " and ".join(
            f"its {name} {'is empty' if size == 0 else 'is missing'}" for name, size in parts if not size
        )


@dataclass(frozen=True, slots=True)
class Backups:
    """The backups in the backup directory of one host, the latest first; `there` says whether there is a directory."""

    there: bool
    backups: tuple[Backup, ...]
    lines: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Backups:
        """From ``none``; or the clock as in the files' names and in seconds, then bytes, seconds and name of each file.

        :raises InvalidBackups: it is something else.
        """
        first, *lines = text.splitlines() or [""]
        if first == "none" and not lines:
            return cls(there=False, backups=())
        clock = _CLOCK.fullmatch(first)
        now = _local(clock[1]) if clock else None
        if clock is None or now is None:
            raise InvalidBackups(f"{first[:60]!r}: expected the host's clock")
        sizes: dict[str, dict[str, int]] = {}
        ages: dict[str, list[timedelta]] = {}
        for line in lines:
            if not (found := re.fullmatch(r"(\d{1,18}) (-?\d{1,11})(?:\.\d+)? (.+)", line, re.ASCII)):
                raise InvalidBackups(f"{line[:80]!r}: expected bytes, seconds and the name of a file")
            if not (match := _FILE.fullmatch(found[3])):
                continue
            if (taken := _local(match[3])) is None:
                continue  # somebody's own file
            sizes.setdefault(match[2], {})[match[1]] = int(found[1])
            written = timedelta(seconds=int(clock[2]) - int(found[2]))
            ages.setdefault(match[2], []).extend((now - taken, written))
        made = [
            Backup(stamp, max(ages[stamp]), held.get("snapshot"), held.get("static_kuberesources"))
            for stamp, held in sizes.items()
        ]
        return cls(True, tuple(sorted(made, key=lambda one: one.age)), tuple(lines))


@host_fact(
    command(
        "d={{backup-directory}}\n"
        'if ! e=$(ls -d -- "$d/." 2>&1); then\n'
        'case $e in *"No such file or directory"*) echo none; exit 0;; esac; echo "$e" >&2; exit 4\n'
        "fi\n"
        'cd -- "$d" && [ -r . ] || { echo "$d: Permission denied" >&2; exit 4; }\n'
        "date '+%Y-%m-%d_%H%M%S %s'; set --\n"
        'for f in snapshot_*.db static_kuberesources_*.tar.gz; do [ ! -e "$f" ] || set -- "$@" "$f"; done\n'
        '[ $# -eq 0 ] || stat -L -c "%s %Y %n" -- "$@"',
        name="the backups of etcd in {{backup-directory}}",
    )
)
def etcd_backups(output: str) -> Backups:
    """The backups of etcd that lie on the host."""
    return Backups.parse(output)


@dataclass(frozen=True, slots=True)
class HostBackups:
    """The backups of one host, or why they are not known."""

    cluster: str | None
    backups: Backups | None
    unread: str = ""


@host_fact(every(etcd_backups))
def etcd_backups_or_not(held: Members, subject: Subject) -> HostBackups:
    """The backups of a host with its cluster: one host that cannot be read does not matter where another has one."""
    for found in held.values():
        return HostBackups(subject.cluster, found)
    return HostBackups(
        subject.cluster, None, "; ".join(one.reason for one in held.unread.values()) or "it was not read"
    )


@fleet_fact(every(etcd_backups_or_not, on=[CONTROL_PLANE]))
def backups_by_host(held: Members) -> Mapping[str, HostBackups]:
    """The backups of all control-plane hosts, by the host's name."""
    if not held:
        raise Unreadable(
            "no control-plane host is named: name them (--hosts, or the change file), that is where backups lie"
        )
    return dict(held)


# -- the static pod

MANIFEST: Final = "/etc/kubernetes/manifests/etcd-pod.yaml"
API_SERVER: Final = "/etc/kubernetes/manifests/kube-apiserver-pod.yaml"
MOVED: Final = "/var/lib/etcd-backup/etcd-pod.yaml"
DATA: Final = "/var/lib/etcd"
MOVED_DATA: Final = "/tmp/etcd"


@dataclass(frozen=True, slots=True)
class StaticPod:
    """Which of the files and directories of etcd are there."""

    #: Path -> whether it is there.
    there: Mapping[str, bool]
    #: Where the data directory really is.
    data: str
    lines: tuple[str, ...]


@host_fact(
    command(
        f"for p in {MANIFEST} {API_SERVER} {MOVED} {DATA} {MOVED_DATA}; do\n"
        'if e=$(ls -dL -- "$p" 2>&1); then echo "there $p"; continue; fi\n'
        'case $e in *"No such file or directory"*|*"Not a directory"*) echo "absent $p";; '
        '*) echo "$e" >&2; exit 4;; esac\n'
        f'done; echo "data $(readlink -f {DATA})"',
        name="where the static pod and the data of etcd are",
    )
)
def etcd_static_pod(output: str) -> StaticPod:
    """Where the manifest of etcd's static pod and its data are; nothing in them is read.

    :raises Unreadable: the answer is not whole.
    """
    lines = [one.partition(" ") for one in output.splitlines()]
    there = {path: word == "there" for word, _, path in lines if word in ("there", "absent")}
    data = [path for word, _, path in lines if word == "data"]
    if len(data) != 1 or set(there) != {MANIFEST, API_SERVER, MOVED, DATA, MOVED_DATA}:
        raise Unreadable("which files of etcd are there was not said of all of them")
    told = tuple(f"{'present' if there[path] else 'absent'}: {path}" for path in there)
    return StaticPod(there, data[0], told)
