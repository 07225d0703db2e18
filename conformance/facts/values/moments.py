"""Moments as Kubernetes and openssl write them, and spans of time as people read them.

Formats: metav1.Time and metav1.MicroTime (RFC 3339, UTC); ``notAfter=`` of x509(1ssl).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

__all__ = ["InvalidMoment", "kubernetes_time", "openssl_time", "span"]

_RFC3339: Final = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.\d{1,9})?(?:Z|([+-])(\d\d):(\d\d))", re.ASCII
)
_OPENSSL: Final = re.compile(r"([A-Z][a-z]{2}) +(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4}) GMT", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class InvalidMoment(ValueError):
    """A value that is no moment; the message says which and what was expected."""


def kubernetes_time(text: Any) -> datetime:
    """A time of an API object, in UTC and whole seconds.

    :raises InvalidMoment: it is none.
    """
    match = _RFC3339.fullmatch(text) if isinstance(text, str) else None
    try:
        if match:
            found = datetime(*map(int, match.groups()[:6]), tzinfo=UTC)  # type: ignore[misc,arg-type]
            sign, hours, minutes = match.groups()[6:]
            ahead = timedelta(hours=int(hours), minutes=int(minutes)) if sign else timedelta()
            return found + ahead if sign == "-" else found - ahead
    except (ValueError, OverflowError):
        pass
    msg = f"{_shown(text)}: expected a time such as 2022-01-31T12:00:00Z"
    raise InvalidMoment(msg)


def openssl_time(text: str) -> datetime:
    """What ``openssl x509 -enddate`` prints behind ``notAfter=``, in UTC.

    :raises InvalidMoment: it is no such time.
    """
    match = _OPENSSL.fullmatch(text.strip())
    try:
        if match and match[1] in _MONTHS:
            month = _MONTHS.index(match[1]) + 1
            return datetime(int(match[6]), month, *(int(match[n]) for n in (2, 3, 4, 5)), tzinfo=UTC)  # type: ignore[misc,arg-type]
    except (ValueError, OverflowError):
        pass
    msg = f"{_shown(text)}: expected a time such as Jan 31 12:00:00 2022 GMT"
    raise InvalidMoment(msg)


def _shown(text: Any) -> str:
    return repr(text)[:60]


def span(length: timedelta) -> str:
    """About how long, in the two largest units: ``3 days 4 hours``, ``12 minutes``, ``40 seconds``."""
    seconds = max(0, int(length.total_seconds()))
    parts: list[str] = []
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        number, seconds = divmod(seconds, size)
        if parts and not number:
            break
        if number:
            parts.append(f"{number} {unit}{'s' if number != 1 else ''}")
        if len(parts) == 2:
            break
    return " ".join(parts) or "0 seconds"
