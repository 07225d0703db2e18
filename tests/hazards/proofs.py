"""Proofs: for every hazard that it is found, that it is not found, that it does not apply, and that it is not known.

A proof is a test that gives back its finding; the decorator holds the finding against the kind of the proof::

    @proves("abm-tmp-noexec", "os-tmp-noexec", kind=PRESENT, says=["/tmp"], line="tmpfs /tmp tmpfs rw,noexec 0 0")
    def test_noexec(hazard):
        return evaluate(hazard, hosts={"n1": Machine(files={...})})

It is run once for each hazard that it names, and it may be parametrized further.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Any, Final

import pytest

from conformance.findings import Finding, Outcome
from conformance.hazards import Severity

__all__ = ["ABSENT", "KINDS", "LOWERED", "NOT_APPLICABLE", "PRESENT", "PROVEN", "UNREADABLE", "proves"]

PRESENT: Final = "present"
ABSENT: Final = "absent"
NOT_APPLICABLE: Final = "not applicable"
UNREADABLE: Final = "unreadable"
#: What every hazard needs.
KINDS: Final = (PRESENT, ABSENT, NOT_APPLICABLE, UNREADABLE)
#: A finding that is a warning whatever the severity, because it comes back only at the next boot.
LOWERED: Final = "lowered"

#: (hazard, kind) -> the tests that prove it.
PROVEN: dict[tuple[str, str], list[str]] = {}

_OUTCOMES: Final = {
    ABSENT: Outcome.CLEAR,
    NOT_APPLICABLE: Outcome.NOT_APPLICABLE,
    UNREADABLE: Outcome.UNKNOWN,
    LOWERED: Outcome.WARNING,
}


def proves(
    *hazards: str, kind: str, says: Iterable[str] = (), line: str | None = None, remedy: str = ""
) -> Callable[[Callable[..., Finding]], Callable[..., None]]:
    """Declare what a test proves, of which hazards; what it gives back is held against it.

    :param says: what the message must hold: the offender's name, the reason.
    :param line: what a line of the evidence must hold; None where the message alone decides.
    :param remedy: what the remedy must hold.
    """
    says = [says] if isinstance(says, str) else list(says)

    def decorate(test: Callable[..., Finding]) -> Callable[..., None]:
        for one in hazards:
            PROVEN.setdefault((one, kind), []).append(f"{test.__module__}.{test.__qualname__}")

        @functools.wraps(test)
        def proof(*args: Any, **kwargs: Any) -> None:
            found = test(*args, **kwargs)
            for finding in [found] if isinstance(found, Finding) else found:
                hold(finding, kind, says, line, remedy)

        return pytest.mark.parametrize("hazard", hazards)(proof)

    return decorate


def hold(finding: Finding, kind: str, says: Iterable[str], line: str | None, remedy: str) -> None:
    """Hold a finding against what it is to prove."""
    said = f"{finding.outcome} on {finding.subject}: {finding.message}"
    expected = _OUTCOMES.get(kind)
    if kind == PRESENT:
        expected = Outcome.HAZARD if finding.severity is Severity.BLOCKER else Outcome.WARNING
    assert finding.outcome is expected, said
    for word in says:
        assert word in finding.message, said
    assert "mistake in it" not in finding.message, said
    if kind in (PRESENT, LOWERED):
        assert finding.title
        assert finding.source
        assert remedy in finding.remedy
        assert finding.remedy
        lines = [one for evidence in finding.evidence for one in evidence.lines]
        assert lines, f"no line of evidence for {said}"
        assert line is None or any(line in one for one in lines), f"{line!r} is in none of {lines}"
    if kind != ABSENT:
        assert finding.message
