"""Reads by a program in a container that is there for it: a step over a listing of pods, through pods/exec.

The right to it could do more than read. So such a read carries an argument vector and never a shell, is one of few,
stands out in the plan and in the role derived from it, and can be declined as a whole (``--no-exec``).
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.answers import Answer, Unreadable
from conformance.reads.clusters import Listing, Step
from conformance.reads.hosts import InvalidRead
from conformance.reads.pods import check_choice, chosen_in_words
from conformance.reads.refusals import last_line

__all__ = ["ExecAnswer", "ExecAnswers", "PodExec", "pod_exec"]

#: Bytes of standard output of one pod; more make its answer unknown.
DEFAULT_LIMIT: Final = 1024 * 1024
#: Programs that would run whatever their arguments say. No list of them is complete: it guards against a slip.
_RUNNERS: Final = (
    "sh ash bash csh dash fish ksh mksh rbash tcsh zsh busybox toybox env nsenter unshare setsid nohup nice timeout "
    "chroot su sudo doas xargs find awk gawk mawk sed perl php python ruby node lua crictl ctr docker kubectl runc ssh"
)


@dataclass(frozen=True, slots=True)
class PodExec(Step):
    """What a program says in the pods that were listed and chosen; the fact receives `ExecAnswers`."""

    namespace: str
    #: The program and its arguments, as they are.
    argv: tuple[str, ...]
    #: A regular expression for the whole name of the pod, empty for any.
    names: str = ""
    #: Labels that the pod must have.
    labels: tuple[tuple[str, str], ...] = ()
    #: The container; the only one of the pod where it is empty.
    container: str = ""
    #: The pods are asked in turn, until one of them ends with 0; else all of them are.
    any: bool = True
    #: Exit statuses that are an answer where something stands on standard output; without that only 0 is.
    ok: tuple[int, ...] = (0,)
    #: A shared fact of clusters: where it can be had from hosts, nothing is run at all.
    unless: str = ""
    #: At most so many pods are asked in turn; where all are asked, more of them make the read unknown.
    pods: int = 5
    limit: int = field(default=DEFAULT_LIMIT, kw_only=True)
    #: Seconds for one pod.
    each: float = field(default=20.0, kw_only=True)
    timeout: float = field(default=60.0, kw_only=True)

    def __post_init__(self) -> None:
        if not self.argv or not all(self.argv) or any("\0" in one for one in self.argv):
            msg = f"{self.argv!r}: expected a program and its arguments"
            raise InvalidRead(msg)
        if self.argv[0].rpartition("/")[2].rstrip("0123456789.") in _RUNNERS.split():
            msg = f"{self.argv[0]!r} would run what its arguments say: name the program itself, never a shell"
            raise InvalidRead(msg)
        Step.__post_init__(self)
        check_choice(self)
        if min(self.pods, self.limit, self.each) < 1:
            msg = f"{self.key}: bounds are positive"
            raise InvalidRead(msg)

    @property
    def which(self) -> str:
        """In which pods, for people."""
        inside = f"container {self.container} of " if self.container else ""
        return f"{inside}{'one' if self.any else 'each'} of the pods {chosen_in_words(self)}"

    @property
    def key(self) -> str:
        bound = f"at most {self.pods} pods {'in turn' if self.any else 'in all'}, {self.limit:,} bytes"
        return f"exec in {self.which}: {shlex.join(self.argv)}; {bound}, {self.each:g} s each"

    @property
    def needs(self) -> tuple[str, ...]:
        return (
            "metadata.name",
            "metadata.namespace",
            *(["metadata.labels"] if self.labels else []),
            "status.phase",
            "status.containerStatuses.name",
            "status.containerStatuses.ready",
        )

    def extract(self, answer: Answer) -> Any:
        if self.any and answer.problem is not None:
            # For facts that do with another source where this one gives nothing.
            return ExecAnswers({}, self, Unreadable(answer.problem.message, read=self.key))
        return ExecAnswers(answer.require()["exec"], self)


@dataclass(frozen=True, slots=True)
class ExecAnswer:
    """What a program said in one pod."""

    #: ``namespace/name``.
    pod: str
    container: str
    rc: int
    stdout: str
    #: The end of it, without what may be a secret.
    stderr: str


class ExecAnswers(Mapping[str, ExecAnswer]):
    """``namespace/name`` of a pod -> what the program said there, of those that answered, in the order of the listing.

    :raises Unreadable: on access to a pod that gave no answer, and on any where nothing could be asked at all.
    """

    def __init__(self, stored: Mapping[str, Any], read: PodExec, failure: Unreadable | None = None) -> None:
        self._read = read
        self._failure = failure
        self._said: dict[str, ExecAnswer] = {}
        #: pod -> why it gave no answer.
        self.unread: dict[str, Unreadable] = {}
        #: pod -> why it could not be asked: it does not run, or is gone.
        self.absent: dict[str, str] = {}
        for pod, one in stored.items():
            if "absent" in one:
                self.absent[pod] = str(one["absent"])
            elif "problem" in one:
                self.unread[pod] = Unreadable(one["problem"]["message"], read=read.key)
            else:
                said = ExecAnswer(pod, str(one["container"]), int(one["rc"]), str(one["stdout"]), str(one["stderr"]))
                if said.rc == 0 or (said.rc in read.ok and said.stdout.strip()):
                    self._said[pod] = said
                else:
                    reason = f"{read.argv[0]} in pod {pod} ended with {said.rc}: {last_line(said.stderr)}"
                    self.unread[pod] = Unreadable(reason, read=read.key)

    @property
    def best(self) -> ExecAnswer:
        """The first answer with exit status 0, else the first one.

        :raises Unreadable: there is none; with the reason of each pod.
        """
        self._require()
        said = sorted(self._said.values(), key=lambda one: one.rc != 0)
        if said:
            return said[0]
        reasons = [*(why.reason for why in self.unread.values()), *(f"{p} {why}" for p, why in self.absent.items())]
        none = f"no pod {self._read.namespace}/{self._read.names or dict(self._read.labels)} is listed"
        raise Unreadable("; ".join(dict.fromkeys(reasons)) or none, read=self._read.key)

    def _require(self) -> None:
        if self._failure is not None:
            raise self._failure

    def __getitem__(self, pod: str) -> ExecAnswer:
        self._require()
        if pod in self.unread:
            raise self.unread[pod]
        return self._said[pod]

    def __iter__(self) -> Iterator[str]:
        self._require()
        return iter(self._said)

    def __len__(self) -> int:
        self._require()
        return len(self._said)


def pod_exec(
    *,
    over: Listing,
    namespace: str,
    argv: tuple[str, ...] | list[str],
    names: str = "",
    labels: Mapping[str, str] | None = None,
    container: str = "",
    any: bool = True,  # noqa: A002 - what it means
    ok: tuple[int, ...] = (0,),
    unless: str = "",
    pods: int = 5,
    **bounds: Any,
) -> PodExec:
    """Declare a program that is run in listed pods, through pods/exec; see `PodExec`.

    It must do nothing but read. Bounds: `timeout` in seconds for the whole read, `each` for one pod, `limit` in bytes.

    :param over: a listing of pods.
    :param any: the first pod that answers suffices; else there is one answer for each pod.
    :param unless: the name of a shared fact of clusters, which makes it superfluous where hosts give it.
    :param ok: exit statuses beside 0 that count as an answer, where the program has printed something.
    """
    chosen = tuple(sorted((labels or {}).items()))
    return PodExec(
        namespace, tuple(argv), names, chosen, container, any, ok, unless, pods, over=over, at=over.at, **bounds
    )
