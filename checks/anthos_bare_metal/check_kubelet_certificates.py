"""Certificates of kubelets: those that they wait for, and those that come to their end."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from conformance import CLUSTER, NODE, WARNING, Members, Parameter, clear, cluster_fact, every, found, hazard, host_fact
from conformance.facts.kubernetes_nodes import PendingRequest
from conformance.facts.linux_kubelet import KubeletCertificate
from conformance.facts.values.moments import span

from ..sources import ANTHOS_BARE_METAL


@dataclass(frozen=True, slots=True)
class Ending:
    """A certificate of a kubelet, with what time it was there when it was read."""

    certificate: KubeletCertificate
    now: datetime


@host_fact()
def abm_kubelet_endings(kubelet_certificates: list[KubeletCertificate], host_time: datetime) -> list[Ending]:
    """The certificates of the node's kubelet, each with the time of the read."""
    return [Ending(one, host_time) for one in kubelet_certificates]


@cluster_fact(every(abm_kubelet_endings, on=[NODE]))
def abm_node_certificates(members: Members) -> Members:
    """Node -> the certificates of its kubelet, of the cluster's nodes that are named as hosts."""
    return members


def _number(text: str) -> int:
    number = int(text)
    if number < 0:
        raise ValueError("it is below zero")
    return number


@hazard(
    "abm-pending-kubelet-csr",
    title="kubelets wait for certificates that nobody approves, or their certificates are about to expire",
    severity=WARNING,
    on=[CLUSTER],
    source=ANTHOS_BARE_METAL.section("セキュリティ"),
    remedy="See that the controller in the admin cluster that approves the kubelets' requests runs and reaches this cluster.",
    parameters={
        "csr-pending-minutes": Parameter("10", _number, "minutes that a kubelet's signing request may be pending"),
        "certificate-days": Parameter("30", _number, "days that a kubelet's certificate must still be valid"),
    },
)
def check_kubelets_have_certificates(
    pending_kubelet_requests: list[PendingRequest],
    abm_node_certificates: Members,
    parameters: Mapping[str, Any],
) -> None:
    """Certificates are looked at on the nodes that are named as hosts; where none is, the clear result says so."""
    patience, days = (
        timedelta(minutes=parameters["csr-pending-minutes"]),
        timedelta(days=parameters["certificate-days"]),
    )
    late = [one for one in pending_kubelet_requests if one.age > patience]
    ending = [
        (name, one)
        for name, held in sorted(abm_node_certificates.items())
        for one in held
        if one.certificate.expires - one.now < days
    ]
    said, lines, steps = [], [], []
    if late:
        # A kubelet that waits asks again and again: it is named once, and its latest request is the one to approve.
        latest: dict[tuple[str, str], PendingRequest] = {}
        for one in late:
            latest[one.user, one.signer] = one
        for (user, signer), last in latest.items():
            own = [one for one in late if (one.user, one.signer) == (user, signer)]
            more = f" and {len(own) - 1} more" if len(own) > 1 else ""
            said.append(f"{user} has waited {span(own[0].age)} for {signer or 'a certificate'} ({last.name}{more})")
        lines += [
            f"certificatesigningrequest {one.name}: {one.signer} for {one.user}, created {one.created:%Y-%m-%d %H:%M:%S} UTC, "
            "pending"
            for one in late
        ]
        names = shlex.join(one.name for one in latest.values())
        steps.append(
            "See that the controller in the admin cluster that approves them runs and reaches this cluster. To approve by "
            f"hand, make sure first that each was asked for by the very node:\n  kubectl describe csr {names}\n"
            f"  kubectl certificate approve {names}"
        )
    for name, one in ending:
        certificate, left = one.certificate, one.certificate.expires - one.now
        when = f"{certificate.expires:%Y-%m-%d %H:%M:%S} UTC"
        how = f"expires in {span(left)}" if left > timedelta() else "has expired"
        said.append(f"{name}: the kubelet's {certificate.use} certificate {how} ({when}, {certificate.path})")
        lines.append(certificate.line)
    if ending:
        steps.append(
            "A kubelet renews its certificates long before that, so see why it did not, on each node named:\n"
            "  journalctl -u kubelet | grep -i certificate\n  kubectl get csr"
        )
    if said:
        raise found("; ".join(said), evidence=lines, remedy="\n".join(steps))
    if not abm_node_certificates and not abm_node_certificates.unread:
        raise clear(
            "no request is pending; until when the kubelets' certificates are valid was not looked at, since no node of "
            "this cluster is named as a host"
        )
