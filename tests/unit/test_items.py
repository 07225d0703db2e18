"""From what a check does to the finding: one run of pytest on a snapshot, with a check for every way to end."""

import pytest

from conformance.answers import Answer
from conformance.change import Change, Host
from conformance.recorded import record_of
from conformance.snapshot import Snapshot
from tests.running import preflight
from tests.unit.packing import check, write

FACTS = """
@host_fact("ask")
def asked(text):
    if text == "none": raise NotApplicable("nothing is asked here")
    return int(text)
@host_fact()
def silent(asked): raise Unreadable("it said nothing")
@fleet_fact(every(asked))
def all_asked(members): return members
@host_fact("careless")
def careless(text): return [][1]
"""
FIXTURES = """
@pytest.fixture
def doubled(asked): return asked * 2
@pytest.fixture
def everyone(all_asked): return all_asked
@pytest.fixture
def broken(): raise RuntimeError("no fixture")
@pytest.fixture
def untidy():
    yield 1
    raise RuntimeError("afterwards")
"""
#: hazard -> (names, body, how it is declared), outcome on n1, what the message holds.
CHECKS = {
    "passes": (("asked", "assert asked == 1", {}), "clear", ""),
    "fails": (("asked", "assert asked == 2, f'it is {asked}'", {}), "hazard", "it is 1"),
    "fails-bare": (("asked", "assert asked == 2", {}), "hazard", "found: 1 == 2"),
    "finds": (("asked", "raise found('it is there', evidence=['1'], remedy='do this')", {}), "hazard", "it is there"),
    "finds-lower": (("asked", "raise found('only later', lower=True)", {}), "warning", "only later"),
    "warns": (("asked", "assert False, 'harm'", {"severity": "WARNING"}), "warning", "harm"),
    "advises": (("asked", "assert False, 'know'", {"severity": "ADVICE"}), "warning", "know"),
    "rules-out": (("asked", "raise NotApplicable('not this one')", {}), "not-applicable", "not this one"),
    "cannot-tell": (("asked", "raise Unreadable('cannot tell')", {}), "unknown", "cannot tell"),
    "is-wrong": (("asked", "{}['x']", {}), "unknown", "the check itself failed, which is a mistake in it: KeyError"),
    "of-silence": (("silent", "pass", {}), "unknown", "it said nothing"),
    "of-carelessness": (("careless", "pass", {}), "unknown", "the answer of `careless` is not understood: IndexError"),
    "of-nothing": (("kernel", "pass", {}), "unknown", "`uname -r` was not read"),
    "of-a-stranger": (("no_such_fact", "pass", {}), "unknown", "no_such_fact"),
    "of-a-fixture": (("doubled", "assert doubled == 2", {}), "clear", ""),
    "of-a-fixture-fails": (("doubled", "assert doubled == 3, 'no'", {}), "hazard", "no"),
    "of-a-broken-fixture": (("broken", "pass", {}), "unknown", "RuntimeError: no fixture"),
    "of-an-untidy-fixture": (("untidy", "pass", {}), "unknown", "RuntimeError: afterwards"),
    "untidy-finds": (("untidy", "assert False, 'harm'", {}), "hazard", "harm"),
    "untidy-warns": (
        ("untidy", "assert False, 'harm'", {"severity": "WARNING"}),
        "unknown",
        "RuntimeError: afterwards (before that it had found: harm)",
    ),
    "untidy-cannot-tell": (("untidy", "raise Unreadable('cannot tell')", {}), "unknown", "cannot tell"),
    "untidy-rules-out": (("untidy", "raise NotApplicable('not this')", {}), "unknown", "RuntimeError: afterwards"),
    "untidy-is-waived": (
        ("untidy", "assert False, 'harm'", {}),
        "unknown",
        "RuntimeError: afterwards (before that it had found: harm)",
    ),
    "not-now": (("asked", "assert False", {"upgrade_to": '"<1.9"'}), "not-applicable", "to 1.9 is not <1.9"),
    "perhaps": (
        ("asked", "assert False, 'x'", {"upgrade_to": '"<1.9.5"'}),
        "hazard",
        "x (to 1.9 may or may not be <1.9.5",
    ),
    "undecided": (("asked", "assert False", {"upgrade_from": '"<1.9"'}), "unknown", "give --upgrade-from"),
    "of-versions": (
        (
            "upgrade, subject, parameters",
            "assert (str(upgrade.target), subject.name, parameters) == ('1.9', 'n1', {'x': 5})",
            {"parameters": '{"x": Parameter("5", int, "a number")}'},
        ),
        "clear",
        "",
    ),
}
WAIVERS = """
waivers:
- {hazard: untidy-is-waived, subject: n1, reason: r, owner: o, expires: "2199-01-01T00:00:00+00:00"}
"""
#: Checks of the fleet, in which n2 is silent and n3 was ruled out by the fact.
FLEET = {
    "fleet-passes": ("all_asked", "assert dict(all_asked) == {'n1': 1}", "unknown", "n2: silence"),
    "fleet-finds": ("all_asked", "raise found('n1 is it')", "hazard", "n1 is it"),
    "fleet-through-a-fixture": ("everyone", "pass", "unknown", "n2: silence"),
    "fleet-cannot-tell": ("all_asked", "raise Unreadable('it seems empty')", "unknown", "n2: silence"),
}


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    cwd = tmp_path_factory.mktemp("items")
    texts = [check(name, body, names=names, **declared) for name, ((names, body, declared), *_) in CHECKS.items()]
    texts += [check(name, body, names=names, on="FLEET") for name, (names, body, *_) in FLEET.items()]
    files = {
        "p.yaml": f"hazards: [{', '.join([*CHECKS, *FLEET])}]\ntarget: '1.9'\n",
        "facts.py": FACTS,
        "check_a.py": FIXTURES + "\n".join(texts),
    }
    write(cwd, files)
    change = Change(profile="p", hosts={name: Host(name, name) for name in ("n1", "n2", "n3")})
    told = {"n1": "1", "n3": "none"}
    answers = {
        name: {key: Answer({"stdout": text, "stderr": "", "rc": 0}) for key in ("ask", "careless")}
        for name, text in told.items()
    }
    answers["n2"] = {"ask": Answer.failed("unreachable", "silence")}
    Snapshot(record_of(change), answers, "2026-01-01T00:00:00+00:00", "2026-01-01T00:00:01+00:00").save(cwd / "s.json")
    (cwd / "w.yaml").write_text(WAIVERS)
    made = preflight("--profile", "p.yaml", "--snapshot", "s.json", "--waivers", "w.yaml", cwd=cwd)
    assert made.report, made
    return made


@pytest.mark.parametrize("hazard", CHECKS)
def test_how_a_check_ends(result, hazard):
    _, outcome, message = CHECKS[hazard]
    finding = result.finding(hazard, "n1")
    assert (finding["outcome"], message in finding["message"]) == (outcome, True), finding
    assert "\nassert " not in finding["message"]
    if outcome in ("hazard", "warning"):
        assert finding["title"] == f"{hazard} is there"
        assert finding["remedy"]
        assert finding["source"] == "a document - a section"


@pytest.mark.parametrize("hazard", FLEET)
def test_a_check_of_the_fleet_never_passes_over_a_member(result, hazard):
    *_, outcome, message = FLEET[hazard]
    finding = result.finding(hazard, "fleet")
    assert (finding["outcome"], message in finding["message"]) == (outcome, True), finding


def test_other_subjects_go_their_own_way(result):
    assert result.outcomes["passes", "n2"] == "unknown"
    assert result.finding("passes", "n3")["message"] == "nothing is asked here"
    assert result.outcomes["passes", "n3"] == "not-applicable"


def test_evidence_and_remedy_are_the_check_s_own_where_it_names_some(result):
    finding = result.finding("finds", "n1")
    assert finding["evidence"] == [{"subject": "n1", "read": "ask", "lines": ["1"]}]
    assert finding["remedy"] == "do this"
    assert result.finding("fails", "n1")["remedy"] == "mend fails"


def test_a_fixture_that_fails_afterwards_hides_no_hazard(result):
    finding = result.finding("untidy-finds", "n1")
    assert finding["title"] == "untidy-finds is there"
    assert len(finding["notes"]) == 1
    assert finding["notes"][0].startswith("afterwards, the check itself failed")
    for text in (result.out, result.texts["preflight.md"], result.texts["preflight.html"]):
        assert "afterwards, the check itself failed" in " ".join(text.split())
    assert result.finding("untidy-cannot-tell", "n1")["notes"] == finding["notes"]


def test_the_run_is_a_no_go(result):
    assert (result.code, result.report["verdict"]) == (1, "no-go")
    assert "Traceback" not in result.out
