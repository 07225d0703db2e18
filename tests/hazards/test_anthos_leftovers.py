"""What an earlier cluster left on a machine that is about to join one."""

from __future__ import annotations

import pytest

from checks.anthos_bare_metal.facts_machines import abm_containerd_leftovers
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import Api, Machine, Said

LEFT = "abm-reset-leftovers"
BINARIES = "binary /usr/bin/containerd\nbinary /usr/bin/containerd-shim-runc-v2\n"


def units(containerd="active", kubelet="inactive"):
    return (
        f"unit containerd\nLoadState=loaded\nActiveState={containerd}\n"
        f"unit kubelet\nLoadState=not-found\nActiveState={kubelet}\n"
    )


def left(head="config cri\n" + BINARIES, tail=None, address="10.200.0.9", cluster="prod", **more):
    """A machine with what an earlier cluster left."""
    told = f"2: eth0    inet {address}/24 scope global eth0\n9: docker0    inet 172.17.0.1/16 scope global docker0\n"
    text = more.pop("raw", head + (units() if tail is None else tail))
    says = {abm_containerd_leftovers: text, "ip -o address show": more.pop("addresses", told)}
    return Machine(says=says, roles=("worker",), cluster=cluster, **more)


def node(name, *addresses):
    listed = [{"type": "InternalIP", "address": one} for one in addresses]
    return {"metadata": {"name": name}, "status": {"addresses": [*listed, {"type": "Hostname", "address": name}]}}


def api(*nodes, **more):
    return Api(objects={"nodes": [node("cp-1", "10.200.0.3"), *nodes]}, **more)


def decided(world, *nodes, name="new-1", **more):
    return evaluate(LEFT, hosts={name: world}, clusters={"prod": api(*nodes, **more)}, subject=name)


@proves(LEFT, kind=NOT_APPLICABLE, says=["it is node wk-1 of cluster prod"])
@pytest.mark.parametrize("link", ["br-bond0", "br-ex"])
def test_a_node_is_known_by_the_address_of_its_bridge(hazard, link):
    told = f"2: {link}    inet 10.200.0.9/24 scope global {link}\n"
    return decided(left(addresses=told), node("wk-1", "10.200.0.9"))


@proves(
    LEFT,
    kind=PRESENT,
    says=[
        "node of no cluster yet",
        "/etc/containerd/config.toml",
        "/usr/bin/containerd-shim-runc-v2",
        "running containerd",
    ],
    line="containerd.service: ActiveState=active",
    remedy="systemctl disable --now containerd",
)
def test_everything_is_left(hazard):
    return decided(left())


@proves(LEFT, kind=PRESENT, says=["of no cluster yet"], line="containerd.service")
@pytest.mark.parametrize(
    ("head", "tail", "named", "unnamed"),
    [
        pytest.param("config cri\n" + BINARIES, units("inactive"), "config.toml", "a running", id="stopped"),
        pytest.param("config cri\n", units("inactive"), "config.toml", "programs", id="only the configuration"),
        pytest.param("config cri\n" + BINARIES + "dockerd\n", units(), "config.toml", "?", id="beside docker"),
        pytest.param(BINARIES, units(), "a running", "config.toml", id="no configuration"),
        pytest.param("config other\n" + BINARIES, units(), "a running", "?", id="another configuration, no docker"),
    ],
)
def test_part_of_it_is_left(hazard, head, tail, named, unnamed):
    finding = decided(left(head, tail))
    assert named in finding.message
    assert unnamed not in finding.message
    return finding


@proves(LEFT, kind=PRESENT, says=["of no cluster yet"])
def test_a_machine_of_no_cluster_at_all_where_all_clusters_are_read(hazard):
    clusters = {"hub": api(), "prod": api()}
    return evaluate(hazard, hosts={"new-1": left(cluster=None)}, clusters=clusters, subject="new-1")


@proves(LEFT, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(left("", units("inactive")), id="nothing"),
        pytest.param(left("config other\n" + BINARIES + "dockerd\n"), id="docker's own, as the packages leave it"),
        pytest.param(left(BINARIES + "dockerd\n"), id="docker's own of Ubuntu"),
        pytest.param(left("config other\n" + BINARIES, units("inactive")), id="installed, never used"),
        pytest.param(left(BINARIES, units("inactive")), id="only programs"),
        pytest.param(left("", units("failed")), id="a unit of which the programs are gone"),
    ],
)
def test_nothing_is_left(hazard, world):
    return decided(world)


@proves(LEFT, kind=NOT_APPLICABLE, says=["it is node", "of cluster prod"])
@pytest.mark.parametrize(
    ("member", "name", "address"),
    [
        pytest.param(node("10.200.0.9", "10.200.0.9"), "new-1", "10.200.0.9", id="by its address"),
        pytest.param(node("w1", "10.1.1.1"), "w1", "10.200.0.9", id="by its name"),
        pytest.param(node("10.200.0.9"), "new-1", "10.200.0.9", id="a node that is called by its address"),
        pytest.param(node("w1", "2001:DB8:0::9"), "new-1", "2001:db8::9", id="another spelling"),
    ],
)
def test_a_node_of_the_cluster(hazard, member, name, address):
    return decided(left(address=address), member, name=name)


@proves(LEFT, kind=NOT_APPLICABLE, says=["of cluster other"])
@pytest.mark.parametrize("broken", [{}, {"nodes": "forbidden"}])
def test_a_node_of_another_cluster(hazard, broken):
    clusters = {"prod": api(broken=broken), "other": api(node("w1", "10.200.0.9"))}
    return evaluate(hazard, hosts={"new-1": left()}, clusters=clusters, subject="new-1")


@proves(LEFT, kind=PRESENT, says=["of no cluster yet"])
def test_the_address_of_a_container_bridge_is_not_the_machine_s(hazard):
    return decided(left(), node("w1", "172.17.0.1"))


@proves(LEFT, kind=UNREADABLE, says=["not everything could be read"])
@pytest.mark.parametrize(
    "clusters",
    [
        pytest.param({"prod": api(broken={"nodes": "forbidden"})}, id="nodes forbidden"),
        pytest.param({"prod": api(broken={"*": "unreachable"})}, id="unreachable"),
        pytest.param({"prod": Api()}, id="no nodes at all"),
        pytest.param({"prod": api(), "other": api(broken={"nodes": "timed-out"})}, id="another cluster"),
        pytest.param(
            {"hub": api(role="admin"), "prod": Api(role="user", manager="hub", connected=False)}, id="no kubeconfig"
        ),
    ],
)
@pytest.mark.parametrize("world", [left(), left("", units("inactive"))], ids=["left", "clean"])
def test_whether_it_is_a_node_is_not_known(hazard, clusters, world):
    return evaluate(hazard, hosts={"new-1": world}, clusters=clusters, subject="new-1")


@proves(LEFT, kind=UNREADABLE, says=["name the clusters"])
def test_no_cluster_is_named(hazard):
    return evaluate(hazard, hosts={"new-1": left(cluster=None)})


@proves(LEFT, kind=UNREADABLE, says=["runs a kubelet"])
def test_a_node_of_a_cluster_that_nobody_named(hazard):
    return decided(left(tail=units(kubelet="active")))


@proves(LEFT, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(
            left(raw="unread grep: /etc/containerd/config.toml: Permission denied\n"), id="configuration denied"
        ),
        pytest.param(left(raw="config cri\nfailed Failed to connect to bus: Host is down\n"), id="no systemd"),
        pytest.param(left(raw="config cri\nunit containerd\nActiveState=active\n"), id="broken off"),
        pytest.param(left(raw=""), id="nothing"),
        pytest.param(left(raw=Said(stderr="sh: syntax error\n", rc=2)), id="an error"),
        pytest.param(left(addresses=Said(rc=1)), id="addresses refused"),
        pytest.param(left(broken={"*": "unreachable"}), id="unreachable"),
    ],
)
def test_what_is_left_is_not_known(hazard, world):
    return decided(world)


def test_each_machine_is_decided_for_itself():
    hosts = {"w1": left(address="10.200.0.4"), "new-1": left(), "new-2": left("", units("inactive"), "10.200.0.10")}
    found = findings(LEFT, hosts=hosts, clusters={"prod": api(node("w1", "10.200.0.4"))})
    assert {name: one.outcome.value for name, one in found.items()} == {
        "w1": "not-applicable",
        "new-1": "warning",
        "new-2": "clear",
    }
