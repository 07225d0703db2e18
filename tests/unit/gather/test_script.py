"""The script, run by real shells, and its parser, fed in pieces of any size."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.answers import Answer, Unreadable
from conformance.gather.lifeline import Lifeline
from conformance.gather.local import _pump
from conformance.gather.parser import Parser
from conformance.gather.rounds import Rounds
from conformance.gather.script import build, new_nonce
from conformance.reads import HostRead, command, file, files, filtered

SHELLS = [["dash"], ["bash"], ["bash", "--posix"], ["busybox", "sh"]]
#: A machine without root among its users: what the login user may not read is then really out of reach.
AS_NOBODY = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--"]


@pytest.fixture(params=SHELLS, ids=" ".join)
def shell(request: pytest.FixtureRequest) -> list[str]:
    if shutil.which(request.param[0]) is None:
        pytest.skip(f"{request.param[0]} is not installed")
    return request.param


def run(shell: list[str], reads: Sequence[HostRead], *, before: str = "", sudo: bool = False) -> Rounds:
    """All rounds on this machine; `before` is what a login shell's rc file runs first."""
    rounds = Rounds(reads, sudo=sudo)
    while (script := rounds.next()) is not None:
        _pump([*shell, "-s"], (before + script).encode(), rounds, Lifeline(60))
        rounds.end()
    return rounds


def read(shell: list[str], one: HostRead, **options: object) -> Answer:
    return run(shell, [one], **options).answers()[one.key]


def out(answer: Answer) -> str:
    return answer.require()["stdout"]


def test_one_script_answers_all_reads(shell: list[str]) -> None:
    reads = [command("echo one"), command("printf two"), command("true"), command("echo x | tr x y; exit 3"), file("/")]
    rounds = run(shell, reads)
    answers = rounds.answers()
    assert rounds.count == 1
    assert list(answers) == [one.key for one in reads]
    assert [out(answer) for answer in answers.values()] == ["one\n", "two", "", "y\n", ""]
    assert [answer.require()["rc"] for answer in answers.values()] == [0, 0, 0, 3, 1]
    assert "s a directory" in answers["cat /"].require()["stderr"]


def test_noise_around_the_script_is_not_part_of_any_answer(shell: list[str]) -> None:
    noise = "echo welcome; echo careful >&2; trap 'echo goodbye' EXIT\n"
    answer = read(shell, command("echo 'it'; echo wrong >&2"), before=noise)
    assert (out(answer), answer.require()["stderr"]) == ("it\n", "wrong\n")


def test_output_is_kept_byte_for_byte(shell: list[str], tmp_path: Path) -> None:
    data = bytes(range(256)) * 300 + b"\n\n"
    (tmp_path / "data").write_bytes(data)
    answer = read(shell, file(f"{tmp_path}/data"))
    assert out(answer) == data.decode("utf-8", "backslashreplace")


def test_reads_have_no_standard_input_and_do_not_change_each_other(shell: list[str]) -> None:
    reads = [
        command("cat"),
        command("cd /"),
        command("exit 4"),
        command("LEFT=behind"),
        command('echo "$PWD $LEFT $#"'),
    ]
    answers = run(shell, reads).answers()
    assert out(answers["cat"]) == ""
    assert answers["exit 4"].require()["rc"] == 4
    assert out(answers['echo "$PWD $LEFT $#"']) == f"{os.getcwd()}  0\n"


def test_a_snippet_that_is_no_shell_text_harms_nobody_else(shell: list[str]) -> None:
    answers = run(shell, [command("if then ("), command("echo 'it'\"'\"'s'"), command("nosuchprogram --x")]).answers()
    assert answers["if then ("].require()["rc"] != 0
    assert out(answers["echo 'it'\"'\"'s'"]) == "it's\n"
    assert answers["nosuchprogram --x"].require()["rc"] == 127


def test_environment(shell: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    one = command('echo "$LC_ALL $PF_PATH"; echo "$PATH"; echo "$PF_TEXT"')
    assert out(read(shell, one)) == "C /usr/bin:/bin\n/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin\n\n"


def test_no_nonce_is_stored(shell: list[str]) -> None:
    rounds = Rounds([command("env | grep PF_NONCE"), command('echo "$PF_NONCE" >&2; false')], sudo=False)
    _pump([*shell, "-s"], (rounds.next() or "").encode(), rounds, Lifeline(60))
    nonce = rounds.parser.nonce
    rounds.end()
    assert nonce not in repr(rounds.answers())
    assert out(rounds.answers()["env | grep PF_NONCE"]) == "PF_NONCE=PF_NONCE\n"


def test_a_read_does_not_find_itself_in_the_list_of_processes(shell: list[str]) -> None:
    listing = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; echo; done 2>/dev/null"
    line = f": runc-init; {listing} | grep -c '[r]unc-init'"
    for reads in ([command(line), command("echo 'runc-init'")], [command(line, timeout=9.0)]):
        assert out(run(shell, reads).answers()[line]) == "0\n"


@pytest.mark.parametrize("line", ["sleep 30", "sleep 30; echo never"])
def test_time_limit(shell: list[str], line: str) -> None:
    started = time.monotonic()
    answers = run(shell, [command("echo before"), command(line, timeout=1.0), command("echo after")]).answers()
    problem = answers[line].problem
    assert problem is not None
    assert (problem.kind, problem.message) == (
        "timed-out",
        f"`{line}` did not end within 1 s: run it there by hand to see why",
    )
    assert out(answers["echo before"]) == "before\n"
    assert out(answers["echo after"]) == "after\n"
    assert time.monotonic() - started < 8


def test_a_group_that_hangs_is_gone_through_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("conformance.gather.script.GROUP_SECONDS", 1)
    reads = [command("echo before"), command("sleep 2; echo slow"), command("echo after")]
    rounds = run(["sh"], reads)
    assert [out(answer) for answer in rounds.answers().values()] == ["before\n", "slow\n", "after\n"]
    assert rounds.count == 2


def test_a_read_that_nothing_can_end_costs_its_own_answer_only(monkeypatch: pytest.MonkeyPatch) -> None:
    # A host without `timeout`: the script cannot end the read, as with one that waits for a dead NFS server.
    monkeypatch.setattr("conformance.gather.rounds.GRACE", 0.5)
    reads = [command("echo before"), command("sleep 300", timeout=0.5), command("echo after", timeout=9.0)]
    rounds = run(["/bin/sh"], reads, before="timeout() { return 127; }\n")
    answers = rounds.answers()
    assert answers["sleep 300"].problem is not None
    assert answers["sleep 300"].problem.kind == "timed-out"
    assert out(answers["echo after"]) == "after\n"
    assert rounds.count == 2


@pytest.mark.parametrize("bounds", [{"limit": 5000}, {"limit": 5000, "timeout": 8.0}], ids=["grouped", "alone"])
def test_size_limit(shell: list[str], bounds: dict[str, float]) -> None:
    flood = command("yes", **bounds)
    most = command("head -c 5000 /dev/zero", **bounds)
    more = command("head -c 5001 /dev/zero", **bounds)
    answers = run(shell, [flood, most, more, command("echo after")]).answers()
    for one in (flood, more):
        problem = answers[one.key].problem
        assert problem is not None
        assert (problem.kind, problem.message) == (
            "cut-off",
            f"`{one.key}` was cut off: it printed more than 5,000 bytes: look at it there by hand",
        )
    assert len(out(answers[most.key])) == 5000
    assert out(answers["echo after"]) == "after\n"


def test_a_flood_of_errors_is_cut_off_too(shell: list[str]) -> None:
    answers = run(shell, [command("yes >&2"), command("echo after")]).answers()
    assert answers["yes >&2"].problem is not None
    assert answers["yes >&2"].problem.kind == "cut-off"
    assert out(answers["echo after"]) == "after\n"


def test_many_errors_are_shortened_in_the_middle(shell: list[str]) -> None:
    answer = read(shell, command("i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done >&2"))
    errors = answer.require()["stderr"]
    assert errors.startswith("line 0\n")
    assert errors.endswith("line 2999\n")
    assert len(errors) < 4200


@pytest.fixture
def top() -> Iterator[Path]:
    """A folder that everybody may enter: pytest's own are closed again by every pytest that starts."""
    with tempfile.TemporaryDirectory(prefix="preflight-open-") as made:
        Path(made).chmod(0o755)
        yield Path(made)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")
def test_what_may_not_be_read_is_never_absent(shell: list[str], top: Path) -> None:
    closed = top / "closed"
    closed.mkdir(mode=0o700)
    (closed / "x.conf").write_text("secret")
    (top / "list").mkdir()
    (top / "list" / "a.conf").write_text("a")
    (top / "list" / "b.conf").write_text("b")
    (top / "list" / "b.conf").chmod(0)
    reads = [
        file(f"{closed}/x.conf"),
        file(f"{closed}/absent"),
        file(f"{top}/absent"),
        file(f"{top}/list/a.conf/below"),
        files(f"{closed}", "*.conf"),
        files(f"{closed}/sub", "*.conf"),
        files(f"{top}/absent", "*.conf"),
        files(f"{top}/list", "*.conf"),
        files(f"{top}/list", "a*"),
    ]
    answers = run([*AS_NOBODY, *shell], reads).answers()

    def value(one: HostRead) -> object:
        try:
            return one.extract(answers[one.key])
        except Unreadable as error:
            return error.reason

    said = [value(one) for one in reads]
    assert "ermission denied" in str(said[0])
    assert "ermission denied" in str(said[1])
    assert said[2:4] == [None, None]
    assert "ermission denied" in str(said[4])
    assert "ermission denied" in str(said[5])
    assert said[6] == {}
    assert "b.conf" in str(said[7])
    assert said[8] == {f"{top}/list/a.conf": "a"}


#: What sudo 1.9.13 says on a machine without /etc/sudoers.
NO_SUDOERS = """\
sudo: unable to open /etc/sudoers: No such file or directory
sudo: error initializing audit plugin sudoers_audit
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")
@pytest.mark.parametrize("said", [None, NO_SUDOERS], ids=["no sudo", "no sudoers"])
@pytest.mark.parametrize("timeout", [10.0, 20.0])
def test_what_sudo_does_not_find_is_not_the_file(shell: list[str], top: Path, said: str | None, timeout: float) -> None:
    for name in ("cat", "head", "id", "ls", "sed", "tail", "timeout"):
        (top / name).symlink_to(shutil.which(name) or name)
    if said is not None:
        (top / "sudo").write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}END\nexit 1\n")
        (top / "sudo").chmod(0o755)
    path = "/etc/hostname"
    reads = [
        file(path, sudo=True, timeout=timeout),
        filtered(f"/usr/bin/tail -n 5 {path}", matching="x", nothing="No such file or directory", timeout=timeout),
    ]
    answers = run([*AS_NOBODY, *shell], reads, before=f"PATH={top}; export PATH\n", sudo=True).answers()
    for one in reads:
        with pytest.raises(Unreadable, match="sudo"):
            one.extract(answers[one.key])


@pytest.mark.parametrize("timeout", [10.0, 20.0])
def test_what_the_program_itself_does_not_find_is_absent(shell: list[str], tmp_path: Path, timeout: float) -> None:
    (tmp_path / "file").write_text("")
    paths = [f"{tmp_path}/absent", f"{tmp_path}/file/below", f"{tmp_path}/a b", f"{tmp_path}/it's é"]
    for path in paths:
        one = file(path, sudo=True, timeout=timeout)
        assert one.extract(read(shell, one)) is None
    for words in (f"/usr/bin/tail -n 5 {paths[0]}", f"/usr/bin/cat {paths[0]}"):
        last = filtered(words, matching="x", nothing="No such file or directory", timeout=timeout)
        assert last.extract(read(shell, last)) == []
    for directory in (paths[0], paths[3]):
        assert files(directory, "*").extract(read(shell, files(directory, "*"))) == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become nobody")
def test_root_reads_say_as_whom_they_ran(shell: list[str]) -> None:
    reads = [command("/usr/bin/id -u", sudo=True), file("/etc/shadow", sudo=True), command("echo plain")]
    as_root = run(shell, reads).answers()
    assert as_root["sudo /usr/bin/id -u"].require()["as"] == "root"
    as_nobody = run([*AS_NOBODY, *shell], reads).answers()
    assert as_nobody["sudo /usr/bin/id -u"].require() == {"stdout": "65534\n", "stderr": "", "rc": 0, "as": "user"}
    with pytest.raises(Unreadable, match="needs root, which the login user is not: give --sudo"):
        reads[1].extract(as_nobody["sudo cat /etc/shadow"])
    assert "as" not in as_nobody["echo plain"].require()


def test_reads_that_need_root_come_last() -> None:
    script = build([command("/bin/first", sudo=True), command("second")], "0" * 32, sudo=True)
    assert script.index("second") < script.index("/bin/first")
    assert "sudo -n" in script
    assert "id -u" not in build([command("second")], "0" * 32, sudo=True)


def test_hundreds_of_reads_fit(shell: list[str]) -> None:
    reads = [command(f"echo {number}; : '{'x' * 400}'") for number in range(300)]
    rounds = run(shell, reads)
    assert rounds.count == 1
    assert [out(answer) for answer in rounds.answers().values()] == [f"{number}\n" for number in range(300)]


def test_a_script_that_must_be_short_is_split() -> None:
    rounds = Rounds([command(f"echo {number}; : '{'x' * 400}'") for number in range(50)], sudo=False, longest=8000)
    while (script := rounds.next()) is not None:
        assert len(script) <= 8000
        _pump(["sh", "-s"], script.encode(), rounds, Lifeline(60))
        rounds.end()
    assert rounds.count > 1
    assert all(answer.problem is None for answer in rounds.answers().values())


def test_a_shell_that_does_not_run_the_script_is_quoted() -> None:
    rounds = Rounds([command("echo 1"), command("echo 2")], sudo=False)
    assert rounds.next()
    rounds.stdout(b"This account is currently not available.\n")
    rounds.end()
    assert rounds.next() is None
    messages = {answer.problem.message for answer in rounds.answers().values() if answer.problem}
    assert messages == {"/bin/sh did not run there: This account is currently not available."}


@pytest.mark.parametrize("status", [0, 1])
def test_an_answer_counts_when_its_errors_have_come_too(status: int) -> None:
    absent = file("/absent")
    rounds = Rounds([absent, command("yes", limit=10)], sudo=False)
    assert rounds.next()
    nonce = rounds.parser.nonce
    rounds.stderr(f"\n{nonce} b 0 -\ncat: /absent: No such ".encode())
    rounds.stdout(f"\n{nonce} b 0 -\n\n{nonce} e 0 {status}\n\n{nonce} b 1 -\n{'y' * 100}".encode())
    assert rounds.over
    rounds.end()
    # Also one that ended well: journalctl says on standard error that what it showed is not all.
    again = rounds.next()
    assert again is not None
    assert "yes" not in again
    _pump(["sh", "-s"], again.encode(), rounds, Lifeline(60))
    rounds.end()
    assert absent.extract(rounds.answers()[absent.key]) is None


def test_a_read_that_kills_its_shell_is_the_only_one_lost(shell: list[str]) -> None:
    answers = run(shell, [command("echo 1"), command("kill -9 $PPID; sleep 1"), command("echo 2")]).answers()
    assert out(answers["echo 1"]) == "1\n"
    assert out(answers["echo 2"]) == "2\n"


def test_nothing_is_written(shell: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "TMPDIR"):
        monkeypatch.setenv(name, str(tmp_path))
    monkeypatch.chdir(tmp_path)
    if shutil.which("strace") is None:
        run(shell, [command("echo 1"), command("echo 2", timeout=5.0)])
    else:
        script = build([command("echo 1"), command("echo 2", timeout=5.0)], new_nonce(), sudo=False)
        trace = ["strace", "-f", "-qq", "-e", "trace=openat,open,creat,mkdir,unlink,rename", *shell, "-s"]
        done = subprocess.run(trace, input=script, capture_output=True, text=True, check=True)
        written = [line for line in done.stderr.splitlines() if "O_CREAT" in line or "O_WRONLY" in line]
        assert [line for line in written if "/dev/null" not in line] == []
    assert list(tmp_path.iterdir()) == []


NONCE = "0123456789abcdef" * 2
READS = [command("a"), files("/d", "*"), command("c", timeout=3.0)]
_PIECES = st.sampled_from([b"\n", NONCE.encode(), b" ", b"b 1 -", b"file x", f"\n{NONCE[:20]}".encode(), b"\xff\x00"])
BODIES = (
    st.lists(_PIECES | st.binary(max_size=20), max_size=8).map(b"".join).filter(lambda body: b" b 1 -\n" not in body)
)


@given(st.lists(BODIES, min_size=8, max_size=8), st.lists(st.integers(0, 10**6)), st.lists(st.integers(0, 10**6)))
def test_the_parser_does_not_care_how_its_input_is_cut(bodies: list[bytes], cuts: list[int], others: list[int]) -> None:
    def mark(text: str) -> bytes:
        return f"\n{NONCE} {text}\n".encode()

    inner = mark("file x.conf") + bodies[4] + mark("rc 0")
    stdout = b"".join(
        [bodies[0], mark("b 0 -"), bodies[1], mark("e 0 7"), mark("b 1 -"), inner, mark("e 1 0")]
        + [mark("g 0"), mark("b 2 user"), bodies[5], mark("s 0"), mark("e 2 -"), mark("done"), bodies[0]]
    )
    stderr = b"".join([bodies[2], mark("b 0 -"), bodies[3], mark("b 1 -"), mark("b 2 user"), bodies[6], mark("done")])

    def parsed(first: list[int], second: list[int]) -> dict[str, Answer]:
        parser = Parser(NONCE, READS, clock=lambda: 0.0)
        for feed, data, places in ((parser.stderr, stderr, second), (parser.stdout, stdout, first)):
            at = 0
            for place in sorted(place % (len(data) + 1) for place in places):
                feed(data[at:place])
                at = place
            feed(data[at:])
        assert parser.finished
        return parser.answers()

    answers = parsed(cuts, others)
    assert answers == parsed([], [])
    assert NONCE not in repr(answers)

    def text(body: bytes) -> str:
        return body.decode("utf-8", "backslashreplace").replace(NONCE, "PF_NONCE")

    first, second, third = (answers[one.key].require() for one in READS)
    assert first == {"stdout": text(bodies[1]), "stderr": text(bodies[3]), "rc": 7}
    assert second["stderr"] == ""
    assert third == {"stdout": text(bodies[5]), "stderr": text(bodies[6]), "rc": 0, "as": "user"}


@given(st.integers(0, 400))
def test_what_is_missing_is_said(length: int) -> None:
    reads = [command("a"), command("b"), command("c")]
    whole = "".join(f"\n{NONCE} b {number} -\nbody\n{NONCE} e {number} 0\n" for number in range(3)).encode()
    parser = Parser(NONCE, reads, clock=lambda: 0.0)
    parser.stderr("".join(f"\n{NONCE} {mark}\n" for mark in ("b 0 -", "b 1 -", "b 2 -", "done")).encode())
    parser.stdout(whole[:length])
    answers = list(parser.answers().values())
    kinds = [answer.problem.kind if answer.problem else "fine" for answer in answers]
    assert kinds == sorted(kinds, key=["fine", "timed-out", "not-read"].index)
    for answer in answers:
        if answer.problem is None:
            assert out(answer) == "body"
        elif answer.problem.kind == "not-read" and "timed-out" in kinds:
            assert "since everything broke off during `" in answer.problem.message
