"""Attempts of a new control-plane node to join etcd, as its log of cloud-init tells."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from conformance import BLOCKER, CONTROL_PLANE, STUCK, NotApplicable, clear, found, hazard
from conformance.facts.values.joinlog import JoinAttempt
from conformance.facts.values.moments import span

from ..sources import VSPHERE_JOIN_TIMEOUT
from .facts_join import Emptied, JoinLog

_REMEDY: Final = (
    "Mend what kept the node from joining etcd within 2 minutes - load and network of the existing control-plane nodes (see "
    "vks-control-plane-overloaded and vks-control-plane-network-slow) - and let the Supervisor make the node anew. Do not "
    "delete an existing control-plane VM: its database may be lost."
)
#: What to look at first, by what was complained of last.
_HINTS: Final = {
    "Peer URLs already exists": "A member with this node's address is left in etcd from an earlier attempt: "
    "`etcdctl member list` on an existing control-plane node shows it (see vks-etcd-learner-left).",
    "request timed out, waiting for the applied index took too long": "etcd's own disk or CPU is too slow on the existing "
    "control-plane nodes.",
    "can only promote a learner member which is in sync with leader": "The new member had not caught up with the leader: "
    "network between the nodes, size of the database, or load.",
}


@hazard(
    "vks-join-log-timeout",
    title="the new control-plane node did not join etcd in time, and was cleaned up",
    severity=BLOCKER,
    on=[CONTROL_PLANE],
    situation=STUCK,
    source=VSPHERE_JOIN_TIMEOUT.section("cat /var/log/cloud-init-output"),
    remedy=_REMEDY,
)
def check_node_joined_etcd(vks_join_logs: list[JoinLog], vks_emptied: Emptied) -> None:
    logs = [one for one in vks_join_logs if one.attempts]
    if not logs:
        paths = " and ".join(one.path for one in vks_join_logs)
        if any(one.first for one in vks_join_logs):
            raise NotApplicable(f"{paths}: kubeadm init ran on it, so it never had to join")
        raise clear(f"{paths} tells of no attempt to join etcd")
    log = _latest(logs)
    last = log.attempts[-1]
    earlier = [(number, one) for number, one in enumerate(log.attempts, start=1) if one.end == "failed"]
    if last.end == "joined" or (last.end == "open" and not last.complaint):
        if not earlier:
            if last.end == "joined":
                return
            raise clear(f"{log.path}: an attempt to join etcd has begun, and no end of it is written")
        number, failed = earlier[-1]
        now = "a later one succeeded" if last.end == "joined" else "a later one has begun, and no end of it is written"
        raise clear(
            f"{log.path}: attempt {number} of {len(log.attempts)} to join etcd failed{_when(failed)} "
            f"({failed.complaint or failed.decisive.strip()}); {now}{_when(last) if last.end == 'joined' else ''}"
        )
    numbered = list(enumerate(log.attempts, start=1))
    number = len(numbered)
    gone = vks_emptied.told
    raise found(
        f"attempt {number} of {number} to join etcd {'failed' if last.end == 'failed' else 'has not succeeded'} "
        f"last{_when(last)}: {last.complaint or last.decisive.strip()[:300]}{f'; now {gone}' if gone else ''}",
        evidence=[
            *(f"attempt {count}{_when(one)}: {one.told}" for count, one in numbered[-_SHOWN:]),
            *_deciding(last),
        ],
        remedy="\n".join(part for part in (_HINTS.get(last.complaint, ""), _REMEDY) if part),
    )


#: The timeline is told of so many attempts, the last ones.
_SHOWN: Final = 5


def _latest(logs: list[JoinLog]) -> JoinLog:
    """Of several logs the one that goes on longest; where that cannot be told, one that ends badly."""
    ends: dict[str, datetime | None] = {one.path: one.attempts[-1].ended for one in logs}
    known = {path: moment for path, moment in ends.items() if moment is not None}
    if len(known) == len(logs) and len({one.attempts[-1].dated for one in logs}) == 1:
        latest = max(known, key=lambda path: known[path])
        return next(one for one in logs if one.path == latest)
    return next((one for one in logs if one.attempts[-1].end != "joined"), logs[0])


def _when(attempt: JoinAttempt) -> str:
    if attempt.ended is None:
        return ""
    at = f" at {attempt.ended:%m-%d %H:%M:%S} UTC"
    return at + (f", after {span(attempt.took)}" if attempt.took and attempt.end == "failed" else "")


def _deciding(attempt: JoinAttempt) -> list[str]:
    """The first line of an attempt, what it complained of last, and its end."""
    return list(dict.fromkeys([attempt.lines[0], attempt.decisive or attempt.lines[0], attempt.lines[-1]]))
