"""Reads of logs that need root: which lines leave the host, and when an empty list is an answer."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from conformance.answers import Answer, Unreadable
from conformance.privileges import sudoers
from conformance.reads import HostRead, InvalidRead, filtered, journal
from tests.unit.gather.test_script import SHELLS, run
from tests.unit.packing import check, run_of

PLEG = journal("kubelet", matching="PLEG is not healthy")
WORDS = "/usr/bin/journalctl --no-pager --all --output=short-iso --since=-24h --unit=kubelet"


def got(read: HostRead, stdout: str = "", rc: int = 0, stderr: str = "", run_as: str = "root") -> Answer:
    """What is stored of a read whose program ended with `rc`."""
    value = read.decode(f"{stdout}NONCE rc {rc}\n", "NONCE")
    return Answer({**value, "stderr": stderr, "rc": 0, "as": run_as})


@pytest.mark.parametrize(
    "declare",
    [
        lambda: journal("kubelet; id", matching="x"),
        lambda: journal("--user", matching="x"),
        lambda: journal("*", matching="x"),
        lambda: journal("", matching="x"),
        lambda: journal(matching="x"),
        lambda: journal("kubelet", kernel=True, matching="x"),
        lambda: journal("kubelet", matching=""),
        lambda: journal("kubelet", matching="a/b"),
        lambda: journal("kubelet", matching="a\nb"),
        lambda: journal("kubelet", matching="(a"),
        lambda: journal("kubelet", matching="[a]", ignore_case=True),
        lambda: journal("kubelet", matching="x", since=0),
        lambda: journal("kubelet", matching="x", lines=0),
        lambda: journal("kubelet", matching="x", sudo=False),
        lambda: filtered("ausearch -m avc", matching="x"),
        lambda: filtered("/sbin/ausearch $(id)", matching="x"),
        lambda: filtered("/sbin/ausearch | x", matching="x"),
        lambda: filtered(" ", matching="x"),
        lambda: filtered("/sbin/ausearch", matching="a/b"),
    ],
)
def test_what_could_not_be_run_safely_is_refused(declare):
    with pytest.raises(InvalidRead):
        declare()


@pytest.mark.parametrize(
    ("read", "key"),
    [
        (PLEG, f"sudo {WORDS} | grep -E 'PLEG is not healthy' | tail -n 20"),
        (
            journal(kernel=True, matching="oom", since=2, lines=3, ignore_case=True),
            "sudo /usr/bin/journalctl --no-pager --all --output=short-iso --since=-2h _TRANSPORT=kernel "
            "| grep -Ei 'oom' | tail -n 3",
        ),
        (
            filtered("/sbin/ausearch -m avc", matching="tmpfs"),
            "sudo /sbin/ausearch -m avc | grep -E 'tmpfs' | tail -n 20",
        ),
    ],
)
def test_a_key_says_the_whole_command(read, key):
    assert read.key == key


# -- what the fact receives ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("rc", [0, 1])
def test_no_line_is_an_empty_list(rc):
    # With nothing to show, journalctl of some releases ends with 1.
    assert PLEG.extract(got(PLEG, rc=rc)) == []


def test_lines_are_given_as_read():
    assert PLEG.extract(got(PLEG, "one\n two\n")) == ["one", " two"]


def test_lines_are_given_although_other_files_are_damaged():
    assert PLEG.extract(got(PLEG, "one\n", stderr="Journal file x is truncated, ignoring file.\n")) == ["one"]


HINT = """\
Hint: You are currently not seeing messages from other users and the system.
      Users in groups 'adm', 'systemd-journal' can see all messages.
      Pass -q to turn off this notice.
"""


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        pytest.param(got(PLEG, stderr=HINT), "give --sudo", id="only the user's own journal"),
        pytest.param(got(PLEG, "one\n", stderr=HINT, run_as="user"), "give --sudo", id="some lines of the user's own"),
        pytest.param(
            got(PLEG, rc=1, stderr=f"{HINT}No journal files were opened due to insufficient permissions.\n"),
            "systemd-journal",
            id="not one file",
        ),
        pytest.param(got(PLEG, stderr="No journal files were found.\n"), "keeps no journal", id="no journal"),
        pytest.param(
            got(PLEG, rc=1, stderr="No journal files were found.\n"), "keeps no journal", id="the same, with 1"
        ),
        pytest.param(
            got(PLEG, stderr="Journal file x is truncated, ignoring file.\n"), "not read the whole", id="damaged"
        ),
        pytest.param(
            got(PLEG, rc=127, stderr="sh: 1: /usr/bin/journalctl: not found\n"), "cannot be run", id="no systemd"
        ),
        pytest.param(
            got(PLEG, rc=1, stderr="Failed to add match: Bad message\n"), "ended with 1", id="it ended with an error"
        ),
        pytest.param(got(PLEG, rc=3), "ended with 3", id="it ended with an error without a word"),
        pytest.param(
            got(PLEG, rc=1, stderr="sudo: a password is required\n", run_as="sudo"), "--plan=sudoers", id="sudo"
        ),
        pytest.param(
            Answer({**PLEG.decode("one\n", "NONCE"), "stderr": "", "rc": 0}), "did not come to its end", id="no end"
        ),
        pytest.param(
            Answer({**PLEG.decode("", "NONCE"), "stderr": "sh: sed: not found\n", "rc": 127}), "sed", id="no sed"
        ),
        pytest.param(Answer.failed("timed-out", "it took too long"), "too long", id="timed out"),
    ],
)
def test_what_is_no_answer(answer, why):
    with pytest.raises(Unreadable, match=why):
        PLEG.extract(answer)


def test_what_is_not_required_is_handed_to_the_fact_as_unreadable():
    for read in (
        journal("kubelet", matching="x", required=False),
        filtered("/sbin/ausearch -m avc", matching="x", required=False),
    ):
        given = read.extract(got(read, rc=127, stderr="sh: not found\n"))
        assert isinstance(given, Unreadable)
        assert "cannot be run" in given.reason
        assert isinstance(read.extract(Answer.failed("timed-out", "too long")), Unreadable)
        assert read.extract(got(read, "a\x0cb\n")) == ["a\x0cb"]


def test_a_filtered_program_may_end_with_an_error_that_means_nothing_was_found():
    read = filtered("/sbin/ausearch -m avc", matching="x", nothing="<no matches>")
    assert read.extract(got(read, rc=1, stderr="<no matches>\n")) == []
    for stderr in ("Error opening config file (Permission denied)\n", ""):
        with pytest.raises(Unreadable):
            read.extract(got(read, rc=1, stderr=stderr))


# -- run by real shells --------------------------------------------------------------------------------------------

LOG = """\
-- Logs begin at Mon 2026-01-05 10:00:00 UTC, end at Mon 2026-01-05 11:00:00 UTC. --
first PLEG is healthy
second PLEG is not healthy: it's 'quoted' "twice" $HOME \\ 日本
third pleg is not healthy
-- Boot 1 PLEG is not healthy --
fourth PLEG is not healthy
secret token
fifth PLEG is not healthy"""


@pytest.fixture(params=[*SHELLS, ["busybox sed"]], ids=" ".join)
def shell(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A shell; the last one has nothing but busybox on its PATH."""
    name = request.param[0].split()[0]
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    if request.param != ["busybox sed"]:
        return list(request.param)
    applets = tmp_path / "bin"
    applets.mkdir()
    busybox = str(shutil.which("busybox"))
    for one in ("sed", "tail", "head", "timeout", "id", "sh", "env"):
        (applets / one).symlink_to(busybox)
    monkeypatch.setenv("PATH", str(applets))
    return [str(applets / "sh")]


@pytest.mark.parametrize("timeout", [pytest.param(10.0, id="in a group"), pytest.param(20.0, id="alone")])
def test_only_matching_lines_leave_the_host(shell, tmp_path, timeout):
    path = tmp_path / "log"
    path.write_bytes(LOG.encode() + b"\x01\xff PLEG is not healthy\n" + b"x" * 5000 + b" PLEG is not healthy")
    wanted = {
        "PLEG is not healthy": (20, ["second", "fourth", "fifth", "x" * 1000]),
        "PLEG.is.not.healthy|it's": (2, ["fifth", "x" * 1000]),
        "^nothing": (20, []),
    }
    reads = [
        filtered(f"/usr/bin/cat {path}", matching=pattern, lines=lines, timeout=timeout)
        for pattern, (lines, _) in wanted.items()
    ]
    rounds = run(shell, reads)
    for read, (_, starts) in zip(reads, wanted.values(), strict=True):
        answer = rounds.answers()[read.key]
        value = answer.require()
        assert (value["rc"], value["source_rc"], value["stderr"]) == (0, 0, "")
        found = read.extract(answer)
        assert [one[: len(start)] for one, start in zip(found, starts, strict=True)] == starts
        assert all(len(one) <= 1000 for one in found)


@pytest.mark.parametrize("timeout", [10.0, 20.0])
def test_how_the_program_ended_is_kept(shell, tmp_path, timeout):
    reads = [
        filtered(f"/usr/bin/cat {tmp_path}/none", matching="x", timeout=timeout),
        filtered("/usr/bin/no-such-program", matching="x", timeout=timeout),
    ]
    answers = run(shell, reads).answers()
    for read, why in zip(reads, ("No such file", "cannot be run"), strict=True):
        with pytest.raises(Unreadable, match=why):
            read.extract(answers[read.key])


@pytest.mark.parametrize(
    ("rc", "stderr", "empty"),
    [
        (1, "/usr/bin/cat: /x/a: No such file or directory\n", True),
        (1, "cat: can't open '/x/a': No such file or directory\n", True),
        (1, "cat: /x/a: No such file or directory\ncat: /x/b: Permission denied\n", False),
        (1, "cat: /x/c: No such file or directory\n", False),
        (1, "sudo: unable to open /x/a: No such file or directory\n", False),
        (127, "timeout: failed to run command 'sudo': No such file or directory\n", False),
        (127, "cat: /x/a: No such file or directory\n", False),
    ],
)
def test_no_such_file_is_an_answer_only_from_the_program_and_of_its_file(rc, stderr, empty):
    read = filtered("/usr/bin/cat /x/a /x/b", matching="x", nothing="No such file or directory", required=False)
    given = read.extract(got(read, rc=rc, stderr=stderr, run_as="sudo"))
    assert (given == []) is empty
    assert isinstance(given, Unreadable) is not empty


def test_what_a_program_says_where_it_found_nothing():
    read = filtered("/sbin/ausearch -m avc", matching="x", nothing="<no matches>")
    for said in ("<no matches>\n", "ausearch: <no matches>\n"):
        assert read.extract(got(read, rc=1, stderr=said)) == []
    for rc, said in ((127, "<no matches>\n"), (1, "sudo: <no matches>\n"), (1, "")):
        with pytest.raises(Unreadable):
            read.extract(got(read, rc=rc, stderr=said))


def test_ignoring_case(shell, tmp_path):
    (tmp_path / "log").write_text(LOG, encoding="utf-8")
    read = filtered(f"/usr/bin/cat {tmp_path}/log", matching="pleg IS not", ignore_case=True)
    assert len(read.extract(run(shell, [read]).answers()[read.key])) == 4


# -- the rights that it needs --------------------------------------------------------------------------------------


@pytest.fixture
def rules(tmp_path: Path) -> str:
    facts = '@host_fact(journal("kubelet", matching="PLEG is not healthy"), journal(kernel=True, matching="x"))\n'
    facts += "def logs(a, b): return a\n"
    files = {"p.yaml": "hazards: [a]", "facts.py": facts, "check_a.py": check("a", names="logs")}
    made = run_of(tmp_path, files, hosts=("n1",))
    return sudoers(made, made.plan())


def test_sudoers_names_the_whole_program_and_no_filter(rules):
    common = r"LOGIN ALL=(root) NOPASSWD: /usr/bin/journalctl --no-pager --all --output\=short-iso --since\=-24h"
    lines = [line for line in rules.splitlines() if not line.startswith("#")]
    assert lines == [rf"{common} --unit\=kubelet", rf"{common} _TRANSPORT\=kernel"]


@pytest.mark.skipif(not shutil.which("visudo"), reason="there is no visudo")
def test_visudo_takes_the_rules(rules, tmp_path):
    path = tmp_path / "sudoers"
    path.write_text(rules + "\n")
    path.chmod(0o440)
    done = subprocess.run(["visudo", "-c", "-f", str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
