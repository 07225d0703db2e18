"""From a freshly forked process to the init of a test host; runs as process 1 of the host's own namespaces.

Everything up to the change of root directory touches only mounts that nobody else sees. Everything after it
happens inside the host, so that no symbolic link of its file system can lead out into the machine.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.lab import cgroups
from tests.lab import namespaces as ns
from tests.lab.spec import HostSpec, Plan

SYSTEMD = "/lib/systemd/systemd"
SSHD = ("/usr/sbin/sshd", "-D", "-e")
SSHD_CONFIG = """\
# Of the test lab: what a site usually adds, and nothing that makes the host quicker than a real one.
HostKey /etc/ssh/ssh_host_ed25519_key
PermitUserEnvironment yes
UseDNS no
"""
ENVIRONMENT = {
    "container": "preflight-lab",  # systemd looks for it to know that hardware is none of its business
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "linux",
}
# What a host's root could do to the whole machine: load modules, reach its ports and memory, set its clock.
_MACHINE_WIDE = (16, 17, 25)  # CAP_SYS_MODULE, CAP_SYS_RAWIO, CAP_SYS_TIME
_DEVICES = {
    "null": (1, 3),
    "zero": (1, 5),
    "full": (1, 7),
    "random": (1, 8),
    "urandom": (1, 9),
    "tty": (5, 0),
}
_LINKS = {"ptmx": "pts/ptmx", "fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}


@dataclass(frozen=True)
class Rendezvous:
    """The pipes by which the hosts of a lab and their warden wait for each other: one byte for each host."""

    ready: int
    go: int

    def wait_for_cable(self) -> None:
        """Say that there is a network namespace, and wait until the warden has put eth0 into it."""
        os.write(self.ready, b"r")
        if not os.read(self.go, 1):
            raise OSError("the warden has gone")

    def connected(self) -> None:
        """Say that the address answers: asked too early, the kernel waits a second before it asks again."""
        os.write(self.ready, b"c")


def boot(
    host: HostSpec, plan: Plan, lower: str, directory: Path, own_cgroups: Sequence[Path], rendezvous: Rendezvous
) -> None:
    """Become the host; does not return. `directory` is where its disk is, over the directories of `lower`."""
    ns.die_with_parent()
    # Python ignores SIGPIPE and the warden blocks SIGTERM; an init would hand both on to everything that it
    # starts.
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    os.setsid()
    cgroups.enter(own_cgroups)
    ns.unshare(ns.NEW_MOUNT | ns.NEW_UTS | ns.NEW_IPC | ns.NEW_NET | ns.NEW_CGROUP)
    ns.remount("/", ns.RECURSIVE | ns.PRIVATE)
    rendezvous.wait_for_cable()
    address = plan.addresses[host.name]
    ip_batch("link set lo up", f"addr add {address}/16 dev eth0", "link set eth0 up")
    rendezvous.connected()
    ns.set_host_name(host.name)
    root = directory / "root"
    _mount_all(host, lower, directory, root)
    ns.pivot_root(root)
    os.umask(0o022)
    _write_identity(host, plan, address)
    accounts = _accounts()
    for number, user in enumerate(host.users):
        _add_user(host, number, plan.public_key)
        accounts[user.name] = (1001 + number, 1001 + number)
    for path, file in host.files.items():
        content, mode, owner = (file, 0o644, "root") if isinstance(file, str) else file
        write(path, content, mode, accounts[owner])
    if host.prestart:
        script = "\n".join(["set -e", *host.prestart])
        subprocess.run(["/bin/sh", "-c", script], check=True, env=ENVIRONMENT, stdin=subprocess.DEVNULL)
    for capability in _MACHINE_WIDE:
        ns.give_up(capability)
    if host.uname26:
        ns.answer_like_linux_2_6()
    os.execve(*_init(host), ENVIRONMENT)


def ip_batch(*lines: str) -> None:
    """Run ip(8) commands in the calling process's network namespace, all or an error."""
    done = subprocess.run(
        ["ip", "-batch", "-"],
        input="\n".join(lines),
        text=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode != 0:
        raise OSError(f"ip -batch failed: {done.stderr.strip()}")


def write(path: str, content: str, mode: int = 0o644, owner: tuple[int, int] = (0, 0)) -> None:
    """Put a file in place of whatever is there, a link too; missing directories get the same owner."""
    target = Path(path)
    for parent in reversed(target.parents):
        if not parent.exists():
            parent.mkdir()
            os.chown(parent, *owner)
    target.unlink(missing_ok=True)
    target.touch(mode=0o600)
    target.write_text(content, encoding="utf-8")
    os.chown(target, *owner)
    target.chmod(mode)


def _mount_all(host: HostSpec, lower: str, directory: Path, root: Path) -> None:
    layers = f"lowerdir={lower},upperdir={directory / 'upper'},workdir={directory / 'work'}"
    ns.mount("overlay", root, data=layers)
    hard = ns.NO_SUID | ns.NO_DEV | ns.NO_EXEC
    ns.mount("proc", root / "proc", flags=hard)
    ns.mount("sysfs", root / "sys", flags=hard)
    cgroups.mount_in_host(root, host.cgroup, read_only=host.init != "systemd")
    _protect_machine(root)
    dev = root / "dev"
    ns.mount("tmpfs", dev, flags=ns.NO_SUID, data="mode=755,size=1m")
    ns.mount("devpts", dev / "pts", flags=ns.NO_SUID | ns.NO_EXEC, data="newinstance,ptmxmode=0666,mode=620,gid=5")
    ns.mount("tmpfs", dev / "shm", flags=ns.NO_SUID | ns.NO_DEV)
    for name, numbers in _DEVICES.items():
        os.mknod(dev / name, stat.S_IFCHR | 0o666, os.makedev(*numbers))
        (dev / name).chmod(0o666)  # the umask took part of it
    for name, target in _LINKS.items():
        (dev / name).symlink_to(target)
    ns.mount("tmpfs", root / "run", flags=ns.NO_SUID | ns.NO_DEV, data="mode=755")
    if host.cgroup in ("v1", "hybrid"):
        cgroups.hide_idle_controllers(root)
    (root / "run/sshd").mkdir(mode=0o755)
    (root / "run/lock").mkdir(mode=0o755)
    if host.noexec_tmp:
        ns.mount("tmpfs", root / "tmp", flags=hard, data="mode=1777")


def _protect_machine(root: Path) -> None:
    """Make read-only what hosts share with the machine: a booting systemd sets kernel parameters."""
    parameters = root / "proc/sys"
    ns.bind(parameters, parameters)
    ns.bind(parameters / "net", parameters / "net")  # these are the host's own, and stay writable
    protected = [parameters, root / "sys"]
    trigger = root / "proc/sysrq-trigger"
    if trigger.exists():
        ns.bind(trigger, trigger)
        protected.append(trigger)
    for point in protected:
        ns.remount(point, ns.REMOUNT | ns.BIND | ns.READ_ONLY | ns.NO_SUID | ns.NO_DEV | ns.NO_EXEC)


def _write_identity(host: HostSpec, plan: Plan, address: str) -> None:
    write("/etc/hostname", f"{host.name}\n")
    write("/etc/hosts", f"127.0.0.1 localhost\n{address} {host.name}\n")
    write("/etc/ssh/ssh_host_ed25519_key", plan.host_keys[host.name], 0o600)
    write("/etc/ssh/sshd_config.d/00-lab.conf", SSHD_CONFIG)
    write("/root/.ssh/authorized_keys", plan.public_key, 0o600)
    for directory in ("/root", "/root/.ssh"):
        Path(directory).chmod(0o700)


def _accounts() -> dict[str, tuple[int, int]]:
    """The ids behind the host's user names; read here, since the machine's own name service knows others."""
    rows = (line.split(":") for line in Path("/etc/passwd").read_text(encoding="utf-8").splitlines())
    return {row[0]: (int(row[2]), int(row[3])) for row in rows}


def _add_user(host: HostSpec, number: int, public_key: str) -> None:
    user = host.users[number]
    uid = 1001 + number
    home = f"/home/{user.name}"
    # "*" is no password that anybody can type, yet not the "!" of a locked account that sshd turns away.
    for path, line in {
        "/etc/passwd": f"{user.name}:x:{uid}:{uid}::{home}:{user.shell}",
        "/etc/group": f"{user.name}:x:{uid}:",
        "/etc/shadow": f"{user.name}:*:19000:0:99999:7:::",
    }.items():
        with Path(path).open("a", encoding="utf-8") as table:
            table.write(line + "\n")
    Path(home).mkdir(mode=0o755)
    os.chown(home, uid, uid)
    if user.key:
        write(f"{home}/.ssh/authorized_keys", public_key, 0o600, (uid, uid))
    if user.env:
        lines = "".join(f"{name}={value}\n" for name, value in user.env.items())
        write(f"{home}/.ssh/environment", lines, 0o600, (uid, uid))
    if user.sudo:
        write(f"/etc/sudoers.d/{user.name}", f"{user.name} {user.sudo}\n", 0o440)


def _init(host: HostSpec) -> tuple[str, list[str]]:
    if host.init == "sshd":
        return SSHD[0], list(SSHD)
    # In a container systemd reads its "kernel command line" from its own arguments. Without these words it
    # mounts a version 2 tree beside version 1, which makes the host a hybrid one.
    words = {
        "v1": ["systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller=1"],
        "hybrid": ["systemd.unified_cgroup_hierarchy=0", "systemd.legacy_systemd_cgroup_controller=0"],
    }
    return SYSTEMD, [SYSTEMD, *words.get(host.cgroup, [])]
