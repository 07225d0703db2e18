"""Subjects: the hosts, the clusters and the fleet that checks look at."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from conformance.change import Change
from conformance.documents import InvalidDocument
from conformance.hazards import Target

__all__ = ["FLEET_NAME", "Inventory", "Subject"]

#: The subject of a finding that concerns several hosts or clusters at once.
FLEET_NAME: Final = "fleet"
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._-]+")
_NODE_TARGETS: Final = {
    Target.CONTROL_PLANE: "control-plane",
    Target.WORKER: "worker",
    Target.LOAD_BALANCER: "load-balancer",
}


@dataclass(frozen=True, slots=True)
class Subject:
    """What a check looks at: its name as the change gives it, and how it hangs together with others."""

    name: str
    kind: Literal["host", "cluster", "fleet"]
    #: Of a host: its roles. Of a cluster: its role, where it is known.
    roles: tuple[str, ...] = ()
    #: Of a host: the cluster that it belongs to.
    cluster: str | None = None
    #: Of a cluster: the cluster that manages it.
    manager: str | None = None
    #: Whether it can be asked at all; a user cluster known only to its admin cluster cannot.
    connected: bool = True

    @property
    def id(self) -> str:
        """The name as it stands in pytest's node ids: letters, digits, ``.``, ``_`` and ``-`` only."""
        return _UNSAFE.sub("-", self.name).strip("-") or "subject"

    def is_a(self, target: Target) -> bool:
        """Whether a check that looks at `target` looks at this subject."""
        if self.kind != "host":
            return target.value == self.kind
        if target is Target.HOST:
            return True
        if target is Target.WORKSTATION:
            return "workstation" in self.roles
        nodal = [role for role in self.roles if role != "workstation"]
        if target is Target.NODE:
            return bool(nodal) or not self.roles
        return target in _NODE_TARGETS and (not self.roles or _NODE_TARGETS[target] in nodal)


class Inventory(Mapping[str, Subject]):
    """All subjects of a run by name, in the order of the change; the fleet is the last."""

    def __init__(self, subjects: Iterable[Subject]) -> None:
        self._subjects: dict[str, Subject] = {}
        for one in (*subjects, Subject(FLEET_NAME, "fleet")):
            if one.name in self._subjects:
                other = self._subjects[one.name].kind
                msg = f"{one.name!r} would be the name of a {other} and of a {one.kind}: give names of their own (--change)"
                raise InvalidDocument(msg)
            self._subjects[one.name] = one
        self.ids = _unique_ids(self._subjects.values())
        #: The hosts and the clusters, in the order of the change.
        self.hosts = [one for one in self._subjects.values() if one.kind == "host"]
        self.clusters = [one for one in self._subjects.values() if one.kind == "cluster"]
        self._hosts_of: dict[str, list[Subject]] = {}
        for one in self.hosts:
            if one.cluster is not None:
                self._hosts_of.setdefault(one.cluster, []).append(one)

    @classmethod
    def of(cls, change: Change) -> Inventory:
        """The subjects that a change names; clusters only where they are examined, too.

        :raises InvalidDocument: two of them have the same name.
        """
        hosts = [Subject(one.name, "host", one.roles, one.cluster) for one in change.hosts.values()]
        clusters = [
            Subject(one.name, "cluster", (one.role,) if one.role else (), manager=one.manager, connected=one.connected)
            for one in change.looked_at.values()
        ]
        return cls([*hosts, *clusters])

    def __getitem__(self, name: str) -> Subject:
        return self._subjects[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._subjects)

    def __len__(self) -> int:
        return len(self._subjects)

    @property
    def fleet(self) -> Subject:
        """The fleet: everything at once."""
        return self._subjects[FLEET_NAME]

    def manager_of(self, cluster: Subject) -> Subject:
        """The cluster that manages a cluster; itself where nobody does."""
        return self._subjects[cluster.manager] if cluster.manager else cluster

    def members(self, whole: Subject, kind: str) -> list[Subject]:
        """The hosts or clusters (`kind`) that belong to the fleet or to a cluster."""
        if whole.kind == "fleet":
            return self.hosts if kind == "host" else self.clusters
        if whole.kind == "cluster" and kind == "host":
            return self._hosts_of.get(whole.name, [])
        return [whole] if whole.kind == kind else []


def _unique_ids(subjects: Iterable[Subject]) -> Mapping[str, str]:
    """Subject name -> an id that no other subject has."""
    ids: dict[str, str] = {}
    taken: set[str] = set()
    for one in subjects:
        candidate, count = one.id, 1
        while candidate in taken:
            count += 1
            candidate = f"{one.id}-{count}"
        taken.add(candidate)
        ids[one.name] = candidate
    return ids
