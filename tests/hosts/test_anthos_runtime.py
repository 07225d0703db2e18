"""The container runtime and its surroundings on real hosts: `pytest --profile anthos-bare-metal-1.9` finds what is wrong there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.clusters import anthos
from tests.clusters.crds import BARE_METAL
from tests.hosts.conftest import impossible
from tests.lab.controlplane import ControlPlane
from tests.lab.controlplane.fixtures import control_plane  # noqa: F401 - a fixture
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.lab.standard import CENTOS_RELEASE
from tests.running import Result, preflight

pytestmark = pytest.mark.root

PROFILE = "anthos-bare-metal-1.9"
PLEG, DOCKER, LABEL = "abm-pleg-unhealthy", "abm-docker-inactive", "abm-selinux-tmpfs-label"
OFFLOAD, LEFT = "abm-vmxnet3-offload", "abm-reset-leftovers"
SECRET = "token-that-must-stay-on-the-host"

# A kubelet that logs; what it is told on its command line must not stand in the journal, nor in a report.
KUBELET = f"""\
#!/bin/sh
echo 'Starting kubelet {SECRET}'
echo 'skipping pod synchronization - [container runtime status check may not have completed yet, PLEG is not healthy: pleg has yet to be successful]'
[ -e /srv/sick ] || exec sleep infinity
for second in 1 2 3; do
echo "skipping pod synchronization - PLEG is not healthy: pleg was last seen active 3m$second.79s ago; threshold is 3m0s"
done
echo "error setting label on mount source '/var/lib/kubelet/pods/6d94/volumes/x': failed to set file label on /var/lib/kubelet/pods/6d94: permission denied"
"""
# The argument vector is that of the process that runc starts, and like it it waits for somebody to open a FIFO.
STUCK = "cd /srv && mkfifo init && systemd-run --quiet --working-directory=/srv /bin/bash -c 'exec -a runc cat init'"
AVC = (
    'type=AVC msg=audit(1627410995.808:9534): avc:  denied  { associate } for pid=20660 comm="dockerd" name="/" '
    'dev="tmpfs" ino=186492 tclass=filesystem permissive=0'
)
AUSEARCH = (
    f"#!/bin/sh\n[ \"$*\" = '--input-logs -m avc --start yesterday' ] && echo '{AVC}' && echo 'type=SYSCALL {SECRET}'\n"
)
SERVICE = "[Service]\nExecStart=/bin/sleep infinity\n"


def program(text: str) -> tuple[str, int, str]:
    return (f"#!/bin/sh\n{text}\n", 0o755, "root")


def unit(command: str) -> str:
    return f"[Service]\nExecStart={command}\n"


#: What an interface of VMXNET3 looks like in sysfs; ethtool asks the kernel itself.
VMXNET3 = (
    "mkdir -p /srv/drivers/vmxnet3 /srv/net/eth0/device",
    "ln -s /srv/drivers/vmxnet3 /srv/net/eth0/device/driver",
)
COMMON = {
    "/usr/local/bin/fake-kubelet": (KUBELET, 0o755, "root"),
    "/etc/systemd/system/kubelet.service": unit("/usr/local/bin/fake-kubelet"),
}
SICK = HostSpec(
    "sick",
    init="systemd",
    files={
        **COMMON,
        "/srv/sick": "",
        "/usr/bin/runc": program("echo 'runc version 1.1.4-0ubuntu1~20.04'"),
        "/usr/local/sbin/runc": program("echo 'runc version 1.0.0-rc93'; echo 'spec: 1.0.2-dev'"),
        "/usr/local/bin/docker": program("echo 'Emulate Docker CLI using podman.'"),
        "/etc/os-release": CENTOS_RELEASE,
        "/etc/redhat-release": "CentOS Linux release 8.2.2004 (Core) \n",
        "/usr/sbin/ausearch": (AUSEARCH, 0o755, "root"),
    },
    users=(UserSpec("ops", sudo="ALL=(root) NOPASSWD: ALL"), UserSpec("nosudo")),
    prestart=VMXNET3,
)
HEALTHY = HostSpec(
    "healthy",
    init="systemd",
    files={
        **COMMON,
        "/usr/local/sbin/runc": program("echo 'runc version 1.0.0-rc95'"),
        "/usr/bin/docker": program("true"),
        "/etc/systemd/system/docker.service": unit("/bin/sleep infinity"),
    },
    prestart=VMXNET3,
)
RESET = HostSpec(
    "reset",
    init="systemd",
    files={
        "/etc/containerd/config.toml": "version = 2\n[plugins]\n",
        "/usr/bin/containerd": program("exec sleep infinity"),
        "/etc/systemd/system/containerd.service": unit("/usr/bin/containerd"),
        "/opt/bin/docker": program("true"),
    },
)
PLAIN = HostSpec("plain")


@pytest.fixture(scope="module")
def machines() -> Iterator[Lab]:
    hosts = Lab()
    try:
        hosts.start([SICK, HEALTHY, RESET, PLAIN])
    except LabError as error:
        impossible(error)
    done(hosts, "sick", "systemctl start kubelet", STUCK)
    done(hosts, "sick", "mount --bind /srv/net /sys/class/net")
    # The directory of selinuxfs is the kernel's to make; the cgroups beside it have to stay.
    done(
        hosts,
        "sick",
        "mkdir /srv/kept && mount --rbind /sys/fs/cgroup /srv/kept && mount -t tmpfs none /sys/fs",
        "mkdir /sys/fs/cgroup /sys/fs/selinux && mount --rbind /srv/kept /sys/fs/cgroup && echo 1 >/sys/fs/selinux/enforce",
    )
    done(hosts, "healthy", "systemctl start kubelet docker", "mount --bind /srv/net /sys/class/net")
    done(hosts, "healthy", "ethtool -K eth0 tx-udp_tnl-segmentation off tx-udp_tnl-csum-segmentation off")
    done(hosts, "reset", "systemctl start containerd")
    yield hosts
    hosts.stop()


def done(lab: Lab, name: str, *commands: str) -> None:
    """Run commands as root on a host, each of which has to succeed."""
    for command in commands:
        result = lab.inside(name, command)
        assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"


def change(directory: Path, lab: Lab, **keys: object) -> Path:
    """A change file over all these hosts, and over logins that may more or less."""
    logins = {name: name for name in lab.hosts} | {"by-sudo": "ops@sick", "by-nobody": "nosudo@sick"}
    hosts = {
        name: {
            "connection": f"ssh://{target}",
            "roles": ["worker"],
            **({"cluster": "prod"} if "clusters" in keys else {}),
        }
        for name, target in logins.items()
    }
    text = {
        "profile": PROFILE,
        "ssh": {"config": str(lab.ssh_config), "sudo": True},
        "hosts": hosts,
        "parameters": {"runc-init-seconds": 0},
        **keys,
    }
    path = directory / "upgrade.yaml"
    path.write_text(yaml.safe_dump(text), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runtime")


@pytest.fixture(scope="module")
def run(machines: Lab, place: Path) -> Result:
    """One run over all hosts, kept."""
    with machines.entered():
        return preflight(
            "--change", change(place, machines), "--examine=hosts", "--save-snapshot=hosts.json", cwd=place
        )


def outcomes(run: Result, hazard: str) -> dict[str, str]:
    return {name: outcome for (one, name), outcome in run.outcomes.items() if one == hazard}


def lines(run: Result, hazard: str, subject: str) -> list[str]:
    return [line for one in run.finding(hazard, subject)["evidence"] for line in one["lines"]]


@pytest.mark.real(PLEG)
def test_pleg_and_a_stuck_runc(run: Result) -> None:
    assert outcomes(run, PLEG) == {
        "sick": "warning",
        "by-sudo": "warning",
        "by-nobody": "warning",  # the journal is closed to them; what else is wrong is not
        "healthy": "clear",
        "reset": "clear",
        "plain": "unknown",  # it has no journal
    }
    for name in ("sick", "by-sudo"):
        seen = lines(run, PLEG, name)
        assert re.findall(r"last seen active 3m(\d)\.79s", "\n".join(seen)) == ["1", "2", "3"]
        assert any(line.endswith("runc init") for line in seen)
        assert "/usr/local/sbin/runc: runc version 1.0.0-rc93" in seen
    assert not any("last seen active" in line for line in lines(run, PLEG, "by-nobody"))
    assert "kill -9 " in run.finding(PLEG, "sick")["remedy"]
    assert "keeps no journal" in run.finding(PLEG, "plain")["message"]


@pytest.mark.real(DOCKER)
def test_docker_without_its_service(run: Result) -> None:
    found = outcomes(run, DOCKER)
    assert found == {
        "sick": "hazard",
        "by-sudo": "hazard",
        "by-nobody": "hazard",
        "healthy": "clear",
        "reset": "clear",  # its docker is on nobody's PATH
        "plain": "clear",
    }
    assert "rm /usr/local/bin/docker" in run.finding(DOCKER, "sick")["remedy"]


@pytest.mark.real(LABEL)
def test_labels_on_tmpfs(run: Result) -> None:
    found = outcomes(run, LABEL)
    assert found == {
        **dict.fromkeys(("sick", "by-sudo", "by-nobody"), "warning"),
        **dict.fromkeys(("healthy", "reset", "plain"), "not-applicable"),
    }
    seen = lines(run, LABEL, "by-sudo")
    assert AVC in seen
    assert any("error setting label on mount source" in line for line in seen)
    assert "could not be read" in run.finding(LABEL, "by-nobody")["message"]


@pytest.mark.real(OFFLOAD)
def test_hardware_offload(run: Result) -> None:
    assert outcomes(run, OFFLOAD) == {
        **dict.fromkeys(("sick", "by-sudo", "by-nobody"), "hazard"),
        "healthy": "clear",
        **dict.fromkeys(("reset", "plain"), "not-applicable"),
    }
    assert lines(run, OFFLOAD, "sick") == [
        "eth0 (vmxnet3): tx-udp_tnl-segmentation: on",
        "eth0 (vmxnet3): tx-udp_tnl-csum-segmentation: on",
    ]
    assert "ethtool -K eth0 tx-udp_tnl-csum-segmentation off" in run.finding(OFFLOAD, "sick")["remedy"]


def test_nothing_but_what_matters_leaves_a_host(run: Result, place: Path) -> None:
    for name, text in {**run.texts, "the snapshot": (place / "hosts.json").read_text(encoding="utf-8")}.items():
        assert SECRET not in text, name
        assert "mistake in it" not in text, name


@pytest.mark.real(LEFT)
def test_what_an_earlier_cluster_left(run: Result, machines: Lab, place: Path, request: pytest.FixtureRequest) -> None:
    # The hosts are in the lab's network and the API server is not: each side is read where it is, and decided together.
    plane: ControlPlane = request.getfixturevalue("control_plane")
    plane.apply(*BARE_METAL, keep=True)
    try:
        plane.apply(anthos.node("10.77.1.99", "10.77.1.99"), anthos.node("healthy", machines.address("healthy")))
        kubeconfig = plane.kubeconfig(context="prod", path=place / "prod.kubeconfig")
        clusters = {"prod": {"kubeconfig": str(kubeconfig), "role": "standalone"}}
        file = change(place, machines, clusters=clusters, upgrade={"from": "1.8.3"})
        preflight("--change", file, "--examine=clusters", "--save-snapshot=clusters.json", cwd=place)
        both = preflight("--change", file, "--snapshot=hosts.json", "--snapshot=clusters.json", cwd=place)
    finally:
        plane.reset()
    assert run.finding(LEFT, "reset")["outcome"] == "unknown"
    assert outcomes(both, LEFT) == {
        "reset": "warning",
        "healthy": "not-applicable",
        **dict.fromkeys(("sick", "by-sudo", "by-nobody"), "clear"),
        "plain": "unknown",
    }
    assert "containerd.service: ActiveState=active" in lines(both, LEFT, "reset")
    assert "/etc/containerd" in both.finding(LEFT, "reset")["remedy"]
