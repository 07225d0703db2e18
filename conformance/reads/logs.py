"""Reads of the logs of pods: a step over a listing of pods that keeps matching lines and a little around them.

Log text may hold anything. It is searched while it streams in; what does not match is never stored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.answers import Answer, Unreadable
from conformance.reads.clusters import IDENTITY, Listing, Step
from conformance.reads.hosts import InvalidRead
from conformance.reads.pods import check_choice, check_pattern, chosen_in_words

__all__ = ["LogMatch", "MatchedLogs", "PodLogs", "pod_logs"]

#: Decides on one listed pod whether its logs are asked for.
Selection = Callable[[Mapping[str, Any]], bool]

#: Bytes that are asked for of one log at most: a kubelet begins a new file after 10 MiB, unless told otherwise.
DEFAULT_LIMIT: Final = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class PodLogs(Step):
    """The lines that match, in the logs of the pods that were listed and chosen; the fact receives `MatchedLogs`."""

    namespace: str
    #: A regular expression that is searched for in each line.
    matching: str
    #: A regular expression for the whole name of the pod, empty for any.
    names: str = ""
    #: Labels that the pod must have.
    labels: tuple[tuple[str, str], ...] = ()
    #: The paths that are read of a listed pod by this function must be kept by `over`.
    only: Selection | None = None
    #: One container, or all of each pod.
    container: str | None = None
    #: Lines before and after a matching one that are kept too.
    context: int = 1
    #: Seconds back from now, None for all that there is.
    since: int | None = None
    #: Matching lines that are kept of one log, the latest ones; more make it unknown, unless they say enough.
    lines: int = 2000
    #: More pods than this make the read unknown instead of a flood of requests.
    pods: int = 20
    #: The log of the container that ran before the present one, instead.
    previous: bool = False
    limit: int = field(default=DEFAULT_LIMIT, kw_only=True)
    timeout: float = field(default=75.0, kw_only=True)

    def __post_init__(self) -> None:
        Step.__post_init__(self)
        check_choice(self)
        if (
            min(self.lines, self.pods, self.limit) < 1
            or self.context < 0
            or (self.since is not None and self.since < 1)
        ):
            msg = f"{self.key}: bounds are positive"
            raise InvalidRead(msg)
        check_pattern(self, self.matching)

    @property
    def which(self) -> str:
        """Whose logs, for people."""
        kind = "previous log" if self.previous else "log"
        return (
            f"{kind} of {f'container {self.container} of ' if self.container else ''}pods {chosen_in_words(self)}"
            f"{f' that are {self.only.__name__}' if self.only else ''}"
        )

    @property
    def key(self) -> str:
        since = f" of the last {self.since} s" if self.since else ""
        around = f", each with {self.context} around it" if self.context else ""
        return (
            f"get {self.which}{since}: lines matching /{self.matching}/{around}; "
            f"at most {self.pods} pods, {self.lines:,} matching lines and {self.limit:,} bytes each"
        )

    @property
    def needs(self) -> tuple[str, ...]:
        return tuple(
            dict.fromkeys(
                [
                    *IDENTITY,
                    *(["metadata.labels"] if self.labels else []),
                    *([] if self.container else ["spec.containers.name"]),
                    *(self.over.keep if self.only else []),
                ]
            )
        )

    def extract(self, answer: Answer) -> Any:
        return MatchedLogs(answer.require()["logs"], self.key)


@dataclass(frozen=True, slots=True)
class LogMatch:
    """A line that matches, with the lines around it, without control characters and what may be a secret."""

    #: ``namespace/name``.
    pod: str
    container: str
    #: The number of the line in what was read, from 1.
    number: int
    text: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


class MatchedLogs(Mapping[str, tuple[LogMatch, ...]]):
    """``namespace/name`` of a pod -> the lines that match in the logs of its containers, in their order.

    A check that passes although a log is `unread` is unknown; one that finds the hazard in the rest has found it.

    :raises Unreadable: on access to a pod whose logs were not read, or not to their end.
    """

    def __init__(self, stored: Mapping[str, Any], read: str) -> None:
        self._found: dict[str, list[LogMatch]] = {}
        #: pod -> why its logs are not known as a whole.
        self.unread: dict[str, Unreadable] = {}
        #: pod -> why it has no log: it is gone, or its container was never started.
        self.absent: dict[str, str] = {}
        for one in stored.values():
            pod, container = str(one["pod"]), str(one["container"])
            found = self._found.setdefault(pod, [])
            found += [_match(pod, container, raw) for raw in one.get("matches", ())]
            if "problem" in one:
                self.unread.setdefault(pod, Unreadable(one["problem"]["message"], read=read))
            elif "absent" in one:
                self.absent.setdefault(pod, one["absent"])
            else:
                self.absent.pop(pod, None)
        silent = {str(one["pod"]) for one in stored.values() if "problem" not in one and "absent" not in one}
        self.absent = {pod: why for pod, why in self.absent.items() if pod not in silent}

    @property
    def matches(self) -> tuple[LogMatch, ...]:
        """All that was found, also in logs that were not read to their end."""
        return tuple(one for found in self._found.values() for one in found)

    def __getitem__(self, pod: str) -> tuple[LogMatch, ...]:
        if pod in self.unread:
            raise self.unread[pod]
        return tuple(self._found[pod])

    def __iter__(self) -> Iterator[str]:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def _match(pod: str, container: str, raw: Mapping[str, Any]) -> LogMatch:
    return LogMatch(pod, container, int(raw["number"]), raw["text"], tuple(raw["before"]), tuple(raw["after"]))


def pod_logs(
    over: Listing,
    *,
    namespace: str,
    matching: str,
    names: str = "",
    labels: Mapping[str, str] | None = None,
    only: Selection | None = None,
    container: str | None = None,
    context: int = 1,
    since: int | None = None,
    lines: int = 2000,
    pods: int = 20,
    previous: bool = False,
    **bounds: Any,
) -> PodLogs:
    """Declare the matching lines in the logs of listed pods; see `PodLogs`.

    :param over: a listing of pods.
    :param only: asks for logs of those pods only of which it holds, beside name and labels: ``restarting``.
    """
    chosen = tuple(sorted((labels or {}).items()))
    return PodLogs(
        namespace,
        matching,
        names,
        chosen,
        only,
        container,
        context,
        since,
        lines,
        pods,
        previous,
        over=over,
        at=over.at,
        **bounds,
    )
