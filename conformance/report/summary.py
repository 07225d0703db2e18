"""``preflight.json``: the whole examination, for programs. Its format is described in ``docs/report-format.md``."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

from conformance.findings import Examination, LeftOut
from conformance.report import files, groups

__all__ = ["SCHEMA", "json_lines", "json_schema", "to_json", "write_json"]

SCHEMA: Final = "pytest-preflight/report/1"
_CONTROLS: Final = re.compile("[\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def to_json(examination: Examination) -> dict[str, Any]:
    """The examination as plain data, its keys always in the same order."""
    return {
        **_head(examination),
        "findings": [one.to_dict() for one in examination.findings],
        **_tail(examination),
    }


def json_schema() -> dict[str, Any]:
    """The JSON Schema of `to_json`, as it ships with the package."""
    text = resources.files(__package__).joinpath("preflight.schema.json").read_text(encoding="utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _head(examination: Examination) -> dict[str, Any]:
    before, after = groups.upgrade(examination)
    coverage = examination.coverage
    return {
        "schema": SCHEMA,
        "suite": examination.suite,
        "title": examination.title,
        "verdict": examination.verdict.value,
        "reasons": list(examination.reasons),
        "verdicts": {
            name: {"verdict": verdict.value, "reasons": list(reasons)}
            for name, (verdict, reasons) in examination.verdicts.items()
        },
        "situation": examination.situation,
        "scope": examination.scope,
        "profile": examination.profile,
        "from": before,
        "to": after,
        "upgrades": {
            name: {"from": pair[0] or None, "to": pair[1] or None}
            for name, pair in examination.upgrades.items()
            if name
        },
        "started": examination.started,
        "finished": examination.finished,
        "fresh_until": examination.fresh_until,
        "snapshot": examination.snapshot,
        "inputs": dict(examination.inputs),
        "warnings": list(examination.warnings),
        "subjects": [_plain(one) for one in examination.subjects],
        "coverage": {
            "known": coverage.known,
            "examined": coverage.examined,
            "not_applicable": _left_out(coverage.not_applicable),
            "not_examined": _left_out(coverage.not_examined),
            "unknown": _left_out(coverage.unknown),
        },
    }


def _tail(examination: Examination) -> dict[str, Any]:
    compared = {"comparison": examination.comparison.to_dict()} if examination.comparison else {}
    return {**compared, "gather": _plain(examination.gather)}


def _left_out(listed: tuple[LeftOut, ...]) -> list[dict[str, str]]:
    return [one.to_dict() for one in listed]


def _plain(value: Any) -> Any:
    """`value` in the types that JSON has; what it has no type for is told as text rather than lost."""
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(one) for one in value]
    if isinstance(value, (set, frozenset)):
        return sorted(str(one) for one in value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value)


def write_json(examination: Examination, path: Path) -> None:
    """Write ``preflight.json``, whole or not at all.

    :raises ReportNotWritten: it cannot be written.
    """
    files.write({path: json_lines(examination)})


def json_lines(examination: Examination) -> Iterator[str]:
    """The text of `to_json`, piece by piece: tens of thousands of findings never stand in memory as one text.

    Every record of a list stands on a line of its own, so that ``grep`` and ``diff`` are of use. The last member is the
    digest of all lines before it: ``head -n -2 preflight.json | sha256sum``.
    """
    digest = hashlib.sha256()
    for piece in _lines(examination):
        digest.update(piece.encode())
        yield piece
    yield f' "digest": "sha256:{digest.hexdigest()}"\n}}\n'


def _lines(examination: Examination) -> Iterator[str]:
    findings = (one.to_dict() for one in examination.findings)
    yield "{\n"
    for key, value in _head(examination).items():
        yield from _member(key, value, " ")
        yield ",\n"
    yield from _listed("findings", findings, " ")
    for key, value in _tail(examination).items():
        yield ",\n"
        yield from _member(key, value, " ")
    yield ",\n"


def _member(key: str, value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, Mapping) and value:
        yield f"{indent}{_text(key)}: {{\n"
        for number, (name, inner) in enumerate(value.items()):
            yield ",\n" if number else ""
            yield from _member(name, inner, indent + " ")
        yield f"\n{indent}}}"
    elif isinstance(value, list) and value and not isinstance(value[0], str):
        yield from _listed(key, iter(value), indent)
    else:
        yield f"{indent}{_text(key)}: {_text(value)}"


def _listed(key: str, records: Iterator[Any], indent: str) -> Iterator[str]:
    yield f"{indent}{_text(key)}: ["
    number = 0
    for number, record in enumerate(records, 1):
        yield f"{',' if number > 1 else ''}\n{indent} {_text(record)}"
    yield f"\n{indent}]" if number else "]"


def _text(value: Any) -> str:
    """`value` as JSON on one line. What could act in a terminal is escaped, which loses nothing."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    if text.isascii() and "\x7f" not in text:
        return text
    # Half a surrogate pair is legal in no encoding and many parsers refuse its escape: it becomes visible text.
    text = _SURROGATES.sub(lambda match: f"\\\\u{ord(match.group()):04x}", text)
    return _CONTROLS.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
