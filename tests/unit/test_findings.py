"""From findings to the verdict, row by row of the table in the documentation."""

import itertools
import json

import pytest

from conformance.findings import ORDER, Evidence, Finding, LeftOut, Outcome, Verdict, judge
from conformance.hazards import Severity

C, H, W, U, N, A = (
    Outcome.CLEAR,
    Outcome.HAZARD,
    Outcome.WARNING,
    Outcome.UNKNOWN,
    Outcome.NOT_APPLICABLE,
    Outcome.WAIVED,
)
GO, NO_GO, INCOMPLETE = Verdict.GO, Verdict.NO_GO, Verdict.INCOMPLETE
MISSING = [LeftOut("h", "nobody is named")]
DECIDED = [LeftOut("h", "--examine clusters", decided=True)]


def findings(*outcomes):
    return [Finding(f"h{n}", "s", one, Severity.BLOCKER) for n, one in enumerate(outcomes)]


@pytest.mark.parametrize(
    ("outcomes", "missing", "verdict", "strict"),
    [
        ([C], [], GO, GO),
        ([C, N], [], GO, GO),
        ([H], [], NO_GO, NO_GO),
        ([C, H], [], NO_GO, NO_GO),
        ([W], [], GO, NO_GO),
        ([C, W], [], GO, NO_GO),
        ([A], [], GO, GO),
        ([C, A], [], GO, GO),
        ([U], [], INCOMPLETE, INCOMPLETE),
        ([C, U], [], INCOMPLETE, INCOMPLETE),
        ([C, W, U], [], INCOMPLETE, NO_GO),
        ([H, U], [], NO_GO, NO_GO),
        ([N], [], INCOMPLETE, INCOMPLETE),
        ([], [], INCOMPLETE, INCOMPLETE),
        ([C], MISSING, INCOMPLETE, INCOMPLETE),
        ([H], MISSING, NO_GO, NO_GO),
        ([C], DECIDED, GO, GO),
        ([N], DECIDED, INCOMPLETE, INCOMPLETE),
        ([], MISSING, INCOMPLETE, INCOMPLETE),
        ([W], MISSING, INCOMPLETE, NO_GO),
    ],
)
def test_the_verdict(outcomes, missing, verdict, strict):
    for order in itertools.permutations(outcomes):
        assert judge(findings(*order), missing, strict=False)[0] is verdict
        assert judge(findings(*order), missing, strict=True)[0] is strict


def test_what_is_loud_counts_under_strict_only():
    assert judge(findings(C), [], strict=False, loud=2)[0] is GO
    verdict, reasons = judge(findings(C), [], strict=True, loud=2)
    assert (verdict, reasons) == (
        NO_GO,
        ("2 waivers unmatched, expired or too broad, which --strict counts as hazards",),
    )


@pytest.mark.parametrize(
    ("outcomes", "missing", "strict", "reasons"),
    [
        ([H], [], False, ("1 blocking hazard",)),
        ([H, H, U], MISSING, False, ("2 blocking hazards", "1 unknown", "1 not examined")),
        ([C, C], [], False, ("2 clear, nothing blocks",)),
        ([C, A, A], [], False, ("1 clear, 2 waived, nothing else blocks",)),
        ([W, W], [], True, ("2 warnings, which --strict counts as hazards",)),
        ([N], [], False, ("nothing was examined",)),
        ([], MISSING * 2, False, ("1 not examined", "nothing was examined")),
        ([C], [*MISSING, LeftOut("h", "why", "n1"), LeftOut("h", "why", "n2")], False, ("3 not examined",)),
        ([U], [], False, ("1 unknown",)),
    ],
)
def test_the_reasons(outcomes, missing, strict, reasons):
    assert judge(findings(*outcomes), missing, strict=strict)[1] == reasons


def test_no_combination_of_open_ends_is_ever_a_go():
    for outcomes in itertools.product([C, H, W, U, N, A], repeat=3):
        for missing in ([], MISSING, DECIDED):
            verdict, reasons = judge(findings(*outcomes), missing, strict=False)
            open_end = U in outcomes or missing is MISSING or set(outcomes) == {N}
            assert verdict is (NO_GO if H in outcomes else INCOMPLETE if open_end else GO)
            assert reasons


def test_findings_sort_as_people_read_them():
    made = [
        Finding(hazard, subject, outcome, severity)
        for outcome in ORDER
        for severity in (Severity.BLOCKER, Severity.WARNING, Severity.ADVICE)
        for hazard in ("a", "b")
        for subject in ("n1", "n2")
    ]
    assert sorted(made[::-1], key=lambda one: one.rank) == made
    assert set(ORDER) == set(Outcome)


def test_a_finding_survives_its_way_through_json():
    evidence = (Evidence("n1", "cat /x", ("a line", "日本")), Evidence("n2", "y"))
    whole = Finding("h", "s", A, Severity.WARNING, "t", "m\nn", evidence, "r", "src", {"owner": "me"}, ("note",), W)
    for one in (whole, Finding("h", "s", C, Severity.ADVICE)):
        assert Finding.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert "waiver" not in Finding("h", "s", C, Severity.ADVICE).to_dict()
    assert LeftOut("h", "why").to_dict() == {"hazard": "h", "reason": "why"}
    assert LeftOut("h", "why", "n").to_dict() == {"hazard": "h", "reason": "why", "subject": "n"}
