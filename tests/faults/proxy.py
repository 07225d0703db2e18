"""A TLS reverse proxy before a real API server that spoils chosen answers, as networks and gateways do.

    with FaultProxy(control_plane) as proxy:
        proxy.inject(Status(410), r"/pods\\?.*continue=", on={1})     # the first request for a further page
        proxy.inject(Cut(), "^/api/v1/nodes")                        # every time
        kubeconfig = proxy.kubeconfig("admin")

What matches no rule is passed on and answered by the real API server. Users log in by token: a client
certificate ends at this proxy, as it does at any proxy that terminates TLS.
"""

from __future__ import annotations

import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self

import urllib3

from tests.lab.controlplane import Authority, ControlPlane

# Headers that are about one connection, and those that the proxy sets anew.
_OWN_HEADERS = {"connection", "keep-alive", "transfer-encoding", "content-length", "host", "accept-encoding"}
_REASONS = {
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    410: "Expired",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
}


class Tls(Enum):
    """What the proxy does with a connection before it reads any request from it."""

    GOOD = "a certificate of the lab's CA"
    FOREIGN = "a certificate of a CA that the kubeconfig does not name"
    EXPIRED = "a certificate of the lab's CA that is no longer valid"
    WRONG_HOST = "a certificate of the lab's CA for another host"
    SILENT = "accepts the connection and says nothing, not even a handshake"


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer as a whole."""

    status: int
    headers: dict[str, str]
    body: bytes


class Exchange(Protocol):
    """One request in the hands of a fault."""

    closing: threading.Event

    def upstream(self) -> Answer:
        """The real API server's answer to this request."""

    def begin(self, answer: Answer, length: int) -> None:
        """Send the status line and headers, which promise `length` bytes."""

    def send(self, content: bytes) -> None:
        """Send a part of the body."""

    def drop(self) -> None:
        """Cut the connection, as a crashed peer or a firewall does (RST)."""


class Fault(Protocol):
    """What is done with a request instead of answering it properly."""

    def __call__(self, exchange: Exchange) -> None:
        """Answer the request, badly."""


@dataclass(frozen=True, slots=True)
class Status:
    """An error status with the body that an API server sends with it."""

    code: int
    retry_after: int | None = None
    message: str = "a fault of the lab"

    def __call__(self, exchange: Exchange) -> None:
        reason = _REASONS.get(self.code, "")
        text = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure"}
        body = json.dumps({**text, "message": self.message, "reason": reason, "code": self.code}).encode()
        headers = {"Content-Type": "application/json"}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        exchange.begin(Answer(self.code, headers, body), len(body))
        exchange.send(body)


@dataclass(frozen=True, slots=True)
class Garbage:
    """Success, with a body that is no JSON: a captive portal or a load balancer's page."""

    body: bytes = b"<html><body>Welcome to the guest network</body></html>"
    content_type: str = "application/json"

    def __call__(self, exchange: Exchange) -> None:
        exchange.begin(Answer(200, {"Content-Type": self.content_type}, self.body), len(self.body))
        exchange.send(self.body)


@dataclass(frozen=True, slots=True)
class Truncated:
    """A proper HTTP answer whose body is only the first part of the real one."""

    share: float = 0.5

    def __call__(self, exchange: Exchange) -> None:
        answer = exchange.upstream()
        body = _first(answer.body, self.share)
        exchange.begin(answer, len(body))
        exchange.send(body)


@dataclass(frozen=True, slots=True)
class Cut:
    """The real answer, until the connection is cut in the middle of its body."""

    share: float = 0.5

    def __call__(self, exchange: Exchange) -> None:
        answer = exchange.upstream()
        exchange.begin(answer, len(answer.body))
        exchange.send(_first(answer.body, self.share))
        exchange.drop()


@dataclass(frozen=True, slots=True)
class Hang:
    """No answer for so long, or until the proxy is closed; then the connection is cut."""

    seconds: float = 3600

    def __call__(self, exchange: Exchange) -> None:
        exchange.closing.wait(self.seconds)
        exchange.drop()


@dataclass(frozen=True, slots=True)
class Drip:
    """The real answer, a few bytes at a time: every single read is quick, the whole is not."""

    size: int = 16
    pause: float = 0.2

    def __call__(self, exchange: Exchange) -> None:
        answer = exchange.upstream()
        exchange.begin(answer, len(answer.body))
        for start in range(0, len(answer.body), self.size):
            exchange.send(answer.body[start : start + self.size])
            if exchange.closing.wait(self.pause):
                return exchange.drop()
        return None


@dataclass(slots=True)
class Rule:
    """Which requests get a fault: those that the pattern finds, and of these only the ones in `on`."""

    fault: Fault
    pattern: re.Pattern[str]
    on: Collection[int] | None
    seen: int = field(default=0, init=False)

    def applies(self, target: str) -> bool:
        """Whether this request gets the fault; counts it where it matches."""
        if not self.pattern.search(target):
            return False
        self.seen += 1
        return self.on is None or self.seen in self.on


class FaultProxy:
    """The proxy itself; a context manager. `requests` lists (method, target) of all that came in."""

    def __init__(self, control_plane: ControlPlane, tls: Tls = Tls.GOOD) -> None:
        self._plane = control_plane
        self.requests: list[tuple[str, str]] = []
        self._rules: list[Rule] = []
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self.pool = urllib3.PoolManager(ca_certs=str(control_plane.ca_file), retries=False, maxsize=16)
        self._server = _Server(self, None if tls is Tls.SILENT else _context(control_plane.authority, tls))
        self.url = f"https://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def upstream(self) -> str:
        """The URL of the API server behind the proxy."""
        return self._plane.url

    def inject(self, fault: Fault, pattern: str = "", *, on: Collection[int] | None = None) -> Rule:
        """Answer requests whose target (path and query) `pattern` finds with `fault`.

        `on` limits that to some of the matches, counted from 1: `{2}` is the second, `{1, 2}` the first two.
        The first rule that applies wins.
        """
        rule = Rule(fault, re.compile(pattern), on)
        with self._lock:
            self._rules.append(rule)
        return rule

    def clear(self) -> None:
        """Forget all rules and all requests seen."""
        with self._lock:
            self._rules.clear()
            self.requests.clear()

    def kubeconfig(self, user: str = "admin", *, token: str | None = None, path: Path | None = None) -> Path:
        """A kubeconfig that leads through this proxy and trusts the lab's CA."""
        return self._plane.kubeconfig(user, token=token, path=path, server=self.url)

    def fault_for(self, method: str, target: str) -> Fault | None:
        """Note a request; the fault that it gets, if any."""
        with self._lock:
            self.requests.append((method, target))
            return next((rule.fault for rule in self._rules if rule.applies(target)), None)


class _Server(ThreadingHTTPServer):
    """One thread per connection, the handshake included, so that one that stalls stops nobody else."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, proxy: FaultProxy, context: ssl.SSLContext | None) -> None:
        self.proxy = proxy
        self._context = context
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        if self._context is None:
            self.proxy.closing.wait()
            return
        # A client that does not trust us leaves in mid-handshake, others in mid-answer: both are the point.
        with suppress(OSError), self._context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)


class _Handler(BaseHTTPRequestHandler):
    """Relays one request after the other of a connection; the Exchange that faults work with."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.closing = self.server.proxy.closing

    def relay(self) -> None:
        length = int(self.headers.get("Content-Length", 0))
        self._body = self.rfile.read(length)
        fault = self.server.proxy.fault_for(self.command, self.path)
        if fault is not None:
            return fault(self)
        answer = self.upstream()
        self.begin(answer, len(answer.body))
        return self.send(answer.body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = do_OPTIONS = relay  # noqa: N815

    def upstream(self) -> Answer:
        # Accept-Encoding stays behind: a fault is to spoil JSON, not a compressed stream.
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OWN_HEADERS}
        url = self.server.proxy.upstream + self.path
        answer = self.server.proxy.pool.request(self.command, url, body=self._body or None, headers=headers)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in _OWN_HEADERS}
        return Answer(answer.status, kept, answer.data)

    def begin(self, answer: Answer, length: int) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def send(self, content: bytes) -> None:
        self.wfile.write(content)
        self.wfile.flush()

    def drop(self) -> None:
        self.close_connection = True
        # To linger for zero seconds makes the kernel send RST instead of an orderly end.
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Nothing: what came in is in `FaultProxy.requests`."""


def _context(authority: Authority, tls: Tls) -> ssl.SSLContext:
    issuer = Authority("somebody else's CA") if tls is Tls.FOREIGN else authority
    hosts = ("api.example.com",) if tls is Tls.WRONG_HOST else ("127.0.0.1", "localhost")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with TemporaryDirectory() as directory:
        context.load_cert_chain(*issuer.server(hosts, expired=tls is Tls.EXPIRED).write(Path(directory), "proxy"))
    return context


def _first(body: bytes, share: float) -> bytes:
    return body[: int(len(body) * share)]
