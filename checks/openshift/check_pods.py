"""The pods of etcd: those that crash, and those that are not there after a redeployment."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from conformance import BEFORE, BLOCKER, CLUSTER, REPAIR, STUCK, NotApplicable, Parameter, found, hazard
from conformance.facts.kubernetes import Node
from conformance.facts.values.moments import span

from ..sources import OPENSHIFT_ETCD
from .facts import NAMESPACE, EtcdContainer, EtcdOperator, EtcdPod, EtcdPods

#: Containers that a node starts again when it boots, all within so much time.
_TOGETHER = timedelta(minutes=5)


def _minutes(text: str) -> int:
    if not text.strip().isdecimal() or int(text) < 1:
        raise ValueError("it is no number of minutes")
    return int(text)


@hazard(
    "ocp-etcd-pod-crashlooping",
    title="an etcd pod is not ready, or restarts again and again",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=(BEFORE, STUCK),
    source=OPENSHIFT_ETCD.section("前提条件"),
    remedy="See why it crashes (oc logs -n openshift-etcd POD -c etcd --previous); if it cannot be mended, replace the "
    "member as documented, one at a time, and look with --situation repair at each step.",
    parameters={
        "etcd-restart-minutes": Parameter("60", _minutes, "minutes: a restart of etcd that is longer ago is over"),
    },
)
def check_etcd_pods_run(etcd_pods: EtcdPods, control_plane_nodes: list[Node], parameters: dict[str, int]) -> None:
    recent = timedelta(minutes=parameters["etcd-restart-minutes"])
    down = [one for one in etcd_pods.pods if not one.ready]
    restarted = {
        one.name: held for one in etcd_pods.pods if one.ready and (held := _restarted(one, etcd_pods.at, recent))
    }
    missing = [one.name for one in control_plane_nodes if etcd_pods.on(one.name) is None]
    booted = [one for one in etcd_pods.pods if one.name in restarted and _booted(one)]
    loops = [one for one in etcd_pods.pods if one.name in restarted and one not in booted]
    if not (down or missing or restarted):
        return
    told = [
        *(f"{one.name} is not ready ({_why(one)})" for one in down),
        *(f"control-plane node {name} has no etcd pod" for name in missing),
        *(f"{one.name} is ready, yet restarts: {_times(restarted[one.name], etcd_pods.at)}" for one in loops),
        *(f"{one.name} was restarted whole, as when its node boots" for one in booted),
    ]
    pods = [one for one in etcd_pods.pods if one in down or one.name in restarted]
    lines = [str(one) for one in pods] or [f"pods of etcd in {NAMESPACE}: {_names(etcd_pods.pods)}"]
    raise found("; ".join(told), evidence=lines, lower=not (down or missing or loops))


def _restarted(pod: EtcdPod, now: datetime, recent: timedelta) -> list[EtcdContainer]:
    return [one for one in pod.containers if one.restarts and one.started and now - one.started <= recent]


def _booted(pod: EtcdPod) -> bool:
    """Whether all containers were started again, at the same time."""
    starts = [one.started for one in pod.containers if one.restarts and one.started]
    return len(starts) == len(pod.containers) > 1 and max(starts) - min(starts) <= _TOGETHER


def _times(containers: list[EtcdContainer], now: datetime) -> str:
    return ", ".join(
        f"container {one.name} {one.restarts} times, last {span(now - one.started)} before it was listed"
        for one in containers
        if one.started
    )


def _why(pod: EtcdPod) -> str:
    bad = [f"container {one.name}: {one.stopped or 'not ready'}" for one in pod.containers if not one.ready]
    held = [f"init container {pod.held_up}"] if pod.held_up else []
    rest = [*(["it is being deleted"] if pod.terminating else []), f"phase {pod.phase or 'unknown'}"]
    if pod.condition != "True":
        rest.append(f"condition Ready {pod.condition or 'not told'}")
    return ", ".join([*held, *bad] or rest)


def _names(pods: tuple[EtcdPod, ...]) -> str:
    return ", ".join(one.name for one in pods)


@hazard(
    "ocp-etcd-missing-on-node",
    title="after the forced redeployment a control-plane node runs no etcd, or not the revision that it should",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=REPAIR,
    source=OPENSHIFT_ETCD.section("手順"),
    remedy="Wait for the etcd operator to bring the revision out on each control-plane node; if it does not, force the "
    "redeployment again with another reason.",
)
def check_etcd_runs_on_each_node(
    etcd_operator: EtcdOperator, etcd_pods: EtcdPods, control_plane_nodes: list[Node]
) -> None:
    operator = etcd_operator
    if not operator.reason:
        raise NotApplicable(
            "no redeployment of etcd was ever forced (spec.forceRedeploymentReason of etcd/cluster is empty)"
        )
    told, lines = [], []
    latest = operator.latest or max(operator.revisions.values(), default=0)
    for node in (one.name for one in control_plane_nodes):
        pod, revision = etcd_pods.on(node), operator.revisions.get(node)
        target = operator.targets.get(node)
        if pod is None:
            told.append(f"control-plane node {node} has no etcd pod")
        elif not pod.ready:
            told.append(f"{pod.name} on {node} is not ready ({_why(pod)})")
            lines.append(str(pod))
        if revision != latest or (target and target != revision):
            told.append(
                f"{node} is at {f'revision {revision}' if revision else 'no revision'}, not at {max(latest, target or 0)}"
                + (", which is being brought out" if target else "")
            )
    if not told:
        return
    raise found(
        f"{'; '.join(told)} (forced with the reason {operator.reason!r})",
        evidence=[*_state(operator), *lines, f"pods of etcd in {NAMESPACE}: {_names(etcd_pods.pods)}"],
        remedy="# While a revision is being brought out, wait and look again; what holds it up:\n"
        "  oc get etcd cluster -o yaml\n"
        "  oc get pods -n openshift-etcd\n"
        "# If nothing moves, force it again with a reason that was never given:\n" + redeploy(),
    )


def _state(operator: EtcdOperator) -> list[str]:
    """What the operator says of each node, as lines."""
    held: list[Any] = [
        f"etcd/cluster: node {name}: currentRevision {revision}, targetRevision {operator.targets.get(name, 0)}"
        for name, revision in operator.revisions.items()
    ]
    return [f"etcd/cluster: latestAvailableRevision {operator.latest}", *held]


def redeploy() -> str:
    """The document's command, whose reason is another one each time."""
    return (
        "  oc patch etcd cluster --type=merge "
        '-p=\'{"spec": {"forceRedeploymentReason": "single-master-recovery-\'"$(date --rfc-3339=ns)"\'"}}\''
    )
