"""Whether the certificates that a server shows can be trusted, as Go's crypto/x509 judges: what container runtimes do.

A CA may be any certificate that is named as one, also the server's own; only names in the subject alternative name
count; every certificate on the way to the CA, and the CA itself, must be valid. Sources: RFC 5280, RFC 6125,
https://pkg.go.dev/crypto/x509#Certificate.Verify.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import TYPE_CHECKING, Final

from conformance.facts.values.certificates import InvalidCertificates, blocks_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["certificates_of", "dates", "names_of", "path_to", "serves", "title_of"]

_DEEP: Final = 8


def certificates_of(pem: str) -> list[Certificate]:
    """The certificates of a PEM text, in its order.

    :raises InvalidCertificates: there is none, or one cannot be decoded.
    """
    from cryptography import x509

    found = []
    for block in blocks_of(pem):
        try:
            one = x509.load_pem_x509_certificate(block)
            # What is asked for later: fields are decoded late, and the text may be anything.
            _ = one.not_valid_after_utc, one.not_valid_before_utc, one.subject, one.issuer, names_of(one)
        except (ValueError, OverflowError, x509.UnsupportedGeneralNameType, x509.DuplicateExtension):
            msg = "a certificate that cannot be decoded"
            raise InvalidCertificates(msg) from None
        found.append(one)
    return found


def title_of(one: Certificate) -> str:
    """What a person knows a certificate by: its subject, or the first of its names."""
    return one.subject.rfc4514_string() or next(iter(names_of(one)), "") or f"serial {one.serial_number:x}"


def names_of(one: Certificate) -> list[str]:
    """The host names and addresses that it is for; those in the subject do not count."""
    from cryptography import x509

    try:
        names = one.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    addresses = [str(held) for held in names.get_values_for_type(x509.IPAddress)]
    return [*names.get_values_for_type(x509.DNSName), *addresses]


def serves(one: Certificate, host: str) -> bool:
    """Whether it is for this host name or address; a wildcard stands for one label in front."""
    plain = host.strip("[]")
    try:
        address = ip_address(plain)
    except ValueError:
        wanted = plain.lower().rstrip(".")
        for name in names_of(one):
            held = name.lower().rstrip(".")
            if held == wanted or (held.startswith("*.") and wanted.partition(".")[2] == held[2:]):
                return True
        return False
    return address.compressed in names_of(one)


def path_to(chain: Sequence[Certificate], anchors: Sequence[Certificate]) -> list[Certificate]:
    """The server's certificate and those above it up to one of the CAs, the shortest way; empty where there is none."""
    if not chain:
        return []
    ways = sorted(_ways(chain[0], [*chain[1:]], anchors, _DEEP), key=len)
    return ways[0] if ways else []


def _ways(
    one: Certificate, between: list[Certificate], anchors: Sequence[Certificate], deep: int
) -> Iterator[list[Certificate]]:
    if one in anchors:
        yield [one]
        return
    if not deep:
        return
    for anchor in anchors:
        if _issued(one, anchor):
            yield [one, anchor]
            return
    for above in between:
        if above != one and _may_sign(above) and _issued(one, above):
            rest = [other for other in between if other != above]
            for way in _ways(above, rest, anchors, deep - 1):
                yield [one, *way]
                return


def _issued(one: Certificate, by: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        one.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _may_sign(one: Certificate) -> bool:
    from cryptography import x509

    try:
        return one.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def dates(one: Certificate, at: datetime, until: datetime) -> str:
    """What is wrong with its validity between two moments; empty where nothing is."""
    begins, ends = one.not_valid_before_utc, one.not_valid_after_utc
    if begins > at:
        return f"is not valid before {begins:%Y-%m-%dT%H:%M:%SZ}"
    if ends < at:
        return f"has expired at {ends:%Y-%m-%dT%H:%M:%SZ}"
    if ends < until:
        return f"expires at {ends:%Y-%m-%dT%H:%M:%SZ}, within the change window"
    return ""
