"""An sshd of one's own on the loopback interface: for what concerns the way to a host, without root.

It lets in the user who runs it, and nobody else, and the "host" that it leads to is this machine. As root
it is a quick stand-in for a test host.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Self

from tests.lab.hosts import ed25519_key
from tests.lab.tools import LabError, find, require

ADDRESS = "127.0.0.1"
_SSHD_CONFIG = """\
ListenAddress 127.0.0.1
Port {port}
HostKey {directory}/host_{name}
AuthorizedKeysFile {directory}/id_ed25519.pub
PidFile none
StrictModes no
UsePAM {pam}
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
PermitUserEnvironment yes
AcceptEnv LANG LC_*
LogLevel VERBOSE
"""
_SSH_CONFIG = """\
{hosts}
Host *
  HostName 127.0.0.1
  User {user}
  IdentityFile {directory}/id_ed25519
  IdentitiesOnly yes
  UserKnownHostsFile {directory}/known_hosts
  GlobalKnownHostsFile /dev/null
  StrictHostKeyChecking yes
  BatchMode yes
"""


class OwnSshd:
    """sshd as the own user on a free port, known to `ssh_config` as the host `own`.

    `banner` is what it says before anybody has logged in. `noise` is what every login prints on standard
    output in front of its command's own output, as a motd or a profile does. With `jump` there is a second
    sshd, `jump`, and `behind` is `own` reached through it. `config` overrides settings of sshd_config.
    """

    def __init__(
        self,
        *,
        banner: str = "",
        noise: str = "",
        jump: bool = False,
        config: Mapping[str, str] | None = None,
    ) -> None:
        self.banner = banner
        self.noise = noise
        self.jump = jump
        self.config = dict(config or {})
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.ports: dict[str, int] = {}
        self.directory = Path()
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def ssh_config(self) -> Path:
        """For ssh -F: the hosts own and, with a jump host, jump and behind."""
        return self.directory / "ssh_config"

    @property
    def known_hosts(self) -> Path:
        """The host keys, by address and port."""
        return self.directory / "known_hosts"

    @property
    def identity(self) -> Path:
        """The private key that opens it."""
        return self.directory / "id_ed25519"

    @property
    def address(self) -> str:
        """Where it listens."""
        return ADDRESS

    @property
    def port(self) -> int:
        """The port of the host `own`."""
        return self.ports["own"]

    def pid(self, name: str = "own") -> int:
        """The process of one sshd, to stop it or to end it."""
        return self._running[name].pid

    def log(self, name: str = "own") -> str:
        """What one sshd has said so far."""
        return (self.directory / f"{name}.log").read_text(encoding="utf-8", errors="replace")

    def start(self) -> Self:
        """Start it; it answers when this returns."""
        require("sshd", "ssh")
        if os.geteuid() == 0:
            # Where Debian's sshd puts the half of itself that talks to strangers. Left there: other sshds
            # use it too.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
        self.directory = Path(tempfile.mkdtemp(prefix="own-sshd-"))
        try:
            self._write_key("id_ed25519")
            names = ["own", "jump"] if self.jump else ["own"]
            public = {name: self._write_key(f"host_{name}") for name in names}
            for name in names:
                self._start_one(name)
            self._write_client_files(public)
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """End it, and remove its files; harmless when that was done before."""
        for process in self._running.values():
            process.send_signal(signal.SIGCONT)  # a test may have stopped it
            process.terminate()
            process.wait()
        self._running.clear()
        if self.directory != Path():
            shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def ssh(self, command: str, host: str = "own") -> subprocess.CompletedProcess[str]:
        """Run a command through it with the OpenSSH client."""
        argv = ["ssh", "-F", str(self.ssh_config), host, command]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    def _write_key(self, name: str) -> str:
        private, public = ed25519_key(name)
        path = self.directory / name
        path.touch(mode=0o600)
        path.write_text(private, encoding="ascii")
        path.with_suffix(".pub").write_text(public, encoding="ascii")
        return public

    def _write_client_files(self, public: Mapping[str, str]) -> None:
        lines = (f"[{ADDRESS}]:{self.ports[name]} {' '.join(key.split()[:2])}\n" for name, key in public.items())
        self.known_hosts.write_text("".join(lines), encoding="ascii")
        hosts = "".join(f"Host {name}\n  Port {port}\n" for name, port in self.ports.items())
        if self.jump:
            hosts += f"Host behind\n  Port {self.port}\n  ProxyJump jump\n"
        config = _SSH_CONFIG.format(hosts=hosts, user=self.user, directory=self.directory)
        self.ssh_config.write_text(config, encoding="utf-8")

    def _settings(self, name: str, port: int) -> str:
        # The first of two settings counts, so those that were asked for come first.
        lines = [f"{key} {value}" for key, value in self.config.items()]
        if self.banner:
            (self.directory / "banner").write_text(self.banner, encoding="utf-8")
            lines.append(f"Banner {self.directory}/banner")
        if self.noise and name == "own":
            script = self.directory / "noise.sh"
            (self.directory / "noise").write_text(self.noise, encoding="utf-8")
            script.write_text(
                f'cat {self.directory}/noise\nexec "$SHELL" -c "$SSH_ORIGINAL_COMMAND"\n', encoding="utf-8"
            )
            lines.append(f"ForceCommand sh {script}")
        # Without PAM sshd turns away an account whose password is locked, as root's is on many machines.
        pam = "yes" if os.geteuid() == 0 and _root_is_locked() else "no"
        return "\n".join(lines) + "\n" + _SSHD_CONFIG.format(name=name, port=port, directory=self.directory, pam=pam)

    def _start_one(self, name: str) -> None:
        for _ in range(5):
            port = _free_port()
            config = self.directory / f"sshd_config_{name}"
            config.write_text(self._settings(name, port), encoding="utf-8")
            with (self.directory / f"{name}.log").open("wb") as log:
                process = subprocess.Popen(
                    # It ends when we do, however that happens.
                    ["setpriv", "--pdeathsig", "TERM", find("sshd") or "sshd", "-D", "-e", "-f", str(config)],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            self._running[name] = process
            self.ports[name] = port
            if _answers(port, process):
                return
            if "Address already in use" not in self.log(name):
                break  # somebody else took the port in between: the only failure that is worth another try
        raise LabError(f"sshd as {self.user} did not start:\n{self.log(name).strip()[-2000:]}")


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection((ADDRESS, port), timeout=5) as client:
                if client.recv(8).startswith(b"SSH-"):
                    return True
        except OSError:
            time.sleep(0.01)  # sshd tells nobody when it listens
    return False


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind((ADDRESS, 0))
        port: int = listener.getsockname()[1]
        return port


def _root_is_locked() -> bool:
    lines = Path("/etc/shadow").read_text(encoding="utf-8").splitlines()
    return any(line.startswith("root:!") for line in lines)
