"""One hazard, evaluated by the real machinery on machines and clusters that a test describes.

Select, plan, snapshot file, facts, item and finding are those of a run with ``--snapshot``; only the nested pytest
around them is spared: the items are made in the session that runs the test.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from conformance.change import Change, Cluster, Host
from conformance.findings import Finding
from conformance.hazards import Situation
from conformance.items import CheckFile
from conformance.profiles import Library, Profile
from conformance.recorded import change_of
from conformance.run import Run
from conformance.settle import finding_of
from conformance.snapshot import Snapshot
from tests.hazards.worlds import Api, Machine, upgrade_of

__all__ = ["evaluate", "findings", "library", "session"]

#: The pytest session in which items are made; set by conftest.py.
session: list[pytest.Session] = []


@functools.cache
def library() -> Library:
    """The profiles and packs of the suite."""
    return Library()


@functools.cache
def shipped() -> tuple[Profile, ...]:
    """The profiles that people can choose."""
    return tuple(library().all())


def profile_with(hazard: str) -> Profile:
    """The latest shipped profile that names a hazard, without its target: that is for the test to say."""
    named = [one for one in shipped() if hazard in one.hazards]
    assert named, f"no shipped profile names {hazard}"
    return replace(named[-1], target=None)


def evaluate(hazard: str, *, subject: str | None = None, **world: Any) -> Finding:
    """The finding of one hazard on one subject - on the only one that it is looked for on, where none is named."""
    found = findings(hazard, **world)
    if subject is None:
        assert len(found) == 1, f"{hazard} is looked for on {', '.join(found) or 'no subject'}: say which"
        return next(iter(found.values()))
    return found[subject]


def findings(
    hazard: str,
    *,
    hosts: Mapping[str, Machine] | None = None,
    clusters: Mapping[str, Api] | None = None,
    upgrade: Any = None,
    parameters: Mapping[str, str] | None = None,
    profile: str | None = None,
    situation: Situation | None = None,
    execs: bool = True,
) -> dict[str, Finding]:
    """Subject name -> finding of one hazard.

    :param upgrade: ``("1.8.3", "1.9.0")``; None on either side where nobody says. A cluster may have its own.
    :param situation: the hazard's first one where none is given.
    :param execs: whether programs may be run in pods, as without ``--no-exec``.
    :param profile: the name of a profile, with its target; else the latest that names the hazard, without.
    """
    hosts, clusters = dict(hosts or {}), dict(clusters or {})
    with tempfile.TemporaryDirectory() as directory:
        change = Change(
            upgrade=upgrade_of(upgrade),
            hosts={name: Host(name, f"ssh://{name}", one.roles, one.cluster) for name, one in hosts.items()},
            clusters={name: _cluster(name, one, Path(directory)) for name, one in clusters.items()},
            parameters=dict(parameters or {}),
            exec=execs,
            file=Path("upgrade.yaml"),
        )
        chosen = library().find(profile) if profile else profile_with(hazard)
        run = Run(chosen, library(), change, situation or _situation(hazard))
        path = Path(directory, "snapshot.json")
        _gathered(run, hosts, clusters).save(path)
        snapshot = Snapshot.load(path)
    change = replace(change_of(snapshot.change), file=Path("upgrade.yaml"))
    run = Run(chosen, library(), change, run.situation, snapshot, replay=True)
    run.check_parameters()
    return dict(_decided(run, hazard))


def _cluster(name: str, api: Api, directory: Path) -> Cluster:
    paths = []
    for number, text in enumerate(api.desired):
        paths.append(directory / f"{name}-{number}.yaml")
        paths[-1].write_text(text, encoding="utf-8")
    return Cluster(
        name,
        role=api.role,
        manager=api.manager,
        upgrade=upgrade_of(api.upgrade),
        desired=tuple(paths),
        connected=api.connected,
    )


def _situation(hazard: str) -> Situation:
    from conformance.packs import load_checks

    for pack in library().packs:
        for check in load_checks(pack):
            for one in check.hazards:
                if one.id == hazard:
                    return one.situations[0]
    pytest.fail(f"there is no hazard {hazard}")


def _gathered(run: Run, hosts: Mapping[str, Machine], clusters: Mapping[str, Api]) -> Snapshot:
    plan = run.plan(undecided=True)
    run.read_desired(plan)
    for name, reads in plan.of_hosts(run.inventory).items():
        run.snapshot.add(name, {one.key: hosts[name].answer(one) for one in reads})
    for name, requests in plan.of_clusters(run.inventory).items():
        run.snapshot.add(name, clusters[name].answers(requests))
    run.record()
    return run.snapshot


def _decided(run: Run, hazard: str) -> Any:
    check, _ = run.table[hazard]
    file = CheckFile.from_parent(session[0], path=check.path)
    file.run = run
    for item in file.items_of(check.name, check.function):
        if item.case.hazard.id == hazard:
            yield item.case.subject.name, _outcome(item)


def _outcome(item: Any) -> Finding:
    for when, phase in (("setup", item.setup), ("call", item.runtest)):
        finding = finding_of(item, pytest.CallInfo.from_call(phase, when))
        if finding is not None:
            return finding
    raise AssertionError(f"{item.name} settled nothing")
