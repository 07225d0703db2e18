"""Hazards of Anthos clusters on bare metal: reverse path filtering, firewalld."""

from __future__ import annotations

import pytest

from checks.anthos_bare_metal.facts_network import abm_anetd_runs
from conformance.facts.linux_network import (
    firewalld,
    iptables_legacy_listing,
    iptables_listing,
    iptables_nft_listing,
    nft_listing,
    packet_filter_programs,
)
from tests.hazards.evaluating import evaluate, findings
from tests.hazards.proofs import ABSENT, LOWERED, NOT_APPLICABLE, PRESENT, UNREADABLE, proves
from tests.hazards.worlds import DENIED, Api, Machine, Said

RP, FIREWALLD = "abm-rp-filter", "abm-firewalld-cilium"


def on_node(hazard, machine, **world):
    return evaluate(hazard, hosts={"wk-1": machine}, upgrade=("1.8.3", "1.9.0"), **world)


# -- reverse path filtering --------------------------------------------------------------------------------------

LIVE = "/proc/sys/net/ipv4/conf/all/rp_filter"
GCE = "/etc/sysctl.d/60-gce-network-security.conf"
KEY = "net.ipv4.conf.all.rp_filter"
ON = f"{KEY} = 1"


def filtering(live="0", **files):
    return Machine(files={LIVE: f"{live}\n", **files})


@proves(RP, kind=PRESENT, says=[f"{KEY} is ", "must be 0"], remedy=f"sysctl -w {KEY}=0")
@pytest.mark.parametrize("live", ["1", "2"])
def test_it_is_on_now(hazard, live):
    finding = on_node(hazard, filtering(live))
    assert [(one.read, one.lines) for one in finding.evidence] == [(f"cat {LIVE}", (f"{KEY}: {live}",))]
    return finding


@proves(RP, kind=PRESENT, says=[f"{KEY} is 1", f"{GCE} line 2 sets it"], line=ON, remedy=f"line 2 of {GCE}")
def test_it_is_on_now_and_a_file_says_so(hazard):
    return on_node(hazard, filtering("1", **{GCE: f"# hardening\n{ON}\n"}))


@proves(RP, kind=PRESENT, says=[f"{KEY} is 2"])
def test_files_that_say_off_do_not_make_it_off(hazard):
    return on_node(hazard, filtering("2", **{GCE: f"{KEY} = 0\n"}))


@proves(RP, kind=LOWERED, says=[f"{KEY} is 0 now", f"{GCE} line 1", "at the next boot"], line="rp_filter", remedy=GCE)
@pytest.mark.parametrize(
    "text",
    [
        pytest.param(ON, id="as usual, without a newline"),
        pytest.param("net/ipv4/conf/all/rp_filter=1\n", id="slashes"),
        pytest.param(f"-{KEY}=2\n", id="a hyphen: errors are ignored"),
        pytest.param(f"\t {KEY}\t=\t2 \n", id="blanks"),
        pytest.param("net.ipv4.conf.*.rp_filter = 1\n", id="a pattern"),
        pytest.param("net.ipv4.conf.a?l.rp_filter = 0x1\n", id="a pattern, in hexadecimal"),
        pytest.param(f"{KEY} = 1 # strict\n", id="a comment, which the kernel does not mind"),
    ],
)
def test_it_comes_back_at_the_next_boot(hazard, text):
    return on_node(hazard, filtering(**{GCE: text}))


@proves(RP, kind=LOWERED, says=["/etc/sysctl.d/99-mine.conf line 1 sets it to 2"], line=f"{KEY}=2")
def test_the_later_file_wins(hazard):
    return on_node(hazard, filtering(**{GCE: f"{KEY}=0\n", "/etc/sysctl.d/99-mine.conf": f"{KEY}=2\n"}))


@proves(RP, kind=LOWERED, says=["/usr/lib/sysctl.d/70-vendor.conf line 1"], line=ON)
def test_the_name_decides_and_not_the_directory(hazard):
    return on_node(hazard, filtering(**{GCE: f"{KEY}=0\n", "/usr/lib/sysctl.d/70-vendor.conf": f"{ON}\n"}))


@proves(RP, kind=LOWERED, says=["/etc/sysctl.conf line 1", "with the next `sysctl --system`"], line=ON)
def test_what_systemd_does_not_read(hazard):
    return on_node(hazard, filtering(**{"/etc/sysctl.conf": f"{ON}\n"}))


@proves(RP, kind=LOWERED, says=["/etc/sysctl.d/99-sysctl.conf line 1", "at the next boot"], line=ON)
def test_what_systemd_reads_through_a_link(hazard):
    texts = {"/etc/sysctl.conf": f"{ON}\n", "/etc/sysctl.d/99-sysctl.conf": f"{ON}\n"}
    return on_node(hazard, filtering(**texts))


@proves(RP, kind=ABSENT)
@pytest.mark.parametrize(
    "files",
    [
        pytest.param({}, id="no file"),
        pytest.param({GCE: f"{KEY} = 0\n"}, id="off"),
        pytest.param({GCE: f"{ON}\n", "/etc/sysctl.d/99-anthos.conf": f"{KEY} = 0\n"}, id="a later file wins"),
        pytest.param({GCE: f"{ON}\n{KEY}=0\n"}, id="a later line wins"),
        pytest.param({GCE: f"#{ON}\n; {ON}\n"}, id="comments"),
        pytest.param(
            {"/usr/lib/sysctl.d/10-first.conf": f"{ON}\n", GCE: f"{KEY} = 0\n"},
            id="a later name in an earlier directory",
        ),
        pytest.param({GCE: "net.ipv4.conf.default.rp_filter = 1\n"}, id="of interfaces to come"),
        pytest.param({GCE: "net.ipv4.conf.eth0.rp_filter = 1\n"}, id="of one interface"),
        pytest.param({GCE: "net.ipv6.conf.all.rp_filter = 1\n"}, id="of IPv6"),
        pytest.param({GCE: f"{KEY}ing = 1\n"}, id="a name that begins alike"),
        pytest.param({GCE: "net.ipv4.*.rp_filter = 1\n"}, id="a star stands for no slash"),
        pytest.param({GCE: f"net.ipv4.conf.*.rp_filter = 2\n-{KEY}\n"}, id="as systemd ships it: all is left out"),
        pytest.param({GCE: f"{KEY} = 0\nnet.ipv4.conf.*.rp_filter = 1\n"}, id="a name outweighs patterns"),
        pytest.param({GCE: f"{KEY} = yes\n"}, id="what the kernel refuses"),
        pytest.param({"/etc/sysctl.d/60-gce.conf.bak": f"{ON}\n"}, id="no .conf"),
        pytest.param(
            {"/usr/lib/sysctl.d/60-gce.conf": f"{ON}\n", "/etc/sysctl.d/60-gce.conf": ""}, id="masked by an empty file"
        ),
        pytest.param(
            {"/usr/lib/sysctl.d/60-gce.conf": f"{ON}\n", "/etc/sysctl.d/60-gce.conf": f"{KEY}=0\n"}, id="replaced"
        ),
        pytest.param(
            {"/run/sysctl.d/60-gce.conf": f"{ON}\n", "/etc/sysctl.d/60-gce.conf": f"{KEY}=0\n"}, id="replaced in /run"
        ),
    ],
)
def test_it_is_off(hazard, files):
    return on_node(hazard, filtering(**files))


@proves(RP, kind=NOT_APPLICABLE, says=["does not upgrade"])
def test_the_filter_of_a_cluster_that_stays(hazard):
    machine = Machine(files={LIVE: "1\n"}, cluster="prod")
    return evaluate(hazard, hosts={"wk-1": machine}, clusters={"prod": Api(upgrade="none")})


@proves(RP, kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(filtering(**{LIVE: None}), id="no such parameter"),
        pytest.param(filtering(**{LIVE: DENIED}), id="denied"),
        pytest.param(filtering("on"), id="no number"),
        pytest.param(filtering(""), id="nothing"),
        pytest.param(filtering(**{GCE: DENIED}), id="a file denied"),
        pytest.param(filtering(**{"/etc/sysctl.d": DENIED}), id="a directory denied"),
        pytest.param(filtering(**{"/etc/sysctl.conf": DENIED}), id="sysctl.conf denied"),
        pytest.param(Machine(broken={"*": "timed-out"}), id="timed out"),
    ],
)
def test_the_filter_cannot_be_known(hazard, machine):
    return on_node(hazard, machine)


def test_the_workstation_is_no_node():
    hosts = {"station": Machine(roles=("workstation",), files={LIVE: "1\n"}), "wk-1": Machine(roles=("worker",))}
    assert list(findings(RP, hosts=hosts, upgrade=("1.8.3", "1.9.0"))) == ["wk-1"]


# -- firewalld ---------------------------------------------------------------------------------------------------

CENTOS = 'NAME="CentOS Linux"\nID="centos"\nID_LIKE="rhel fedora"\nVERSION_ID="8"\nPRETTY_NAME="CentOS Linux 8"\n'
RHEL = 'NAME="Red Hat Enterprise Linux"\nID="rhel"\nVERSION_ID="8.4"\nPRETTY_NAME="Red Hat Enterprise Linux 8.4"\n'
FILTER = "*filter\n:INPUT ACCEPT [0:0]\n:FORWARD ACCEPT [0:0]\n:CILIUM_FORWARD - [0:0]\n-A FORWARD -j CILIUM_FORWARD\nCOMMIT\n"
NAT = "*nat\n:OUTPUT ACCEPT [0:0]\n:CILIUM_POST_nat - [0:0]\nCOMMIT\n"
BARE = "*filter\n:INPUT ACCEPT [0:0]\n:KUBE-FORWARD - [0:0]\n-A INPUT -m comment --comment CILIUM_INPUT\nCOMMIT\n*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"
NATIVE = "table ip filter {\n\tchain CILIUM_FORWARD {\n\t}\n}\ntable ip nat {\n\tchain CILIUM_POST_nat {\n\t}\n}\n"
REFUSED = Said(stderr="sudo: a password is required\n", rc=1)


def unit(active="inactive", enabled="disabled", load="loaded"):
    return f"LoadState={load}\nActiveState={active}\nUnitFileState={enabled}\n"


def guarded(state=None, *, anetd="2817\n", system=CENTOS, programs="iptables-save\n", **listed):
    """A node; `listed` gives what iptables_save, legacy, nft_kind and nft say."""
    reads = {
        "iptables_save": iptables_listing,
        "legacy": iptables_legacy_listing,
        "nft_kind": iptables_nft_listing,
        "nft": nft_listing,
    }
    listed = listed or {"iptables_save": FILTER + NAT}
    return Machine(
        files={"/etc/os-release": system},
        says={
            firewalld: unit() if state is None else state,
            abm_anetd_runs: anetd,
            packet_filter_programs: programs,
            **{reads[name]: said for name, said in listed.items()},
        },
    )


@proves(
    FIREWALLD,
    kind=PRESENT,
    says=["firewalld is active on", "deletes Cilium's chains"],
    line="ActiveState=",
    remedy="delete pods -n kube-system",
)
@pytest.mark.parametrize("state", ["active", "reloading", "activating"])
@pytest.mark.parametrize("system", [CENTOS, RHEL], ids=["CentOS", "RHEL"])
def test_firewalld_is_active(hazard, state, system):
    return on_node(hazard, guarded(unit(state, "enabled"), system=system))


@proves(FIREWALLD, kind=PRESENT, says=["firewalld is active", "is not known", "password"], line="ActiveState=active")
def test_firewalld_is_active_and_the_chains_cannot_be_read(hazard):
    return on_node(hazard, guarded(unit("active"), iptables_save=REFUSED))


@proves(FIREWALLD, kind=PRESENT, says=["firewalld is active", "is not known"], line="ActiveState=active")
def test_firewalld_is_active_and_whether_anetd_runs_cannot_be_read(hazard):
    return on_node(hazard, guarded(unit("active"), anetd=Said(stderr="ls: Permission denied\n", rc=1)))


@proves(FIREWALLD, kind=PRESENT, says=["anetd runs", "filter and table nat holds no CILIUM chain"], remedy="anetd")
@pytest.mark.parametrize("state", ["active", "inactive", "failed"])
def test_the_chains_are_gone(hazard, state):
    finding = on_node(hazard, guarded(unit(state), iptables_save=BARE))
    assert ("firewalld is active" in finding.message) == (state == "active")
    return finding


@proves(FIREWALLD, kind=PRESENT, says=["table nat holds no CILIUM chain"])
def test_the_chains_of_one_table_are_gone(hazard):
    return on_node(hazard, guarded(iptables_save=FILTER + "*nat\n:OUTPUT ACCEPT [0:0]\nCOMMIT\n"))


@proves(FIREWALLD, kind=PRESENT, says=["holds no CILIUM chain"])
@pytest.mark.parametrize("said", ["", "# Generated by iptables-save v1.8.4\n"], ids=["nothing", "a comment"])
def test_there_are_no_tables_at_all(hazard, said):
    return on_node(hazard, guarded(iptables_save=said))


@proves(FIREWALLD, kind=ABSENT)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(guarded(), id="installed, and off"),
        pytest.param(guarded(unit("failed")), id="failed"),
        pytest.param(guarded(unit("inactive", "", "not-found")), id="not installed"),
        pytest.param(guarded(unit("inactive", "masked", "masked")), id="masked"),
        pytest.param(guarded(anetd="", iptables_save=BARE), id="no anetd, no chains"),
        pytest.param(guarded(anetd="", iptables_save=REFUSED), id="no anetd: the chains do not matter"),
        pytest.param(guarded(iptables_save=f"{FILTER}{NAT}".replace(":CILIUM", ":OLD_CILIUM")), id="while it starts"),
        pytest.param(
            guarded(iptables_save=BARE, legacy=FILTER + NAT, programs="iptables-save\niptables-legacy-save\n"),
            id="in the tables of the other kind",
        ),
        pytest.param(guarded(nft=NATIVE, programs="nft\n"), id="only nft is there"),
        pytest.param(
            guarded(iptables_save=FILTER + NAT, nft=REFUSED, programs="iptables-save\nnft\n"),
            id="they are there, whatever else there may be",
        ),
    ],
)
def test_the_chains_are_safe(hazard, machine):
    return on_node(hazard, machine)


@proves(FIREWALLD, kind=LOWERED, says=["enabled", "at the next boot"], line="UnitFileState=enabled")
def test_firewalld_starts_at_the_next_boot(hazard):
    return on_node(hazard, guarded(unit("inactive", "enabled")))


@proves(FIREWALLD, kind=NOT_APPLICABLE, says=["Ubuntu 22.04.4 LTS", "not RHEL or CentOS"])
@pytest.mark.parametrize("machine", [Machine(), Machine(says={firewalld: unit("active")})], ids=["bare", "firewalld"])
def test_other_distributions(hazard, machine):
    return on_node(hazard, machine)


@proves(FIREWALLD, kind=UNREADABLE)
@pytest.mark.parametrize(
    "machine",
    [
        pytest.param(guarded("Failed to get properties\n"), id="systemd says nothing"),
        pytest.param(guarded(Said(stderr="Failed to connect to bus\n", rc=1)), id="no bus"),
        pytest.param(guarded(iptables_save=REFUSED), id="iptables-save refused"),
        pytest.param(guarded(iptables_save=FILTER + "*nat\n:OUTPUT ACCEPT [0:0]\n"), id="cut in the middle of a table"),
        pytest.param(guarded(iptables_save="not rules\n"), id="garbled"),
        pytest.param(guarded(iptables_save=REFUSED, programs=""), id="no program"),
        pytest.param(guarded(programs=Said(stderr="cd: Permission denied", rc=2), iptables_save=BARE), id="programs"),
        pytest.param(guarded(iptables_save=BARE, nft=REFUSED, programs="iptables-save\nnft\n"), id="nft refused"),
        pytest.param(guarded(anetd=Said(stderr="ls: Permission denied\n", rc=1)), id="anetd"),
        pytest.param(guarded(system=None), id="no os-release"),
        pytest.param(Machine(files={"/etc/os-release": CENTOS}, broken={"*": "unreachable"}), id="unreachable"),
    ],
)
def test_the_chains_cannot_be_known(hazard, machine):
    return on_node(hazard, machine)
