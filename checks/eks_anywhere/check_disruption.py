"""Disruption budgets that would keep a machine from being drained: now, and not because they exist."""

from __future__ import annotations

import shlex
from collections import defaultdict

from conformance import BLOCKER, CLUSTER, Unreadable, clear, found, hazard
from conformance.subjects import Subject

from ..sources import EKS_ANYWHERE_BUDGETS
from .facts_disruption import Budget, EvictedPod

#: How many pods of one budget are named.
_NAMED = 5


@hazard(
    "eksa-disruption-budget",
    title="a disruption budget would block the drain of a machine now",
    severity=BLOCKER,
    on=[CLUSTER],
    source=EKS_ANYWHERE_BUDGETS,
    remedy="Let the budget allow one disruption: more replicas, pods that are ready, or another minAvailable.",
)
def check_no_budget_blocks_a_drain(
    eksa_place: Subject, eksa_budgets: list[Budget], eksa_evicted_pods: list[EvictedPod]
) -> None:
    said: list[str] = []
    evidence: list[str] = []
    commands: list[str] = []
    stale: list[Budget] = []
    budgets = sorted(eksa_budgets, key=lambda one: (one.namespace, one.name))
    places: dict[str, list[EvictedPod]] = defaultdict(list)
    for pod in sorted(eksa_evicted_pods, key=lambda one: (one.namespace, one.name)):
        places[pod.namespace].append(pod)
    over: dict[str, list[str]] = defaultdict(list)
    for budget in budgets:
        own = [pod for pod in places[budget.namespace] if budget.selects(pod)]
        for pod in own:
            if pod.counts:
                over[str(pod)].append(budget.name)
        held = [pod for pod in own if pod.counts and budget.refuses(pod)]
        if not held and (own or budget.allowed or not budget.healthy):
            if budget.observed is False and any(pod.counts for pod in own):
                stale.append(budget)
            continue
        names = _names(held) or f"{budget.healthy} pods"
        why = f" ({budget.why})" if budget.why else ""
        said.append(
            f"PodDisruptionBudget {budget} ({budget.rule or 'no rule'}) allows no disruption now{why}: {budget.healthy} of "
            f"{budget.desired} pods that it needs are healthy; it holds {names}"
        )
        evidence.append(
            f"PodDisruptionBudget {budget}: {budget.rule or '-'} disruptionsAllowed={budget.allowed} "
            f"currentHealthy={budget.healthy} desiredHealthy={budget.desired}"
        )
        space, name = shlex.quote(budget.namespace), shlex.quote(budget.name)
        commands.append(f"kubectl -n {space} describe poddisruptionbudget {name}")
    for name, several in sorted(over.items()):
        if len(several) > 1:
            said.append(f"pod {name} is under several budgets ({', '.join(several)}), and such a pod is never evicted")
            evidence.append(f"Pod {name}: selected by the PodDisruptionBudgets {', '.join(several)}")
            commands.append(f"kubectl -n {shlex.quote(name.partition('/')[0])} get poddisruptionbudgets")
    if said:
        raise found(
            "; ".join(said),
            evidence=evidence,
            remedy="\n".join(
                [
                    f"# on cluster {eksa_place.name}:",
                    *dict.fromkeys(commands),
                    "# Let each allow a disruption: scale up what it protects, make its pods ready, or change the budget. Look again.",
                ]
            ),
        )
    if stale:
        names = ", ".join(map(str, stale))
        raise Unreadable(f"PodDisruptionBudget {names} was changed and not looked at since: run again in a minute")
    if budgets:
        raise clear(
            f"none of {len(budgets)} budgets blocks a drain now; eksctl anywhere stops at any budget there is, which "
            "--skip-validations=pod-disruption tells it not to"
        )


def _names(pods: list[EvictedPod]) -> str:
    told = [f"{pod}{f' on {pod.node}' if pod.node else ''}" for pod in pods[:_NAMED]]
    more = len(pods) - len(told)
    return ", ".join(told) + (f" and {more} more" if more > 0 else "")
