"""Workstations from which bmctl upgrades, over real sshds with real logins, beside a real API server of their cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.clusters.anthos import cluster, namespace
from tests.clusters.crds import BARE_METAL
from tests.hosts.conftest import impossible
from tests.lab.controlplane import ControlPlane, ControlPlaneUnavailable
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.running import Result, preflight

pytestmark = pytest.mark.root

ADC, NIL = "abm-application-default-credentials", "abm-nil-context"
CONNTRACK, MANIFESTS = "abm-conntrack-readonly", "abm-manifests-missing"
VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
SECRET = "-----BEGIN PRIVATE KEY-----\nTHISKEYMUSTNEVERBESEEN\n-----END PRIVATE KEY-----\n"
KEY = json.dumps({"type": "service_account", "project_id": "p", "private_key": SECRET}, indent=2)
USER_KEY = json.dumps({"client_secret": "THISKEYMUSTNEVERBESEEN", "type": "authorized_user"})
FOCAL = 'ID=ubuntu\nVERSION_ID="20.04"\nPRETTY_NAME="Ubuntu 20.04.2 LTS"\n'
GCLOUD = ".config/gcloud/application_default_credentials.json"
#: User of the workstation -> login shell, and files below the home.
USERS = {
    "bare": ("/bin/bash", {"bmctl-workspace/prod/prod.yaml": ""}),
    "ready": (
        "/bin/zsh",
        {
            ".zprofile": f"export {VARIABLE}=$HOME/keys/key.json\necho Welcome\n",
            "keys/key.json": KEY,
            "bmctl-workspace/.manifests/1.8.0/x": "",
        },
    ),
    "gcloud": (
        "/usr/bin/fish",
        {
            ".config/fish/config.fish": "set -gx CLOUDSDK_CONFIG $HOME/sdk\n",
            "sdk/application_default_credentials.json": USER_KEY,
        },
    ),
    "tilde": (
        "/bin/csh",
        {
            ".login": f"setenv {VARIABLE} '~/key.json'\n",
            "key.json": KEY,
            ".manifests/1.8.0/x": "",
            "bmctl-workspace/x": "",
        },
    ),
    "closed": (
        "/bin/dash",
        {".profile": f"export {VARIABLE}=/home/ready/keys/key.json\n", "bmctl-workspace/.manifests/x": ""},
    ),
    "unsure": ("/bin/bash", {GCLOUD: USER_KEY}),
}
SPECS = (
    HostSpec(
        "station",
        users=[UserSpec(user, shell=shell) for user, (shell, _) in USERS.items()],
        files={
            f"/home/{user}/{name}": (text, 0o644, user)
            for user, (_, held) in USERS.items()
            for name, text in held.items()
        },
        prestart=(
            "chmod 700 /home/ready/keys && chown ready /home/ready/keys",
            "chmod 700 /home/closed/bmctl-workspace && chown root /home/closed/bmctl-workspace",
            "chmod 700 /home/unsure/.config/gcloud && chown root /home/unsure/.config/gcloud",
        ),
    ),
    # As many cores as no table is made for, and this machine's own.
    HostSpec(
        "many-cores", files={"/etc/os-release": FOCAL, "/usr/bin/nproc": ("#!/bin/sh\necho 4096\n", 0o755, "root")}
    ),
    HostSpec("few-cores", files={"/etc/os-release": FOCAL}),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Result]:
    """One run over all workstations and their cluster, which is asked in the lab's network as well."""
    place = tmp_path_factory.mktemp("run")
    lab = Lab()
    try:
        lab.start(SPECS)
    except LabError as error:
        impossible(error)
    try:
        with lab.entered(), ControlPlane() as plane:
            yield _upgraded(lab, plane, place)
    except ControlPlaneUnavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"no control plane, and CI must not pass without: {reason}", pytrace=False)
        pytest.skip(f"no control plane: {reason}")
    finally:
        lab.stop()


def _upgraded(lab: Lab, plane: ControlPlane, place: Path) -> Result:
    hub = cluster("hub", "admin", "1.7.3", nodes=["192.0.2.1"], vip="192.0.2.8")
    hub["spec"]["clusterOperations"] = {"projectID": "p", "location": "europe-west1"}
    plane.apply(*BARE_METAL, keep=True)
    plane.apply(namespace("cluster-hub"), hub)
    logins = {user: f"ssh://{user}@station" for user in USERS} | {one.name: f"ssh://{one.name}" for one in SPECS}
    change = {
        "profile": "anthos-bare-metal-1.8",
        "clusters": {"hub": {"kubeconfig": str(plane.kubeconfig(path=place / "hub.kubeconfig")), "role": "admin"}},
        "hosts": {name: {"connection": where, "roles": ["workstation"]} for name, where in logins.items()},
        "ssh": {"config": str(lab.ssh_config)},
    }
    path = place / "upgrade.yaml"
    path.write_text(yaml.safe_dump(change), encoding="utf-8")
    return preflight("--change", path, "--save-snapshot", place / "reports" / "snapshot.json", cwd=place)


@pytest.mark.real(ADC)
def test_application_default_credentials(run: Result) -> None:
    found = {user: run.on(user)[ADC] for user in USERS}
    assert found == {
        "bare": "hazard",
        "ready": "clear",
        "gcloud": "clear",
        "tilde": "hazard",
        "closed": "hazard",
        "unsure": "unknown",
    }
    finding = run.finding(ADC, "bare")
    assert "europe-west1" in finding["message"]
    lines = [line for one in finding["evidence"] for line in one["lines"]]
    assert f"{VARIABLE} is not set" in lines
    assert f"/home/bare/{GCLOUD}: No such file or directory" in lines
    assert "cluster hub: spec.clusterOperations.location: europe-west1" in lines
    assert f"/home/unsure/{GCLOUD}: Permission denied" in run.finding(ADC, "unsure")["message"]
    assert "names no readable file (Permission denied)" in run.finding(ADC, "closed")["message"]


@pytest.mark.real(NIL)
def test_nil_context(run: Result) -> None:
    found = {user: run.on(user)[NIL] for user in USERS}
    assert found == dict.fromkeys(USERS, "hazard") | {"ready": "clear"}
    assert f"{VARIABLE}='~/key.json' names no readable file" in run.finding(NIL, "tilde")["message"]


@pytest.mark.real(MANIFESTS)
def test_manifests(run: Result) -> None:
    found = {user: run.on(user)[MANIFESTS] for user in USERS}
    assert found == {
        "bare": "warning",
        "ready": "clear",
        "gcloud": "not-applicable",
        "tilde": "clear",
        "closed": "unknown",
        "unsure": "not-applicable",
    }
    finding = run.finding(MANIFESTS, "bare")
    lines = [line for one in finding["evidence"] for line in one["lines"]]
    assert "/home/bare/.manifests: No such file or directory" in lines
    assert "cd /home/bare/ && bmctl check cluster -c hub" in finding["remedy"]


@pytest.mark.real(CONNTRACK)
def test_connection_tracking(run: Result) -> None:
    assert run.on("station")[CONNTRACK] == "not-applicable"
    try:
        limit = int(Path("/proc/sys/net/netfilter/nf_conntrack_max").read_text())
    except FileNotFoundError:
        assert {run.on(one)[CONNTRACK] for one in ("many-cores", "few-cores")} == {"unknown"}
        return
    finding = run.finding(CONNTRACK, "many-cores")
    assert finding["outcome"] == "hazard"
    assert f"is {limit}; kube-proxy wants {4096 * 32768} on 4096 cores" in finding["message"]
    assert {"subject": "many-cores", "read": "cat /proc/sys/net/netfilter/nf_conntrack_max", "lines": [str(limit)]} in (
        finding["evidence"]
    )
    enough = limit >= max(32768 * len(os.sched_getaffinity(0)), 131072)
    assert run.on("few-cores")[CONNTRACK] == ("clear" if enough else "hazard")


def test_no_key_is_told_to_anybody(run: Result) -> None:
    assert "snapshot.json" in run.texts
    assert not [name for name, text in run.texts.items() if "THISKEY" in text or "PRIVATE KEY" in text]
