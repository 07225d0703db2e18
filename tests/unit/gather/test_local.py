"""Reads on this machine, and through testinfra's backends."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import uuid
from pathlib import Path

import pytest

from conformance.answers import Answer
from conformance.gather.hosts import gather_hosts
from conformance.gather.jobs import HostJob, Run, SshSettings
from conformance.reads import HostRead, command, file

READS: tuple[HostRead, ...] = (command("echo one"), file("/nonexistent"), command("echo three; exit 3", ok=(3,)))


def values(reads: tuple[HostRead, ...], answers: dict[str, Answer]) -> list[object]:
    return [read.extract(answers[read.key]) for read in reads]


def test_local() -> None:
    told: list[tuple[str, str | None]] = []
    got = gather_hosts([HostJob("here", "local://", READS)], SshSettings(), lambda *one: told.append(one))["here"]
    assert values(READS, got.answers) == ["one\n", None, "three\n"]
    assert told == [("here", None)]
    assert got.notes == {"connection": "local://", "machine": socket.gethostname(), "rounds": 1}


def test_no_host() -> None:
    assert gather_hosts([], SshSettings()) == {}


def test_no_reads() -> None:
    assert gather_hosts([HostJob("here", "local://", ())], SshSettings())["here"].answers == {}


def test_rehearsal() -> None:
    got: list[Answer] = []

    def rehearse(run: Run) -> None:
        got.append(run("echo 'a  b'; cat"))

    gather_hosts([HostJob("here", "local://", READS, rehearse)], SshSettings())
    assert got[0].require()["stdout"] == "a  b\n"


def sessions_with(word: str) -> list[str]:
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if word in path.read_text():
                found.append(str(path))
        except OSError:
            continue
    return found


def test_at_the_deadline_everything_ends() -> None:
    seconds = f"4711.{uuid.uuid4().int}"  # a browser's arguments are full of shorter numbers
    reads = (command("echo one"), command(f"sleep {seconds}; :", timeout=60.0), command("echo three", timeout=60.0))
    started = time.monotonic()
    got = gather_hosts([HostJob("here", "local://", reads)], SshSettings(deadline=1.0))["here"]
    assert time.monotonic() - started < 4
    problems = [answer.problem and answer.problem.kind for answer in got.answers.values()]
    assert problems == [None, "timed-out", "not-read"]
    assert got.answers[reads[2].key].problem is not None
    assert "the deadline of 1 s for everything on this host has passed" in got.answers[reads[2].key].problem.message
    assert sessions_with(seconds) == []


def test_what_starts_while_it_is_ended_ends_too() -> None:
    """Each `timeout` is a group of its own, and the loop starts more of them until its signal has come."""
    seconds = f"60.{uuid.uuid4().int}"
    for _ in range(5):
        line = command(f"while :; do timeout 60 sleep {seconds} & done", timeout=60.0)
        gather_hosts([HostJob("here", "local://", (line,))], SshSettings(deadline=0.2))
        assert sessions_with(seconds) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="chroot needs root")
def test_through_testinfra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "whole").symlink_to("/")
    monkeypatch.chdir(tmp_path)
    # The process list must not show the script: it holds the words that a read may look for.
    line = "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f; echo; done 2>/dev/null | grep -c '[f]ind-me'; : find-me"
    many = tuple(command(f"echo {number}; : '{'x' * 900} ü'") for number in range(150))
    reads = (*READS, command(line), command("yes"), *many)
    got: list[Answer] = []
    jobs = [
        HostJob("inside", "chroot://whole", reads, lambda run: got.append(run("echo it"))),
        HostJob("nowhere", "chroot://absent", READS),
    ]
    gathered = gather_hosts(jobs, SshSettings())
    answers = gathered["inside"].answers
    assert values(READS, answers) == ["one\n", None, "three\n"]
    assert answers[line].require()["stdout"] == "0\n"
    assert answers["yes"].problem is not None
    assert values(many, answers) == [f"{number}\n" for number in range(150)]
    assert got[0].require()["stdout"] == "it\n"
    nothing = gathered["nowhere"].answers["echo one"].problem
    assert nothing is not None
    assert nothing.kind == "error"
    assert "cannot change root directory to" in nothing.message


@pytest.mark.parametrize(
    ("connection", "absent"),
    [("local://", "paramiko testinfra kubernetes"), ("chroot://nowhere", "paramiko kubernetes")],
)
def test_imports(connection: str, absent: str) -> None:
    program = f"""
import sys
from conformance.gather.hosts import gather_hosts
from conformance.gather.jobs import HostJob, SshSettings
from conformance.gather.ssh_config import check_settings
from conformance.reads import command
check_settings([{connection!r}], SshSettings())
gather_hosts([HostJob("here", {connection!r}, (command("true"),))], SshSettings())
print([name for name in {absent.split()!r} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")
