"""Select: which hazards are looked for on which subjects, and why the others are not."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from conformance.answers import Unreadable
from conformance.change import Change, Cluster, Upgrade
from conformance.documents import InvalidDocument
from conformance.facts.resolve import member_kinds, needs_of
from conformance.findings import LeftOut
from conformance.hazards import Hazard, Situation, Target
from conformance.packs import Check, scope_of
from conformance.profiles import Profile
from conformance.subjects import Inventory, Subject
from conformance.versions import Specifier, Version

__all__ = ["Case", "Selection", "checks_by_hazard", "select", "upgrades_of"]

_NOBODY = {
    Target.HOST: "no host is named: give --hosts, or name some in the change file",
    Target.NODE: "no node is named: give --hosts, or name some in the change file",
    Target.WORKSTATION: "no workstation is named: give a host the role workstation in the change file",
    Target.CLUSTER: "no cluster is named: give --kubeconfig, or name some in the change file",
    Target.FLEET: "neither a host nor a cluster is named: give --hosts or --kubeconfig, or name some in the change file",
}
#: Roles of clusters whose own machines no upgrade under review touches: they are there to upgrade others.
_MACHINES_STAY = ("bootstrap", "supervisor")


@dataclass(frozen=True, slots=True)
class Case:
    """One hazard on one subject: what one pytest item decides."""

    check: Check
    hazard: Hazard
    subject: Subject
    upgrade: Upgrade
    #: Why versions rule it out, None where they do not.
    ruled_out: str | None = None
    #: Why versions cannot say whether it applies, None where they do.
    undecided: str | None = None
    #: What a finding must add, such as a target known only as a release series.
    note: str = ""

    @property
    def wanted(self) -> bool:
        """Whether its facts are needed."""
        return self.ruled_out is None and self.undecided is None


@dataclass(frozen=True, slots=True)
class Selection:
    """Everything that a run is to decide, and what it leaves out."""

    known: int
    cases: tuple[Case, ...]
    not_applicable: tuple[LeftOut, ...]
    not_examined: tuple[LeftOut, ...]


def checks_by_hazard(checks: Iterable[Check]) -> Mapping[str, tuple[Check, Hazard]]:
    """Hazard id -> the check that decides it.

    :raises InvalidDocument: two checks claim one id.
    """
    table: dict[str, tuple[Check, Hazard]] = {}
    for check in checks:
        for hazard in check.hazards:
            if hazard.id in table and table[hazard.id][1] is not hazard:
                other = table[hazard.id][0].path
                msg = f"hazard {hazard.id} is declared twice: in {other} and in {check.path}; ids must be unique"
                raise InvalidDocument(msg)
            table[hazard.id] = (check, hazard)
    return table


def select(
    profile: Profile,
    table: Mapping[str, tuple[Check, Hazard]],
    inventory: Inventory,
    change: Change,
    situation: Situation,
    sources: Mapping[str, Version | Unreadable],
) -> Selection:
    """The cases of a run.

    :param sources: the version before the upgrade as read from each cluster, or why it could not be read.
    :raises InvalidDocument: the profile names a hazard that no check decides.
    """
    cases: list[Case] = []
    not_applicable: list[LeftOut] = []
    not_examined: list[LeftOut] = []
    for hazard_id in profile.hazards:
        if hazard_id not in table:
            close = difflib.get_close_matches(hazard_id, table, n=1)
            hint = f"; did you mean {close[0]!r}?" if close else ": --list-hazards shows what there is"
            msg = f"{profile.file}: hazards: there is no hazard {hazard_id!r}{hint}"
            raise InvalidDocument(msg)
        check, hazard = table[hazard_id]
        if situation not in hazard.situations:
            reason = f"it is looked for with --situation {' or '.join(hazard.situations)}"
            not_applicable.append(LeftOut(hazard.id, reason))
            continue
        if not _examined(check, hazard, change):
            not_examined.append(LeftOut(hazard.id, f"--examine {' '.join(change.examine)}", decided=True))
            continue
        subjects = _subjects(hazard, inventory)
        for target in hazard.on:
            if not any(one.is_a(target) for one in subjects):
                reason = _NOBODY.get(target, f"no host with the role {target} is named")
                not_examined.append(LeftOut(hazard.id, reason))
        cases.extend(_case(check, hazard, one, change, profile, sources) for one in subjects)
        for cluster, target in _unseen(hazard, subjects, change):
            # What versions rule out on every host of a cluster needs none of its hosts.
            case = _case(check, hazard, Subject(cluster, "host", cluster=cluster), change, profile, sources)
            if case.ruled_out is None:
                not_examined.append(LeftOut(hazard.id, _no_host_of(cluster, target, change), cluster))
    return Selection(len(profile.hazards), tuple(cases), tuple(not_applicable), tuple(not_examined))


def _examined(check: Check, hazard: Hazard, change: Change) -> bool:
    """Whether ``--examine`` leaves enough of what a hazard is about."""
    if hazard.sides:
        return all(side in change.examine for side in hazard.sides)
    return any(side in change.examine for side in _sides(check, hazard))


def _sides(check: Check, hazard: Hazard) -> set[str]:
    """The sides that a hazard is about; of the fleet those that its facts are made from, or both where it has none."""
    if hazard.scope != "fleet":
        return {f"{hazard.scope}s"}
    return {f"{kind}s" for kind in member_kinds(needs_of(check.function), check.scope, scope_of)} or {
        "hosts",
        "clusters",
    }


def _subjects(hazard: Hazard, inventory: Inventory) -> list[Subject]:
    if hazard.scope == "fleet":
        return [inventory.fleet] if inventory.hosts or inventory.clusters else []
    return [one for one in inventory.values() if any(one.is_a(target) for target in hazard.on)]


def _unseen(hazard: Hazard, subjects: list[Subject], change: Change) -> list[tuple[str, Target]]:
    """The clusters that are upgraded while nobody looks at their machines, though others' machines are looked at.

    A host that belongs to no cluster in particular may be of any of them.
    """
    if hazard.scope != "host":
        return []
    upgraded = [one.name for one in change.clusters.values() if _machines_change(one, change)]
    found: dict[str, Target] = {}
    for target in hazard.on:
        looked_at = {one.cluster for one in subjects if one.is_a(target)}
        # Where there is nobody at all, that is said once. A workstation is nobody's machine.
        if looked_at and None not in looked_at and target is not Target.WORKSTATION:
            for name in upgraded:
                if name not in looked_at:
                    found.setdefault(name, target)
    return list(found.items())


def _machines_change(cluster: Cluster, change: Change) -> bool:
    return cluster.role not in _MACHINES_STAY and not change.upgrade_of(cluster.name).none


def _no_host_of(cluster: str, target: Target, change: Change) -> str:
    if any(one.cluster == cluster for one in change.nodes):
        return f"the nodes of cluster {cluster} (from: nodes) are not known: they could not be listed"
    what = {Target.HOST: "host", Target.NODE: "node"}.get(target, f"host with the role {target}")
    return f"no {what} of cluster {cluster} is named: name its hosts in the change file, or give it `upgrade: none`"


def upgrades_of(
    subject: Subject,
    change: Change,
    profile: Profile,
    sources: Mapping[str, Version | Unreadable],
) -> list[tuple[Upgrade, str]]:
    """The upgrades that concern a subject, each with why its source version is unknown where it is.

    A host without a cluster of its own, such as the workstation, and the fleet are concerned by every upgrade.
    """
    if subject.kind == "cluster":
        names = [subject.name]
    elif subject.cluster is not None:
        names = [subject.cluster]
    else:
        names = list(change.clusters)
    found = []
    for name in names:
        upgrade = change.upgrade_of(name)
        target = upgrade.target or profile.target
        source, problem = upgrade.source, ""
        if source is None and not upgrade.none:
            read = sources.get(name)
            if isinstance(read, Version):
                source = read
            elif isinstance(read, Unreadable):
                problem = read.reason
        found.append((Upgrade(source, target, none=upgrade.none), problem))
    if not found:
        found.append((Upgrade(change.upgrade.source, change.upgrade.target or profile.target), ""))
    return found


def _case(
    check: Check,
    hazard: Hazard,
    subject: Subject,
    change: Change,
    profile: Profile,
    sources: Mapping[str, Version | Unreadable],
) -> Case:
    ruled_out: list[str] = []
    undecided: list[str] = []
    first: Upgrade | None = None
    for upgrade, problem in upgrades_of(subject, change, profile, sources):
        first = first or upgrade
        if upgrade.none:
            ruled_out.append("this change does not upgrade the cluster")
            continue
        answers = [
            _within("from", upgrade.source, hazard.upgrade_from, problem),
            _within("to", upgrade.target, hazard.upgrade_to, ""),
        ]
        refused = [text for verdict, text in answers if verdict is False]
        open_ends = [text for verdict, text in answers if verdict is None]
        if refused:
            ruled_out.append(refused[0])
        elif open_ends:
            undecided.append(open_ends[0])
        else:
            note = "; ".join(text for _, text in answers if text)
            return Case(check, hazard, subject, upgrade, note=note)
    upgrade = first or Upgrade()
    if undecided:
        return Case(check, hazard, subject, upgrade, undecided=undecided[0])
    return Case(check, hazard, subject, upgrade, ruled_out=ruled_out[0])


def _within(side: str, version: Version | None, wanted: Specifier | None, problem: str) -> tuple[bool | None, str]:
    """Whether a version is within a hazard's range: with the reason where not, None where nobody knows."""
    if wanted is None:
        return True, ""
    if version is None:
        which = "before the upgrade" if side == "from" else "to upgrade to"
        why = problem or "neither cluster nor profile settles it"
        return None, f"the version {which} is not known ({why}): give --upgrade-{side}"
    if not wanted.may_contain(version):
        return False, f"{side} {version} is not {wanted}"
    if not wanted.must_contain(version):
        return True, f"{side} {version} may or may not be {wanted}: give --upgrade-{side} with the patch to be exact"
    return True, ""
