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
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import yaml

from tests.clusters import example_fleet as fleet
from tests.lab import rootfs
from tests.lab.controlplane import ControlPlane
from tests.lab.hosts import Lab
from tests.running import Result, preflight

__all__ = ["EXAMPLE", "make"]

EXAMPLE = Path(__file__).parents[2] / "examples" / "troubled-anthos.snapshot.json"
#: The root of a host of the lab, and what it would be on a machine of its own.
_OVERLAY = re.compile(r"overlay / overlay rw,relatime,[^ ]*")
_ROOT = "/dev/sda2 / ext4 rw,relatime"

#: The login user's rule on this node was made before certificates were looked at.
OLD_RULE, NEWER = "store-2-wk-1", ("/bin/ls", "/usr/bin/openssl")


def make(target: Path = EXAMPLE) -> Result:
    """Build the fleet, look at it, and keep what was read."""
    with ExitStack() as stack:
        place = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="example-")))
        with ThreadPoolExecutor() as pool:  # each takes its time to get up
            begun = pool.map(lambda _: stack.enter_context(ControlPlane()), fleet.PLANES)
        planes = dict(zip(fleet.PLANES, begun, strict=True))
        lab = stack.enter_context(Lab(images=[rootfs.image("openssl")]).start(fleet.hosts()))
        _readdress(lab)
        fleet.fill(planes)
        for name, plane in planes.items():
            stack.enter_context(_relay(lab, fleet.VIPS[name], plane))
            _kubeconfig(plane, fleet.VIPS[name], name, place)
        (place / "ssh_config").write_text(_ssh_config(lab), "utf-8")
        shutil.copy(lab.known_hosts, place / "known_hosts")
        (place / "upgrade.yaml").write_text(yaml.safe_dump(fleet.CHANGE, sort_keys=False), "utf-8")
        _allow(lab, preflight("--change=upgrade.yaml", "--plan=sudoers", cwd=place).out)
        host, path, text = fleet.RP_FILTER
        _inside(lab, host, f"cat >{path}", text)
        with lab.entered():
            run = preflight("--change=upgrade.yaml", "--save-snapshot=kept.json", cwd=place)
        target.parent.mkdir(exist_ok=True)
        kept = _OVERLAY.sub(_ROOT, (place / "kept.json").read_text("utf-8"))
        target.write_text(json.dumps(json.loads(kept), indent=1, ensure_ascii=False) + "\n", "utf-8")
        target.chmod(0o644)
        shutil.rmtree(place / "reports")
    return run


def _allow(lab: Lab, printed: str) -> None:
    """Give the login users of the nodes the rights that the plan asks for, and no more; one of them only a part."""
    rules = [one.replace("LOGIN ", "ops ") for one in printed.splitlines() if one.startswith("LOGIN ")]
    assert rules, printed
    for name in fleet.NODES:
        held = [one for one in rules if name != OLD_RULE or not any(word in one for word in NEWER)]
        _inside(
            lab, name, "cat >/etc/sudoers.d/preflight && visudo -cqf /etc/sudoers.d/preflight", "\n".join(held) + "\n"
        )


def _inside(lab: Lab, name: str, command: str, text: str = "") -> None:
    done = lab.inside(name, command, input=text)
    assert done.returncode == 0, f"{name}: {command}: {done.stdout}{done.stderr}"


def _readdress(lab: Lab) -> None:
    """Give the hosts addresses of the documentation, and this side some in each of their networks."""
    for name, address in fleet.ADDRESSES.items():
        _inside(lab, name, f"ip addr flush dev eth0 && ip addr add {address}/24 dev eth0")
    for vip in fleet.VIPS.values():
        done = lab.run(["ip", "addr", "add", f"{vip}/24", "dev", "br0"])
        assert done.returncode == 0, done.stderr


def _ssh_config(lab: Lab) -> str:
    own = "".join(
        f"Host {name}\n  HostName {address}\n  HostKeyAlias {name}\n" for name, address in fleet.ADDRESSES.items()
    )
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
