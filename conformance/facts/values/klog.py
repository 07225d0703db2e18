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

    :param now: the host's own clock with its zone, from which a klog header has year and zone.
    """
    try:
        if match := _JOURNAL.match(line):
            return datetime.fromisoformat(match[1])
        if match := _KLOG.match(line):
            month, day, hour, minute, second = map(int, match.groups())
            for year in (now.year, now.year - 1):
                moment = datetime(year, month, day, hour, minute, second, tzinfo=now.tzinfo)
                # A line from tomorrow is one of last year; a clock may have been put back a little.
                if moment <= now + timedelta(days=1):
                    return moment
    except ValueError:
        pass
    return None
