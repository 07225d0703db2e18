"""A stand-in for kubelets that also answers pods/exec, over WebSocket as they do; no container is anywhere.

with ExecServer(control_plane) as kubelet:
    control_plane.apply(kubelet.node(NODE), POD)
    kubelet.programs["kube-system", "etcd-n1", "etcd"] = lambda argv: Said(b"what it prints\\n")
"""

from __future__ import annotations

import base64
import hashlib
import json
import struct
import subprocess
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from tests.lab.controlplane.kubelet import LogKey, LogServer
from tests.lab.controlplane.server import ControlPlane

PROTOCOL = "v4.channel.k8s.io"
_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


@dataclass(frozen=True)
class Said:
    """What a program prints, how it ends, and what goes wrong on its way."""

    stdout: bytes = b""
    stderr: bytes = b""
    rc: int = 0
    #: The status in place of that of `rc`; None for no status at all.
    status: bytes | None = b""
    #: Messages before all others, channel and data.
    before: tuple[bytes, ...] = ()
    #: Bytes of one message.
    part: int = 4096
    #: Waits here, after the output, until the server ends.
    hangs: bool = False
    #: Breaks the connection off instead of closing it, after so many bytes of output.
    cut: int | None = None
    #: The subprotocol that is agreed to.
    protocol: str = PROTOCOL


Program = Callable[[tuple[str, ...]], Said | tuple[int, str]]
"""From an argument vector: what is said, or the status and text with which the kubelet refuses."""


def ran(argv: list[str], env: Mapping[str, str] | None = None) -> Said:
    """What a real program of this machine says."""
    done = subprocess.run(argv, capture_output=True, env=env, check=False, stdin=subprocess.DEVNULL, timeout=60)
    return Said(done.stdout, done.stderr, done.returncode)


class ExecServer(LogServer):
    """Also runs `programs`, by namespace, pod and container."""

    def __init__(self, control_plane: ControlPlane) -> None:
        super().__init__(control_plane)
        self.programs: dict[LogKey, Program] = {}
        #: Every argument vector that was run, with the pod.
        self.ran: list[tuple[str, tuple[str, ...]]] = []
        self._ends = threading.Event()

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        super().__exit__()

    def upgrade(self, handler: Any) -> bool:
        parts = urlsplit(handler.path)
        match [unquote(part) for part in parts.path.split("/")]:
            case ["", "exec", namespace, pod, container]:
                self.requests.append(handler.path)
                query = parse_qs(parts.query)
                argv = tuple(query.get("command", ()))
                self.ran.append((pod, argv))
                program = self.programs.get((namespace, pod, container))
                said = program(argv) if program else (404, f'container not found ("{container}")\n')
                if isinstance(said, Said) and handler.headers.get("Upgrade", "").lower() == "websocket":
                    assert PROTOCOL in handler.headers["Sec-WebSocket-Protocol"]
                    assert "input" not in query
                    self._speak(handler, said)
                else:
                    status, text = said if isinstance(said, tuple) else (400, "Upgrade request required")
                    handler.send_response(status)
                    handler.send_header("Content-Type", "text/plain; charset=utf-8")
                    handler.send_header("Content-Length", str(len(text.encode())))
                    handler.end_headers()
                    handler.wfile.write(text.encode())
                return True
        return False

    def _speak(self, handler: Any, said: Said) -> None:
        key = handler.headers["Sec-WebSocket-Key"]
        accept = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest()).decode()
        head = [
            "HTTP/1.1 101 Switching Protocols",
            "Upgrade: websocket",
            "Connection: Upgrade",
            f"Sec-WebSocket-Accept: {accept}",
            f"Sec-WebSocket-Protocol: {said.protocol}",
        ]
        # In one piece with the first messages, as it may happen: kubelets begin with an empty one on each channel.
        first = b"".join(frame(bytes([channel])) for channel in (0, 1, 2, 3))
        handler.wfile.write("\r\n".join([*head, "", ""]).encode() + first + b"".join(map(frame, said.before)))
        handler.close_connection = True
        sent = 0
        for channel, data in ((1, said.stdout), (2, said.stderr)):
            for at in range(0, len(data), said.part):
                part = data[at : at + said.part]
                if said.cut is not None and sent + len(part) > said.cut:
                    handler.wfile.write(frame(bytes([channel]) + part)[: said.cut - sent + 3])
                    return
                sent += len(part)
                handler.wfile.write(frame(bytes([channel]) + part))
        if said.hangs:
            self._ends.wait(60)
            return
        if said.status is None or said.cut is not None:
            return
        handler.wfile.write(frame(b"\x03" + (said.status or status_of(said.rc))) + frame(b"\x03\xe8", opcode=8))


def status_of(rc: int) -> bytes:
    """The status with which a kubelet tells how a program ended."""
    if rc == 0:
        return json.dumps({"metadata": {}, "status": "Success"}).encode()
    causes = [{"reason": "ExitCode", "message": str(rc)}]
    message = f"command terminated with non-zero exit code: exit status {rc}"
    document = {"metadata": {}, "status": "Failure", "message": message, "reason": "NonZeroExitCode"}
    return json.dumps({**document, "details": {"causes": causes}}).encode()


def frame(data: bytes, *, opcode: int = 2) -> bytes:
    """A WebSocket message of a server."""
    size = len(data)
    if size < 126:
        return struct.pack("!BB", 0x80 | opcode, size) + data
    if size < 65536:
        return struct.pack("!BBH", 0x80 | opcode, 126, size) + data
    return struct.pack("!BBQ", 0x80 | opcode, 127, size) + data
