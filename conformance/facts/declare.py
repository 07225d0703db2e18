"""Declaring facts: a fact is a typed value, made by one function from declared reads and from other facts.

The function's first parameters receive what its reads gave, in order; every further parameter names another fact::

    @host_fact(file("/etc/fstab"))
    def fstab(text): ...


    @host_fact()
    def noexec_at_boot(fstab, tmp_units): ...

A `Fact` stays an ordinary function for a unit test: ``fstab("/dev/sda1 / ext4 defaults 0 1")``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from conformance.answers import Unreadable
from conformance.hazards import Target
from conformance.reads import ClusterRead, Command, HostRead

__all__ = ["Every", "Fact", "InvalidFact", "Members", "cluster_fact", "every", "fleet_fact", "host_fact"]

Kind = Literal["host", "cluster", "fleet"]

#: Names that every check and fact may ask for without anything being read.
BUILT_IN: Final = ("subject", "upgrade", "upgrades", "parameters", "situation", "host")


class InvalidFact(TypeError):
    """A fact is declared in a way that cannot work; raised at import, for the pack's author."""


@dataclass(frozen=True, slots=True)
class Every:
    """The same fact of every member: of all hosts and clusters of the fleet, or of the hosts of one cluster."""

    fact: Fact
    #: Only members that have one of these targets; all that the fact can be read of when empty.
    on: tuple[Target, ...] = ()
    #: One of them may be enough: the fact says itself where it is not, and what it needs of the others.
    any: bool = False


class Members(Mapping[str, Any]):
    """Subject name -> value of the fact, for the members where it could be read.

    The others stand in `unread` with the reason. A check that passes although a member is unread is unknown; one
    that finds the hazard among the rest has found it. `inapplicable` holds members that the fact itself ruled out.
    """

    def __init__(
        self,
        values: Mapping[str, Any],
        unread: Mapping[str, Unreadable] | None = None,
        inapplicable: Mapping[str, str] | None = None,
    ) -> None:
        self._values = dict(values)
        self.unread: Mapping[str, Unreadable] = dict(unread or {})
        self.inapplicable: Mapping[str, str] = dict(inapplicable or {})

    def __getitem__(self, key: str) -> Any:
        return self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


Source = HostRead | ClusterRead | Every


@dataclass(frozen=True, slots=True, eq=False)
class Fact:
    """A declared fact. Calling it calls the function with plain values, as a unit test does."""

    name: str
    kind: Kind
    sources: tuple[Source, ...]
    #: Names of the other facts that it needs.
    needs: tuple[str, ...]
    function: Callable[..., Any]
    module: str
    doc: str

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """The value, from plain values."""
        return self.function(*args, **kwargs)


def _declare(kind: Kind, sources: tuple[Source, ...]) -> Callable[[Callable[..., Any]], Fact]:
    def decorate(function: Callable[..., Any]) -> Fact:
        where = f"fact {function.__name__} in {function.__module__}"
        parameters = list(inspect.signature(function).parameters.values())
        if any(one.kind not in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY) for one in parameters):
            msg = f"{where}: expected plain parameters, without * or **"
            raise InvalidFact(msg)
        if len(parameters) < len(sources):
            msg = f"{where}: {len(sources)} reads are declared, but only {len(parameters)} parameters receive them"
            raise InvalidFact(msg)
        needs = tuple(one.name for one in parameters[len(sources) :])
        if not sources and not needs:
            msg = f"{where}: it declares no read and names no other fact"
            raise InvalidFact(msg)
        return Fact(
            name=function.__name__,
            kind=kind,
            sources=sources,
            needs=needs,
            function=function,
            module=function.__module__,
            doc=inspect.getdoc(function) or "",
        )

    return decorate


def host_fact(*reads: HostRead | Every | str) -> Callable[[Callable[..., Any]], Fact]:
    """Declare a fact of one host. A string is a command whose standard output the function receives.

    From `every` of another fact of a host the function receives `Members` that hold at most that host: so it can do
    with what could be read where one of several reads is enough.

    :raises InvalidFact: the function cannot receive what is declared.
    """
    made = tuple(Command(one) if isinstance(one, str) else one for one in reads)
    if not all(isinstance(one, HostRead) or (isinstance(one, Every) and one.fact.kind == "host") for one in made):
        msg = f"host_fact takes commands, files and other reads on a host, not {made!r}"
        raise InvalidFact(msg)
    return _declare("host", made)


def cluster_fact(*reads: ClusterRead | Every) -> Callable[[Callable[..., Any]], Fact]:
    """Declare a fact of one cluster, from reads through its API server or from `every` of its hosts' facts.

    :raises InvalidFact: the function cannot receive what is declared.
    """
    if not all(isinstance(one, ClusterRead | Every) for one in reads):
        msg = f"cluster_fact takes listings, paths and other reads on a cluster, not {reads!r}"
        raise InvalidFact(msg)
    return _declare("cluster", reads)


def fleet_fact(*members: Every) -> Callable[[Callable[..., Any]], Fact]:
    """Declare a fact of the fleet from `every` of its members' facts; the function receives `Members`.

    :raises InvalidFact: the function cannot receive what is declared.
    """
    if not all(isinstance(one, Every) for one in members):
        msg = f"fleet_fact takes every(fact), not {members!r}"
        raise InvalidFact(msg)
    return _declare("fleet", members)


def every(fact: Fact, *, on: tuple[Target, ...] | list[Target] = (), any: bool = False) -> Every:  # noqa: A002
    """The given fact of every member that has one of the targets `on` (of all members when empty).

    With `any`, a member that cannot be read does not by itself make a check unknown: the fact decides.
    """
    if not isinstance(fact, Fact) or fact.kind == "fleet":
        msg = f"every() takes a fact of hosts or clusters, not {fact!r}"
        raise InvalidFact(msg)
    return Every(fact, tuple(on), any)
