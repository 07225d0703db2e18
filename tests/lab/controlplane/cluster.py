"""What a test does to a cluster of the lab as its administrator: objects, service accounts, what these may do."""

from __future__ import annotations

from pathlib import Path

import yaml

from tests.lab.controlplane.api import Api, Object, wait_until


class Cluster:
    """A cluster behind `api`; remembers what was applied to it, so that `reset` takes it away."""

    def __init__(self, api: Api) -> None:
        self.api = api

    def service_account(self, namespace: str, name: str) -> str:
        """A token of the service account `name`; account and namespace are created where they are missing."""
        self.namespace(namespace)
        metadata = {"namespace": namespace, "name": name}
        self.api.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token"
        request = {
            "apiVersion": "authentication.k8s.io/v1",
            "kind": "TokenRequest",
            "spec": {"expirationSeconds": 7200},
        }
        token: str = self.api.request("POST", path, request)["status"]["token"]
        return token

    def bind(self, roles: str | Path | Object, service_account: str) -> None:
        """Apply the ClusterRoles and Roles in `roles` (YAML, file or object), and bind them to "namespace/name"."""
        for document in documents(roles):
            role = self.api.apply(document)
            if role["kind"] in ("ClusterRole", "Role"):
                self._bind(role, *service_account.split("/"))

    def _bind(self, role: Object, namespace: str, name: str) -> None:
        group, kind, role_name = "rbac.authorization.k8s.io", role["kind"], role["metadata"]["name"]
        where = {key: value for key, value in role["metadata"].items() if key == "namespace"}
        binding = {
            "apiVersion": f"{group}/v1",
            "kind": f"{kind}Binding",
            "metadata": {"name": f"{role_name}-{namespace}-{name}", **where},
            "roleRef": {"apiGroup": group, "kind": kind, "name": role_name},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
        }
        self.api.apply(binding)
        # The authorizer learns of a role through its own watch, milliseconds after we were told "created".
        user, rules = f"system:serviceaccount:{namespace}:{name}", role.get("rules") or []
        wait_until(lambda: all(self.api.may(user, rule, **where) for rule in rules), f"{user} to have {role_name}")

    def apply(self, *sources: str | Path | Object, keep: bool = False) -> list[Object]:
        """Apply objects: dictionaries, YAML text, files or directories of YAML; `keep` them over `reset`."""
        return [self.api.apply(document, keep=keep) for source in sources for document in documents(source)]

    def set_status(self, document: Object) -> Object:
        """Set the status of an object through its status subresource."""
        return self.api.set_status(document)

    def delete(self, *sources: str | Path | Object) -> None:
        """Delete objects at once; each is gone when this returns."""
        for source in sources:
            for document in documents(source):
                self.api.delete(document)

    def namespace(self, name: str) -> str:
        """A namespace of this name; it is returned for use in manifests."""
        self.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def reset(self) -> None:
        """Delete what was applied without `keep`: namespaces with all in them, nodes, roles, CRDs."""
        self.api.reset()


def documents(source: str | Path | Object) -> list[Object]:
    """The objects in `source`: the dictionary itself, YAML text, a YAML file, or a directory of files."""
    if isinstance(source, dict):
        return [source]
    if isinstance(source, Path):
        files = sorted(source.glob("*.yaml")) if source.is_dir() else [source]
        return [document for file in files for document in documents(file.read_text("utf-8"))]
    return [document for document in yaml.safe_load_all(source) if document]
