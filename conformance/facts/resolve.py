"""Resolving facts: which reads a check needs of whom, and what the stored answers make of them.

Both walk the same graph, so what is planned is what is asked for: `Closure` without any answer, `Facts` with a snapshot's.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from threading import RLock
from typing import Any, Final

from conformance.answers import Answer, NotApplicable, Unreadable
from conformance.facts.declare import BUILT_IN, Every, Fact, InvalidFact, Members
from conformance.facts.peers import Addresses, met, nowhere
from conformance.reads import ClusterRead, Desired, HostRead, PodExec, PodLogs, Step
from conformance.subjects import Inventory, Subject

__all__ = ["AnswerOf", "Closure", "Facts", "Planned", "fixture_needs", "place_of"]

#: Looks a stored answer up: subject name, key of the read.
AnswerOf = Callable[[str, str], Answer | None]
#: The written value of a parameter by its name.
Parameters = Callable[[str], str]
Read = HostRead | ClusterRead

_PYTEST_OWN: Final = ("request",)
_DECLINED: Final = "pods/exec was declined (--no-exec, or `exec: false` in the change file)"


@dataclass(frozen=True, slots=True)
class Planned:
    """One read of one subject."""

    subject: str
    read: Read


def undeclared(name: str) -> str:
    """For packs whose reads have no parameters.

    :raises InvalidFact: always.
    """
    msg = f"a read needs the parameter {name!r}, which no check declares"
    raise InvalidFact(msg)


def bound(read: Read, parameter: Parameters) -> Read:
    """The read with its parameters filled in.

    :raises InvalidFact: one of them is declared by no check.
    """
    if isinstance(read, HostRead) and read.parameters:
        return read.bind({name: parameter(name) for name in read.parameters})
    return read


def place_of(fact: Fact, subject: Subject, inventory: Inventory) -> Subject:
    """The subject that a fact is about when a check on `subject` names it.

    :raises Unreadable: there is none, such as the cluster of a host that belongs to no cluster.
    :raises InvalidFact: a check on a cluster names a fact of one host.
    """
    if fact.kind == "fleet":
        return inventory.fleet
    if fact.kind == subject.kind:
        return subject
    if fact.kind == "cluster" and subject.kind == "host":
        if subject.cluster is None or subject.cluster not in inventory:
            reason = f"{subject.name} belongs to no cluster that is looked at: name it (`cluster:` in the change file)"
            raise Unreadable(reason, subject=subject.name)
        return inventory[subject.cluster]
    msg = f"fact {fact.name} is about one {fact.kind}; a check on a {subject.kind} needs every({fact.name})"
    raise InvalidFact(msg)


def asked_of(read: Read, place: Subject, inventory: Inventory) -> Subject:
    """The subject that a read is sent to when the fact is about `place`.

    :raises Unreadable: it cannot be asked.
    """
    asked = place
    if isinstance(read, ClusterRead) and not isinstance(read, Desired) and read.at == "manager":
        asked = inventory.manager_of(place)
    if not asked.connected and not isinstance(read, Desired):
        reason = f"no kubeconfig is given for cluster {asked.name}: add it to the change file"
        raise Unreadable(reason, read=read.key, subject=asked.name)
    return asked


def fixture_needs(fixture: Any) -> tuple[str, ...]:
    """What a plain pytest fixture names as its arguments."""
    unwrap = getattr(fixture, "_get_wrapped_function", None)
    function = unwrap() if unwrap else fixture
    return tuple(inspect.signature(function).parameters)


class Closure:
    """Walks from names to the reads behind them, through every layer."""

    def __init__(
        self,
        inventory: Inventory,
        scope_of_module: Callable[[str], Mapping[str, Any]],
        parameter: Parameters = undeclared,
        address: Addresses = nowhere,
        *,
        execs: bool = True,
    ) -> None:
        self._inventory = inventory
        self._scope_of = scope_of_module
        self._parameter = parameter
        self._address = address
        #: Whether programs may be run in pods.
        self._execs = execs
        self._known: dict[tuple[int, str], tuple[Planned, ...]] = {}

    def reads(self, names: Iterable[str], scope: Mapping[str, Any], subject: Subject) -> Iterator[Planned]:
        """Every read behind the names that a check on `subject` asks for; what cannot be asked is left out.

        :raises InvalidFact: a check names what can never be given.
        """
        for name in names:
            thing = scope.get(name)
            if isinstance(thing, Fact):
                yield from self._fact(thing, subject)
            elif thing is not None:
                inner = [one for one in fixture_needs(thing) if one != name and one not in _PYTEST_OWN]
                yield from self.reads(inner, scope, subject)

    def _fact(self, fact: Fact, subject: Subject) -> tuple[Planned, ...]:
        try:
            place = place_of(fact, subject, self._inventory)
        except Unreadable:
            return ()
        key = (id(fact), place.name)
        if key not in self._known:
            self._known[key] = ()  # a fact that needs itself ends here; `Facts` says so
            self._known[key] = tuple(dict.fromkeys(self._walk(fact, place)))
        return self._known[key]

    def _walk(self, fact: Fact, place: Subject) -> Iterator[Planned]:
        for source in fact.sources:
            if isinstance(source, Every):
                for member in members_of(source, place, self._inventory):
                    yield from self._fact(source.fact, member)
                continue
            try:
                asked = asked_of(source, place, self._inventory)
            except Unreadable:
                continue
            if isinstance(source, PodExec) and not self._execs:
                continue
            if isinstance(source, Step):
                yield Planned(asked.name, source.over)
            read = met(bound(source, self._parameter), asked, self._inventory, self._address)
            yield Planned(asked.name, read)
        yield from self.reads(fact.needs, self._scope_of(fact.module), place)


def members_of(source: Every, place: Subject, inventory: Inventory) -> list[Subject]:
    """The subjects that an `every` ranges over when it is asked for at `place`."""
    found = inventory.members(place, source.fact.kind)
    return [one for one in found if not source.on or any(one.is_a(target) for target in source.on)]


def member_kinds(
    names: Iterable[str], scope: Mapping[str, Any], scope_of_module: Callable[[str], Mapping[str, Any]]
) -> set[str]:
    """Of what members - ``host``, ``cluster`` - the facts of the fleet behind the names are made."""
    kinds: set[str] = set()
    facts = [scope.get(name) for name in names]
    for fact in facts:  # which grows meanwhile
        if isinstance(fact, Fact) and fact.kind == "fleet":
            kinds.update(source.fact.kind for source in fact.sources if isinstance(source, Every))
            inner = (scope_of_module(fact.module).get(name) for name in fact.needs)
            facts += [one for one in inner if one not in facts]
    return kinds


class Facts:
    """The values of facts, made from stored answers, each once. May be asked from several threads."""

    def __init__(
        self,
        inventory: Inventory,
        answer_of: AnswerOf,
        scope_of_module: Callable[[str], Mapping[str, Any]],
        parameter: Parameters = undeclared,
        *,
        execs: bool = True,
    ) -> None:
        self._inventory = inventory
        self._answer_of = answer_of
        self._parameter = parameter
        #: Whether programs may be run in pods, or might when the snapshot was taken.
        self._execs = execs
        self._scope_of = scope_of_module
        self._values: dict[tuple[int, str], Any] = {}
        self._failures: dict[tuple[int, str], Unreadable | NotApplicable] = {}
        self._under_way: list[tuple[int, str]] = []
        self._making = RLock()

    def value(self, fact: Fact, subject: Subject) -> Any:
        """The value of a fact for a check on `subject`.

        :raises Unreadable: it could not be read or understood.
        :raises NotApplicable: the fact itself rules the subject out.
        """
        place = place_of(fact, subject, self._inventory)
        key = (id(fact), self._home(fact, place))
        with self._making:  # what another thread is making is waited for, not taken for a circle
            if key in self._failures:
                raise copy(self._failures[key])
            if key not in self._values:
                if key in self._under_way:
                    raise Unreadable(f"fact {fact.name} needs itself: mend the pack")
                self._under_way.append(key)
                try:
                    self._values[key] = self._make(fact, place)
                except (Unreadable, NotApplicable) as failure:
                    self._failures[key] = copy(failure)  # a raised one holds the frames that it came through
                    raise
                finally:
                    self._under_way.pop()
            return self._values[key]

    def _home(self, fact: Fact, place: Subject) -> str:
        """Whose answers alone make the value: what is listed at a manager is made once for all that it manages."""
        managed = bool(fact.sources) and not fact.needs
        if managed and all(isinstance(one, ClusterRead) and one.at == "manager" for one in fact.sources):
            return self._inventory.manager_of(place).name
        return place.name

    def _make(self, fact: Fact, place: Subject) -> Any:
        given = [self._given(source, place) for source in fact.sources]
        scope = self._scope_of(fact.module)
        named = {}
        for need in fact.needs:
            if need == "subject":
                named[need] = place
                continue
            other = scope.get(need)
            if not isinstance(other, Fact):
                raise Unreadable(f"fact {fact.name} needs {need!r}, which is no fact that it can see: mend the pack")
            named[need] = self.value(other, place)
        try:
            return fact.function(*given, **named)
        except (Unreadable, NotApplicable):
            raise
        except Exception as error:
            # Whatever a parser stumbles over, the text came from the subject: unknown, never a crash.
            reads = ", ".join(
                f"`{bound(one, self._parameter).key}`" for one in fact.sources if not isinstance(one, Every)
            )
            what = f"the answer of {reads}" if reads else f"fact {fact.name}"
            reason = f"{what} is not understood: {type(error).__name__}: {_short(error)}"
            raise Unreadable(reason, subject=place.name) from error

    def _given(self, source: Any, place: Subject) -> Any:
        if isinstance(source, Every):
            return self._members(source, place)
        try:
            asked = asked_of(source, place, self._inventory)
        except Unreadable as failure:
            if isinstance(source, PodExec) and source.any:  # the fact may have another source
                return source.extract(Answer.failed("not-read", failure.reason))
            raise
        source = bound(source, self._parameter)
        answer = self._answer_of(asked.name, source.key)
        if answer is None and isinstance(source, PodExec):
            why = "it is not in this snapshot; gather again" if self._execs else _DECLINED
            answer = Answer.failed("not-read", f"`{source.key}` was not run: {why}")
        if answer is None:
            reason = f"`{source.key}` was not read: it is not in this snapshot; gather again"
            raise Unreadable(reason, read=source.key, subject=asked.name)
        try:
            return source.extract(answer)
        except Unreadable as failure:
            raise Unreadable(failure.reason, read=source.key, subject=asked.name) from None
        except NotApplicable:
            raise
        except Exception as error:
            reason = f"the stored answer of `{source.key}` is damaged ({type(error).__name__}): gather again"
            raise Unreadable(reason, read=source.key, subject=asked.name) from None

    def _members(self, source: Every, place: Subject) -> Members:
        values: dict[str, Any] = {}
        unread: dict[str, Unreadable] = {}
        inapplicable: dict[str, str] = {}
        for member in members_of(source, place, self._inventory):
            try:
                values[member.name] = self.value(source.fact, member)
            except Unreadable as failure:
                unread[member.name] = copy(failure)
            except NotApplicable as failure:
                inapplicable[member.name] = failure.reason
        return Members(values, unread, inapplicable)

    def unread_members(self, names: Iterable[str], scope: Mapping[str, Any], subject: Subject) -> dict[str, Unreadable]:
        """Members and logs of pods behind the named facts that could not be read, at any depth: name -> why."""
        unread: dict[str, Unreadable] = {}
        for name in names:
            thing = scope.get(name)
            if isinstance(thing, Fact):
                self._collect_unread(thing, subject, unread)
            elif thing is not None:
                inner = [one for one in fixture_needs(thing) if one != name and one not in _PYTEST_OWN]
                unread.update(self.unread_members(inner, scope, subject))
        return unread

    def _collect_unread(self, fact: Fact, subject: Subject, unread: dict[str, Unreadable]) -> None:
        try:
            place = place_of(fact, subject, self._inventory)
        except Unreadable:
            return
        for source in fact.sources:
            if isinstance(source, Every) and (fact.kind == "host" or source.any):
                continue  # it does with what could be read, and says itself where that is not enough
            if isinstance(source, Every):
                unread.update(self._members(source, place).unread)
                for member in members_of(source, place, self._inventory):
                    self._collect_unread(source.fact, member, unread)
            elif isinstance(source, PodLogs) or (isinstance(source, PodExec) and not source.any):
                with suppress(Unreadable, NotApplicable):  # of the whole read: the fact itself says so
                    unread.update(self._given(source, place).unread)
        scope = self._scope_of(fact.module)
        for need in fact.needs:
            inner = scope.get(need)
            if isinstance(inner, Fact):
                self._collect_unread(inner, place, unread)


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:300]


@functools.cache
def needs_of(function: Callable[..., Any]) -> tuple[str, ...]:
    """What a check names as its arguments."""
    return tuple(inspect.signature(function).parameters)


def is_built_in(name: str) -> bool:
    """Whether a name is given to every check without a read."""
    return name in BUILT_IN
