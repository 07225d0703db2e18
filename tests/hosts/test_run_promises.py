"""What the suite promises: repeatable, read-only, one exec per host, and nothing that the plan did not say."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shlex
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.hosts.conftest import impossible
from tests.lab.hosts import HostSpec, Lab, LabError, UserSpec
from tests.running import Result, preflight

HOSTS = ("noexec", "centos", "v1", "ops@locked", "ssh://noexec:2222")
#: What says when and how it was read; all else must not differ between a run and one on its snapshot.
PASSING = ("started", "finished", "gather", "digest")
#: What another reading changes as well.
READ_AGAIN = (*PASSING, "fresh_until", "snapshot")
_NEW_NETWORK = ("unshare", "--net", "--")


def lasting(report: Path, passing: tuple[str, ...] = PASSING) -> str:
    """preflight.json without what says when, and how, it was read: the very text of the rest."""
    lines = report.read_text(encoding="utf-8").splitlines()
    kept, skipped = [], False
    for line in lines:
        if match := re.match(r' "(\w+)":', line):
            skipped = match[1] in passing
        if not skipped:
            kept.append(line)
    return "\n".join(kept)


def args(lab: Lab, *hosts: str) -> tuple[str, ...]:
    return ("--profile", "linux-node", f"--hosts={','.join(hosts)}", f"--ssh-config={lab.ssh_config}")


@pytest.mark.root
class TestSnapshot:
    @pytest.fixture(scope="class")
    @classmethod
    def directory(cls, tmp_path_factory: pytest.TempPathFactory) -> Path:
        return tmp_path_factory.mktemp("snapshot")

    @pytest.fixture(scope="class")
    @classmethod
    def live(cls, lab: Lab, directory: Path) -> Result:
        """One run over all hosts that keeps what it read."""
        with lab.entered():
            return preflight(*args(lab, *HOSTS), "--save-snapshot=all.json", cwd=directory, reports="live")

    @pytest.fixture(scope="class")
    @classmethod
    def again(cls, live: Result, directory: Path) -> Result:
        """The same run on what was kept, where there is no network at all."""
        return preflight(
            "--profile=linux-node", "--snapshot=all.json", cwd=directory, reports="again", wrapper=_NEW_NETWORK
        )

    def test_the_run_is_one_worth_repeating(self, live: Result) -> None:
        assert set(live.outcomes.values()) == {"clear", "hazard", "unknown", "not-applicable"}

    def test_the_same_report_without_any_connection(self, live: Result, again: Result) -> None:
        assert again.code == live.code == 1
        assert again.report["gather"]["from_snapshot"] is True
        assert lasting(again.reports / "preflight.json") == lasting(live.reports / "preflight.json")
        assert again.report["started"] == live.report["started"]  # evidence is as old as it is

    def test_where_there_is_no_network_a_live_run_fails(self, lab: Lab, directory: Path) -> None:
        run = preflight(*args(lab, "noexec"), cwd=directory, reports="none", wrapper=_NEW_NETWORK)
        assert set(run.outcomes.values()) == {"unknown"}

    def test_is_readable_for_its_owner_only(self, live: Result, directory: Path) -> None:
        assert stat.S_IMODE((directory / "all.json").stat().st_mode) == 0o600

    def test_two_snapshots_merge(self, lab: Lab, live: Result, directory: Path) -> None:
        with lab.entered():
            for name, hosts in (("one", HOSTS[:2]), ("two.gz", HOSTS[2:])):
                preflight(*args(lab, *hosts), f"--save-snapshot={name}", cwd=directory, reports="part")
        files = ("--snapshot=one", "--snapshot=two.gz")
        merged = preflight("--profile=linux-node", *files, cwd=directory, reports="merged", wrapper=_NEW_NETWORK)
        found, wanted = (lasting(one.reports / "preflight.json", READ_AGAIN) for one in (merged, live))
        assert found == wanted
        assert merged.code == 1

    def test_workers_find_the_same(self, lab: Lab, live: Result, directory: Path) -> None:
        with lab.entered():
            workers = preflight(*args(lab, *HOSTS), "-n2", cwd=directory, reports="workers")
        found, wanted = (lasting(one.reports / "preflight.json", READ_AGAIN) for one in (workers, live))
        assert found == wanted
        assert workers.code == 1
        assert "2 workers" in workers.out
        # Gathered once, not once per worker.
        assert workers.out.count(f"read {len(HOSTS)} hosts in") == 1


#: A login shell that keeps what it is started with, and what it is told on standard input, where a test finds it.
_WITNESS = """\
#!/bin/sh
echo "$@" >> /run/witness/arguments
tee -a /run/witness/input | /bin/sh "$@"
"""


@pytest.fixture(scope="module")
def watched() -> Iterator[Lab]:
    """A host that tells what is done to it."""
    hosts = Lab()
    files: dict[str, Any] = {
        "/etc/ssh/sshd_config.d/10-log.conf": "LogLevel DEBUG1\n",
        "/usr/local/bin/witness": (_WITNESS, 0o755, "root"),
    }
    users = [UserSpec("plain"), UserSpec("witness", shell="/usr/local/bin/witness")]
    try:
        hosts.start([HostSpec("watched", files=files, users=users, prestart=("mkdir -m 777 /run/witness",))])
    except LabError as error:
        impossible(error)
    yield hosts
    hosts.stop()


def content(lab: Lab) -> dict[str, str]:
    """Everything that was ever written on the host: path -> what it is, with what in it."""
    found = {}
    upper = lab.upper("watched")
    for path in sorted(upper.rglob("*")):
        status = path.lstat()
        what = [stat.filemode(status.st_mode), f"{status.st_uid}:{status.st_gid}"]
        if stat.S_ISREG(status.st_mode):
            what.append(hashlib.sha256(path.read_bytes()).hexdigest())
        elif stat.S_ISLNK(status.st_mode):
            what.append(os.readlink(path))
        found[str(path.relative_to(upper))] = " ".join(what)
    inside = lab.inside("watched", "find /run /dev /tmp /var/tmp -xdev ! -path '/dev/pts/*' | sort").stdout
    return found | dict.fromkeys(inside.splitlines(), "is there")


def differences(before: dict[str, str], after: dict[str, str]) -> set[str]:
    return {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}


def plan(lab: Lab, directory: Path, host: str) -> list[str]:
    """The commands that --plan=json names for a host."""
    printed = preflight(*args(lab, host), "--plan=json", cwd=directory, reports="plan")
    assert printed.code == 0, printed
    return [one["read"] for one in json.loads(printed.out)["hosts"][host]["commands"]]


@pytest.mark.root
class TestReadOnly:
    @pytest.mark.parametrize("user", ["root", "plain"])
    def test_leaves_what_any_login_leaves(self, watched: Lab, tmp_path: Path, user: str) -> None:
        host = f"{user}@watched"
        watched.ssh(host, "true")  # the first login of all makes files
        states = [content(watched)]
        watched.ssh(host, "true")
        states.append(content(watched))
        with watched.entered():
            run = preflight(*args(watched, host), cwd=tmp_path)
        states.append(content(watched))
        assert run.code == 0, run
        by_login, by_run = differences(*states[:2]), differences(*states[1:])
        assert by_run <= by_login, run
        # That the comparison sees a file is to be seen, too.
        watched.ssh(host, "touch /tmp/canary")
        assert {"tmp/canary", "/tmp/canary"} <= differences(states[2], content(watched)) - by_login
        watched.ssh(host, "rm /tmp/canary")

    def test_one_connection_one_session_no_terminal(self, watched: Lab, tmp_path: Path) -> None:
        before = len(watched.log("watched"))
        with watched.entered():
            run = preflight(*args(watched, "plain@watched"), cwd=tmp_path)
        assert run.code == 0
        log = watched.log("watched")[before:]
        assert log.count("Connection from") == 1
        assert log.count("Accepted publickey for plain") == 1
        assert log.count("Starting session: command for plain") == log.count("Starting session:") == 1
        assert "pty-req" not in log
        assert "subsystem" not in log.lower().replace("subsystem sftp", "")
        # The log would show a terminal.
        before = len(watched.log("watched"))
        watched.run(["ssh", "-tt", "-F", watched.ssh_config, "plain@watched", "true"])
        assert "pty-req" in watched.log("watched")[before:]

    def test_runs_what_the_plan_says_and_nothing_else(self, watched: Lab, tmp_path: Path) -> None:
        with watched.entered():
            commands = plan(watched, tmp_path, "witness@watched")
            nobody = watched.inside("watched", "ls /run/witness").stdout
            run = preflight(*args(watched, "witness@watched"), "--save-snapshot=s.json", cwd=tmp_path)
        assert nobody == ""  # printing the plan contacted nobody
        assert run.code == 0, run
        kept = json.loads((tmp_path / "s.json").read_text())["answers"]["witness@watched"]
        assert sorted(kept) == sorted(commands)
        arguments = watched.inside("watched", "cat /run/witness/arguments").stdout
        assert arguments == "-c /bin/sh -s\n"
        script = watched.inside("watched", "cat /run/witness/input").stdout
        # No file, no here-document, no redirection but to the standard streams and to nothing.
        assert not re.findall(r"<<", script)
        targets = re.findall(r"\d*>+\s*(\S+)", script)
        assert set(targets) <= {"/dev/null", "&1", "&2", "&2;", "/dev/null;", "/dev/null)", "/dev/null;;"}, targets
        for command in commands:
            if not command.startswith("cat /") or "*" not in command and "{" not in command:
                assert re.sub(r"\W", "", shlex.quote(command)) in re.sub(r"\W", "", script)


class TestPlan:
    def test_contacts_nobody(self, tmp_path: Path) -> None:
        """In a network without anything, of hosts that do not exist, and without a key to log in with."""
        options = ("--profile=linux-node", "--hosts=nobody.invalid,ssh://ops@10.77.9.9:2222,local://")
        wrapper = _NEW_NETWORK if os.geteuid() == 0 else ()
        told = {}
        for form in ("text", "json", "sudoers"):
            printed = preflight(*options, f"--plan={form}", cwd=tmp_path, wrapper=wrapper)
            assert printed.code == 0, printed
            assert printed.seconds < 15
            assert not printed.reports.exists()
            told[form] = printed.out
        text, record = told["text"], json.loads(told["json"])
        assert record["hosts"].keys() == {"nobody.invalid", "ssh://ops@10.77.9.9:2222", "local://"}
        for host in record["hosts"].values():
            assert len(host["commands"]) >= 6
            for one in host["commands"]:
                assert one["read"].splitlines()[0] in text
                assert one["timeout_seconds"] > 0 < one["limit_bytes"]
        assert "nobody has been contacted" in text
