"""Addresses that must not meet."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from conformance import BLOCKER, FLEET, Parameter, Unreadable, found, hazard
from conformance.facts.values.addresses import Overlap, OwnedRange, Range, overlaps

from ..sources import ANTHOS_BARE_METAL
from .facts_addresses import ClusterRanges

_SHOWN = 20


def _network(text: str) -> Range:
    ip_network(text, strict=False)
    return Range.parse(text)


@hazard(
    "abm-bootstrap-cidr-overlap",
    title="a machine's address lies in the bootstrap (kind) cluster's pod or service range",
    severity=BLOCKER,
    on=[FLEET],
    source=ANTHOS_BARE_METAL.section("ブートストラップ(kind)クラスタ IP アドレスとクラスタノードの IP アドレスの重複"),
    remedy="Give bmctl other ranges: --bootstrap-cluster-pod-cidr and --bootstrap-cluster-service-cidr.",
    parameters={
        "bootstrap-pod-cidr": Parameter(
            "192.168.122.0/24", _network, "a CIDR: what bmctl gets as --bootstrap-cluster-pod-cidr"
        ),
        "bootstrap-service-cidr": Parameter(
            "10.96.0.0/27", _network, "a CIDR: what bmctl gets as --bootstrap-cluster-service-cidr"
        ),
    },
)
def check_bootstrap_ranges_are_free(
    abm_machine_addresses: list[OwnedRange],
    parameters: Mapping[str, Any],
) -> None:
    if not abm_machine_addresses:
        raise Unreadable("no address of any machine was read: name the clusters, or the hosts")
    ranges = {
        "pod": ("--bootstrap-cluster-pod-cidr", parameters["bootstrap-pod-cidr"]),
        "service": ("--bootstrap-cluster-service-cidr", parameters["bootstrap-service-cidr"]),
    }
    hits = [
        (kind, one) for kind, (_, taken) in ranges.items() for one in abm_machine_addresses if taken.overlaps(one.range)
    ]
    if hits:
        flags = list(dict.fromkeys(ranges[kind][0] for kind, _ in hits))
        said = list(dict.fromkeys(f"{one} (in the {kind} range {ranges[kind][1].text})" for kind, one in hits))
        raise found(
            f"{_some(said)}",
            evidence=said[:_SHOWN],
            remedy=f"Give bmctl another range, which no machine uses: {' and '.join(flags)}.",
        )


@hazard(
    "abm-cluster-ip-overlap",
    title="addresses of clusters overlap, which the platform does not verify on an update",
    severity=BLOCKER,
    on=[FLEET],
    source=ANTHOS_BARE_METAL.section("異なるクラスタ間での IP アドレスの重複"),
    remedy="Change the one of the two that is not in use yet, in its cluster configuration file.",
)
def check_cluster_ranges_are_apart(abm_all_ranges: list[ClusterRanges]) -> None:
    if not abm_all_ranges:
        raise Unreadable("no cluster's addresses were read: name the clusters (--kubeconfig, or the change file)")
    across = overlaps(one for ranges in abm_all_ranges for one in ranges.routed)
    within = [overlaps(ranges.own) for ranges in abm_all_ranges]
    pairs = [*across.across, *(pair for one in within for pair in one.within if not _meant(pair))]
    if pairs:
        said = [f"{pair.one} and {pair.other}" for pair in pairs]
        more = "" if across.complete and all(one.complete for one in within) else " (and others: too many to name)"
        raise found(f"overlapping: {_some(said)}{more}", evidence=said[:_SHOWN])


def _meant(pair: Overlap) -> bool:
    """Whether two ranges of one cluster overlap as they should: the ingress VIP is taken from an address pool."""
    uses = {pair.one.use, pair.other.use}
    return "ingress VIP" in uses and any(use.startswith("address pool") for use in uses)


def _some(said: list[str]) -> str:
    shown = "; ".join(said[:_SHOWN])
    return shown if len(said) <= _SHOWN else f"{shown}; and {len(said) - _SHOWN} more"
