"""Kubeconfig files with everything inline, so that a test may move one or break it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from typing import Any

import yaml

from tests.lab.controlplane.pki import KeyPair


@dataclass(frozen=True, slots=True)
class Login:
    """How a user proves who it is: by token or by client certificate, or not at all."""

    user: str
    token: str | None = None
    certificate: KeyPair | None = None

    def entry(self) -> dict[str, str]:
        """The `user` part of a kubeconfig."""
        if self.token is not None:
            return {"token": self.token}
        if self.certificate is None:
            return {}
        return {
            "client-certificate-data": _base64(self.certificate.certificate),
            "client-key-data": _base64(self.certificate.key),
        }


def render(login: Login, server: str, ca: bytes, *, context: str = "lab", namespace: str | None = None) -> str:
    """The text of a kubeconfig with one cluster, one user and one context, which is the current one."""
    reference = {"cluster": context, "user": login.user} | ({"namespace": namespace} if namespace else {})
    config: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [
            {"name": context, "cluster": {"server": server, "certificate-authority-data": _base64(ca)}},
        ],
        "users": [{"name": login.user, "user": login.entry()}],
        "contexts": [{"name": context, "context": reference}],
        "current-context": context,
    }
    return yaml.safe_dump(config, sort_keys=False)


def _base64(content: bytes) -> str:
    return b64encode(content).decode()
