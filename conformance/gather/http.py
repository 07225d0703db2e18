"""One GET: through the official client, so with its credentials, proxies and TLS; bounded in time, size and tries.

There is no other method here than GET, and redirects are not followed.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from conformance.gather.credentials import expired
from conformance.gather.failures import Failed, failure_of, refused, status_failure
from conformance.gather.kubeconfig import Connection
from conformance.gather.wording import one_line, plain

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["Got", "Requester", "Sink", "TooLarge"]

JSON: Final = "application/json"
#: Bytes of one answer at most: a page of 500 large objects may be more, and then is asked for in smaller pages.
LIMIT: Final = 32 * 1024 * 1024
#: Seconds before the second and the third try, unless the API server says how long to wait.
PAUSES: Final = (0.2, 0.8)
#: Bytes that are asked of a connection at once; it gives what it has.
_CHUNK: Final = 256 * 1024
#: Makes the answer to a WebSocket's key; RFC 6455.
_GUID: Final = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_Query = Sequence[tuple[str, str]]
_Used = TypeVar("_Used")
#: Takes a part of an answer.
Sink = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Got:
    """A whole answer, with status 200 unless others were accepted."""

    body: bytes
    content_type: str
    #: When it was made, by the clock of the API server: its header Date; empty where it has none.
    date: str = ""
    status: int = 200


class TooLarge(Failed):
    """An answer of more than `LIMIT` bytes."""


@dataclass(slots=True)
class Requester:
    """Asks one API server; used by several threads. All moments are those of `time.monotonic`."""

    api: ApiClient
    connection: Connection
    #: Seconds until a connection is made, and between two bytes of an answer.
    connect_timeout: float
    read_timeout: float
    #: Nothing is asked or waited for after this moment.
    until: float
    #: How many requests were sent, repeated ones too.
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def get(
        self,
        what: str,
        path: str,
        query: _Query = (),
        *,
        accept: str = JSON,
        until: float | None = None,
        use: Callable[[Got], _Used],
        sink: Callable[[], Sink] | None = None,
        statuses: Sequence[int] = (200,),
    ) -> _Used:
        """What `use` makes of the answer to one GET; tried up to three times where that may help.

        :param what: what is asked, for messages: "list pods".
        :param path: percent-encoded where necessary.
        :param until: the moment at which the read as a whole must be done, where it is before `self.until`.
        :param use: may raise Failed, with `retry` where the answer is broken in a way that may pass.
        :param sink: begins what takes the parts of a good answer as they come, in place of `Got.body`; anew for each try.
        :param statuses: those that are an answer; one other than 200 only if it has not changed at the last try.
        :raises Failed: with what is wrong and what to do.
        """
        until = self.until if until is None else min(until, self.until)
        for pause in (*PAUSES, None):
            try:
                got = self._once(what, path, query, accept, until, sink() if sink else None, statuses)
                wait = pause or 0.0
                if got.status == 200 or pause is None or time.monotonic() + wait >= until:
                    return use(got)
            except Failed as failed:
                if failed.retry is None or pause is None:
                    raise
                wait = max(pause, failed.retry)
                if time.monotonic() + wait >= until:
                    raise
            time.sleep(wait)
        raise AssertionError  # the last round returns or raises

    def switch(
        self,
        what: str,
        path: str,
        query: _Query,
        protocol: str,
        *,
        until: float,
        use: Callable[[Any], _Used],
    ) -> _Used:
        """What `use` makes of the connection after it was switched to a WebSocket with this protocol; tried once.

        :raises Failed: with what is wrong and what to do.
        """
        key = base64.b64encode(os.urandom(16)).decode()
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Key": key,
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Protocol": protocol,
        }
        with self._asked(what, path, query, headers, until) as response:
            if response.status != 101:
                self._refuse_switch(response, self._body(response, what, until, None), what)
            told = response.headers
            wanted = base64.b64encode(hashlib.sha1(f"{key}{_GUID}".encode()).digest()).decode()  # noqa: S324 - RFC 6455
            if told.get("Sec-WebSocket-Accept") != wanted or told.get("Sec-WebSocket-Protocol") != protocol:
                raise Failed("undecodable", f"{what}: {self.connection.where} switches to another protocol: a proxy?")
            return use(response)

    def _refuse_switch(self, response: Any, body: bytes, what: str) -> NoReturn:
        """Say why a connection was not switched: in the API server's words, or those of what is behind it."""
        try:
            self._checked(response.status, response.headers, body, what, ())
        except Failed as failed:
            said = "" if body[:1] in (b"{", b"<", b"") else one_line(body.decode("utf-8", "replace"))
            message = f"{failed.problem.message}: {said}" if said else failed.problem.message
            kind, missing = failed.problem.kind, failed.missing
            raise Failed(kind, message, status=failed.status, retry=failed.retry, missing=missing) from None
        raise AssertionError  # no status is taken for an answer

    def get_json(self, what: str, path: str, *, until: float | None = None) -> Any:
        """The decoded answer to one GET.

        :raises Failed: also where the answer is not JSON.
        """
        return self.get(what, path, until=until, use=partial(self.decoded, what))

    def decoded(self, what: str, got: Got) -> Any:
        """The JSON in an answer.

        :raises Failed: "undecodable", where there is none.
        """
        try:
            return json.loads(got.body)
        except (ValueError, RecursionError):
            pass
        at, size = self.connection.where, len(got.body)
        if got.body[:1] == b"{" and got.body[-16:].rstrip()[-1:] != b"}":
            msg = f"{what}: the answer of {at} breaks off after {size} bytes: does a proxy cut it short?"
            raise Failed("undecodable", msg, retry=0.0)
        kind = got.content_type.partition(";")[0].strip() or "no content type"
        msg = f"{what}: the answer of {at} is not JSON ({plain(kind)}, {size} bytes): is a proxy in between?"
        raise Failed("undecodable", msg)

    def _once(
        self,
        what: str,
        path: str,
        query: _Query,
        accept: str,
        until: float,
        sink: Sink | None,
        statuses: Sequence[int],
    ) -> Got:
        with self._asked(what, path, query, {"Accept": accept}, until) as response:
            body = self._body(response, what, until, sink if response.status == 200 else None)
        return self._checked(response.status, response.headers, body, what, statuses)

    @contextmanager
    def _asked(self, what: str, path: str, query: _Query, headers: Mapping[str, str], until: float) -> Iterator[Any]:
        """The response to one GET, whatever its status, until it is closed.

        :raises Failed: there is none, or what is done with it meanwhile fails.
        """
        started = time.monotonic()
        left = until - started
        if left <= 0:
            raise Failed(
                "timed-out",
                f"{what}: its time was used up before {self.connection.where} had answered it all",
            )
        with self._lock:
            self.sent += 1
        response = None
        try:
            request = self.api.param_serialize(
                method="GET",
                resource_path=path,
                query_params=list(query),
                header_params=dict(headers),
                auth_settings=["BearerToken"],
            )
            timeouts = (min(self.connect_timeout, left), min(self.read_timeout, left))
            response = self.api.call_api(*request, _request_timeout=timeouts).response
            yield response
        except Failed:
            raise
        except Exception as error:
            # All that the client, urllib3, http.client, ssl and socket may raise; `failure_of` tells them apart.
            seconds = time.monotonic() - started
            proxy = self.api.configuration.proxy or ""
            through = proxy if type(self.api.rest_client.pool_manager).__name__ != "PoolManager" else ""
            raise failure_of(error, what, self.connection, proxy=through, seconds=seconds) from None
        finally:
            if response is not None:
                response.close()

    def _body(self, response: Any, what: str, until: float, sink: Sink | None) -> bytes:
        """The whole body; reads what is there at a time, so that a server that drips is stopped too."""
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK):
            if sink is not None:
                sink(chunk)
            else:
                chunks.append(chunk)
                size += len(chunk)
            if size > LIMIT:
                raise TooLarge("cut-off", f"{what}: an answer of more than {LIMIT // 1024**2} MiB")
            if time.monotonic() > until:
                raise Failed(
                    "timed-out",
                    f"{what}: {self.connection.where} had not sent it all when its time was used up",
                )
        # The connection is whole and may be used again.
        response.release_conn()
        return b"".join(chunks)

    def _checked(self, status: int, headers: Mapping[str, str], body: bytes, what: str, statuses: Sequence[int]) -> Got:
        if status in statuses:
            return Got(body, headers.get("Content-Type", ""), headers.get("Date", ""), status)
        if status == 401:
            raise refused(what, self.connection, expired(self.api))
        raise status_failure(status, headers, body, what, self.connection)
