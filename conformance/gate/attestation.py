"""An in-toto statement about a report, and its signature: who vouches for which file, and for which verdict.

The statement has the predicate ``test-result`` (https://github.com/in-toto/attestation, spec/predicates/test-result.md);
signed, it stands in a DSSE envelope (https://github.com/secure-systems-lab/dsse), as cosign writes and verifies them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from conformance.documents import InvalidDocument
from conformance.findings import Examination, Outcome, Verdict
from conformance.gate.inputs import file_digest
from conformance.report.files import ENVELOPE, STATEMENT, write
from conformance.report.text import encodable

__all__ = ["Forged", "InvalidKey", "Signer", "attest", "key_id", "public_key", "statement", "verified"]

_TYPE: Final = "https://in-toto.io/Statement/v1"
_PREDICATE: Final = "https://in-toto.io/attestation/test-result/v0.1"
_PAYLOAD: Final = "application/vnd.in-toto+json"
_PASSWORD: Final = "PREFLIGHT_SIGN_PASSWORD"  # noqa: S105 - the name of a variable
_EXPECTED: Final = "expected PEM of an EC (P-256, P-384, P-521) or Ed25519 key, as `openssl genpkey` writes it"


class InvalidKey(InvalidDocument):
    """A key is missing, of another kind, or cannot be opened; a usage error that names the file."""


class Forged(ValueError):
    """A signature that is not of this key, or not about this file."""


def statement(examination: Examination, reports: Iterable[Path]) -> dict[str, Any]:
    """What is attested of these files: their digests, what they speak of, and how it ended.

    An incomplete run has not passed: only "go" is ``PASSED``, or ``WARNED`` where something was found and does not block.

    :raises InvalidDocument: one of them cannot be read.
    """
    warned = _told(examination, Outcome.WARNING, Outcome.WAIVED)
    result = "FAILED" if examination.verdict is not Verdict.GO else "WARNED" if warned else "PASSED"
    spoken_of = dict(examination.inputs)
    if examination.snapshot:
        spoken_of["snapshot"] = examination.snapshot
    return {
        "_type": _TYPE,
        "subject": [{"name": encodable(one.name), "digest": {"sha256": _hex(file_digest(one))}} for one in reports],
        "predicateType": _PREDICATE,
        "predicate": {
            "result": result,
            "configuration": [
                {"name": encodable(name), "digest": {"sha256": _hex(one)}} for name, one in spoken_of.items()
            ],
            "warnedTests": warned,
            "failedTests": _told(examination, Outcome.HAZARD, Outcome.UNKNOWN),
        },
    }


def attest(examination: Examination, reports: Iterable[Path], directory: Path, signer: Signer | None) -> None:
    """Write the statement about reports beside them, and with a key also its envelope.

    :raises ReportNotWritten: it cannot be written.
    :raises InvalidDocument: a report cannot be read.
    """
    content = statement(examination, reports)
    texts = {directory / STATEMENT: [json.dumps(content, indent=1) + "\n"]}
    if signer is not None:
        texts[directory / ENVELOPE] = [json.dumps(signer.envelope(content)) + "\n"]
    write(texts)


def _told(examination: Examination, *outcomes: Outcome) -> list[str]:
    return [encodable(f"{one.hazard}[{one.subject}]") for one in examination.findings if one.outcome in outcomes]


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


class Signer:
    """A private key that signs statements."""

    def __init__(self, path: Path) -> None:
        """Read the key, with the password in ``PREFLIGHT_SIGN_PASSWORD`` where it has one.

        :raises InvalidKey: it cannot be used.
        """
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        password = os.environ.get(_PASSWORD)
        data = _read(path, "--sign-key")
        try:
            self._key: Any = load_pem_private_key(data, password.encode() if password else None)
        except TypeError as error:
            hint = f"its password is read from {_PASSWORD}" if "not given" in str(error) else f"unset {_PASSWORD}"
            msg = f"--sign-key {path}: {str(error).rstrip('.')}: {hint}"
            raise InvalidKey(msg) from None
        except Exception:
            msg = f"--sign-key {path}: it cannot be opened (or {_PASSWORD} is wrong): {_EXPECTED}"
            raise InvalidKey(msg) from None
        self.id = key_id(_checked(self._key.public_key(), "--sign-key", path))

    def envelope(self, content: dict[str, Any]) -> dict[str, Any]:
        """The DSSE envelope of a statement."""
        payload = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
        signature = self._sign(_encoded(payload))
        return {
            "payloadType": _PAYLOAD,
            "payload": base64.b64encode(payload).decode(),
            "signatures": [{"keyid": self.id, "sig": base64.b64encode(signature).decode()}],
        }

    def _sign(self, data: bytes) -> bytes:
        scheme = _scheme(self._key.public_key())
        signature: bytes = self._key.sign(data, *scheme)
        return signature


def public_key(path: Path) -> Any:
    """The key with which signatures are verified.

    :raises InvalidKey: it cannot be read, or is of another kind.
    """
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(_read(path, "--verify-key"))
    except InvalidKey:
        raise
    except Exception:
        msg = f"--verify-key {path}: not a public key: {_EXPECTED.replace('genpkey', 'pkey -pubout')}"
        raise InvalidKey(msg) from None
    return _checked(key, "--verify-key", path)


def verified(envelope: Path, key: Any, report: Path) -> None:
    """See that a signature of this key vouches for a report.

    :raises Forged: it does not, with the reason.
    """
    try:
        record = json.loads(envelope.read_bytes())
        payload = base64.b64decode(record["payload"], validate=True)
        signatures = [base64.b64decode(one["sig"], validate=True) for one in record["signatures"]]
        kind = record["payloadType"]
    except OSError as error:
        msg = f"{envelope.name} cannot be read ({error.strerror}): the report is not signed"
        raise Forged(msg) from None
    except (ValueError, KeyError, TypeError, binascii.Error, RecursionError):
        msg = f"{envelope.name} is no signed statement (DSSE)"
        raise Forged(msg) from None
    if kind != _PAYLOAD or not any(_is_of(key, one, _encoded(payload)) for one in signatures):
        msg = f"{envelope.name} is not signed with the key {key_id(key)[:16]}…"
        raise Forged(msg)
    try:
        content = json.loads(payload)
        subjects = {one["digest"]["sha256"] for one in content["subject"] if one["name"] == report.name}
        said = (content["_type"], content["predicateType"])
    except (ValueError, KeyError, TypeError, RecursionError):
        msg = f"{envelope.name} holds no in-toto statement"
        raise Forged(msg) from None
    if said != (_TYPE, _PREDICATE) or _hex(file_digest(report)) not in subjects:
        msg = f"{envelope.name} is signed, but it speaks of another {report.name}"
        raise Forged(msg)


def key_id(key: Any) -> str:
    """The sha256 digest of a public key, hexadecimal."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _encoded(payload: bytes) -> bytes:
    """What is signed. Source: DSSE protocol, "PAE"."""
    return b"DSSEv1 %d %s %d %s" % (len(_PAYLOAD), _PAYLOAD.encode(), len(payload), payload)


def _is_of(key: Any, signature: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, data, *_scheme(key))
    except InvalidSignature:
        return False
    return True


def _scheme(key: Any) -> tuple[Any, ...]:
    """What `sign` and `verify` of a key need beside the data: the hash that fits its curve, as cosign has it."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec

    if not isinstance(key, ec.EllipticCurvePublicKey):
        return ()
    fitting = {256: hashes.SHA256(), 384: hashes.SHA384(), 521: hashes.SHA512()}
    return (ec.ECDSA(fitting[key.curve.key_size]),)


def _checked(key: Any, option: str, path: Path) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519

    if isinstance(key, ed25519.Ed25519PublicKey):
        return key
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in ("secp256r1", "secp384r1", "secp521r1"):
        return key
    msg = f"{option} {path}: {_EXPECTED}"
    raise InvalidKey(msg)


def _read(path: Path, option: str) -> bytes:
    try:
        return path.expanduser().read_bytes()
    except RuntimeError:
        msg = f"{option} {path}: whose home directory that is cannot be told"
        raise InvalidKey(msg) from None
    except OSError as error:
        msg = f"{option} {path}: cannot be read: {error.strerror or error}"
        raise InvalidKey(msg) from None
