"""Certificates that a registry mirror may show: of any issuer, for any names, valid from and to any day."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["Made", "made"]

#: When everything is well.
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Made:
    """A certificate and its key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def pem(self) -> bytes:
        """The certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def text(self) -> str:
        """The certificate as a specification has it."""
        return self.pem.decode()

    @property
    def key_pem(self) -> bytes:
        """The key, not encrypted."""
        none = serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, none)


def made(
    name: str,
    by: Made | None = None,
    *,
    hosts: Iterable[str] = (),
    ca: bool = False,
    begins: datetime = NOW - timedelta(days=30),
    ends: datetime = NOW + timedelta(days=300),
    like: Made | None = None,
    constrained: bool = True,
    longest: int | None = None,
    more: Iterable[x509.ExtensionType] = (),
    critical: Iterable[x509.ExtensionType] = (),
) -> Made:
    """A certificate of this common name; it signs itself where nobody does.

    :param like: whose key it has.
    :param constrained: whether it has basicConstraints at all, with the path length `longest`.
    :param more: further extensions; `critical` ones must be understood.
    """
    key = like.key if like else ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    issuer = by.certificate.subject if by else subject
    builder = x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number(), begins, ends)
    if constrained:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=longest), critical=True)
    for held, must in ((more, False), (critical, True)):
        for one in held:
            builder = builder.add_extension(one, critical=must)
    names = list(hosts)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
    return Made(builder.sign(by.key if by else key, hashes.SHA256()), key)


def _name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)
