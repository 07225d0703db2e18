"""An ssh agent that does what a test wants before it signs."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from pathlib import Path

import paramiko

_LIST = 11
_KEYS, _SIGNED, _REFUSED = b"\x0c", b"\x0e", b"\x05"


class FakeAgent:
    """An agent with one key; `before` is called with the number of a signature before that is made, from 1.

    It may wait, or raise EOFError to hang up, or PermissionError to refuse.
    """

    def __init__(self, address: Path, key: paramiko.PKey, before: Callable[[int], None]) -> None:
        self.address, self.key, self.before = address, key, before
        self.signatures = 0
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(address))
        self._server.listen(50)
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._server.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(EOFError, OSError), connection.makefile("rb") as requests:
            while length := requests.read(4):
                request = paramiko.Message(requests.read(*struct.unpack(">I", length)))
                answer = self._answer(ord(request.get_byte()), request).asbytes()
                connection.sendall(struct.pack(">I", len(answer)) + answer)

    def _answer(self, kind: int, request: paramiko.Message) -> paramiko.Message:
        answer = paramiko.Message()
        if kind == _LIST:
            answer.add_byte(_KEYS)
            answer.add_int(1)
            answer.add_string(self.key.asbytes())
            answer.add_string("the key")
            return answer
        request.get_binary()
        data = request.get_binary()
        self.signatures += 1
        try:
            self.before(self.signatures)
        except PermissionError:
            answer.add_byte(_REFUSED)
            return answer
        answer.add_byte(_SIGNED)
        answer.add_string(self.key.sign_ssh_data(data).asbytes())
        return answer
