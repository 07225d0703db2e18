"""One GET: through the official client, so with its credentials, proxies and TLS; bounded in time, size and tries.

There is no other method here than GET, and redirects are not followed.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeVar

from conformance.gather.credentials import expired
from conformance.gather.failures import Failed, failure_of, refused, status_failure
from conformance.gather.kubeconfig import Connection
from conformance.gather.wording import plain

if TYPE_CHECKING:
    from kubernetes.client import ApiClient

__all__ = ["Got", "Requester", "TooLarge"]

JSON: Final = "application/json"
#: Bytes of one answer at most: a page of 500 large objects may be more, and then is asked for in smaller pages.
LIMIT: Final = 32 * 1024 * 1024
#: Seconds before the second and the third try, unless the API server says how long to wait.
PAUSES: Final = (0.2, 0.8)
#: Bytes that are asked of a connection at once; it gives what it has.
_CHUNK: Final = 256 * 1024
_Query = Sequence[tuple[str, str]]
_Used = TypeVar("_Used")


@dataclass(frozen=True, slots=True)
class Got:
    """A whole answer with status 200."""

    body: bytes
    content_type: str


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
    ) -> _Used:
        """What `use` makes of the answer to one GET; tried up to three times where that may help.

        :param what: what is asked, for messages: "list pods".
        :param path: percent-encoded where necessary.
        :param until: the moment at which the read as a whole must be done, where it is before `self.until`.
        :param use: may raise Failed, with `retry` where the answer is broken in a way that may pass.
        :raises Failed: with what is wrong and what to do.
        """
        until = self.until if until is None else min(until, self.until)
        for pause in (*PAUSES, None):
            try:
                return use(self._once(what, path, query, accept, until))
            except Failed as failed:
                if failed.retry is None or pause is None:
                    raise
                wait = max(pause, failed.retry)
                if time.monotonic() + wait >= until:
                    raise
            time.sleep(wait)
        raise AssertionError  # the last round returns or raises

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

    def _once(self, what: str, path: str, query: _Query, accept: str, until: float) -> Got:
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
                header_params={"Accept": accept},
                auth_settings=["BearerToken"],
            )
            timeouts = (min(self.connect_timeout, left), min(self.read_timeout, left))
            response = self.api.call_api(*request, _request_timeout=timeouts).response
            body = self._body(response, what, until)
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
        return self._checked(response.status, response.headers, body, what)

    def _body(self, response: Any, what: str, until: float) -> bytes:
        """The whole body; reads what is there at a time, so that a server that drips is stopped too."""
        chunks: list[bytes] = []
        size = 0
        while chunk := response.read1(_CHUNK):
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

    def _checked(self, status: int, headers: Mapping[str, str], body: bytes, what: str) -> Got:
        if status == 200:
            return Got(body, headers.get("Content-Type", ""))
        if status == 401:
            raise refused(what, self.connection, expired(self.api))
        raise status_failure(status, headers, body, what, self.connection)
