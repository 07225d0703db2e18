"""A small client for the lab's own API server: applies test objects, waits for what takes time, cleans up."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import urllib3

Object = dict[str, Any]
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
_DISCOVERY = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
_NOW: Object = {"gracePeriodSeconds": 0, "propagationPolicy": "Background"}
_AUTHORIZATION = "authorization.k8s.io/v1"
_CRD = "CustomResourceDefinition"


class ApiError(Exception):
    """The API server refused a request of the lab's; `status` is its HTTP status."""

    def __init__(self, method: str, path: str, status: int, message: str) -> None:
        super().__init__(f"{method} {path}: {status} {message}")
        self.status = status


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource of one version as discovery lists it."""

    root: str
    plural: str
    namespaced: bool
    verbs: frozenset[str]
    subresources: frozenset[str]

    def path(self, namespace: str | None, name: str = "", subresource: str = "") -> str:
        """The path of the collection, of the object called `name`, or of its `subresource`."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", quote(namespace, safe="")]
        return "/".join([*parts, self.plural, *([quote(name, safe="")] if name else []), *filter(None, [subresource])])


class Api:
    """Requests to one API server as one user; remembers what it applied, so that it can be taken away."""

    def __init__(self, url: str, ca_file: Path, token: str) -> None:
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"}
        self._pool = urllib3.PoolManager(ca_certs=str(ca_file), retries=False, timeout=urllib3.Timeout(5, 30))
        self._resources: dict[tuple[str, str], Resource] = {}
        self._applied: dict[str, Object] = {}

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        content_type: str = "application/json",
        **query: str,
    ) -> Any:
        """The decoded answer to one request; ApiError for every status from 400 on."""
        return self._request(method, path, body, {"Content-Type": content_type}, query)

    def status(self, path: str) -> int:
        """The HTTP status that a GET of `path` has, 0 where nothing listens yet."""
        try:
            return self._pool.request("GET", self._url + path, headers=self._headers).status
        except urllib3.exceptions.HTTPError:
            return 0

    def apply(self, document: Object, *, keep: bool = False) -> Object:
        """Create or change one object, its status included; a CRD is served when this returns.

        `reset` deletes the object again, unless `keep` is set.
        """
        resource = self.resource(document)
        status = "status" in resource.subresources and "status" in document and document["kind"] != _CRD
        sent = {key: value for key, value in document.items() if not (status and key == "status")}
        result = self._patch(self._path(document), sent)
        if not keep:
            self._applied.setdefault(self._path(document), result)
        if document["kind"] == _CRD:
            self._await_served(result)
        return self.set_status(document) if status else result

    def set_status(self, document: Object) -> Object:
        """Set the status of an object that exists, through its status subresource."""
        metadata = {key: document["metadata"][key] for key in ("name", "namespace") if key in document["metadata"]}
        sent = {"apiVersion": document["apiVersion"], "kind": document["kind"], "metadata": metadata}
        return self._patch(self._path(document, "status"), {**sent, "status": document["status"]})

    def delete(self, document: Object) -> None:
        """Delete an object at once, finalizers or not; gone when this returns. None being there is fine."""
        try:
            path = self._path(document)
        except ApiError:
            return  # its kind is served no more, so it went with its CRD
        self._applied.pop(path, None)
        if document["kind"] == "Namespace":
            self._empty(document["metadata"]["name"])
        try:
            left = self.request("DELETE", path, _NOW)
            if left.get("metadata", {}).get("deletionTimestamp") and document["kind"] != _CRD:
                # No controller runs here that would ever take the finalizers off.
                self._release(document, path)
        except ApiError as error:
            if error.status != 404:
                raise
        wait_until(lambda: self.status(path) == 404, f"{path} to be gone")
        if document["kind"] == _CRD:
            wait_until(lambda: not self._listed(document), f"{path} to leave discovery")
            self._resources.clear()

    def reset(self) -> None:
        """Delete everything that was applied without `keep`, the last first."""
        for document in reversed(list(self._applied.values())):
            self.delete(document)
        self._applied.clear()

    def may(self, user: str, rule: Object, namespace: str = "") -> bool:
        """Whether `user` may do the first thing that this rule of a role allows, in `namespace` or in all of them."""
        if rule.get("resources"):
            plural, _, subresource = rule["resources"][0].partition("/")
            what = {"group": rule["apiGroups"][0], "resource": plural, "subresource": subresource}
            name = (rule.get("resourceNames") or [""])[0]
            asked = {"resourceAttributes": {**what, "namespace": namespace, "name": name, "verb": rule["verbs"][0]}}
        else:
            path = rule["nonResourceURLs"][0]
            asked = {"nonResourceAttributes": {"path": path, "verb": rule["verbs"][0]}}
        review = {
            "apiVersion": _AUTHORIZATION,
            "kind": "SubjectAccessReview",
            "spec": {"user": user, **asked},
        }
        answer = self.request("POST", f"/apis/{_AUTHORIZATION}/subjectaccessreviews", review)
        return bool(answer["status"]["allowed"])

    def resource(self, document: Object) -> Resource:
        """The resource that holds objects of this apiVersion and kind, as discovery has it."""
        key = (document["apiVersion"], document["kind"])
        if key not in self._resources:
            self._resources = self._discover()
        if key not in self._resources:
            raise ApiError("GET", "/apis", 404, f"no {key[0]} {key[1]} is served; was its CRD applied?")
        return self._resources[key]

    def _path(self, document: Object, subresource: str = "") -> str:
        metadata = document["metadata"]
        return self.resource(document).path(metadata.get("namespace", "default"), metadata["name"], subresource)

    def _patch(self, path: str, body: Object) -> Object:
        # Strict: a misspelt field in a test's manifest is an error, not a field that silently goes missing.
        query = {"fieldManager": "lab", "force": "true", "fieldValidation": "Strict"}
        answer: Object = self._request("PATCH", path, body, {"Content-Type": APPLY}, query)
        return answer

    def _request(
        self, method: str, path: str, body: object, headers: Mapping[str, str], query: Mapping[str, str]
    ) -> Any:
        url = self._url + path + (f"?{urlencode(query)}" if query else "")
        payload = None if body is None else json.dumps(body)
        answer = self._pool.request(method, url, body=payload, headers={**self._headers, **headers})
        text = answer.data.decode()
        decoded = json.loads(text) if "json" in answer.headers.get("Content-Type", "") else text
        if answer.status >= 400:
            told = decoded.get("message", text) if isinstance(decoded, dict) else text
            raise ApiError(method, path, answer.status, told)
        return decoded

    def _discover(self) -> dict[tuple[str, str], Resource]:
        found = {}
        for root in ("/api", "/apis"):
            for group in self._request("GET", root, None, {"Accept": _DISCOVERY}, {})["items"]:
                for version in group["versions"]:
                    name = "/".join(filter(None, [group["metadata"].get("name"), version["version"]]))
                    for entry in version["resources"]:
                        found[name, entry["responseKind"]["kind"]] = _resource(f"{root}/{name}", entry)
        return found

    def _await_served(self, crd: Object) -> None:
        path = self._path(crd)
        served = [entry["name"] for entry in crd["spec"]["versions"] if entry["served"]]
        collections = [f"/apis/{crd['spec']['group']}/{name}/{crd['spec']['names']['plural']}" for name in served]

        def is_served() -> bool:
            conditions = self.request("GET", path).get("status", {}).get("conditions") or []
            established = any(item["type"] == "Established" and item["status"] == "True" for item in conditions)
            return established and all(self.status(item) == 200 for item in collections)

        wait_until(is_served, f"{path} to be established and served")
        wait_until(lambda: self._listed(crd), f"{path} to be listed by discovery")
        self._resources.clear()

    def _listed(self, crd: Object) -> bool:
        group, kind = crd["spec"]["group"], crd["spec"]["names"]["kind"]
        listed = {name for name, listed_kind in self._discover() if listed_kind == kind}
        return bool(listed & {f"{group}/{entry['name']}" for entry in crd["spec"]["versions"] if entry["served"]})

    def _empty(self, namespace: str) -> None:
        """Do what the namespace controller would do, were there one."""
        self._resources = self._discover()
        for resource in self._resources.values():
            if resource.namespaced and {"deletecollection", "list"} <= resource.verbs:
                collection = resource.path(namespace)
                if self.request("GET", collection, limit="1")["items"]:
                    self.request("DELETE", collection, _NOW)
                    for item in self.request("GET", collection)["items"]:
                        left = resource.path(namespace, item["metadata"]["name"])
                        self.request("PATCH", left, {"metadata": {"finalizers": None}}, content_type=MERGE)

    def _release(self, document: Object, path: str) -> None:
        if document["kind"] == "Namespace":
            self.request("PUT", f"{path}/finalize", {**self.request("GET", path), "spec": {"finalizers": []}})
        if self.status(path) == 200:
            self.request("PATCH", path, {"metadata": {"finalizers": None}}, content_type=MERGE)


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 20) -> None:
    """Return as soon as `condition` holds; TimeoutError, which says for what, when that takes too long."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds:.0f} s for {what}")
        time.sleep(0.02)


def _resource(root: str, entry: Object) -> Resource:
    return Resource(
        root=root,
        plural=entry["resource"],
        namespaced=entry["scope"] == "Namespaced",
        verbs=frozenset(entry["verbs"]),
        subresources=frozenset(item["subresource"] for item in entry.get("subresources", [])),
    )
