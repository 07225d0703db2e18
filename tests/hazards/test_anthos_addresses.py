"""Hazards of Anthos clusters on bare metal: addresses that must not meet."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from conformance.documents import InvalidDocument
from tests.hazards.anthos import GROUP, admin_api, cluster, node_pool
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.test_kubernetes import node
from tests.hazards.worlds import Api, Machine

USER = Api(role="user", manager="hub", connected=False)
BOOTSTRAP, OVERLAP = "abm-bootstrap-cidr-overlap", "abm-cluster-ip-overlap"
LINK = "2: {}    inet{} {} scope global eth0\\       valid_lft forever preferred_lft forever\n"


def linked(address, interface="eth0", family="", **machine):
    return Machine(says={"ip -o address show": LINK.format(interface, family, address)}, **machine)


# -- the bootstrap cluster -----------------------------------------------------------------------------------------


@proves(BOOTSTRAP, kind=PRESENT, says=["192.168.122"], line="192.168.122", remedy="--bootstrap-cluster-pod-cidr")
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"hosts": {"station": linked("192.168.122.9/24", roles=("workstation",))}}, id="the workstation"),
        pytest.param({"hosts": {"wk-1": linked("192.168.122.255/16")}}, id="the last address"),
        pytest.param({"hosts": {"wk-1": linked("192.168.122.0/16", "bond0.100@bond0")}}, id="the first, on a VLAN"),
        pytest.param(
            {"clusters": {"hub": admin_api(cluster("hub", "admin", nodes=["192.168.122.9"]))}}, id="a Cluster"
        ),
        pytest.param(
            {"clusters": {"hub": admin_api(cluster("hub", "admin", balancers=["192.168.122.9"]))}}, id="a load balancer"
        ),
        pytest.param(
            {"clusters": {"hub": admin_api(cluster("hub", "admin"), pools=[node_pool("np1", "hub", "192.168.122.9")])}},
            id="a NodePool",
        ),
        pytest.param(
            {"clusters": {"hub": admin_api(cluster("hub", "admin"), nodes=[node("n9", ip="192.168.122.9")])}},
            id="a node",
        ),
    ],
)
def test_a_machine_in_the_bootstrap_pod_range(hazard, world):
    for api in world.get("clusters", {}).values():
        api.objects["nodes"] = api.objects["nodes"] or [node("n1")]
    finding = evaluate(hazard, **world)
    assert "pod range 192.168.122.0/24" in finding.message
    assert next(iter({**world.get("hosts", {}), **world.get("clusters", {})})) in finding.message
    assert "service-cidr" not in finding.remedy
    return finding


@proves(BOOTSTRAP, kind=PRESENT, says=["192.168.122.9"])
@pytest.mark.parametrize(
    "link", ["br-lan", "br-ex", "br-bond0", "br-0123456789abc", "br-0123456789ag", "br0", "bridge"]
)
def test_a_bridge_that_people_made_is_the_machine_s_own(hazard, link):
    return evaluate(hazard, hosts={"station": linked("192.168.122.9/24", link, roles=("workstation",))})


@proves(BOOTSTRAP, kind=ABSENT)
@pytest.mark.parametrize("link", ["br-0123456789ab", "docker0", "virbr0", "cilium_host", "vethab12@if3", "cni-podman0"])
def test_the_bridges_of_containers_are_not(hazard, link):
    said = LINK.format("eth0", "", "10.2.0.1/8") + LINK.format(link, "", "192.168.122.9/24")
    return evaluate(hazard, hosts={"station": Machine(says={"ip -o address show": said}, roles=("workstation",))})


@proves(
    BOOTSTRAP, kind=PRESENT, says=["10.96.0.", "service range 10.96.0.0/27"], remedy="--bootstrap-cluster-service-cidr"
)
@pytest.mark.parametrize("address", ["10.96.0.0/24", "10.96.0.31/8"])
def test_a_machine_in_the_bootstrap_service_range(hazard, address):
    return evaluate(hazard, hosts={"wk-1": linked(address)})


@proves(BOOTSTRAP, kind=ABSENT)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(linked("192.168.123.0/24"), id="right after the pods"),
        pytest.param(linked("192.168.121.255/16"), id="right before, though its network holds the range"),
        pytest.param(linked("10.96.0.32/8"), id="right after the services"),
        pytest.param(linked("10.95.255.255/8"), id="right before the services"),
        pytest.param(linked("2001:db8::5/64", family="6"), id="IPv6"),
        pytest.param(
            Machine(
                says={
                    "ip -o address show": LINK.format("eth0", "", "10.2.0.1/8")
                    + LINK.format("docker0", "", "192.168.122.1/24")
                }
            ),
            id="a bridge for containers",
        ),
    ],
)
def test_machines_beside_the_bootstrap_ranges(hazard, machine):
    return evaluate(hazard, hosts={"wk-1": machine})


@proves(BOOTSTRAP, kind=ABSENT)
def test_pods_services_and_vips_are_no_machines(hazard):
    own = cluster(
        "hub", "admin", nodes=["10.200.0.2"], vip="192.168.122.4", pods=["192.168.122.0/24"], services=["10.96.0.0/20"]
    )
    return evaluate(hazard, clusters={"hub": admin_api(own, nodes=[node("n1")])})


@proves(BOOTSTRAP, kind=PRESENT, says=["wk-1", "10.5.0.9", "pod range 10.5.0.0/16"])
def test_the_bootstrap_pod_range_is_a_parameter(hazard):
    return evaluate(hazard, hosts={"wk-1": linked("10.5.0.9/24")}, parameters={"bootstrap-pod-cidr": "10.5.0.0/16"})


@proves(BOOTSTRAP, kind=PRESENT, says=["2001:db8::9"])
def test_a_bootstrap_range_may_be_ipv6(hazard):
    parameters = {"bootstrap-service-cidr": "2001:db8::/112"}
    return evaluate(hazard, hosts={"wk-1": linked("2001:db8::9/64", family="6")}, parameters=parameters)


@proves(BOOTSTRAP, kind=ABSENT)
def test_other_bootstrap_ranges_free_the_usual_ones(hazard):
    parameters = {"bootstrap-pod-cidr": "172.30.0.0/16", "bootstrap-service-cidr": "172.31.0.0/27"}
    return evaluate(hazard, hosts={"wk-1": linked("192.168.122.9/24")}, parameters=parameters)


def test_a_bootstrap_range_that_is_none_is_refused():
    with pytest.raises(InvalidDocument, match="bootstrap-pod-cidr: '10.5.0.0/40'.*bootstrap-cluster-pod-cidr"):
        evaluate(BOOTSTRAP, hosts={"wk-1": Machine()}, parameters={"bootstrap-pod-cidr": "10.5.0.0/40"})


@proves(BOOTSTRAP, OVERLAP, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_addresses_where_nothing_is_upgraded(hazard):
    return evaluate(hazard, clusters={"hub": admin_api(cluster("hub", "admin"), nodes=[node("n1")], upgrade="none")})


@proves(BOOTSTRAP, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"hosts": {"wk-1": Machine(broken={"*": "unreachable"})}}, id="the host"),
        pytest.param({"hosts": {"wk-1": Machine(), "wk-2": Machine(broken={"*": "refused"})}}, id="one of two hosts"),
        pytest.param({"hosts": {"wk-1": linked("127.0.0.1/8", "lo")}}, id="no address at all"),
        pytest.param(
            {
                "clusters": {
                    "hub": admin_api(cluster("hub", "admin", nodes=["10.200.0.2"]), broken={"nodes": "forbidden"})
                }
            },
            id="nodes",
        ),
        pytest.param(
            {"clusters": {"hub": admin_api(cluster("hub", "admin", nodes=["ten.two"]), nodes=[node("n1")])}},
            id="no address",
        ),
        pytest.param(
            {
                "clusters": {
                    "hub": admin_api(
                        cluster("hub", "admin"),
                        nodes=[node("n1")],
                        broken={"nodepools.baremetal.cluster.gke.io": "timed-out"},
                    )
                }
            },
            id="pools",
        ),
    ],
)
def test_the_machines_addresses_cannot_be_known(hazard, world):
    return evaluate(hazard, **world)


@proves(BOOTSTRAP, kind=PRESENT, says=["wk-1: interface eth0 192.168.122.9"])
def test_an_offender_is_found_beside_a_host_that_is_silent(hazard):
    return evaluate(hazard, hosts={"wk-1": linked("192.168.122.9/24"), "wk-2": Machine(broken={"*": "unreachable"})})


# -- several clusters ----------------------------------------------------------------------------------------------

HUB = {"nodes": ["10.200.0.2"], "vip": "10.200.0.49", "ingress": "10.200.0.50", "pools": [["10.200.0.50-10.200.0.70"]]}
PROD = {"nodes": ["10.200.1.2"], "vip": "10.200.1.49", "ingress": "10.200.1.50", "pools": [["10.200.1.50-10.200.1.70"]]}


def apart(prod=(), hub=(), *, pools=(), desired=(), user=None, **api):
    objects = (cluster("hub", "admin", **{**HUB, **dict(hub)}), cluster("prod", **{**PROD, **dict(prod)}))
    user = user or Api(role="user", manager="hub", connected=False, desired=desired)
    return evaluate(OVERLAP, clusters={"hub": admin_api(*objects, pools=pools, **api), "prod": user})


@proves(OVERLAP, kind=PRESENT, says=["hub: ", "prod: "], line="prod: ")
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"prod": {"nodes": ["10.200.0.2"]}}, id="one machine in both"),
        pytest.param({"prod": {"vip": "10.200.0.49"}}, id="one VIP for both"),
        pytest.param({"prod": {"vip": "10.200.0.55"}}, id="a VIP in the other's pool"),
        pytest.param({"prod": {"ingress": "10.200.0.70"}}, id="an ingress VIP at the end of the other's pool"),
        pytest.param({"prod": {"pools": [["10.200.1.64/28"], ["10.200.0.64/26"]]}}, id="pools, one as a CIDR"),
        pytest.param({"prod": {"pools": [["10.200.0.0-10.200.0.255"]]}}, id="a pool around everything"),
        pytest.param(
            {"pools": [node_pool("np1", "prod", "10.200.0.60")]}, id="a NodePool's machine in the other's pool"
        ),
        pytest.param(
            {"prod": {"pools": [["2001:db8::10-2001:db8::20"]]}, "hub": {"pools": [["2001:DB8:0::0:20/128"]]}},
            id="IPv6",
        ),
        pytest.param({"prod": {"pods": ["10.200.0.0/16"], "flat": True}}, id="flat pods over the other's machines"),
    ],
)
def test_clusters_that_meet(hazard, world):
    return apart(**world)


@proves(OVERLAP, kind=PRESENT, says=["pod range 192.168.0.0/16"])
def test_flat_pod_ranges_of_two_clusters(hazard):
    return apart({"flat": True}, {"flat": True})


def cidr_config(name, six, owner="prod"):
    """As the platform's guide to dual-stack networking has it: IPv6 is always flat."""
    return {
        "apiVersion": f"{GROUP}/v1alpha1",
        "kind": "ClusterCIDRConfig",
        "metadata": {"name": name, "namespace": f"cluster-{owner}"},
        "spec": {
            "ipv4": {"cidr": "192.168.0.0/16", "perNodeMaskSize": 24},
            **({"ipv6": {"cidr": six, "perNodeMaskSize": 120}} if six else {}),
        },
    }


def dual_stack(*configs, desired=()):
    """Two clusters whose admin cluster knows these ClusterCIDRConfigs, of whichever of them."""
    api = admin_api(cluster("hub", "admin", **HUB), cluster("prod", **PROD))
    api.objects[f"clustercidrconfigs.{GROUP}"] = configs
    user = Api(role="user", manager="hub", connected=False, desired=desired)
    return evaluate(OVERLAP, clusters={"hub": api, "prod": user})


SIX = "2001:db8:1::/112"


@proves(OVERLAP, kind=PRESENT, says=["hub: ", "prod: ", "pod range 2001:"])
@pytest.mark.parametrize("other", [SIX, "2001:DB8:1:0::/112", "2001:db8:1::/120", "2001:db8::/32"])
def test_ipv6_pod_ranges_of_two_clusters(hazard, other):
    return dual_stack(cidr_config("a", SIX), cidr_config("a", other, "hub"))


@proves(OVERLAP, kind=PRESENT, says=["hub: ", "prod: ", "pod range 2001:"])
def test_ipv6_pod_ranges_in_the_clusters_themselves(hazard):
    pods = ["192.168.0.0/16", SIX]
    return apart({"pods": pods}, {"pods": pods})


@proves(OVERLAP, kind=PRESENT, says=["hub: ", "prod: ", "pod range 2001:"])
def test_an_ipv6_pod_range_that_is_about_to_be(hazard):
    return dual_stack(cidr_config("a", SIX, "hub"), desired=(text_of(cidr_config("b", SIX)),))


@proves(OVERLAP, kind=PRESENT, says=["hub: ", "prod: ", "pod range 2001:"])
def test_an_ipv6_pod_range_in_the_desired_configuration_of_another_cluster(hazard):
    api = admin_api(cluster("hub", "admin", **HUB), cluster("prod", **PROD))
    api.objects[f"clustercidrconfigs.{GROUP}"] = [cidr_config("a", SIX, "hub")]
    hub = replace(api, desired=(text_of(cidr_config("b", SIX)),))
    return evaluate(OVERLAP, clusters={"hub": hub, "prod": USER})


@proves(OVERLAP, kind=UNREADABLE, says=["a ClusterCIDRConfig in 'cluster-nobody', and no Cluster is there"])
def test_an_ipv6_pod_range_of_nobody(hazard):
    return dual_stack(desired=(text_of(cidr_config("b", SIX, "nobody")),))


@proves(OVERLAP, kind=PRESENT, says=["prod: service", " and prod: ", "pod range 2001:"])
def test_what_is_applied_takes_the_place_of_its_namesake_alone(hazard):
    services = cluster("prod", **PROD, services=["10.96.0.0/20", "2001:db8:1::/120"])
    return dual_stack(cidr_config("rack1", SIX), desired=(text_of(services, cidr_config("rack2", "2001:db8:2::/112")),))


@proves(OVERLAP, kind=ABSENT)
def test_a_rack_s_part_of_what_the_cluster_itself_names(hazard):
    api = admin_api(cluster("hub", "admin", **HUB), cluster("prod", **PROD, pods=["192.168.0.0/16", SIX]))
    api.objects[f"clustercidrconfigs.{GROUP}"] = [cidr_config("a", "2001:db8:1::/120")]
    return evaluate(OVERLAP, clusters={"hub": api, "prod": USER})


@proves(OVERLAP, kind=ABSENT)
@pytest.mark.parametrize(
    "configs",
    [
        pytest.param((), id="none"),
        pytest.param((cidr_config("a", SIX), cidr_config("a", "2001:db8:2::/112", "hub")), id="two ranges"),
        pytest.param((cidr_config("a", None), cidr_config("a", None, "hub")), id="IPv4 alone, which is no flat one"),
        pytest.param((cidr_config("a", SIX), cidr_config("rack", "2001:db8:1::/120")), id="a rack's part of its own"),
    ],
)
def test_ipv6_pod_ranges_apart(hazard, configs):
    return dual_stack(*configs)


@proves(OVERLAP, kind=UNREADABLE, says=["clustercidrconfigs"])
def test_ipv6_pod_ranges_that_cannot_be_listed(hazard):
    return apart(broken={f"clustercidrconfigs.{GROUP}": "forbidden"})


@proves(OVERLAP, kind=PRESENT, says=["prod: ", " and prod: "])
@pytest.mark.parametrize(
    "prod",
    [
        pytest.param({"pods": ["10.96.0.0/16"]}, id="pods and services"),
        pytest.param({"services": ["10.200.1.0/24"]}, id="services and machines"),
        pytest.param({"pods": ["10.200.0.0/16"]}, id="pods and machines"),
        pytest.param({"vip": "10.200.1.60"}, id="the control-plane VIP in a pool"),
        pytest.param({"ingress": "10.200.1.49"}, id="one VIP for both uses"),
        pytest.param({"pools": [["10.200.1.50-10.200.1.70"], ["10.200.1.70/32"]]}, id="two pools"),
        pytest.param({"nodes": ["10.200.1.55"]}, id="a machine in the pool"),
    ],
)
def test_a_cluster_that_meets_itself(hazard, prod):
    return apart(prod)


#: As the platform makes them from the sections of the Cluster.
PLANE = node_pool("prod", "prod", "10.200.1.2")
LB = node_pool("prod-lb", "prod", "10.200.1.8")


@proves(OVERLAP, kind=PRESENT, says=["prod: node address 10.200.1.", " and prod: node address (of "])
@pytest.mark.parametrize(
    ("world", "twice"),
    [
        pytest.param(
            {"pools": [PLANE, node_pool("np1", "prod", "10.200.1.5"), node_pool("np2", "prod", "10.200.1.5")]},
            "of NodePool np1 and of NodePool np2) 10.200.1.5",
            id="two pools of workers",
        ),
        pytest.param(
            {"pools": [node_pool("a", "prod", "10.200.1.4", "10.200.1.2"), PLANE]},
            "of the control plane and of NodePool a) 10.200.1.2",
            id="control plane and workers",
        ),
        pytest.param(
            {
                "prod": {"nodes": ["10.200.1.2", "10.200.1.3"]},
                "pools": [
                    node_pool("masters", "prod", "10.200.1.2", "10.200.1.3"),
                    node_pool("np1", "prod", "10.200.1.2"),
                ],
            },
            "of the control plane and of NodePool np1) 10.200.1.2",
            id="where the control plane's is called otherwise",
        ),
        pytest.param(
            {"prod": {"balancers": ["10.200.1.8"]}, "pools": [PLANE, LB, node_pool("np1", "prod", "10.200.1.8")]},
            "of the load balancer and of NodePool np1) 10.200.1.8",
            id="load balancer and workers",
        ),
        pytest.param(
            {"pools": [node_pool("prod", "prod", "10.200.1.2", "10.200.1.6"), node_pool("np1", "prod", "10.200.1.6")]},
            "of the control plane and of NodePool np1) 10.200.1.6",
            id="a control plane whose NodePool was edited",
        ),
        pytest.param(
            {"desired": ("CONFIGURATION",)},
            "of the control plane and of NodePool np1) 10.200.1.2",
            id="about to be applied",
        ),
        pytest.param(
            {"pools": [PLANE], "desired": ("POOL",)},
            "of the control plane and of NodePool np1) 10.200.1.2",
            id="a NodePool alone, about to be applied",
        ),
    ],
)
def test_a_node_in_two_pools(hazard, world, twice):
    coming = node_pool("np1", "prod", "10.200.1.2")
    texts = {"CONFIGURATION": text_of(cluster("prod", **PROD), coming), "POOL": text_of(coming)}
    finding = apart(**{**world, "desired": tuple(texts[one] for one in world.get("desired", ()))})
    assert (
        finding.message == f"overlapping: prod: node address {twice.rpartition(' ')[2]} and prod: node address ({twice}"
    )
    return finding


@proves(OVERLAP, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"pools": [PLANE]}, id="the control plane's own"),
        pytest.param({"pools": [node_pool("masters", "prod", "10.200.1.2")]}, id="called otherwise"),
        pytest.param({"prod": {"balancers": ["10.200.1.8"]}, "pools": [PLANE, LB]}, id="the load balancer's own"),
        pytest.param(
            {"prod": {"balancers": ["10.200.1.2"]}, "pools": [PLANE, node_pool("prod-lb", "prod", "10.200.1.2")]},
            id="a load balancer on the control plane",
        ),
        pytest.param(
            {
                "prod": {"balancers": ["10.200.1.2"]},
                "pools": [node_pool(f"cluster-prod{end}", "prod", "10.200.1.2") for end in ("", "-lb")],
            },
            id="pools called after the namespace",
        ),
        pytest.param(
            {"prod": {"nodes": ["2001:db8::2"]}, "pools": [node_pool("prod", "prod", "2001:DB8:0::2")]}, id="IPv6"
        ),
        pytest.param({"pools": [PLANE, node_pool("np1", "prod", "10.200.1.5", "10.200.1.5")]}, id="twice in one pool"),
        pytest.param(
            {"pools": [node_pool("np1", "prod", "10.200.1.5")], "desired": ("MOVED",)}, id="moved to another pool"
        ),
    ],
)
def test_nodes_that_stand_where_they_should(hazard, world):
    moved = text_of(cluster("prod", **PROD), node_pool("np2", "prod", "10.200.1.5"))
    return apart(**{**world, "desired": (moved,) if "desired" in world else ()})


@proves(OVERLAP, kind=ABSENT)
def test_nodes_of_a_load_balancer_that_is_somebody_else_s(hazard):
    prod = cluster("prod", **PROD, balancers=["10.200.1.5"])
    prod["spec"]["loadBalancer"]["mode"] = "manual"
    pools = [PLANE, node_pool("np1", "prod", "10.200.1.5")]
    return evaluate(
        hazard, clusters={"hub": admin_api(cluster("hub", "admin", **HUB), prod, pools=pools), "prod": USER}
    )


@proves(OVERLAP, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({}, id="apart"),
        pytest.param(
            {"prod": {"pools": [["10.200.0.71-10.200.0.80"]], "ingress": "10.200.0.71"}}, id="pools side by side"
        ),
        pytest.param(
            {"prod": {"pods": ["192.168.0.0/16"]}, "hub": {"pods": ["192.168.0.0/16"]}}, id="pods alike, not routed"
        ),
        pytest.param({"prod": {"pods": ["10.200.0.0/24"]}}, id="pods like the other's machines, not routed"),
        pytest.param({"prod": {"balancers": ["10.200.1.2"]}}, id="a machine in two pools of its cluster"),
        pytest.param(
            {"pools": [node_pool("np1", "prod", "10.200.1.3"), node_pool("prod", "prod", "10.200.1.2")]}, id="NodePools"
        ),
        pytest.param(
            {"pools": [node_pool("np1", "test", "10.200.0.2")]}, id="the NodePool of a cluster that nobody looks at"
        ),
        pytest.param(
            {"prod": {"pools": [["2001:db8::10-2001:db8::20"]]}, "hub": {"pools": [["2001:db8::21-2001:db8::2f"]]}},
            id="IPv6",
        ),
        pytest.param({"prod": {"pools": [["0:0:0:0:0:0:ac8:0/112"]], "ingress": ""}}, id="IPv6 of the numbers of IPv4"),
    ],
)
def test_clusters_that_are_apart(hazard, world):
    return apart(**world)


def text_of(*documents):
    import json

    return "\n---\n".join(json.dumps(one) for one in documents)


@proves(OVERLAP, kind=PRESENT, says=["hub: ", "prod: ", "10.200.0.60"])
@pytest.mark.parametrize(
    "documents",
    [
        pytest.param([cluster("prod", **{**PROD, "vip": "10.200.0.60"})], id="a VIP"),
        pytest.param([cluster("prod", **PROD), node_pool("np2", "prod", "10.200.0.60")], id="a new NodePool"),
    ],
)
def test_what_is_about_to_be_applied_meets_another_cluster(hazard, documents):
    return apart(desired=(text_of(*documents),))


@proves(OVERLAP, kind=PRESENT, says=["test: ", "10.200.0.60"])
def test_a_cluster_to_come_meets_one_that_is_there(hazard):
    coming = cluster("test", nodes=["10.200.2.2"], vip="10.200.0.60")
    return apart(desired=(text_of(cluster("prod", **PROD), coming),))


@proves(OVERLAP, kind=ABSENT)
def test_a_cluster_to_come_stands_in_the_configuration_of_each(hazard):
    text = text_of(cluster("prod", **PROD), cluster("test", nodes=["10.200.2.2"], vip="10.200.2.3"))
    objects = (cluster("hub", "admin", **HUB), cluster("prod", **PROD))
    user = Api(role="user", manager="hub", connected=False, desired=(text,))
    return evaluate(hazard, clusters={"hub": admin_api(*objects, desired=(text,)), "prod": user})


@proves(OVERLAP, kind=ABSENT)
def test_what_is_about_to_be_applied_mends_a_cluster_that_meets_itself(hazard):
    return apart({"pods": ["10.96.0.0/16"]}, desired=(text_of(cluster("prod", **PROD)),))


@proves(OVERLAP, kind=ABSENT)
def test_two_admin_clusters_of_one_name(hazard):
    # Both Cluster objects are called "admin"; the change tells them apart, and their pods may be alike.
    one, other = cluster("admin", "admin", **HUB), cluster("admin", "admin", **PROD)
    return evaluate(hazard, clusters={"east": admin_api(one), "west": admin_api(other)})


@proves(OVERLAP, kind=PRESENT, says=["east: control-plane VIP 10.200.0.49", "west: "])
def test_two_admin_clusters_of_one_name_that_meet(hazard):
    one, other = cluster("admin", "admin", **HUB), cluster("admin", "admin", **{**PROD, "vip": "10.200.0.49"})
    return evaluate(hazard, clusters={"east": admin_api(one), "west": admin_api(other)})


@proves(OVERLAP, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {"clusters.baremetal.cluster.gke.io": "forbidden"}}, id="clusters"),
        pytest.param({"broken": {"nodepools.baremetal.cluster.gke.io": "forbidden"}}, id="pools"),
        pytest.param({"prod": {"vip": "prod.example"}}, id="a VIP that is no address"),
        pytest.param({"prod": {"pools": [["10.200.1.70-10.200.1.50"]]}}, id="a range that ends before it begins"),
        pytest.param(
            {"pools": [{"metadata": {"name": "np", "namespace": "cluster-prod"}, "spec": {"nodes": [{}]}}]},
            id="a machine without address",
        ),
    ],
)
def test_the_clusters_addresses_cannot_be_known(hazard, world):
    return apart(**world)


@proves(OVERLAP, kind=UNREADABLE, says=["no cluster's addresses were read"])
def test_no_cluster_is_named(hazard):
    return evaluate(hazard, hosts={"wk-1": Machine()})


def test_thousands_of_clusters_are_compared_in_a_moment():
    def address(number, last):
        return f"10.{number // 256}.{number % 256}.{last}"

    names = [f"c{number}" for number in range(1000)]
    objects = [
        cluster(
            name,
            vip=address(n, 49),
            nodes=[address(n, 2)],
            pools=[[f"{address(n, 50)}-{address(n, 70)}"]],
            services=["172.26.0.0/16"],
        )
        for n, name in enumerate(names)
    ]
    objects[999]["spec"]["loadBalancer"]["vips"]["controlPlaneVIP"] = "10.0.7.60"
    clusters = {
        "hub": admin_api(cluster("hub", "admin", services=["172.26.0.0/16"]), *objects),
        **dict.fromkeys(names, USER),
    }
    began = time.process_time()
    (finding,) = findings(OVERLAP, clusters=clusters).values()
    assert finding.outcome.value == "hazard"
    assert "c7: address pool pool0" in finding.message
    assert "c999: control-plane VIP 10.0.7.60" in finding.message
    assert time.process_time() - began < 10
