"""What runc says of itself, and its processes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from conformance.versions import InvalidVersion, Version

__all__ = ["InvalidProcessList", "InvalidRuncVersion", "RuncInit", "runc_inits", "runc_version"]

_FIRST: Final = re.compile(r"(?:docker-)?runc version (?P<version>\S+)\s*")
_PROCESS: Final = re.compile(r" *(?P<age>[0-9]{1,12}) +(?P<pid>[0-9]{1,10}) (?:\S*/)?(?:docker-)?runc init *")
_SEEN: Final = re.compile(r"[0-9]{1,10}")


class InvalidRuncVersion(ValueError):
    """A text in which runc names no version."""


class InvalidProcessList(ValueError):
    """A text that is no list of processes."""


def runc_version(text: str) -> Version:
    """The version on the first line of ``runc --version``, such as ``runc version 1.0.0-rc93``.

    Distributions add suffixes: ``1.0.0~rc93+ds1``, ``1.1.4-0ubuntu1~20.04``. A build of which nobody set the version
    says ``runc version spec: 1.0.2-dev``: that is the version of the specification, not its own.

    :raises InvalidRuncVersion: there is none.
    """
    first = text.split("\n", 1)[0]
    match = _FIRST.fullmatch(first)
    try:
        return Version.parse(match["version"] if match else "")
    except InvalidVersion:
        msg = f"{first[:80]!r} names no version: expected such as 'runc version 1.1.4'"
        raise InvalidRuncVersion(msg) from None


@dataclass(frozen=True, slots=True)
class RuncInit:
    """A process ``runc init``: what runc starts in a container before the container's own program."""

    pid: int
    #: Seconds since it started.
    age: int
    line: str


def runc_inits(text: str) -> list[RuncInit]:
    """The processes in lines of age in seconds, number and command line, in their order.

    The last line is the number of all processes that were looked at, as ``sed -n $=`` prints it: with fewer than two -
    the list and whoever asks for it - nothing was seen.

    Source: ps(1) with ``-o etimes=,pid=,args=``.

    :raises InvalidProcessList: nothing was seen, or a line is none.
    """
    *lines, last = text.removesuffix("\n").split("\n")
    if not _SEEN.fullmatch(last) or int(last) < 2:
        msg = f"no list of processes: expected a number of processes on its last line, not {last[:80]!r}"
        raise InvalidProcessList(msg)
    found = []
    for line in lines:
        match = _PROCESS.fullmatch(line)
        if match is None:
            msg = f"{line[:80]!r} is no process: expected its age in seconds, its number and `runc init`"
            raise InvalidProcessList(msg)
        found.append(RuncInit(int(match["pid"]), int(match["age"]), line.strip()))
    return found
