"""Nodes that must be there before their drain can start."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import datetime

from conformance import BEFORE, BLOCKER, CLUSTER, STUCK, Unreadable, found, hazard
from conformance.facts.kubernetes_nodes import NodeState
from conformance.hazards import Situation

from ..sources import ANTHOS_BARE_METAL

#: Set on nodes that cannot be reached or are not ready. Source:
#: https://kubernetes.io/docs/concepts/scheduling-eviction/taint-and-toleration/#taint-based-evictions
_AWAY = ("node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready")


@hazard(
    "abm-node-unreachable",
    title="a node is not ready, cannot be reached or is cordoned: its drain does not start, and the upgrade stops there",
    severity=BLOCKER,
    on=[CLUSTER],
    source=ANTHOS_BARE_METAL.section("ノードが到達不能になると、ノードのドレインを開始できません"),
    remedy="Bring every node back before the upgrade starts.",
    situation=(BEFORE, STUCK),
)
def check_nodes_are_there(
    node_states: list[NodeState],
    silent_nodes: Mapping[str, datetime | None],
    abm_nodes_in_maintenance: frozenset[str],
    abm_nodes_annotated: frozenset[str],
    situation: Situation,
) -> None:
    """Not counted as cordoned by mistake: what a maintenance mode explains, and anything while an upgrade drains nodes.

    An earlier maintenance mode explains nothing, and the annotation on the machine may well be left of one.
    """
    away: dict[str, str] = {}
    lines: list[str] = []
    for node in node_states:
        trouble = _trouble(node, silent_nodes)
        if trouble:
            away[node.name], line = trouble
            lines.append(f"node {node.name}: {line}")
    cordoned = [one for one in node_states if one.cordoned and one.name not in away] if situation is BEFORE else []
    meant = [one.name for one in cordoned if one.name in abm_nodes_in_maintenance]
    forgotten = [one.name for one in cordoned if one.name not in meant]
    marks = [f"node {one.name}: spec.unschedulable: true" for one in cordoned]
    asides = f"; in maintenance mode, so cordoned on purpose: {', '.join(meant)}" if meant else ""
    if away or forgotten:
        said = [f"{name} {what}" for name, what in away.items()]
        said += [
            f"{name} is cordoned, and not for a maintenance mode{_LEFT_OVER if name in abm_nodes_annotated else ''}"
            for name in forgotten
        ]
        raise found(
            f"{len(said)} of {len(node_states)} nodes: {'; '.join(said)}{asides}",
            evidence=[*lines, *marks],
            remedy=_remedy(list(away), forgotten),
        )
    mute = [name for name, heard in silent_nodes.items() if heard is None]
    if mute:
        raise Unreadable(
            f"ready, yet nothing says when they were heard of last (neither a lease nor a heartbeat): {', '.join(mute)}"
        )
    if meant:
        raise found(
            f"in maintenance mode, so cordoned on purpose, as they will be during the upgrade: {', '.join(meant)}",
            evidence=marks,
            remedy="Take the nodes named out of spec.maintenanceBlocks of the cluster before you start, unless they are "
            "to stay out.",
            lower=True,
        )


#: Behind a node that is cordoned and in no maintenance mode.
_LEFT_OVER = " (the annotation on its machine stays after one; neither its taint nor spec.maintenanceBlocks says that it is in one)"


def _trouble(node: NodeState, silent: Mapping[str, datetime | None]) -> tuple[str, str] | None:
    """What is wrong with a node that is not there, and the line that shows it; None where it is."""
    since = f" since {node.since:%Y-%m-%d %H:%M:%S} UTC" if node.since else ""
    why = f" ({node.reason})" if node.reason else ""
    if node.ready != "True":
        what = {"False": "is not ready", "": "has no condition Ready"}.get(
            node.ready, "is not heard of (Ready is Unknown)"
        )
        return f"{what}{since}{why}", f"Ready={node.ready or '(none)'}{why}{since}"
    taints = [one for one in node.taints if one.key in _AWAY]
    if taints:
        names = ", ".join(map(str, taints))
        return f"counts as ready, and yet is tainted {names}", f"Ready=True, taints {names}"
    heard = silent.get(node.name)
    if heard:
        moment = f"{heard:%Y-%m-%d %H:%M:%S} UTC"
        return (
            f"counts as ready, and yet was heard of last at {moment}: its kubelet is silent, or its clock is wrong",
            f"Ready=True, lease or heartbeat of {moment}",
        )
    return None


def _remedy(away: list[str], forgotten: list[str]) -> str:
    steps = []
    if away:
        steps.append(
            "Bring every node named back before the upgrade starts: see that the machine runs and can be reached, then "
            f"its kubelet (systemctl status kubelet; journalctl -u kubelet).\n  kubectl describe node {shlex.join(away)}"
        )
    if forgotten:
        steps.append(f"Uncordon what nobody keeps out on purpose:\n  kubectl uncordon {shlex.join(forgotten)}")
    return "\n".join(steps)
