"""Network hazards of Anthos clusters on bare metal made real: kernel parameters, NAT rules, firewalld, login users."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from conformance.facts.values.sysctl import CONF, SysctlSettings
from tests.clusters.anthos import cluster, namespace
from tests.clusters.crds import BARE_METAL
from tests.hosts.conftest import impossible
from tests.lab.controlplane import ControlPlane
from tests.lab.controlplane.binaries import ControlPlaneUnavailable
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.lab.standard import CENTOS_RELEASE
from tests.running import Result, preflight

pytestmark = pytest.mark.root

RP, FIREWALLD = "abm-rp-filter", "abm-firewalld-cilium"
PORT, LEFT = "abm-lb-healthcheck-port", "abm-lb-redirect-leftover"
PATH, SELINUX = "abm-usr-local-bin-path", "abm-selinux-containerd"

KEY = "net.ipv4.conf.all.rp_filter"
OFF, STRICT = f"sysctl -q -w {KEY}=0", f"sysctl -q -w {KEY}=1"
GCE = "/etc/sysctl.d/60-gce-network-security.conf"
REDIRECT = "-p tcp -o lo --dport 443 -j REDIRECT --to-ports 6444"
NATIVE = """\
table inet mine {
  chain out {
    type nat hook output priority -100; policy accept;
    oifname "lo" tcp dport { 80, 443 } redirect to :6444
  }
}
"""
CHAINS = ("iptables -N CILIUM_FORWARD", "iptables -t nat -N CILIUM_POST_nat")


def service(name: str, program: str) -> dict[str, Any]:
    """A unit that the next boot starts."""
    unit = f"/etc/systemd/system/{name}.service"
    text = f"[Service]\nExecStart={program} infinity\n[Install]\nWantedBy=multi-user.target\n"
    return {unit: text}


def wanted(name: str) -> str:
    return f"systemctl enable --quiet {name}.service"


ANETD = service("anetd", "/usr/local/sbin/cilium-agent")
RUN_ANETD = ("cp /bin/sleep /usr/local/sbin/cilium-agent", wanted("anetd"))
OPS = UserSpec("ops", sudo="ALL=(ALL) NOPASSWD: ALL")
LOGINS = (
    OPS,
    UserSpec("short", sudo="ALL=(ALL) NOPASSWD: ALL\nDefaults:short secure_path=/sbin\\:/bin\\:/usr/sbin\\:/usr/bin"),
    UserSpec("linked", sudo="ALL=(ALL) NOPASSWD: ALL\nDefaults:linked secure_path=/sbin\\:/bin\\:/opt/tools"),
    UserSpec("envy", env={"PATH": "/usr/bin:/bin"}, sudo="ALL=(ALL) NOPASSWD: ALL"),
    UserSpec("kept", env={"PATH": "/usr/bin:/bin"}, sudo="ALL=(ALL) NOPASSWD: ALL\nDefaults:kept !secure_path"),
    UserSpec("locked", sudo="ALL=(ALL) ALL"),
)
HOSTS = (
    HostSpec("legacy", users=[OPS], prestart=(OFF, f"iptables-legacy -t nat -I OUTPUT {REDIRECT}")),
    HostSpec("nft-kind", users=[OPS], prestart=(STRICT, f"iptables-nft -t nat -I OUTPUT {REDIRECT}")),
    HostSpec(
        "native",
        users=[OPS],
        files={"/etc/mine.nft": NATIVE, GCE: "-net/ipv4/conf/all/rp_filter=2\n"},
        prestart=(OFF, "nft -f /etc/mine.nft"),
    ),
    HostSpec(
        "without",
        users=LOGINS,
        files={
            CONF: f"{KEY} = 1\n",
            "/usr/lib/sysctl.d/50-default.conf": f"net.ipv4.conf.*.rp_filter = 2\n-{KEY}\n",
            "/opt/tools/crictl": ("#!/bin/sh\n", 0o755, "root"),
        },
        prestart=(OFF, "rm -f /etc/sysctl.d/99-sysctl.conf", "iptables -t nat -A OUTPUT -o lo -p udp -j RETURN"),
    ),
    HostSpec(
        "earlier",
        users=[OPS],
        files={"/etc/sysctl.d/99-sysctl.conf": "", CONF: f"{KEY} = 0\n"},
        prestart=(
            OFF,
            f"iptables-nft -t nat -A OUTPUT {REDIRECT}",
            "iptables-nft -t nat -N FIRST",
            "iptables-nft -t nat -I OUTPUT -d 127.0.0.0/8 -j FIRST",
            "iptables-nft -t nat -A FIRST -p tcp -m multiport --dports 22,400:500 -j ACCEPT",
        ),
    ),
    # Not every distribution has all programs: there a rule for the others grants nothing, and sudo asks for a password.
    HostSpec(
        "narrow",
        users=[UserSpec("ops", sudo='ALL=(root) NOPASSWD: /sbin/iptables-save "", /sbin/nft list ruleset')],
        prestart=(OFF, "rm /usr/sbin/iptables-legacy-save /usr/sbin/iptables-nft-save"),
    ),
    HostSpec(
        "fw-active",
        init="systemd",
        users=[OPS],
        files={"/etc/os-release": CENTOS_RELEASE, **ANETD, **service("firewalld", "/bin/sleep")},
        prestart=(OFF, *CHAINS, *RUN_ANETD, wanted("firewalld")),
    ),
    HostSpec(
        "fw-lost",
        init="systemd",
        users=[OPS],
        files={"/etc/os-release": CENTOS_RELEASE, **ANETD, **service("firewalld", "/bin/sleep")},
        prestart=(OFF, "iptables -N KUBE-FORWARD", *RUN_ANETD),
    ),
    HostSpec(
        "fw-fine",
        init="systemd",
        users=[OPS],
        files={"/etc/os-release": CENTOS_RELEASE, **ANETD},
        prestart=(OFF, *CHAINS, *RUN_ANETD),
    ),
)
#: Subject -> where, and of which cluster: `old` is upgraded to 1.8, `new` from 1.9 on; the others are named after the
#: user by whom they log in.
SUBJECTS = {
    **{one.name: (f"ops@{one.name}", "old") for one in HOSTS},
    **{
        f"left-{name}": (f"ops@{name}", "new")
        for name in ("legacy", "nft-kind", "native", "earlier", "narrow", "without")
    },
    "root": ("root@without", "old"),
    **{one.name: (f"{one.name}@without", f"by-{one.name}") for one in LOGINS},
}


@pytest.fixture(scope="module")
def nodes() -> Iterator[Lab]:
    lab = Lab()
    try:
        lab.start(HOSTS)
    except LabError as error:
        impossible(error)
    yield lab
    lab.stop()


def clusters() -> list[dict[str, Any]]:
    """An admin cluster with its user clusters."""
    old, new = cluster("old", version="1.7.1"), cluster("new", version="1.9.0")
    named = {one.name: cluster(f"by-{one.name}", version="1.7.3") for one in LOGINS}
    for user, one in named.items():
        one["spec"]["nodeAccess"] = {"loginUser": user}
    for one in (old, *named.values()):
        one["spec"]["loadBalancer"]["mode"] = "manual"
        one["spec"]["nodeConfig"] = {"containerRuntime": "containerd"}
    users = [old, new, *named.values()]
    spaces = [namespace(one["metadata"]["namespace"]) for one in users]
    return [namespace("cluster-hub"), *spaces, cluster("hub", "admin", "1.9.0"), *users]


@pytest.fixture(scope="module")
def runs(nodes: Lab, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Result]:
    """A run of each release that is upgraded to, in the network of the hosts: the admin cluster's API server is there too."""
    place = tmp_path_factory.mktemp("network")
    earlier = ["old", *(f"by-{one.name}" for one in LOGINS)]
    with nodes.entered():
        try:
            plane = ControlPlane().start()
        except ControlPlaneUnavailable as reason:
            impossible(LabError(str(reason)))
        try:
            plane.apply(*BARE_METAL, *clusters())
            hub = {"kubeconfig": str(plane.kubeconfig(context="hub")), "role": "admin", "upgrade": "none"}

            def upgrade(profile: str, target: str, names: list[str]) -> Result:
                others = {one: {"role": "user", "admin": "hub", "upgrade": "none"} for one in (*earlier, "new")}
                goes = {one: {"role": "user", "admin": "hub", "upgrade": {"to": target}} for one in names}
                change = {
                    "profile": profile,
                    "clusters": {"hub": hub, **others, **goes},
                    "hosts": {
                        name: {"connection": f"ssh://{where}", "roles": ["control-plane"], "cluster": of}
                        for name, (where, of) in SUBJECTS.items()
                    },
                    "ssh": {"config": str(nodes.ssh_config), "sudo": True},
                }
                path = place / f"{profile}.yaml"
                path.write_text(yaml.safe_dump(change), encoding="utf-8")
                return preflight(f"--change={path}", cwd=place, reports=profile)

            return upgrade("anthos-bare-metal-1.8", "1.8.1", earlier), upgrade(
                "anthos-bare-metal-1.10", "1.10.0", ["new"]
            )
        finally:
            plane.close()


@pytest.fixture(scope="module")
def run(runs: tuple[Result, Result]) -> Result:
    """The clusters that go from 1.7 to 1.8."""
    return runs[0]


@pytest.fixture(scope="module")
def later(runs: tuple[Result, Result]) -> Result:
    """The cluster that goes from 1.9 to 1.10."""
    return runs[1]


def lines_of(finding: dict[str, Any]) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(RP)
def test_reverse_path_filter(run: Result) -> None:
    found = {one: run.on(one)[RP] for one in ("legacy", "nft-kind", "native", "without", "earlier")}
    assert found == {
        "legacy": "clear",
        "nft-kind": "hazard",
        "native": "warning",
        "without": "warning",
        "earlier": "clear",
    }
    assert lines_of(run.finding(RP, "nft-kind")) == [f"{KEY}: 1"]
    assert lines_of(run.finding(RP, "native")) == ["-net/ipv4/conf/all/rp_filter=2"]
    assert "at the next boot" in run.finding(RP, "native")["message"]
    assert "`sysctl --system`" in run.finding(RP, "without")["message"]


SPELLINGS = (
    f"{KEY} = 2",
    "net/ipv4/conf/all/rp_filter=2",
    "/net/ipv4/conf/all/rp_filter = 2",
    f"-{KEY}=2",
    f"\t {KEY}\t=\t2  ",
    f"{KEY} = 0x2",
    f"{KEY} = 02",
    f"{KEY} = 1 # strict",
    f"{KEY} = yes",
    f"{KEY}",
    f"#{KEY} = 2",
    f" ; {KEY} = 2",
    "net.ipv4.conf.*.rp_filter = 2",
    f"net.ipv4.conf.*.rp_filter = 2\n-{KEY}",
    f"{KEY} = 1\nnet.ipv4.conf.*.rp_filter = 2",
    f"{KEY} = 1\n-{KEY}",
    "net.ipv4.conf.default.rp_filter = 2",
    "net.ipv4.*.rp_filter = 2",
    f"{KEY} = 2\n{KEY} = yes",
)
OTHER_FILES = (
    {"/etc/sysctl.d/60-a.conf": f"{KEY} = 0", "/usr/lib/sysctl.d/70-b.conf": f"{KEY} = 2"},
    {"/etc/sysctl.d/60-a.conf": f"{KEY} = 0", "/usr/lib/sysctl.d/60-a.conf": f"{KEY} = 2"},
    {"/etc/sysctl.d/60-a.conf": f"{KEY} = 1", "/run/sysctl.d/60-a.conf": f"{KEY} = 2"},
    {"/etc/sysctl.d/60-a.conf": "", "/usr/local/lib/sysctl.d/60-a.conf": f"{KEY} = 2"},
    {"/etc/sysctl.d/99-z.conf": f"{KEY} = 1", CONF: f"{KEY} = 2"},
)


@pytest.mark.real(RP)
def test_the_files_are_understood_as_sysctl_and_systemd_do(nodes: Lab) -> None:
    for texts in [*({GCE: one} for one in SPELLINGS), *OTHER_FILES]:
        lines = [
            "set -e",
            "rm -f /etc/sysctl.conf /etc/sysctl.d/* /run/sysctl.d/* /usr/local/lib/sysctl.d/* /usr/lib/sysctl.d/*",
        ]
        for path, text in texts.items():
            lines += [f"mkdir -p {Path(path).parent}", f"printf '%s\\n' {shlex.quote(text)} > {path}"]
        for program in ("/lib/systemd/systemd-sysctl", "sysctl --system"):
            lines += [f"{OFF.replace('=0', '=7')}", f"{program} >/dev/null 2>&1 || true", f"sysctl -n {KEY}"]
        done = nodes.inside("earlier", "\n".join(lines))
        assert done.returncode == 0, done
        settings = SysctlSettings.parse(texts)
        expected = [one.as_int if one else 7 for one in (settings.at_boot(KEY), settings.by_sysctl(KEY))]
        assert [int(one) for one in done.stdout.split()] == expected, texts


@pytest.mark.real(PORT)
def test_the_redirect_that_1_8_needs(run: Result) -> None:
    found = {
        one: run.on(one)[PORT] for one in ("legacy", "nft-kind", "native", "without", "earlier", "narrow", "locked")
    }
    assert found == {
        "legacy": "clear",
        "nft-kind": "clear",
        "native": "clear",
        "without": "hazard",
        "earlier": "hazard",
        "narrow": "hazard",
        "locked": "unknown",
    }
    finding = run.finding(PORT, "earlier")
    assert "loadBalancer.mode is manual" in finding["message"]
    assert "-A FIRST -p tcp -m multiport --dports 22,400:500 -j ACCEPT" in lines_of(finding)
    assert "password" in run.finding(PORT, "locked")["message"]
    assert run.on("left-legacy")[PORT] == "not-applicable"


@pytest.mark.real(LEFT)
def test_the_redirect_that_1_9_leaves(later: Result) -> None:
    found = {name: later.on(name)[LEFT] for name in SUBJECTS if name.startswith("left-")}
    assert found == {
        "left-legacy": "warning",
        "left-nft-kind": "warning",
        "left-native": "warning",
        "left-earlier": "warning",
        "left-narrow": "clear",
        "left-without": "clear",
    }
    rule = "-A OUTPUT -o lo -p tcp -m tcp --dport 443 -j REDIRECT --to-ports 6444"
    assert lines_of(later.finding(LEFT, "left-legacy")) == [rule]
    remedies = {one: later.finding(LEFT, f"left-{one}")["remedy"] for one in ("legacy", "nft-kind", "native")}
    assert f"sudo iptables-legacy -t nat {rule.replace('-A', '-D')}" in remedies["legacy"]
    assert f"sudo iptables -t nat {rule.replace('-A', '-D')}" in remedies["nft-kind"]
    assert "nft delete rule" in remedies["native"]
    assert later.on("legacy")[LEFT] == "not-applicable"


@pytest.mark.real(LEFT)
def test_the_remedy_works(nodes: Lab, later: Result) -> None:
    for name in ("legacy", "nft-kind"):
        (command,) = [line for line in later.finding(LEFT, f"left-{name}")["remedy"].splitlines() if "-D" in line]
        done = nodes.inside(name, command.strip())
        assert done.returncode == 0, done
        assert "6444" not in nodes.inside(name, "iptables-legacy-save; iptables-nft-save").stdout


@pytest.mark.real(FIREWALLD)
def test_firewalld(run: Result) -> None:
    found = {one: run.on(one)[FIREWALLD] for one in ("fw-active", "fw-lost", "fw-fine", "legacy")}
    assert found == {"fw-active": "warning", "fw-lost": "warning", "fw-fine": "clear", "legacy": "not-applicable"}
    assert "firewalld is active on CentOS Linux 8: each" in run.finding(FIREWALLD, "fw-active")["message"]
    assert lines_of(run.finding(FIREWALLD, "fw-active")) == ["ActiveState=active"]
    lost = run.finding(FIREWALLD, "fw-lost")
    assert "anetd runs, and table filter and table nat holds no CILIUM chain" in lost["message"]


@pytest.mark.real(PATH)
def test_login_users(run: Result) -> None:
    found = {one: run.on(one)[PATH] for one in ("root", *(one.name for one in LOGINS))}
    assert found == {
        "root": "clear",
        "ops": "clear",
        "short": "hazard",
        "linked": "clear",
        "envy": "hazard",
        "kept": "hazard",
        "locked": "unknown",
    }
    assert "secure_path of sudo for short" in run.finding(PATH, "short")["message"]
    assert "secure_path=/sbin\\:/bin\\:/usr/sbin\\:/usr/bin" in "".join(lines_of(run.finding(PATH, "short")))
    assert lines_of(run.finding(PATH, "envy")) == ["/usr/bin:/bin"]
    assert "password" in run.finding(PATH, "locked")["message"]
    assert run.on("left-legacy")[PATH] == "not-applicable"
