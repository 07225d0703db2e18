"""Reads without SSH: on this machine, and through the programs for which testinfra builds the command line."""

from __future__ import annotations

import base64
import contextlib
import os
import selectors
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from conformance.answers import Problem
from conformance.gather.jobs import Gathered, HostJob
from conformance.gather.lifeline import Lifeline
from conformance.gather.rehearsal import rehearsed, undeclared
from conformance.gather.rounds import Rounds
from conformance.gather.targets import InvalidSshSettings, refuse_password, shown

__all__ = ["SCHEMES", "check_specification", "gather"]

#: Schemes whose testinfra backend runs one local program per command; the others need a service or a password.
SCHEMES: Final = ("chroot", "docker", "kubectl", "local", "lxc", "openshift", "podman")
#: Bytes of a script that travels as one argument: the kernel takes 131,072, base64 adds a third.
_LONGEST_ARGUMENT: Final = 90_000
_CHUNK: Final = 65_536
#: Set where the environment of pytest itself is that of the user (see `conformance.reads.environment`).
_HERE: Final = "PF_HERE"
#: Seconds; the wait functions take no infinity.
_LONGEST_WAIT: Final = 3600.0
#: Seconds in which what was killed has ended, unless it waits for a device.
_LONGEST_END: Final = 1.0
#: Seconds between two looks.
_BREATH: Final = 0.005


def check_specification(connection: str) -> None:
    """Whether a host specification that is not SSH can be used.

    :raises InvalidSshSettings: it cannot.
    """
    refuse_password(connection)
    scheme, _, rest = connection.partition("://")
    if scheme not in SCHEMES:
        msg = f"{shown(connection)}: connections by {scheme!r} are not supported; use ssh, {', '.join(SCHEMES)}"
        raise InvalidSshSettings(msg)
    if scheme != "local":
        name = rest.partition("?")[0]
        if not name:
            msg = f"{shown(connection)}: expected {scheme}://name"
            raise InvalidSshSettings(msg)


def gather(job: HostJob, lifeline: Lifeline, *, sudo: bool) -> Gathered:
    """Make the reads of one host that is not reached by SSH."""
    gathered = Gathered(notes={"connection": job.connection})
    started = time.monotonic()
    local = job.connection.partition("://")[0] == "local"
    if local:
        gathered.notes["machine"] = socket.gethostname()  # every machine is called local:// by its own runs
    run = _here if local else _through_testinfra(job.connection)

    def read(rounds: Rounds) -> None:
        while (script := rounds.next()) is not None:
            rounds.end(run(rounds, script, lifeline) or lifeline.problem)

    rounds = Rounds(job.reads, sudo=sudo, longest=None if local else _LONGEST_ARGUMENT)
    read(rounds)
    if job.rehearse is not None and lifeline.problem is None:
        rehearsed(job.rehearse, lambda line: undeclared(line, read), gathered)
    gathered.notes["rounds"] = rounds.count
    gathered.seconds = time.monotonic() - started
    gathered.answers = rounds.answers()
    return gathered


Runner = Callable[[Rounds, str, Lifeline], Problem | None]


def _here(rounds: Rounds, script: str, lifeline: Lifeline) -> Problem | None:
    _pump(["/bin/sh", "-s"], script.encode(), rounds, lifeline, {_HERE: "1"})
    return None


def _through_testinfra(connection: str) -> Runner:
    """A function that runs a script by the backend of a host specification, in our own bounded process."""
    from testinfra.backend import get_backend

    def run(rounds: Rounds, script: str, lifeline: Lifeline) -> Problem | None:
        backend: Any = get_backend(connection)
        # Else testinfra would run Python on the host to find out how to decode.
        backend._encoding = "utf-8"  # noqa: SLF001 - there is no public way

        def bounded(line: str, *args: str) -> Any:
            _pump(["/bin/sh", "-c", "exec " + backend.quote(line, *args)], b"", rounds, lifeline)
            return backend.result(0, line.encode(), b"", b"")

        backend.run_local = bounded
        # The text of the script must not stand in an argument as it is: a read that looks through the list of
        # processes would find itself.
        packed = base64.b64encode(script.encode()).decode()
        backend.run(f'eval "$(echo {packed} | base64 -d)"')
        return None

    return run


def _pump(
    argv: list[str], data: bytes, rounds: Rounds, lifeline: Lifeline, more: Mapping[str, str] = MappingProxyType({})
) -> None:
    """Run a program, give it `data`, and drain both streams until the round is over or they end.

    :param more: added to the program's environment.
    """
    process = subprocess.Popen(  # noqa: S603 - the words are ours or those of the host specification
        argv,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env={name: value for name, value in os.environ.items() if name != _HERE} | dict(more),
    )
    lifeline.hold(lambda: _end(process))
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    todo = memoryview(data)
    os.set_blocking(process.stdin.fileno(), False)
    with process, selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ, rounds.stdout)
        selector.register(process.stderr, selectors.EVENT_READ, rounds.stderr)
        selector.register(process.stdin, selectors.EVENT_WRITE)
        open_streams = 2
        while open_streams and not rounds.over and lifeline.problem is None:
            patience = rounds.patience()
            if patience <= 0.0:
                break
            for key, _ in selector.select(min(patience, _LONGEST_WAIT)):
                if key.data is None:
                    try:
                        todo = todo[os.write(key.fd, todo[:_CHUNK]) :] if todo else todo
                    except BrokenPipeError:
                        todo = todo[:0]
                    if not todo:
                        selector.unregister(process.stdin)
                        process.stdin.close()
                elif piece := os.read(key.fd, _CHUNK):
                    key.data(piece)
                else:
                    selector.unregister(key.fileobj)
                    open_streams -= 1
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a program with everything that it started: `timeout` puts what it runs into a group of its own."""
    if process.returncode is not None:
        return  # its number may be somebody else's by now
    # The shell first: else it goes on with the next read when the one that it waits for has ended.
    _kill(process.pid)
    until = time.monotonic() + _LONGEST_END
    # Again until none is left: what is being killed may just have started more, and dies a moment after its signal.
    # What waits for a device cannot be ended; and only a parent is told of an end, which we are to the shell alone.
    while (groups := _groups(process.pid)) and time.monotonic() < until:
        for group in groups:
            _kill(group)
        time.sleep(_BREATH)


def _groups(session: int) -> set[int]:
    """The process groups of a session in which anything still runs."""
    groups = set()
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, ValueError, IndexError):
            # pid (name) state parent group session …; the name may hold anything.
            state, _, group, whose = stat.read_text(errors="replace").rpartition(")")[2].split()[:4]
            if int(whose) == session and state not in "ZX":
                groups.add(int(group))
    return groups


def _kill(group: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGKILL)
