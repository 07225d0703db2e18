"""Hazards of Anthos clusters on bare metal: Services, egress policies and virtual machines."""

from __future__ import annotations

import pytest

from tests.hazards.anthos import admin_api, cluster
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api

LOCAL, EGRESS, VM = "abm-l2-external-traffic-local", "abm-egress-source-ip-duplicate", "abm-vm-lost-ip"
BUNDLED = {"mode": "bundled"}


def with_objects(api, **resources):
    """The same cluster with more objects; ``a__b`` stands for a resource ``a.b``."""
    api.objects.update({name.replace("__", "."): held for name, held in resources.items()})
    return api


def service(name, kind="LoadBalancer", policy=None, namespace="shop", **spec):
    inside = {"type": kind, **({"externalTrafficPolicy": policy} if policy else {}), **spec}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": inside}


KUBERNETES = service("kubernetes", "ClusterIP", namespace="default")

# -- externalTrafficPolicy Local behind the bundled layer-2 load balancer --------------------------------------------


def reached(*services, balancer=BUNDLED, **world):
    """A cluster of its own with these Services; `balancer` is the section of its Cluster."""
    own = cluster("hub", "hybrid")
    own["spec"]["loadBalancer"] = balancer
    api = with_objects(admin_api(own, **world), services=[KUBERNETES, *services])
    return evaluate(LOCAL, clusters={"hub": api})


@proves(
    LOCAL,
    kind=PRESENT,
    says=["1 of 2 Services", "shop/door"],
    line="service shop/door: type",
    remedy="""patch service -n shop door --patch '{"spec":{"externalTrafficPolicy":"Cluster"}}'""",
)
@pytest.mark.parametrize("kind", ["LoadBalancer", "NodePort"])
@pytest.mark.parametrize("balancer", [BUNDLED, {**BUNDLED, "type": "layer2"}], ids=["type not set", "layer2"])
def test_a_service_keeps_traffic_on_its_node(hazard, kind, balancer):
    finding = reached(service("door", kind, "Local"), service("window", kind, "Cluster"), balancer=balancer)
    assert "window" not in finding.message + finding.remedy
    return finding


@proves(LOCAL, kind=PRESENT, says=["2 of 2 Services", "a/door (NodePort), b/door (LoadBalancer)"])
def test_every_service_is_named_with_its_namespace(hazard):
    return reached(service("door", "NodePort", "Local", "a"), service("door", policy="Local", namespace="b"))


@proves(LOCAL, kind=PRESENT, says=["shop/door"])
def test_the_services_are_the_user_cluster_s_own_and_its_cluster_object_the_admin_cluster_s(hazard):
    hub = with_objects(admin_api(cluster("hub", "admin"), cluster("prod")), services=[KUBERNETES])
    prod = Api(objects={"services": [KUBERNETES, service("door", policy="Local")]}, role="user", manager="hub")
    found = findings(hazard, clusters={"hub": hub, "prod": prod})
    assert found["hub"].outcome.value == "clear"
    return found["prod"]


@proves(LOCAL, kind=ABSENT)
@pytest.mark.parametrize(
    "services",
    [
        pytest.param([], id="none that is reached from outside"),
        pytest.param([service("door", policy="Cluster")], id="Cluster"),
        pytest.param([service("door")], id="not set, which is Cluster"),
        pytest.param([service("door", policy="")], id="empty, which is Cluster"),
        pytest.param([service("door", "ClusterIP", internalTrafficPolicy="Local")], id="the internal traffic policy"),
        pytest.param([service("door", "ExternalName", "Local", externalName="x.example")], id="a name elsewhere"),
        pytest.param([service("door", "ClusterIP", "Local", externalIPs=["192.0.2.1"])], id="an external address"),
    ],
)
def test_services_let_every_node_take_traffic(hazard, services):
    return reached(*services)


@proves(LOCAL, kind=ABSENT)
@pytest.mark.parametrize("balancer", [{}, {"mode": "bundled", "type": "other"}])
def test_without_such_a_service_the_load_balancer_does_not_matter(hazard, balancer):
    return reached(service("door", policy="Cluster"), balancer=balancer)


@proves(LOCAL, kind=NOT_APPLICABLE, says=["not"])
@pytest.mark.parametrize(
    "balancer",
    [
        pytest.param({"mode": "manual"}, id="manual"),
        pytest.param({"mode": "manual", "type": "layer2"}, id="manual, whatever the type"),
        pytest.param({"mode": "bundled", "type": "bgp"}, id="bundled with BGP"),
    ],
)
def test_another_load_balancer(hazard, balancer):
    return reached(service("door", policy="Local"), balancer=balancer)


@proves(LOCAL, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param({"broken": {"services": "forbidden"}}, id="services forbidden"),
        pytest.param({"broken": {"services": "timed-out"}}, id="services timed out"),
        pytest.param({"broken": {"clusters.baremetal.cluster.gke.io": "forbidden"}}, id="clusters forbidden"),
        pytest.param({"broken": {"*": "unreachable"}}, id="unreachable"),
        pytest.param({"balancer": {}}, id="no mode"),
        pytest.param({"balancer": {"mode": "bundled", "type": "anycast"}}, id="a type that nobody knows"),
    ],
)
def test_traffic_policies_cannot_be_known(hazard, world):
    return reached(service("door", policy="Local"), **world)


@proves(LOCAL, kind=UNREADABLE, says=["0 services listed"])
def test_a_cluster_without_any_service(hazard):
    return evaluate(hazard, clusters={"hub": with_objects(admin_api(cluster("hub", "hybrid")), services=[])})


@proves(LOCAL, kind=UNREADABLE, says=["no kubeconfig is given for cluster prod"])
def test_services_of_a_cluster_that_nobody_can_ask(hazard):
    hub = with_objects(admin_api(cluster("hub", "admin"), cluster("prod")), services=[KUBERNETES])
    user = Api(role="user", manager="hub", connected=False)
    return evaluate(hazard, clusters={"hub": hub, "prod": user}, subject="prod")


# -- one egressSourceIP in several policies --------------------------------------------------------------------------


def policy(name, source=None, namespace=None):
    meta = {"name": name, **({"namespace": namespace} if namespace else {})}
    spec = {"action": "SNAT", **({} if source is None else {"egressSourceIP": source})}
    return {"metadata": meta, "spec": spec}


def leaving(*policies, **world):
    api = with_objects(Api(**world), egressnatpolicies__networking__gke__io=policies)
    return evaluate(EGRESS, clusters={"prod": api})


@proves(
    EGRESS,
    kind=PRESENT,
    says=["is used by 2 EgressNATPolicies", "team-a/out, team-b/out"],
    line="egressnatpolicy team-b/out: egressSourceIP",
    remedy="team-a/out, team-b/out",
)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("192.0.2.9", "192.0.2.9"),
        ("192.0.2.9", " 192.0.2.9 "),
        ("192.0.2.9", "192.0.2.9/32"),
        ("192.0.2.9", "::ffff:192.0.2.9"),
        ("192.0.2.9", "::FFFF:c000:209"),
        ("2001:db8::9", "2001:DB8:0:0::0009"),
        ("2001:db8::9", "2001:db8:0:0:0:0:0:9/128"),
    ],
)
def test_two_policies_with_one_address(hazard, one, other):
    finding = leaving(policy("out", one, "team-a"), policy("out", other, "team-b"), policy("in", "192.0.2.8", "team-b"))
    assert "team-b/in" not in finding.message
    return finding


@proves(EGRESS, kind=PRESENT, says=["192.0.2.9 is used by 3", "a, b, c", "2001:db8::1 is used by 2", "d, e"])
def test_several_addresses_that_several_policies_use(hazard):
    pairs = [("a", "192.0.2.9"), ("d", "2001:db8::1"), ("b", "192.0.2.9"), ("e", "2001:db8::01"), ("c", "192.0.2.9")]
    return leaving(*(policy(name, address) for name, address in pairs))


@proves(EGRESS, kind=PRESENT, says=["a, b"])
def test_two_policies_with_one_address_beside_one_that_is_not_understood(hazard):
    return leaving(policy("odd", "office"), policy("a", "192.0.2.9"), policy("b", "192.0.2.9"))


@proves(EGRESS, kind=PRESENT, says=["egressSourceIP office is used by 2", "a, b"])
def test_two_policies_with_one_text_that_is_no_address(hazard):
    return leaving(policy("a", "office"), policy("b", "office "))


@proves(EGRESS, kind=ABSENT)
@pytest.mark.parametrize(
    "policies",
    [
        pytest.param([], id="no policy"),
        pytest.param([policy("a", "192.0.2.9")], id="one policy"),
        pytest.param([policy("a", "192.0.2.9"), policy("b", "192.0.2.10")], id="two addresses"),
        pytest.param([policy("a", "192.0.2.9"), policy("b", "2001:db8::192:0:2:9")], id="two families"),
        pytest.param([policy("a"), policy("b")], id="two without an address"),
        pytest.param([policy("a", ""), policy("b", "")], id="two with an empty address"),
        pytest.param([policy("a", "office"), policy("b")], id="nothing that a strange text could be the same as"),
        pytest.param([{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}, "spec": None}], id="no specification"),
    ],
)
def test_policies_with_addresses_of_their_own(hazard, policies):
    return leaving(*policies)


@proves(EGRESS, kind=NOT_APPLICABLE, says=["does not serve egressnatpolicies.networking.gke.io"])
def test_a_cluster_without_the_egress_gateway(hazard):
    return evaluate(hazard, clusters={"prod": Api()})


@proves(EGRESS, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("policies", "world"),
    [
        pytest.param([], {"broken": {"egressnatpolicies.networking.gke.io": "forbidden"}}, id="forbidden"),
        pytest.param([], {"broken": {"egressnatpolicies.networking.gke.io": "cut-off"}}, id="cut off"),
        pytest.param([], {"broken": {"*": "certificate"}}, id="certificate"),
        pytest.param([policy("a", "office"), policy("b", "192.0.2.9")], {}, id="no address"),
        pytest.param([policy("a", "office"), policy("b", "home")], {}, id="two texts that are no address"),
        pytest.param([policy("a", "010.0.0.9"), policy("b", "10.0.0.9")], {}, id="a leading zero"),
        pytest.param([policy("a", 3221225985), policy("b", "192.0.2.1")], {}, id="a number"),
    ],
)
def test_egress_addresses_cannot_be_known(hazard, policies, world):
    return leaving(*policies, **world)


# -- virtual machines without an address -----------------------------------------------------------------------------


def machine(name, *interfaces, phase="Running", namespace="vms"):
    status = {"phase": phase, "interfaces": list(interfaces)} if interfaces else {"phase": phase}
    return {"metadata": {"name": name, "namespace": namespace}, "status": status}


def running(*machines, **world):
    api = with_objects(Api(**world), virtualmachineinstances__kubevirt__io=machines)
    return evaluate(VM, clusters={"prod": api})


@proves(
    VM,
    kind=PRESENT,
    says=["1 of 2 running", "vms/till"],
    line="virtualmachineinstance vms/till: phase Running",
    remedy="  kubectl virt console --kubeconfig CLUSTER_KUBECONFIG -n vms till",
)
@pytest.mark.parametrize(
    "interfaces",
    [
        pytest.param([], id="no interface in its status"),
        pytest.param([{"name": "default", "mac": "02:00:00:00:00:01"}], id="no address"),
        pytest.param([{"name": "default", "ipAddress": ""}], id="an empty address"),
        pytest.param([{"name": "default", "ipAddress": "", "ipAddresses": []}], id="empty, and none"),
        pytest.param([{"name": "default", "ipAddress": None, "ipAddresses": None}], id="null"),
        pytest.param([{"name": "default"}, {"name": "second"}], id="two interfaces"),
        pytest.param([{"name": "default", "ipAddress": "fe80::1", "ipAddresses": ["fe80::1"]}], id="link-local only"),
        pytest.param([{"name": "default", "ipAddress": "169.254.3.4/16"}], id="what it gave itself"),
        pytest.param([{"interfaceName": "lo", "ipAddress": "127.0.0.1"}], id="loopback"),
    ],
)
def test_a_running_machine_has_no_address(hazard, interfaces):
    finding = running(machine("till", *interfaces), machine("desk", {"ipAddress": "192.168.3.4"}))
    assert "desk" not in finding.message
    return finding


@proves(
    VM, kind=PRESENT, says=["2 of 3 running", "a/till, b/till"], line="b/till: phase Running, interface 0: no address"
)
def test_every_machine_without_an_address_is_named(hazard):
    return running(
        machine("till", namespace="a"), machine("odd", {"ipAddress": "soon"}), machine("till", {}, namespace="b")
    )


@proves(VM, kind=ABSENT)
@pytest.mark.parametrize(
    "machines",
    [
        pytest.param([], id="no machine"),
        pytest.param([machine("till", {"ipAddress": "192.168.3.4", "ipAddresses": ["192.168.3.4"]})], id="an address"),
        pytest.param([machine("till", {"ipAddress": "192.168.3.4/24"})], id="with a prefix, as early versions have it"),
        pytest.param([machine("till", {"ipAddresses": ["192.168.3.4"]})], id="in the list only"),
        pytest.param([machine("till", {"ipAddress": "2001:db8::1"})], id="IPv6"),
        pytest.param([machine("till", {"ipAddresses": ["fe80::1", "192.168.3.4"]})], id="behind a link-local one"),
        pytest.param([machine("till", {"name": "a"}, {"ipAddress": "192.168.3.4"})], id="on the second interface"),
        *(
            pytest.param([machine("till", phase=one)], id=one)
            for one in ("Pending", "Scheduled", "Succeeded", "Failed")
        ),
        pytest.param([machine("till", phase="")], id="no phase is assigned yet"),
        pytest.param([{"metadata": {"name": "till", "namespace": "vms"}}], id="no status yet"),
    ],
)
def test_running_machines_have_addresses(hazard, machines):
    return running(*machines)


@proves(VM, kind=NOT_APPLICABLE, says=["does not serve virtualmachineinstances.kubevirt.io"])
def test_a_cluster_without_the_vm_runtime(hazard):
    return evaluate(hazard, clusters={"prod": Api()})


@proves(VM, kind=UNREADABLE)
@pytest.mark.parametrize(
    ("machines", "world"),
    [
        pytest.param([], {"broken": {"virtualmachineinstances.kubevirt.io": "forbidden"}}, id="forbidden"),
        pytest.param([], {"broken": {"virtualmachineinstances.kubevirt.io": "error"}}, id="an error"),
        pytest.param([], {"broken": {"*": "unreachable"}}, id="unreachable"),
        pytest.param([machine("till", {"ipAddress": "soon"})], {}, id="no address"),
        pytest.param([machine("till", "eth0")], {}, id="interfaces of another form"),
    ],
)
def test_addresses_of_machines_cannot_be_known(hazard, machines, world):
    return running(*machines, **world)
