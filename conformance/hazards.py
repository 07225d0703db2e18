"""Hazards: documented conditions that make an upgrade fail or do harm, and the checks that look for them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar

from conformance.versions import Specifier

__all__ = [
    "ADVICE",
    "BEFORE",
    "BLOCKER",
    "CLUSTER",
    "CONTROL_PLANE",
    "FLEET",
    "HOST",
    "LOAD_BALANCER",
    "NODE",
    "REPAIR",
    "STUCK",
    "WARNING",
    "WORKER",
    "WORKSTATION",
    "Clear",
    "Document",
    "Hazard",
    "HazardFound",
    "InvalidHazard",
    "Parameter",
    "Severity",
    "Situation",
    "Source",
    "Target",
    "clear",
    "found",
    "hazard",
    "hazards_of",
]


class Severity(StrEnum):
    """What the hazard does to an upgrade."""

    BLOCKER = "blocker"  # the upgrade fails or loses data: no-go
    WARNING = "warning"  # it works, with harm or risk
    ADVICE = "advice"  # worth knowing


class Situation(StrEnum):
    """When a hazard is looked for."""

    BEFORE = "before"
    STUCK = "stuck"
    REPAIR = "repair"


class Target(StrEnum):
    """The kinds of subject that a check looks at. A host whose roles nobody named is a node of every role."""

    HOST = "host"
    NODE = "node"
    CONTROL_PLANE = "control-plane"
    WORKER = "worker"
    LOAD_BALANCER = "load-balancer"
    WORKSTATION = "workstation"
    CLUSTER = "cluster"
    FLEET = "fleet"


BLOCKER: Final = Severity.BLOCKER
WARNING: Final = Severity.WARNING
ADVICE: Final = Severity.ADVICE
BEFORE: Final = Situation.BEFORE
STUCK: Final = Situation.STUCK
REPAIR: Final = Situation.REPAIR
HOST: Final = Target.HOST
NODE: Final = Target.NODE
CONTROL_PLANE: Final = Target.CONTROL_PLANE
WORKER: Final = Target.WORKER
LOAD_BALANCER: Final = Target.LOAD_BALANCER
WORKSTATION: Final = Target.WORKSTATION
CLUSTER: Final = Target.CLUSTER
FLEET: Final = Target.FLEET

_ID: Final = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class InvalidHazard(ValueError):
    """A hazard is declared in a way that cannot work; raised at import, for the pack's author."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a hazard is documented: the document, the section and its address where it has one."""

    title: str
    section: str = ""
    url: str = ""

    def __str__(self) -> str:
        return " - ".join(part for part in (self.title, self.section, self.url) if part)


@dataclass(frozen=True, slots=True)
class Document:
    """A vendor's document that several hazards come from."""

    title: str
    url: str = ""

    def section(self, heading: str) -> Source:
        """The source of a hazard: one section, named by its heading as it stands in the document."""
        return Source(self.title, heading, self.url)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A value that a profile or change file may set for a hazard.

    :param default: as it would be written in the file.
    :param parse: turns what was written into the value that the check gets; raises ValueError with what was expected.
    :param help: one line for people, with the unit.
    """

    default: str
    parse: Callable[[str], Any]
    help: str


@dataclass(frozen=True, slots=True)
class Hazard:
    """One documented hazard. Ids never change and never depend on where the code lies."""

    id: str
    title: str
    severity: Severity
    on: tuple[Target, ...]
    source: Source
    remedy: str
    #: Versions before and after the upgrade for which the document states the hazard; None is any.
    upgrade_from: Specifier | None = None
    upgrade_to: Specifier | None = None
    fixed: str = ""
    #: When it is looked for.
    situations: tuple[Situation, ...] = (BEFORE,)
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    #: Of the fleet: the sides (``hosts``, ``clusters``) that all must be examined; any of those its facts are made from
    #: where none is named.
    sides: tuple[str, ...] = ()
    #: Values that this hazard fixes for parameters that its check reads; nobody can set them.
    settled: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not _ID.fullmatch(self.id):
            msg = f"hazard id {self.id!r}: expected lower-case words joined by hyphens"
            raise InvalidHazard(msg)
        if not (self.title and self.remedy and self.on and self.situations):
            msg = f"hazard {self.id}: title, remedy, a situation and at least one target (on=[...]) are needed"
            raise InvalidHazard(msg)
        severity: object = self.severity
        if not isinstance(severity, Severity):
            msg = f"hazard {self.id}: severity={severity!r}: expected {', '.join(one.name for one in Severity)}"
            raise InvalidHazard(msg)
        strange = [one for one in self.on if not isinstance(one, Target)]
        if strange:
            msg = f"hazard {self.id}: on=[{strange[0]!r}]: expected {', '.join(one.name for one in Target)}"
            raise InvalidHazard(msg)
        scopes = {_scope(one) for one in self.on}
        if len(scopes) > 1:
            msg = f"hazard {self.id}: on={[str(one) for one in self.on]} mixes hosts with clusters or the fleet"
            raise InvalidHazard(msg)
        if self.sides and (self.scope != "fleet" or not set(self.sides) <= {"hosts", "clusters"}):
            msg = f"hazard {self.id}: sides={list(self.sides)}: expected hosts, clusters or both, on the fleet"
            raise InvalidHazard(msg)

    @property
    def scope(self) -> str:
        """``host``, ``cluster`` or ``fleet``."""
        return _scope(self.on[0])


def _scope(target: Target) -> str:
    return target.value if target in (Target.CLUSTER, Target.FLEET) else "host"


class HazardFound(AssertionError):
    """A check found its hazard. Raised by `found`; a plain ``assert`` in a check says the same with less.

    :param message: what is wrong, naming every offender.
    :param evidence: the lines, as they were read, that decided it.
    :param remedy: replaces the hazard's own, with the names found filled in.
    :param lower: the finding is a warning whatever the hazard's severity, because nothing is wrong yet.
    """

    def __init__(
        self, message: str, *, evidence: tuple[str, ...] = (), remedy: str | None = None, lower: bool = False
    ) -> None:
        super().__init__(message)
        self.message = message
        self.evidence = evidence
        self.remedy = remedy
        self.lower = lower


def found(
    message: str, *, evidence: list[str] | tuple[str, ...] = (), remedy: str | None = None, lower: bool = False
) -> HazardFound:
    """What a check raises when its hazard is there."""
    return HazardFound(message, evidence=tuple(evidence), remedy=remedy, lower=lower)


class Clear(Exception):
    """A check did not find its hazard and has something to say of it. Raised by `clear`; returning says the same silently.

    :param message: what was found instead, or what the result does not cover.
    """

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def clear(message: str) -> Clear:
    """What a check raises when its hazard is not there, and people must know why or how far that goes."""
    return Clear(message)


Check = TypeVar("Check", bound=Callable[..., Any])


def hazard(
    id: str,  # noqa: A002 - the word that everybody uses for it
    *,
    title: str,
    severity: Severity,
    on: Target | list[Target] | tuple[Target, ...],
    source: Source,
    remedy: str,
    upgrade_from: str | None = None,
    upgrade_to: str | None = None,
    fixed: str = "",
    situation: Situation | tuple[Situation, ...] = BEFORE,
    parameters: Mapping[str, Parameter] | None = None,
    sides: list[str] | tuple[str, ...] = (),
    settled: Mapping[str, Any] | None = None,
) -> Callable[[Check], Check]:
    """Declare the hazard that a check decides; repeatable, so that one check can serve several ids.

    :param upgrade_from: specifier such as ``>=1.7,<1.9`` over the version before the upgrade; None for any.
    :param upgrade_to: the same over the version after it.
    :param sides: of the fleet, what cannot be decided without: ``hosts``, ``clusters`` or both. Where ``--examine`` leaves
        one of them out, the hazard is not examined. Without it any side that its facts are made from will do.
    :param situation: when it is looked for; several where one check serves them, which then may name `situation`.
    :raises InvalidHazard: the declaration cannot work.
    """
    try:
        declared = Hazard(
            id=id,
            title=title,
            severity=severity,
            on=(on,) if isinstance(on, str) else tuple(on),
            source=source,
            remedy=remedy,
            upgrade_from=Specifier.parse(upgrade_from) if upgrade_from else None,
            upgrade_to=Specifier.parse(upgrade_to) if upgrade_to else None,
            fixed=fixed,
            situations=(situation,) if isinstance(situation, Situation) else tuple(situation),
            parameters=dict(parameters or {}),
            sides=tuple(sides),
            settled=dict(settled or {}),
        )
    except InvalidHazard:
        raise
    except ValueError as error:
        msg = f"hazard {id}: {error}"
        raise InvalidHazard(msg) from None

    def decorate(check: Check) -> Check:
        check.__dict__["__hazards__"] = (declared, *hazards_of(check))
        return check

    return decorate


def hazards_of(function: object) -> tuple[Hazard, ...]:
    """The hazards that a function was declared to check, in the order of its decorators."""
    declared: tuple[Hazard, ...] = getattr(function, "__hazards__", ())
    return declared
