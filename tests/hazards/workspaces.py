"""A workstation with bmctl's workspace: real files, and what the real reads print of them."""

from __future__ import annotations

import base64
import functools
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from checks.anthos_bare_metal.facts_workspace import bmctl_keys, bmctl_mirrors, bmctl_workspace
from tests.hazards.worlds import Machine

__all__ = ["KEY_PATHS", "configuration", "fake_key", "key_secret", "printed", "service_account", "workstation"]

READS = {"configurations": bmctl_workspace, "keys": bmctl_keys, "mirrors": bmctl_mirrors}
KEY_PATHS = {
    "gcrKeyPath": "bmctl-workspace/.sa-keys/gcr.json",
    "gkeConnectAgentServiceAccountKeyPath": "bmctl-workspace/.sa-keys/connect.json",
    "gkeConnectRegisterServiceAccountKeyPath": "bmctl-workspace/.sa-keys/register.json",
    "cloudOperationsServiceAccountKeyPath": "bmctl-workspace/.sa-keys/ops.json",
}
SECRETS = {
    "gcrKeyPath": "private-registry-creds",
    "gkeConnectAgentServiceAccountKeyPath": "gke-connect",
    "gkeConnectRegisterServiceAccountKeyPath": "gke-register",
    "cloudOperationsServiceAccountKeyPath": "google-cloud-credentials",
}


def bound(read: str, directory: str = "~") -> Any:
    """One of the reads, its parameter filled in."""
    return READS[read].sources[0].bind({"bmctl-directory": directory})


def key_of(read: str, directory: str = "~") -> str:
    """The key of one of the reads, its parameter filled in."""
    return bound(read, directory).key


def printed(read: str, home: Path, directory: str = "~", shell: str = "/bin/sh", **more: str) -> str:
    """What a read prints in a home directory."""
    env = {"HOME": str(home), "LC_ALL": "C", "PATH": os.environ["PATH"], **more}
    text = bound(read, directory).line
    done = subprocess.run([*shell.split(), "-c", text], env=env, capture_output=True, text=True, check=False, cwd="/")
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout


@functools.cache
def fake_key(name: str) -> str:
    """A private key of its own for each name."""
    key = rsa.generate_private_key(65537, 2048)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def service_account(name: str, project: str = "shop", **changed: Any) -> dict[str, Any]:
    """A service-account key as Google writes it; None takes an entry out."""
    account = {
        "type": "service_account",
        "project_id": project,
        "private_key_id": f"{name}0001",
        "private_key": fake_key(name),
        "client_email": f"{name}@{project}.iam.gserviceaccount.com",
        "client_id": "1234567890",
        "token_uri": "https://oauth2.googleapis.com/token",
        **changed,
    }
    return {key: value for key, value in account.items() if value is not None}


def key_secret(role: str, account: Any, *, name: str | None = None, namespace: str = "anthos-creds") -> dict[str, Any]:
    """The secret that bmctl makes of a key; that for images is a Docker configuration."""
    text = account if isinstance(account, str) else json.dumps(account)
    entry = "creds-gcp.json"
    if role == "gcrKeyPath":
        auth = base64.b64encode(f"_json_key:{text}".encode()).decode()
        entry, text = (
            ".dockerconfigjson",
            json.dumps({"auths": {"https://gcr.io": {"auth": auth}, "us.gcr.io": {"auth": auth}}}),
        )
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name or SECRETS[role], "namespace": namespace},
        "data": {entry: base64.b64encode(text.encode()).decode()},
    }


def configuration(name: str, head: str = "", type: str = "user", **spec: Any) -> str:
    """A cluster configuration file, with what must not leave the workstation in it."""
    lines = "".join(f"  {key}: {json.dumps(value)}\n" for key, value in spec.items())
    return f"""\
# written by bmctl
---
{head}sshPrivateKeyPath: /home/ops/.ssh/id_rsa
---
apiVersion: v1
kind: Namespace
metadata:
  name: cluster-{name}
---
apiVersion: baremetal.cluster.gke.io/v1
kind: Cluster
metadata:
  name: {name}
  namespace: cluster-{name}
  annotations:
    note: SECRET-ANNOTATION
spec:
  type: {type}
  proxy:
    url: http://user:SECRET-PROXY@proxy:3128
  authentication:
    oidc:
      clientSecret: SECRET-OIDC
{lines}---
apiVersion: v1
kind: Secret
metadata:
  name: ssh-key
stringData:
  id_rsa: SECRET-DATA
"""


def workstation(
    files: Mapping[str, Any], *, mirrors: str = "", directory: str = "~", broken: Mapping[str, str] | None = None
) -> Machine:
    """A workstation with these files (path below the home -> text, or JSON) and what asking its mirrors gave."""
    with tempfile.TemporaryDirectory() as place:
        home = Path(place, "home")
        for path, text in files.items():
            target = home / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                target.mkdir()
            else:
                target.write_text(text if isinstance(text, str) else json.dumps(text, indent=2), encoding="utf-8")
        home.mkdir(exist_ok=True)
        says = {key_of(one, directory): printed(one, home, directory) for one in ("configurations", "keys")}
    says[key_of("mirrors", directory)] = f"directory {home}\n{mirrors}"
    told = {key_of(read, directory): kind for read, kind in (broken or {}).items()}
    return Machine(roles=("workstation",), says=says, broken=told)
