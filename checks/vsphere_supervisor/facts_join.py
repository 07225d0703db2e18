"""What a control-plane node's log of cloud-init tells of joining etcd, and what is left there afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from conformance import Members, Unreadable, command, every, filtered, host_fact
from conformance.facts.linux_processes import Processes, processes
from conformance.facts.values.joinlog import WORDS, JoinAttempt, join_attempts

__all__ = ["Emptied", "JoinLog"]

#: As cloud-init writes it, and as the document names it.
_LOGS: Final = ("/var/log/cloud-init-output.log", "/var/log/cloud-init-output")
#: What kubeadm init says at its end.
_FIRST: Final = "control-plane has initialized successfully"
_MISSING: Final = "No such file or directory"
#: An attempt lasts two minutes at most, with two complaints a second.
_LINES: Final = 3000
_BYTES: Final = 4 * 1_048_576

_log, _other = (
    filtered(
        f"/usr/bin/cat {path}",
        matching=WORDS,
        lines=_LINES,
        ignore_case=True,
        nothing=_MISSING,
        required=False,
        limit=_BYTES,
    )
    for path in _LOGS
)


@dataclass(frozen=True, slots=True)
class JoinLog:
    """The attempts of one log, the oldest first."""

    path: str
    attempts: tuple[JoinAttempt, ...]
    #: Whether kubeadm has made the cluster on this node.
    first: bool = False


@host_fact(_log, _other, command(f"ls -d {' '.join(_LOGS)} 2>&1", ok=(0, 1, 2)))
def vks_join_logs(log: list[str] | Unreadable, other: list[str] | Unreadable, there: str) -> list[JoinLog]:
    """The logs of cloud-init that this host has, with the attempts to join etcd that each tells of.

    :raises Unreadable: there is none, or one that is there cannot be read.
    """
    found = []
    for path, lines in zip(_LOGS, (log, other), strict=True):
        missing = any(path in line.split("'") and _MISSING in line for line in there.splitlines()) or (
            f"{path}: {_MISSING}" in there
        )
        if missing:
            continue
        if isinstance(lines, Unreadable):
            raise lines
        found.append(JoinLog(path, tuple(join_attempts(lines)), any(_FIRST in one.lower() for one in lines)))
    if not found:
        raise Unreadable(
            f"there is neither {' nor '.join(_LOGS)}: how this node joined cannot be told; was the log rotated away?"
        )
    return found


@dataclass(frozen=True, slots=True)
class Emptied:
    """What a node that kubeadm cleaned up has lost; None where nobody could look."""

    manifests: bool | None
    etcd_data: bool | None
    containers: bool | None

    @property
    def told(self) -> str:
        """What is gone, for people; empty where nothing is."""
        words = {
            "/etc/kubernetes/manifests is empty": self.manifests,
            "/var/lib/etcd is empty": self.etcd_data,
            "no container runs": self.containers,
        }
        return ", ".join(word for word, gone in words.items() if gone)


@host_fact(command("/usr/bin/ls -A /etc/kubernetes/manifests /var/lib/etcd", sudo=True, ok=(0, 1, 2)))
def vks_left_on_disk(output: str) -> Mapping[str, bool]:
    """Directory -> whether there is anything in it, of those that could be listed."""
    held: dict[str, bool] = {}
    where = ""
    for line in output.splitlines():
        if line.startswith("/") and line.endswith(":"):
            where = line.removesuffix(":")
            held[where] = False
        elif line and where:
            held[where] = True
    return held


@host_fact(every(vks_left_on_disk), every(processes))
def vks_emptied(disk: Members, programs: Members) -> Emptied:
    """What is gone of what a control-plane node needs: it makes certain what the log says, and decides nothing."""
    held: Mapping[str, bool] = next(iter(disk.values()), {})
    running: Processes | None = next(iter(programs.values()), None)
    return Emptied(
        None if "/etc/kubernetes/manifests" not in held else not held["/etc/kubernetes/manifests"],
        None if "/var/lib/etcd" not in held else not held["/var/lib/etcd"],
        None if running is None else not running.shims,
    )
