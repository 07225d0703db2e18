"""Discovery: which resources a cluster serves, under which path and version.

Aggregated discovery (Kubernetes 1.27, beta in 1.26) is one request for all groups; older servers are asked once for
each group that the plan needs. "Not served" is only said of what discovery, itself read without error, does not list:
a group whose own server does not answer is an error of that group.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

from conformance.gather.failures import Failed
from conformance.gather.http import JSON, Requester

__all__ = ["Group", "Root", "Served", "read_group", "read_root", "root_of"]

_AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v={};as=APIGroupDiscoveryList"
_ACCEPT: Final = ",".join([_AGGREGATED.format("v2"), _AGGREGATED.format("v2beta1"), JSON])


@dataclass(frozen=True, slots=True)
class Served:
    """A resource as one API server serves it."""

    #: ``/api/v1`` or ``/apis/apps/v1``.
    prefix: str
    version: str
    plural: str
    namespaced: bool

    @property
    def collection(self) -> str:
        """The path of all its objects, in all namespaces."""
        return f"{self.prefix}/{self.plural}"

    def collection_in(self, namespace: str) -> str:
        """The path of the objects of one namespace; of all of them where it is empty.

        :raises Failed: the resource belongs to no namespace.
        """
        if namespace and not self.namespaced:
            raise Failed(
                "error", f"{self.plural} of {self.prefix} belong to no namespace, so there are none in {namespace}"
            )
        return f"{self.prefix}/namespaces/{quote(namespace, safe='')}/{self.plural}" if namespace else self.collection

    def path(self, namespace: str, name: str) -> str:
        """The path of one object, percent-encoded."""
        inside = f"namespaces/{quote(namespace, safe='')}/" if self.namespaced else ""
        return f"{self.prefix}/{inside}{self.plural}/{quote(name, safe='')}"


@dataclass(frozen=True, slots=True)
class Group:
    """One API group as discovery knows it, its versions in the order in which the API server prefers them."""

    name: str
    #: version -> plural -> whether it is namespaced.
    versions: Mapping[str, Mapping[str, bool]]
    #: The versions whose own API server did not answer: what they serve is not known.
    stale: tuple[str, ...] = ()

    def resolve(self, plural: str) -> Served | None:
        """Where the resource is served: by the most preferred version that has it. None: by no version.

        :raises Failed: no version lists it, but one of them could not be read.
        """
        for version, resources in self.versions.items():
            if plural in resources:
                prefix = f"{root_of(self.name)}/{self.name}/{version}".replace("//", "/")
                return Served(prefix, version, plural, resources[plural])
        if self.stale:
            which = ", ".join(f"{self.name}/{version}" for version in self.stale)
            advice = "see its APIService (kubectl get apiservices)"
            raise Failed("error", f"discovery of {self.name}: the server behind {which} does not answer: {advice}")
        return None


@dataclass(frozen=True, slots=True)
class Root:
    """What ``/api`` or ``/apis`` lists."""

    #: "v2", "v2beta1", or "per group" where the server does not aggregate.
    form: str
    #: Complete groups; empty where the server does not aggregate.
    groups: Mapping[str, Group]
    #: group -> versions, the preferred one first; for servers that do not aggregate.
    versions: Mapping[str, tuple[str, ...]]


def root_of(group: str) -> str:
    """The path under which a group is found."""
    return "/apis" if group else "/api"


def read_root(requester: Requester, root: str) -> Root:
    """Ask for all groups below ``/api`` or ``/apis``, in the most compact form that the server has.

    :raises Failed: it could not be read.
    """
    what = f"discovery ({root})"
    answer = requester.get(what, root, accept=_ACCEPT, use=partial(requester.decoded, what))
    try:
        if answer["kind"] == "APIGroupDiscoveryList":
            groups = {group.name: group for group in map(_aggregated, answer.get("items") or [])}
            found = Root(str(answer["apiVersion"]).rpartition("/")[2], groups, {})
        elif answer["kind"] == "APIVersions":
            found = Root("per group", {}, {"": tuple(answer["versions"])})
        else:
            found = Root("per group", {}, {one["name"]: _preferred_first(one) for one in answer["groups"]})
    except (KeyError, TypeError, AttributeError):
        raise Failed("undecodable", f"{what}: the answer is not a discovery document: is a proxy in between?") from None
    if not found.groups and not any(found.versions.values()):
        # Every API server serves something; believing this would make everything "not served".
        raise Failed("undecodable", f"{what}: the answer lists no API at all")
    return found


def _aggregated(item: Mapping[str, Any]) -> Group:
    versions = item["versions"]
    return Group(
        item["metadata"].get("name", ""),
        {
            one["version"]: {entry["resource"]: entry["scope"] == "Namespaced" for entry in one.get("resources") or []}
            for one in versions
        },
        tuple(one["version"] for one in versions if one.get("freshness") == "Stale"),
    )


def _preferred_first(group: Mapping[str, Any]) -> tuple[str, ...]:
    preferred = (group.get("preferredVersion") or {}).get("version")
    versions = [one["version"] for one in group["versions"]]
    return tuple(sorted(versions, key=lambda version: version != preferred))


def read_group(requester: Requester, root: Root, name: str, plurals: Iterable[str]) -> Group:
    """The group `name` as far as it is needed for `plurals`; one without versions where it is not listed.

    :raises Failed: a version of it could not be read.
    """
    if root.form != "per group":
        return root.groups.get(name, Group(name, {}))
    versions: dict[str, dict[str, bool]] = {}
    missing = set(plurals)
    for version in root.versions.get(name, ()):
        if missing:
            versions[version] = _resources(requester, name, version)
            missing -= versions[version].keys()
    return Group(name, versions)


def _resources(requester: Requester, group: str, version: str) -> dict[str, bool]:
    path = f"{root_of(group)}/{group}/{version}".replace("//", "/")
    what = f"discovery ({path})"
    answer = requester.get_json(what, path)
    try:
        return {one["name"]: bool(one["namespaced"]) for one in answer["resources"]}
    except (KeyError, TypeError):
        raise Failed("undecodable", f"{what}: the answer is not a list of resources: is a proxy in between?") from None
