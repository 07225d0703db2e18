"""Failures of requests: what went wrong, where and what to do, in one line."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from conformance.answers import Answer, Problem
from conformance.gather.kubeconfig import Connection
from conformance.gather.wording import one_line, plain

__all__ = ["Failed", "failure_of", "refused", "status_failure"]

#: Seconds that a Retry-After of the API server is honoured for at most.
LONGEST_PAUSE: Final = 5.0
_USER: Final = re.compile(r'User "([^"]+)" cannot')
#: What OpenSSL calls the alerts with which a server turns a client certificate down.
_ALERTS: Final = re.compile(r"ALERT_(CERTIFICATE|BAD_CERTIFICATE|UNKNOWN_CA|ACCESS_DENIED)|CERTIFICATE_REQUIRED")


class Failed(Exception):
    """A request gave nothing usable.

    :param kind: one of `conformance.answers.PROBLEMS`.
    :param status: the HTTP status, 0 where there was none.
    :param retry: seconds after which another try may help, None where it is pointless.
    :param missing: the object that does not exist, where the API server itself says so.
    """

    def __init__(
        self, kind: str, message: str, *, status: int = 0, retry: float | None = None, missing: str = ""
    ) -> None:
        super().__init__(message)
        self.problem = Problem(kind, message)
        self.status = status
        self.retry = retry
        self.missing = missing

    def answer(self, seconds: float = 0.0) -> Answer:
        """The failure as the answer of a read."""
        return Answer.failed(self.problem.kind, self.problem.message, seconds)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """The error with all that it wraps: the official client and urllib3 wrap in several ways."""
    waiting, seen = [error], set()
    while waiting:
        one = waiting.pop(0)
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            wrapped = [one.__cause__, one.__context__, getattr(one, "reason", None), *one.args]
            waiting += [inner for inner in wrapped if isinstance(inner, BaseException)]


def failure_of(error: BaseException, what: str, connection: Connection, *, proxy: str, seconds: float) -> Failed:
    """The failure of a request that got no whole answer.

    :param what: what was asked, for the message: "list pods".
    :param proxy: the proxy's URL, empty where there is none.
    :param seconds: how long the request took until then.
    """
    import urllib3.exceptions as http

    chain = list(_chain(error))
    at = _through(connection, proxy)

    def some(*kinds: type[BaseException]) -> BaseException | None:
        return next((one for one in chain if isinstance(one, kinds)), None)

    if (bad := some(ssl.SSLCertVerificationError)) is not None:
        return Failed("certificate", f"{what}: {_certificate(bad, connection)}")
    if (bad := some(socket.gaierror)) is not None:
        name = _host(proxy) if some(http.ProxyError) else urlsplit(connection.server).hostname
        retry = 0.0 if getattr(bad, "errno", None) == socket.EAI_AGAIN else None
        return Failed(
            "unreachable",
            f"{what}: the name {name} cannot be resolved: check DNS and the kubeconfig",
            retry=retry,
        )
    if some(ConnectionRefusedError):
        advice = "is the API server up, and is this its address?"
        return Failed("unreachable", f"{what}: {at} refuses the connection: {advice}", retry=0.0)
    if some(http.ProxyError):
        return Failed(
            "unreachable",
            f"{what}: the proxy {_host(proxy)} does not connect to {connection.where}",
            retry=0.0,
        )
    if some(http.ReadTimeoutError):
        return Failed(
            "timed-out", f"{what}: {at} sent nothing for {seconds:.0f} s: is it overloaded, or something in between?"
        )
    if some(http.ConnectTimeoutError, TimeoutError):
        # NewConnectionError is one too, for reasons of urllib3's history.
        told = next((one.strerror for one in chain if isinstance(one, OSError) and one.strerror), "")
        if told and not some(TimeoutError):
            return Failed("unreachable", f"{what}: no connection to {at}: {one_line(told)}")
        return Failed("unreachable", f"{what}: {at} does not answer: is a firewall or VPN in between?")
    if (bad := some(ssl.SSLError)) is not None and not some(ssl.SSLEOFError, ssl.SSLZeroReturnError):
        return _tls(bad, what, connection, at)
    if isinstance(error, (http.LocationValueError, ValueError)):
        return Failed("error", f"{what}: cannot be asked for ({type(error).__name__})")
    return Failed("unreachable", f"{what}: {at} cut the connection off before the answer was whole", retry=0.0)


def _through(connection: Connection, proxy: str) -> str:
    return f"{connection.where} (through the proxy {_host(proxy)})" if proxy else connection.where


def _host(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port}" if parts.port else str(parts.hostname)


def _certificate(error: BaseException, connection: Connection) -> str:
    """Why the server's certificate does not verify; codes are those of OpenSSL's x509_vfy.h."""
    code, it = getattr(error, "verify_code", 0), f"the certificate of {connection.where}"
    if code == 10:
        return f"{it} has expired: renew the certificates of the control plane"
    if code == 9:
        return f"{it} is not valid yet: compare the clocks"
    if code in (62, 63, 64):
        return f"{it} is for another name: use a server address that it names, or set tls-server-name in the kubeconfig"
    if code in (2, 18, 19, 20, 21, 7):
        return (
            f"{it} is not signed by the authority in the kubeconfig: is it the right cluster, and is the file current?"
        )
    return f"{it} does not verify: {one_line(str(getattr(error, 'verify_message', '') or 'no reason given'))}"


def _tls(error: BaseException, what: str, connection: Connection, at: str) -> Failed:
    reason = str(getattr(error, "reason", "") or "")
    if _ALERTS.search(reason):
        return Failed("refused", f"{what}: {at} turns the client certificate of {_who(connection)} down")
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"):
        return Failed("unreachable", f"{what}: {at} does not speak TLS: is this the API server's port?")
    return Failed("unreachable", f"{what}: no TLS connection to {at}: {plain(reason) or 'no reason given'}", retry=0.0)


def _who(connection: Connection) -> str:
    if not connection.user:
        return f"context {plain(connection.context)!r}, which names no user"
    return f"user {plain(connection.user)!r} of context {plain(connection.context)!r}"


def refused(what: str, connection: Connection, expired: str) -> Failed:
    """The API server does not accept the credentials; `expired` says which is past its end, where that is known."""
    why = (
        f"{expired}: log in anew, or take a current kubeconfig"
        if expired
        else "have they expired? Are they another cluster's?"
    )
    return Failed(
        "refused",
        f"{what}: {connection.where} refuses the credentials of {_who(connection)}: {why}",
        status=401,
    )


def status_failure(status: int, headers: Mapping[str, str], body: bytes, what: str, connection: Connection) -> Failed:
    """The failure that an HTTP status other than 200 (and 401, see `refused`) stands for."""
    told = _status_of(body)
    message = one_line(str(told.get("message") or ""))
    details = told.get("details") if told.get("reason") == "NotFound" else None
    missing = str(details.get("name") or "") if isinstance(details, dict) else ""
    said = f": {message}" if message else ""

    def failed(kind: str, text: str, retry: float | None = None) -> Failed:
        return Failed(kind, f"{what}: {text}", status=status, retry=retry, missing=missing)

    if 300 <= status < 400:
        return failed(
            "error",
            f"{connection.where} answers with a redirect ({status}): a proxy or login page in between?",
        )
    if status == 403:
        return _forbidden(message, bool(told), failed, connection)
    if status == 404:
        return failed("error", f"not found (404){said}")
    if status == 410:
        return failed("error", f"the list expired while it was read (410), again and again{said}")
    if status == 429:
        pause = _retry_after(headers)
        return failed("error", "the API server is overloaded (429 Too Many Requests): try again later", retry=pause)
    if status >= 500:
        return failed(
            "error",
            f"the API server answers {status}{said or ' without a reason: see its log'}",
            _retry_after(headers),
        )
    return failed("error", f"the API server answers {status}{said}")


def _forbidden(message: str, from_server: bool, failed: Callable[[str, str], Failed], connection: Connection) -> Failed:
    if not from_server:
        return failed("forbidden", "403 that is not the API server's own: does a proxy or firewall deny it?")
    user = _USER.search(message)
    if user and user[1] == "system:anonymous":
        text = f"{connection.where} saw no credentials (system:anonymous) from {_who(connection)}"
        return failed("refused", f"{text}: check its token or certificate")
    return failed(
        "forbidden",
        f"forbidden to {user[1] if user else _who(connection)}: grant the role that --plan=rbac prints",
    )


def _retry_after(headers: Mapping[str, str]) -> float:
    """Seconds to wait as the answer asks for, 0 where it does not say."""
    try:
        return min(max(float(headers.get("Retry-After", "0")), 0.0), LONGEST_PAUSE)
    except ValueError:
        return 0.0


def _status_of(body: bytes) -> Mapping[str, Any]:
    """The Status object in a body, empty where there is none: the answer is then not the API server's own."""
    try:
        status = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return status if isinstance(status, dict) and status.get("kind") == "Status" else {}
