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
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from conformance.facts.values.certificates import InvalidCertificates, blocks_of, decoded

if TYPE_CHECKING:
    from cryptography.x509 import Certificate, GeneralName

__all__ = [
    "certificates_of",
    "confined",
    "dates",
    "names_of",
    "paths_to",
    "purpose",
    "serves",
    "signers",
    "strange",
    "title_of",
    "why_no_signer",
]

#: Signatures that are checked to find a way, as many as Go checks: the text may be anything.
_CHECKS: Final = 100


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
            _ = why_no_signer(one), purpose(one), strange(one), confined(one, one)
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
    return sorted(_ways([chain[0]], chain[1:], anchors, iter(range(_CHECKS))), key=len)


def _ways(
    way: list[Certificate], between: Sequence[Certificate], anchors: Sequence[Certificate], checks: Iterator[int]
) -> Iterator[list[Certificate]]:
    for above in (*anchors, *(one for one in between if one not in anchors)):
        last = above in anchors
        if above in way or above.subject != way[-1].issuer or why_no_signer(above, len(way) - 1, root=last):
            continue
        if next(checks, None) is None:
            return
        if _issued(way[-1], above):
            found = [*way, above]
            if last:
                yield found
            else:
                yield from _ways(found, between, anchors, checks)


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


def why_no_signer(one: Certificate, below: int = 0, *, root: bool = True) -> str:
    """Why it may not sign certificates; empty where it may.

    :param below: how many CAs stand between it and the server's certificate.
    :param root: whether it is one of the CAs that are trusted: these may be of a version that knows no constraints.
    """
    from cryptography import x509

    try:
        constraints = one.extensions.get_extension_for_class(x509.BasicConstraints).value
    except x509.ExtensionNotFound:
        old = root and one.version is not x509.Version.v3
        return "" if old else "has no basicConstraints that make it a CA"
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


def strange(one: Certificate) -> str:
    """What in it must be understood and is not; empty where nothing."""
    from cryptography import x509

    odd = [held for held in one.extensions if held.critical and isinstance(held.value, x509.UnrecognizedExtension)]
    if odd:
        return f"has a critical extension {odd[0].oid.dotted_string} that nobody knows"
    limits = [held.value for held in one.extensions if held.critical and isinstance(held.value, x509.NameConstraints)]
    trees = [tree for held in limits for tree in (*(held.permitted_subtrees or ()), *(held.excluded_subtrees or ()))]
    known = (x509.DNSName, x509.IPAddress, x509.RFC822Name, x509.UniformResourceIdentifier)
    return "" if all(isinstance(tree, known) for tree in trees) else "has critical nameConstraints that nobody judges"


def confined(one: Certificate, leaf: Certificate) -> str:
    """Why a CA may not sign for one of the server's names, by its name constraints; empty where it may.

    Source: RFC 5280, 4.2.1.10. Names of other kinds than host names, addresses, mail and URIs are not judged.
    """
    from cryptography import x509

    try:
        limits = one.extensions.get_extension_for_class(x509.NameConstraints).value
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ""
    for name in names:
        only = [held for held in limits.permitted_subtrees or () if isinstance(held, type(name))]
        never = [held for held in limits.excluded_subtrees or () if isinstance(held, type(name))]
        barred = any(_within(name, held) or _around(name, held) for held in never)
        if barred or (only and not any(_within(name, held) for held in only)):
            return f"may not sign for {name.value} (nameConstraints)"
    return ""


def _within(name: GeneralName, subtree: GeneralName) -> bool:
    from cryptography import x509

    if isinstance(subtree, x509.IPAddress):
        return bool(name.value in subtree.value)  # type: ignore[operator]
    held, limit = str(name.value).lower(), str(subtree.value).lower()
    if isinstance(subtree, x509.DNSName):
        return not limit or held.endswith(limit if limit.startswith(".") else f".{limit}") or held == limit
    if isinstance(subtree, x509.RFC822Name) and "@" in limit:
        return held == limit
    if isinstance(subtree, x509.RFC822Name | x509.UniformResourceIdentifier):
        host = held.rpartition("@")[2] if isinstance(subtree, x509.RFC822Name) else urlsplit(held).hostname or ""
        return host.endswith(limit) if limit.startswith(".") else host == limit
    return False


def _around(name: GeneralName, subtree: GeneralName) -> bool:
    """Whether a wildcard stands for a name that is in the subtree."""
    from cryptography import x509

    held = str(name.value).lower()
    return isinstance(subtree, x509.DNSName) and held.startswith("*.") and subtree.value.lower().endswith(held[1:])


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
