"""The program that an ssh configuration names as ProxyCommand, through which a host is reached."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import tempfile
from typing import IO, Final

from conformance.gather.lifeline import Lifeline
from conformance.gather.wording import one_line

__all__ = ["Proxy"]

#: What stands behind a name and a colon, where it is no port: ``name:password@proxy``, ``--proxy-auth name:password``.
_PASSWORD: Final = re.compile(r"""[^\s/@:'"=]:(?!//|\d+(?:[\s/'"]|$))([^\s@'"]+)""")


class Proxy:
    """A running ProxyCommand. It gets a real socket, so that nobody has to poll its pipes."""

    def __init__(self, line: str, lifeline: Lifeline) -> None:
        self._line = line
        #: What it is called in messages: what follows may hold a password.
        self.program = one_line(line.split(maxsplit=1)[0], 80) if line.strip() else ""
        self.sock, theirs = socket.socketpair()
        # Whatever it says must neither block it nor show up between our own output.
        self._errors: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the connection
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 - ssh too gives it to a shell
                ["/bin/sh", "-c", f"exec {line}"],
                stdin=theirs.fileno(),
                stdout=theirs.fileno(),
                stderr=self._errors.fileno(),
                start_new_session=True,
            )
        lifeline.hold(self.close)

    def said(self) -> str:
        """The last line of its errors, without what its command line may hold of a password."""
        self._errors.seek(0)
        lines = self._errors.read(65536).decode("utf-8", "backslashreplace").strip().splitlines()
        line = lines[-1] if lines else "it said nothing"
        for password in _PASSWORD.findall(self._line):
            line = line.replace(password, "[…]")
        return one_line(line, 200)

    def close(self) -> None:
        """End it with everything it started."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self.sock.close()
        self._errors.close()
