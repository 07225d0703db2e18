"""Makes `examples/troubled-anthos.snapshot.json`: real API servers and real hosts, in trouble as the documents describe.

    python -m tests.clusters.make_example

Needs root and what the labs need. The addresses are those set aside for documentation (RFC 5737): in the network of the
lab of hosts, which is nobody else's, the hosts have them and the API servers answer there.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import yaml

from tests.clusters import anthos
from tests.clusters.anthos import cluster, machines, namespace, node, node_pool, secret
from tests.lab.controlplane import Authority, ControlPlane
from tests.lab.hosts import HostSpec, Lab, UserSpec
from tests.running import Result, preflight

__all__ = ["EXAMPLE", "make"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "troubled-anthos.snapshot.json"
ADMIN_VIP, STORE_1_VIP, STORE_2_VIP = "192.0.2.8", "198.51.100.8", "203.0.113.8"
#: Host -> its address.
HOSTS = {"admin-station": "192.0.2.5", "store-1-cp-1": "198.51.100.11", "store-1-wk-1": "198.51.100.12"}
OS_RELEASE = """\
NAME="Ubuntu"
VERSION="20.04.4 LTS (Focal Fossa)"
ID=ubuntu
ID_LIKE=debian
PRETTY_NAME="Ubuntu 20.04.4 LTS"
VERSION_ID="20.04"
"""
FSTAB = """\
/dev/sda2 / ext4 defaults 0 1
{tmp}"""
NOEXEC = "tmpfs /tmp tmpfs rw,nosuid,nodev,noexec,relatime 0 0\n"
#: The root of a host of the lab, and what it would be on a machine of its own.
_OVERLAY = re.compile(r"overlay / overlay rw,relatime,[^ ]*")
_ROOT = "/dev/sda2 / ext4 rw,relatime"

OLD, NEW = "v1.18.20-gke.3000", "v1.20.9-gke.102"
CHANGE = {
    "profile": "anthos-bare-metal-1.9",
    "clusters": {
        "prod-admin": {"kubeconfig": "prod-admin.kubeconfig", "role": "admin"},
        "store-1": {"kubeconfig": "store-1.kubeconfig", "role": "user", "admin": "prod-admin"},
        "store-2": {"role": "user", "admin": "prod-admin"},
    },
    "hosts": {
        "admin-station": {"connection": "ssh://ops@admin-station", "roles": ["workstation"]},
        "store-1-cp-1": {"connection": "ssh://ops@store-1-cp-1", "roles": ["control-plane"], "cluster": "store-1"},
        "store-1-wk-1": {"connection": "ssh://ops@store-1-wk-1", "roles": ["worker"], "cluster": "store-1"},
    },
    "ssh": {"config": "ssh_config", "known_hosts": "known_hosts"},
}


def make(target: Path = EXAMPLE) -> Result:
    """Build the fleet, look at it, and keep what was read."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="example-")))
        admin, store = stack.enter_context(ControlPlane()), stack.enter_context(ControlPlane())
        _fill_admin(admin)
        _fill_store(store)
        lab = stack.enter_context(_hosts())
        _readdress(lab)
        for plane, vip, name in ((admin, ADMIN_VIP, "prod-admin"), (store, STORE_1_VIP, "store-1")):
            stack.enter_context(_relay(lab, vip, plane))
            _kubeconfig(plane, vip, name, place)
        (place / "ssh_config").write_text(_ssh_config(lab), "utf-8")
        shutil.copy(lab.known_hosts, place / "known_hosts")
        (place / "upgrade.yaml").write_text(yaml.safe_dump(CHANGE, sort_keys=False), "utf-8")
        with lab.entered():
            run = preflight("--change=upgrade.yaml", "--save-snapshot=kept.json", cwd=place)
        target.parent.mkdir(exist_ok=True)
        text = _OVERLAY.sub(_ROOT, (place / "kept.json").read_text("utf-8"))
        target.write_text(json.dumps(json.loads(text), indent=1, ensure_ascii=False) + "\n", "utf-8")
        target.chmod(0o644)
        shutil.rmtree(place / "reports")
    return run


def _fill_admin(plane: ControlPlane) -> None:
    """The admin cluster's objects, and those of the user clusters that it manages."""
    own, others = plane.authority.pem, Authority("store-1 CA").pem
    plane.apply(*anthos.BARE_METAL, *(namespace(f"cluster-{one}") for one in ("prod-admin", "store-1", "store-2")))
    plane.apply(anthos.cluster_info(f"https://{ADMIN_VIP}:443", own))
    plane.apply(cluster("prod-admin", "admin", nodes=["192.0.2.11"], vip=ADMIN_VIP))
    plane.apply(*machines("cluster-prod-admin", "192.0.2.11"), node("prod-admin-cp-1", "192.0.2.11", NEW, master=True))

    store_1 = [f"198.51.100.{last}" for last in (11, 12, 13, 14, 15)]
    pools = {"services": ["198.51.100.200-198.51.100.219"]}
    plane.apply(cluster("store-1", nodes=store_1[:1], vip=STORE_1_VIP, ingress="198.51.100.200", pools=pools))
    plane.apply(node_pool("store-1", *store_1[1:]))
    plane.apply(*machines("cluster-store-1", *store_1, maintenance=store_1[2:4]))
    plane.apply(secret("store-1", anthos.kubeconfig_text("store-1", f"https://{STORE_1_VIP}:443", others)))

    store_2 = [f"203.0.113.{last}" for last in (11, 12)]
    pools = {"services": ["203.0.113.200/29"], "cameras": ["198.51.100.216/29"]}
    plane.apply(cluster("store-2", nodes=store_2[:1], vip=STORE_2_VIP, ingress="203.0.113.200", pools=pools))
    plane.apply(node_pool("store-2", *store_2[1:]), *machines("cluster-store-2", *store_2))
    plane.apply(secret("store-2", anthos.kubeconfig_text("prod-admin", f"https://{ADMIN_VIP}:443", own)))


def _fill_store(plane: ControlPlane) -> None:
    """The nodes of store-1, some of which stayed behind."""
    plane.apply(node("store-1-cp-1", "198.51.100.11", NEW, master=True))
    for number, kubelet in enumerate((OLD, NEW, OLD, NEW), 1):
        plane.apply(node(f"store-1-wk-{number}", f"198.51.100.{11 + number}", kubelet))


def _hosts() -> Lab:
    def host(name: str, tmp: str = "", **more: Any) -> HostSpec:
        files = {"/etc/os-release": OS_RELEASE, "/etc/fstab": FSTAB.format(tmp=tmp)}
        return HostSpec(name, files=files, users=(UserSpec("ops"),), **more)

    specs = [host(name) for name in HOSTS if name != "store-1-wk-1"]
    return Lab().start([*specs, host("store-1-wk-1", NOEXEC, noexec_tmp=True)])


def _readdress(lab: Lab) -> None:
    """Give the hosts addresses of the documentation, and this side some in each of their networks."""
    for name, address in HOSTS.items():
        done = lab.inside(name, f"ip addr flush dev eth0 && ip addr add {address}/24 dev eth0")
        assert done.returncode == 0, done.stderr
    for vip in (ADMIN_VIP, STORE_1_VIP):
        done = lab.run(["ip", "addr", "add", f"{vip}/24", "dev", "br0"])
        assert done.returncode == 0, done.stderr


def _ssh_config(lab: Lab) -> str:
    own = "".join(f"Host {name}\n  HostName {address}\n  HostKeyAlias {name}\n" for name, address in HOSTS.items())
    return f"{own}Host *\n  User ops\n  IdentityFile {lab.identity}\n  IdentitiesOnly yes\n"


def _kubeconfig(plane: ControlPlane, vip: str, name: str, place: Path) -> None:
    path = plane.kubeconfig(context=name, path=place / f"{name}.kubeconfig", server=f"https://{vip}:443")
    document = yaml.safe_load(path.read_text("utf-8"))
    document["clusters"][0]["cluster"]["tls-server-name"] = "localhost"  # whom the lab's certificate is for
    path.write_text(yaml.safe_dump(document), "utf-8")


@contextmanager
def _relay(lab: Lab, address: str, plane: ControlPlane) -> Iterator[None]:
    """Answer at an address inside the lab's network in place of an API server outside of it."""
    with lab.entered():
        listener = socket.create_server((address, 443))  # which stays in the network where it was made
    port = int(plane.url.rpartition(":")[2])
    threads = []

    def accept() -> None:
        with suppress(OSError):
            while True:
                near, _ = listener.accept()
                threads.append(threading.Thread(target=_pass_on, args=(near, port)))
                threads[-1].start()

    with listener:
        threads.append(threading.Thread(target=accept))
        threads[0].start()
        yield
        listener.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join()


def _pass_on(near: socket.socket, port: int) -> None:
    with near, socket.create_connection(("127.0.0.1", port)) as far:
        back = threading.Thread(target=_pump, args=(far, near))
        back.start()
        _pump(near, far)
        back.join()


def _pump(one: socket.socket, other: socket.socket) -> None:
    with suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    with suppress(OSError):
        other.shutdown(socket.SHUT_WR)


if __name__ == "__main__":
    made = make()
    sys.stdout.write(f"{made}\n{EXAMPLE}: {EXAMPLE.stat().st_size:,} bytes\n")
