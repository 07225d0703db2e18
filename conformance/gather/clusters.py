"""Gather from clusters: all side by side, each within its own deadline, and nothing but GET.

The order within a cluster follows from what needs what: discovery, then each resource in one list, then the single
objects named after listed ones. Nothing waits for what it does not need, so a part that hangs holds up only itself.
"""

from __future__ import annotations

import queue
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from functools import partial
from pathlib import Path as FilePath
from typing import Any, Final

from conformance.answers import Answer
from conformance.gather import logs, steps
from conformance.gather.credentials import CredentialsRefused, client_of, prepare
from conformance.gather.discovery import Group, Root, Served, read_group, read_root, root_of
from conformance.gather.failures import Failed
from conformance.gather.http import Requester
from conformance.gather.jobs import ClusterJob, ClusterSettings, Gathered, Progress
from conformance.gather.kubeconfig import InvalidKubeconfigFile, load
from conformance.gather.listing import Listed, Request, held_listing, listings_of, read_listing
from conformance.gather.paths import read_path
from conformance.gather.tasks import Tasks, after
from conformance.reads import Desired, Path, Step

__all__ = ["gather_clusters"]

#: Requests that one cluster is asked at a time.
POOL: Final = 4
#: Seconds that an exec plugin may take, where the cluster's deadline leaves it that much.
PLUGIN_SECONDS: Final = 60.0


def gather_clusters(jobs: Iterable[ClusterJob], settings: ClusterSettings, progress: Progress) -> dict[str, Gathered]:
    """Make all reads of all jobs; the result has an answer for every read, in the order of the jobs.

    :raises InvalidRead: two different reductions of one name, before anything is contacted.
    """
    jobs = list(jobs)
    plans = {job.subject: listings_of(job.reads) for job in jobs}
    if jobs:
        prepare()
    done: dict[str, Gathered] = {}
    waiting: queue.SimpleQueue[ClusterJob] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)
    with tempfile.TemporaryDirectory(prefix="preflight-", ignore_cleanup_errors=True) as directory:

        def work() -> None:
            while True:
                try:
                    job = waiting.get_nowait()
                except queue.Empty:
                    return
                gathered = _gathered(job, plans[job.subject], settings, FilePath(directory))
                done[job.subject] = gathered
                progress(job.subject, _summary(gathered))

        size = min(len(jobs), settings.parallel)
        threads = [threading.Thread(target=work, name=f"clusters-{number}", daemon=True) for number in range(size)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return {job.subject: done[job.subject] for job in jobs}


def _summary(gathered: Gathered) -> str | None:
    """What was wrong with a cluster, for the progress line; None where everything was answered."""
    problems = [answer.problem for answer in gathered.answers.values() if answer.problem]
    problems = [problem for problem in problems if problem.kind != "not-served"]
    if not problems:
        return None
    one_cause = len({problem.kind for problem in problems}) == 1 and len(problems) == len(gathered.answers)
    if len(problems) == 1 or one_cause:
        return problems[0].message
    return f"{len(problems)} of {len(gathered.answers)} reads failed, one of them: {problems[0].message}"


def _gathered(
    job: ClusterJob, listings: Mapping[str, Request], settings: ClusterSettings, directory: FilePath
) -> Gathered:
    started = time.monotonic()
    keys = [read.key for read in job.reads if not isinstance(read, Desired)]
    try:
        connection = load(job.kubeconfig, job.context)
        seconds = min(PLUGIN_SECONDS, settings.deadline)
        pool = POOL + (logs.POOL if any(map(steps.needs_kubelet, job.reads)) else 0)
        api = client_of(connection, directory, seconds=seconds, pool=pool)
    except (CredentialsRefused, InvalidKubeconfigFile) as error:
        return Gathered.nothing(keys, "refused", str(error), time.monotonic() - started)
    except Exception as error:
        # A defect of ours or of the client must not take the other clusters with it.
        message = f"the connection cannot be set up ({type(error).__name__})"
        return Gathered.nothing(keys, "error", message, time.monotonic() - started)
    until = started + settings.deadline
    requester = Requester(api, connection, settings.connect_timeout, settings.read_timeout, until)
    gathering = _Gathering(job, listings, requester, settings)
    answers = gathering.run(f"cluster-{job.subject}")
    api.close()
    notes: dict[str, Any] = {
        "server": connection.where,
        "context": connection.context,
        "kubeconfig": connection.source,
        "tls": connection.tls,
        "requests": requester.sent,
        "discovery": gathering.form,
    }
    version = answers.get("get /version")
    if version is not None and version.value is not None and isinstance(version.value["body"], dict):
        notes["version"] = version.value["body"].get("gitVersion")
    late = f"no answer within the {settings.deadline:.0f} s that this cluster has"
    missing = Answer.failed("timed-out", late, settings.deadline)
    ordered = {key: answers.get(key, missing) for key in keys}
    return Gathered(ordered, {key: value for key, value in notes.items() if value}, time.monotonic() - started)


class _Gathering:
    """The reads of one cluster on their way to answers."""

    def __init__(
        self,
        job: ClusterJob,
        listings: Mapping[str, Request],
        requester: Requester,
        settings: ClusterSettings,
    ) -> None:
        self._paths = {read.key: read for read in job.reads if isinstance(read, Path)}
        self._steps = {read.key: read for read in job.reads if isinstance(read, Step)}
        #: What an earlier round has listed for the steps of this one.
        self._held = {
            resource: held
            for resource, request in listings.items()
            if (held := held_listing(request, job.listed.get(resource))) is not None
        }
        self._listings = {resource: one for resource, one in listings.items() if resource not in self._held}
        self._requester = requester
        self._settings = settings
        self._answers: dict[str, Answer] = {}
        self._lock = threading.Lock()
        self._defect: Exception | None = None
        #: The results of steps that others build on; a failure is a result, too.
        self._groups: dict[str, Future[Group | Failed]] = {}
        self._lists: dict[str, Future[Listed | Failed]] = {}
        self._tasks: Tasks
        #: What kubelets answer has threads of its own: a dead one is waited for, and nothing else should be.
        self._readers: Tasks | None = None
        #: In which form discovery was had; empty where it was not needed or not had.
        self.form = ""

    def run(self, name: str) -> dict[str, Answer]:
        """The answers that are there when all is done or the deadline has come, whichever is first."""
        self._tasks = Tasks(name, POOL, self._broke)
        wanted: dict[str, set[str]] = {}
        pairs = [(one.group, one.plural) for one in self._listings.values()]
        pairs += [(group, plural) for _, plural, group in map(steps.asked_of, self._steps.values())]
        if any(map(steps.needs_kubelet, self._steps.values())):
            self._readers = Tasks(f"{name}-kubelets", logs.POOL, self._broke)
        for group, plural in pairs:
            wanted.setdefault(group, set()).add(plural)
        self._groups = {group: Future() for group in wanted}
        self._lists = {resource: Future() for resource in (*self._listings, *self._held)}
        for resource, held in self._held.items():
            self._lists[resource].set_result(held)
        for request in self._listings.values():
            after([self._groups[request.group]], self._tasks, partial(self._list, request))
        for step in self._steps.values():
            needed: list[Future[Any]] = [self._groups[steps.asked_of(step)[2]], self._lists[step.over.collection]]
            after(needed, self._tasks, partial(self._step, step))
        for root in sorted({root_of(group) for group in wanted}):
            groups = {group: plurals for group, plurals in wanted.items() if root_of(group) == root}
            self._tasks.submit(partial(self._discover, root, groups))
        for path in self._paths.values():
            self._tasks.submit(partial(self._path, path))
        self._tasks.finish(self._requester.until)
        if self._readers:
            self._readers.finish(self._requester.until)
        with self._lock:
            answers = dict(self._answers)
        if self._defect is not None:
            text = f"a defect of this program kept it away ({type(self._defect).__name__})"
            keys = [
                *self._paths,
                *self._steps,
                *(key for one in self._listings.values() for key in one.keys),
            ]
            answers |= {key: Answer.failed("error", text) for key in keys if key not in answers}
        return answers

    def _broke(self, error: Exception) -> None:
        self._defect = error

    def _until(self, seconds: float) -> float:
        """The moment at which a read that begins now and may take `seconds` must be done."""
        return min(time.monotonic() + seconds, self._requester.until)

    def _store(self, answers: Mapping[str, Answer], started: float) -> None:
        seconds = time.monotonic() - started
        with self._lock:
            for key, answer in answers.items():
                self._answers[key] = Answer(answer.value, answer.problem, seconds)

    # -- discovery

    def _discover(self, root: str, groups: Mapping[str, set[str]]) -> None:
        found: Root | Failed
        try:
            found = read_root(self._requester, root)
            self.form = self.form or found.form
        except Failed as failed:
            found = failed
        for group, plurals in groups.items():
            self._tasks.submit(partial(self._discover_group, found, group, plurals))

    def _discover_group(self, root: Root | Failed, group: str, plurals: set[str]) -> None:
        result: Group | Failed
        try:
            result = root if isinstance(root, Failed) else read_group(self._requester, root, group, plurals)
        except Failed as failed:
            result = failed
        self._groups[group].set_result(result)

    def _served(self, resource: str, plural: str, group: str) -> Served:
        """Where a resource is served.

        :raises Failed: that is not known, or nowhere.
        """
        found = self._groups[group].result()
        served = found if isinstance(found, Failed) else found.resolve(plural)
        if served is None:
            raise Failed("not-served", f"the cluster does not serve {resource}")
        if isinstance(served, Failed):
            raise served
        return served

    # -- reads

    def _list(self, request: Request) -> None:
        started = time.monotonic()
        result: Listed | Failed
        try:
            served = self._served(request.resource, request.plural, request.group)
            until = self._until(request.timeout)
            result = read_listing(self._requester, served, request, self._settings.page_size, until)
            self._store(result.answers, started)
        except Failed as failed:
            result = failed
            self._store(dict.fromkeys(request.keys, failed.answer()), started)
        self._lists[request.collection].set_result(result)

    def _step(self, read: Step) -> None:
        started = time.monotonic()
        try:
            listed = self._lists[read.over.collection].result()
            if isinstance(listed, Failed):
                raise listed
            served = self._served(*steps.asked_of(read))
            until = self._until(read.timeout)
            wanted = steps.parts_of(read, self._requester, served, listed.objects, until)
        except Failed as failed:
            self._store({read.key: failed.answer()}, started)
            return

        def store(found: Mapping[str, Any]) -> None:
            self._store({read.key: Answer(steps.whole_of(read, found))}, started)

        readers = self._readers if steps.needs_kubelet(read) else None
        self._each(wanted, store, readers or self._tasks)

    def _each(
        self,
        wanted: Mapping[str, Callable[[], Any]],
        store: Callable[[Mapping[str, Any]], None],
        tasks: Tasks,
    ) -> None:
        """Make requests side by side, and store what they gave, in their order, once all have."""
        results: dict[str, Any] = {}

        def complete() -> None:
            store({key: results[key] for key in wanted})

        def make(key: str, there: Future[None]) -> None:
            results[key] = wanted[key]()
            there.set_result(None)

        if not wanted:
            complete()
            return
        futures: dict[str, Future[None]] = {key: Future() for key in wanted}
        after(futures.values(), tasks, complete)
        for key, future in futures.items():
            tasks.submit(partial(make, key, future))

    def _path(self, read: Path) -> None:
        started = time.monotonic()
        try:
            self._store({read.key: read_path(self._requester, read, self._until(read.timeout))}, started)
        except Failed as failed:
            self._store({read.key: failed.answer()}, started)
