"""An etcd cluster: its members, what their endpoints say of themselves, and whether they commit.

What etcdctl prints is parsed in `conformance.facts.values.etcdctl`, metrics in `conformance.facts.values.etcd_metrics`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from conformance.answers import Unreadable

__all__ = [
    "EtcdCluster",
    "EtcdEndpoint",
    "EtcdHealth",
    "EtcdMember",
    "plain_host",
]

#: Said by a member that hears of no leader: it, at least, is in no quorum.
_NO_LEADER: Final = "no leader"
#: Said by etcdctl of an endpoint through which a read was committed, though etcd has raised an alarm.
_ALARMS: Final = "Active Alarm(s):"
#: As the status of an endpoint tells an alarm.
_ALARM: Final = re.compile(r"alarm:\s*(\w+)")
_BUT_COMMITTED: Final = (_ALARMS, "Unable to fetch the alarm list")


def plain_host(text: str) -> str:
    """An address or a name in the one spelling in which two of them can be compared."""
    try:
        return ip_address(text).compressed
    except ValueError:
        return text.lower()


@dataclass(frozen=True, slots=True)
class EtcdMember:
    """One member of the member list."""

    id: int
    #: Empty of a member that was added and has never started.
    name: str
    peer_urls: tuple[str, ...] = ()
    #: Empty of a member that has never started.
    client_urls: tuple[str, ...] = ()
    #: It gets the data, and has no vote.
    learner: bool = False

    @property
    def started(self) -> bool:
        """Whether it has ever started since it was added: only then it has told its name."""
        return bool(self.name)

    @property
    def hex_id(self) -> str:
        """The id as etcdctl takes it: ``etcdctl member remove 9e737febb6b99eee``."""
        return f"{self.id:x}"

    @property
    def hosts(self) -> frozenset[str]:
        """The hosts of its peer URLs, as `plain_host` spells them."""
        return frozenset(plain_host(urlsplit(one).hostname or "") for one in self.peer_urls) - {""}

    def __str__(self) -> str:
        name = self.name or f"(never started, {', '.join(self.peer_urls) or 'without address'})"
        return f"{name} {self.hex_id}{' (learner)' if self.learner else ''}"


@dataclass(frozen=True, slots=True)
class EtcdEndpoint:
    """One client URL: what the member behind it says of itself, and whether a read through it was committed."""

    url: str
    #: Of the member that answered, or else of the one that has this URL; None where neither is known.
    member_id: int | None = None
    #: Whether it is the leader in its own view.
    leader: bool = False
    #: The leader in its own view, 0 where it knows none; None where it did not answer.
    leader_id: int | None = None
    learner: bool = False
    version: str = ""
    #: Bytes of the database file, and of these what is in use; None where it did not answer.
    db_size: int | None = None
    db_size_in_use: int | None = None
    #: What it knows to be committed, and what of this it has applied; None where it did not answer.
    raft_index: int | None = None
    raft_applied_index: int | None = None
    raft_term: int | None = None
    #: What it complains of itself, such as ``etcdserver: no leader`` or an alarm.
    errors: tuple[str, ...] = ()
    #: Whether a read was committed through it and no alarm is raised; None where nobody tried, or it is a learner.
    healthy: bool | None = None
    health_error: str = ""
    #: Seconds that this read took.
    took_seconds: float | None = None

    @property
    def answered(self) -> bool:
        """Whether the member gave its own status."""
        return self.raft_index is not None

    @property
    def commits(self) -> bool | None:
        """Whether a read was committed through it, alarm or not; None where nobody tried, or it is a learner."""
        return _commits(self.healthy, self.health_error)


@dataclass(frozen=True, slots=True)
class EtcdHealth:
    """One line of ``etcdctl endpoint health``."""

    url: str
    healthy: bool | None
    error: str = ""
    took_seconds: float | None = None

    @property
    def commits(self) -> bool | None:
        """Whether a read was committed, alarm or not; None of a learner."""
        return _commits(self.healthy, self.error)


def _commits(healthy: bool | None, error: str) -> bool | None:
    return healthy if healthy is None else healthy or error.startswith(_BUT_COMMITTED)


@dataclass(frozen=True, init=False)
class EtcdCluster:
    """The members of one etcd cluster and their endpoints; `source` says in words where they were seen from.

    Where the member list could not be had - etcd 3.5 and later give it only with a quorum - `unlisted` says why: then
    `members`, and all that is counted from them, raise Unreadable with it, and `has_quorum` is False where members say
    themselves that there is no leader.
    """

    endpoints: tuple[EtcdEndpoint, ...]
    source: str
    unlisted: str
    #: The pod in which etcdctl was asked, empty where it was on a host.
    pod: str
    _members: tuple[EtcdMember, ...]

    def __init__(
        self,
        members: Iterable[EtcdMember] = (),
        endpoints: Iterable[EtcdEndpoint] = (),
        source: str = "",
        *,
        unlisted: str = "",
        pod: str = "",
    ) -> None:
        # Sorted, since etcdctl asks side by side and prints in the order of the answers.
        for name, value in (
            ("_members", tuple(sorted(members, key=lambda one: (not one.started, one.name, one.id)))),
            ("endpoints", tuple(sorted(endpoints, key=lambda one: one.url))),
            ("source", source),
            ("unlisted", unlisted),
            ("pod", pod),
        ):
            object.__setattr__(self, name, value)

    @classmethod
    def of(
        cls,
        members: Iterable[EtcdMember] | None,
        statuses: Iterable[EtcdEndpoint] = (),
        health: Iterable[EtcdHealth] = (),
        source: str = "",
        *,
        unlisted: str = "",
        pod: str = "",
    ) -> EtcdCluster:
        """From the three lists of etcdctl. The same URL may stand in a list twice: what is better counts."""
        listed = tuple(members or ())
        said: dict[str, EtcdEndpoint] = {one.url: one for one in statuses}
        owners: dict[str, set[int]] = {}
        for member in listed:
            for url in member.client_urls:
                owners.setdefault(url, set()).add(member.id)
        tried: dict[str, EtcdHealth] = {}
        for one in health:
            if one.url not in tried or one.healthy:
                tried[one.url] = one
        endpoints = []
        for url in dict.fromkeys([*said, *tried, *owners]):
            held = owners.get(url, set())
            # A URL that several members have, such as one of loopback, leads to whoever is near.
            endpoint = said.get(url) or EtcdEndpoint(url, next(iter(held)) if len(held) == 1 else None)
            if got := tried.get(url):
                endpoint = replace(endpoint, healthy=got.healthy, health_error=got.error, took_seconds=got.took_seconds)
            endpoints.append(endpoint)
        return cls(listed, endpoints, source, unlisted=unlisted, pod=pod)

    @property
    def members(self) -> tuple[EtcdMember, ...]:
        """All members, by name; those that never started come last.

        :raises Unreadable: there is no list of them.
        """
        if self.unlisted:
            raise Unreadable(self.unlisted)
        return self._members

    @property
    def voters(self) -> tuple[EtcdMember, ...]:
        """The members that vote: all but learners. One that never started counts too: etcd waits for its vote."""
        return tuple(one for one in self.members if not one.learner)

    @property
    def learners(self) -> tuple[EtcdMember, ...]:
        """The members that have no vote yet."""
        return tuple(one for one in self.members if one.learner)

    @property
    def unstarted(self) -> tuple[EtcdMember, ...]:
        """The members, voters and learners, that were added and never started."""
        return tuple(one for one in self.members if not one.started)

    @property
    def healthy_voters(self) -> tuple[EtcdMember, ...]:
        """The voters through which a read was committed; none while an alarm is raised."""
        return tuple(one for one in self.voters if any(it.healthy for it in self.endpoints_of(one)))

    @property
    def committing_voters(self) -> tuple[EtcdMember, ...]:
        """The voters through which a read was committed, alarm or not: those that a quorum is made of."""
        return tuple(one for one in self.voters if any(it.commits for it in self.endpoints_of(one)))

    @property
    def alarms(self) -> tuple[str, ...]:
        """The alarms that are raised, such as NOSPACE: while one is, all endpoints count as unhealthy.

        The first releases of etcd 3.4 look at none for the health of an endpoint; its status tells them all the same.
        """
        told = [
            one.health_error.removeprefix(_ALARMS) for one in self.endpoints if one.health_error.startswith(_ALARMS)
        ]
        told += [word for one in self.endpoints for error in one.errors for word in _ALARM.findall(error)]
        return tuple(dict.fromkeys(sorted(word for words in told for word in words.split())))

    @property
    def alarms_known(self) -> bool:
        """Whether anybody who commits could say which alarms are raised."""
        return bool(self.alarms) or any(one.healthy for one in self.endpoints)

    @property
    def unhealthy_voters(self) -> tuple[EtcdMember, ...]:
        """The other voters, those that never started among them."""
        healthy = self.healthy_voters
        return tuple(one for one in self.voters if one not in healthy)

    @property
    def quorum(self) -> int:
        """How many voters are a majority."""
        return len(self.voters) // 2 + 1

    @property
    def has_quorum(self) -> bool:
        """Whether a majority of the voters commits.

        :raises Unreadable: there is no list of members, and none of them says that there is no leader.
        """
        if self.unlisted and any(_NO_LEADER in error for one in self.endpoints for error in one.errors):
            return False
        return len(self.committing_voters) >= self.quorum

    @property
    def spare(self) -> int:
        """How many more of the voters that commit may be lost before etcd stops; negative where it has."""
        return len(self.committing_voters) - self.quorum

    @property
    def leader(self) -> EtcdMember | None:
        """The member that says itself that it leads, in the latest term where several do."""
        leading = [one for one in self.endpoints if one.leader]
        latest = max(leading, key=lambda one: one.raft_term or 0, default=None)
        return next((one for one in self.members if latest and one.id == latest.member_id), None)

    def endpoints_of(self, member: EtcdMember) -> tuple[EtcdEndpoint, ...]:
        """The endpoints of one member; none where it never started."""
        return tuple(one for one in self.endpoints if one.member_id == member.id)

    def spare_without(self, member: EtcdMember) -> int:
        """What `spare` would be after `member` was removed: not negative where a quorum survives it.

        The removal itself takes a quorum of today: see `has_quorum`.
        """
        voters = [one for one in self.voters if one.id != member.id]
        commit = [one for one in self.committing_voters if one.id != member.id]
        return len(commit) - (len(voters) // 2 + 1)

    def behind(self, member: EtcdMember) -> int | None:
        """How many entries that others know to be committed a member has not applied; None where it did not answer."""
        own = [one.raft_applied_index for one in self.endpoints_of(member) if one.raft_applied_index is not None]
        known = [one.raft_index for one in self.endpoints if one.raft_index is not None]
        return max(0, max(known) - max(own)) if own else None
