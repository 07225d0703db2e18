"""A user cluster beside the admin cluster that manages it."""

from __future__ import annotations

import pytest

from conformance.findings import Outcome
from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

GAP = "abm-user-cluster-version-gap"


def fleet(admin, user, *, hub="none", prod="none", others=(), named=True, parameters=None, **api):
    """An admin cluster `hub` and a user cluster `prod` with these versions now, and what the change makes of them."""
    objects = (cluster("hub", "admin", admin), cluster("prod", "user", user), *others)
    clusters = {"hub": admin_api(*objects, upgrade=hub, **api)}
    if named:
        clusters["prod"] = Api(role="user", manager="hub", connected=False, upgrade=prod)
    return evaluate(GAP, clusters=clusters, parameters=parameters)


@proves(GAP, kind=PRESENT, says=["prod", "newer than its admin cluster hub"], line="cluster prod: spec.anthosBareMetal")
@pytest.mark.parametrize(
    ("admin", "user", "target"),
    [
        ("1.8.3", "1.8.3", "1.8.4"),
        ("1.8.3", "1.8.3", "1.9.0"),
        ("1.8.9", "1.8.9", "1.8.10"),
        ("1.9.0-gke.5", "1.8.3", "1.9.1-gke.1"),
        ("1.9.3", "1.9.3", "2.0.0"),
        ("1.9.0", "1.9.0", "1.10.0"),
        ("1.8.3", "1.8.3", "1.9"),
    ],
)
def test_a_user_cluster_would_be_newer(hazard, admin, user, target):
    finding = fleet(admin, user, prod=(user, target))
    assert f"prod would be {target}" in finding.message
    assert "bmctl upgrade cluster -c hub --kubeconfig ADMIN_KUBECONFIG" in finding.remedy
    return finding


@proves(GAP, kind=PRESENT, says=["prod is 1.9.0, newer than its admin cluster hub, which is 1.8.3"], line="1.9.0")
def test_a_user_cluster_is_newer(hazard):
    return fleet("1.8.3", "1.9.0", prod=("1.9.0", "1.9.1"))


@proves(GAP, kind=PRESENT, says=["more than one minor release behind its admin cluster hub"], line="cluster prod: ")
@pytest.mark.parametrize(
    ("admin", "target", "user", "then"),
    [
        ("1.9.0", "none", "1.7.5", ("1.7.5", "1.7.6")),
        ("1.8.3", ("1.8.3", "1.9.0"), "1.7.5", "none"),
        ("1.8.3", ("1.8.3", "1.9"), "1.7.5", ("1.7.5", "1.7.9")),
        ("1.11.0", "none", "1.9.3", ("1.9.3", "1.10.0")),
    ],
)
def test_a_user_cluster_is_left_behind(hazard, admin, target, user, then):
    return fleet(admin, user, hub=target, prod=then)


@proves(GAP, kind=PRESENT, says=["prod would stay 1.7.5", "hub, which would be 1.9.0"])
def test_a_user_cluster_that_the_change_does_not_name_stays(hazard):
    return fleet("1.8.3", "1.7.5", hub=("1.8.3", "1.9.0"), named=False)


@proves(
    GAP, kind=PRESENT, says=["came out after that of its admin cluster hub", "2021-08-13"], remedy="Upgrade hub first"
)
@pytest.mark.parametrize(
    ("admin", "target"),
    [
        ("1.7.2", "1.6.4"),  # the document's own pair
        ("1.7.2", "1.6.5"),  # released after 1.6.4
        ("1.7.1", "1.6.4"),  # released before 1.7.2
        ("v1.7.2", "1.6.4-gke.3"),
    ],
)
def test_a_later_patch_of_the_older_release(hazard, admin, target):
    return fleet(admin, "1.6.2", prod=("1.6.2", target))


@proves(GAP, kind=PRESENT, says=["2021-12-01"])
def test_days_of_release_from_the_parameter(hazard):
    days = {"release-dates": "1.8.3=2021-10-25, 1.7.6=2021-12-01"}
    return fleet("1.8.3", "1.7.5", prod=("1.7.5", "1.7.6"), parameters=days)


@proves(GAP, kind=PRESENT, says=["1.6.4", "2021-08-13"])
def test_the_known_pair_stays_known_beside_the_parameter(hazard):
    return fleet("1.7.2", "1.6.2", prod=("1.6.2", "1.6.4"), parameters={"release-dates": "1.8.3=2021-10-25"})


@proves(GAP, kind=PRESENT, says=["alpha would be 1.9.0", "prod would be 1.9.0"])
def test_every_user_cluster_is_named(hazard):
    objects = (cluster("hub", "admin", "1.8.3"), cluster("alpha", "user", "1.8.3"), cluster("prod", "user", "1.8.2"))
    users = {
        name: Api(role="user", manager="hub", connected=False, upgrade=(None, "1.9.0")) for name in ("prod", "alpha")
    }
    finding = evaluate(GAP, clusters={"hub": admin_api(*objects, upgrade="none"), **users})
    assert finding.message.count("would be 1.9.0") == 2
    assert finding.message.index("alpha") < finding.message.index("prod")
    return finding


@proves(GAP, kind=ABSENT)
@pytest.mark.parametrize(
    ("admin", "hub", "user", "prod"),
    [
        pytest.param("1.8.3", "none", "1.8.2", ("1.8.2", "1.8.3"), id="up to the same"),
        pytest.param("1.8.3-gke.1", "none", "1.8.2", ("1.8.2", "1.8.3-gke.7"), id="the same, another build"),
        pytest.param("1.7.1", "none", "1.6.1", ("1.6.1", "1.6.2"), id="the document's example"),
        pytest.param("1.7.3", "none", "1.6.2", ("1.6.2", "1.6.4"), id="an admin cluster later than the pair"),
        pytest.param("1.7.2", "none", "1.6.2", ("1.6.2", "1.6.3"), id="a patch earlier than the pair"),
        pytest.param("1.10.0", "none", "1.9.3", ("1.9.3", "1.9.4"), id="one behind across ten"),
        pytest.param("1.8.3", ("1.8.3", "1.9.0"), "1.8.3", ("1.8.3", "1.9.0"), id="both, the admin cluster first"),
        pytest.param("1.8.3", ("1.8.3", "1.9"), "1.8.3", ("1.8.3", "1.9"), id="both to a release series"),
        pytest.param("1.9.2", ("1.9.2", "1.9"), "1.9.1", "none", id="at least the patch that it has"),
        pytest.param("1.8.3", ("1.8.3", "1.9.0"), "1.8.3", "none", id="only the admin cluster"),
    ],
)
def test_the_versions_fit(hazard, admin, hub, user, prod):
    return fleet(admin, user, hub=hub, prod=prod)


def test_days_that_nobody_knows_are_said():
    finding = fleet("1.8.3", "1.7.5", prod=("1.7.5", "1.7.6"))
    assert finding.outcome is Outcome.CLEAR
    assert "prod 1.7.6 beside hub 1.8.3" in finding.message
    assert "release-dates" in finding.message
    days = {"release-dates": "1.8.3=2022-01-01,1.7.6=2021-12-01,1.7.5=2021-11-01"}
    assert fleet("1.8.3", "1.7.5", prod=("1.7.5", "1.7.6"), parameters=days).message == ""


@proves(GAP, kind=LOWERED, says=["hub upgraded to 1.9.0 first", "1.7.5"], remedy="Upgrade prod to 1.8.3 before hub")
def test_only_the_user_cluster_can_go_first(hazard):
    return fleet("1.8.3", "1.7.5", hub=("1.8.3", "1.9.0"), prod=("1.7.5", "1.8.3"))


@proves(GAP, kind=PRESENT, says=["the other way round"], remedy="smaller steps")
def test_neither_order_will_do(hazard):
    finding = fleet("1.8.3", "1.7.5", hub=("1.8.3", "1.9.0"), prod=("1.7.5", "1.9.0"))
    assert "prod would still be 1.7.5, more than one minor release behind its admin cluster; and the" in finding.message
    assert "it would be 1.9.0, newer than its admin cluster 1.8.3" in finding.message
    return finding


@proves(GAP, kind=NOT_APPLICABLE, says=["no user cluster"])
@pytest.mark.parametrize("type", ["admin", "hybrid", "standalone"])
def test_no_user_cluster(hazard, type):
    return evaluate(GAP, clusters={"hub": admin_api(cluster("hub", type, "1.8.3"), upgrade=("1.8.3", "1.9.0"))})


@proves(GAP, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_nothing_is_upgraded(hazard):
    return fleet("1.8.3", "1.9.0")


@proves(GAP, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {"clusters.baremetal.cluster.gke.io": "forbidden"}}, id="forbidden"),
        pytest.param({"broken": {"clusters.baremetal.cluster.gke.io": "not-served"}}, id="not served"),
        pytest.param({"broken": {"*": "unreachable"}}, id="unreachable"),
        pytest.param({"others": (cluster("hub2", "admin", "1.8.3"),)}, id="two admin clusters in one place"),
        pytest.param({"others": (cluster("old", "user", ""),)}, id="a user cluster without a version"),
        pytest.param({"others": (cluster("old", "user", "latest"),)}, id="a version that is none"),
    ],
)
def test_the_versions_cannot_be_known(hazard, world):
    return fleet("1.8.3", "1.8.2", prod=("1.8.2", "1.8.3"), **world)


@proves(GAP, kind=UNREADABLE, says=["depends on the patch"])
@pytest.mark.parametrize(
    ("admin", "hub", "prod"),
    [("1.9.2", "none", ("1.9.1", "1.9")), ("1.8.3", ("1.8.3", "1.9"), ("1.9.1", "1.9.3"))],
)
def test_the_patch_is_not_known(hazard, admin, hub, prod):
    return fleet(admin, "1.9.1" if admin != "1.8.3" else "1.8.3", hub=hub, prod=prod)


@proves(GAP, kind=UNREADABLE, says=["version to upgrade prod to is not known"])
def test_the_target_is_not_known(hazard):
    return fleet("1.9.2", "1.9.1", prod=("1.9.1", None))


DESIRED = """\
apiVersion: baremetal.cluster.gke.io/v1
kind: Cluster
metadata: {name: new, namespace: cluster-new}
spec: {type: user}
"""


@proves(
    GAP, kind=PRESENT, says=["new would be 1.9.0, newer"], line="cluster new: spec.anthosBareMetalVersion (to come)"
)
def test_a_user_cluster_to_come(hazard):
    new = Api(role="user", manager="hub", connected=False, upgrade=(None, "1.9.0"), desired=(DESIRED,))
    clusters = {"hub": admin_api(cluster("hub", "admin", "1.8.3"), upgrade="none"), "new": new}
    return evaluate(GAP, clusters=clusters)
