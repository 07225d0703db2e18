"""The Kubernetes version that is asked for, of the cluster and of each of its worker node groups."""

from __future__ import annotations

import pytest

from tests.hazards.eksa import cluster, group, management, specification
from tests.hazards.eksa_machines import CONTROL, EKSA, NAME, WORKER, node
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

STEP = "eksa-version-increment"
OWN = f"clusters.{EKSA}"


def found(hazard, live=None, wanted=None, target=None, objects=None, kubelet=None, server=None, **api):
    live = cluster() if live is None else live
    own = live["spec"].get("kubernetesVersion")
    own = own if isinstance(own, str) and own else "1.22"
    nodes = [node(CONTROL, kubelet=f"v{own}.7-eks-a"), node(WORKER, kubelet=kubelet or f"v{own}.7-eks-a")]
    if wanted is not None:
        api["desired"] = (wanted if isinstance(wanted, str) else specification(wanted),)
    api.setdefault("paths", {"/version": {"gitVersion": server or f"v{own}.17-eks-a51510b"}})
    upgrade = (None, target) if target else None
    return evaluate(
        hazard, clusters={NAME: management({OWN: [live], "nodes": nodes, **(objects or {})}, **api)}, upgrade=upgrade
    )


@proves(
    STEP,
    kind=PRESENT,
    says=["Cluster default/cluster3 is at"],
    line="spec.kubernetesVersion=",
    remedy="eksctl anywhere upgrade cluster -f cluster3/cluster3-eks-a-cluster.yaml",
)
@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("1.22", "1.24", "asks for 1.24: only 1.22 or 1.23 will do"),
        ("1.28", "1.31", "only 1.28 or 1.29 will do"),
        ("1.9", "1.11", "only 1.9 or 1.10"),
        ("1.23", "1.22", "does not go back"),
        ("1.30", "1.3", "does not go back"),
        ("1.22", "2.0", "only 1.22 or 1.23"),
    ],
)
def test_more_than_one_step(hazard, old, new, word):
    held = [
        found(hazard, cluster(version=old), cluster(version=new)),
        found(hazard, cluster(version=old), target=new),
    ]
    for one in held:
        assert word in one.message
    return held


def test_the_way_between_is_named():
    finding = found(STEP, cluster(version="1.22"), cluster(version="1.25"))
    assert "one upgrade after the other: 1.23, 1.24, 1.25" in finding.remedy


@proves(STEP, kind=ABSENT)
@pytest.mark.parametrize(
    ("old", "new"), [("1.22", "1.22"), ("1.22", "1.23"), ("1.9", "1.10"), ("1.29", "1.30"), ("1.30", "1.31")]
)
def test_the_same_or_the_next(hazard, old, new):
    return [
        found(hazard, cluster(version=old), cluster(version=new)),
        found(hazard, cluster(version=old), cluster(version=new), target=new),
        found(hazard, cluster(version=old), target=new),
        found(hazard, cluster(version=old), target=f"{new}.4"),
    ]


def groups(*held):
    return {"workerNodeGroupConfigurations": list(held)}


@proves(STEP, kind=PRESENT, says=["worker node group"], line="worker node group")
@pytest.mark.parametrize(
    ("before", "after", "new", "word"),
    [
        pytest.param(
            [group("a", version="1.20")],
            [group("a", version="1.22")],
            "1.22",
            "is at 1.20 and is to be 1.22",
            id="two steps",
        ),
        pytest.param(
            [group("a", version="1.22")],
            [group("a", version="1.21")],
            "1.22",
            "is at 1.22 and is to be 1.21",
            id="back",
        ),
        pytest.param(
            [group("a")], [group("a", version="1.24")], "1.23", "newer than the control plane at 1.23", id="ahead"
        ),
        pytest.param(
            [group("a")],
            [group("a"), group("b", version="1.24")],
            "1.23",
            "group b would be at 1.24, newer",
            id="a new one ahead",
        ),
        pytest.param([group("a")], [group("b", version="1.20")], "1.23", "more than 2 behind", id="a new one too old"),
        pytest.param(
            [group("a", version="1.20")], [group("a", version="1.20")], "1.23", "more than 2 behind", id="left behind"
        ),
        pytest.param(
            [group("a", version="1.22")], [group("a")], "1.23", "loses its own version 1.22", id="loses its own"
        ),
    ],
)
def test_a_group_of_its_own_version(hazard, before, after, new, word):
    finding = found(hazard, cluster(**groups(*before)), cluster(version=new, **groups(*after)))
    assert word in finding.message, finding.message
    return finding


@proves(
    STEP,
    kind=PRESENT,
    says=[
        "group a is at 1.20",
        "group b is at 1.22 and is to be 1.24",
        "is at 1.22 and the specification asks for 1.25",
    ],
)
def test_all_groups_and_not_the_first(hazard):
    before, after = [group("a", version="1.20"), group("b")], [group("a", version="1.22"), group("b", version="1.24")]
    more = [group("c", version="1.21")]
    finding = found(hazard, cluster(**groups(*before)), cluster(version="1.25", **groups(*after, *more)))
    assert "group c would be at 1.21, more than 2 behind" in finding.message
    return finding


@proves(STEP, kind=PRESENT, says=["worker node group a is at 1.20, more than 2 behind 1.23"])
def test_a_group_left_behind_without_a_specification(hazard):
    return found(hazard, cluster(**groups(group("a", version="1.20"))), target="1.23")


@proves(STEP, kind=ABSENT)
@pytest.mark.parametrize(
    ("before", "after", "new"),
    [
        pytest.param([group("a", version="1.21")], [group("a", version="1.22")], "1.22", id="follows one step"),
        pytest.param([group("a", version="1.21")], [group("a", version="1.21")], "1.23", id="two behind"),
        pytest.param([group("a")], [group("a", version="1.22")], "1.23", id="stays where it was"),
        pytest.param([group("a", version="1.22")], [group("a")], "1.22", id="loses its own, which is the same"),
        pytest.param([group("a", version="1.21")], [group("a")], "1.22", id="catches up while the rest stays"),
        pytest.param([group("a", version="1.19")], [group("b")], "1.23", id="an old group that goes"),
    ],
)
def test_groups_that_may(hazard, before, after, new):
    return found(hazard, cluster(**groups(*before)), cluster(version=new, **groups(*after)))


@proves(
    STEP,
    kind=PRESENT,
    says=[f"the kubelet of node {WORKER} is v1.20.15-eks-a, more than 2 minors older than 1.23"],
    line="kubeletVersion=v1.20.15",
)
def test_an_old_kubelet(hazard):
    return found(hazard, wanted=cluster(version="1.23"), kubelet="v1.20.15-eks-a")


@proves(STEP, kind=ABSENT)
@pytest.mark.parametrize(("old", "new", "kubelet"), [("1.22", "1.23", "v1.21.1"), ("1.27", "1.28", "v1.25.3-eks-a")])
def test_kubelets_that_may_stay(hazard, old, new, kubelet):
    """Since 1.28 an API server takes kubelets that are three minors older."""
    return found(hazard, cluster(version=old), cluster(version=new), kubelet=kubelet)


@proves(STEP, kind=PRESENT, says=["its API server is at 1.21 and the specification asks for 1.23"], line="v1.21.14")
def test_an_upgrade_that_stopped_half_way(hazard):
    """The object says 1.22; what became of it is another matter."""
    return found(hazard, wanted=cluster(version="1.23"), server="v1.21.14-eks-a")


@proves(STEP, kind=ABSENT)
def test_an_upgrade_that_is_run_again(hazard):
    """The control plane went up, the object was never written."""
    return found(hazard, wanted=cluster(version="1.23"), server="v1.23.17-eks-a")


@proves(
    STEP,
    kind=LOWERED,
    says=["the specification asks for 1.22, while this change is to 1.23"],
    line="specification: spec.kubernetesVersion=1.22",
)
def test_a_specification_that_was_not_changed(hazard):
    return found(hazard, wanted=cluster(), target="1.23")


@proves(STEP, kind=NOT_APPLICABLE, says=["bootstrap cluster"])
def test_a_bootstrap_cluster(hazard):
    return found(hazard, wanted=cluster(version="1.28"), role="bootstrap")


@proves(STEP, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_a_cluster_that_stays_as_it_is(hazard):
    return found(hazard, wanted=cluster(version="1.28"), upgrade="none")


@proves(STEP, kind=UNREADABLE, says=["not known: give the new specification"])
def test_nobody_says_where_to(hazard):
    return found(hazard)


@proves(STEP, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("live", "wanted", "word"),
    [
        pytest.param(
            cluster(version=1.22), cluster(), "is the number 1.22: put the version in quotes", id="a number there"
        ),
        pytest.param(
            cluster(), cluster(version=1.3), "is the number 1.3: put the version in quotes", id="1.30 without quotes"
        ),
        pytest.param(cluster(), cluster(version="next"), "'next', which is no Kubernetes version", id="no version"),
        pytest.param(cluster(), cluster(version=None), "which is no Kubernetes version", id="none"),
        pytest.param(
            cluster(), cluster(**groups(group("a", version="x"))), "worker node group a is 'x'", id="of a group"
        ),
        pytest.param(
            cluster(),
            cluster(**groups(group("a", version=1.2))),
            "[a].kubernetesVersion is the number",
            id="of a group, a number",
        ),
    ],
)
def test_versions_that_cannot_be_read(hazard, live, wanted, word):
    finding = found(hazard, live, wanted)
    assert word in finding.message
    return finding


@proves(STEP, kind=UNREADABLE)
@pytest.mark.parametrize("problem", ["forbidden", "unreachable", "timed-out", "cut-off"])
def test_each_read(hazard, problem):
    return [found(hazard, wanted=cluster(version="1.23"), broken={one: problem}) for one in (OWN, "nodes")]


@proves(STEP, kind=UNREADABLE)
def test_a_cluster_without_a_kubeconfig_of_its_own(hazard):
    """Its kubelets cannot be seen."""
    live = cluster("shop", manager=NAME)
    above = management({OWN: [cluster(), live]}, upgrade="none")
    below = Api(
        role="workload",
        manager="mgmt",
        connected=False,
        desired=(specification(cluster("shop", "1.23", manager=NAME)),),
    )
    return evaluate(hazard, subject="shop", clusters={"mgmt": above, "shop": below})
