"""Hazards of Anthos clusters on bare metal: node pools of the platform itself that were edited directly."""

from __future__ import annotations

import pytest

from tests.hazards.anthos import GROUP, admin_api, cluster, node_pool
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

EDITED = "abm-nodepool-edited"
USER = Api(role="user", manager="hub", connected=False)
PLANE, BALANCERS = ["10.200.0.2", "10.200.0.3", "10.200.0.4"], ["10.200.0.8", "10.200.0.9"]
OWNED = [{"apiVersion": f"{GROUP}/v1", "kind": "Cluster", "name": "prod"}]


def own(**parts):
    """The Cluster prod; `plane` and `balancer` are more of the sections of its node pools."""
    found = cluster("prod", nodes=PLANE, balancers=BALANCERS)
    found["spec"]["controlPlane"]["nodePoolSpec"].update(parts.pop("plane", {}))
    found["spec"]["loadBalancer"]["nodePoolSpec"].update(parts.pop("balancer", {}))
    found["spec"]["loadBalancer"].update(parts)
    return found


def pool(name="prod", addresses=PLANE, marks=(), owners=(), of="prod", namespace=None, **spec):
    """A NodePool; `marks` are annotations of the platform."""
    found = node_pool(name, of, *addresses, namespace=namespace)
    found["metadata"].update(annotations=dict(marks), ownerReferences=list(owners))
    found["spec"].update(spec)
    return found


def mark(part, value="true"):
    return {f"{GROUP}/{part}": value}


BALANCER, WORKERS = pool("prod-lb", BALANCERS), pool("np1", ["10.200.0.20", "10.200.0.21"])


def edited(*pools, of=None, user=USER, **world):
    clusters = {"hub": admin_api(cluster("hub", "admin"), of or own(), pools=pools, **world), "prod": user}
    return evaluate(EDITED, clusters=clusters, subject="prod")


@proves(
    EDITED,
    kind=PRESENT,
    says=["NodePool cluster-prod/prod differs from spec.controlPlane.nodePoolSpec of Cluster prod"],
    line="nodepool cluster-prod/prod: ",
    remedy="bmctl update cluster -c prod",
)
@pytest.mark.parametrize(
    ("held", "said"),
    [
        pytest.param({"addresses": [*PLANE, "10.200.0.5"]}, "node 10.200.0.5 is only in the NodePool", id="one more"),
        pytest.param({"addresses": PLANE[:2]}, "node 10.200.0.4 is only in the Cluster", id="one less"),
        pytest.param({"addresses": ["10.200.0.99"]}, "node 10.200.0.99 is only in the NodePool", id="all others"),
        pytest.param({"addresses": []}, "node 10.200.0.2 is only in the Cluster", id="no node at all"),
        pytest.param({"labels": {"rack": "b"}}, "label rack is only in the NodePool", id="a label"),
        pytest.param(
            {"taints": [{"key": "team", "value": "x", "effect": "NoSchedule"}]},
            "taint team:NoSchedule is only in the NodePool",
            id="a taint",
        ),
        pytest.param(
            {"nodes": [{"address": one, "labels": {"rack": "b"}} for one in PLANE]},
            "node 10.200.0.3 label rack is only in the NodePool",
            id="a label of a node",
        ),
    ],
)
def test_the_control_plane_s_pool_is_edited(hazard, held, said):
    finding = edited(WORKERS, BALANCER, pool(**held))
    assert said in finding.message
    assert "prod-lb" not in finding.message
    assert "loadBalancer" not in finding.remedy
    return finding


@proves(EDITED, kind=PRESENT, says=["cluster-prod/prod differs"])
@pytest.mark.parametrize(
    ("plane", "held", "said"),
    [
        ({"labels": {"rack": "a"}}, {"labels": {"rack": "b"}}, "label rack is 'b', not 'a'"),
        ({"labels": {"rack": "a"}}, {}, "label rack is only in the Cluster"),
        (
            {"taints": [{"key": "team", "effect": "NoSchedule"}]},
            {"taints": [{"key": "team", "effect": "NoExecute"}]},
            "taint team:NoExecute is only in the NodePool",
        ),
        (
            {"taints": [{"key": "team", "value": "a", "effect": "NoSchedule"}]},
            {"taints": [{"key": "team", "value": "b", "effect": "NoSchedule"}]},
            "taint team:NoSchedule is 'b', not 'a'",
        ),
        (
            {"taints": [{"key": "gke.io/x", "effect": "NoSchedule"}]},
            {},
            "taint gke.io/x:NoSchedule is only in the Cluster",
        ),
        ({"kubeletConfig": {"registryBurst": 10}}, {"kubeletConfig": {"registryBurst": 20}}, "kubeletConfig is"),
    ],
)
def test_what_both_have_differs(hazard, plane, held, said):
    finding = edited(pool(**held), BALANCER, of=own(plane=plane))
    assert said in finding.message
    return finding


@proves(
    EDITED, kind=PRESENT, says=["cluster-prod/prod-lb differs from spec.loadBalancer.nodePoolSpec"], line="10.200.0.7"
)
@pytest.mark.parametrize(
    "held",
    [
        pytest.param(pool("prod-lb", [*BALANCERS, "10.200.0.7"]), id="told by its name and addresses"),
        pytest.param(pool("prod-lb", ["10.200.0.7"]), id="told by its name alone"),
        pytest.param(pool("prod-lb", ["10.200.0.7"], marks=mark("load-balancer")), id="told by its mark"),
    ],
)
def test_the_load_balancer_s_pool_is_edited(hazard, held):
    return edited(pool(), WORKERS, held)


@proves(EDITED, kind=PRESENT, says=["cluster-prod/prod differs", "cluster-prod/prod-lb differs"])
def test_both_are_edited(hazard):
    finding = edited(pool(addresses=PLANE[:1]), pool("prod-lb", BALANCERS[:1]))
    assert "spec.controlPlane.nodePoolSpec and spec.loadBalancer.nodePoolSpec" in finding.remedy
    return finding


@proves(EDITED, kind=PRESENT, says=["cluster-prod/masters differs", "10.200.0.5"])
@pytest.mark.parametrize(
    "pools",
    [
        pytest.param([pool("masters", [*PLANE, "10.200.0.5"])], id="by the addresses that meet"),
        pytest.param([pool("masters", ["10.200.0.5"], marks=mark("control-plane"))], id="by a mark, though none meets"),
        pytest.param(
            [pool("a", PLANE, of="other"), pool("masters", [*PLANE, "10.200.0.5"])], id="not another cluster's"
        ),
        pytest.param(
            [pool("np1", PLANE), pool("masters", [PLANE[0], "10.200.0.5"], owners=OWNED)],
            id="by its owner, not the workers' that nobody owns",
        ),
        pytest.param(
            [pool("np1", PLANE, marks=mark("load-balancer")), pool("masters", [PLANE[0], "10.200.0.5"])],
            id="not the one that is marked as another's",
        ),
        pytest.param(
            [pool("np1", PLANE[:1]), pool("masters", [*PLANE[:2], "10.200.0.5"])], id="the one with more addresses"
        ),
    ],
)
def test_which_pool_is_which(hazard, pools):
    return edited(BALANCER, *pools)


@proves(EDITED, kind=PRESENT, says=["has no spec.loadBalancer.nodePoolSpec"])
def test_a_load_balancer_s_pool_that_the_cluster_knows_nothing_of(hazard):
    return edited(pool(), pool("prod-lb", marks=mark("load-balancer")), of=cluster("prod", nodes=PLANE))


@proves(EDITED, kind=PRESENT, says=["NodePool tenants/prod differs"])
def test_pools_in_a_namespace_of_another_name(hazard):
    of = cluster("prod", nodes=PLANE, namespace="tenants")
    pools = [pool(namespace="tenants", addresses=PLANE[:1]), pool(addresses=PLANE)]
    return edited(*pools, of=of)


@proves(EDITED, kind=ABSENT)
@pytest.mark.parametrize(
    ("pools", "of"),
    [
        pytest.param([pool(), BALANCER, WORKERS], None, id="as the Cluster says"),
        pytest.param([pool(addresses=PLANE[::-1]), BALANCER], None, id="in another order"),
        pytest.param([pool(addresses=[f" {one}" for one in PLANE]), BALANCER], None, id="with blanks"),
        pytest.param([pool(addresses=[f"::ffff:{one}" for one in PLANE]), BALANCER], None, id="IPv4 written as IPv6"),
        pytest.param(
            [pool(addresses=["2001:DB8:0::2"])], cluster("prod", nodes=["2001:db8::2"]), id="IPv6 in another spelling"
        ),
        pytest.param([pool(), BALANCER, pool("np1", ["10.200.0.77"], labels={"a": "b"})], None, id="workers differ"),
        pytest.param(
            [pool(), BALANCER, pool("np1", PLANE)], None, id="workers with the addresses of the control plane"
        ),
        pytest.param([pool(), BALANCER, pool("x", PLANE[:1], of="other")], None, id="another cluster's"),
        pytest.param([pool(owners=OWNED), BALANCER, pool("np1", PLANE[:1])], None, id="one that nobody owns"),
        pytest.param([pool()], cluster("prod", nodes=PLANE), id="no machines for the load balancer"),
        pytest.param([pool()], own(mode="manual"), id="a load balancer that is not bundled"),
        pytest.param(
            [pool(labels={"rack": "a"}, taints=[{"key": "k", "value": "", "effect": "NoSchedule"}]), BALANCER],
            own(plane={"labels": {"rack": "a"}, "taints": [{"key": "k", "effect": "NoSchedule"}]}),
            id="labels and taints are the same",
        ),
        pytest.param(
            [
                pool(
                    labels={"node-role.kubernetes.io/control-plane": "", f"{GROUP}/x": ""},
                    taints=[{"key": "node-role.kubernetes.io/master", "effect": "NoSchedule"}],
                    operatingSystem="linux",
                ),
                BALANCER,
            ],
            None,
            id="what the platform adds by itself",
        ),
        pytest.param([pool(), BALANCER], own(plane={"clusterName": "prod"}), id="the Cluster names itself"),
        pytest.param([pool(), BALANCER, pool("prod-lb2", ["10.1.1.1"])], None, id="a name that begins alike"),
        pytest.param([pool(marks=mark("control-plane", "false")), BALANCER], None, id="a mark that says no"),
    ],
)
def test_pools_are_as_the_cluster_says(hazard, pools, of):
    return edited(*pools, of=of)


@proves(EDITED, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_pools_of_a_cluster_that_stays(hazard):
    return edited(
        pool(addresses=PLANE[:1]), BALANCER, user=Api(role="user", manager="hub", connected=False, upgrade="none")
    )


@proves(EDITED, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {f"nodepools.{GROUP}": "forbidden"}}, id="pools forbidden"),
        pytest.param({"broken": {f"nodepools.{GROUP}": "not-served"}}, id="pools not served"),
        pytest.param({"broken": {f"clusters.{GROUP}": "timed-out"}}, id="clusters timed out"),
        pytest.param({"broken": {"*": "unreachable"}}, id="unreachable"),
    ],
)
def test_pools_cannot_be_read(hazard, world):
    return edited(pool(addresses=PLANE[:1]), BALANCER, **world)


@proves(EDITED, kind=UNREADABLE, says=["cannot be told", "spec.controlPlane.nodePoolSpec"])
@pytest.mark.parametrize(
    "pools",
    [
        pytest.param([], id="no pool at all"),
        pytest.param([WORKERS, BALANCER], id="the workers' and the load balancer's only"),
        pytest.param([pool("masters", ["10.200.0.99"]), BALANCER], id="another name, other addresses"),
        pytest.param([pool(of="other"), BALANCER], id="another cluster's"),
    ],
)
def test_the_control_plane_s_pool_is_not_to_be_found(hazard, pools):
    return edited(*pools)


@proves(EDITED, kind=UNREADABLE, says=["cannot be told", "spec.loadBalancer.nodePoolSpec"])
def test_the_load_balancer_s_pool_is_not_to_be_found(hazard):
    return edited(pool(), WORKERS)


@proves(EDITED, kind=UNREADABLE, says=["Cluster prod has no spec.controlPlane.nodePoolSpec"])
def test_a_cluster_without_a_control_plane(hazard):
    of = own()
    del of["spec"]["controlPlane"]
    return edited(pool(), BALANCER, of=of)
