"""Programs in pods, through pods/exec over a WebSocket (v4.channel.k8s.io): what they print, and their exit status.

The request is a GET like any other: with the official client's TLS, proxies and credentials. Only where the API server
agrees to switch protocols its connection is read on here, frame by frame, within bounds of time and size. Nothing is
ever sent to the program. Source: k8s.io/apimachinery, pkg/util/httpstream/wsstream; k8s.io/kubelet,
pkg/cri/streaming/remotecommand.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.gather.discovery import Served
from conformance.gather.failures import Failed
from conformance.gather.http import Requester
from conformance.gather.wording import clean, one_line, plain
from conformance.reads import PodExec
from conformance.reads.pods import is_chosen
from conformance.reads.projection import value_at

__all__ = ["Output", "Stream", "answers_of", "read_exec", "targets_of"]

PROTOCOL: Final = "v4.channel.k8s.io"
#: Channels are the first byte of each message.
_STDOUT, _STDERR, _STATUS = b"\x01", b"\x02", b"\x03"
#: Bytes that are kept of standard error, the last ones; and of the status that ends it all.
_KEPT: Final = 8 * 1024
_LONGEST_STATUS: Final = 64 * 1024
#: Seconds for which nothing may be said by a connection whose answer is complete.
_GOODBYE: Final = 0.2


@dataclass(frozen=True, slots=True)
class Target:
    """One pod of the listing; `absent` says why it is not asked."""

    pod: str
    ready: bool
    absent: str = ""


@dataclass(slots=True)
class Output:
    """Takes the messages of one program until its status comes."""

    what: str
    limit: int
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    _status: bytearray = field(default_factory=bytearray)

    def take(self, message: bytes) -> bool:
        """Take one message; whether it was the last one.

        :raises Failed: it is too much, or no message of this protocol.
        """
        channel, data = message[:1], message[1:]
        if not data:  # with which a kubelet says that all is set up
            return False
        if channel == _STDOUT:
            self.stdout += data
            if len(self.stdout) > self.limit:
                raise Failed(
                    "cut-off", f"{self.what}: it prints more than the {self.limit:,} bytes that are read of it"
                )
        elif channel == _STDERR:
            self.stderr = (self.stderr + data)[-_KEPT:]
        elif channel == _STATUS:
            self._status += data[:_LONGEST_STATUS]
            return self._decoded() is not None
        else:
            raise Failed("undecodable", f"{self.what}: a message on channel {channel[0]}, which there is not")
        return False

    def _decoded(self) -> Mapping[str, Any] | None:
        try:
            status = json.loads(self._status)
        except (ValueError, RecursionError):
            return None
        return status if isinstance(status, dict) and "status" in status else None

    def result(self) -> int:
        """The exit status of the program.

        :raises Failed: it never ran, or how it ended is not known.
        """
        status = self._decoded()
        if status is None:
            text = f"{self.what}: the connection ended before the program did: is its kubelet or a proxy at fault?"
            raise Failed("cut-off", text)
        if status.get("status") == "Success":
            return 0
        causes = value_at(status, "details.causes") or []
        if status.get("reason") == "NonZeroExitCode" and isinstance(causes, list):
            for one in causes:
                code = str(one.get("message", "")) if isinstance(one, Mapping) else ""
                if one.get("reason") == "ExitCode" and re.fullmatch(r"[0-9]{1,3}", code):
                    return int(code)
        said = one_line(str(status.get("message") or "")) or "no reason is given"
        raise Failed("error", f"{self.what}: it could not be run: {said}")


class Stream:
    """What websocket-client takes for a socket: an answered request that goes on as a WebSocket."""

    def __init__(self, response: Any, until: float, most: int) -> None:
        # Behind the headers, messages may have come already: they wait in the buffer that http.client reads from.
        self._reader = response._original_response.fp  # noqa: SLF001 - nothing public leads to that buffer
        self._socket = response.connection.sock
        self._until = until
        self._left = most

    def recv(self, size: int) -> bytes:
        """What there is, up to `size` bytes.

        :raises TimeoutError: nothing came in time.
        :raises Failed: more came than any answer may have.
        """
        left = self._until - time.monotonic()
        if left <= 0:
            raise TimeoutError
        self._socket.settimeout(left)
        got: bytes = self._reader.read1(size)
        self._left -= len(got)
        if self._left < 0:
            raise Failed("cut-off", "more came than is read of it")
        return got

    def send(self, data: bytes) -> int:
        """Send what the protocol itself asks for: an answer to a ping, a farewell."""
        self._socket.settimeout(_GOODBYE)
        sent: int = self._socket.send(data)
        return sent

    def gettimeout(self) -> float:
        """Seconds that are left."""
        return max(0.001, self._until - time.monotonic())

    def close(self) -> None:
        """Nothing: whoever made the request closes it."""


def targets_of(read: PodExec, listed: Iterable[Mapping[str, Any]]) -> list[Target]:
    """The pods of a read, those that are ready first.

    :raises Failed: each of them should be asked, and they are too many.
    """
    chosen = [_target(read, one) for one in listed if is_chosen(read, one)]
    if not read.any and len(chosen) > read.pods:
        text = f"exec in {read.which}: there are {len(chosen)}, more than the {read.pods} that may be asked"
        raise Failed("cut-off", text)
    return sorted(chosen, key=lambda one: (bool(one.absent), not one.ready)) if read.any else chosen


def _target(read: PodExec, pod: Mapping[str, Any]) -> Target:
    phase = str(value_at(pod, "status.phase") or "unknown")
    states = [one for one in value_at(pod, "status.containerStatuses") or [] if isinstance(one, Mapping)]
    ready = any(one.get("ready") is True for one in states if not read.container or one.get("name") == read.container)
    return Target(pod["metadata"]["name"], ready, "" if phase == "Running" else f"does not run (phase {plain(phase)})")


def answers_of(
    requester: Requester, served: Served, read: PodExec, wanted: list[Target], until: float
) -> dict[str, Any]:
    """What is stored of a read of which any pod will do: pods in turn, until one ends with 0."""
    found: dict[str, Any] = {}
    asked = 0
    for target in wanted:
        if asked < read.pods:
            asked += not target.absent
            one = found[f"{read.namespace}/{target.pod}"] = read_exec(requester, served, read, target, until)
            if one.get("rc") == 0:
                break
    return found


def read_exec(requester: Requester, served: Served, read: PodExec, target: Target, until: float) -> dict[str, Any]:
    """What is stored of one pod: output and exit status, or a problem, or why it could not be asked."""
    if target.absent:
        return {"absent": target.absent}
    what = f"exec {read.argv[0]} in pod {read.namespace}/{target.pod}"
    query = [
        *([("container", read.container)] if read.container else []),
        *(("command", word) for word in read.argv),
        *(("stdin", "false"), ("stdout", "true"), ("stderr", "true"), ("tty", "false")),
    ]
    until = min(until, time.monotonic() + read.each)
    output = Output(what, read.limit)
    path = f"{served.path(read.namespace, target.pod)}/exec"
    try:
        requester.switch(what, path, query, PROTOCOL, until=until, use=lambda one: _drain(one, output, until))
        rc = output.result()
    except Failed as failed:
        # The kubelet's own "not found" is about the container.
        if failed.status == 404 and failed.missing == target.pod:
            return {"absent": "is gone"}
        return {"problem": {"kind": failed.problem.kind, "message": failed.problem.message}}
    said = bytes(output.stderr).decode("utf-8", "replace")
    return {
        "container": read.container,
        "rc": rc,
        "stdout": bytes(output.stdout).decode("utf-8", "replace"),
        "stderr": "\n".join(clean(line) for line in said.splitlines() if line.strip()),
    }


def _drain(response: Any, output: Output, until: float) -> None:
    """Read messages until the program's status, or the end of the connection.

    :raises Failed: it takes too long, is too much, or is not what was agreed on.
    """
    from websocket import ABNF, WebSocket, WebSocketException, WebSocketTimeoutException

    # Twice what is kept, since standard error may be long and is dropped: an endless one must end too.
    stream = Stream(response, until, 2 * output.limit + 1024 * 1024)
    messages = WebSocket(enable_multithread=False, skip_utf8_validation=True)
    messages.sock = stream  # type: ignore[assignment]
    messages.connected = True
    try:
        while True:
            kind, frame = messages.recv_data_frame(control_frame=True)
            if kind == ABNF.OPCODE_CLOSE:
                return
            if kind in (ABNF.OPCODE_BINARY, ABNF.OPCODE_TEXT) and output.take(bytes(frame.data)):
                messages.send_close()
                return
    except Failed as failed:
        if str(failed).startswith(output.what):
            raise
        raise Failed(failed.problem.kind, f"{output.what}: {failed.problem.message}") from None
    except (WebSocketTimeoutException, TimeoutError):
        raise Failed("timed-out", f"{output.what}: it had not ended when its time was used up") from None
    except (WebSocketException, OSError, ValueError):
        return  # cut off; where the status has come before, nothing is missing
