"""A stand-in for kubelets, so that the real API server has container logs to serve; it does nothing else.

with LogServer(control_plane) as kubelet:
    control_plane.apply(kubelet.node(NODE), POD)                      # POD has spec.nodeName
    kubelet.logs["kube-system", "operator-0", "operator"] = "line 1\\nline 2\\n"
"""

from __future__ import annotations

import ssl
import threading
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from tests.lab.controlplane.api import Object
from tests.lab.controlplane.server import ControlPlane

LogKey = tuple[str, str, str]
"""Namespace, pod and container."""


class LogServer:
    """Serves `logs`, and `previous` logs of containers that ended, for the nodes that `node` made."""

    def __init__(self, control_plane: ControlPlane) -> None:
        self.logs: dict[LogKey, str | bytes] = {}
        self.previous: dict[LogKey, str | bytes] = {}
        #: Status and text in place of a log, of whichever container it is: as kubelets refuse.
        self.refusals: dict[LogKey, tuple[int, str]] = {}
        #: The path and query of every request.
        self.requests: list[str] = []
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with TemporaryDirectory() as directory:
            context.load_cert_chain(*control_plane.authority.server().write(Path(directory), "kubelet"))
        self._server = _Server(self, context)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def node(self, document: Object) -> Object:
        """The Node `document` with this server as its kubelet; its other addresses stay as they are."""
        status = document.get("status", {})
        # The API server of the lab prefers an external name, so the node's own address need not lead here.
        addresses = [*status.get("addresses", []), {"type": "ExternalDNS", "address": "localhost"}]
        endpoints = {"kubeletEndpoint": {"Port": self._server.server_port}}
        return {**document, "status": {**status, "addresses": addresses, "daemonEndpoints": endpoints}}

    def upgrade(self, handler: BaseHTTPRequestHandler) -> bool:  # noqa: ARG002 - for those that do
        """Answer a request that is about no log; whether it was."""
        return False

    def answer(self, target: str) -> tuple[int, bytes]:
        """The log that a request for `target` is about, cut as its query asks, with status 200; else a refusal."""
        self.requests.append(target)
        parts = urlsplit(target)
        options = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        match [unquote(part) for part in parts.path.split("/")]:
            case ["", "containerLogs", namespace, pod, container]:
                if (namespace, pod, container) in self.refusals:
                    status, reason = self.refusals[namespace, pod, container]
                    return status, reason.encode()
                logs = self.previous if options.get("previous") == "true" else self.logs
                text = logs.get((namespace, pod, container))
            case _:
                text = None
        if text is None:
            return 404, b"no such container\n"
        lines = (text.encode() if isinstance(text, str) else text).splitlines(keepends=True)
        if "tailLines" in options:
            lines = lines[max(0, len(lines) - int(options["tailLines"])) :]
        content = b"".join(lines)
        return 200, content[: int(options["limitBytes"])] if "limitBytes" in options else content


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def __init__(self, logs: LogServer, context: ssl.SSLContext) -> None:
        self.logs = logs
        self._context = context
        super().__init__(("127.0.0.1", 0), _Handler)

    def finish_request(self, request: Any, client_address: Any) -> None:
        with suppress(OSError), self._context.wrap_socket(request, server_side=True) as connection:
            super().finish_request(connection, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        if self.server.logs.upgrade(self):
            return
        status, content = self.server.logs.answer(self.path)
        self.send_response(status)
        self.send_header("Content-Type", "text/plain")
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the audit log of the API server has every request."""
