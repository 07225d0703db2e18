"""Disruption budgets: a hazard where one would block a drain now, and not because it exists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.eks_anywhere.facts_disruption import Budget, EvictedPod
from conformance import Unreadable
from tests.hazards.eksa import management
from tests.hazards.eksa_machines import NAME, WORKER, condition
from tests.hazards.eksa_running import budget, pod
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves

BUDGET = "eksa-disruption-budget"
KIND = "poddisruptionbudgets.policy"
WEB = pod("web-1")
EMPTY: dict[str, object] = {}


def found(hazard, budgets, pods=(WEB,), **api):
    return evaluate(hazard, clusters={NAME: management({KIND: list(budgets), "pods": list(pods)}, **api)})


@proves(
    BUDGET,
    kind=PRESENT,
    says=["PodDisruptionBudget shop/web", "allows no disruption now", f"it holds shop/web-1 on {WORKER}"],
    line="PodDisruptionBudget shop/web: minAvailable: ",
    remedy="kubectl -n shop describe poddisruptionbudget web",
)
@pytest.mark.parametrize(
    ("one", "pods"),
    [
        pytest.param(budget(), [WEB], id="as many as must be"),
        pytest.param(budget(allowed=None), [WEB], id="its controller never looked at it"),
        pytest.param(budget(seen=None), [WEB], id="a controller that does not say what it saw"),
        pytest.param(budget(minAvailable="100%"), [WEB], id="in percent"),
        pytest.param(budget(healthy=0), [pod("web-1", ready="False")], id="not ready, and no budget for those either"),
        pytest.param(budget(healthy=0, desired=0), [pod("web-1", ready="False")], id="it never wanted one"),
        pytest.param(
            budget(unhealthyPodEvictionPolicy="AlwaysAllow"), [WEB], id="only those that are not ready are free"
        ),
        pytest.param(
            budget(selector={"matchExpressions": [{"key": "app", "operator": "In", "values": ["web"]}]}), [WEB], id="In"
        ),
        pytest.param(
            budget(selector={"matchExpressions": [{"key": "no", "operator": "DoesNotExist"}]}), [WEB], id="without"
        ),
        pytest.param(
            budget(selector={"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["db"]}]}),
            [WEB],
            id="NotIn",
        ),
        pytest.param(budget(selector={"matchExpressions": [{"key": "app", "operator": "Exists"}]}), [WEB], id="Exists"),
        pytest.param(budget(selector=EMPTY), [WEB], id="every pod of the namespace"),
        pytest.param(budget(), [WEB, pod("web-0", owner="DaemonSet")], id="beside one of a DaemonSet"),
    ],
)
def test_a_budget_blocks(hazard, one, pods):
    return found(hazard, [one], pods)


@proves(BUDGET, kind=PRESENT, says=["(maxUnavailable: 0)", "(InsufficientPods: no more)"])
def test_why_nothing_is_allowed(hazard):
    one = budget(minAvailable=None, maxUnavailable=0)
    one["status"]["conditions"] = [condition("DisruptionAllowed", "False", "InsufficientPods", "no more")]
    return found(hazard, [one])


@proves(BUDGET, kind=PRESENT, says=["shop/a ", "shop/b ", "web-1", "db-0"])
def test_every_budget_is_named(hazard):
    db = {"matchLabels": {"app": "db"}}
    return found(hazard, [budget("b", selector=db), budget("a")], [WEB, pod("db-0", {"app": "db"})])


@proves(BUDGET, kind=PRESENT, says=["web-1 on", "web-5", "and 4 more"])
def test_many_pods(hazard):
    return found(hazard, [budget(healthy=9, desired=9)], [pod(f"web-{number}") for number in range(1, 10)])


@proves(
    BUDGET, kind=PRESENT, says=["pod shop/web-1 is under several budgets (all, web)"], remedy="get poddisruptionbudgets"
)
def test_a_pod_of_two_budgets(hazard):
    """However much both allow: the eviction API refuses such a pod."""
    return found(hazard, [budget(allowed=1), budget("all", 5, selector=EMPTY)])


@proves(BUDGET, kind=PRESENT, says=["it holds 1 pods"])
def test_pods_that_came_between_the_two_reads(hazard):
    """Its controller counts a pod; the listing has none."""
    return found(hazard, [budget()], [pod("other", {"app": "other"})])


@proves(BUDGET, kind=ABSENT)
@pytest.mark.parametrize(
    ("budgets", "pods"),
    [
        pytest.param([], [WEB], id="no budget"),
        pytest.param([budget(allowed=1, healthy=2)], [WEB, pod("web-2")], id="it allows one"),
        pytest.param([budget(allowed=1, healthy=2, seen=None)], [WEB], id="it allows one, and says no more"),
        pytest.param([budget(healthy=0)], [], id="nothing to protect"),
        pytest.param(
            [budget(healthy=1)], [pod("web-1", owner="DaemonSet")], id="only of a DaemonSet, which no drain evicts"
        ),
        pytest.param(
            [budget(healthy=1)], [pod("web-1", meta={"annotations": {"kubernetes.io/config.mirror": "x"}})], id="static"
        ),
        pytest.param([budget(healthy=0)], [pod("web-1", phase="Succeeded", ready="False")], id="it has ended"),
        pytest.param([budget(healthy=0)], [pod("web-1", phase="Failed", ready="False")], id="it has failed"),
        pytest.param([budget(healthy=0)], [pod("web-1", phase="Pending", ready="False")], id="it never began"),
        pytest.param(
            [budget()], [pod("web-1", meta={"deletionTimestamp": "2022-01-01T11:00:00Z"})], id="it goes already"
        ),
        pytest.param([budget(healthy=0)], [pod("web-1", space="other")], id="pods of another namespace"),
        pytest.param([budget(healthy=0)], [pod("web-1", {"app": "other"})], id="pods of another label"),
        pytest.param([budget(healthy=0, selector=None)], [WEB], id="a budget without a selector"),
        pytest.param(
            [budget(healthy=0, unhealthyPodEvictionPolicy="AlwaysAllow")],
            [pod("web-1", ready="False")],
            id="not ready, and free",
        ),
        pytest.param([budget(healthy=2, desired=2)], [pod("web-3", ready="False")], id="not ready, while enough are"),
        pytest.param([budget(allowed=1), budget("web", 1, space="other")], [WEB], id="two of one name, elsewhere"),
    ],
)
def test_no_budget_blocks(hazard, budgets, pods):
    return found(hazard, budgets, pods)


def test_what_the_platforms_own_tool_does_of_it_is_said():
    finding = found(BUDGET, [budget(allowed=1, healthy=2)])
    assert "none of 1 budgets blocks a drain now" in finding.message
    assert "--skip-validations=pod-disruption" in finding.message


@proves(BUDGET, kind=NOT_APPLICABLE, says=["bootstrap cluster"])
def test_a_bootstrap_cluster(hazard):
    return found(hazard, [budget()], role="bootstrap")


@proves(BUDGET, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_a_cluster_that_stays_as_it_is(hazard):
    return found(hazard, [budget()], upgrade="none")


@proves(BUDGET, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["forbidden", "unreachable", "timed-out", "cut-off", "not-served"])
def test_each_read(hazard, problem):
    return [found(hazard, [], broken={one: problem}) for one in (KIND, "pods")]


@proves(BUDGET, kind=UNREADABLE, says=["shop/web was changed and not looked at since"])
def test_a_budget_that_was_changed_a_moment_ago(hazard):
    one = budget(allowed=1, healthy=2)
    one["metadata"]["generation"] = 2
    return found(hazard, [one])


@proves(BUDGET, kind=UNREADABLE, says=["selects pods by 'Near', which is not known"])
def test_a_selector_that_nobody_knows(hazard):
    rule = {"key": "app", "operator": "Near", "values": []}
    return found(hazard, [budget(selector={"matchExpressions": [rule]})])


LABELS = st.dictionaries(st.sampled_from("ab"), st.sampled_from("xy"), max_size=2)
RULES = st.fixed_dictionaries(
    {
        "key": st.sampled_from("abc"),
        "operator": st.sampled_from(["In", "NotIn", "Exists", "DoesNotExist"]),
        "values": st.lists(st.sampled_from("xyz"), max_size=2),
    }
)


@given(LABELS, LABELS, st.lists(RULES, max_size=3))
def test_labels_are_compared_one_by_one(labels, wanted, rules):
    """NotIn is the opposite of In and takes pods without the label too; every rule narrows."""
    one = EvictedPod.of(pod("web-1", labels or {"a": "x"}))
    every = Budget.of(budget(selector={"matchLabels": wanted, "matchExpressions": rules}))
    alone = [Budget.of(budget(selector={"matchExpressions": [rule]})) for rule in rules]
    plain = Budget.of(budget(selector={"matchLabels": wanted}))
    assert every.selects(one) == (plain.selects(one) and all(each.selects(one) for each in alone))
    for rule, each in zip(rules, alone, strict=True):
        opposite = {"In": "NotIn", "NotIn": "In", "Exists": "DoesNotExist", "DoesNotExist": "Exists"}[rule["operator"]]
        other = Budget.of(budget(selector={"matchExpressions": [{**rule, "operator": opposite}]}))
        assert each.selects(one) is not other.selects(one)


def test_the_operators_are_those_of_kubernetes():
    with pytest.raises(Unreadable, match="which is not known"):
        Budget.of(budget(selector={"matchExpressions": [{"key": "app", "operator": "Gt"}]})).selects(EvictedPod.of(WEB))
