"""A real etcd of several members with TLS on loopback, whose members can be stopped, frozen, added and slowed.

    with EtcdLab("a", "b", "c") as etcd:
        etcd.stop("c")
        etcd.ctl("a", "member", "list", "-w", "json").stdout

Needs no root, but setpriv, and strace for the slow ones. Certificates lie where kubeadm would have them, below `pki` instead of /etc/kubernetes/pki/etcd.
"""

from __future__ import annotations

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import tempfile
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from conformance.facts.etcd import KUBEADM_FLAGS
from tests.lab.controlplane.binaries import built_binary
from tests.lab.controlplane.pki import Authority
from tests.lab.tools import LabError

KUBEADM_PKI = "/etc/kubernetes/pki/etcd"
_LOCAL = "https://127.0.0.1:2379"
_PATIENCE = 30.0


@dataclass
class Member:
    """One member: where it listens, where its data is, and its process."""

    name: str
    client: str
    peer: str
    metrics: str
    data: Path
    #: Sockets that hold its ports while it does not run.
    held: list[socket.socket] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None


def pki(authority: Authority, hosts: Sequence[str]) -> dict[str, bytes]:
    """The files below /etc/kubernetes/pki/etcd of a node at these addresses, by name."""
    pairs = {
        "server": authority.peer(hosts),
        "peer": authority.peer(hosts),
        "healthcheck-client": authority.user("kube"),
    }
    files = {"ca.crt": authority.pem}
    for name, pair in pairs.items():
        files |= {f"{name}.crt": pair.certificate, f"{name}.key": pair.key}
    return files


def flags(name: str, data: str, pki: str, urls: Mapping[str, str], cluster: str, state: str) -> list[str]:
    """The flags of etcd as kubeadm sets them (app/phases/etcd/local.go); `urls`: client, peer, metrics."""
    return [
        f"--name={name}",
        f"--data-dir={data}",
        f"--listen-client-urls={urls['client']}",
        f"--advertise-client-urls={urls['client'].split(',')[-1]}",
        f"--listen-peer-urls={urls['peer']}",
        f"--initial-advertise-peer-urls={urls['peer']}",
        f"--listen-metrics-urls={urls['metrics']}",
        f"--initial-cluster={cluster}",
        f"--initial-cluster-state={state}",
        f"--cert-file={pki}/server.crt",
        f"--key-file={pki}/server.key",
        f"--peer-cert-file={pki}/peer.crt",
        f"--peer-key-file={pki}/peer.key",
        f"--trusted-ca-file={pki}/ca.crt",
        f"--peer-trusted-ca-file={pki}/ca.crt",
        "--client-cert-auth=true",
        "--peer-client-cert-auth=true",
        # Else members are added only when all have been connected for 5 seconds.
        "--strict-reconfig-check=false",
        "--log-level=warn",
    ]


class EtcdLab:
    """An etcd of members that have these names; `start` starts all of them."""

    def __init__(self, *names: str) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="etcd-lab-"))
        self.pki = self.directory / "pki"
        self.pki.mkdir()
        for name, content in pki(Authority("etcd-ca"), ("127.0.0.1", "localhost")).items():
            (self.pki / name).touch(mode=0o600)
            (self.pki / name).write_bytes(content)
        self.etcd, self.etcdctl = built_binary("etcd"), built_binary("etcdctl")
        self.members: dict[str, Member] = {name: self._member(name) for name in names}

    def _member(self, name: str) -> Member:
        held = [_reserved() for _ in range(3)]
        client, peer, metrics = (one.getsockname()[1] for one in held)
        local = "https://127.0.0.1"
        data = self.directory / f"{name}.etcd"
        return Member(name, f"{local}:{client}", f"{local}:{peer}", f"http://127.0.0.1:{metrics}", data, held)

    # -- life

    def __enter__(self) -> Self:
        try:
            for name in self.members:
                self.start(name, "new")
            self.wait(*self.members)
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all members and remove their data."""
        for member in self.members.values():
            self.stop(member.name)
            for one in member.held:
                one.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def start(self, name: str, state: str = "existing", *, sync_seconds: float = 0.0, fsync: bool = False) -> Member:
        """Start a member, whose data directory may be there already.

        :param sync_seconds: every fdatasync(2) that it makes takes so much longer: a slow disk.
        :param fsync: whether data goes to the disk at all, which the lab has no use for otherwise.
        """
        member = self.members[name]
        urls = {"client": member.client, "peer": member.peer, "metrics": member.metrics}
        cluster = ",".join(f"{one.name}={one.peer}" for one in self._initial(name, state))
        slow: list[str] = []
        if sync_seconds:
            delay = f"inject=fdatasync:delay_exit={sync_seconds * 1e6:.0f}"
            # -D: strace stands beside etcd, which stays our own child.
            slow = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-o/dev/null", "-esignal=none", "-etrace=fdatasync"]
            slow += [f"-e{delay}"]
        own = [] if fsync or sync_seconds else ["--unsafe-no-fsync"]
        with (self.directory / f"{name}.log").open("ab") as log:
            member.process = subprocess.Popen(
                # It ends with us, whatever ends us.
                ["setpriv", "--pdeathsig", "KILL", *slow, str(self.etcd), "--socket-reuse-port=true", *own]
                + flags(name, str(member.data), str(self.pki), urls, cluster, state),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        return member

    def _initial(self, name: str, state: str) -> list[Member]:
        if state == "new":
            return list(self.members.values())
        listed = self.listed()
        return [one for one in self.members.values() if one.name == name or one.peer in listed]

    def listed(self) -> dict[str, str]:
        """Peer URL -> hexadecimal id of all members, as a member that answers lists them."""
        for name in self.members:
            if self.is_running(name):
                done = self.ctl(name, "member", "list", "-w", "json")
                if done.returncode == 0:
                    return {one["peerURLs"][0]: f"{one['ID']:x}" for one in json.loads(done.stdout)["members"]}
        raise LabError("no member of the lab's etcd lists the members")

    def stop(self, name: str) -> None:
        """Kill a member; its data stays."""
        process = self.members[name].process
        if process is not None:
            process.kill()
            process.wait()
        self.members[name].process = None

    def is_running(self, name: str) -> bool:
        """Whether its process is there."""
        process = self.members[name].process
        return process is not None and process.poll() is None

    @contextmanager
    def frozen(self, name: str) -> Iterator[None]:
        """With its process stopped as it is, connections and all: a host that hangs."""
        process = self.members[name].process
        assert process is not None
        process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            process.send_signal(signal.SIGCONT)

    # -- membership

    def add(self, name: str, *, learner: bool = False) -> str:
        """Add a member, without starting it; its hexadecimal id."""
        if name not in self.members:
            self.members[name] = self._member(name)
        member = self.members[name]
        via = next(one for one in self.members if one != name and self.is_running(one))
        done = self.ctl(via, "member", "add", name, f"--peer-urls={member.peer}", *(["--learner"] if learner else []))
        if done.returncode != 0:
            raise LabError(done.stderr)
        return self.listed()[member.peer]

    def remove(self, name: str) -> None:
        """Take a member out of the cluster; its process ends by itself, its data stays."""
        via = next(one for one in self.members if one != name and self.is_running(one))
        done = self.ctl(via, "member", "remove", self.listed()[self.members[name].peer])
        if done.returncode != 0:
            raise LabError(done.stderr)

    def promote(self, name: str) -> subprocess.CompletedProcess[str]:
        """What etcdctl says to the promotion of a learner."""
        via = next(one for one in self.members if one != name and self.is_running(one))
        return self.ctl(via, "member", "promote", self.listed()[self.members[name].peer])

    # -- asking

    def command(self, name: str, argv: Sequence[str]) -> list[str]:
        """The command line of etcdctl as it is on the node of a member, made to fit here."""
        assert argv[0].rpartition("/")[2] == "etcdctl", argv
        here = [one.replace(_LOCAL, self.members[name].client).replace(KUBEADM_PKI, str(self.pki)) for one in argv[1:]]
        return [str(self.etcdctl), *here]

    def ctl(self, name: str, *words: str) -> subprocess.CompletedProcess[str]:
        """Run etcdctl with the flags that it has on kubeadm's nodes, on that of this member."""
        argv = self.command(name, ["etcdctl", *KUBEADM_FLAGS, *words])
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ETCDCTL_")}
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60, env=environment)

    def wait(self, *names: str) -> None:
        """Return when reads through all these members are committed."""
        for name in names:
            _until(lambda one=name: self.ctl(one, "endpoint", "health").returncode == 0, f"{name} of the lab's etcd")  # type: ignore[misc]

    def wait_answering(self, name: str) -> None:
        """Return when a member, which may be a learner, answers."""
        _until(lambda: self.ctl(name, "endpoint", "status").returncode == 0, f"{name} of the lab's etcd")

    def wait_ended(self, name: str) -> None:
        """Return when the process of a member has ended by itself."""
        _until(lambda: not self.is_running(name), f"the end of {name} of the lab's etcd")

    def log(self, name: str) -> str:
        """What a member has said."""
        return (self.directory / f"{name}.log").read_text("utf-8", "replace")

    @contextmanager
    def load(self, name: str) -> Iterator[Callable[[], int]]:
        """Write through a member as fast as it takes it; gives how often that was so far."""
        writer = _Writer(self, name)
        writer.start()
        try:
            yield lambda: writer.count
        finally:
            writer.ends.set()
            writer.join()


class _Writer(threading.Thread):
    def __init__(self, lab: EtcdLab, name: str) -> None:
        super().__init__(daemon=True)
        where = urlsplit(lab.members[name].client)
        context = ssl.create_default_context(cafile=str(lab.pki / "ca.crt"))
        context.load_cert_chain(lab.pki / "healthcheck-client.crt", lab.pki / "healthcheck-client.key")
        self._connection = http.client.HTTPSConnection(str(where.hostname), where.port, timeout=10, context=context)
        self.count = 0
        self.ends = threading.Event()

    def run(self) -> None:
        while not self.ends.is_set():
            key = b64encode(f"k{self.count % 100}".encode()).decode()
            self._connection.request("POST", "/v3/kv/put", json.dumps({"key": key, "value": key}))
            response = self._connection.getresponse()
            assert response.status == 200, response.read()
            response.read()
            self.count += 1
        self._connection.close()


def _reserved() -> socket.socket:
    """A socket that holds a free port of loopback for a member to share; it never listens itself."""
    held = socket.socket()
    held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    held.bind(("127.0.0.1", 0))
    return held


def _until(there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not there():
        if time.monotonic() > deadline:
            raise LabError(f"{what} was waited for in vain")
        time.sleep(0.1)
