"""Plan: every read of a run, known before anything is contacted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance.facts.declare import Fact
from conformance.facts.resolve import Closure, Planned, fixture_needs, needs_of
from conformance.packs import Check
from conformance.reads import ClusterRead, Desired, HostRead
from conformance.select import Case
from conformance.subjects import Inventory, Subject

__all__ = ["Plan", "Rehearsal", "make_plan", "uses_host"]


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """A check that asks through testinfra's `host` for what no fact declares, on one host."""

    check: Check
    subject: Subject


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run reads, by subject, in a fixed order."""

    reads: Mapping[str, tuple[HostRead | ClusterRead, ...]]
    rehearsals: tuple[Rehearsal, ...] = ()

    def of_hosts(self, inventory: Inventory) -> dict[str, tuple[HostRead, ...]]:
        """Host name -> its reads; hosts that nothing is read of are left out."""
        return {
            one.name: tuple(r for r in self.reads.get(one.name, ()) if isinstance(r, HostRead))
            for one in inventory.hosts
            if self.reads.get(one.name) or any(r.subject.name == one.name for r in self.rehearsals)
        }

    def of_clusters(self, inventory: Inventory) -> dict[str, tuple[ClusterRead, ...]]:
        """Cluster name -> the reads that its API server is asked for."""
        found = {}
        for one in inventory.clusters:
            reads = self.reads.get(one.name, ())
            asked = tuple(r for r in reads if isinstance(r, ClusterRead) and not isinstance(r, Desired))
            if asked:
                found[one.name] = asked
        return found

    def desired(self, inventory: Inventory) -> dict[str, tuple[Desired, ...]]:
        """Cluster name -> what is read of its desired configuration."""
        found = {}
        for one in inventory.clusters:
            wanted = tuple(r for r in self.reads.get(one.name, ()) if isinstance(r, Desired))
            if wanted:
                found[one.name] = wanted
        return found


def uses_host(names: Iterable[str], scope: Mapping[str, Any]) -> bool:
    """Whether testinfra's `host` is among the names, or behind a plain fixture among them."""
    for name in names:
        if name == "host":
            return True
        thing = scope.get(name)
        if thing is not None and not isinstance(thing, Fact):
            inner = [one for one in fixture_needs(thing) if one != name]
            if uses_host(inner, scope):
                return True
    return False


def make_plan(
    cases: Iterable[Case], closure: Closure, inventory: Inventory, extra: Iterable[tuple[Fact, Subject]] = ()
) -> Plan:
    """The reads behind the given cases, and behind `extra` facts such as the version before the upgrade.

    :raises InvalidFact: a check names what can never be given.
    """
    planned: dict[Planned, None] = {}
    rehearsals: dict[tuple[int, str], Rehearsal] = {}
    walked: set[tuple[int, str]] = set()
    for fact, subject in extra:
        planned.update(dict.fromkeys(closure.reads([fact.name], {fact.name: fact}, subject)))
    for case in cases:
        key = (id(case.check.function), case.subject.name)
        if key in walked:
            continue
        walked.add(key)
        names = needs_of(case.check.function)
        planned.update(dict.fromkeys(closure.reads(names, case.check.scope, case.subject)))
        if uses_host(names, case.check.scope):
            rehearsals[key] = Rehearsal(case.check, case.subject)
    reads: dict[str, list[HostRead | ClusterRead]] = {name: [] for name in inventory}
    for one in planned:
        reads.setdefault(one.subject, []).append(one.read)
    return Plan({name: tuple(held) for name, held in reads.items() if held}, tuple(rehearsals.values()))
