"""Reads over SSH by paramiko's transport: one connection and, where nothing goes wrong, one exec per host."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Final

import paramiko

from conformance.answers import Answer, Problem
from conformance.gather.jobs import Gathered, HostJob, SshSettings
from conformance.gather.known_hosts import KnownHosts
from conformance.gather.lifeline import Failed, Lifeline
from conformance.gather.rehearsal import rehearsed, undeclared
from conformance.gather.rounds import Rounds
from conformance.gather.ssh_config import Resolver
from conformance.gather.ssh_connect import Link, log_in
from conformance.gather.ssh_keys import Keys
from conformance.gather.targets import InvalidSshSettings, Target

__all__ = ["Ssh"]

_CHUNK: Final = 65_536
#: Seconds; the wait functions take no infinity.
_LONGEST_WAIT: Final = 3600.0
#: How often a connection to a jump host that was lost is made again.
_AGAIN: Final = 3


class Ssh:
    """What all SSH connections of a run share: configuration, keys, known hosts, jump hosts. For several threads.

    :raises InvalidSshSettings: the configuration is missing or malformed.
    """

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._resolver = Resolver(settings)
        self._keys = Keys()
        self._known = KnownHosts()
        self._jumps: dict[tuple[Target, ...], Future[Link]] = {}
        #: How often each was lost and made again.
        self._lost: dict[tuple[Target, ...], int] = {}
        self._lifeline = Lifeline(float("inf"))
        self._lock = threading.Lock()
        # Failures are answers here; paramiko would print them, with tracebacks, on standard error.
        log = logging.getLogger("paramiko")
        log.addHandler(logging.NullHandler())
        if log.level == logging.NOTSET:
            log.setLevel(logging.CRITICAL + 1)

    def close(self) -> None:
        """Close the connections to jump hosts and agents."""
        self._lifeline.cut(Problem("unreachable", "the run has ended"))
        self._keys.close()

    def gather(self, job: HostJob, lifeline: Lifeline) -> Gathered:
        """Make the reads of one host."""
        rounds = Rounds(job.reads, sudo=self._settings.sudo)
        gathered = Gathered()
        started = time.monotonic()
        try:
            with self._lock:
                target = self._resolver.target(job.connection)
            gathered.notes["connection"] = f"ssh://{target.user}@{target.host}:{target.port}"
            gathered.notes["jump_hosts"] = [f"{jump.user}@{jump.host}:{jump.port}" for jump in target.jumps]
            link = self._link(target, lifeline)
            gathered.notes["host_key"] = link.host_key
            gathered.notes["connect_seconds"] = round(time.monotonic() - started, 3)
            session = _Session(link, lifeline, self._settings.sudo)
            session.read(rounds)
            if job.rehearse is not None and lifeline.problem is None:
                rehearsed(job.rehearse, session.run, gathered)
        except Failed as failed:
            rounds.give_up(lifeline.problem or failed.problem)
        except InvalidSshSettings as error:
            rounds.give_up(Problem("refused", str(error)))
        gathered.notes["rounds"] = rounds.count
        gathered.seconds = time.monotonic() - started
        gathered.answers = rounds.answers()
        return gathered

    def _link(self, target: Target, lifeline: Lifeline) -> Link:
        through = self._jump(target.jumps, lifeline) if target.jumps else None
        return log_in(
            target,
            self._keys.offered(target),
            self._known,
            lifeline,
            verify=self._settings.verify_host_keys,
            through=through,
        )

    def _jump(self, jumps: tuple[Target, ...], lifeline: Lifeline) -> Link:
        """The connection to the last of these jump hosts, which all hosts behind it share.

        The first host that needs it connects; one that comes meanwhile waits for the outcome. One that was lost is made
        again for the hosts that come afterwards, a few times; one that could not be made at all is not.
        """
        with self._lock:
            future = self._jumps.get(jumps)
            again = future is not None and _is_lost(future) and self._lost.get(jumps, 0) < _AGAIN
            mine = future is None or again
            if again:
                self._lost[jumps] = self._lost.get(jumps, 0) + 1
            if future is None or again:
                future = self._jumps[jumps] = Future()
        if mine:
            try:
                future.set_result(self._open_jump(jumps))
            except BaseException as error:
                future.set_exception(error)
        try:
            link = future.result(timeout=min(lifeline.left, _LONGEST_WAIT))
        except TimeoutError as error:
            raise Failed("timed-out", f"the jump host {jumps[-1].where} did not answer in time") from error
        except Failed as failed:
            raise Failed(failed.problem.kind, f"jump host {jumps[-1].name}: {failed.problem.message}") from failed
        if not link.transport.is_active():
            raise Failed("unreachable", f"the connection to the jump host {jumps[-1].where} was lost")
        return link

    def _open_jump(self, jumps: tuple[Target, ...]) -> Link:
        through = self._jump(jumps[:-1], self._lifeline) if jumps[:-1] else None
        return log_in(
            jumps[-1],
            self._keys.offered(jumps[-1]),
            self._known,
            self._lifeline,
            verify=self._settings.verify_host_keys,
            through=through,
        )


def _is_lost(future: Future[Link]) -> bool:
    """Whether a connection was made, and has ended since."""
    return future.done() and future.exception() is None and not future.result().transport.is_active()


@dataclass(slots=True)
class _Session:
    """Scripts on one open connection."""

    link: Link
    lifeline: Lifeline
    sudo: bool
    _number: int = field(default=0)

    def read(self, rounds: Rounds) -> None:
        """Run all rounds."""
        while (script := rounds.next()) is not None:
            try:
                broken = self._run(rounds, script.encode())
            except Failed as failed:
                broken = failed.problem
            rounds.end(self.lifeline.problem or broken)

    def run(self, line: str) -> Answer:
        """One command that no read declares."""
        return undeclared(line, self.read)

    def _run(self, rounds: Rounds, script: bytes) -> Problem | None:
        """Run one script; the result is why there can be no other one, or None."""
        channel = self._open()
        try:
            self._pump(channel, rounds, memoryview(script))
        except (paramiko.SSHException, EOFError, OSError) as error:
            return Problem("unreachable", f"the connection to {self.link.target.where} was lost: {error}")
        finally:
            with contextlib.suppress(Exception):
                channel.close()
        if not rounds.over and not self.link.transport.is_active():
            return Problem("unreachable", f"the connection to {self.link.target.where} was lost")
        return None

    def _open(self) -> paramiko.Channel:
        where, seconds = self.link.target.where, self.link.target.connect_timeout
        try:
            with self.lifeline.limit(seconds, f"{where} lets us log in but starts no command within {seconds:g} s"):
                channel = self.link.transport.open_session(timeout=seconds)
                channel.exec_command("/bin/sh -s")
        except (paramiko.SSHException, EOFError, OSError, AssertionError) as error:
            if self.link.transport.is_active():
                message = f"{where} lets us log in but starts no command: {error}"
                raise Failed("timed-out" if "Timeout" in str(error) else "error", message) from error
            raise Failed("unreachable", f"the connection to {where} was lost: {error}") from error
        return channel

    def _pump(self, channel: paramiko.Channel, rounds: Rounds, script: memoryview) -> None:
        """Write the script and drain both streams until the round is over or the other side has ended it."""
        arrival = _Arrival()
        channel.in_buffer.set_event(arrival)
        channel.in_stderr_buffer.set_event(arrival)
        while True:
            arrival.clear_for_real()
            ended = channel.eof_received or channel.closed
            if script and channel.send_ready():
                script = script[channel.send(script[:_CHUNK].tobytes()) :]
                if not script:
                    channel.shutdown_write()
            while channel.recv_ready() and not rounds.over:
                rounds.stdout(channel.recv(_CHUNK))
            while channel.recv_stderr_ready() and not rounds.over:
                rounds.stderr(channel.recv_stderr(_CHUNK))
            patience = rounds.patience()
            if rounds.over or ended or patience <= 0.0 or self.lifeline.problem is not None:
                # What has arrived may end reads before the one that floods; not in a loop, since it may be what floods.
                if not rounds.parser.finished and (left := len(channel.in_stderr_buffer)):
                    rounds.stderr(channel.recv_stderr(left))
                return
            # Nobody tells when the other side takes more of the script; a script seldom fills its window.
            arrival.wait(min(patience, 0.02 if script else _LONGEST_WAIT))


class _Arrival(threading.Event):
    """Set when something arrives on either of two streams.

    A buffer of paramiko clears its event when it has been emptied, also while the other one holds something; so only
    the loop that waits may clear it.
    """

    def clear(self) -> None:
        """Nothing: see `clear_for_real`."""

    def clear_for_real(self) -> None:
        """What `clear` of an event does."""
        super().clear()
