"""A lab of real Linux hosts with a real sshd each, on a network that exists nowhere else.

    with Lab().start([HostSpec("debian"), HostSpec("noexec", noexec_tmp=True)]) as lab:
        lab.run(["ssh", "-F", lab.ssh_config, "noexec", "touch /tmp/x"])

Every host has its own mount, network, process and host name namespaces over one shared root file system.
The hosts' network, 10.77.0.0/16, is a bridge in a network namespace: a client has to be inside it (`run`,
`entered`), since from outside its packets would leave the machine. Any number of labs can run side by side.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import secrets
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from tests.lab import cache, namespaces, rootfs
from tests.lab.spec import Cgroup, File, HostSpec, Init, Plan, UserSpec, addresses
from tests.lab.tools import LabError, require
from tests.lab.warden import DISKS, PLAN

__all__ = ["Cgroup", "File", "HostSpec", "Init", "Lab", "LabError", "UserSpec", "labs"]

INSTANCES = Path("/run/pytest-preflight")
REPOSITORY = Path(__file__).parents[2]
_SSH_CONFIG = """\
# A lab's hosts; they are there inside its network namespace only.
{hosts}
Host *
  Port 22
  User root
  IdentityFile {instance}/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile {instance}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
  # Debian 12's favourite, sntrup761, takes a tenth of a second of each side's time. paramiko does not have
  # it.
  KexAlgorithms ^curve25519-sha256
"""


class Lab:
    """Test hosts that start and end together; with `stays` they outlive this process.

    Their root file system is that of rootfs.image, or made of these squashfs `images`, the first over the next.
    """

    def __init__(self, *, stays: bool = False, images: Sequence[Path] = ()) -> None:
        self.stays = stays
        self._images = images
        self.id = f"{os.getpid()}-{secrets.token_hex(3)}"
        self.directory = INSTANCES / self.id
        self.hosts: list[str] = []
        self._addresses: dict[str, str] = {}
        self._pids: dict[str, int] = {}
        self._warden: subprocess.Popen[str] | None = None
        self._warden_pid = 0
        self._outside: int | None = None

    @classmethod
    def attach(cls, directory: Path) -> Lab:
        """A running lab that some other process started."""
        lab = cls(stays=True)
        lab.id, lab.directory = directory.name, directory
        try:
            known: dict[str, Any] = json.loads((directory / "lab.json").read_text(encoding="utf-8"))
        except OSError as error:
            raise LabError(f"{directory} holds no running lab: {error}") from error
        lab._warden_pid, lab._addresses, lab._pids = known["warden"], known["addresses"], known["pids"]
        lab.hosts = list(lab._addresses)
        return lab

    @property
    def ssh_config(self) -> Path:
        """For ssh -F: every host by its name, user root, host keys verified."""
        return self.directory / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The host keys, by name and by address."""
        return self.directory / "known_hosts"

    @property
    def identity(self) -> Path:
        """The private key that opens root and every user that is to have a key."""
        return self.directory / "id_ed25519"

    @property
    def network(self) -> Path:
        """The network namespace of the lab, as nsenter --net= wants it."""
        return Path(f"/proc/{self._warden_pid}/ns/net")

    def address(self, name: str) -> str:
        """A host's IPv4 address; nothing may be sent there from outside the lab's network namespace."""
        return self._addresses[name]

    def pid(self, name: str) -> int:
        """A host's process 1 as this machine numbers it: to stop it, or to enter the host with nsenter."""
        return self._pids[name]

    def upper(self, name: str) -> Path:
        """The directory that holds all that was ever changed on a host's disk, and nothing else."""
        return Path(f"/proc/{self._warden_pid}/root{self.directory}/{DISKS}/{name}/upper")

    def log(self, name: str) -> str:
        """What a host's init, or its sshd, has said."""
        return (self.directory / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def start(self, specs: Sequence[HostSpec], patience: float = 60.0) -> Self:
        """Start these hosts and return when every sshd answers; a failure leaves nothing behind."""
        self._check_possible(specs)
        sweep()
        require("ip", "nsenter", "ssh")
        images = self._images or [rootfs.image()]
        self.directory.mkdir(parents=True, mode=0o700)
        try:
            self._write_client_files(images, specs)
            self._start_warden(patience)
        except BaseException:
            self.stop()
            raise
        if not self.stays:
            atexit.register(self.stop)
        return self

    def stop(self) -> None:
        """End the hosts and remove everything of the lab; harmless when it has ended already."""
        atexit.unregister(self.stop)
        self.leave()
        if self._warden is not None:
            self._warden.terminate()
            try:
                self._warden.communicate(timeout=30)
            except subprocess.TimeoutExpired:  # its hosts go with it, and _discard sees to the rest
                self._warden.kill()
                self._warden.communicate()
        elif self._warden_pid:
            _terminate(self._warden_pid)
        self._warden, self._warden_pid = None, 0
        _discard(self.directory)

    def let_go(self) -> None:
        """Leave a lab that stays to itself: whoever started it need not wait for its end."""
        if self._warden is not None and self._warden.stdout is not None:
            self._warden.stdout.close()
            # Its end is nobody's to wait for in this process; without this, Popen complains of one that still runs.
            self._warden.returncode = 0
        self._warden = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def enter(self) -> None:
        """Move the calling thread into the lab's network; what it starts from then on follows."""
        if self._outside is None:
            self._outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
            _into(self.network)

    def leave(self) -> None:
        """Move the calling thread back to where it was before `enter`."""
        if self._outside is not None:
            namespaces.set_namespace(self._outside, namespaces.NEW_NET)
            os.close(self._outside)
            self._outside = None

    @contextlib.contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside the lab's network for a while."""
        already = self._outside is not None
        self.enter()
        try:
            yield
        finally:
            if not already:
                self.leave()

    def command(self, argv: Sequence[str | Path]) -> list[str]:
        """A command line that runs `argv` inside the lab's network."""
        return ["nsenter", f"--net={self.network}", "--", *map(str, argv)]

    def run(self, argv: Sequence[str | Path], **options: Any) -> subprocess.CompletedProcess[str]:
        """subprocess.run inside the lab's network; unless told otherwise it captures output, as text."""
        options = {"text": True, "capture_output": True, "check": False} | options
        done: subprocess.CompletedProcess[str] = subprocess.run(self.command(argv), **options)
        return done

    def ssh(self, target: str, command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command on a host, `name` or `user@name`, with the OpenSSH client."""
        return self.run(["ssh", "-F", self.ssh_config, target, command], **options)

    def inside(self, name: str, command: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root on a host without ssh: to bring about a fault, or to look at one."""
        options = {"text": True, "capture_output": True, "check": False} | options
        argv = ["nsenter", f"--target={self.pid(name)}", "--all", "--", "/bin/sh", "-c", command]
        done: subprocess.CompletedProcess[str] = subprocess.run(argv, **options)
        return done

    def _check_possible(self, specs: Sequence[HostSpec]) -> None:
        if os.geteuid() != 0:
            raise LabError("the lab of test hosts needs root: namespaces, mounts and a bridge (own_sshd does without)")
        names = [spec.name for spec in specs]
        if len(set(names)) != len(names):
            raise LabError(f"two test hosts have the same name: {', '.join(names)}")
        with_systemd = sum(spec.init == "systemd" for spec in specs)
        limit = int(Path("/proc/sys/fs/inotify/max_user_instances").read_text(encoding="ascii"))
        if with_systemd * 5 > limit:  # systemd would hang without a word; the setting is the whole machine's
            raise LabError(
                f"{with_systemd} hosts with systemd need about {with_systemd * 5} inotify instances,"
                f" this machine allows {limit}: sysctl fs.inotify.max_user_instances={with_systemd * 8}"
            )

    def _write_client_files(self, images: Sequence[Path], specs: Sequence[HostSpec]) -> None:
        self.hosts = [spec.name for spec in specs]
        self._addresses = addresses(self.hosts)
        private, public = ed25519_key(f"lab-{self.id}")
        self.identity.touch(mode=0o600)
        self.identity.write_text(private, encoding="ascii")
        self.identity.with_suffix(".pub").write_text(public, encoding="ascii")
        keys = {name: ed25519_key(f"root@{name}") for name in self.hosts}
        known = (f"{name},{self._addresses[name]} {' '.join(keys[name][1].split()[:2])}\n" for name in self.hosts)
        self.known_hosts.write_text("".join(known), encoding="ascii")
        blocks = (f"Host {name}\n  HostName {address}\n" for name, address in self._addresses.items())
        config = _SSH_CONFIG.format(hosts="".join(blocks), instance=self.directory)
        self.ssh_config.write_text(config, encoding="utf-8")
        host_keys = {name: key[0] for name, key in keys.items()}
        Plan([str(image) for image in images], public, specs, self._addresses, host_keys).save(self.directory / PLAN)
        if self.stays:
            (self.directory / "stays").touch()

    def _start_warden(self, patience: float) -> None:
        # The open end of this pipe is how the warden knows that we live: the kernel closes it whatever ends
        # us.
        lifeline = subprocess.DEVNULL if self.stays else subprocess.PIPE
        log = self.directory / "warden.log"
        with log.open("w", encoding="utf-8") as errors:
            self._warden = subprocess.Popen(
                [sys.executable, "-m", "tests.lab.warden", str(self.directory), str(patience)],
                cwd=REPOSITORY,
                stdin=lifeline,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        self._warden_pid = self._warden.pid
        output: IO[str] | None = self._warden.stdout
        line = output.readline() if output else ""
        report: dict[str, Any] = json.loads(line) if line else {}
        if "pids" not in report:
            said = report.get("error") or log.read_text(encoding="utf-8").strip()[-3000:]
            raise LabError(f"the test hosts did not start: {said}")
        self._pids = report["pids"]
        known = {
            "warden": self._warden_pid,
            "owner": os.getpid(),
            "addresses": self._addresses,
            "pids": self._pids,
        }
        (self.directory / "lab.json").write_text(json.dumps(known), encoding="utf-8")


def ed25519_key(comment: str) -> tuple[str, str]:
    """A fresh key, as ssh-keygen writes it: private and public part."""
    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()
    public = key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    return private, f"{public} {comment}\n"


def labs() -> list[Lab]:
    """The labs that run on this machine, the youngest last."""
    found = sorted(INSTANCES.glob("*/lab.json"), key=lambda path: path.stat().st_mtime)
    return [Lab.attach(path.parent) for path in found if _alive(path.parent)]


def sweep() -> None:
    """Remove what labs have left whose warden was killed; their hosts died with it."""
    with cache.locked("sweep"):
        for directory in INSTANCES.glob("*-*"):
            with contextlib.suppress(FileNotFoundError):  # it has just ended by itself
                age = time.time() - directory.stat().st_mtime
                starting = age < 120 and not (directory / "lab.json").exists()
                if not starting and not _alive(directory):
                    _discard(directory)


def _alive(directory: Path) -> bool:
    try:
        pid = json.loads((directory / "lab.json").read_text(encoding="utf-8"))["warden"]
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except (OSError, ValueError, KeyError):
        return False
    return os.fsencode(directory) in words  # else the number belongs to somebody else by now


def _terminate(pid: int) -> None:
    """End a warden that is not our child, and wait until it has cleaned up."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        if not select.select([descriptor], [], [], 30)[0]:
            raise LabError(f"the lab's warden, process {pid}, does not end; see its log, then kill it")
    finally:
        os.close(descriptor)


def _discard(directory: Path) -> None:
    """Remove what a warden that could not clean up has left: cgroups, then the directory."""
    if (directory / "cgroups.json").exists():
        done = subprocess.run(
            [sys.executable, "-m", "tests.lab.warden", "sweep", str(directory)],
            cwd=REPOSITORY,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise LabError(f"left-over cgroups of {directory} could not be removed:\n{done.stderr.strip()[-1000:]}")
    shutil.rmtree(directory, ignore_errors=True)


def _into(network: Path) -> None:
    descriptor = os.open(network, os.O_RDONLY | os.O_CLOEXEC)
    try:
        namespaces.set_namespace(descriptor, namespaces.NEW_NET)
    finally:
        os.close(descriptor)
