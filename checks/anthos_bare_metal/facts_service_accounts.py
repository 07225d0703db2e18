"""The service-account keys that an admin cluster holds for its clusters, without the keys."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance import Members, Unreadable, cluster_fact, every, fleet_fact, named
from conformance.reads.projection import value_at

from .facts_workspace import SETTINGS, Settings
from .workspace import fingerprint_of


@dataclass(frozen=True, slots=True)
class Role:
    """What one of the keys is for."""

    #: The key for bmctl that names its file.
    path_key: str
    #: Where a Cluster names the secret that holds it.
    reference: str
    #: The secret that bmctl makes in anthos-creds, and that a Cluster without a reference means.
    secret: str
    #: Where a Cluster names the project.
    project: str
    #: The part of a spec that needs the key; empty where it may do without.
    needed_by: str


#: Sources: the cluster configuration file of bmctl 1.6, where the references stand written out, and the address of
#: gke-connect in the documentation of SecretForwarder.
ROLES: Final = (
    Role("gcrKeyPath", "credentials.imagePullSecret", "private-registry-creds", "gkeConnect.projectID", ""),
    Role(
        "gkeConnectAgentServiceAccountKeyPath",
        "gkeConnect.connectServiceAccountSecret",
        "gke-connect",
        "gkeConnect.projectID",
        "gkeConnect",
    ),
    Role(
        "gkeConnectRegisterServiceAccountKeyPath",
        "gkeConnect.registerServiceAccountSecret",
        "gke-register",
        "gkeConnect.projectID",
        "gkeConnect",
    ),
    Role(
        "cloudOperationsServiceAccountKeyPath",
        "clusterOperations.serviceAccountSecret",
        "google-cloud-credentials",
        "clusterOperations.projectID",
        "clusterOperations",
    ),
)
NAMESPACE: Final = "anthos-creds"
_NAME: Final = re.compile(r"[A-Za-z0-9][-A-Za-z0-9._@:]{0,253}")


def service_account_facts(obj: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Of a secret: names and the public half of each service-account key in it, and nothing that could log in."""
    found = []
    for entry, encoded in sorted((obj.get("data") or {}).items()):
        for text in _texts(encoded):
            document = _json(text)
            if document is not None and ("private_key" in document or "client_email" in document):
                names = {name: _name(document[name]) for name in _NAMES if name in document}
                found.append({"entry": entry, "names": names, "fingerprint": _fingerprint(document.get("private_key"))})
    return [one for number, one in enumerate(found) if one not in found[:number]]


_NAMES: Final = ("type", "project_id", "client_email", "private_key_id")


def _name(value: Any) -> str:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else "?"


def _texts(encoded: Any) -> Iterator[str]:
    """What may be a key: the value itself, or the passwords in a Docker configuration (user ``_json_key``)."""
    text = _decoded(encoded)
    yield text
    for one in ((_json(text) or {}).get("auths") or {}).values():
        if isinstance(one, Mapping):
            yield str(one.get("password") or "")
            yield _decoded(one.get("auth")).partition(":")[2]


def _decoded(encoded: Any) -> str:
    try:
        return base64.b64decode(str(encoded or ""), validate=True).decode()
    except ValueError:
        return ""


def _json(text: str) -> dict[str, Any] | None:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None


def _fingerprint(key: Any) -> str | None:
    """Of a private key in PEM armour the public half's; None where it is not valid."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        # As openssl does on the workstation: its primes are not tested again.
        private = load_pem_private_key(str(key).encode(), None, unsafe_skip_rsa_key_validation=True)
        public = private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except Exception:
        return None
    return fingerprint_of(public)


def _secret(role: Role) -> Any:
    namespace = f"{{spec.{role.reference}.namespace|{NAMESPACE}}}"
    name = f"{{spec.{role.reference}.name|{role.secret}}}"
    return named("secrets", over=SETTINGS, namespace=namespace, name=name, reduce=service_account_facts)


@dataclass(frozen=True, slots=True)
class Held:
    """One secret that should hold a key."""

    #: Namespace and name.
    key: str
    #: Whether the Cluster names it itself.
    referenced: bool
    #: The keys in it, as `service_account_facts` tells them; None where there certainly is no such secret.
    keys: list[Mapping[str, Any]] | None
    #: Why it could not be read; empty where it could.
    problem: str = ""


@cluster_fact(*(_secret(one) for one in ROLES))
def abm_key_secrets(
    registry: Mapping[str, Any],
    connect: Mapping[str, Any],
    register: Mapping[str, Any],
    operations: Mapping[str, Any],
    abm_settings: Settings,
) -> dict[str, Held]:
    """Key for bmctl -> the secret that holds that key for the cluster."""
    found = {}
    for role, objects in zip(ROLES, (registry, connect, register, operations), strict=True):
        spec = abm_settings.live.spec if abm_settings.live else {}
        reference = value_at(spec, role.reference, {}) or {}
        key = f"{reference.get('namespace') or NAMESPACE}/{reference.get('name') or role.secret}"
        try:
            found[role.path_key] = Held(key, bool(reference.get("name")), objects[key])
        except Unreadable as failure:
            found[role.path_key] = Held(key, bool(reference.get("name")), None, failure.reason)
    return found


@fleet_fact(every(abm_key_secrets))
def abm_fleet_key_secrets(members: Members) -> Members:
    """Cluster -> the secrets with its keys, for every cluster that is looked at."""
    return members
