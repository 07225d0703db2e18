"""How it was examined: the subjects and how they were reached, what was read, by which versions, how long it took."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from conformance.findings import Examination
from conformance.report.html.parts import code, folded, moment, rows, table, text, told
from conformance.report.html.verdict import suite_of
from conformance.report.text import cut
from conformance.report.words import Words

__all__ = ["how", "sign_off"]

#: Keys of `Examination.gather` that are told in words; what else there is follows as it is.
_TOLD: Final = ("subjects", "reads", "versions", "catalogue", "finished", "from_snapshot")
_READS: Final = 300
#: Of a read; --plan shows it whole.
_SHORT: Final = 240
_SIGNERS: Final = ("Examined by", "Reviewed by", "Approved by")


def how(examination: Examination, say: Words) -> Iterator[str]:
    """The section about the examination itself."""
    gather = examination.gather
    yield f'<section id="pf-how"><h2>{say("How it was examined")}</h2>'
    yield f"<p>{say(_manner(examination))}</p>"
    yield from _not_verified(examination, say)
    yield f'<table class="pf-pairs"><tbody>{rows(_run(examination, say))}</tbody></table>'
    yield from _subjects(examination, say)
    yield from _reads(gather.get("reads"), say)
    rest = {key: value for key, value in gather.items() if key not in _TOLD}
    if rest:
        pairs = rows((text(str(key)), text(told(value))) for key, value in rest.items())
        yield folded(say("What else the gatherers tell"), f'<table class="pf-pairs"><tbody>{pairs}</tbody></table>')
    yield "</section>"


def _manner(examination: Examination) -> str:
    if examination.gather.get("from_snapshot"):
        return "From a snapshot: nobody was contacted for this report."
    return "Read once, without changing anything; every check was decided from what was read then."


def _run(examination: Examination, say: Words) -> Iterator[tuple[str, str]]:
    yield say("Reading began"), moment(examination.started)
    if examination.gather.get("finished"):
        yield say("Reading ended"), moment(told(examination.gather["finished"]))
    yield say("Judged"), moment(examination.finished)
    versions = examination.gather.get("versions")
    parts = [suite_of(examination), told(versions).replace("; ", ", ")]
    yield say("Versions"), text(", ".join(filter(None, parts)))
    for name, digest in examination.inputs.items():
        yield text(name), code(digest)


def _not_verified(examination: Examination, say: Words) -> Iterator[str]:
    """Whom nobody can be sure to have talked to, by somebody's decision."""
    unsure = [name for name, notes in _notes(examination).items() if not _verified(notes)]
    if unsure:
        listed = "".join(f"<li>{text(one)}</li>" for one in unsure)
        words = say("By somebody's decision the host key or certificate of these was not verified:")
        yield f'<div class="pf-loud"><p>{words}</p><ul>{listed}</ul></div>'
    elif any("host_key" in notes or "tls" in notes for notes in _notes(examination).values()):
        yield f"<p>{say('Every host key and certificate was verified.')}</p>"


def _verified(notes: Mapping[str, Any]) -> bool:
    key = notes.get("host_key")
    known = not isinstance(key, Mapping) or bool(key.get("verified", True))
    return known and notes.get("tls", "verified") == "verified"


def _notes(examination: Examination) -> dict[str, Mapping[str, Any]]:
    """The gatherers' notes by subject."""
    kept = examination.gather.get("subjects")
    if not isinstance(kept, Mapping):
        return {}
    return {str(name): one for name, one in kept.items() if isinstance(one, Mapping)}


def _subjects(examination: Examination, say: Words) -> Iterator[str]:
    if not examination.subjects:
        return
    notes = _notes(examination)
    body = [_subject(one, notes.get(str(one.get("name", "")), {})) for one in examination.subjects]
    head = [say(one) for one in ("Subject", "Kind", "Reached at", "Known by", "Seconds")]
    number = say.number(len(body), "subject")
    yield folded(say("The subjects and how they were reached: {n}", n=number), table("pf-subjects", head, body))


def _subject(one: Mapping[str, Any], notes: Mapping[str, Any]) -> Sequence[str]:
    belongs = [one.get("cluster"), one.get("manager")]
    kind = ", ".join(filter(None, [told(one.get("kind")), told(one.get("roles")), *map(told, belongs)]))
    key = notes.get("host_key")
    if isinstance(key, Mapping):
        by = f"{told(key.get('fingerprint'))} ({told(key.get('by')) if key.get('verified', True) else 'NOT VERIFIED'})"
    else:
        by = f"TLS: {told(notes['tls'])}" if "tls" in notes else ""
    place = told(notes.get("connection") or notes.get("server"))
    cells = (told(one.get("name")), kind, place, by, told(notes.get("seconds")))
    return [text(cell) for cell in cells]


def _reads(reads: object, say: Words) -> Iterator[str]:
    """The plan as it was carried out: each read once."""
    if not isinstance(reads, Sequence) or isinstance(reads, str) or not reads:
        return
    body = [
        [
            code(cut(told(one.get("read")), _SHORT)),
            text(told(one.get("subjects"))),
            text(told(one.get("unread") or "")),
            text(told(one.get("seconds"))),
        ]
        for one in reads[:_READS]
        if isinstance(one, Mapping)
    ]
    head = [say(one) for one in ("Read", "Subjects", "Not read", "Slowest, seconds")]
    more = f"<p>{say('{n} more, see preflight.json', n=f'{len(reads) - _READS:,}')}</p>" if len(reads) > _READS else ""
    summary = say("What was read, and nothing else: {n}", n=say.number(len(reads), "read"))
    yield folded(summary, table("pf-reads", head, body) + more)


def sign_off(examination: Examination, say: Words) -> Iterator[str]:
    """A block to sign on paper, and the digest of what it speaks of."""
    yield f'<section id="pf-sign"><h2>{say("Sign-off")}</h2>'
    words = say("This report speaks of one snapshot and of nothing that was done since.")
    until = (
        f" {say('It is evidence until {time}.', time=moment(examination.fresh_until))}"
        if examination.fresh_until
        else ""
    )
    yield f"<p>{words}{until}</p>"
    if examination.snapshot:
        yield f'<p class="pf-digest">{say("Digest of the snapshot")}: {code(examination.snapshot)}</p>'
        yield f"<p>{say('It is that of the file that --save-snapshot keeps, uncompressed: compare with sha256sum.')}</p>"
    else:
        yield f"<p>{say('No snapshot was kept.')}</p>"
    head = [say(one) for one in ("Role", "Name", "Decision", "Date", "Signature")]
    body = [[say(one), "", say("go / no-go"), "", ""] for one in _SIGNERS]
    yield table("pf-signatures", head, body)
    yield "</section>"
