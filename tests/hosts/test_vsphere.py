"""Control-plane hosts of vSphere workload clusters made real: joins that timed out, narrow links and lost packets.

The kernel of a test machine may not have netem. A link is made slow by a rate that etcd's own heartbeats use up, and packets
are dropped by nftables. etcd is a real one of three members over these very links.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.anthos import namespace, node
from tests.clusters.crds.cluster_api import served_as
from tests.hazards.test_vsphere_join import DOCUMENT, HEAD, SLOW, SYNC, attempt
from tests.hazards.vsphere import SPACE, capi_cluster, control_plane, machine, named
from tests.hosts.conftest import impossible
from tests.lab.controlplane import ControlPlane, find_binaries
from tests.lab.controlplane.binaries import ControlPlaneUnavailable
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.running import Result, preflight

pytestmark = pytest.mark.root

NETWORK, JOIN = "vks-control-plane-network-slow", "vks-join-log-timeout"
LOG = "/var/log/cloud-init-output.log"
#: What --plan=sudoers prints for the log, and for what kubeadm cleans up.
RULES = f"/usr/bin/cat {LOG}, /usr/bin/cat {LOG.removesuffix('.log')}, /usr/bin/ls -A /etc/kubernetes/manifests /var/lib/etcd"
OPS = (UserSpec("ops", sudo=f"ALL=(root) NOPASSWD: {RULES}"),)
RUNS = {"/etc/kubernetes/manifests/etcd.yaml": "kind: Pod\n"}
FIRST = "Your Kubernetes control-plane has initialized successfully!\n"
#: Ten packets fit into the queue of a link that takes some twenty a second; the login is not slowed down.
NARROW = (
    "tc qdisc add dev eth0 root handle 1: htb default 10",
    "tc class add dev eth0 parent 1: classid 1:10 htb rate 1gbit",
    "tc class add dev eth0 parent 1: classid 1:20 htb rate 16kbit ceil 16kbit burst 200 cburst 200",
    "tc qdisc add dev eth0 parent 1:20 handle 20: pfifo limit 10",
    "tc filter add dev eth0 parent 1: protocol ip u32 match ip protocol 1 0xff flowid 1:20",
    "tc filter add dev eth0 parent 1: protocol ip u32 match ip dport 2380 0xffff flowid 1:20",
    "tc filter add dev eth0 parent 1: protocol ip u32 match ip sport 2380 0xffff flowid 1:20",
)
LOSSY = (
    "nft add table inet bad",
    "nft add chain inet bad in '{ type filter hook input priority 0; }'",
    "nft add rule inet bad in icmp type echo-request numgen random mod 100 '<' 60 drop",
)


def logged(text: str) -> dict[str, tuple[str, int, str]]:
    return {LOG: (text, 0o640, "root")}


HOSTS = (
    HostSpec("cp-1", users=OPS, files={**logged(HEAD + FIRST), **RUNS}),
    HostSpec("cp-2", users=OPS, files={**logged(HEAD + attempt(10, SYNC, "joined")), **RUNS}),
    HostSpec("cp-3", users=OPS, files={**logged(HEAD + DOCUMENT), **RUNS}, prestart=NARROW),
    HostSpec("ok-1", users=OPS, files={**logged(HEAD + attempt(10, SLOW) + attempt(30, SYNC, "joined")), **RUNS}),
    HostSpec(
        "ok-2",
        users=OPS,
        files=RUNS,
        prestart=(f"echo 'Cloud-init v. 23' > {LOG}", f"chmod 600 {LOG}", "rm -f /bin/ping"),
    ),
    HostSpec("bad-1", users=OPS, files={LOG.removesuffix(".log"): DOCUMENT, **RUNS}),
    HostSpec("bad-2", users=(UserSpec("ops"),), files={**logged(DOCUMENT), **RUNS}, prestart=LOSSY),
)
CLUSTERS = {"narrow": ("cp-1", "cp-2", "cp-3"), "tidy": ("ok-1", "ok-2"), "lossy": ("bad-1", "bad-2")}


@pytest.fixture(scope="module")
def lab_hosts() -> Iterator[Lab]:
    lab = Lab()
    try:
        lab.start(HOSTS)
    except LabError as error:
        impossible(error)
    yield lab
    lab.stop()


def etcd_of(lab: Lab, names: tuple[str, ...], name: str, place: Path) -> subprocess.Popen[bytes]:
    """A member of the etcd of these hosts, in the network of one of them."""
    peers = {one: f"http://{lab.address(one)}:2380" for one in names}
    log = (place / f"etcd-{name}.log").open("wb")
    with log:
        return subprocess.Popen(
            [
                *("nsenter", f"--target={lab.pid(name)}", "--net", "--", str(find_binaries().etcd)),
                *(f"--name={name}", f"--data-dir={place}/{name}", f"--listen-peer-urls={peers[name]}"),
                f"--initial-advertise-peer-urls={peers[name]}",
                f"--initial-cluster={','.join(f'{one}={url}' for one, url in peers.items())}",
                *("--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379"),
                *("--listen-metrics-urls=http://127.0.0.1:2381", "--unsafe-no-fsync"),
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def answers(lab: Lab, name: str) -> bool:
    """Whether the metrics of the etcd on a host are served."""
    look = "python3 -c 'import urllib.request as u; u.urlopen(\"http://127.0.0.1:2381/metrics\", timeout=5)'"
    return lab.inside(name, look).returncode == 0


@pytest.fixture(scope="module")
def run(lab_hosts: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    """One run over all of them in a stuck upgrade."""
    place = tmp_path_factory.mktemp("vsphere")
    with lab_hosts.entered(), ExitStack() as stack:
        try:
            plane = stack.enter_context(ControlPlane())
        except ControlPlaneUnavailable as reason:
            impossible(LabError(str(reason)))
        for names in CLUSTERS.values():
            for name in names:
                process = etcd_of(lab_hosts, names, name, place)
                stack.callback(process.wait)
                stack.callback(process.kill)
        plane.apply(*served_as("v1beta1"), namespace(SPACE))
        for cluster, names in CLUSTERS.items():
            plane.apply(*named(cluster, capi_cluster(), control_plane(len(names)), *map(machine, names)))
        until = time.monotonic() + 60
        while not all(answers(lab_hosts, one.name) for one in HOSTS):
            assert time.monotonic() < until, "etcd does not start"
            time.sleep(0.5)
        yield examined(lab_hosts, plane, place)


def examined(lab: Lab, plane: ControlPlane, place: Path) -> Result:
    """One API server is the Supervisor, and that of `tidy`; nobody has a way to those of the other two."""
    plane.apply(*(node(name, lab.address(name), "v1.30.1", master=True) for name in CLUSTERS["tidy"]))
    clusters = {name: {"role": "workload", "supervisor": "sv"} for name in CLUSTERS}
    clusters["tidy"]["kubeconfig"] = str(plane.kubeconfig(context="tidy"))
    change = {
        "profile": "vsphere-supervisor-1.31",
        "clusters": {"sv": {"kubeconfig": str(plane.kubeconfig(context="sv")), "role": "supervisor"}, **clusters},
        "hosts": {
            name: {"connection": f"ssh://ops@{name}", "roles": ["control-plane"], "cluster": cluster}
            for cluster, names in CLUSTERS.items()
            for name in names
        },
        "ssh": {"config": str(lab.ssh_config), "sudo": True},
    }
    path = place / "change.yaml"
    path.write_text(yaml.safe_dump(change), encoding="utf-8")
    return preflight(f"--change={path}", "--situation=stuck", cwd=place)


def lines_of(finding: dict[str, Any]) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(JOIN)
def test_joins_that_timed_out(run: Result) -> None:
    found = {one.name: run.on(one.name)[JOIN] for one in HOSTS}
    assert found == {
        "cp-1": "not-applicable",
        "cp-2": "clear",
        "cp-3": "hazard",
        "ok-1": "clear",
        "ok-2": "clear",
        "bad-1": "hazard",
        "bad-2": "unknown",
    }, run
    finding = run.finding(JOIN, "cp-3")
    assert f"attempt 2 of 2 to join etcd failed last: {SYNC}" in finding["message"]
    assert "now /var/lib/etcd is empty" not in finding["message"]  # there never was one: nobody knows
    assert "removing member from cluster status" in lines_of(finding)
    assert "attempt 2 of 2" in run.finding(JOIN, "bad-1")["message"]
    assert "password" in run.finding(JOIN, "bad-2")["message"]
    assert (
        f"attempt 1 of 2 to join etcd failed at 01-05 10:12:05 UTC, after 2 minutes 5 seconds ({SLOW})"
        in (run.finding(JOIN, "ok-1")["message"])
    )


@pytest.mark.real(NETWORK)
def test_a_narrow_link(run: Result) -> None:
    finding = run.finding(NETWORK, "narrow")
    assert finding["outcome"] == "warning", finding
    for pair in ("cp-1 to cp-3: ", "cp-2 to cp-3: ", "cp-3 to cp-1: ", "cp-3 to cp-2: "):
        assert pair in finding["message"]
    assert "cp-1 to cp-2" not in finding["message"]
    assert "a round trip takes" in finding["message"]
    assert any(line.startswith("cp-1 to cp-3 (10.77.1.3): ") for line in lines_of(finding)), lines_of(finding)


@pytest.mark.real(NETWORK)
def test_lost_packets(run: Result) -> None:
    finding = run.finding(NETWORK, "lossy")
    assert finding["outcome"] == "warning", finding
    assert "bad-1 to bad-2: " in finding["message"]
    assert "packets got lost" in finding["message"]
    assert "bad-2 to bad-1" not in finding["message"]


@pytest.mark.real(NETWORK)
def test_a_quick_network(run: Result) -> None:
    """Measured with ping on one side, and with connections alone on the other."""
    assert run.on("tidy")[NETWORK] == "clear", run.finding(NETWORK, "tidy")
