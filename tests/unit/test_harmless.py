"""What a host says reaches the terminal as text: in whatever pytest prints by itself, and whoever evaluates."""

import json
import re

import pytest

from conformance.answers import Answer
from conformance.change import Change, Host
from conformance.recorded import record_of
from conformance.snapshot import Snapshot
from tests.running import preflight
from tests.unit.packing import check, write

#: Sets the title of a terminal, turns it red, starts a line that looks like pytest's own, and is half a character.
EVIL = "\x1b]0;PWNED\x07\x1b[31mRED\x9b1m\r\n== 9 passed ==\n\udce9\u202eend"
FACTS = """
@host_fact("ask")
def asked(text): return text
@host_fact()
def silent(asked): raise Unreadable(asked)
@host_fact()
def elsewhere(asked): raise NotApplicable(asked)
"""
FIXTURES = """
@pytest.fixture
def plain(asked):
    print(asked)
    return asked
@pytest.fixture
def broken(asked): raise RuntimeError(asked)
@pytest.fixture
def untidy(asked):
    yield asked
    raise RuntimeError(asked)
"""
#: hazard -> the facts or fixtures that it names, body, declaration, outcome. With a fixture it takes pytest's own way.
CHECKS = {
    f"{name}{'-plainly' if fixture else ''}": (names + fixture, body, declared, outcome)
    for fixture in ("", ", plain")
    for name, (names, body, declared, outcome) in {
        "finds": ("asked", "assert False, asked", {}, "hazard"),
        "warns": ("asked", "assert False, asked", {"severity": "WARNING"}, "warning"),
        "tells": ("asked", "raise clear(asked)", {}, "clear"),
        "prints": ("asked", "print(asked)", {}, "clear"),
        "prints-and-finds": ("asked", "print(asked); assert False, asked", {}, "hazard"),
        "rules-out": ("asked", "raise NotApplicable(asked)", {}, "not-applicable"),
        "is-wrong": ("asked", "raise RuntimeError(asked)", {}, "unknown"),
        "of-silence": ("silent", "pass", {}, "unknown"),
        "of-elsewhere": ("elsewhere", "pass", {}, "not-applicable"),
    }.items()
} | {
    "of-a-broken-fixture": ("broken", "pass", {}, "unknown"),
    "of-an-untidy-fixture": ("untidy", "assert False, untidy", {}, "hazard"),
}


@pytest.fixture(scope="module")
def cwd(tmp_path_factory):
    directory = tmp_path_factory.mktemp("harmless")
    texts = [check(name, body, names=names, **declared) for name, (names, body, declared, _) in CHECKS.items()]
    files = {
        "p.yaml": f"hazards: [{', '.join(CHECKS)}]\n",
        "facts.py": FACTS,
        "check_a.py": "from conformance import clear\n" + FIXTURES + "\n".join(texts),
    }
    write(directory, files)
    change = Change(profile="p", hosts={"n1": Host("n1", "n1")})
    answers = {"n1": {"ask": Answer({"stdout": EVIL, "stderr": "", "rc": 0})}}
    taken = "2026-01-01T00:00:00+00:00"
    Snapshot(record_of(change), answers, taken, taken).save(directory / "s.json")
    return directory


@pytest.mark.parametrize(
    "options",
    [
        ("-v",),
        ("-rA",),
        ("-v", "-rA", "--tb=short"),
        ("-v", "-rA", "--tb=long", "--showlocals"),
        ("-rA", "--tb=line"),
        ("-vv", "-rA", "--tb=native"),
        ("-v", "-rA", "-n2"),
        ("-v", "-rA", "-n2", "--tb=long"),
    ],
    ids=" ".join,
)
def test_no_escape_sequence_of_a_host_reaches_the_terminal(cwd, options):
    place = "reports" + "".join(options)
    result = preflight(
        "--profile=p.yaml", "--snapshot=s.json", "--color=no", *options, cwd=cwd, reports=place, env={"COLUMNS": "300"}
    )
    assert result.code == 1, result
    assert {name: result.outcomes[name, "n1"] for name in CHECKS} == {name: one[-1] for name, one in CHECKS.items()}
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", result.out)
    assert r"\x1b]0;PWNED" in result.out
    # The report keeps what was said, but for the half character that JSON has no way to write.
    assert result.finding("of-silence", "n1")["message"] == EVIL.replace("\udce9", r"\udce9")


def test_what_is_skipped_is_told_on_one_line(cwd):
    result = preflight("--profile=p.yaml", "--snapshot=s.json", "-rs", cwd=cwd, reports="one", env={"COLUMNS": "300"})
    lines = [line for line in result.out.splitlines() if line.startswith("SKIPPED [")]
    assert lines
    assert all(line.endswith(r"\u202eend") for line in lines), lines


def test_a_worker_hands_over_what_another_process_would_have_found(cwd):
    alone, workers = (
        preflight("--profile=p.yaml", "--snapshot=s.json", *more, cwd=cwd, reports=f"by{len(more)}").report
        for more in ((), ("-n2",))
    )
    assert json.dumps(workers["findings"]) == json.dumps(alone["findings"])
