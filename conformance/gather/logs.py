"""Logs of pods: searched while they stream in, so that nothing but matching lines and a little around them is kept."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.gather.discovery import Served
from conformance.gather.failures import Failed
from conformance.gather.http import Got, Requester, Sink
from conformance.gather.wording import clean, plain
from conformance.reads import PodLogs
from conformance.reads.pods import is_chosen
from conformance.reads.projection import value_at

__all__ = ["POOL", "Log", "Matcher", "logs_of", "read_log"]

#: Logs of one cluster that are read at a time.
POOL: Final = 10
#: Bytes of one line that are searched; of a longer one the rest is dropped, and the log is not known as a whole.
LONGEST: Final = 1024 * 1024
#: Characters of a line that are kept, and of all that is kept of one log.
KEPT_OF_LINE: Final = 8 * 1024
KEPT: Final = 1024 * 1024
#: Around a match in a line that is too long to be kept whole.
_MARGIN: Final = 1024
#: Colours, as loggers write them.
_ANSI: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: What a kubelet writes in place of a log, or at its end, with status 200. Source: kubernetes, pkg/kubelet/kuberuntime.
_COMPLAINT: Final = re.compile(
    r"(?i)unable to retrieve container logs for |failed to (try resolving symlinks in path|open log file|read log file) "
)


@dataclass(frozen=True, slots=True)
class Log:
    """One log to ask for."""

    namespace: str
    pod: str
    #: Empty where the pod was listed without its containers.
    container: str

    @property
    def key(self) -> str:
        """Its key in the stored answer."""
        return f"{self.namespace}/{self.pod}/{self.container}".rstrip("/")

    @property
    def record(self) -> dict[str, Any]:
        """What is stored of every log, whatever became of it."""
        return {"pod": f"{self.namespace}/{self.pod}", "container": self.container}


def logs_of(read: PodLogs, listed: Iterable[Mapping[str, Any]]) -> list[Log]:
    """The logs that a read asks for, in the order of the listing.

    :raises Failed: they are of more pods than its bound, or the choice of the pods fails.
    """
    try:
        pods = [one for one in listed if is_chosen(read, one) and (read.only is None or read.only(one))]
    except Exception as error:
        how = f"{getattr(read.only, '__name__', 'it')} cannot decide ({type(error).__name__})"
        raise Failed("undecodable", f"{read.which}: {how}") from None
    if len(pods) > read.pods:
        text = f"{read.which}: there are {len(pods)}, more than the {read.pods} that may be asked for: look by hand"
        raise Failed("cut-off", text)
    return [log for pod in pods for log in _logs_of_pod(read, pod)]


def _logs_of_pod(read: PodLogs, pod: Mapping[str, Any]) -> list[Log]:
    name = pod["metadata"]["name"]
    if read.container:
        return [Log(read.namespace, name, read.container)]
    containers = [one.get("name", "") for one in value_at(pod, "spec.containers") or []] or [""]
    return [Log(read.namespace, name, one) for one in containers]


@dataclass(slots=True)
class Matcher:
    """Takes a log in parts and keeps what matches."""

    read: PodLogs
    #: Why what was found may not be all; empty where it is.
    lost: str = ""
    size: int = 0
    #: Whether the last line came with its end.
    whole: bool = True
    last: str = ""
    _pattern: re.Pattern[str] = field(init=False, repr=False)
    _rest: bytearray = field(default_factory=bytearray, repr=False)
    _skipping: bool = False
    _number: int = 0
    _before: deque[str] = field(init=False, repr=False)
    #: Matches that still want lines after them.
    _open: list[dict[str, Any]] = field(default_factory=list, repr=False)
    _found: deque[dict[str, Any]] = field(default_factory=deque, repr=False)
    _kept: int = 0

    def __post_init__(self) -> None:
        self._pattern = re.compile(self.read.matching)
        self._before = deque(maxlen=self.read.context)

    def feed(self, part: bytes) -> None:
        """Take the next part."""
        self.size += len(part)
        first, *others = part.split(b"\n")
        self._extend(first)
        for one in others:
            self._end()
            self._extend(one)

    def finish(self) -> None:
        """Take what is left: a last line without its end."""
        if self._rest or self._skipping:
            self.whole = False
            self._end()

    @property
    def matches(self) -> list[dict[str, Any]]:
        """What was found, the latest where it was too much."""
        return list(self._found)

    def _extend(self, part: bytes) -> None:
        space = LONGEST - len(self._rest)
        self._rest += part[:space]
        if len(part) > space:
            self._skipping = True

    def _end(self) -> None:
        if self._skipping:
            self.lost = f"it has a line of more than {LONGEST // 1024} KiB"
        line = _ANSI.sub("", self._rest.decode("utf-8", "replace"))
        self._rest.clear()
        self._skipping = False
        self._number += 1
        self._take(line)

    def _take(self, line: str) -> None:
        # Cleaned only where it is kept: most lines are not.
        hits = [match.span() for match in self._pattern.finditer(line)]
        if hits or self._open:
            text = clean(_shortened(line, hits))
        for one in self._open:
            one["after"].append(text)
            self._kept += len(text)
        self._open = [one for one in self._open if len(one["after"]) < self.read.context]
        if hits:
            before = [clean(_shortened(one, [])) for one in self._before]
            found: dict[str, Any] = {"number": self._number, "before": before, "text": text, "after": []}
            self._found.append(found)
            self._kept += len(text) + sum(map(len, before))
            if self.read.context:
                self._open.append(found)
        self.last = line[:_MARGIN]
        self._before.append(line)
        while self._found and (len(self._found) > self.read.lines or self._kept > KEPT):
            gone = self._found.popleft()
            self._kept -= sum(map(len, [*gone["before"], gone["text"], *gone["after"]]))
            self.lost = (
                f"more matches than the {self.read.lines:,} lines and {KEPT // 1024} KiB that are kept of one log"
            )


def _shortened(line: str, hits: list[tuple[int, int]]) -> str:
    """A line as it is kept: whole, or its beginning and what is around the matches."""
    if len(line) <= KEPT_OF_LINE:
        return line
    spans = [(0, _MARGIN), *((max(0, start - _MARGIN), min(end, start + _MARGIN) + _MARGIN) for start, end in hits)]
    parts: list[str] = []
    at = size = 0
    for start, end in spans:
        if end <= at:
            continue
        if size > KEPT_OF_LINE:
            break
        parts += [" … "] if start > at else []
        parts.append(line[max(start, at) : end])
        size += end - max(start, at)
        at = end
    return "".join([*parts, " …" if at < len(line) else ""])


def read_log(requester: Requester, served: Served, read: PodLogs, log: Log, until: float) -> dict[str, Any]:
    """What is stored of one log: its matches, with a problem where it was not read to its end, or why there is none."""
    kind = "previous log" if read.previous else "log"
    what = f"get {kind} of pod {log.namespace}/{plain(log.pod)}" + (
        f" ({plain(log.container)})" if log.container else ""
    )
    query = [
        *([("container", log.container)] if log.container else []),
        *([("sinceSeconds", str(read.since))] if read.since else []),
        *([("previous", "true")] if read.previous else []),
        ("limitBytes", str(read.limit + 1)),
    ]
    matcher = Matcher(read)

    def take(part: bytes) -> None:
        matcher.feed(part)
        if matcher.size > read.limit:  # also where somebody in between does not know the limit
            raise Failed("cut-off", f"{what}: it is longer than the {read.limit:,} bytes that are read of a log")

    def begin() -> Sink:
        nonlocal matcher
        matcher = Matcher(read)
        return take

    def settle(_: Got) -> None:
        matcher.finish()
        _check(what, matcher)

    path = f"{served.path(log.namespace, log.pod)}/log"
    try:
        requester.get(what, path, query, accept="*/*", until=until, use=settle, sink=begin)
    except Failed as failed:
        absent = _absent(failed, log)
        if absent:
            return {**log.record, "absent": absent}
        problem = {"kind": failed.problem.kind, "message": failed.problem.message}
        return {**log.record, "matches": matcher.matches, "bytes": matcher.size, "problem": problem}
    return {**log.record, "matches": matcher.matches, "bytes": matcher.size}


def _check(what: str, matcher: Matcher) -> None:
    """See that a log was read to its end, and searched as a whole.

    :raises Failed: it was not.
    """
    if _COMPLAINT.match(matcher.last):
        raise Failed("error", f"{what}: its kubelet says: {plain(matcher.last)[:200]}")
    if not matcher.whole:
        # An API server ends its answer properly when its own connection to the kubelet breaks.
        text = f"{what}: its last line has no end: it may have been cut off on its way from the kubelet"
        raise Failed("cut-off", text, retry=0.0)
    if matcher.lost:
        raise Failed("cut-off", f"{what}: {matcher.lost}")


def _absent(failed: Failed, log: Log) -> str:
    """Why there is no such log for certain, empty where that cannot be said."""
    message = failed.problem.message
    if failed.status == 204:
        return "the pod is on no node yet"
    # A kubelet's own "not found" is about the container, and is passed on with the name of the pod.
    if failed.status == 404 and failed.missing == log.pod and f'pods "{log.pod}" not found' in message:
        return "the pod is gone"
    if failed.status == 400 and f'in pod "{log.pod}" is waiting to start' in message:
        return "its container was never started"
    if failed.status == 400 and re.search(rf'previous terminated container .* in pod "{re.escape(log.pod)}"', message):
        return "no container ran before the present one"
    return ""
