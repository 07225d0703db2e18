"""The process that a lab is: `python -m tests.lab.warden INSTANCE`.

It lives in a network and a mount namespace of its own, which hold the bridge, the root file system and the
hosts' disks, and it is the parent of every host. So the kernel takes all of it away when this process ends,
however that happens: hosts die with their parent, namespaces with their last process. It ends on SIGTERM
and, unless the lab is to stay, when the process that started it ends: the write end of its standard input
is then closed.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
import traceback
from pathlib import Path

from tests.lab import boot, cgroups, rootfs
from tests.lab import namespaces as ns
from tests.lab.spec import HostSpec, Plan

BRIDGE_ADDRESS = "10.77.0.1/16"
DISKS = "disks"
"""Below the instance directory, seen in the warden's mount namespace only: one directory per host."""
CGROUPS = "cgroups.json"
PLAN = "plan.json"


class Warden:
    """The parent of the hosts of one lab."""

    def __init__(self, instance: Path) -> None:
        self.instance = instance
        self.plan = Plan.load(instance / PLAN)
        self.disks = instance / DISKS
        self.pids: dict[str, int] = {}
        self.cgroups: list[Path] = []
        self.lower = ""

    def prepare(self) -> None:
        """Make the namespaces, the bridge and the disks; as yet without a host."""
        ns.unshare(ns.NEW_MOUNT | ns.NEW_NET)
        ns.remount("/", ns.RECURSIVE | ns.PRIVATE)
        ns.mount("tmpfs", self.disks, data="mode=755")
        self.lower = ":".join(
            str(rootfs.mount_image(Path(image), point))
            for image, point in zip(self.plan.images, self._lowers, strict=True)
        )
        boot.ip_batch(
            "link set lo up",
            "link add br0 type bridge",
            "link set br0 up",
            f"addr add {BRIDGE_ADDRESS} dev br0",
        )

    def start(self, deadline: float) -> None:
        """Start every host and wait until its sshd answers."""
        own_pids = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        trees: cgroups.Trees = {}
        if any(host.init == "systemd" for host in self.plan.hosts):
            trees = cgroups.attach(self.disks / ".cgroups")
        ready_in, ready_out = os.pipe()
        go_in, go_out = os.pipe()
        rendezvous = boot.Rendezvous(ready_out, go_in)
        for host in self.plan.hosts:
            made = cgroups.create(trees, self._cgroup_name(host), host.cgroup) if host.init == "systemd" else []
            self._note_cgroups(made)
            ns.unshare(ns.NEW_PID)
            self.pids[host.name] = self._fork(host, made, rendezvous)
            ns.set_namespace(own_pids, ns.NEW_PID)  # else the next host would be a child of this one
        self._await_bytes(ready_in, len(self.pids), deadline)
        links = []
        for number, pid in enumerate(self.pids.values()):
            links.append(f"link add v{number} type veth peer name eth0 netns {pid}")
            links.append(f"link set v{number} master br0 up")
        boot.ip_batch(*links)
        os.write(go_out, b"g" * len(self.pids))
        self._await_bytes(ready_in, len(self.pids), deadline)
        for descriptor in (own_pids, ready_in, ready_out, go_in, go_out):
            os.close(descriptor)
        for host in self.plan.hosts:
            self._await_banner(host.name, deadline)

    def serve(self) -> None:
        """Wait for the end: SIGTERM, or the end of the process that started the lab."""
        wake_in, wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_out)
        ended = []
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: ended.append(True))
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        sources = [wake_in] if (self.instance / "stays").exists() else [wake_in, sys.stdin.fileno()]
        while not ended:
            readable, _, _ = select.select(sources, [], [])
            if sys.stdin.fileno() in readable:
                return
            os.read(wake_in, 4096)
            self._reap()

    def end(self) -> None:
        """End every host, and remove what the kernel does not remove by itself."""
        for pid in self.pids.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for pid in self.pids.values():
            with contextlib.suppress(ChildProcessError):
                os.waitpid(pid, 0)  # answers only when the host's last process has gone
        left = cgroups.remove(self.cgroups)
        if left:
            raise OSError(f"could not remove the cgroups {', '.join(map(str, left))}; they hold nothing any more")
        os.chdir("/")
        for path in (*self._lowers, self.disks):
            if os.path.ismount(path):
                ns.unmount(path)
        shutil.rmtree(self.instance, ignore_errors=True)

    @property
    def _lowers(self) -> list[Path]:
        """Where the parts of the shared root file system are mounted."""
        return [self.disks / f".lower{number}" for number in range(len(self.plan.images))]

    def _fork(self, host: HostSpec, own_cgroups: list[Path], rendezvous: boot.Rendezvous) -> int:
        directory = self.disks / host.name
        for name in ("upper", "work", "root"):
            (directory / name).mkdir(parents=True)
        pid = os.fork()
        if pid:
            return pid
        try:
            log = os.open(self._log(host.name), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            null = os.open(os.devnull, os.O_RDONLY)
            for source, target in ((null, 0), (log, 1), (log, 2)):
                os.dup2(source, target)
            boot.boot(host, self.plan, self.lower, directory, own_cgroups, rendezvous)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)

    def _await_bytes(self, descriptor: int, count: int, deadline: float) -> None:
        while count:
            readable, _, _ = select.select([descriptor], [], [], 0.1)
            if readable:
                count -= len(os.read(descriptor, count))
            self._check(deadline, "did not start")

    def _await_banner(self, name: str, deadline: float) -> None:
        while True:
            self._check(deadline, f"{name}: sshd did not answer")
            with (
                contextlib.suppress(OSError),
                socket.create_connection((self.plan.addresses[name], 22), timeout=2) as client,
            ):
                if client.recv(8).startswith(b"SSH-"):
                    return
            time.sleep(0.01)  # nothing announces that a port is listened on in another network namespace

    def _check(self, deadline: float, what: str) -> None:
        """Fail as soon as one host has ended, or the time is up."""
        if signal.SIGTERM in signal.sigpending():
            raise OSError("ended while starting, as it was told to")
        dead = self._reap()
        late = time.monotonic() > deadline
        if not dead and not late:
            return
        logs = []
        for name in dead or self.pids:
            with contextlib.suppress(OSError):
                logs.append(f"{name}: {self._log(name).read_text(errors='replace').strip()[-1500:]}")
        reason = f"{', '.join(dead)} ended while starting" if dead else f"{what} in time"
        raise OSError(f"{reason}\n" + "\n".join(logs)[-6000:])

    def _reap(self) -> list[str]:
        """Take note of hosts that have ended (a test may end one on purpose)."""
        dead = []
        for name, pid in list(self.pids.items()):
            if os.waitpid(pid, os.WNOHANG) != (0, 0):
                del self.pids[name]
                dead.append(name)
        return dead

    def _note_cgroups(self, made: list[Path]) -> None:
        """Write down what has to be removed, early: it may be another process that has to do it."""
        if made:
            self.cgroups += made
            base = self.disks / ".cgroups"
            names = [str(path.relative_to(base)) for path in self.cgroups]
            (self.instance / CGROUPS).write_text(json.dumps(names), encoding="utf-8")

    def _cgroup_name(self, host: HostSpec) -> str:
        return f"preflight-{self.instance.name}-{host.name}"

    def _log(self, name: str) -> Path:
        return self.instance / f"{name}.log"


def sweep_cgroups(instance: Path) -> None:
    """Remove the cgroups of a lab whose warden was killed."""
    noted = instance / CGROUPS
    if not noted.exists():
        return
    ns.unshare(ns.NEW_MOUNT)
    ns.remount("/", ns.RECURSIVE | ns.PRIVATE)
    base = instance / DISKS
    cgroups.attach(base)
    left = cgroups.remove([base / name for name in json.loads(noted.read_text(encoding="utf-8"))])
    if left:
        raise OSError(f"could not remove {', '.join(map(str, left))}")


def main(argv: list[str]) -> int:
    """Run one lab until its end; the first line on standard output says whether it came up."""
    if argv[0] == "sweep":
        sweep_cgroups(Path(argv[1]))
        return 0
    warden = Warden(Path(argv[0]))
    try:
        # Blocked until the handlers are there: a SIGTERM during the start must not leave cgroups behind.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
        try:
            warden.prepare()
            warden.start(time.monotonic() + float(argv[1]))
            report = {"pids": warden.pids}
        except OSError as error:
            print(json.dumps({"error": str(error)}), flush=True)
            return 1
        print(json.dumps(report), flush=True)
        sys.stdout.close()
        warden.serve()
    finally:
        warden.end()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
