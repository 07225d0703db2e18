"""Workstations from which EKS Anywhere is upgraded: real logins, and registry mirrors that show them real certificates."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks.eks_anywhere.workstation import Mirrors
from tests.clusters.anthos import namespace
from tests.clusters.crds.cluster_api import served_as
from tests.clusters.crds.eks_anywhere import EKS_ANYWHERE, OTHERS
from tests.hazards.eksa import cluster
from tests.hazards.eksa_certificates import Made, made
from tests.hazards.eksa_station import printed
from tests.hosts.conftest import impossible
from tests.lab import rootfs
from tests.lab.controlplane import ControlPlane, ControlPlaneUnavailable
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.programs import each_of
from tests.running import Result, preflight

MIRROR, ENVIRONMENT, GIT = "eksa-registry-mirror-certificate", "eksa-vsphere-environment", "eksa-git-provider-auth"
PASSWORD = "password-that-must-never-be-seen-anywhere"
TODAY = datetime.now(UTC)
DAY = timedelta(days=1)


def authority(name: str) -> Made:
    return made(name, ca=True, begins=TODAY - DAY, ends=TODAY + 30 * DAY)


def server(by: Made | None, host: str = "mirror", *, left: timedelta = 10 * DAY) -> Made:
    """What a mirror shows: it has been valid since the day before yesterday, and is for so long."""
    return made(host, by, hosts=[host], begins=TODAY - 2 * DAY, ends=TODAY + left)


OURS, THEIRS = authority("our CA"), authority("their CA")
BETWEEN = made("issuing CA", OURS, ca=True, begins=TODAY - DAY, ends=TODAY + 30 * DAY)
#: Cluster -> port of its mirror, what that shows at first, and after it was put right.
SHOWN: dict[str, tuple[int, list[Made], list[Made]]] = {
    "expired": (5001, [server(OURS, left=-DAY)], [server(OURS)]),
    "other-ca": (5002, [server(THEIRS), THEIRS], [server(BETWEEN), BETWEEN]),
    "other-name": (5003, [server(OURS, "mirror.example.com", left=DAY / 2)], [server(OURS)]),
    "good": (5004, [server(OURS)], [server(OURS)]),
}


def with_mirror(name: str, host: str, port: int, ca: Made = OURS) -> dict[str, Any]:
    """A Cluster, as a specification has it."""
    mirror = {"endpoint": host, "port": str(port), "caCertContent": ca.text}
    proxy = {"httpsProxy": f"http://ops:{PASSWORD}@192.0.2.9:3128"}
    return cluster(name, manager="good", registryMirrorConfiguration=mirror, proxyConfiguration=proxy)


USERS = {
    "bare": "",
    "ready": f"export EKSA_VSPHERE_USERNAME=ops EKSA_VSPHERE_PASSWORD='{PASSWORD}'\necho Welcome\n",
}
STATION = HostSpec(
    "station",
    users=[UserSpec(one) for one in USERS],
    files={
        **{f"/home/{user}/.profile": (text, 0o644, user) for user, text in USERS.items()},
        **{
            f"/srv/eksa/{name}/{name}-eks-a-cluster.yaml": yaml.safe_dump(with_mirror(name, "mirror", port))
            for name, (port, _, _) in SHOWN.items()
        },
    },
)


def serve(lab: Lab, at: int) -> None:
    """Let the mirrors show their certificates, those of the column `at`; what served before is ended."""
    lab.inside("mirror", "kill $(pidof openssl); true")
    for name, shown in SHOWN.items():
        port, chain = shown[0], shown[at]
        assert isinstance(chain, list)
        for file, text in (
            ("pem", chain[0].key_pem.decode() + chain[0].text),
            ("chain", "".join(one.text for one in chain[1:])),
        ):
            done = lab.inside("mirror", f"umask 077; cat >/root/{name}.{file}", input=text)
            assert done.returncode == 0, done.stderr
        more = f" -cert_chain /root/{name}.chain" if chain[1:] else ""
        command = f"openssl s_server -accept {port} -cert /root/{name}.pem{more} -www"
        lab.inside("mirror", f"setsid {command} >/root/{name}.log 2>&1 </dev/null & :")
    for port, *_ in SHOWN.values():
        _await(lambda port=port: _answers(lab.address("mirror"), port))


def _answers(host: str, port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((host, port), 1):
        return True
    return False


def _await(what: Callable[[], bool]) -> None:
    for _ in range(100):
        if what():
            return
        time.sleep(0.1)
    raise LabError("a mirror does not answer")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Result, Result]]:
    """A run while three of four mirrors are not as they should be, and one after they were put right."""
    place = tmp_path_factory.mktemp("eksa")
    try:
        lab = Lab(images=[rootfs.image("openssl")])
        lab.start((STATION, HostSpec("mirror")))
    except LabError as error:
        impossible(error)
    try:
        with lab.entered(), ControlPlane() as plane:
            plane.apply(*served_as("v1beta1"), *EKS_ANYWHERE, *OTHERS, namespace("eksa-system"))
            plane.apply(*(with_mirror(name, "mirror", port) for name, (port, _, _) in SHOWN.items()))
            kubeconfig = plane.kubeconfig(path=place / "good.kubeconfig")
            lab.inside("station", f"echo {lab.address('mirror')} mirror >>/etc/hosts")
            found = []
            for at in (1, 2):
                serve(lab, at)
                found.append(examined(lab, kubeconfig, place, f"run-{at}"))
            yield found[0], found[1]
    except ControlPlaneUnavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no control plane, and CI must not pass without: {reason}", pytrace=False)
        pytest.skip(f"no control plane: {reason}")
    finally:
        lab.stop()


def examined(lab: Lab, kubeconfig: Path, place: Path, name: str) -> Result:
    others = {one: {"role": "workload", "management": "good"} for one in SHOWN if one != "good"}
    change = {
        "profile": "eks-anywhere-1.23",
        "clusters": {"good": {"kubeconfig": str(kubeconfig), "role": "management"}, **others},
        "hosts": {user: {"connection": f"ssh://{user}@station", "roles": ["workstation"]} for user in USERS},
        "ssh": {"config": str(lab.ssh_config)},
        "parameters": {"eksa-directory": "/srv/eksa"},
    }
    path, kept = place / f"{name}.yaml", place / f"{name}.json"
    path.write_text(yaml.safe_dump(change), encoding="utf-8")
    found = preflight(f"--change={path}", f"--save-snapshot={kept}", cwd=place, reports=name)
    for said in (*found.texts.values(), kept.read_text(encoding="utf-8")):
        assert PASSWORD not in said
    return found


@pytest.mark.root
@pytest.mark.real(MIRROR)
def test_mirrors_that_nodes_would_not_trust(runs: tuple[Result, Result]) -> None:
    found = runs[0].finding(MIRROR, "fleet")
    assert found["outcome"] == "hazard", found["message"]
    for said in (
        "registry mirror mirror:5001 of expired has the certificate CN=mirror, which has expired at ",
        "registry mirror mirror:5002 of other-ca shows a certificate (subject CN=mirror, issuer CN=their CA) that is not of the CA",
        "mirror:5003 of other-name shows a certificate that is not for mirror (its names: mirror.example.com)",
        "mirror:5003 of other-name has the certificate CN=mirror.example.com, which expires at ",
    ):
        assert said in found["message"], found["message"]
    assert "5004" not in found["message"]
    lines = [line for one in found["evidence"] for line in one["lines"]]
    assert any(line.startswith("mirror:5001 from bare: CN=mirror: valid ") for line in lines)
    assert any(line.startswith("mirror:5001 from ready: ") for line in lines)
    assert "openssl s_client -connect mirror:5002 -showcerts" in found["remedy"]


@pytest.mark.root
@pytest.mark.real(ENVIRONMENT)
def test_who_has_the_credentials(runs: tuple[Result, Result]) -> None:
    assert {user: runs[0].on(user)[ENVIRONMENT] for user in USERS} == {"bare": "hazard", "ready": "clear"}
    assert "EKSA_VSPHERE_USERNAME is unset" in runs[0].finding(ENVIRONMENT, "bare")["message"]
    assert {runs[0].on(user)[GIT] for user in USERS} == {"not-applicable"}


@pytest.mark.root
def test_mirrors_that_were_put_right(runs: tuple[Result, Result]) -> None:
    found = runs[1].finding(MIRROR, "fleet")
    assert found["outcome"] == "clear", found["message"]


# -- the read alone ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """A TLS server on the loopback interface: its port."""
    if shutil.which("openssl") is None:
        impossible(LabError("a TLS server needs openssl, which this machine does not have: apt install it"))
    held = tmp_path_factory.mktemp("tls") / "server.pem"
    chain = [server(BETWEEN, "127.0.0.1"), BETWEEN]
    held.write_text(chain[0].key_pem.decode() + chain[0].text)
    above = held.with_name("chain.pem")
    above.write_text(chain[1].text)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    words = ["openssl", "s_server", "-accept", str(port), "-cert", str(held), "-cert_chain", str(above), "-www"]
    process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        _await(lambda: _answers("127.0.0.1", port))
        yield port
    finally:
        process.terminate()
        process.wait(30)


SPECIFICATION = """\
apiVersion: anywhere.eks.amazonaws.com/v1alpha1
kind: Cluster
metadata:
  name: shop
spec:
  proxyConfiguration:
    httpProxy: http://user:PASSWORD@proxy
  registryMirrorConfiguration:   # where images come from
    caCertContent: |
      -----BEGIN CERTIFICATE-----
      endpoint: evil.example.com
      -----END CERTIFICATE-----
    endpoint: "127.0.0.1"  # ours
    ociNamespaces:
    - registry: public.ecr.aws
      endpoint: nested.example.com
    # port: 9
    port: 'PORT'
  endpoint: outside.example.com
---
endpoint: other.example.com
"""


@pytest.mark.parametrize("shell", each_of("dash", "bash", "busybox sh"))
def test_what_a_mirror_shows(shell: str, local: int, tmp_path: Path) -> None:
    """The read alone, in each shell: only addresses of mirrors are taken from a specification, with or without quotes."""
    folder = tmp_path / "shop"
    folder.mkdir()
    (folder / "shop-eks-a-cluster.yaml").write_text(
        SPECIFICATION.replace("PORT", str(local)).replace("PASSWORD", PASSWORD)
    )
    (tmp_path / "beside.yaml").write_text(
        "spec:\n registryMirrorConfiguration:\n  endpoint: $(reboot)\n---\n registryMirrorConfiguration:\n  port: '9'\n  endpoint: ::1\n"
    )
    (tmp_path / "notes.txt").write_text("registryMirrorConfiguration:\n  endpoint: no.example.com\n")
    text = printed("mirrors", tmp_path, shell, eksa_registry_mirrors=f"localhost:{local}, nowhere.invalid")
    assert PASSWORD not in text
    found = Mirrors.parse(text)
    assert sorted(found.replies) == sorted(
        [f"127.0.0.1:{local}", "[::1]:9", f"localhost:{local}", "nowhere.invalid:443"]
    )
    for name in (f"127.0.0.1:{local}", f"localhost:{local}"):
        assert len(found.replies[name].chain) == 2
        assert found.replies[name].verdict == 20
    assert found.replies["[::1]:9"].problem.startswith("Connection refused")
    assert found.replies["nowhere.invalid:443"].problem
    assert found.refused == ""


@pytest.mark.parametrize("shell", each_of("dash", "bash", "busybox sh"))
def test_a_directory_that_is_not_there(shell: str, tmp_path: Path) -> None:
    found = Mirrors.parse(printed("mirrors", tmp_path, shell, eksa_directory=str(tmp_path / "none")))
    assert (found.refused, found.replies) == ("No such file or directory", {})
