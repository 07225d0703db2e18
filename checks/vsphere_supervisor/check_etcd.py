"""Members that an attempt to join has left in the etcd of a workload cluster."""

from __future__ import annotations

import shlex
from typing import Final

from conformance import BEFORE, BLOCKER, CLUSTER, STUCK, Unreadable, found, hazard
from conformance.facts.etcd import KUBEADM_FLAGS
from conformance.facts.kubernetes import Node
from conformance.facts.values.etcd import EtcdCluster, EtcdMember, plain_host

from ..sources import VSPHERE_JOIN_TIMEOUT
from .facts import Held

_FLAGS: Final = " ".join(KUBEADM_FLAGS)
_WAIT: Final = (
    "# A member that was left keeps the next node from joining (Peer URLs already exists), and counts for the majority.",
    "# 1. Let the Supervisor end the attempt that runs, and look at the member list again after 2 minutes:",
)
_NEVER: Final = "# Do not delete an existing control-plane VM."


@hazard(
    "vks-etcd-learner-left",
    title="etcd has a member that never became a full one, or whose node was discarded: the next node cannot join",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=(BEFORE, STUCK),
    source=VSPHERE_JOIN_TIMEOUT.section("etcdctl による確認"),
    remedy="Take a snapshot of etcd, make sure that the member's node is gone for good, and remove the member (etcdctl member "
    "remove). Do not delete an existing control-plane VM.",
)
def check_no_member_was_left(vks_no_supervisor: str, etcd: EtcdCluster, nodes: list[Node], vks_held: Held) -> None:  # noqa: ARG001
    members = etcd.members
    if not any(_node_of(one, nodes) for one in members):
        raise Unreadable("no member of etcd has a node of its name: is it the etcd of this cluster?")
    said, lines, stale = [], [], []
    for one in members:
        told = _trouble(one, nodes, vks_held)
        if told:
            said.append(f"{one}: {told}")
            lines.append(_line(one))
            if not _node_of(one, nodes):
                stale.append(one)
    if said:
        raise found(
            f"of {len(members)} members of etcd, {len(said)} cannot stay as they are: {'; '.join(said)} ({etcd.source})",
            evidence=lines,
            remedy=_way(etcd, stale),
        )


def _trouble(member: EtcdMember, nodes: list[Node], held: Held) -> str:
    """Why a member cannot stay as it is, for people; empty where it can."""
    at = [one for one in nodes if member.hosts & set(map(plain_host, one.addresses))]
    where = f"; node {at[0].name} has its address" if at else ""
    if not member.started:
        return f"it was added and never started{where}"
    node = _node_of(member, nodes)
    if node is None:
        return f"its node {member.name} is gone{where}"
    if member.learner:
        return "it is still a learner, without a vote: unless it joins at this very moment, the attempt has failed"
    if "control-plane" not in node.roles:
        return (
            f"it votes, and yet its node {node.name} has no control-plane role: kubeadm join failed there, and the Supervisor "
            "is going to discard it"
        )
    machines = [one for one in held.machines if one.node == node.name or (one.node is None and one.name == node.name)]
    if not machines:
        return f"the Supervisor has no control-plane Machine for its node {node.name}: the VM was discarded"
    return ""


def _node_of(member: EtcdMember, nodes: list[Node]) -> Node | None:
    """The node of a member by its name, which kubeadm takes from the node; addresses are given to the next VM."""
    return next((one for one in nodes if member.name and one.name == member.name), None)


def _line(member: EtcdMember) -> str:
    state = "started" if member.started else "unstarted"
    return (
        f"{member.hex_id}, {state}, {member.name or '(no name)'}, peer {', '.join(member.peer_urls) or '(none)'}, "
        f"learner {str(member.learner).lower()}"
    )


def _way(etcd: EtcdCluster, stale: list[EtcdMember]) -> str:
    etcdctl = _etcdctl(etcd)
    lines = [*_WAIT, f"{etcdctl} member list -w table"]
    if not stale:
        lines += [
            "# 2. Mend what kept the node from joining in time (vks-control-plane-overloaded, vks-control-plane-network-slow).",
        ]
        return "\n".join([*lines, _NEVER])
    save = f"{etcdctl} snapshot save /var/lib/etcd/before-removal.db"
    # Whether it is still there, and still not wanted, is only known after the wait: nothing to be pasted at once. A name
    # is text from the cluster: it must not end the comment.
    steps = [
        f"{etcdctl} member remove {one.hex_id}   # {' '.join(one.name.split()) or 'never started'}" for one in stale
    ]
    return "\n".join(
        [
            *lines,
            "# 2. Take a snapshot; then remove, one after the other, what is still there and whose node is gone for good:",
            save,
            *(f"# {step}" for step in steps),
            _NEVER,
        ]
    )


def _etcdctl(etcd: EtcdCluster) -> str:
    """The program where it was asked: on a control-plane host, or in a pod of the workload cluster."""
    namespace, _, pod = etcd.pod.rpartition("/")
    if not pod:
        return f"sudo etcdctl {_FLAGS}"
    where = f"-n {shlex.quote(namespace or 'kube-system')} {shlex.quote(pod)}"
    return f"kubectl exec {where} -c etcd -- etcdctl {_FLAGS}"
