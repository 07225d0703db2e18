"""Certificates and keys of a kubeconfig: is that one, do the two belong together, until when is it valid."""

from __future__ import annotations

import base64
import binascii
import ssl
from datetime import UTC, datetime

__all__ = [
    "InvalidPem",
    "check_authority",
    "check_pair",
    "decoded",
    "expiry_of_certificate",
    "expiry_of_token",
]


class InvalidPem(ValueError):
    """Not what it should be; the message completes "FIELD: …" and shows nothing of the data."""


def decoded(text: str) -> bytes:
    """The content of a ``…-data`` field.

    :raises InvalidPem: it is not base64.
    """
    try:
        return base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        raise InvalidPem("is not base64") from None


def check_authority(pem: bytes) -> None:
    """Check that `pem` holds certificates to verify a server with.

    :raises InvalidPem: it does not.
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=pem.decode("ascii"))
    except (ssl.SSLError, ValueError):
        raise InvalidPem("holds no certificate in PEM form") from None


def check_pair(certificate: bytes, key: bytes) -> None:
    """Check that both are PEM and that the key is the certificate's.

    :raises InvalidPem: they are not; the message names the field.
    """
    from cryptography import x509
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

    try:
        public = x509.load_pem_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidPem("client-certificate: holds no certificate in PEM form") from None
    try:
        private = load_pem_private_key(key, password=None)
    except TypeError:
        raise InvalidPem("client-key: is encrypted, which kubeconfig files do not allow") from None
    except (ValueError, UnsupportedAlgorithm):
        raise InvalidPem("client-key: holds no private key in PEM form") from None
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    if private.public_key().public_bytes(*form) != public.public_bytes(*form):
        raise InvalidPem("client-key: is not the key of the client-certificate")


def expiry_of_certificate(certificate: bytes) -> datetime | None:
    """The last moment at which the (first) certificate is valid; None where that cannot be told."""
    from cryptography import x509

    try:
        return x509.load_pem_x509_certificate(certificate).not_valid_after_utc
    except ValueError:
        return None


def expiry_of_token(token: str) -> datetime | None:
    """The moment at which a JSON Web Token ends; None for other tokens and those without an end."""
    import json

    try:
        claims = token.split(".")[1]
        ends = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["exp"]
        return datetime.fromtimestamp(float(ends), UTC)
    except (IndexError, KeyError, ValueError, TypeError, OverflowError, OSError):
        return None
