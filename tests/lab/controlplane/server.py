"""A real control plane on loopback: etcd and kube-apiserver with RBAC, audit log and several users."""

from __future__ import annotations

import atexit
import itertools
import secrets
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

from tests.lab.controlplane import audit
from tests.lab.controlplane.api import Api
from tests.lab.controlplane.audit import AuditEvent
from tests.lab.controlplane.binaries import Binaries, find_binaries
from tests.lab.controlplane.cluster import Cluster
from tests.lab.controlplane.kubeconfig import Login, render
from tests.lab.controlplane.pki import Authority, signing_key

_STARTED_WITHIN = 90.0  # seconds; 2 to 3 are usual, but a machine that builds something else at the time is slow


class ControlPlaneFailed(Exception):  # noqa: N818 - says what happened, like ControlPlaneUnavailable
    """A control plane did not come up; the message ends with what the process in question logged last."""


class ControlPlane(Cluster):
    """etcd and kube-apiserver as one context manager; any number of them run side by side.

    The users are `admin` (may do everything), `nobody` (known, may list nothing), any name by client
    certificate, and service accounts. Nothing else of a cluster runs: no controller, scheduler or kubelet.
    """

    def __init__(self, binaries: Binaries | None = None, directory: Path | None = None) -> None:
        self.binaries = binaries or find_binaries()
        self.directory = directory or Path(tempfile.mkdtemp(prefix="control-plane-"))
        self.authority = Authority()
        self.tokens = {"admin": secrets.token_hex(16), "nobody": secrets.token_hex(16)}
        self._port = _reserve_port()
        self.url = f"https://127.0.0.1:{self._port.getsockname()[1]}"
        self.ca_file = self.directory / "ca.crt"
        self.ca_file.write_bytes(self.authority.pem)
        self._audit = audit.AuditLog(self.directory / "audit.log")
        super().__init__(Api(self.url, self.ca_file, self.tokens["admin"]))
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._watchdog: subprocess.Popen[bytes] | None = None
        self._numbers = itertools.count(1)

    # -- life

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.close()

    def start(self, *, outlive: bool = False) -> Self:
        """Start both processes and wait until the API server is ready; they end with us, or `outlive` us."""
        atexit.register(self.close)
        try:
            self._spawn("etcd", self._etcd_command())
            self._spawn("kube-apiserver", self._apiserver_command())
            if not outlive:
                self._watchdog = _watchdog([process.pid for process in self._processes.values()], self.directory)
            self._await_ready()
        except BaseException:
            self.close()
            raise
        if outlive:
            atexit.unregister(self.close)
        return self

    def close(self) -> None:
        """End both processes and remove their directory; a second call does nothing."""
        atexit.unregister(self.close)
        # Killed, not asked: there is nothing to save, and a polite API server first waits for its watchers.
        for process in self._processes.values():
            process.kill()
        for process in self._processes.values():
            process.wait()
        self._processes.clear()
        if self._watchdog is not None:
            self._watchdog.kill()
            self._watchdog.communicate()
            self._watchdog = None
        self._port.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    @property
    def pids(self) -> list[int]:
        """The ids of the processes that run, etcd first."""
        return [process.pid for process in self._processes.values()]

    # -- users

    def kubeconfig(
        self,
        user: str = "admin",
        *,
        token: str | None = None,
        groups: Sequence[str] = (),
        expired: bool = False,
        path: Path | None = None,
        context: str = "lab",
        server: str | None = None,
        ca: bytes | None = None,
        namespace: str | None = None,
    ) -> Path:
        """Write a kubeconfig and return its path.

        `user` logs in with `token` where one is given, with a static token (admin, nobody), else with a
        client certificate, which `groups` and `expired` are about. `server` and `ca` lead elsewhere, to a
        fault proxy say.
        """
        token = token or (self.tokens.get(user) if not (groups or expired) else None)
        login = Login(user, token, None if token else self.authority.user(user, groups, expired=expired))
        text = render(login, server or self.url, ca or self.authority.pem, context=context, namespace=namespace)
        path = path or self.directory / f"kubeconfig-{next(self._numbers)}.yaml"
        path.touch(mode=0o600)
        path.write_text(text, "utf-8")
        return path

    # -- audit

    def audit_position(self) -> int:
        """Where the audit log ends now, for `audit(since=...)`."""
        return self._audit.position()

    def audit(self, *, user: str | None = None, since: int = 0) -> list[AuditEvent]:
        """All requests answered since `since`, by `user` where one is named, refused ones too, in order."""
        return self._audit.events(user=user, since=since)

    # -- processes

    def _etcd_command(self) -> list[str]:
        # Sockets in our own directory: no port to be taken by somebody else, and nobody else finds this etcd.
        clients, peers = f"unix://{self.directory}/etcd.sock", f"unix://{self.directory}/peers.sock"
        return [
            str(self.binaries.etcd),
            f"--data-dir={self.directory}/etcd",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
            "--log-level=warn",
        ]

    def _apiserver_command(self) -> list[str]:
        certificate, key = self.authority.server().write(self.directory, "apiserver")
        private, public = signing_key()
        files = {
            "sa.key": private,
            "sa.pub": public,
            "audit.yaml": audit.POLICY.encode(),
            "tokens.csv": "".join(
                f"{token},{user},{user}{',system:masters' if user == 'admin' else ''}\n"
                for user, token in self.tokens.items()
            ).encode(),
        }
        for name, content in files.items():
            (self.directory / name).write_bytes(content)
        port = self._port.getsockname()[1]
        return [
            str(self.binaries.apiserver),
            f"--etcd-servers=unix://{self.directory}/etcd.sock",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--permit-port-sharing",  # with the socket by which we hold this port
            # Loopback may be all there is, so the API server must not look for an address to tell others.
            "--advertise-address=127.0.0.1",
            "--endpoint-reconciler-type=none",
            f"--cert-dir={self.directory}",
            f"--tls-cert-file={certificate}",
            f"--tls-private-key-file={key}",
            f"--client-ca-file={self.ca_file}",
            f"--token-auth-file={self.directory}/tokens.csv",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--service-account-key-file={self.directory}/sa.pub",
            f"--service-account-signing-key-file={self.directory}/sa.key",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.96.0.0/16",
            f"--audit-policy-file={self.directory}/audit.yaml",
            f"--audit-log-path={self._audit.path}",
            "--audit-log-maxsize=100000",  # megabytes: a rotated log would be read as "no request"
            # Both prepare for controllers that do not run here: pods would be refused for want of a service
            # account, and every node would keep a not-ready taint for ever.
            "--disable-admission-plugins=ServiceAccount,TaintNodesByCondition",
            "--allow-privileged",
            # A test's nodes have addresses of their own; where logs come from is another (see kubelet.py).
            "--kubelet-preferred-address-types=ExternalDNS,InternalIP,Hostname",
        ]

    def _spawn(self, name: str, command: list[str]) -> None:
        with self._log_of(name).open("wb") as log:
            # A session of its own: Ctrl-C at the test run is for pytest, which ends these in its own time.
            self._processes[name] = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )

    def _log_of(self, name: str) -> Path:
        return self.directory / f"{name}.log"

    def _await_ready(self) -> None:
        deadline = time.monotonic() + _STARTED_WITHIN
        # Ready is said before the namespaces that every cluster has are there.
        while not (self.api.status("/readyz") == 200 and self.api.status("/api/v1/namespaces/default") == 200):
            for name, process in self._processes.items():
                if process.poll() is not None:
                    raise ControlPlaneFailed(f"{name} ended with status {process.returncode}:\n{self._tail(name)}")
            if time.monotonic() > deadline:
                told = self._tail("kube-apiserver")
                raise ControlPlaneFailed(f"kube-apiserver was not ready within {_STARTED_WITHIN:.0f} s:\n{told}")
            time.sleep(0.05)

    def _tail(self, name: str) -> str:
        return "\n".join(self._log_of(name).read_text("utf-8", "replace").splitlines()[-15:])


def _reserve_port() -> socket.socket:
    """A socket that holds a free port of loopback for an API server to share; it never listens itself."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


def _watchdog(pids: list[int], directory: Path) -> subprocess.Popen[bytes]:
    """A shell that ends `pids` and removes `directory` once our end of its standard input closes.

    That happens however we end, kill -9 included, where no atexit function runs.
    """
    script = 'directory=$1; shift; cat >/dev/null; kill -9 "$@"; rm -rf -- "$directory"'
    command = ["sh", "-c", script, "watchdog", str(directory), *map(str, pids)]
    return subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
