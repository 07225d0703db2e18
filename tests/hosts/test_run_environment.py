"""The environment of the user that runs the upgrade, in real login shells over real sshds."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

import pytest

from conformance.answers import Unreadable
from conformance.gather.hosts import gather_hosts
from conformance.gather.jobs import Gathered, HostJob, SshSettings
from conformance.reads import command, environment, login_command
from tests.hosts.conftest import impossible
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.lab.standard import STANDARD

pytestmark = pytest.mark.root

VALUE = '/home/o\'neil/a "key" $HOME.json\nand a second line'
_QUOTED = "'/home/o'\\''neil/a \"key\" $HOME.json\nand a second line'"
_SH = f"export ACME_KEY={_QUOTED}\nexport ACME_EMPTY= ACME_SECRET=hunter2\nPATH=/opt/acme/bin:$PATH\n"
# csh: a newline in quotes needs a backslash.
_CSH = """\
setenv ACME_KEY '/home/o'"'"'neil/a "key" $HOME.json\\
and a second line'
setenv ACME_EMPTY ''
setenv ACME_SECRET hunter2
set path = (/opt/acme/bin $path)
"""
_FISH = f"""\
if status is-login
    set -gx ACME_KEY {_QUOTED}
    set -gx ACME_EMPTY ''
    set -gx ACME_SECRET hunter2
    set -gx PATH /opt/acme/bin $PATH
end
"""
_NOISE = "echo Welcome, hunter2\necho hunter2 >&2\n"
#: User -> login shell, start-up file and its text.
USERS = {
    "bashuser": ("/bin/bash", ".bash_profile", _SH + _NOISE),
    "profileuser": ("/bin/bash", ".profile", _SH + _NOISE),
    "zshuser": ("/bin/zsh", ".zprofile", _SH + _NOISE),
    "fishuser": ("/usr/bin/fish", ".config/fish/config.fish", _FISH + "echo Welcome, hunter2\n"),
    "cshuser": ("/bin/csh", ".login", _CSH + "echo Welcome, hunter2\n"),
    "dashuser": ("/bin/dash", ".profile", _SH + _NOISE),
    "shuser": ("/bin/sh", ".profile", _SH + _NOISE),
    "leaver": ("/bin/bash", ".bash_profile", f"{_SH}sleep 30 &\n"),
}
READ = environment("ACME_KEY", "ACME_EMPTY", "ACME_UNSET")
PATH = login_command('printf %s "${PATH%%:*}"')


def _host(name: str, **more: object) -> HostSpec:
    """A host with these users and their start-up files, and with two users whose files are their trouble."""
    files: dict[str, object] = {f"/home/{user}/{file}": (text, 0o644, user) for user, (_, file, text) in USERS.items()}
    files["/home/hangs/.profile"] = ("sleep 77\n", 0o644, "hangs")
    files["/home/ends/.profile"] = ("exit 3\n", 0o644, "ends")
    users = [UserSpec(user, shell=shell) for user, (shell, _, _) in USERS.items()]
    return HostSpec(name, files=files, users=[*users, UserSpec("hangs"), UserSpec("ends")], **more)  # type: ignore[arg-type]


def _busybox() -> HostSpec:
    """A machine like Alpine: /bin/sh is busybox, and so is everybody's login shell."""
    alike = next(one for one in STANDARD if one.name == "busybox")
    files = {"/home/ashuser/.profile": (_SH + _NOISE, 0o644, "ashuser")}
    return replace(alike, name="alpine", files=files, users=(UserSpec("ashuser", shell="/bin/sh"),))


@pytest.fixture(scope="module")
def logins() -> Iterator[dict[str, Gathered]]:
    """Everybody's environment, read side by side."""
    lab = Lab()
    try:
        lab.start([_host("shells"), _busybox()])
    except LabError as error:
        impossible(error)
    where = {**dict.fromkeys([*USERS, "hangs", "ends"], "shells"), "ashuser": "alpine"}
    jobs = []
    for user, host in where.items():
        reads = (command("echo before"), READ, PATH, command("echo after"))
        if user == "hangs":
            reads = (reads[0], replace(READ, timeout=2.0), *reads[3:])
        jobs.append(HostJob(user, f"ssh://{user}@{host}", reads))
    with lab.entered():
        yield gather_hosts(jobs, SshSettings(config=lab.ssh_config, connect_timeout=20.0, deadline=60.0))
    lab.stop()


@pytest.mark.parametrize("user", [*USERS, "ashuser"])
def test_every_login_shell(logins: dict[str, Gathered], user: str) -> None:
    got = logins[user]
    assert READ.extract(got.answers[READ.key]) == {"ACME_KEY": VALUE, "ACME_EMPTY": ""}
    assert PATH.extract(got.answers[PATH.key]) == "/opt/acme/bin"
    assert got.notes["rounds"] == 1
    assert "hunter2" not in repr(got)
    assert re.search(r"[0-9a-f]{32}", repr(got.answers)) is None  # no nonce


def test_start_up_files_that_hang(logins: dict[str, Gathered]) -> None:
    answers = logins["hangs"].answers
    with pytest.raises(Unreadable, match=r"did not end within 2 s.*start-up files of the login shell"):
        READ.extract(answers[READ.key])
    assert [answers[f"echo {word}"].require()["stdout"] for word in ("before", "after")] == ["before\n", "after\n"]


def test_start_up_files_that_end_the_shell(logins: dict[str, Gathered]) -> None:
    with pytest.raises(Unreadable, match=r"the login shell /bin/bash ended with 3 before it ran anything"):
        READ.extract(logins["ends"].answers[READ.key])
