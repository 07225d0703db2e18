"""Hardware offload of VMXNET3 on the interface that carries the node's address."""

from __future__ import annotations

import pytest

from checks.anthos_bare_metal.facts_offload import abm_links
from tests.hazards.evaluating import evaluate
from tests.hazards.proofs import ABSENT, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import DENIED, Api, Machine, Said

OFFLOAD = "abm-vmxnet3-offload"
SEGMENT, CHECKSUM = "tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation"
ADDRESSES = """\
2: ens192    inet 10.200.0.2/24 brd 10.200.0.255 scope global ens192
3: ens224    inet 172.16.0.2/24 scope global ens224
4: bond0    inet 10.9.0.2/24 scope global bond0
5: ens192.40@ens192    inet 10.40.0.2/24 scope global ens192.40
6: ens192    inet6 2001:db8::2/64 scope global
"""
ROUTE = "route4 default via 10.200.0.1 dev ens192 proto dhcp metric 100\n"
SSH = "ssh 10.200.0.9 50000 10.200.0.2 22\n"
RHEL = 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nVERSION_ID="{0}"\nPRETTY_NAME="RHEL {0}"\n'


def card(name="ens192", segment="off", checksum="off", driver="vmxnet3", lower=""):
    """One interface; a flag that is None is not there."""
    text = f"link {name} {driver}{lower and ' ' + lower}\n"
    for flag, state in ((SEGMENT, segment), (CHECKSUM, checksum)):
        text += f"feature {name} {flag}: {state}\n" if state and driver == "vmxnet3" else ""
    return text


def node(*parts, release=None, end="end\n", files=None, **more):
    """A machine of these interfaces, with the default route on ens192 and reached at its address."""
    text = "".join(parts) + more.pop("ways", ROUTE + SSH) + end
    files = (
        {"/etc/os-release": RHEL.format(release), "/etc/redhat-release": f"RHEL release {release} (x)\n"}
        if release
        else files
    )
    says = {abm_links: more.pop("raw", text), "ip -o address show": more.pop("addresses", ADDRESSES)}
    return Machine(files=files or {}, says=says, roles=("worker",), **more)


@proves(OFFLOAD, kind=PRESENT, says=["ens192"], line="ens192 (vmxnet3): tx-udp_tnl", remedy="start-up script")
@pytest.mark.parametrize(
    ("segment", "checksum", "named"),
    [
        ("on", "on", (SEGMENT, CHECKSUM)),
        ("on", "off", (SEGMENT,)),
        ("off", "on", (CHECKSUM,)),
        ("on", "off [fixed]", (SEGMENT,)),
    ],
)
def test_a_flag_is_on(hazard, segment, checksum, named):
    finding = evaluate(hazard, hosts={"n1": node(card("ens192", segment, checksum))})
    for flag in (SEGMENT, CHECKSUM):
        assert (f"{flag} of ens192" in finding.message) is (flag in named)
        assert (f"ethtool -K ens192 {flag} off" in finding.remedy) is (flag in named)
    return finding


@proves(OFFLOAD, kind=PRESENT, says=["[fixed]"], line="on [fixed]", remedy="cannot be changed")
def test_a_fixed_flag_cannot_be_switched_off(hazard):
    finding = evaluate(hazard, hosts={"n1": node(card("ens192", "on [fixed]", "on [fixed]"))})
    assert "ethtool -K" not in finding.remedy
    return finding


@proves(OFFLOAD, kind=PRESENT, says=[f"{SEGMENT} of ens192"], line="on [requested off]")
def test_a_flag_that_was_asked_to_be_off_and_is_not(hazard):
    return evaluate(hazard, hosts={"n1": node(card("ens192", "on [requested off]"))})


@proves(OFFLOAD, kind=PRESENT, says=["of ens192 is on"], line="ens192 (vmxnet3)")
@pytest.mark.parametrize(
    "ways",
    [
        pytest.param("node-ip 10.200.0.2\nroute4 default via 172.16.0.1 dev ens224\n", id="kubelet"),
        pytest.param("node-ip 2001:db8::2,10.200.0.2\n", id="kubelet, both families"),
        pytest.param("node-ip 10.40.0.2\n" + SSH, id="a VLAN on it"),
        pytest.param("node-ip 10.9.0.2\n" + SSH, id="a bond of it"),
        pytest.param("node-ip 0.0.0.0\n" + ROUTE, id="kubelet, any address"),
        pytest.param(ROUTE, id="the default route"),
        pytest.param(
            "route4 default dev ens224 metric 200\nroute4 default dev ens192 metric 100\n", id="the better route"
        ),
        pytest.param(
            "route4 default dev ens224 metric 200\nroute4 default dev ens192\n", id="a route of no metric is the best"
        ),
        pytest.param("route6 default via fe80::1 dev ens192 metric 1024\n", id="only IPv6"),
        pytest.param(SSH, id="only SSH"),
    ],
)
def test_the_interface_that_carries_the_node_s_address(hazard, ways):
    parts = (
        card("ens192", "on"),
        card("ens224"),
        card("bond0", driver="-", lower="ens192"),
        card("ens192.40", driver="-", lower="ens192"),
    )
    return evaluate(hazard, hosts={"n1": node(*parts, ways=ways)})


@proves(OFFLOAD, kind=PRESENT, says=["of ens192 is on"])
def test_what_is_on_is_on_in_rhel_8_4_too(hazard):
    return evaluate(hazard, hosts={"n1": node(card("ens192", "on"), release="8.4")})


@proves(OFFLOAD, kind=ABSENT)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(node(card()), id="off"),
        pytest.param(node(card("ens192", "off [fixed]", "off [fixed]")), id="no such offload"),
        pytest.param(node(card("ens192", "off [requested on]")), id="off, though asked for"),
        pytest.param(node(card(), card("ens224", "on", "on")), id="another interface's"),
        pytest.param(
            node(card(), card("ens224", None, None), "failed ens224 No such device\n"), id="another's is unknown"
        ),
        pytest.param(
            node(card(), card("ens224", "on"), ways="node-ip 10.200.0.2\nroute4 default dev ens224\n"),
            id="the default route is elsewhere",
        ),
        pytest.param(node(card(), card("ens224"), ways="route4 default dev ens224\n" + SSH), id="two ways, both off"),
        pytest.param(node(card(), release="8.3"), id="RHEL 8.3"),
        pytest.param(node(card(), release="8.5"), id="RHEL 8.5"),
        pytest.param(
            node(card("ens192", "off [fixed]", "off [fixed]"), release="8.4"), id="RHEL 8.4 without the offload"
        ),
    ],
)
def test_the_flags_are_off(hazard, world):
    return evaluate(hazard, hosts={"n1": world})


@proves(OFFLOAD, kind=NOT_APPLICABLE)
@pytest.mark.parametrize(
    ("world", "why"),
    [
        (node(card("ens192", driver="ixgbe")), "no network interface is a VMXNET3"),
        (node(), "no network interface is a VMXNET3"),
        (
            node(card("ens192", driver="e1000e"), card("ens224", "on", "on")),
            "ens192 (driver e1000e; the default route)",
        ),
        (node(card("ens224", "on", "on")), "ens192 (no driver of its own"),
        (
            node(card("bond0", driver="-", lower="eth1"), card("eth1", driver="ixgbe"), release="8.4"),
            "no network interface",
        ),
    ],
)
def test_no_vmxnet3_carries_the_address(hazard, world, why):
    finding = evaluate(hazard, hosts={"n1": world})
    assert why in finding.message
    return finding


@proves(OFFLOAD, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_machines_of_a_cluster_that_stays(hazard):
    world = node(card("ens192", "on"), cluster="prod")
    return evaluate(hazard, hosts={"n1": world}, clusters={"prod": Api(upgrade="none")}, subject="n1")


@proves(OFFLOAD, kind=UNREADABLE, says=["cannot be trusted on RHEL 8.4", f"ethtool -K ens192 {SEGMENT} on"])
@pytest.mark.parametrize("checksum", ["off", "off [fixed]"])
def test_rhel_8_4_shows_them_off_while_they_are_on(hazard, checksum):
    finding = evaluate(hazard, hosts={"n1": node(card("ens192", "off", checksum), release="8.4")})
    forced = [f"{SEGMENT} on", f"{SEGMENT} off"]
    if checksum == "off":
        forced = [f"{SEGMENT} on", f"{CHECKSUM} on", f"{SEGMENT} off", f"{CHECKSUM} off"]
    assert "; ".join(f"ethtool -K ens192 {one}" for one in forced) in finding.message
    return finding


@proves(OFFLOAD, kind=UNREADABLE, says=["which interface", "ens192", "ens224", "they differ"])
def test_two_interfaces_may_carry_the_address_and_differ(hazard):
    world = node(card("ens192", "on"), card("ens224"), ways="route4 default dev ens224\n" + SSH)
    return evaluate(hazard, hosts={"n1": world})


@proves(OFFLOAD, kind=UNREADABLE)
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(
            node(
                card("ens192", None),
            ),
            id="one flag is missing",
        ),
        pytest.param(node(card("ens192", None, None), "failed ens192 ethtool: not found\n"), id="no ethtool"),
        pytest.param(node(card("ens192", None, None), "failed ens192 \n"), id="ethtool fails without a word"),
        pytest.param(node(card(), ways="node-ip 10.200.0.99\n"), id="an address that is nowhere"),
        pytest.param(node(card(), ways="node-ip nonsense\n"), id="an address that is none"),
        pytest.param(node(card(), ways=""), id="no route"),
        pytest.param(
            node(card(), ways="ssh 10.0.0.1 1 10.99.0.1 22\n"), id="no route, reached through another network"
        ),
        pytest.param(node(card("ens192", "maybe")), id="a state that is none"),
        pytest.param(node(card(), end=""), id="broken off"),
        pytest.param(node("nonsense\n"), id="garbled"),
        pytest.param(node(raw=""), id="nothing"),
        pytest.param(node(raw=Said(stderr="sh: ip: not found\n", rc=5)), id="no ip"),
        pytest.param(node(card(), addresses=Said(rc=1)), id="addresses refused"),
        pytest.param(node(card(), files={"/etc/os-release": DENIED}), id="os-release denied"),
        pytest.param(
            node(card(), files={"/etc/os-release": RHEL.format("8.4"), "/etc/redhat-release": DENIED}),
            id="release denied",
        ),
        pytest.param(node(card(), broken={"*": "unreachable"}), id="unreachable"),
    ],
)
def test_whether_the_flags_are_off_is_not_known(hazard, world):
    return evaluate(hazard, hosts={"n1": world})
