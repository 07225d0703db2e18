"""The environment of the user that runs the upgrade: of pytest itself on local://, else of a login shell.

The script is run by real shells on this machine, with a home whose start-up files a test writes.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from conformance.answers import Answer, Unreadable
from conformance.gather.hosts import gather_hosts
from conformance.gather.jobs import HostJob, SshSettings
from conformance.gather.lifeline import Lifeline
from conformance.gather.local import _pump
from conformance.gather.rounds import Rounds
from conformance.reads import HostRead, InvalidRead, command, environment, login_command
from conformance.reads.environment import _NO_PRINTENV

KEY, VALUE = "PREFLIGHT_KEY", "/home/ops/a b.json"
READ = environment(KEY, "PREFLIGHT_EMPTY", "PREFLIGHT_UNSET")
PROFILE = f"export {KEY}='{VALUE}'\nexport PREFLIGHT_EMPTY=\nexport PREFLIGHT_SECRET=hunter2\n"
CSH = f"setenv {KEY} '{VALUE}'\nsetenv PREFLIGHT_EMPTY ''\nsetenv PREFLIGHT_SECRET hunter2\n"
FISH = f"set -gx {KEY} '{VALUE}'\nset -gx PREFLIGHT_EMPTY ''\nset -gx PREFLIGHT_SECRET hunter2\n"
#: A login shell and the start-up file that it reads.
SHELLS = {
    "bash": (".bash_profile", PROFILE),
    "zsh": (".zprofile", PROFILE),
    "fish": (".config/fish/config.fish", f"if status is-login\n{FISH}end\n"),
    "tcsh": (".login", CSH),
    "csh": (".login", CSH),
    "dash": (".profile", PROFILE),
    "sh": (".profile", PROFILE),
}


class World:
    """A user with a home and a login shell, on this machine."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.shell = "/bin/sh"

    def write(self, name: str, text: str) -> None:
        path = self.home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def answers(self, *reads: HostRead, by: tuple[str, ...] = ("/bin/sh",), before: str = "") -> Rounds:
        rounds = Rounds(reads, sudo=False)
        before = f"LOGNAME=nobody-here HOME={self.home} SHELL={self.shell}\nexport LOGNAME HOME SHELL\n{before}"
        while (script := rounds.next()) is not None:
            _pump([*by, "-s"], (before + script).encode(), rounds, Lifeline(60))
            rounds.end()
        return rounds

    def read(self, read: HostRead = READ, **how: object) -> Answer:
        return self.answers(read, **how).answers()[read.key]  # type: ignore[arg-type]


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture(params=SHELLS)
def started(request: pytest.FixtureRequest, world: World) -> World:
    """A user whose start-up file sets the variables and prints a lot."""
    path = shutil.which(request.param)
    if path is None:
        pytest.skip(f"{request.param} is not installed")
    name, text = SHELLS[request.param]
    world.shell = path
    # csh cannot print to standard error.
    noise = "echo welcome hunter2\n" + ("" if name == ".login" else "echo hunter2 >&2\n")
    world.write(name, text + noise)
    return world


def test_a_login_shell_of_any_kind(started: World) -> None:
    answer = started.read()
    assert READ.extract(answer) == {KEY: VALUE, "PREFLIGHT_EMPTY": ""}
    assert "hunter2" not in repr(answer)  # neither what was not declared, nor what start-up files print


def test_what_start_up_files_print_does_not_leave_the_host(started: World) -> None:
    env = {"PATH": "/usr/bin:/bin", "PF_PATH": "/usr/bin:/bin", "PF_NONCE": "nonce", "LOGNAME": "nobody-here"}
    env |= {"HOME": str(started.home), "SHELL": started.shell}
    done = subprocess.run(["/bin/sh", "-c", READ.script], env=env, capture_output=True, text=True, check=True)
    assert f"nonce var {KEY}\n{VALUE}\n" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr


def test_a_command_in_a_login_shell_of_any_kind(started: World) -> None:
    one = login_command('printf "%s|%s" "$PREFLIGHT_KEY" "$LC_ALL"; echo "$PREFLIGHT_SECRET" >&2')
    answer = started.read(one)
    assert one.extract(answer) == f"{VALUE}|C"
    assert "hunter2" not in repr(answer)


@pytest.mark.parametrize("by", [("dash",), ("bash",), ("bash", "--posix"), ("busybox", "sh")], ids=" ".join)
def test_every_shell_runs_the_script(world: World, by: tuple[str, ...]) -> None:
    if shutil.which(by[0]) is None:
        pytest.skip(f"{by[0]} is not installed")
    world.write(".profile", "export PREFLIGHT_KEY='\n\na\nb\n\n'\n")
    assert READ.extract(world.read(by=by)) == {KEY: "\n\na\nb\n\n"}


def test_with_the_tools_of_busybox(world: World, tmp_path: Path) -> None:
    if shutil.which("busybox") is None:
        pytest.skip("busybox is not installed")
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sed", "id", "sh", "timeout", "head", "sleep"):
        (tools / name).symlink_to(shutil.which("busybox") or "")
    world.write(".profile", f"export {KEY}=x PATH={tools}\nsleep 60 &\n")
    assert READ.extract(world.read(before=f"PATH={tools}\n")) == {KEY: "x"}


@pytest.mark.parametrize("by", [("dash",), ("bash",), ("busybox", "sh")], ids=" ".join)
def test_without_printenv(by: tuple[str, ...]) -> None:
    if (path := shutil.which(by[0])) is None:
        pytest.skip(f"{by[0]} is not installed")
    text = f"PATH=/nowhere\n{_NO_PRINTENV}\nprintenv {KEY}"
    done = subprocess.run([path, *by[1:], "-c", text], env={KEY: 'a "$b"\n\n'}, capture_output=True, check=True)
    # Debian's busybox runs its own applets without looking at PATH, if it has been built with this one.
    assert done.stdout.decode() == 'a "$b"\n\n\n'


def test_values_that_look_like_frames(world: World) -> None:
    world.write(".profile", f'export {KEY}="\n$PF_NONC in\nnonce rc 0"\nprintf "\\n$PF_NONC in\\n"\n')
    assert READ.extract(world.read()) == {KEY: "\n in\nnonce rc 0"}


@given(st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=40))
def test_any_value(value: str) -> None:
    mark = "feedbeef"
    body = f"{mark} var {KEY}\n{value}\n{mark} rc 0\n{mark} var PREFLIGHT_UNSET\n{mark} rc 1\n"
    stored = READ.decode(f"{mark} in\n{body}\n{mark} out 0\n", mark)
    assert READ.extract(Answer({**stored, "stderr": "", "rc": 0})) == {KEY: value}


@given(st.text(max_size=60))
def test_any_output(text: str) -> None:
    for nonce in ("feedbeef", "e"):
        for read in (READ, login_command("true")):
            try:
                read.extract(Answer({**read.decode(text, nonce), "stderr": "", "rc": 0}))
            except Unreadable as error:
                assert read.key in str(error) or "login shell" in str(error)


def test_what_a_shell_sets_for_itself_is_not_the_users(world: World) -> None:
    one = environment("HOSTNAME", "PATH", "OPTIND", "SHELL")
    world.shell = "/bin/bash"
    world.write(".bash_profile", "unset HOSTNAME; OPTIND=7; PATH=/opt/x:/usr/bin:/bin\n")
    assert one.extract(world.read(one, by=("bash",))) == {"PATH": "/opt/x:/usr/bin:/bin", "SHELL": "/bin/bash"}


@pytest.mark.parametrize("shell", ["/bin/false", "/usr/sbin/nologin", "/nonexistent/shell", "/etc/passwd"])
def test_a_shell_that_takes_no_command(world: World, shell: str) -> None:
    world.shell = shell
    with pytest.raises(Unreadable, match=f"the login shell {shell} ended with [1-9].* before it ran anything"):
        READ.extract(world.read())


def test_the_shell_of_passwd_comes_first(world: World) -> None:
    with pytest.raises(Unreadable, match="the login shell /usr/sbin/nologin ended with"):
        READ.extract(world.read(before="LOGNAME=daemon SHELL=/bin/sh\n"))
    if os.geteuid() == 0:
        # Without a name it is the user id that is looked up.
        world.write(".bash_profile", f"export {KEY}=by-id\n")
        assert READ.extract(world.read(before="unset LOGNAME; SHELL=/usr/sbin/nologin\n"))[KEY] == "by-id"


@pytest.mark.parametrize("end", ["exit 3", "kill -9 $$", "if then ("])
def test_start_up_files_that_end_the_shell(world: World, end: str) -> None:
    world.write(".profile", end)
    with pytest.raises(Unreadable, match="mend its start-up files"):
        READ.extract(world.read())


def test_start_up_files_that_hang_cost_only_this_read(world: World) -> None:
    world.write(".profile", "sleep 47.11\n")
    one = environment(KEY, timeout=1)
    began = time.monotonic()
    rounds = world.answers(command("echo before"), one, command("echo after"))
    assert time.monotonic() - began < 8
    answers = rounds.answers()
    assert [answers[f"echo {which}"].require()["stdout"] for which in ("before", "after")] == ["before\n", "after\n"]
    with pytest.raises(Unreadable, match=r"did not end within 1 s.*start-up files.*\.profile"):
        one.extract(answers[one.key])
    assert rounds.count == 1


def test_what_start_up_files_leave_running_is_not_waited_for(world: World) -> None:
    world.write(".profile", f"sleep 20 &\nexport {KEY}=x\n")
    began = time.monotonic()
    assert READ.extract(world.read()) == {KEY: "x"}
    assert time.monotonic() - began < 8


@pytest.mark.parametrize(("shell", "name"), [("bash", ".bash_logout"), ("zsh", ".zlogout"), ("tcsh", ".logout")])
def test_the_end_of_a_login_shell_is_not_run(world: World, shell: str, name: str) -> None:
    if (path := shutil.which(shell)) is None:
        pytest.skip(f"{shell} is not installed")
    world.shell = path
    world.write(name, f"touch {world.home}/left\n")
    assert READ.extract(world.read()) == {}
    assert not (world.home / "left").exists()


def test_start_up_files_see_nothing_of_the_run(world: World) -> None:
    world.write(".profile", f'export {KEY}="${{LC_ALL-unset}} $PWD"\n')
    assert READ.extract(world.read())[KEY] == f"unset {world.home}"


@pytest.mark.parametrize(
    ("declare", "why"),
    [
        (lambda: environment(), "must name"),
        (lambda: environment("A-B"), "expected the name of a variable"),
        (lambda: environment("1A"), "expected the name of a variable"),
        (lambda: environment("A\n"), "expected the name of a variable"),
        (lambda: environment("A=$(id)"), "expected the name of a variable"),
        (lambda: environment("PF_NONCE"), "set this one themselves"),
        (lambda: environment("LC_ALL"), "set this one themselves"),
        (lambda: environment("HOME", sudo=True), "never root's"),
        (lambda: login_command(" "), "must name a command"),
        (lambda: login_command("/bin/true", sudo=True), "cannot be read as root"),
    ],
)
def test_what_cannot_be_declared(declare: object, why: str) -> None:
    with pytest.raises(InvalidRead, match=why):
        declare()  # type: ignore[operator]


def test_a_variable_that_cannot_be_printed_is_unreadable() -> None:
    stored = READ.decode(f"n in\nn var {KEY}\nn rc 127\n\nn out 0\n", "n")
    with pytest.raises(Unreadable, match=f"{KEY} is set, yet `printenv {KEY}` ended with 127"):
        READ.extract(Answer({**stored, "stderr": "", "rc": 0}))


def test_a_command_that_fails_is_unreadable(world: World) -> None:
    one = login_command("exit 3")
    with pytest.raises(Unreadable, match="`exit 3` ended with 3"):
        one.extract(world.read(one))
    allowed = login_command("echo x; exit 3", ok=(3,))
    assert allowed.extract(world.read(allowed)) == "x\n"


def test_parameters_are_filled_in() -> None:
    one = login_command("ls {{acme-folder}}")
    assert one.parameters == ("acme-folder",)
    filled = one.bind({"acme-folder": "/a b"})
    assert (filled.key, type(filled)) == ("in the user's environment: ls '/a b'", type(one))
    assert one.words is None


# -- whose environment it is ---------------------------------------------------------------------------------------


def gathered(connection: str, *reads: HostRead) -> dict[str, Answer]:
    return gather_hosts([HostJob("here", connection, reads)], SshSettings())["here"].answers


def test_here_it_is_that_of_pytest(monkeypatch: pytest.MonkeyPatch, world: World) -> None:
    world.write(".profile", f"export {KEY}=of-the-login-shell\n")
    world.write(".bash_profile", f"export {KEY}=of-the-login-shell\n")
    monkeypatch.setenv("HOME", str(world.home))
    monkeypatch.setenv("SHELL", "/usr/sbin/nologin")
    monkeypatch.setenv(KEY, "of\npytest")
    monkeypatch.setenv("PREFLIGHT_EMPTY", "")
    path = environment("PATH", "HOME")
    one = login_command("echo $PREFLIGHT_EMPTY$HOME")
    answers = gathered("local://", READ, path, one)
    assert READ.extract(answers[READ.key]) == {KEY: "of\npytest", "PREFLIGHT_EMPTY": ""}
    assert path.extract(answers[path.key]) == {"PATH": os.environ["PATH"], "HOME": str(world.home)}
    assert one.extract(answers[one.key]) == f"{world.home}\n"


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
def test_in_a_container_it_is_that_of_a_login_shell(
    monkeypatch: pytest.MonkeyPatch, world: World, tmp_path: Path
) -> None:
    (tmp_path / "whole").symlink_to("/")
    monkeypatch.chdir(tmp_path)
    world.write(".profile", f"export {KEY}=of-the-login-shell\n")
    monkeypatch.setenv("HOME", str(world.home))
    monkeypatch.setenv("LOGNAME", "root")
    monkeypatch.setenv("PF_HERE", "1")  # as on a machine where somebody has set it
    answers = gathered("chroot://whole", READ)
    assert READ.extract(answers[READ.key]) == {KEY: "of-the-login-shell"}
