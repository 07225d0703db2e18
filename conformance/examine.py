"""From the findings of a session to the examination that every report is made from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from conformance import __version__
from conformance.account import account_of
from conformance.comparison import compare
from conformance.findings import Coverage, Earlier, Examination, Finding, LeftOut, Outcome, Verdict, judge, overall
from conformance.run import now_text
from conformance.waivers import Waiver, complaints

if TYPE_CHECKING:
    from conformance.run import Run

__all__ = ["examine", "fresh_until"]


def examine(
    run: Run,
    found: Mapping[tuple[str, str], Finding],
    waivers: Iterable[Waiver],
    now: datetime,
    *,
    strict: bool,
    broken_off: str = "",
    earlier: Earlier | None = None,
    inputs: Mapping[str, str] = MappingProxyType({}),
) -> Examination:
    """Everything that the reports say.

    :param found: hazard and subject -> the finding.
    :param now: the moment that decides whether a waiver has expired.
    :param strict: warnings and waivers unmatched, expired or too broad count as hazards.
    :param broken_off: why the session ended before all items had run; empty where it went to its end.
    :param earlier: the report of an earlier run to compare with.
    :param inputs: the files that bind the verdict besides those of the change: name -> ``sha256:…``.
    """
    findings = tuple(sorted(found.values(), key=lambda one: one.rank))
    missing = _not_run(run, found, broken_off or "deselected by hand (-k, -m, --lf, a path …)")
    not_examined = (*run.selection.not_examined, *missing)
    waivers = list(waivers)
    loud = complaints(waivers, findings, now, run.blockers() if waivers else (), not_examined)
    verdicts = _verdicts(run, findings, not_examined, strict=strict, loud=len(loud))
    verdict, reasons = overall(judge(findings, not_examined, strict=strict, loud=len(loud)), verdicts)
    snapshot = run.snapshot
    return Examination(
        verdict=verdict,
        reasons=reasons,
        profile=run.profile.name,
        title=run.profile.title,
        scope="" if len(run.change.examine) > 1 else f"{run.change.examine[0]} only",
        upgrades=_upgrades(run),
        started=snapshot.started,
        finished=now_text(),
        subjects=tuple(_subjects(run)),
        coverage=_coverage(run, findings, not_examined),
        findings=findings,
        warnings=(*loud, *_unverified(run)),
        gather={
            "from_snapshot": run.replay,
            "finished": snapshot.finished,
            "subjects": snapshot.notes,
            **account_of(run),
        },
        suite=__version__,
        comparison=compare(earlier, findings) if earlier else None,
        situation=run.situation.value,
        snapshot=snapshot.digest(),
        fresh_until=fresh_until(snapshot.started, run.change.fresh_hours),
        inputs={**run.change.inputs, **inputs},
        verdicts=verdicts,
    )


def fresh_until(started: str, hours: int) -> str:
    """When evidence of which reading began then is too old; empty where nothing was read, or nobody knows when."""
    try:
        return now_text(datetime.fromisoformat(started) + timedelta(hours=hours))
    except (ValueError, OverflowError):
        return ""


def _verdicts(
    run: Run, findings: tuple[Finding, ...], not_examined: tuple[LeftOut, ...], *, strict: bool, loud: int
) -> dict[str, tuple[Verdict, tuple[str, ...]]]:
    """The verdict on each cluster that is upgraded, where there are several.

    What belongs to no cluster - the fleet, a workstation, a hazard that was looked for nowhere - concerns all of them.
    """
    upgraded = [name for name, upgrade in run.upgrades().items() if not upgrade.none]
    if len(upgraded) < 2:
        return {}

    def concerns(subject: str | None, cluster: str) -> bool:
        if subject in run.change.clusters and subject not in run.inventory:
            return subject == cluster  # nobody looks at the cluster itself (--examine hosts)
        place = run.inventory.get(subject) if subject else None
        if place is None or place.kind == "fleet":
            return True
        own = place.name if place.kind == "cluster" else place.cluster
        return own is None or own == cluster or own == run.change.clusters[cluster].manager

    return {
        name: judge(
            [one for one in findings if concerns(one.subject, name)],
            [one for one in not_examined if concerns(one.subject, name)],
            strict=strict,
            loud=loud,
        )
        for name in upgraded
    }


def _not_run(run: Run, findings: Mapping[tuple[str, str], Finding], why: str) -> list[LeftOut]:
    """The cases that no item settled: deselecting by hand, or stopping early, can never yield a go."""
    return [
        LeftOut(case.hazard.id, why, case.subject.name)
        for case in run.selection.cases
        if (case.hazard.id, case.subject.name) not in findings
    ]


def _coverage(run: Run, findings: tuple[Finding, ...], not_examined: tuple[LeftOut, ...]) -> Coverage:
    def listed(outcome: Outcome) -> list[LeftOut]:
        return [LeftOut(one.hazard, one.message, one.subject) for one in findings if one.outcome is outcome]

    decided = {one.hazard for one in findings if one.outcome not in (Outcome.UNKNOWN, Outcome.NOT_APPLICABLE)}
    return Coverage(
        known=run.selection.known,
        examined=len(decided),
        not_applicable=(*run.selection.not_applicable, *listed(Outcome.NOT_APPLICABLE)),
        not_examined=not_examined,
        unknown=tuple(listed(Outcome.UNKNOWN)),
    )


def _upgrades(run: Run) -> dict[str, tuple[str, str]]:
    """Cluster -> from what to what; "" -> what the change says of all, or its profile where they do not agree."""
    found = {
        name: (str(one.source or ""), str(one.target or "")) for name, one in run.upgrades().items() if not one.none
    }
    whole = run.change.upgrade
    agreed = len({after for _, after in found.values()}) == 1
    target = whole.target or (None if agreed else run.profile.target)
    return {"": (str(whole.source or ""), str(target or "")), **found}


def _subjects(run: Run) -> list[dict[str, Any]]:
    records = []
    for one in (*run.inventory.hosts, *run.inventory.clusters):
        record: dict[str, Any] = {"name": one.name, "kind": one.kind, "roles": list(one.roles)}
        if one.cluster:
            record["cluster"] = one.cluster
        if one.manager:
            record["manager"] = one.manager
        if one.kind == "cluster" and (cluster := run.change.clusters.get(one.name)):
            told = {"server": cluster.server, "authority": cluster.authority}
            record.update({key: text for key, text in told.items() if text})
        records.append(record)
    return records


def _unverified(run: Run) -> list[str]:
    """What was not verified by somebody's decision, in words."""
    said = []
    for name, notes in run.snapshot.notes.items():
        key = notes.get("host_key")
        if isinstance(key, dict) and not key.get("verified", True):
            said.append(f"{name}: its host key {key.get('fingerprint', '')} was not verified, by decision")
        if notes.get("tls", "verified") != "verified":
            said.append(f"{name}: its certificate was not verified, by decision ({notes['tls']})")
    return said
