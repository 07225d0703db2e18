"""etcd on its own nodes: three hosts with an etcd of kubeadm's making, read over SSH with what lies there.

Neither an API server nor a kubelet is anywhere, as when etcd has lost its quorum.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.conftest import impossible
from tests.lab import etcd
from tests.lab.controlplane import Authority, ControlPlaneUnavailable, built_binary, wait_until
from tests.lab.controlplane.kubeconfig import Login, render
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.running import Result, preflight

pytestmark = pytest.mark.root

NAMES = ("cp-1", "cp-2", "cp-3")
PACK = {
    "etcd.yaml": "title: etcd\nhazards: [t-etcd-seen, t-etcd-quorum, t-etcd-metrics]\n",
    "check_etcd.py": """\
from conformance import BLOCKER, CLUSTER, CONTROL_PLANE, WARNING, Source, found, hazard
from conformance.facts.values.etcd import EtcdCluster
from conformance.facts.values.etcd_metrics import EtcdMetrics

HERE = {"severity": WARNING, "source": Source("d", "s"), "remedy": "None."}


@hazard("t-etcd-seen", title="seen", on=[CLUSTER], **HERE)
def check_seen(etcd: EtcdCluster) -> None:
    raise found(f"{', '.join(one.name for one in etcd.healthy_voters)}; leader {etcd.leader.name in etcd.source or 'another'}")


@hazard("t-etcd-quorum", title="quorum", on=[CLUSTER], **{**HERE, "severity": BLOCKER})
def check_quorum(etcd: EtcdCluster) -> None:
    assert etcd.has_quorum, etcd.unlisted


@hazard("t-etcd-metrics", title="metrics", on=[CONTROL_PLANE], **HERE)
def check_metrics(etcd_metrics: EtcdMetrics) -> None:
    raise found(f"{etcd_metrics.has_leader}, {len(etcd_metrics.round_trips)} peers, "
                f"{etcd_metrics.wal_fsync.count > 0 and etcd_metrics.wal_fsync.quantile(0.99) < 5}")
""",
}


def put(lab: Lab, name: str, path: str, content: bytes, mode: str) -> None:
    done: Any = lab.inside(
        name, f"mkdir -p $(dirname {path}) && cat > {path} && chmod {mode} {path}", text=False, input=content
    )
    assert done.returncode == 0, done.stderr


def start(lab: Lab, name: str) -> None:
    """Start the member of a host, as its kubelet would; it ends with the host."""
    addresses = {one: lab.address(one) for one in NAMES}
    urls = {
        "client": f"https://127.0.0.1:2379,https://{addresses[name]}:2379",
        "peer": f"https://{addresses[name]}:2380",
        "metrics": "http://127.0.0.1:2381",
    }
    cluster = ",".join(f"{one}=https://{address}:2380" for one, address in addresses.items())
    flags = etcd.flags(name, "/var/lib/etcd", etcd.KUBEADM_PKI, urls, cluster, "new")
    lab.inside(name, f"setsid /usr/local/bin/etcd {' '.join(flags)} >/var/log/etcd.log 2>&1 </dev/null & :")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    """Three control-plane hosts; nobody but root may read the certificates there."""
    hosts = Lab()
    try:
        programs = {name: built_binary(name).read_bytes() for name in ("etcd", "etcdctl")}
        # Neither curl nor wget is there, and whoever logs in cannot look into the directory of the manifests.
        small = ("mkdir -p -m 700 /etc/kubernetes/manifests /var/lib/etcd",)
        hosts.start([HostSpec(name, users=(UserSpec("ops"),), prestart=small) for name in NAMES])
    except (LabError, ControlPlaneUnavailable) as error:
        impossible(LabError(str(error)))
    authority = Authority("etcd-ca")
    for name in NAMES:
        for program, content in programs.items():
            put(hosts, name, f"/usr/local/bin/{program}", content, "755")
        for file, content in etcd.pki(authority, (hosts.address(name), "127.0.0.1", "localhost")).items():
            put(hosts, name, f"{etcd.KUBEADM_PKI}/{file}", content, "600")
        put(hosts, name, "/etc/kubernetes/manifests/etcd.yaml", b"apiVersion: v1\n", "600")
        start(hosts, name)
    wait_until(lambda: healthy(hosts), "the etcd of the hosts", 30)
    # A member tells of its way to the others 30 s after it has met them (statusMonitoringInterval of etcd).
    wait_until(lambda: all(measured(hosts, name) for name in NAMES), "round trips between the members", 60)
    yield hosts
    hosts.stop()


def healthy(lab: Lab) -> bool:
    words = f"/usr/local/bin/etcdctl {' '.join(etcd.KUBEADM_FLAGS)} endpoint health --cluster -w json"
    return bool(lab.inside("cp-1", words).stdout.count('"health":true') == len(NAMES))


def metrics(lab: Lab, name: str) -> str:
    ask = r"exec 3<>/dev/tcp/127.0.0.1/2381; printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3; cat <&3"
    return str(lab.inside(name, f'bash -c "{ask}"').stdout)


def measured(lab: Lab, name: str) -> bool:
    told = metrics(lab, name)
    counts = re.findall(r"^etcd_network_peer_round_trip_time_seconds_count\{.*\} (\d+)$", told, re.MULTILINE)
    return sum(int(one) > 0 for one in counts) == len(NAMES) - 1


def run(lab: Lab, place: Path, *more: str, reports: str = "reports", hosts: tuple[str, ...] = NAMES) -> Result:
    for name, text in PACK.items():
        (place / name).write_text(text)
    nobody = render(Login("u", "t", None), "https://127.0.0.1:9", Authority().pem, context="c", namespace=None)
    (place / "kubeconfig").write_text(nobody)
    lines = ["clusters: {c: {kubeconfig: kubeconfig}}", f"ssh: {{config: {lab.ssh_config}, sudo: true}}", "hosts:"]
    lines += [f"  {one}: {{connection: 'ssh://ops@{one}', roles: [control-plane], cluster: c}}" for one in hosts]
    (place / "change.yaml").write_text("\n".join(lines) + "\n")
    with lab.entered():
        return preflight("--profile=etcd.yaml", "--change=change.yaml", *more, cwd=place, reports=reports)


def test_with_the_rights_of_the_plan_and_no_others(lab: Lab, tmp_path: Path) -> None:
    rules = run(lab, tmp_path, "--plan=sudoers").out.replace("LOGIN", "ops")
    assert all(" NOPASSWD: /usr/" in line for line in rules.splitlines() if not line.startswith("#"))
    for name in NAMES:
        put(lab, name, "/etc/sudoers.d/preflight", rules.encode(), "440")
    seen = run(lab, tmp_path)
    assert seen.finding("t-etcd-seen", "c")["message"].startswith("cp-1, cp-2, cp-3; leader ")
    assert seen.finding("t-etcd-quorum", "c")["outcome"] == "clear"
    said = [seen.finding("t-etcd-metrics", name)["message"] for name in NAMES]
    assert said == ["True, 2 peers, True"] * 3
    for name in NAMES[1:]:
        assert lab.inside(name, "kill -9 $(pidof etcd)").returncode == 0
    # The last one notices when an election has been due for a while.
    wait_until(lambda: "\netcd_server_has_leader 0\n" in metrics(lab, "cp-1"), "the loss of the leader", 30)
    lost = run(lab, tmp_path, reports="lost", hosts=("cp-1",))
    found = lost.finding("t-etcd-quorum", "c")
    assert (lost.code, found["outcome"]) == (1, "hazard")
    assert (
        "etcdctl on cp-1 gives no list of members: has etcd lost its quorum? The member there says" in found["message"]
    )
    assert "etcdserver: no leader" in found["message"]
    assert lost.finding("t-etcd-seen", "c")["outcome"] == "unknown"
    assert lost.finding("t-etcd-metrics", "cp-1")["message"].startswith("False")
