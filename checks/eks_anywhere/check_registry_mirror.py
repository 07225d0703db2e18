"""The certificate of a registry mirror, as the workstation sees it, against the CA that the specification gives to nodes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from conformance import BLOCKER, FLEET, Members, NotApplicable, Parameter, Unreadable, found, hazard
from conformance.change import Upgrade
from conformance.facts.values import tlschain
from conformance.facts.values.certificates import InvalidCertificates

from ..sources import EKS_ANYWHERE
from .facts_workstation import MirrorOf
from .parameters import EKSA_DIRECTORY
from .workstation import Mirrors, Reply

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

_WINDOW: Final = "eksa-change-window-hours"


def _hours(text: str) -> float:
    """Hours, also a part of one.

    :raises ValueError: it is no number, or below zero.
    """
    value = float(text)
    if not 0 <= value <= 87_600:  # also what is no number at all
        raise ValueError("expected hours between 0 and 87600")
    return value


@dataclass(slots=True)
class _Result:
    said: list[str] = field(default_factory=list)
    evidence: list[str] = field(default_factory=list)
    remedy: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def add(self, said: str, line: str, remedy: str) -> None:
        for held, one in ((self.said, said), (self.evidence, line), (self.remedy, remedy)):
            if one not in held:
                held.append(one)


@hazard(
    "eksa-registry-mirror-certificate",
    title="the certificate of the registry mirror does not verify, or expires within the change window",
    severity=BLOCKER,
    on=[FLEET],
    source=EKS_ANYWHERE.section("検証フェーズ"),
    remedy="Give the mirror a certificate of the CA in registryMirrorConfiguration.caCertContent that is valid for its name.",
    parameters={
        **EKSA_DIRECTORY,
        "eksa-registry-mirrors": Parameter(
            "", str, "registry mirrors that no specification on the workstation names, as HOST:PORT with commas between"
        ),
        _WINDOW: Parameter("24", _hours, "hours from now in which no certificate may expire"),
    },
    sides=["hosts", "clusters"],
)
def check_registry_mirror_certificates(
    eksa_mirrors_of: Members,
    eksa_mirror_replies: Members,
    upgrades: Mapping[str, Upgrade],
    parameters: Mapping[str, float],
) -> None:
    uses: list[MirrorOf] = [
        one for name, one in eksa_mirrors_of.items() if not (name in upgrades and upgrades[name].none)
    ]
    if not uses and not eksa_mirrors_of.unread:
        if not eksa_mirrors_of and not eksa_mirrors_of.inapplicable:
            raise Unreadable("no cluster is looked at: name it in the change file, or give --kubeconfig")
        reasons = "; ".join(eksa_mirrors_of.inapplicable.values())
        raise NotApplicable(reasons or "no cluster with a registry mirror is upgraded")
    result = _Result()
    for use in uses:
        anchors = _anchors(use, result)
        if not eksa_mirror_replies and not eksa_mirror_replies.unread:
            result.unknown.append(
                f"registry mirror {use.endpoint} of {use.cluster} was not asked: no workstation is named (give a host the "
                "role workstation in the change file)"
            )
        for host, mirrors in eksa_mirror_replies.items():
            _judge(use, anchors, host, mirrors, timedelta(hours=parameters[_WINDOW]), result)
    if result.said:
        raise found("; ".join(result.said), evidence=result.evidence, remedy="\n".join(result.remedy))
    if result.unknown:
        raise Unreadable("; ".join(dict.fromkeys(result.unknown)))


def _anchors(use: MirrorOf, result: _Result) -> list[Certificate] | None:
    """The CAs of the specification; none where it names none; None where what it names is no CA."""
    if not use.authority:
        return []
    try:
        return tlschain.certificates_of(use.authority)
    except InvalidCertificates as error:
        result.add(
            f"caCertContent of {use.where} is no CA: {error}",
            f"{use.where}: registryMirrorConfiguration.caCertContent: {error}",
            f"put the PEM text of the CA of {use.endpoint} into registryMirrorConfiguration.caCertContent of {use.where}",
        )
        return None


def _judge(
    use: MirrorOf, anchors: list[Certificate] | None, host: str, mirrors: Mirrors, window: timedelta, result: _Result
) -> None:
    reply: Reply | None = next((one for one in mirrors.replies.values() if _same(one.endpoint, use)), None)
    what = f"registry mirror {use.endpoint} of {use.cluster}"
    if reply is None:
        why = f"{mirrors.directory} of {host} cannot be looked into: {mirrors.refused}; " if mirrors.refused else ""
        result.unknown.append(
            f"{what} was not asked from {host}: {why}no specification in {mirrors.directory} names it, or more than four are "
            f"named: set the parameter eksa-directory, or eksa-registry-mirrors to {use.endpoint}"
        )
        return
    if not reply.chain:
        result.unknown.append(f"{what}, asked from {host}, showed no certificate: {reply.problem}")
        return
    try:
        chain = tlschain.certificates_of("".join(reply.chain))
    except InvalidCertificates as error:
        result.unknown.append(f"{what}, asked from {host}, showed {error}")
        return
    for why, line in _troubles(use, anchors, chain, reply, mirrors.at, mirrors.at + window):
        result.add(f"{what} {why}", f"{use.endpoint} from {host}: {line}", _remedy(use, host))


def _same(endpoint: str, use: MirrorOf) -> bool:
    host, _, port = endpoint.rpartition(":")
    return host.strip("[]").lower() == use.host.strip("[]").lower() and port == use.port


def _troubles(
    use: MirrorOf,
    anchors: list[Certificate] | None,
    chain: list[Certificate],
    reply: Reply,
    at: datetime,
    until: datetime,
) -> list[tuple[str, str]]:
    """Each problem, with the line that shows it."""
    leaf = chain[0]
    shown = f"subject {tlschain.title_of(leaf)}, issuer {leaf.issuer.rfc4514_string()}"
    told = []
    way = [leaf]
    if anchors:
        # One way that holds is enough; where none does, what is wrong with the shortest is told.
        ways = sorted(tlschain.paths_to(chain, anchors), key=lambda way: len(_flaws(way, at, until)))
        if ways:
            way = ways[0]
        else:
            told.append(
                (
                    f"shows a certificate ({shown}) that is not of the CA in {use.where} ({_named(chain, anchors)})",
                    shown,
                )
            )
    elif anchors is not None:
        if leaf.issuer == leaf.subject and reply.verdict != 0:
            told.append(
                (f"shows a certificate that signs itself ({shown}), while {use.where} has no caCertContent", shown)
            )
        elif reply.verdict != 0:
            why = reply.verdict_text or "it said nothing"
            told.append(
                (f"shows a certificate ({shown}) that the workstation does not trust: {why}", f"{shown}: {why}")
            )
    if not tlschain.serves(leaf, use.host):
        names = ", ".join(tlschain.names_of(leaf)) or "none in its subject alternative name"
        told.append((f"shows a certificate that is not for {use.host} (its names: {names})", f"{shown}, names {names}"))
    for one, wrong in _flaws(way, at, until):
        which = "certificate" if one is leaf else "CA"
        line = f"{tlschain.title_of(one)}: valid {one.not_valid_before_utc:%Y-%m-%d} to {one.not_valid_after_utc:%Y-%m-%dT%H:%M:%SZ}"
        told.append((f"has the {which} {tlschain.title_of(one)}, which {wrong}", line))
    return told


def _flaws(way: list[Certificate], at: datetime, until: datetime) -> list[tuple[Certificate, str]]:
    """What is wrong with the certificates of a way, each with what it is."""
    return [
        (one, wrong)
        for one in way
        for wrong in (
            tlschain.dates(one, at, until),
            tlschain.purpose(one),
            tlschain.strange(one),
            tlschain.confined(one, way[0]) if one is not way[0] else "",
        )
        if wrong
    ]


def _named(chain: list[Certificate], anchors: list[Certificate]) -> str:
    """The CAs by name; those that have signed and may not, with why."""
    signed = tlschain.signers(chain, anchors)
    whys = {one: tlschain.why_no_signer(one) for one in anchors if one in signed}
    return ", ".join(tlschain.title_of(one) + (f", which {whys[one]}" if whys.get(one) else "") for one in anchors)


def _remedy(use: MirrorOf, host: str) -> str:
    place = shlex.quote(use.endpoint)
    return (
        f"# Renew the certificate of {use.endpoint} with the CA in {use.where}, for the name {use.host}; or put its CA into "
        f"registryMirrorConfiguration.caCertContent. What it shows, from {host}:\n"
        f"openssl s_client -connect {place} -showcerts </dev/null"
    )
