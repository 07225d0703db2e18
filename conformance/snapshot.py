"""Snapshots: what was read, as a file. The same checks run on it again, offline and elsewhere.

The format is documented in ``docs/snapshot-format.md``. A snapshot holds what the facts needed and nothing else; it
still describes machines, so it is written readable for its owner only.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from conformance.answers import PROBLEMS, Answer, Problem

__all__ = ["SCHEMA", "InvalidSnapshot", "Snapshot", "check_place", "merge"]

SCHEMA: Final = "pytest-preflight/snapshot/1"


class InvalidSnapshot(ValueError):
    """A snapshot file is missing, damaged or of another format; a usage error that names the file."""


@dataclass(slots=True)
class Snapshot:
    """All answers of a run by subject and read, and the change that they were read for."""

    #: The change as plain data; see `conformance.recorded`.
    change: Mapping[str, Any] = field(default_factory=dict)
    answers: dict[str, dict[str, Answer]] = field(default_factory=dict)
    #: When reading began and ended, ISO 8601 with zone.
    started: str = ""
    finished: str = ""
    #: Notes of the gatherers by subject: host keys, what was not verified by decision …
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    suite: str = ""
    #: Of one that was loaded: the digest of its file, uncompressed.
    loaded: str = field(default="", compare=False)

    def answer(self, subject: str, read: str) -> Answer | None:
        """The stored answer of one read, None where it was never made."""
        return self.answers.get(subject, {}).get(read)

    def add(self, subject: str, answers: Mapping[str, Answer]) -> None:
        """Keep the answers of a subject beside those that it already has."""
        self.answers.setdefault(subject, {}).update(answers)

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the file."""
        return {
            "schema": SCHEMA,
            "suite": self.suite,
            "started": self.started,
            "finished": self.finished,
            "change": self.change,
            "answers": {
                subject: {key: _answer_record(one) for key, one in sorted(reads.items())}
                for subject, reads in self.answers.items()
            },
            "notes": self.notes,
        }

    def digest(self) -> str:
        """``sha256:`` and the digest of its file before it is compressed: the one it is from, else as `save` writes it."""
        if self.loaded:
            return self.loaded
        digest = hashlib.sha256()
        for piece in self._pieces():
            digest.update(piece)
        return f"sha256:{digest.hexdigest()}"

    def _pieces(self) -> Iterator[bytes]:
        """`to_dict` as JSON, a subject at a time: that of a large fleet never stands in memory as one text."""
        before: dict[str, Any] = {}
        after: dict[str, Any] = {}
        for key, value in replace(self, answers={}).to_dict().items():
            (after if key == "notes" else before)[key] = value
        yield _json(before)[:-3]  # up to the brace of the answers, which stand last of these
        for number, (subject, reads) in enumerate(self.answers.items()):
            records = {key: _answer_record(one) for key, one in sorted(reads.items())}
            yield (b"," if number else b"{") + _json(subject) + b":" + _json(records)
        yield (b"}," if self.answers else b"{},") + _json(after)[1:]

    def save(self, path: Path) -> None:
        """Write the file, whole or not at all; compressed where its name ends in ``.gz``.

        :raises InvalidSnapshot: it cannot be written, with the reason.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
            try:
                with os.fdopen(handle, "wb") as raw:
                    data = b"".join(self._pieces())
                    raw.write(gzip.compress(data, 6, mtime=0) if path.suffix == ".gz" else data)
                os.replace(name, path)
            except BaseException:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as error:
            msg = f"{path}: the snapshot cannot be written: {error.strerror}"
            raise InvalidSnapshot(msg) from None

    @classmethod
    def load(cls, path: Path) -> Snapshot:
        """Read a file that `save` wrote.

        :raises InvalidSnapshot: it cannot be read, is damaged, or is of another format.
        """
        try:
            data = path.read_bytes()
            if data[:2] == b"\x1f\x8b":
                data = gzip.decompress(data)
            content = json.loads(data)
        except OSError as error:
            msg = f"{path}: the snapshot cannot be read: {error.strerror or 'it is damaged'}"
            raise InvalidSnapshot(msg) from None
        except (ValueError, EOFError, RecursionError, zlib.error):
            msg = f"{path}: not a snapshot, or cut off: expected the JSON file that --save-snapshot writes"
            raise InvalidSnapshot(msg) from None
        schema = content.get("schema") if isinstance(content, dict) else None
        if schema != SCHEMA:
            msg = f"{path}: expected a snapshot of format {SCHEMA!r}, found {schema!r}"
            raise InvalidSnapshot(msg)
        try:
            answers = {
                subject: {key: _answer_of(record) for key, record in reads.items()}
                for subject, reads in content["answers"].items()
            }
            return cls(
                change=dict(content["change"]),
                answers=answers,
                started=str(content["started"]),
                finished=str(content["finished"]),
                notes={subject: dict(told) for subject, told in content.get("notes", {}).items()},
                suite=str(content.get("suite", "")),
                loaded=f"sha256:{hashlib.sha256(data).hexdigest()}",
            )
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            msg = f"{path}: the snapshot is damaged: {type(error).__name__}: {error}"
            raise InvalidSnapshot(msg) from None


def check_place(path: Path) -> None:
    """See before anybody is contacted whether a snapshot can be written there.

    :raises InvalidSnapshot: it cannot, with the reason.
    """
    above = next((one for one in path.absolute().parents if one.exists()), Path("/"))
    if path.is_dir():
        reason = "it is a directory"
    elif not above.is_dir():
        reason = f"{above} is no directory"
    elif not os.access(above, os.W_OK | os.X_OK):
        reason = f"{above} may not be written to"
    else:
        return
    msg = f"--save-snapshot {path}: the snapshot cannot be written: {reason}"
    raise InvalidSnapshot(msg)


def _json(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def _answer_record(answer: Answer) -> dict[str, Any]:
    record: dict[str, Any] = {"seconds": round(answer.seconds, 3)}
    if answer.problem is not None:
        return {"problem": {"kind": answer.problem.kind, "message": answer.problem.message}, **record}
    return {"value": answer.value, **record}


def _answer_of(record: Mapping[str, Any]) -> Answer:
    seconds = float(record.get("seconds", 0))
    if "problem" in record:
        kind = record["problem"]["kind"]
        if kind not in PROBLEMS:
            msg = f"unknown kind of problem {kind!r}"
            raise ValueError(msg)
        return Answer(problem=Problem(kind, str(record["problem"]["message"])), seconds=seconds)
    return Answer(value=dict(record["value"]), seconds=seconds)


def merge(snapshots: Iterable[Snapshot]) -> Snapshot:
    """One snapshot of several: all subjects together.

    Where two hold the same read of the same subject, an answer wins over a problem, and the later snapshot over the
    earlier one otherwise. The earliest start is kept, since evidence is as old as its oldest part. The notes on a subject
    are joined, the later ones winning - but for one from which an answer was taken without verifying who gave it.

    :raises InvalidSnapshot: two of them call different machines or clusters by the same name.
    """
    ordered = sorted(snapshots, key=lambda one: one.finished)
    if len(ordered) == 1:
        return ordered[0]
    merged = Snapshot()
    change: dict[str, Any] = {}
    #: subject -> read -> the snapshot from which it was taken
    taken: dict[str, dict[str, Snapshot]] = {}
    for one in ordered:
        _check_same(change, merged.notes, one)
        for subject, reads in one.answers.items():
            held = merged.answers.setdefault(subject, {})
            for key, answer in reads.items():
                if key not in held or answer.problem is None or held[key].problem is not None:
                    held[key] = answer
                    taken.setdefault(subject, {})[key] = one
        for subject, told in one.notes.items():
            merged.notes[subject] = {**merged.notes.get(subject, {}), **told}
        change = _merge_changes(change, one.change)
        merged.started = min(filter(None, (merged.started, one.started)), default="")
        merged.finished = max(merged.finished, one.finished)
        merged.suite = one.suite
    merged.change = change
    for subject, sources in taken.items():
        held = merged.answers[subject]
        for one in {id(one): one for key, one in sources.items() if held[key].problem is None}.values():
            if unsure := _unverified(one.notes.get(subject, {})):
                merged.notes.setdefault(subject, {}).update(unsure)
    return merged


def _check_same(change: Mapping[str, Any], notes: Mapping[str, Any], other: Snapshot) -> None:
    """Refuse what would be a mixture of two: this machine of here and there, a context that is called so everywhere.

    :raises InvalidSnapshot: a name stands for something else in the other snapshot.
    """
    for kind, name, first, second in _named_alike(change, other.change):
        if kind == "cluster":
            pairs = [(first.get(key), second.get(key)) for key in ("server", "authority")]
        else:
            pairs = [
                (_place(first.get("connection")), _place(second.get("connection"))),
                (_machine(notes.get(name)), _machine(other.notes.get(name))),
            ]
        for mine, its in pairs:
            if mine and its and mine != its:
                msg = (
                    f"--snapshot: {name} is a {kind} in two of the snapshots, {mine} in one and {its} in another: give each a "
                    "name of its own in the change files for which they are read, or judge them one by one"
                )
                raise InvalidSnapshot(msg)


def _named_alike(
    first: Mapping[str, Any], second: Mapping[str, Any]
) -> Iterator[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]]:
    for kind in ("host", "cluster"):
        held, others = (one.get(f"{kind}s") for one in (first, second))
        if isinstance(held, Mapping) and isinstance(others, Mapping):
            for name in held.keys() & others.keys():
                if isinstance(held[name], Mapping) and isinstance(others[name], Mapping):
                    yield kind, name, held[name], others[name]


def _machine(told: object) -> object:
    return told.get("machine") if isinstance(told, Mapping) else None


def _place(connection: object) -> str:
    """Where a connection leads, by whomever: a host may be read again as another user."""
    scheme, mark, rest = str(connection or "").partition("://")
    return f"{scheme}{mark}{rest.rpartition('@')[2]}"


def _unverified(told: Mapping[str, Any]) -> dict[str, Any]:
    """Of the notes on a subject those that say that its host key or certificate was not verified."""
    key = told.get("host_key")
    found = {"host_key": key} if isinstance(key, Mapping) and not key.get("verified", True) else {}
    return found | ({"tls": told["tls"]} if told.get("tls", "verified") != "verified" else {})


def _merge_changes(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings such as hosts and clusters are joined, and so is what was examined or allowed; else the later one counts."""
    joined = dict(first)
    for key, value in second.items():
        if isinstance(value, Mapping) and isinstance(joined.get(key), Mapping):
            joined[key] = {**joined[key], **{name: one for name, one in value.items() if one is not None}}
        elif key == "examine" and isinstance(value, list) and isinstance(joined.get(key), list):
            joined[key] = [*joined[key], *(one for one in value if one not in joined[key])]
        elif key == "exec" and isinstance(value, bool):
            joined[key] = value or joined.get(key) is True
        elif value is not None:
            joined[key] = value
    return joined
