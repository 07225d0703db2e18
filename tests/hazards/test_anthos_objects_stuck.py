"""Namespaces that are deleted too early, and conditions that stay behind."""

from __future__ import annotations

from dataclasses import replace

import pytest

from conformance.hazards import BEFORE, STUCK
from tests.hazards.anthos import admin_api, cluster, machine_object
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

GENERATION, NAMESPACE = "abm-reconciling-generation", "abm-namespace-deleted-first"
USER = Api(role="user", manager="hub", connected=False)
STAYS = {"upgrade": "none"}
FROM = ("1.8.1", "1.9.0")


def bootstrap(*clusters, **api):
    """The bootstrap cluster, which holds these Cluster objects while an upgrade runs."""
    return replace(admin_api(*clusters, **api), role="bootstrap")


# -- a stale condition Reconciling ---------------------------------------------------------------------------------


def updated(generation=3, observed=None, kind="hybrid", name="hub", version="1.7.5", conditions=None):
    """A Cluster object of this generation, and the one that its condition Reconciling has observed."""
    made = cluster(name, kind, version)
    if generation is not None:
        made["metadata"]["generation"] = generation
    if observed is not None:
        conditions = [
            {"type": "DashboardReady", "observedGeneration": 99},
            {"type": "Reconciling", "observedGeneration": observed},
        ]
    if conditions is not None:
        made["status"] = {"systemServiceConditions": conditions}
    return made


def upgrading(*clusters, to="1.8.1", since=None, subject="hub", others=None, **api):
    hub = admin_api(*clusters, **api)
    return evaluate(
        GENERATION, clusters={"hub": hub, **(others or {})}, upgrade=(since, to), subject=subject, situation=BEFORE
    )


@proves(
    GENERATION,
    kind=PRESENT,
    says=["cluster hub was updated since its creation"],
    line="metadata.generation ",
    remedy="1.8.2",
)
@pytest.mark.parametrize("kind", ["admin", "hybrid", "standalone"])
@pytest.mark.parametrize("generation", [2, 17])
@pytest.mark.parametrize("to", ["1.8.0", "1.8.1", "1.8.1-gke.4", "1.8"])
def test_a_cluster_that_was_updated(hazard, kind, generation, to):
    return upgrading(updated(generation, kind=kind), to=to)


@proves(GENERATION, kind=ABSENT)
def test_a_cluster_that_was_never_updated(hazard):
    return upgrading(updated(1))


@proves(GENERATION, kind=ABSENT)
def test_another_cluster_was_updated(hazard):
    return upgrading(updated(1), updated(9, kind="user", name="prod"))


@proves(GENERATION, kind=NOT_APPLICABLE, says=["is a user cluster"])
def test_user_clusters_are_not_affected(hazard):
    prod = updated(9, kind="user", name="prod")
    return upgrading(updated(1), prod, others={"prod": USER}, subject="prod")


@proves(GENERATION, kind=NOT_APPLICABLE, says=["to 1.", "is not >=1.8.0,<1.8.2"])
@pytest.mark.parametrize("to", ["1.8.2", "1.8.3", "1.9.0", "1.7.9"])
def test_generations_before_other_targets(hazard, to):
    return upgrading(updated(), to=to)


@proves(GENERATION, kind=NOT_APPLICABLE, says=["from 1.", "is not ==1.7.*"])
@pytest.mark.parametrize("version", ["1.6.9", "1.8.0", "1.70.1"])
def test_generations_after_other_versions(hazard, version):
    return upgrading(updated(version=version))


@proves(GENERATION, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("made", "world"),
    [
        pytest.param(updated(None), {}, id="no generation"),
        pytest.param(updated("3"), {}, id="a generation that is no number"),
        pytest.param(updated(kind="other"), {}, id="a cluster of another type"),
        pytest.param(updated(), {"broken": {"clusters.baremetal.cluster.gke.io": "forbidden"}}, id="forbidden"),
        pytest.param(updated(version=""), {}, id="no version"),
    ],
)
def test_the_generation_cannot_be_known(hazard, made, world):
    return upgrading(made, **world)


def hanging(made, *, subject="boot", given=("1.7.5", "1.8.1"), **others):
    """An upgrade that hangs: its objects lie in the bootstrap cluster."""
    clusters = {"hub": admin_api(), "boot": bootstrap(*([made] if made else [])), **others}
    clusters = {name: one for name, one in clusters.items() if one is not None}
    return evaluate(GENERATION, clusters=clusters, upgrade=given, subject=subject, situation=STUCK)


@proves(
    GENERATION,
    kind=PRESENT,
    says=["cluster hub: its condition Reconciling is stale"],
    line="metadata.generation 3; Reconciling has observedGeneration ",
    remedy="kubectl get --raw=/apis/baremetal.cluster.gke.io/v1/namespaces/cluster-hub/clusters/hub/status "
    "--kubeconfig bmctl-workspace/.kindkubeconfig",
)
@pytest.mark.parametrize("observed", [3, 4, 30])
def test_the_condition_is_stale(hazard, observed):
    return hanging(updated(3, observed))


@proves(GENERATION, kind=ABSENT)
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(updated(3, 2), id="behind"),
        pytest.param(updated(3, 0), id="far behind"),
        pytest.param(updated(3, conditions=[{"type": "Reconciling"}]), id="it observed nothing"),
        pytest.param(
            updated(3, conditions=[{"type": "DashboardReady", "observedGeneration": 3}]), id="another condition"
        ),
        pytest.param(updated(3, conditions=[]), id="no conditions"),
        pytest.param(updated(3), id="no status"),
    ],
)
def test_the_condition_is_not_stale(hazard, made):
    return hanging(made)


@proves(GENERATION, kind=NOT_APPLICABLE, says=["is read in bootstrap cluster boot"])
def test_the_cluster_itself_while_the_bootstrap_cluster_tells(hazard):
    return hanging(updated(3, 3), subject="hub")


@proves(GENERATION, kind=NOT_APPLICABLE, says=["is a user cluster"])
def test_a_user_cluster_that_hangs(hazard):
    return hanging(updated(3, 3), subject="prod", prod=USER)


@proves(GENERATION, kind=NOT_APPLICABLE, says=["to 1.8.2 is not"])
def test_a_stale_condition_on_the_way_to_another_version(hazard):
    return hanging(updated(3, 3), given=("1.7.5", "1.8.2"))


@proves(GENERATION, kind=UNREADABLE, says=["role: bootstrap"])
def test_only_the_cluster_itself_is_named(hazard):
    return hanging(None, subject="hub", boot=None)


@proves(GENERATION, kind=UNREADABLE)
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(None, id="no Cluster object there yet"),
        pytest.param(updated(None, 3), id="no generation"),
        pytest.param(updated(3, "3"), id="no number"),
    ],
)
def test_the_condition_cannot_be_known(hazard, made):
    return hanging(made)


@proves(GENERATION, kind=UNREADABLE, says=["says 1.8.1 already", "--upgrade-from"])
@pytest.mark.parametrize("to", ["1.8.1", "1.8"])
def test_the_version_in_the_object_is_the_new_one_already(hazard, to):
    return hanging(updated(3, 3, version="1.8.1"), given=(None, to))


@proves(GENERATION, kind=PRESENT, says=["is stale"])
def test_the_version_in_the_object_is_still_the_old_one(hazard):
    return hanging(updated(3, 3), given=(None, "1.8.1"))


# -- a namespace that is deleted before its cluster --------------------------------------------------------------------

SINCE = "2022-01-01T09:00:00Z"


def space(name, since=None, phase="Active"):
    made = {"metadata": {"name": name}, "status": {"phase": "Terminating" if since else phase}}
    if since:
        made["metadata"].update(deletionTimestamp=since)
    return made


ACTIVE = [space("default"), space("kube-system"), space("cluster-hub")]


def deleting(*spaces, clusters=("prod",), machines=(), subject="prod", **api):
    objects = (cluster("hub", "admin"), *map(cluster, clusters))
    hub = admin_api(*objects, machines=machines, **{**({} if subject == "hub" else STAYS), **api})
    hub.objects["namespaces"] = [*ACTIVE, *spaces]
    return evaluate(NAMESPACE, clusters={"hub": hub, "prod": USER}, upgrade=FROM, subject=subject)


@proves(
    NAMESPACE,
    kind=PRESENT,
    says=["namespace cluster-prod is Terminating while cluster prod and 2 machines (10.0.0.1, 10.0.0.2) still exist"],
    line="namespace cluster-prod: ",
    remedy="delete clusters.baremetal.cluster.gke.io -n cluster-prod prod",
)
@pytest.mark.parametrize(
    "ending",
    [
        space("cluster-prod", SINCE),
        space("cluster-prod", phase="Terminating"),
        {"metadata": {"name": "cluster-prod", "deletionTimestamp": SINCE}},
    ],
    ids=["both", "phase", "timestamp"],
)
def test_the_namespace_is_deleted_before_the_cluster(hazard, ending):
    machines = [machine_object("10.0.0.1"), machine_object("10.0.0.9", "hub"), machine_object("10.0.0.2")]
    return deleting(ending, machines=machines)


@proves(NAMESPACE, kind=PRESENT, says=["while cluster prod still exist"])
def test_the_cluster_alone_is_left(hazard):
    return deleting(space("cluster-prod", SINCE))


@proves(
    NAMESPACE,
    kind=PRESENT,
    says=["cluster-prod is Terminating while 1 machine (10.0.0.1) still exist"],
    remedy="10.0.0.1",
)
@pytest.mark.parametrize("subject", ["prod", "hub"])
def test_machines_alone_are_left(hazard, subject):
    return deleting(space("cluster-prod", SINCE), clusters=(), machines=[machine_object("10.0.0.1")], subject=subject)


@proves(NAMESPACE, kind=ABSENT)
@pytest.mark.parametrize(
    ("spaces", "world"),
    [
        pytest.param([space("cluster-prod")], {}, id="nothing is deleted"),
        pytest.param(
            [space("cluster-prod"), space("cluster-prod-2", SINCE), space("shop", SINCE)], {}, id="other namespaces"
        ),
        pytest.param(
            [space("cluster-prod"), space("cluster-test", SINCE)],
            {"clusters": ("prod", "test")},
            id="another cluster's",
        ),
        pytest.param(
            [space("cluster-prod"), space("cluster-old", SINCE)],
            {"machines": [machine_object("10.0.0.7", "old")]},
            id="another cluster's machines",
        ),
        pytest.param(
            [space("cluster-prod"), space("cluster-old", SINCE)],
            {"subject": "hub"},
            id="a namespace that holds nothing",
        ),
        pytest.param([space("cluster-prod", SINCE)], {"subject": "hub"}, id="of a cluster that has its own finding"),
    ],
)
def test_no_namespace_is_deleted_first(hazard, spaces, world):
    return deleting(*spaces, **world)


@proves(NAMESPACE, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_the_namespace_of_a_cluster_that_stays(hazard):
    hub = admin_api(cluster("hub", "admin"), cluster("prod"))
    hub.objects["namespaces"] = [*ACTIVE, space("cluster-prod", SINCE)]
    prod = Api(role="user", manager="hub", connected=False, upgrade="none")
    return evaluate(NAMESPACE, clusters={"hub": hub, "prod": prod}, upgrade=FROM, subject="prod")


@proves(NAMESPACE, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("spaces", "world"),
    [
        pytest.param([space("cluster-prod")], {"broken": {"namespaces": "forbidden"}}, id="namespaces forbidden"),
        pytest.param(
            [space("cluster-prod")],
            {"broken": {"clusters.baremetal.cluster.gke.io": "timed-out"}},
            id="clusters timed out",
        ),
        pytest.param(
            [space("cluster-prod")], {"broken": {"baremetalmachines.baremetal.cluster.gke.io": "error"}}, id="machines"
        ),
        pytest.param([], {}, id="its namespace is not listed"),
        pytest.param([space("cluster-prod")], {"clusters": ()}, id="no such cluster"),
    ],
)
def test_the_namespace_cannot_be_known(hazard, spaces, world):
    return deleting(*spaces, **world)
