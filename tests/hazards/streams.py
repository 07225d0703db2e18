"""What a kubelet answers behind a pretended API server: logs of containers, and programs that are run in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from io import BytesIO
from types import SimpleNamespace
from typing import Any

from conformance.gather.failures import Failed
from tests.lab.controlplane.programs import frame, status_of

__all__ = ["Streams"]


class Streams:
    """A part of `worlds.Api`, whose fields it uses."""

    logs: Mapping[str, str | bytes | tuple[int, str]]
    programs: Mapping[str, str | tuple[int, str]]
    _refuse: Callable[..., None]

    def log_of(self, what: str, path: str, query: Mapping[str, str]) -> bytes:
        """The log of one container, cut as the query asks."""
        match = re.fullmatch(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/log", path)
        assert match
        pod = "/".join(match.groups())
        self._refuse("pods/log", f"pods/log {pod}")
        before = "previous " if query.get("previous") == "true" else ""
        names = (f"{before}{pod}/{query.get('container')}", f"{before}{pod}")
        log = next((self.logs[one] for one in names if one in self.logs), "")
        if isinstance(log, tuple):
            status, message = log
            missing = match[2] if status == 404 else ""
            raise Failed("error", f"{what}: the API server answers {status}: {message}", status=status, missing=missing)
        return log.encode() if isinstance(log, str) else log

    def switch(self, what: str, path: str, query: Any, protocol: str, *, until: float, use: Any) -> Any:  # noqa: ARG002
        """A connection on which a program speaks, as a requester gives it."""
        match = re.fullmatch(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)/exec", path)
        assert match
        pod = "/".join(match.groups())
        self._refuse("pods/exec", f"pods/exec {pod}")
        line = " ".join([pod, *(value for name, value in query if name == "command")])
        said = next(
            (text for key, text in self.programs.items() if all(part in line for part in key.split(" … "))), None
        )
        if said is None:
            raise Failed("error", f"{what}: not found (404): container not found", status=404)
        rc, text = said if isinstance(said, tuple) else (0, said)
        printed = (1, text) if rc == 0 or text[:1] in "[{" else (2, text)
        messages = frame(bytes([printed[0]]) + printed[1].encode()) + frame(b"\x03" + status_of(rc))
        socket = SimpleNamespace(settimeout=lambda _: None, send=len)
        reader = SimpleNamespace(fp=BytesIO(messages))
        return use(SimpleNamespace(_original_response=reader, connection=SimpleNamespace(sock=socket)))
