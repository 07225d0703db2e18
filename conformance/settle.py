"""How a phase of an item ends as a finding: what its check raised, and who has skipped it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from conformance.answers import Unreadable
from conformance.evidence import evidence_of
from conformance.facts.resolve import needs_of
from conformance.findings import Evidence, Finding, Outcome
from conformance.hazards import HazardFound, Severity

if TYPE_CHECKING:
    from conformance.items import CheckItem
    from conformance.select import Case

__all__ = ["RuledOut", "finding_about", "finding_of", "reason_of", "when_torn_down"]

_ASSERTED: Final = "\nassert "
_LET_RUN: Final = "Take away what skips it, then run again."
_MEND: Final = "Report it to those who keep the check, with the snapshot (--save-snapshot)."


class RuledOut(pytest.skip.Exception):  # type: ignore[name-defined,misc]
    """The check, one of its facts or the versions say that the hazard does not apply."""


def reason_of(error: BaseException) -> str:
    """What an error says, as a person reads it."""
    if isinstance(error, Unreadable | HazardFound):
        return str(error)
    if isinstance(error, AssertionError):
        text, _, explained = str(error).partition(_ASSERTED)
        return text if not text.startswith("assert ") else f"found: {text.removeprefix('assert ')}{explained}"
    return f"the check itself failed, which is a mistake in it: {type(error).__name__}: {error}"


def finding_of(item: CheckItem, call: pytest.CallInfo[Any]) -> Finding | None:
    """The finding that this phase of an item settles, None where the next phase does."""
    case, error = item.case, call.excinfo.value if call.excinfo else None
    if error is None:
        return finding_about(case, Outcome.CLEAR, message=item.told) if call.when == "call" else None
    if call.when == "teardown":
        return finding_about(case, Outcome.UNKNOWN, message=reason_of(error), remedy=_MEND, item=item)
    if isinstance(error, pytest.skip.Exception):
        if not _is_own(item, error, call):
            message = f"skipped from outside, by a mark, a fixture or a hook that is not the check's: {error.msg}"
            return finding_about(case, Outcome.UNKNOWN, message=message, remedy=_LET_RUN, item=item)
        return finding_about(case, Outcome.NOT_APPLICABLE, message=str(error.msg))
    if isinstance(error, AssertionError) and call.when == "call":
        own = error if isinstance(error, HazardFound) else HazardFound(reason_of(error))
        blocks = case.hazard.severity is Severity.BLOCKER and not own.lower
        message = f"{own.message} ({case.note})" if case.note else own.message
        outcome = Outcome.HAZARD if blocks else Outcome.WARNING
        remedy = own.remedy or case.hazard.remedy
        return finding_about(case, outcome, message=message, remedy=remedy, lines=own.evidence, item=item)
    remedy = "Make it readable, then run again." if isinstance(error, Unreadable) else _MEND
    return finding_about(case, Outcome.UNKNOWN, message=reason_of(error), remedy=remedy, item=item)


def _is_own(item: CheckItem, error: Any, call: pytest.CallInfo[Any]) -> bool:
    """Whether it was the check itself that said it does not apply: nobody else can clear anything by skipping it."""
    if isinstance(error, RuledOut):
        return True
    places = [Path(str(entry.path)) for entry in call.excinfo.traceback] if call.excinfo else []
    path = item.case.check.path
    # In the very directory of a pack that lies beside its profile: below it may be anything, such as a .venv.
    roots = [one.checks for one in item.run.library.packs if one.deep and path.is_relative_to(one.checks)]
    beside = [one for one in places if one.parent == path.parent or any(map(one.is_relative_to, roots))]
    if any(one.name != "conftest.py" for one in beside):
        return True  # the check, or a fixture beside it
    if not places or places[-1].parts[-2:] != ("_pytest", "skipping.py"):
        return False
    # By a mark: of the check and its module, and by none that somebody else has put there.
    module = getattr(sys.modules[item.case.check.function.__module__], "pytestmark", [])
    own = [*getattr(item.obj, "pytestmark", []), *(module if isinstance(module, list | tuple) else [module])]
    known = [getattr(one, "mark", one) for one in own]
    return all(one in known for one in item.iter_markers() if one.name in ("skip", "skipif"))


def when_torn_down(settled: Finding | None, error: Finding) -> Finding:
    """What stands where a fixture fails after a finding was settled: a hazard, and the reason of an unknown.

    Everything else is unknown then: a check that went wrong vouches for nothing.
    """
    if settled is None:
        return error
    if settled.outcome in (Outcome.HAZARD, Outcome.UNKNOWN):
        return replace(settled, notes=(*settled.notes, f"afterwards, {error.message}"))
    if settled.outcome in (Outcome.WARNING, Outcome.WAIVED):
        return replace(error, message=f"{error.message} (before that it had found: {settled.message})")
    return error


def finding_about(
    case: Case,
    outcome: Outcome,
    *,
    message: str = "",
    remedy: str = "",
    lines: tuple[str, ...] = (),
    item: CheckItem | None = None,
) -> Finding:
    """The finding of a case.

    :param lines: the lines that decided it.
    :param item: whose reads are its evidence.
    """
    evidence: tuple[Evidence, ...] = ()
    if item is not None and outcome is not Outcome.UNKNOWN:
        reads = item.run.closure.reads(needs_of(item.obj), case.check.scope, case.subject)
        evidence = evidence_of(dict.fromkeys(reads), lines, item.run.snapshot.answer)
    told = outcome not in (Outcome.CLEAR, Outcome.NOT_APPLICABLE)
    return Finding(
        hazard=case.hazard.id,
        subject=case.subject.name,
        outcome=outcome,
        severity=case.hazard.severity,
        title=case.hazard.title if told else "",
        message=message,
        evidence=evidence,
        remedy=remedy,
        source=str(case.hazard.source) if told else "",
    )
