"""When a kubelet said something: lines of the journal, and of klog in a file.

Formats: ``short-iso`` of journalctl(1), such as ``2020-10-13T20:38:49+0900 wk-1 kubelet[2094]: E1013 …``; the header of
klog, ``Lmmdd hh:mm:ss.uuuuuu threadid file:line]``, which has no year and no zone
(https://github.com/kubernetes/klog, klog.go, formatHeader).
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

__all__ = ["said_at"]

_JOURNAL: Final = re.compile(r"\s*(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:[+-]\d\d:?\d\d|Z))\s", re.ASCII)
_KLOG: Final = re.compile(r"(?:^|.*?\s)[IWEF](\d\d)(\d\d) (\d\d):(\d\d):(\d\d)\.\d+\s", re.ASCII)


def said_at(line: str, now: datetime) -> datetime | None:
    """When a line was written, None where it does not tell.

    The time that journald or a syslog has put in front of a line counts before that of klog behind it.

    :param now: the host's own clock with its zone, from which a klog header has year and zone: it is the last such moment
        that is not more than a day ahead, for a clock may have been put back.
    """
    if match := _JOURNAL.match(line):
        try:
            return datetime.fromisoformat(match[1])
        except ValueError:
            return None
    if match := _KLOG.match(line):
        month, day, hour, minute, second = map(int, match.groups())
        for year in (now.year + 1, now.year, now.year - 1):
            try:
                moment = datetime(year, month, day, hour, minute, second, tzinfo=now.tzinfo)
                if moment - now <= timedelta(days=1):
                    return moment
            except (ValueError, OverflowError):  # no such day in this year
                continue
    return None
