"""Nodes that drop out while they live on, and what must never run twice."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from datetime import timedelta
from typing import Final

from conformance import (
    ADVICE,
    BEFORE,
    BLOCKER,
    CLUSTER,
    FLEET,
    NODE,
    STUCK,
    Parameter,
    Specifier,
    Unreadable,
    Version,
    clear,
    found,
    hazard,
)
from conformance.facts.kubernetes import Node
from conformance.facts.kubernetes_nodes import NodeState
from conformance.facts.kubernetes_volumes import Singleton, SingletonPod
from conformance.facts.values.klog import said_at
from conformance.facts.values.moments import span
from conformance.versions import InvalidVersion

from ..sources import DEAD_KUBELET
from .facts_zombies import KubeletLog, Nodes, SilentNode

_AFFECTED: Final = Specifier.parse(">=1.16,<1.19")
#: A kubelet renews its lease every 10 seconds and waits 10 for the answer: what it has not said again for so long is over.
_STILL: Final = timedelta(seconds=60)


def _minutes(text: str) -> int:
    if not text.strip().isdecimal() or not 1 <= int(text) <= 60:
        raise ValueError("expected whole minutes from 1 to 60")
    return int(text)


@hazard(
    "k8s-kubelet-dead-connection-log",
    title="the kubelet retries for ever on a dead connection: the node drops out while its pods run on",
    severity=BLOCKER,
    on=[NODE],
    situation=(BEFORE, STUCK),
    source=DEAD_KUBELET,
    remedy="Restart the node (systemctl restart kubelet often is enough), and upgrade a kubelet before 1.19. One that says "
    "so again does not reach its API server: mend the way there (route, firewall, load balancer).",
    parameters={
        "dead-connection-minutes": Parameter(
            "5", _minutes, "minutes: an error that is older is no part of the same trouble"
        ),
    },
)
def check_kubelet_has_no_dead_connection(dead_connection_log: KubeletLog, parameters: dict[str, int]) -> None:
    """Found when it was said within the last minute, and not for the first time; once alone is a warning."""
    log, minutes = dead_connection_log, parameters["dead-connection-minutes"]
    ages = [(line, log.now - moment if (moment := said_at(line, log.now)) else None) for line in log.lines]
    # Not the last seconds, but a clock that was put back.
    ahead = [line for line, age in ages if age is not None and age < -_STILL]
    timed = [(line, age) for line, age in ages if age is not None and -_STILL <= age <= timedelta(minutes=minutes)]
    last = min((age for _, age in timed), default=None)
    if last is not None and last <= _STILL:
        once = len(timed) == 1
        raise found(
            f"the kubelet gets no answer from its API server: it said so {span(last)} before its log was read, "
            + ("once: look again in a minute" if once else f"and {len(timed)} times at least within {minutes} minutes"),
            evidence=[line for line, _ in timed][-5:],
            lower=once,
        )
    if ahead or any(age is None for _, age in ages):
        raise Unreadable("the kubelet wrote of a dead connection, and when cannot be told: look at its log by hand")
    if log.gap is not None:
        raise log.gap
    if ages:
        latest = min(age for _, age in ages if age is not None)
        raise clear(
            f"the kubelet got no answer from its API server {span(latest)} before its log was read, and does again"
        )


@hazard(
    "k8s-zombie-node",
    title="a node counts as dead while its host runs its pods on: they run twice",
    severity=BLOCKER,
    on=[FLEET],
    sides=["hosts", "clusters"],
    situation=(BEFORE, STUCK),
    source=DEAD_KUBELET,
    remedy="Restart the kubelet of the host (systemctl restart kubelet), else the host, before anything is drained.",
)
def check_dead_nodes_are_dead(nodes_and_hosts: Nodes) -> None:
    if not nodes_and_hosts.count:
        raise Unreadable("the nodes of no cluster were read: name the clusters (--kubeconfig, or the change file)")
    silent = nodes_and_hosts.silent
    living = [one for one in silent if one.lives]
    zombies = [one for one in living if not one.heard]
    dark = [one for one in silent if one.lives is None]
    aside = f"; whether these live on cannot be told: {_unknown(dark)}" if dark else ""
    if zombies:
        raise found(
            "; ".join(_told(one) for one in living) + aside,
            evidence=_evidence(living),
            remedy="# Their pods may run a second time elsewhere. Before anything is drained, restart the kubelet on the host "
            "itself; where that does not help, the host:\n"
            + "\n".join(f"  sudo systemctl restart kubelet   # on {one.host.name}" for one in zombies if one.host),
        )
    if dark:
        raise Unreadable(f"not ready, and whether they live on cannot be told: {_unknown(dark)}")
    if living:
        raise found(
            "; ".join(_told(one) for one in living),
            evidence=_evidence(living),
            remedy="# The kubelet is there and says why its node is not ready. Mend that before its pods are replaced:\n"
            + "\n".join(f"  kubectl describe node {shlex.quote(one.node.name)}   # of {one.cluster}" for one in living),
            lower=True,
        )
    if silent:
        raise clear(f"not ready, and their hosts run none of their pods: {', '.join(map(str, silent))}")


def _told(one: SilentNode) -> str:
    assert one.host is not None
    kubelet = "its kubelet, which is heard of," if one.heard else "its kubelet"
    beside = kubelet if one.host.processes.names["kubelet"] else "no kubelet"
    return (
        f"node {one.node.name} of {one.cluster} is {_state(one.node)}, yet host {one.host.name} answers and runs {beside} "
        f"and {one.running}"
    )


def _evidence(living: Iterable[SilentNode]) -> list[str]:
    lines = []
    for one in living:
        assert one.host is not None
        lines.append(
            f"cluster {one.cluster}: node {one.node.name} Ready={one.node.ready or '(none)'} {one.node.reason}".rstrip()
        )
        lines.append(f"host {one.host.name}: {one.host.processes.names['kubelet']} kubelet, {one.running}")
    return lines


def _unknown(dark: Iterable[SilentNode]) -> str:
    return ", ".join(
        f"{one} (no host that answers is known to be it: name it in the change file)"
        if one.host is None
        else f"{one} (host {one.host.name} runs containers, {one.running.loose} at least, and none in a pod's cgroup)"
        for one in dark
    )


def _state(node: NodeState) -> str:
    since = f" since {node.since:%Y-%m-%d %H:%M:%S} UTC" if node.since else ""
    return {"False": "NotReady", "Unknown": "NotReady (Unknown)"}.get(node.ready, "without a condition Ready") + since


@hazard(
    "k8s-zombie-singleton",
    title="a pod that must run once is still on a node that is not ready, and its replacement waits",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=(BEFORE, STUCK),
    source=DEAD_KUBELET,
    remedy="Bring the node back, or make sure that its host is off; only then delete the pod by force.",
)
def check_singletons_are_not_stuck(singletons: list[Singleton], node_states: list[NodeState]) -> None:
    """A pod that nobody has given up yet is a warning: its node may come back."""
    away = {one.name: one for one in node_states if one.ready != "True"}
    stuck: list[tuple[Singleton, list[SingletonPod], list[SingletonPod]]] = []
    for one in singletons:
        old = [pod for pod in one.pods if pod.node in away]
        others = [pod for pod in one.pods if pod.node not in away]
        if old and not any(pod.ready for pod in others):
            stuck.append((one, old, others))
    if not stuck:
        return
    given_up = [any(pod.terminating for pod in old) or bool(others) for _, old, others in stuck]
    raise found(
        "; ".join(_told_of(*one, away) for one in stuck),
        evidence=[
            f"pod {one.namespace}/{pod.name}: node {pod.node or '(none)'}, {'ready' if pod.ready else 'not ready'}"
            f"{', terminating' if pod.terminating else ''}; claims {', '.join(one.claims)}"
            for one, old, others in stuck
            for pod in (*old, *others)
        ],
        remedy="# Bring the node back (restart its kubelet, else its host). Only where its host is certainly off, delete the pod "
        "by force:\n"
        + "\n".join(
            f"  kubectl delete pod -n {shlex.quote(one.namespace)} {shlex.quote(pod.name)} --force --grace-period=0"
            for one, old, _ in stuck
            for pod in old
        ),
        lower=not any(given_up),
    )


def _told_of(one: Singleton, old: list[SingletonPod], others: list[SingletonPod], away: dict[str, NodeState]) -> str:
    held = ", ".join(f"{pod.name} on {pod.node}{' (Terminating)' if pod.terminating else ''}" for pod in old)
    nodes = "; ".join(f"{name} is {_state(away[name])}" for name in dict.fromkeys(str(pod.node) for pod in old))
    if others:
        then = f"and {', '.join(pod.name for pod in others)} cannot take its place"
    else:
        then = "and nothing takes its place" + ("" if any(pod.terminating for pod in old) else " yet")
    return f"{one}: pod {held} is still there ({nodes}), {then}"


@hazard(
    "k8s-single-replica-volume",
    title="workloads of one replica on a ReadWriteOnce volume run on nodes whose kubelet may drop out and live on",
    severity=ADVICE,
    on=[CLUSTER],
    source=DEAD_KUBELET,
    remedy="Upgrade the kubelets of these nodes to 1.19 or later first; until then, know which workloads a dead node locks.",
)
def check_singletons_run_on_sound_kubelets(singletons: list[Singleton], nodes: list[Node]) -> None:
    versions = {one.name: one.kubelet for one in nodes}
    hit: dict[str, tuple[Singleton, dict[str, None]]] = {}
    silent: set[str] = set()
    for one in singletons:
        for pod in one.pods:
            if pod.node is None:
                continue
            affected = _affected(versions.get(pod.node, ""))
            if affected is None:
                silent.add(pod.node)
            elif affected:
                hit.setdefault(str(one), (one, {}))[1][pod.node] = None
    if hit:
        raise found(
            f"{len(hit)} of {len(singletons)}: "
            + ", ".join(f"{name} on {', '.join(on)}" for name, (_, on) in hit.items()),
            evidence=[
                f"{name}: 1 replica, claims {', '.join(one.claims)}, on node {node} ({versions[node]})"
                for name, (one, on) in hit.items()
                for node in on
            ],
        )
    if silent:
        raise Unreadable(f"the kubelet's version is not known of: {', '.join(sorted(silent))}")


def _affected(text: str) -> bool | None:
    try:
        return Version.parse(text) in _AFFECTED
    except InvalidVersion:
        return None
