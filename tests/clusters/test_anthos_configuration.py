"""bmctl's configuration made real: key files and configurations on a workstation, secrets and objects in an API server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.clusters.anthos import cluster, machines, namespace
from tests.clusters.crds import BARE_METAL
from tests.clusters.test_anthos_run import traces
from tests.hazards.workspaces import KEY_PATHS, configuration, key_secret, service_account
from tests.lab.controlplane import ControlPlane
from tests.running import Result, preflight

KEYS, BLOCKS, GAP = "abm-service-account-unverified", "abm-maintenance-blocks-kept", "abm-user-cluster-version-gap"
SPEC = {"gkeConnect": {"projectID": "shop"}, "clusterOperations": {"projectID": "shop", "location": "us-central1"}}
CONNECT = "gkeConnectAgentServiceAccountKeyPath"
ACCOUNTS = {role: service_account(path.rpartition("/")[2].partition(".")[0]) for role, path in KEY_PATHS.items()}


@dataclass
class Place:
    """An admin cluster and a workstation: this machine, with bmctl's workspace in a directory of its own."""

    plane: ControlPlane
    directory: Path

    def write(self, blocks: list[str]) -> None:
        """The configurations of both clusters, and the key files."""
        head = "".join(f"{role}: {path}\n" for role, path in KEY_PATHS.items())
        more = {"maintenanceBlocks": {"cidrBlocks": blocks}} if blocks else {}
        files: dict[str, Any] = {
            "bmctl-workspace/prod-admin/prod-admin.yaml": configuration("prod-admin", head, "admin", **SPEC),
            "bmctl-workspace/store/store.yaml": configuration("store", **SPEC, **more),
            **{KEY_PATHS[role]: json.dumps(account, indent=2) for role, account in ACCOUNTS.items()},
        }
        for path, text in files.items():
            target = self.directory / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text)
            target.chmod(0o600)

    def run(self, target: str, reports: str) -> Result:
        """A run that upgrades the user cluster."""
        kubeconfig = self.plane.kubeconfig(context="prod-admin", path=self.directory / "admin.kubeconfig")
        change = {
            "profile": f"anthos-bare-metal-{target.rpartition('.')[0]}",
            "clusters": {
                "prod-admin": {"kubeconfig": str(kubeconfig), "role": "admin", "upgrade": "none"},
                "store": {"admin": "prod-admin", "role": "user", "upgrade": {"to": target}},
            },
            "hosts": {"station": {"connection": "local://", "roles": ["workstation"]}},
            "parameters": {"bmctl-directory": str(self.directory)},
        }
        file = self.directory / "upgrade.yaml"
        file.write_text(yaml.safe_dump(change))
        snapshot = self.directory / f"{reports}.snapshot.json"
        run = preflight(f"--change={file}", f"--save-snapshot={snapshot}", cwd=self.directory, reports=reports)
        self.hold_no_secret({**run.texts, "the snapshot": snapshot.read_text()})
        return run

    def hold_no_secret(self, texts: dict[str, str]) -> None:
        """Nothing of a private key, and nothing else of a configuration that is nobody's business."""
        for account in (*ACCOUNTS.values(), service_account("older")):
            lines = account["private_key"].splitlines()
            for text in texts.values():
                assert not [line for line in (lines[3], lines[-3]) if line in text]
                assert not [trace for trace in traces(lines[7]) if trace in text]
        for name, text in texts.items():
            assert "SECRET-" not in text, name


def user(blocks: list[str]) -> dict[str, Any]:
    """The Cluster object of the user cluster."""
    one = cluster("store", version="1.8.3", vip="203.0.113.10")
    one["spec"].update({"gkeConnect": SPEC["gkeConnect"], "clusterOperations": SPEC["clusterOperations"]})
    if blocks:
        one["spec"]["maintenanceBlocks"] = {"cidrBlocks": blocks}
    return one


@pytest.fixture
def place(control_plane: ControlPlane, tmp_path: Path) -> Iterator[Place]:
    control_plane.apply(*BARE_METAL, keep=True)
    control_plane.apply(*(namespace(name) for name in ("anthos-creds", "cluster-prod-admin", "cluster-store")))
    control_plane.apply(cluster("prod-admin", "admin", "1.8.3"), *machines("cluster-prod-admin", "192.0.2.1"))
    control_plane.apply(*machines("cluster-store", "198.51.100.1"))
    yield Place(control_plane, tmp_path)
    control_plane.reset()


@pytest.mark.real(KEYS, BLOCKS, GAP)
def test_what_is_not_as_configured_is_found(place: Place) -> None:
    place.write(blocks=[])
    secrets = {role: key_secret(role, account) for role, account in ACCOUNTS.items()}
    secrets[CONNECT] = key_secret(CONNECT, service_account("older"))
    place.plane.apply(user(["198.51.100.1"]), *secrets.values())
    (place.directory / KEY_PATHS["cloudOperationsServiceAccountKeyPath"]).unlink()
    run = place.run("1.9.0", "troubled")

    keys = run.finding(KEYS, "fleet")
    assert keys["outcome"] == "warning", run
    assert "ops.json on station (cloudOperationsServiceAccountKeyPath) does not exist (for store)" in keys["message"]
    assert "secret anthos-creds/gke-connect of prod-admin holds a key of account older@shop" in keys["message"]
    assert "gcr.json" not in keys["message"]
    lines = [line for one in keys["evidence"] for line in one["lines"]]
    assert "secret anthos-creds/gke-connect: account older@shop.iam.gserviceaccount.com, key older0001" in lines

    blocks = run.finding(BLOCKS, "fleet")
    assert blocks["outcome"] == "warning", run
    assert "store: its Cluster has maintenanceBlocks 198.51.100.1" in blocks["message"]
    assert "bmctl-workspace/store/store.yaml on station has none" in blocks["message"]

    gap = run.finding(GAP, "fleet")
    assert gap["outcome"] == "hazard", run
    assert "store would be 1.9.0, newer than its admin cluster prod-admin, which is 1.8.3" in gap["message"]


def test_what_is_as_configured_is_clear(place: Place) -> None:
    place.write(blocks=["198.51.100.1/32", "198.51.100.2"])
    place.plane.apply(user(["198.51.100.2", "198.51.100.1"]))
    place.plane.apply(*(key_secret(role, account) for role, account in ACCOUNTS.items()))
    run = place.run("1.8.3", "healthy")
    assert {hazard: run.outcomes[hazard, "fleet"] for hazard in (KEYS, BLOCKS, GAP)} == {
        KEYS: "clear",
        BLOCKS: "clear",
        GAP: "clear",
    }, run
