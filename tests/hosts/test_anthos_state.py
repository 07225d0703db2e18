"""Kubelet certificates and NO_PROXY on real hosts, as they make a finding of the cluster that the hosts belong to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.clusters.anthos import cluster, machine, namespace, node, node_pool
from tests.clusters.crds import BARE_METAL
from tests.hosts.conftest import impossible
from tests.lab import rootfs
from tests.lab.controlplane import ControlPlane, ControlPlaneUnavailable
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.running import Result, preflight

pytestmark = pytest.mark.root

CSR, PROXY = "abm-pending-kubelet-csr", "abm-multinic-containerd-proxy"
PASSWORD = "proxy-password-that-must-never-be-seen-anywhere"
PKI = "/var/lib/kubelet/pki"
DROP_IN = "/etc/systemd/system/containerd.service.d/09-proxy.conf"
PROXIES = (
    f'Environment="HTTP_PROXY=http://ops:{PASSWORD}@192.0.2.9:3128" "HTTPS_PROXY=http://ops:{PASSWORD}@192.0.2.9:3128"'
)
#: What --plan=sudoers prints for a node.
RULES = ", ".join(
    [
        f"/bin/ls {PKI}",
        *(
            f"/usr/bin/openssl x509 -noout -enddate -in {PKI}/{name}"
            for name in ("kubelet-client-current.pem", "kubelet-server-current.pem", "kubelet.crt")
        ),
    ]
)
OPS = (UserSpec("ops", sudo=f"ALL=(root) NOPASSWD: {RULES}"),)


def certificates(client: int, serving: int, own: int | None = None) -> tuple[str, ...]:
    """Shell lines that make the certificates of a kubelet, valid for so many days, as a kubelet keeps them."""
    lines = [f"mkdir -p {PKI}", f"chmod 700 {PKI}"]
    for name, days in (("kubelet-client", client), ("kubelet-server", serving)):
        new = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=system:node -days {days}"
        lines.append(
            f"cd {PKI} && {new} -keyout key -out crt 2>/dev/null && cat crt key >{name}-2022.pem && rm key crt"
        )
        lines.append(f"ln -s {name}-2022.pem {PKI}/{name}-current.pem")
    if own is not None:
        new = f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=own -days {own}"
        lines.append(f"cd {PKI} && {new} -keyout kubelet.key -out kubelet.crt 2>/dev/null")
    return tuple(lines)


def unit(*lines: str) -> dict[str, tuple[str, int, str]]:
    return {DROP_IN: ("\n".join(["[Service]", *lines, ""]), 0o644, "root")}


HOSTS = (
    HostSpec(
        "wk-fine",
        users=OPS,
        prestart=certificates(300, 300, own=1),
        files=unit(PROXIES + ' "NO_PROXY=.svc,10.0.0.0/8"'),
    ),
    HostSpec(
        "wk-ends", users=OPS, prestart=certificates(12, 300), files=unit(PROXIES + " \\", "  'NO_PROXY=a 10.96.0.0/21'")
    ),
    HostSpec(
        "wk-bare",
        users=OPS,
        prestart=certificates(300, 20),
        files={
            **unit("# Environment=NO_PROXY=*", PROXIES),
            "/home/ops/.profile": ("export NO_PROXY=10.96.0.0/20\n", 0o644, "ops"),
        },
    ),
    HostSpec(
        "wk-login",
        users=OPS,
        prestart=certificates(300, 300),
        files={"/home/ops/.profile": ("export no_proxy=localhost,10.96.0.0/16\n", 0o644, "ops")},
    ),
)


@pytest.fixture(scope="module")
def nodes() -> Iterator[Lab]:
    """The nodes of one cluster."""
    try:
        hosts = Lab(images=[rootfs.image("openssl")])
        hosts.start(HOSTS)
    except LabError as error:
        impossible(error)
    yield hosts
    hosts.stop()


def hybrid(lab: Lab) -> list[dict[str, Any]]:
    """A cluster of these machines with containerd, several networks and a proxy."""
    first, *others = (lab.address(one) for one in lab.hosts)
    found = cluster("prod", "hybrid", "1.9.0", nodes=[first], services=["10.96.0.0/20"])
    found["spec"]["clusterNetwork"]["multipleNetworkInterfaces"] = True
    found["spec"]["proxy"] = {"url": f"http://ops:{PASSWORD}@192.0.2.9:3128"}
    space = "cluster-prod"
    machines = [machine(lab.address(one), space) for one in lab.hosts]
    return [
        namespace(space),
        found,
        node_pool("prod", *others),
        *machines,
        *(node(one, lab.address(one)) for one in lab.hosts),
    ]


@pytest.fixture(scope="module")
def run(nodes: Lab, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """One run, in the network of the hosts: their cluster's API server is there as well."""
    place = tmp_path_factory.mktemp("state")
    with nodes.entered():
        try:
            plane = ControlPlane().start()
        except ControlPlaneUnavailable as reason:
            impossible(LabError(str(reason)))
        try:
            plane.apply(*BARE_METAL, *hybrid(nodes))
            change = {
                "profile": "anthos-bare-metal-1.10",
                "clusters": {"prod": {"kubeconfig": str(plane.kubeconfig(context="prod")), "role": "hybrid"}},
                "hosts": {
                    one: {"connection": f"ssh://ops@{one}", "roles": ["worker"], "cluster": "prod"}
                    for one in nodes.hosts
                },
                "ssh": {"config": str(nodes.ssh_config), "sudo": True},
            }
            path = place / "change.yaml"
            path.write_text(yaml.safe_dump(change), encoding="utf-8")
            found = preflight(f"--change={path}", f"--save-snapshot={place / 'kept.json'}", cwd=place)
        finally:
            plane.close()
    for said in (*found.texts.values(), (place / "kept.json").read_text(encoding="utf-8")):
        assert PASSWORD not in said
        assert "PRIVATE KEY" not in said
    return found


def lines_of(finding: dict[str, Any]) -> list[str]:
    return [line for one in finding["evidence"] for line in one["lines"]]


@pytest.mark.real(CSR)
def test_certificates_that_come_to_their_end(run: Result) -> None:
    found = run.finding(CSR, "prod")
    assert found["outcome"] == "warning", found
    assert "wk-ends: the kubelet's client certificate expires in 11 days 23 hours" in found["message"]
    assert "wk-bare: the kubelet's serving certificate expires in 19 days 23 hours" in found["message"]
    assert "wk-fine" not in found["message"]
    assert "wk-login" not in found["message"]
    assert {one["subject"] for one in found["evidence"] if one["lines"]} == {"wk-ends", "wk-bare"}
    assert all(one.startswith("notAfter=") for one in lines_of(found))


@pytest.mark.real(PROXY)
def test_nodes_whose_no_proxy_lacks_the_services(run: Result) -> None:
    found = run.finding(PROXY, "prod")
    assert found["outcome"] == "hazard", found
    assert f"wk-ends: NO_PROXY ({DROP_IN}) does not cover 10.96.0.0/20" in found["message"]
    assert f"wk-bare: NO_PROXY is not set ({DROP_IN})" in found["message"]
    assert "wk-fine" not in found["message"]
    assert "wk-login" not in found["message"]
    assert "a 10.96.0.0/21" in lines_of(found)
