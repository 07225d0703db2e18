"""An ssh agent, which signs for all hosts of a run, one after the other."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any, Final
from weakref import WeakKeyDictionary

import paramiko
from paramiko.agent import AgentSSH

__all__ = ["Agent", "AgentFailed"]

#: Seconds that an agent may take for one answer.
_TIMEOUT: Final = 10.0
#: Failures in a row after which it is not asked again: each keeps all hosts waiting that come after it.
_ENOUGH: Final = 3
_FAILURE: Final = 5


class AgentFailed(paramiko.SSHException):
    """The agent gave no answer, or refused; the message is one line for a person."""


class Agent(AgentSSH):
    """An agent on a socket of its own choice; paramiko's knows SSH_AUTH_SOCK only. Signs for one thread at a time.

    :raises AgentFailed: it lists no keys.
    """

    #: The connection, None where there is none at the moment.
    _conn: Any

    def __init__(self, address: str) -> None:
        super().__init__()
        self._address = address
        self._turn = threading.Lock()
        #: When a thread began to wait for its turn, and when it had it.
        self._waits: WeakKeyDictionary[threading.Thread, tuple[float, float | None]] = WeakKeyDictionary()
        self._failures = 0
        self._closed = False
        try:
            self._connect(self._open())  # type: ignore[attr-defined]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the connection for good."""
        self._closed = True
        self._close()  # type: ignore[attr-defined]

    def waited(self, thread: threading.Thread) -> float:
        """Seconds that a thread has been waiting for its turn, the last time that it wanted something signed."""
        since, until = self._waits.get(thread, (0.0, 0.0))
        return (time.monotonic() if until is None else until) - since

    def _open(self) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.settimeout(_TIMEOUT)
        try:
            connection.connect(self._address)
        except BaseException:
            connection.close()
            raise
        return connection

    def _send_message(self, msg: Any) -> Any:
        me, since = threading.current_thread(), time.monotonic()
        self._waits[me] = (since, None)
        with self._turn:
            self._waits[me] = (since, time.monotonic())
            kind, answer = self._ask(msg)
        if kind == _FAILURE:
            raise AgentFailed(f"the ssh agent at {self._address} refuses: is it locked, was the use not confirmed?")
        return kind, answer

    def _ask(self, msg: Any) -> Any:
        """One request and its answer.

        What fails here must be an SSHException: it happens in a thread of paramiko's, which expects nothing else. A
        connection over which no answer came in time is not used again: the answer may still come, to the next request.
        """
        if self._closed or self._failures >= _ENOUGH:
            raise AgentFailed(f"the ssh agent at {self._address} does not answer")
        try:
            if self._conn is None:
                self._conn = self._open()
            answered = super()._send_message(msg)  # type: ignore[misc]
        except Exception as error:
            self._failures += 1
            if self._conn is not None:
                self._conn.close()
            self._conn = None
            how = f"did not answer within {_TIMEOUT:g} s" if isinstance(error, TimeoutError) else f"failed ({error})"
            raise AgentFailed(f"the ssh agent at {self._address} {how}") from error
        self._failures = 0
        return answered
