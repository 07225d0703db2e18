"""Gathering for a run: the rounds in which its snapshot is filled."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from conformance import __version__
from conformance.answers import Answer, NotApplicable, Unreadable
from conformance.facts import SHARED
from conformance.facts.declare import Fact
from conformance.facts.resolve import needs_of
from conformance.gather.jobs import ClusterJob, ClusterSettings, Gathered, HostJob, Progress, SshSettings
from conformance.gather.jobs import Run as RunCommand
from conformance.plan import Plan, Rehearsal
from conformance.reads import HostRead, Listing, PodExec, Step
from conformance.reads.projection import covers
from conformance.run import Run, now_text

__all__ = ["Announce", "fill", "ssh_settings"]

#: Told what is about to be gathered - a word, and how many subjects; gives what is told of each.
Announce = Callable[[str, int], Progress]


def ssh_settings(run: Run) -> SshSettings:
    """How this run reaches its hosts."""
    ssh = run.change.ssh
    return SshSettings(
        config=ssh.config,
        identity_file=ssh.identity_file,
        known_hosts=ssh.known_hosts,
        sudo=ssh.sudo,
        verify_host_keys=ssh.verify_host_keys,
    )


def fill(run: Run, announce: Announce) -> None:
    """Make all reads of a run and keep the answers in its snapshot; every failure is an answer too.

    :raises InvalidDocument: the desired configuration, or what was found while scouting, is wrong.
    """
    began = time.monotonic()
    run.snapshot.started = now_text(datetime.now(UTC))
    run.snapshot.suite = __version__
    if run.scouting_facts():
        _gather(run, run.scouting_plan(), announce, "versions and nodes")
        run.settle()  # what was asked for before remembers that nothing was read yet
        run.expand()
    plan = run.plan()
    run.read_desired(plan)
    late = _late(run, plan)
    _gather(run, _without(plan, late), announce, "")
    if late:
        run.settle()
        _gather(run, Plan(_needed(run, late)), announce, "programs in pods")
    _rehearse(run, plan, announce)
    run.snapshot.finished = now_text(datetime.now(UTC))
    run.snapshot.notes["gather"] = {"seconds": round(time.monotonic() - began, 3)}
    run.record()
    run.settle()


def _gather(run: Run, plan: Plan, announce: Announce, what: str) -> None:
    """All hosts and clusters of a plan side by side, without the reads that are answered already."""
    hosts = {name: _open(run, name, reads) for name, reads in plan.of_hosts(run.inventory).items()}
    hosts = {name: reads for name, reads in hosts.items() if reads}
    clusters = {name: _open(run, name, reads) for name, reads in plan.of_clusters(run.inventory).items()}
    clusters = {name: reads for name, reads in clusters.items() if reads}
    if not hosts and not clusters:
        return
    counted = [(len(hosts), "host"), (len(clusters), "cluster")]
    words = " and ".join(f"{n} {word}{'s' if n != 1 else ''}" for n, word in counted if n)
    progress = announce(f"{what} of {words}" if what else words, len(hosts) + len(clusters))
    host_jobs = [HostJob(name, run.change.hosts[name].connection, tuple(reads)) for name, reads in hosts.items()]
    cluster_jobs = [
        ClusterJob(
            name,
            run.change.clusters[name].kubeconfig,
            run.change.clusters[name].context,
            tuple(reads),
            _listed(run, name, reads),
        )
        for name, reads in clusters.items()
    ]
    _keep(run, _side_by_side(run, host_jobs, cluster_jobs, progress))


def _late(run: Run, plan: Plan) -> dict[str, tuple[PodExec, ...]]:
    """Cluster -> the programs in its pods that are run only if its hosts do not tell the same."""
    late: dict[str, tuple[PodExec, ...]] = {}
    for name, reads in plan.of_clusters(run.inventory).items():
        execs = [one for one in reads if isinstance(one, PodExec) and one.unless]
        found = tuple(one for one in execs if any(run.closure.reads([one.unless], SHARED, run.inventory[name])))
        if found:
            late[name] = found
    return late


def _without(plan: Plan, late: Mapping[str, tuple[PodExec, ...]]) -> Plan:
    kept = {name: tuple(one for one in reads if one not in late.get(name, ())) for name, reads in plan.reads.items()}
    return replace(plan, reads=kept)


def _needed(run: Run, late: Mapping[str, tuple[PodExec, ...]]) -> dict[str, tuple[PodExec, ...]]:
    """Those of the late reads without which something stays unknown, now that hosts have answered."""

    def is_known(name: str, fact: str) -> bool:
        try:
            run.facts.value(SHARED[fact], run.inventory[name])
        except (Unreadable, NotApplicable):
            return False
        return True

    needed = {name: tuple(one for one in reads if not is_known(name, one.unless)) for name, reads in late.items()}
    return {name: reads for name, reads in needed.items() if reads}


def _open(run: Run, name: str, reads: tuple[Any, ...]) -> tuple[Any, ...]:
    """The reads of a subject that have no answer yet; a listing that kept too little is made again, whole."""
    held = run.snapshot.answers.get(name, {})
    missing = {one.key for one in reads if one.key not in held or _too_narrow(one, held[one.key])}
    return tuple(one for one in reads if one.key in missing)


def _listed(run: Run, name: str, reads: tuple[Any, ...]) -> dict[str, Answer]:
    """The listings that steps among the reads range over and that were made already."""
    found = {one.over.collection: run.snapshot.answer(name, one.over.key) for one in reads if isinstance(one, Step)}
    return {collection: answer for collection, answer in found.items() if answer is not None}


def _too_narrow(read: Any, answer: Answer) -> bool:
    return (
        isinstance(read, Listing)
        and read.reduce is None
        and answer.value is not None
        and bool(covers(answer.value["keep"], read.keep))
    )


def _side_by_side(
    run: Run, hosts: list[HostJob], clusters: list[ClusterJob], progress: Progress
) -> Mapping[str, Gathered]:
    from threading import Thread

    gathered: dict[str, Gathered] = {}
    failure: list[BaseException] = []

    def ask_clusters() -> None:
        from conformance.gather.clusters import gather_clusters

        try:
            gathered.update(gather_clusters(clusters, ClusterSettings(), progress))
        except BaseException as error:
            failure.append(error)

    thread = Thread(target=ask_clusters, name="clusters", daemon=True) if clusters else None
    if thread:
        thread.start()
    if hosts:
        from conformance.gather.hosts import gather_hosts

        gathered.update(gather_hosts(hosts, ssh_settings(run), progress))
    if thread:
        thread.join()
    if failure:
        raise failure[0]
    return gathered


def _keep(run: Run, gathered: Mapping[str, Gathered]) -> None:
    for name in run.inventory:
        if name in gathered:
            run.snapshot.add(name, gathered[name].answers)
            notes = {**gathered[name].notes, "seconds": round(gathered[name].seconds, 3)}
            run.snapshot.notes.setdefault(name, {}).update(notes)


def _rehearse(run: Run, plan: Plan, announce: Announce) -> None:
    """Let the checks that use testinfra's `host` ask once, and keep what they were told.

    Their outcome here is nobody's business: they are decided later, from what was recorded, like all others.
    """
    by_host: dict[str, list[Rehearsal]] = {}
    for one in plan.rehearsals:
        by_host.setdefault(one.subject.name, []).append(one)
    if not by_host:
        return
    run.settle()
    progress = announce(f"undeclared commands of {len(by_host)} hosts", len(by_host))
    jobs = []
    for name, rehearsals in by_host.items():
        reads: tuple[HostRead, ...] = ()
        jobs.append(HostJob(name, run.change.hosts[name].connection, reads, _rehearsal_of(run, rehearsals)))
    _keep(run, _side_by_side(run, jobs, [], progress))


def _rehearsal_of(run: Run, rehearsals: list[Rehearsal]) -> Callable[[RunCommand], None]:
    def rehearse(ask: RunCommand) -> None:
        import pytest

        from conformance.facts.testinfra import recording_host

        for one in rehearsals:

            def keep(key: str, answer: Answer, name: str = one.subject.name) -> None:
                run.snapshot.add(name, {key: answer})

            built_in: dict[str, Any] = {
                "host": recording_host(one.subject, ask, keep),
                "subject": one.subject,
                "upgrade": run.change.upgrade_of(one.subject.cluster),
                "parameters": run.parameters_of(one.check.hazards[0]),
                "situation": run.situation,
            }
            try:
                given = {name: _value(run, one, name, built_in) for name in needs_of(one.check.function)}
                one.check.function(**given)
            except (Exception, pytest.skip.Exception, pytest.fail.Exception):  # noqa: S112
                continue  # what a check concludes counts only at evaluation

    return rehearse


def _value(run: Run, one: Rehearsal, name: str, built_in: Mapping[str, Any]) -> Any:
    if name in built_in:
        return built_in[name]
    fact = one.check.scope[name]
    if not isinstance(fact, Fact):
        msg = f"{name} is a plain fixture"
        raise TypeError(msg)
    return run.facts.value(fact, one.subject)
