"""Whether the certificates that a server shows can be trusted, as Go's crypto/x509 judges: what container runtimes do.

A CA may be any certificate that is named as one, also the server's own; only names in the subject alternative name
count; every certificate on the way to the CA, and the CA itself, must be valid, and for servers where it says what it is
for; one that signs others must be allowed to. Sources: RFC 5280, RFC 6125,
https://pkg.go.dev/crypto/x509#Certificate.Verify.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from ipaddress import ip_address
from itertools import islice
from typing import TYPE_CHECKING, Final

from conformance.facts.values.certificates import InvalidCertificates, blocks_of, decoded

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = [
    "certificates_of",
    "dates",
    "names_of",
    "paths_to",
    "purpose",
    "serves",
    "signers",
    "title_of",
    "why_no_signer",
]

#: CAs between a server's certificate and the last CA, and ways that are looked at: the text may be anything.
_DEEP: Final = 8
_MANY: Final = 64


def certificates_of(pem: str) -> list[Certificate]:
    """The certificates of a PEM text, in its order.

    :raises InvalidCertificates: there is none, or one cannot be decoded.
    """
    from cryptography import x509

    found = []
    for block in blocks_of(pem):
        try:
            one = decoded(block)
            # What is asked for later: fields are decoded late, and the text may be anything.
            _ = one.not_valid_after_utc, one.not_valid_before_utc, one.subject, one.issuer, names_of(one)
            _ = why_no_signer(one), purpose(one)
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


def paths_to(chain: Sequence[Certificate], anchors: Sequence[Certificate]) -> list[list[Certificate]]:
    """The server's certificate and those above it up to one of the CAs, each way there is, the shortest first.

    There are several where a CA was renewed with its key, or signed by two: one that holds is enough.
    """
    if not chain:
        return []
    if chain[0] in anchors:
        return [[chain[0]]]
    return sorted(islice(_ways([chain[0]], chain[1:], anchors), _MANY), key=len)


def _ways(
    way: list[Certificate], between: Sequence[Certificate], anchors: Sequence[Certificate]
) -> Iterator[list[Certificate]]:
    one = way[-1]
    for anchor in anchors:
        if anchor not in way and not why_no_signer(anchor, len(way) - 1) and _issued(one, anchor):
            yield [*way, anchor]
    if len(way) > _DEEP:
        return
    for above in between:
        if above not in way and above not in anchors and not why_no_signer(above, len(way) - 1) and _issued(one, above):
            yield from _ways([*way, above], between, anchors)


def signers(chain: Sequence[Certificate], anchors: Sequence[Certificate]) -> list[Certificate]:
    """The CAs whose key has signed one of the certificates, whether or not they may."""
    return [anchor for anchor in anchors if any(one != anchor and _issued(one, anchor) for one in chain)]


def _issued(one: Certificate, by: Certificate) -> bool:
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

    try:
        one.verify_directly_issued_by(by)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def why_no_signer(one: Certificate, below: int = 0) -> str:
    """Why it may not sign certificates; empty where it may.

    :param below: how many CAs stand between it and the server's certificate.
    """
    from cryptography import x509

    try:
        constraints = one.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        return "has no basicConstraints that make it a CA" if one.version is x509.Version.v3 else ""
    if not constraints.ca:
        return "is no CA (basicConstraints CA:FALSE)"
    if constraints.path_length is not None and below > constraints.path_length:
        return f"may stand above no more than {constraints.path_length} other CAs (its pathlen)"
    try:
        usage = one.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    return "" if usage.key_cert_sign else "may not sign certificates (keyUsage without keyCertSign)"


def purpose(one: Certificate) -> str:
    """Why it is not for servers, nor for signing those of servers; empty where it is."""
    from cryptography import x509
    from cryptography.x509.oid import ExtendedKeyUsageOID as Purpose

    try:
        usage = one.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return ""
    if Purpose.SERVER_AUTH in usage or Purpose.ANY_EXTENDED_KEY_USAGE in usage:
        return ""
    return "is not for servers (extendedKeyUsage without serverAuth)"


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
