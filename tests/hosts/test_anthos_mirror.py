"""Registry mirrors made real: a registry with TLS, asked from the workstation by a whole run."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import shutil
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
import pytest
import yaml

from checks.anthos_bare_metal.workspace import mirrors_in
from tests.hazards.workspaces import printed
from tests.hosts.conftest import impossible
from tests.lab.controlplane import Authority
from tests.lab.tools import LabError
from tests.programs import each_of
from tests.running import Result, preflight

MIRROR = "abm-registry-mirror-auditproxy"
IMAGE, TAG = "anthos-baremetal-release/auditproxy", "gke_master_auditproxy_20201115_RC00"
MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
USER, PASSWORD = "puller", "password-that-must-never-be-seen-anywhere"
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


@dataclass
class Registry:
    """A registry on the loopback interface."""

    place: Path
    authority: Authority
    locked: bool = False
    port: int = 0
    _process: Any = field(default=None, repr=False)

    def start(self) -> None:
        """Start it, and wait until it answers."""
        if shutil.which("docker-registry") is None or shutil.which("curl") is None:
            raise LabError(
                "a registry needs docker-registry and curl, which this machine does not have: apt install them"
            )
        self.place.mkdir(parents=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        certificate, key = self.authority.server().write(self.place, "registry")
        (self.place / "ca.crt").write_bytes(self.authority.pem)
        tls = {"certificate": str(certificate), "key": str(key)}
        settings: dict[str, Any] = {
            "version": "0.1",
            "log": {"level": "error", "accesslog": {"disabled": True}},
            "storage": {"filesystem": {"rootdirectory": str(self.place / "data")}},
            "http": {"addr": f"127.0.0.1:{self.port}", "tls": tls, "secret": "any"},
        }
        if self.locked:
            line = f"{USER}:{bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b'2a')).decode()}\n"
            (self.place / "htpasswd").write_text(line)
            settings["auth"] = {"htpasswd": {"realm": "mirror", "path": str(self.place / "htpasswd")}}
        (self.place / "config.yml").write_text(yaml.safe_dump(settings))
        log = (self.place / "log").open("wb")
        self._process = subprocess.Popen(
            ["docker-registry", "serve", self.place / "config.yml"], stdin=subprocess.DEVNULL, stdout=log, stderr=log
        )
        log.close()
        for _ in range(100):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 1):
                return
            time.sleep(0.1)
        raise LabError(f"the registry does not answer: {(self.place / 'log').read_text()}")

    def stop(self) -> None:
        """End it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)

    @property
    def endpoint(self) -> str:
        return f"https://127.0.0.1:{self.port}"

    def push(self, name: str) -> None:
        """Push a small image under the tag that is asked for."""
        config, layer = b"{}", b"a layer"
        for blob in (config, layer):
            begun = self._ask("POST", f"/v2/{name}/blobs/uploads/")
            location = begun.headers["Location"]
            digest = f"sha256:{hashlib.sha256(blob).hexdigest()}"
            self._ask("PUT", f"{location}&digest={digest}", blob, "application/octet-stream")
        described = [
            {"mediaType": kind, "size": len(blob), "digest": f"sha256:{hashlib.sha256(blob).hexdigest()}"}
            for kind, blob in (
                ("application/vnd.docker.container.image.v1+json", config),
                ("application/vnd.docker.image.rootfs.diff.tar.gzip", layer),
            )
        ]
        manifest = {"schemaVersion": 2, "mediaType": MANIFEST, "config": described[0], "layers": described[1:]}
        self._ask("PUT", f"/v2/{name}/manifests/{TAG}", json.dumps(manifest).encode(), MANIFEST)

    def _ask(self, method: str, where: str, data: bytes | None = None, kind: str = "") -> Any:
        url = where if where.startswith("https:") else f"{self.endpoint}{where}"
        request = urllib.request.Request(url, data=data, method=method)
        request.add_header("Authorization", f"Basic {BASIC}")
        if kind:
            request.add_header("Content-Type", kind)
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        with urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        ).open(request, timeout=30) as answer:
            return answer


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Registry, Registry]]:
    """One that is open to everybody, and one that asks for a password."""
    place = tmp_path_factory.mktemp("registries")
    both = (
        Registry(place / "open", Authority("mirror CA")),
        Registry(place / "locked", Authority("mirror CA"), locked=True),
    )
    try:
        for one in both:
            one.start()
        both[0].push(f"library/{IMAGE}")
        both[1].push(IMAGE)
        yield both
    except LabError as error:
        impossible(error)
    finally:
        for one in both:
            one.stop()


def written(directory: Path, endpoint: str, **more: str) -> None:
    """bmctl's configuration of a cluster that pulls through the mirror."""
    mirror = [{"endpoint": endpoint, **more}]
    cluster = {
        "apiVersion": "baremetal.cluster.gke.io/v1",
        "kind": "Cluster",
        "metadata": {"name": "edge", "namespace": "cluster-edge"},
        "spec": {"type": "standalone", "clusterOperations": {"disableCloudAuditLogging": False}},
    }
    path = directory / "bmctl-workspace" / "edge" / "edge.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.safe_dump_all([{"registryMirrors": mirror}, cluster], sort_keys=False))


def asked(directory: Path) -> Result:
    """A run on this machine as the workstation."""
    change = {
        "profile": "anthos-bare-metal-1.8",
        "upgrade": {"from": "1.8.0", "to": "1.8.1"},
        "hosts": {"station": {"connection": "local://", "roles": ["workstation"]}},
        "parameters": {"bmctl-directory": str(directory)},
        "examine": ["hosts"],
    }
    file = directory / "upgrade.yaml"
    file.write_text(yaml.safe_dump(change))
    run = preflight(f"--change={file}", f"--save-snapshot={directory / 'snapshot.json'}", cwd=directory)
    for name, text in {**run.texts, "snapshot": (directory / "snapshot.json").read_text()}.items():
        assert PASSWORD not in text, name
        assert BASIC not in text, name
    return run


@pytest.mark.real(MIRROR)
def test_a_mirror_without_the_image(registries: tuple[Registry, Registry], tmp_path: Path) -> None:
    mirror = registries[0]
    written(tmp_path, mirror.endpoint, caCertPath=str(mirror.place / "ca.crt"))
    run = asked(tmp_path)
    finding = run.finding(MIRROR, "fleet")
    assert finding["outcome"] == "hazard", run
    assert f"registry mirror {mirror.endpoint} of edge lacks {IMAGE}:{TAG}" in finding["message"]
    lines = [line for one in finding["evidence"] for line in one["lines"]]
    assert f"endpoint: {mirror.endpoint}" in lines
    assert f"docker push 127.0.0.1:{mirror.port}/{IMAGE}:{TAG}" in finding["remedy"]
    assert run.code == 1


@pytest.mark.real(MIRROR)
def test_a_mirror_with_the_image_behind_a_password(registries: tuple[Registry, Registry], tmp_path: Path) -> None:
    mirror = registries[1]
    credentials(tmp_path, mirror, BASIC)
    written(tmp_path, mirror.endpoint, caCertPath=str(mirror.place / "ca.crt"), pullCredentialConfigPath="config.json")
    run = asked(tmp_path)
    assert run.finding(MIRROR, "fleet")["outcome"] == "clear", run


def credentials(directory: Path, mirror: Registry, auth: str) -> None:
    """Docker's file of passwords."""
    held = {"auths": {"other.example": {"auth": "eDp5"}, f"https://127.0.0.1:{mirror.port}/v2/": {"auth": auth}}}
    (directory / "config.json").write_text(json.dumps(held, indent="\t"))


@pytest.mark.parametrize("shell", each_of("dash", "bash", "busybox sh"))
def test_what_a_mirror_says(shell: str, registries: tuple[Registry, Registry], tmp_path: Path) -> None:
    """The read alone, in each shell: whether it is there, and every reason why that is not known."""
    free, locked = registries
    shutil.copy(free.place / "ca.crt", tmp_path / "ca.crt")
    (tmp_path / "none.crt").write_text("no certificate\n")

    def said(endpoint: str, **more: str) -> tuple[str, str]:
        written(tmp_path, endpoint, **more)
        (mirror,) = mirrors_in(printed("mirrors", tmp_path, str(tmp_path), shell))[endpoint]
        return mirror.state, mirror.reason

    # Paths are relative to where bmctl runs.
    assert said(f"{free.endpoint}/v2/library", caCertPath="ca.crt") == ("present", "")
    assert said(f"{free.endpoint}/v2/library/", caCertPath="ca.crt") == ("present", "")
    assert said(free.endpoint.removeprefix("https://"), caCertPath="ca.crt") == ("absent", "")
    assert said(f"{free.endpoint}/v2/elsewhere", caCertPath="ca.crt") == ("absent", "")
    locked_ca = {"caCertPath": str(locked.place / "ca.crt")}
    for state, reason, endpoint, more in (
        ("unknown", "certificate does not verify", free.endpoint, {}),
        ("unknown", "certificate does not verify", free.endpoint, locked_ca),
        ("unknown", "no certificate", free.endpoint, {"caCertPath": "none.crt"}),
        ("unknown", "caCertPath cannot be read", free.endpoint, {"caCertPath": "missing.crt"}),
        ("unknown", "400", free.endpoint.replace("https", "http"), {}),
        ("unknown", "no connection", "https://127.0.0.1:9", {}),
        ("unknown", "resolved", "https://mirror.invalid", {}),
        ("unknown", "mend it", "ftp://127.0.0.1", {}),
        ("unknown", "mend it", "https://127.0.0.1/$(reboot)", {}),
        ("unknown", "asks for credentials (401)", locked.endpoint, locked_ca),
        ("unknown", "cannot be read", locked.endpoint, {**locked_ca, "pullCredentialConfigPath": "missing.json"}),
        ("unknown", "is no JSON", locked.endpoint, {**locked_ca, "pullCredentialConfigPath": "none.crt"}),
    ):
        assert said(endpoint, **more)[0] == state, endpoint
        assert reason in said(endpoint, **more)[1]
    credentials(tmp_path, locked, BASIC)
    with_password = {**locked_ca, "pullCredentialConfigPath": "config.json"}
    assert said(locked.endpoint, **with_password) == ("present", "")
    credentials(tmp_path, locked, base64.b64encode(b"puller:wrong").decode())
    assert "refuses the credentials" in said(locked.endpoint, **with_password)[1]
