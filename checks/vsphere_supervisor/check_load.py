"""Load of the control-plane nodes of a workload cluster."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import Any, Final

from conformance import BEFORE, CLUSTER, STUCK, WARNING, Parameter, Unreadable, found, hazard
from conformance.facts.kubernetes_usage import NodeUsage, PodUsage

from ..sources import VSPHERE_JOIN_TIMEOUT

#: Namespaces of Kubernetes itself, and of what VMware installs in every workload cluster.
_SYSTEM: Final = (
    "kube-*,vmware-system-*,tkg-system*,tanzu-*,pinniped-*,secretgen-controller,cert-manager,gatekeeper-system,svc-*"
)
_SHOWN: Final = 5


def _percent(text: str) -> int:
    if not text.strip().isdecimal() or not 0 < int(text) <= 100:
        raise ValueError("it is no percentage from 1 to 100")
    return int(text)


def _globs(text: str) -> tuple[str, ...]:
    names = tuple(one.strip() for one in text.split(",") if one.strip())
    if not names:
        raise ValueError("it names no namespace")
    return names


@hazard(
    "vks-control-plane-overloaded",
    title="a control-plane node is under high load: a new member of etcd may not catch up within 2 minutes",
    severity=WARNING,
    on=[CLUSTER],
    situation=(BEFORE, STUCK),
    source=VSPHERE_JOIN_TIMEOUT.section("kubectl top pods -A --sort-by=memory"),
    remedy="Scale workloads on control-plane nodes down for the time of the upgrade.",
    parameters={
        "vks-node-use-percent": Parameter(
            "85", _percent, "a percentage: of its CPU or memory that a control-plane node may use"
        ),
        "vks-workload-share-percent": Parameter(
            "20", _percent, "a percentage: of a control-plane node's CPU or memory that pods outside the system may use"
        ),
        "vks-system-namespaces": Parameter(
            _SYSTEM, _globs, "names or patterns of namespaces, separated by commas, whose pods belong to the system"
        ),
    },
)
def check_control_plane_has_room(
    vks_no_supervisor: str,  # noqa: ARG001 - vCenter looks after a Supervisor
    node_usage: list[NodeUsage],
    pod_usage: list[PodUsage],
    parameters: Mapping[str, Any],
) -> None:
    most, share = parameters["vks-node-use-percent"], parameters["vks-workload-share-percent"]
    own = [one for one in node_usage if one.control_plane]
    if not own:
        raise Unreadable("no node has the role control-plane: which ones are to be looked at cannot be told")
    said: list[str] = []
    evidence: list[str] = []
    guests: dict[tuple[str, str], PodUsage] = {}
    for node in own:
        if node.cpu_used is not None and node.memory_used is not None:
            used = node.share(node.cpu_used, node.memory_used)
            if high := _over(used, most):
                said.append(f"{node.name} uses {high}")
                evidence.append(f"node {node.name}: CPU {used[0]:.0f} %, memory {used[1]:.0f} % of what pods may use")
        foreign = [one for one in pod_usage if one.node == node.name and not _is_system(one, parameters)]
        taken = node.share(_sum(one.cpu for one in foreign), _sum(one.memory for one in foreign))
        if high := _over(taken, share):
            foreign.sort(key=lambda one: max(node.share(one.cpu, one.memory)), reverse=True)
            said.append(f"pods that are not part of the system use {high} of {node.name}: {_named(foreign)}")
            evidence += [_line(one, node) for one in foreign[:_SHOWN]]
            guests.update({(one.namespace, one.name): one for one in foreign})
    if said:
        raise found(
            f"{'; '.join(said)} (limits: {most} % of a node, {share} % for workloads)",
            evidence=evidence,
            remedy=_remedy(list(guests.values())),
        )
    roomless = [one.name for one in own if not (one.cpu and one.memory)]
    if roomless:
        raise Unreadable(
            f"{', '.join(roomless)} does not say how much CPU and memory pods may use (status.allocatable)"
        )
    silent = [one.name for one in own if one.cpu_used is None or one.memory_used is None]
    if silent:
        raise Unreadable(
            f"the metrics API says nothing of {', '.join(silent)}, as happens with a node that is too busy to answer: look at "
            "the load there"
        )


def _over(percents: tuple[float, float], limit: int) -> str:
    """Those of CPU and memory that are above a limit, for people."""
    words = zip(("CPU", "memory"), percents, strict=True)
    return " and ".join(f"{percent:.0f} % of the {word}" for word, percent in words if percent > limit)


def _is_system(pod: PodUsage, parameters: Mapping[str, Any]) -> bool:
    return any(fnmatchcase(pod.namespace, one) for one in parameters["vks-system-namespaces"])


def _sum(amounts: Iterable[Fraction]) -> Fraction:
    return sum(amounts, Fraction(0))


def _named(pods: list[PodUsage]) -> str:
    more = f" and {len(pods) - _SHOWN} more" if len(pods) > _SHOWN else ""
    return ", ".join(f"{one.namespace}/{one.name}" for one in pods[:_SHOWN]) + more


def _line(pod: PodUsage, node: NodeUsage) -> str:
    cpu, memory = node.share(pod.cpu, pod.memory)
    return (
        f"pod {pod.namespace}/{pod.name} on {node.name}: {float(pod.cpu):.2f} cores ({cpu:.0f} %), "
        f"{int(pod.memory) // 1_048_576} MiB ({memory:.0f} %)"
    )


def _remedy(pods: list[PodUsage]) -> str:
    if not pods:
        return (
            "# See what uses the nodes, and give them more room or let others do the work:\n"
            "  kubectl top pods -A --sort-by=memory\n  kubectl top nodes"
        )
    lines = []
    for one in pods:
        space = shlex.quote(one.namespace)
        kind = one.owner.partition("/")[0]
        if kind in ("deployment", "statefulset", "replicaset"):
            lines.append(f"  kubectl scale -n {space} {shlex.quote(one.owner)} --replicas=0")
        elif kind:
            lines.append(
                f"  kubectl get -n {space} {shlex.quote(one.owner)}   # cannot be scaled: keep it off these nodes"
            )
        else:
            lines.append(f"  kubectl get pod -n {space} {shlex.quote(one.name)} -o wide   # nothing keeps it")
    scale = list(dict.fromkeys(lines))
    more = f"\n# … and {len(scale) - 20} more" if len(scale) > 20 else ""
    return (
        "# Scale these workloads down until the upgrade is through, or move them to worker nodes; note their replicas first:\n"
        + "\n".join(scale[:20])
        + more
    )
