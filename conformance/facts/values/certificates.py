"""Certificates in a PEM text: which they are, and when each was issued. Format: RFC 7468, RFC 5280."""

from __future__ import annotations

import hashlib
import re
import warnings
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from cryptography import x509

__all__ = ["Certificate", "InvalidCertificates", "blocks_of", "certificates_in", "decoded"]

_BEGIN: Final = "-----BEGIN CERTIFICATE-----"
_BLOCK: Final = re.compile(_BEGIN + r"[^-]*-----END CERTIFICATE-----")


class InvalidCertificates(ValueError):
    """A text without a certificate, or with one that is damaged; the message shows nothing of the text."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """A certificate, by what tells it from others."""

    #: Of its DER form, in hexadecimal: equal for all spellings in base64.
    sha256: str
    #: The beginning of its validity; None where it is known by its fingerprint alone.
    issued: datetime | None

    def __str__(self) -> str:
        return f"sha256 {self.sha256[:16]}…" + (f" of {self.issued:%Y-%m-%d %H:%M:%S}" if self.issued else "")

    def to_dict(self) -> dict[str, Any]:
        """The certificate in the types of JSON."""
        return {"sha256": self.sha256, "issued": self.issued.isoformat() if self.issued else None}

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> Certificate:
        """What `to_dict` gave."""
        issued = stored["issued"]
        return cls(str(stored["sha256"]), datetime.fromisoformat(issued) if issued else None)


def blocks_of(pem: str) -> list[bytes]:
    """The certificates of a PEM text as they stand there, in its order; text around them is passed over.

    :raises InvalidCertificates: there is none, or one is cut off.
    """
    blocks: list[str] = _BLOCK.findall(pem)
    if not blocks or len(blocks) != pem.count(_BEGIN):
        msg = "no certificate in PEM form" if not blocks else "a certificate that is cut off"
        raise InvalidCertificates(msg)
    return [one.encode() for one in blocks]


def decoded(block: bytes) -> x509.Certificate:
    """One certificate in PEM form.

    :raises ValueError: it cannot be decoded.
    """
    from cryptography import x509
    from cryptography.utils import CryptographyDeprecationWarning

    # kubeadm numbered its authorities 0 for years (https://github.com/kubernetes/kubernetes/pull/117791): no reason to stop
    # for those who make errors of warnings. Not undone afterwards: that would disturb other threads.
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)
    return x509.load_pem_x509_certificate(block)


def certificates_in(pem: str) -> tuple[Certificate, ...]:
    """The certificates of a PEM text, each once, in its order; text around them is passed over.

    :raises InvalidCertificates: there is none, or one cannot be decoded.
    """
    from cryptography.hazmat.primitives.serialization import Encoding

    found = []
    for block in blocks_of(pem):
        try:
            one = decoded(block)
            digest = hashlib.sha256(one.public_bytes(Encoding.DER)).hexdigest()
            found.append(Certificate(digest, one.not_valid_before_utc))
        except (ValueError, OverflowError):
            # Not what it says: the text may be anything.
            msg = "a certificate that cannot be decoded"
            raise InvalidCertificates(msg) from None
    return tuple(dict.fromkeys(found))
