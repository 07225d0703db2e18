"""A run: from the options to the snapshot and the selection that the items are made from."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from conformance import recorded
from conformance.answers import NotApplicable, Unreadable
from conformance.change import Change, Cluster, Host, Upgrade, scalar
from conformance.configuration import read_desired
from conformance.documents import InvalidDocument
from conformance.facts import SHARED
from conformance.facts.declare import Fact
from conformance.facts.resolve import Closure, Facts, undeclared
from conformance.hazards import Hazard, Severity, Situation
from conformance.packs import Check, load_checks, scope_of
from conformance.plan import Plan, make_plan
from conformance.profiles import Library, Profile
from conformance.reads import ClusterRead, HostRead, Listing
from conformance.select import Case, Selection, checks_by_hazard, select, upgrades_of
from conformance.snapshot import Snapshot
from conformance.subjects import Inventory, Subject
from conformance.versions import Version

__all__ = ["Member", "Run", "now_text"]


def now_text(moment: datetime | None = None) -> str:
    """A moment (now) as reports write it: ISO 8601, UTC, whole seconds."""
    return (moment or datetime.now(UTC)).astimezone(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class Member:
    """A cluster that another one manages, as a profile's `discover` fact gives it."""

    name: str
    role: str


@dataclass(slots=True)
class Run:
    """One run of the suite. Made from validated input; nothing is contacted by making one."""

    profile: Profile
    library: Library
    change: Change
    situation: Situation = Situation.BEFORE
    snapshot: Snapshot = field(default_factory=Snapshot)
    #: Whether the snapshot was read from files: then nobody is ever contacted.
    replay: bool = False
    #: Whether failures are told with tracebacks, for those who write checks (``--tb``).
    tracebacks: bool = False
    #: Whether reports list clear results one by one: not where there are thousands, which a browser would choke on.
    shows_all: bool = True
    #: The checks of the profile's hazards; others may be among them.
    table: Mapping[str, tuple[Check, Hazard]] = field(default_factory=dict)
    inventory: Inventory = field(default_factory=lambda: Inventory([]))
    selection: Selection = field(default_factory=lambda: Selection(0, (), (), ()))
    facts: Facts = field(init=False)
    closure: Closure = field(init=False)
    #: The cases of each check, by the identity of its function.
    cases_of: dict[int, list[Case]] = field(init=False)
    _upgrades: dict[str, Upgrade] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self.change = examined(self.change)
        self.take(self.profile)

    def take(self, profile: Profile) -> None:
        """Run this profile: import the checks that it names, and those only."""
        self.profile = profile
        checks = [check for pack in self.library.packs for check in load_checks(pack, set(profile.hazards))]
        self.table = checks_by_hazard(checks)
        if not all(one in self.table for one in profile.hazards):
            self.table = self.every_hazard()  # so that the message can say what is close
        self.settle()

    def every_hazard(self) -> Mapping[str, tuple[Check, Hazard]]:
        """The hazards of all profiles, with their checks: more than `table` holds, and slower to have."""
        return checks_by_hazard(check for pack in self.library.packs for check in load_checks(pack))

    def blockers(self) -> set[str]:
        """The hazards of all profiles that block."""
        return {name for name, (_, hazard) in self.every_hazard().items() if hazard.severity is Severity.BLOCKER}

    # -- what is known so far ------------------------------------------------------------------------------------

    def settle(self) -> None:
        """Make inventory and selection anew from the change and from what the snapshot holds by now."""
        self.inventory = Inventory.of(self.change)
        self.facts = Facts(self.inventory, self.snapshot.answer, scope_of, self.parameter, execs=self.change.exec)
        self.closure = Closure(self.inventory, scope_of, self.parameter, self.address, execs=self.change.exec)
        self.selection = select(
            self.profile, self.table, self.inventory, self.change, self.situation, self.source_versions()
        )
        self.cases_of = {}
        self._upgrades = None
        for case in self.selection.cases:
            self.cases_of.setdefault(id(case.check.function), []).append(case)

    def hazards(self) -> list[Hazard]:
        """The hazards of the profile, in its order; unknown ids are left to `select`."""
        return [self.table[one][1] for one in self.profile.hazards if one in self.table]

    def scouting_facts(self) -> list[tuple[Fact, Subject]]:
        """The facts that are read before everything else, each with the cluster that it is read of."""
        wanted = []
        version = self._profile_fact(self.profile.source_version, "source-version")
        discover = self._profile_fact(self.profile.discover, "discover")
        for cluster in self.inventory.clusters:
            upgrade = self.change.upgrade_of(cluster.name)
            if version and upgrade.source is None and not upgrade.none:
                wanted.append((version, cluster))
            if discover and cluster.connected and self.change.file is None:
                wanted.append((discover, cluster))
        wanted.extend((SHARED["nodes"], self.inventory[group.cluster]) for group in self.change.nodes)
        return wanted

    def _profile_fact(self, name: str | None, key: str) -> Fact | None:
        if name is None:
            return None
        scopes = [self.table[one][0].scope for one in self.profile.hazards if one in self.table]
        for scope in [*scopes, SHARED]:
            fact = scope.get(name)
            if isinstance(fact, Fact) and fact.kind == "cluster":
                return fact
        msg = f"{self.profile.file}: {key}: no check of this profile can see a cluster fact {name!r}"
        raise InvalidDocument(msg)

    def source_versions(self) -> dict[str, Version | Unreadable]:
        """Cluster -> its version before the upgrade as read, or why it could not be read."""
        fact = self._profile_fact(self.profile.source_version, "source-version")
        found: dict[str, Version | Unreadable] = {}
        if fact is None:
            return found
        for cluster in self.inventory.clusters:
            try:
                found[cluster.name] = self._overwritten(cluster.name, self.facts.value(fact, cluster))
            except Unreadable as failure:
                found[cluster.name] = failure
            except NotApplicable as failure:
                found[cluster.name] = Unreadable(failure.reason)
        return found

    def _overwritten(self, cluster: str, version: Version) -> Version | Unreadable:
        """A version as it was read, unless it may be what a stuck upgrade goes to rather than what it came from."""
        target = self.change.upgrade_of(cluster).target or self.profile.target
        if self.situation is not Situation.STUCK or target is None:
            return version
        same = version.release[:2] == target.release[:2] if target.is_series else version.public == target.public
        if not same:
            return version
        return Unreadable(f"{cluster} says {version} already, to which the upgrade under way goes")

    def upgrades(self) -> dict[str, Upgrade]:
        """Cluster -> its own upgrade, as far as change, profile and the cluster itself tell; of all that are named."""
        if self._upgrades is None:
            sources = self.source_versions()
            self._upgrades = {
                name: upgrades_of(Subject(name, "cluster"), self.change, self.profile, sources)[0][0]
                for name in self.change.clusters
            }
        return self._upgrades

    # -- scouting: what must be known before the plan ------------------------------------------------------------

    def scouting_plan(self) -> Plan:
        """The few reads before the plan: versions, managed clusters, the nodes of ``from: nodes``.

        What they have in common with the plan itself is read in full at once, so that nothing is listed twice.
        """
        first = make_plan((), self.closure, self.inventory, self.scouting_facts())
        named = {name: {_listed(read) for read in reads} for name, reads in first.reads.items()}
        whole = self.plan(undecided=True)
        return Plan(
            {name: tuple(read for read in whole.reads[name] if _listed(read) in named[name]) for name in first.reads}
        )

    def expand(self) -> None:
        """Put the clusters and hosts that scouting found into the change.

        :raises InvalidDocument: a found name is taken by another subject.
        """
        clusters, hosts = dict(self.change.clusters), dict(self.change.hosts)
        discover = self._profile_fact(self.profile.discover, "discover")
        # A snapshot holds the change as it was when it was taken: found clusters included, and no others.
        if discover and self.change.file is None and not self.replay:
            for cluster in self.inventory.clusters:
                for member in self._members_of(discover, cluster):
                    found = Cluster(member.name, role=member.role, manager=cluster.name, connected=False)
                    taken = clusters.setdefault(member.name, found)
                    if taken.manager != cluster.name or member.name in hosts:
                        msg = (
                            f"{cluster.name} manages a {member.role} cluster {member.name}, and another subject is "
                            "called so already: give both names of their own in a change file (--change)"
                        )
                        raise InvalidDocument(msg)
        for group in self.change.nodes:
            for host in self._nodes_of(group.cluster, group.user, group.port):
                if host.name in clusters:
                    msg = f"node {host.name} of {group.cluster} has the name of a cluster; rename the cluster"
                    raise InvalidDocument(msg)
                if host.name in hosts and hosts[host.name].cluster != group.cluster:
                    # Nodes of two clusters may be called alike; none may be lost.
                    host = replace(host, name=f"{group.cluster}/{host.name}")  # noqa: PLW2901 - the same host
                hosts.setdefault(host.name, host)
        if clusters != self.change.clusters or hosts != self.change.hosts:
            self.change = replace(self.change, clusters=clusters, hosts=hosts)
            self.settle()

    def _members_of(self, discover: Fact, cluster: Subject) -> Iterable[Member]:
        try:
            members: list[Member] = self.facts.value(discover, cluster) if cluster.connected else []
        except (Unreadable, NotApplicable):
            return []  # the checks that need the same objects say so themselves
        return members

    def _nodes_of(self, cluster: str, user: str | None, port: int | None) -> Iterable[Host]:
        try:
            nodes = self.facts.value(SHARED["nodes"], self.inventory[cluster])
        except (Unreadable, NotApplicable):
            return []
        login = f"{user}@" if user else ""
        return [
            Host(
                node.name,
                f"ssh://{login}{_bracketed(node.internal_ip or node.name)}{f':{port}' if port else ''}",
                node.roles,
                cluster,
            )
            for node in nodes
        ]

    # -- the plan itself -----------------------------------------------------------------------------------------

    def plan(self, *, undecided: bool = False) -> Plan:
        """Every read of the run.

        :param undecided: with the reads of hazards of which versions do not say yet whether they apply.
        :raises InvalidFact: a check names what can never be given.
        """
        cases = [one for one in self.selection.cases if one.wanted or (undecided and one.undecided)]
        return make_plan(cases, self.closure, self.inventory, self.scouting_facts())

    def read_desired(self, plan: Plan) -> None:
        """Read the desired configurations that the plan names; nobody is contacted.

        :raises InvalidDocument: a file is wrong.
        """
        for name, reads in plan.desired(self.inventory).items():
            if not self.replay:
                self.snapshot.add(name, read_desired(self.change.clusters[name].desired, reads))

    def record(self) -> None:
        """Write into the snapshot what it was read for."""
        self.snapshot.change = recorded.record_of(replace(self.change, profile=self.profile.name))

    def parameter(self, name: str) -> str:
        """The value of a parameter as it is written: in the change file, in the profile, or its default.

        :raises InvalidFact: no check declares it.
        """
        if name in self.change.parameters:
            return self.change.parameters[name]
        if name in self.profile.parameters:
            return scalar(self.profile.parameters[name])
        for _, hazard in self.table.values():
            if name in hazard.parameters:
                return hazard.parameters[name].default
        return undeclared(name)

    def address(self, host: str) -> str:
        """Where other hosts find this one: as ssh does, with its configuration. Empty where it is not reached by ssh."""
        from conformance.gather.ssh_config import address_of

        return address_of(self.change.hosts[host].connection, self.change.ssh.config)

    def parameters_of(self, hazard: Hazard) -> Mapping[str, Any]:
        """The values of a hazard's parameters: settled, from the change file, from the profile, or the default.

        :raises InvalidDocument: a value is not what the parameter expects.
        """
        values: dict[str, Any] = {}
        for name, parameter in hazard.parameters.items():
            if name in self.change.parameters:
                text, where = self.change.parameters[name], str(self.change.file or "the snapshot")
            elif name in self.profile.parameters:
                text, where = scalar(self.profile.parameters[name]), str(self.profile.file)
            else:
                text, where = parameter.default, "default"
            try:
                values[name] = parameter.parse(text)
            except ValueError as error:
                msg = f"{where}: parameters.{name}: {text!r}: {error}; expected {parameter.help}"
                raise InvalidDocument(msg) from None
        values.update(hazard.settled)
        return values

    def check_parameters(self) -> None:
        """Validate all parameters that change file and profile set.

        :raises InvalidDocument: one is declared by no check of the profile, or has a wrong value.
        """
        declared = {name for hazard in self.hazards() for name in hazard.parameters}
        if self.replay and self.change.file is None:
            # What was set for other hazards when the snapshot was taken is no mistake of this run.
            kept = {name: text for name, text in self.change.parameters.items() if name in declared}
            self.change = replace(self.change, parameters=kept)
        given = {
            **dict.fromkeys(self.profile.parameters, str(self.profile.file)),
            **dict.fromkeys(self.change.parameters, str(self.change.file or "the snapshot")),
        }
        for name, where in given.items():
            if name not in declared:
                known = ", ".join(sorted(declared)) or "none"
                msg = f"{where}: parameters: {name!r} is declared by no check of {self.profile.name}; known: {known}"
                raise InvalidDocument(msg)
        for hazard in self.hazards():
            self.parameters_of(hazard)


def examined(change: Change) -> Change:
    """The change without the side that ``--examine`` leaves out.

    Clusters that nobody looks at still say from what to what their hosts are upgraded.
    """
    if "hosts" not in change.examine:
        return replace(change, hosts={}, nodes=())
    return change if "clusters" in change.examine else replace(change, nodes=())


def _bracketed(address: str) -> str:
    return f"[{address}]" if re.search(r":.*:", address) else address


def _listed(read: HostRead | ClusterRead) -> str:
    """What is asked for: one list serves all that is made of a resource."""
    return f"list {read.collection}" if isinstance(read, Listing) else read.key
