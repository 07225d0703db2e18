"""An earlier report, asked again (``--verify``): whether it is evidence for the change at hand. Nobody is contacted."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from conformance.change import Change
from conformance.documents import InvalidDocument
from conformance.findings import Finding, LeftOut, Outcome, Verdict, judge, overall
from conformance.gate.attestation import Forged, key_id, public_key, verified
from conformance.gate.inputs import waivers_of
from conformance.gate.whom import other_clusters
from conformance.report.files import ENVELOPE
from conformance.versions import InvalidVersion, Version
from conformance.waivers import Waiver, complaints

if TYPE_CHECKING:
    from conformance.run import Run

__all__ = ["Verification", "verify"]

_SCHEMA: Final = "pytest-preflight/report/1"
_LAST: Final = re.compile(rb' "digest": "(sha256:[0-9a-f]{64})"\n}\n')
#: What clocks may differ by.
_SKEW: Final = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Verification:
    """What a gate may conclude from a report."""

    #: Why it is no report of this suite, or not as this suite wrote it: then nothing in it counts.
    forged: tuple[str, ...]
    #: Why it is no evidence for the change at hand: stale, or about something else.
    refused: tuple[str, ...]
    verdict: Verdict = Verdict.INCOMPLETE
    reasons: tuple[str, ...] = ()
    #: ISO 8601, by the change at hand.
    fresh_until: str = ""
    #: The digest of the key whose signature was verified; empty where none was asked for.
    signed_by: str = ""

    @property
    def stands(self) -> bool:
        """Whether it is evidence at all."""
        return not self.forged and not self.refused


def verify(
    run: Run, named: Change, path: Path, now: datetime, key: Path | None = None, *, strict: bool = False
) -> Verification:
    """Re-check digest, signature, target, versions, files and freshness of a report.

    :param named: the change as the person named it, without subjects that are only usual.
    :param key: with which the statement beside the report must be signed.
    :param strict: warnings and waivers unmatched, expired or too broad count as hazards, whatever the run held of them.
    :raises InvalidKey: the key cannot be used.
    :raises InvalidDocument: the waivers of the change are wrong.
    """
    opened = public_key(key) if key else None
    try:
        data = path.read_bytes()
    except OSError as error:
        return Verification((f"it cannot be read: {error.strerror or error}",), ())
    forged = list(_altered(data))
    if opened is not None and not forged:
        try:
            verified(path.with_name(ENVELOPE), opened, path)
        except Forged as error:
            forged.append(str(error))
    if forged:
        return Verification(tuple(forged), ())
    try:
        record = json.loads(data)
        findings = [Finding.from_dict(one) for one in record["findings"]]
        verdict, reasons = Verdict(record["verdict"]), tuple(map(str, record["reasons"]))
        forged.extend(_contradicted(record, findings, verdict))
        fresh_until = _moment(record["started"]) + timedelta(hours=named.fresh_hours)
        waivers, digest = waivers_of(named, run.every_hazard(), run.profile, now)
        named = replace(named, inputs={**named.inputs, **digest})
        if strict:
            verdict, reasons = _strictly(run, waivers, record, findings, now, (verdict, reasons))
        refused = [
            *_elsewhere(run, named, record, findings),
            *_waived(run, waivers, findings),
            *_stale(record, findings, fresh_until, now),
        ]
    except InvalidDocument:
        raise
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError, OverflowError) as error:
        return Verification((f"it is damaged ({type(error).__name__}: {error})",), ())
    signed_by = key_id(opened) if opened is not None else ""
    return Verification(
        tuple(forged), tuple(refused), verdict, reasons, fresh_until.isoformat(timespec="seconds"), signed_by
    )


def _altered(data: bytes) -> Iterator[str]:
    """Whether the text is as it was written: its last member is the digest of all lines before it."""
    match = _LAST.search(data, max(0, len(data) - 120))
    if match is None or match.end() != len(data):
        yield "it does not end with its digest: written by something else, or formatted anew"
    elif f"sha256:{hashlib.sha256(data[: match.start()]).hexdigest()}".encode() != match[1]:
        yield "it was altered after it was written: its digest is that of another text"


def _contradicted(record: Mapping[str, Any], findings: list[Finding], verdict: Verdict) -> Iterator[str]:
    """Whether its findings lead to another verdict than the one that it states."""
    if record["schema"] != _SCHEMA:
        yield f"its format is {record['schema']!r}; expected {_SCHEMA!r}: examine again with this version of the suite"
    each = {name: (Verdict(one["verdict"]), tuple(one["reasons"])) for name, one in record.get("verdicts", {}).items()}
    owed, reasons = overall(judge(findings, _left_out(record), strict=False), each)
    if verdict is Verdict.GO and owed is not Verdict.GO:
        yield f"it states go, and its findings lead to {owed}: {', '.join(reasons)}"
    if owed is Verdict.NO_GO and verdict is not Verdict.NO_GO:
        yield f"it states {verdict}, and its findings lead to {owed}: {', '.join(reasons)}"


def _left_out(record: Mapping[str, Any]) -> list[LeftOut]:
    """What the report says was not looked for; by decision, where it looked at one side only."""
    decided = bool(record["scope"])
    return [
        LeftOut(one["hazard"], one["reason"], one.get("subject"), decided) for one in _listed(record, "not_examined")
    ]


def _strictly(
    run: Run,
    waivers: list[Waiver],
    record: Mapping[str, Any],
    findings: list[Finding],
    now: datetime,
    stated: tuple[Verdict, tuple[str, ...]],
) -> tuple[Verdict, tuple[str, ...]]:
    """The verdict as ``--strict`` has it: never milder than the one that is stated."""
    left_out = _left_out(record)
    loud = len(complaints(waivers, findings, now, run.blockers() if waivers else (), left_out))
    owed = judge(findings, left_out, strict=True, loud=loud)
    return owed if owed[0] is Verdict.NO_GO else stated


def _listed(record: Mapping[str, Any], kind: str) -> list[Mapping[str, Any]]:
    """One of the lists of a report's coverage."""
    found: list[Mapping[str, Any]] = record["coverage"][kind]
    return found


def _elsewhere(run: Run, named: Change, record: Mapping[str, Any], findings: list[Finding]) -> Iterator[str]:
    """Whether it is about something else than the change at hand."""
    if record["profile"] != run.profile.name:
        yield f"it is about profile {record['profile']}, not {run.profile.name}"
    if record["situation"] != run.situation:
        yield f"it is about the situation {record['situation']!r}, not {run.situation.value!r}"
    if run.replay and record["snapshot"] != run.snapshot.digest():
        yield "it speaks of another snapshot"
    asked = "" if len(named.examine) > 1 else f"{named.examine[0]} only"
    if record["scope"] and record["scope"] != asked:
        yield f"it looked at {record['scope']}"
    parts = ("not_applicable", "not_examined", "unknown")
    seen = {one.hazard for one in findings} | {one["hazard"] for part in parts for one in _listed(record, part)}
    new = [one for one in run.profile.hazards if one not in seen]
    if new:
        yield f"the profile has hazards by now that it did not look for: {', '.join(new)}"
    yield from _other_subjects(run, named, record)
    if not run.replay and "clusters" in named.examine:
        yield from other_clusters(named, record["subjects"])
    yield from _other_files(named, record)


def _other_subjects(run: Run, named: Change, record: Mapping[str, Any]) -> Iterator[str]:
    there = {one["name"] for one in record["subjects"]}
    for name in (*named.looked_at, *named.hosts):
        if name not in there:
            yield f"{name} was not examined"
    for name in named.clusters or [""]:
        upgrade = named.upgrade_of(name or None)
        if upgrade.none or (name in named.looked_at and name not in there):
            continue
        said = record["upgrades"].get(name) if name else {"from": record["from"], "to": record["to"]}
        for side, wanted in (("from", upgrade.source), ("to", upgrade.target or run.profile.target)):
            found = said[side] if said else None
            if wanted is not None and not _same(wanted, found):
                where = f"{name}: " if name else ""
                yield f"{where}it is about an upgrade {side} {found or 'a version that nobody knew'}, not {side} {wanted}"


def _same(wanted: Version, found: str | None) -> bool:
    try:
        version = Version.parse(found or "")
    except InvalidVersion:
        return False
    if wanted.is_series:
        return version.release[:2] == wanted.release[:2]
    return version.public == wanted.public


def _other_files(named: Change, record: Mapping[str, Any]) -> Iterator[str]:
    """The files that describe the change must be the ones that it was made from, and no others."""
    now = named.inputs
    then: Mapping[str, str] = record["inputs"]
    if named.file is None and sorted(now.values()) == sorted(then.values()):
        return  # without a change file, what files are called depends on where pytest was started
    for name in sorted({*now, *then}):
        if name not in then:
            yield f"{name} is no part of what it examined"
        elif name not in now:
            yield f"{name} was part of what it examined, and is no part of this change"
        elif now[name] != then[name]:
            yield f"{name} has changed since"


def _waived(run: Run, waivers: list[Waiver], findings: list[Finding]) -> Iterator[str]:
    """What it has waived must be waived by the waivers at hand, and the profile must let somebody."""
    for one in findings:
        if one.outcome is not Outcome.WAIVED:
            continue
        if one.hazard in run.profile.never_waived:
            yield f"it has {one.hazard} on {one.subject} waived, which profile {run.profile.name} lets nobody waive"
        elif not any(waiver.matches(one) for waiver in waivers):
            yield f"it has {one.hazard} on {one.subject} waived, and no waiver at hand says so"


def _stale(record: Mapping[str, Any], findings: list[Finding], until: datetime, now: datetime) -> Iterator[str]:
    started, finished = _moment(record["started"]), _moment(record["finished"])
    if started > now + _SKEW or finished > now + _SKEW:
        yield f"it says that it was made at {record['finished']}, which is yet to come: is a clock wrong?"
    if until <= now:
        yield f"it is stale: what it says was read at {record['started']} and counted until {until.isoformat()}"
    for one in findings:
        expires = one.waiver.get("expires") if one.waiver else None
        if expires and _moment(expires) <= now:
            yield f"the waiver of {one.hazard} on {one.subject} has expired at {expires}"


def _moment(text: str) -> datetime:
    """A moment with its zone.

    :raises ValueError: it is none, or nobody can tell where.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        msg = f"{text!r} is a time without a zone"
        raise ValueError(msg)
    return moment.astimezone(UTC)
