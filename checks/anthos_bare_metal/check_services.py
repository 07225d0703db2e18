"""Services: how they are reached, how many pods they refer to, and under which address their pods go out."""

from __future__ import annotations

import shlex

from conformance import CLUSTER, WARNING, NotApplicable, Unreadable, found, hazard
from conformance.facts.kubernetes import Node
from conformance.reads.projection import value_at

from ..sources import ANTHOS_BARE_METAL
from .facts import AbmCluster
from .facts_services import EgressPolicy, Exposed, same_address

#: Pods that all Services together may refer to, and from how many on that is near.
LIMIT, NEAR = 100_000, 80_000
_SHOWN = 20


@hazard(
    "abm-l2-external-traffic-local",
    title="Services with externalTrafficPolicy Local behind the bundled layer-2 load balancer: 'No route to host'",
    severity=WARNING,
    on=[CLUSTER],
    source=ANTHOS_BARE_METAL.section("レイヤ 2 負荷分散がバンドルされたクライアント ソース IP"),
    remedy="Set externalTrafficPolicy to Cluster, or make the additional configuration that preserving the client's "
    "source IP address needs with bundled load balancing.",
)
def check_external_traffic_is_routed(abm_cluster: AbmCluster, abm_exposed_services: list[Exposed]) -> None:
    mode = str(value_at(abm_cluster.spec, "loadBalancer.mode") or "")
    kind = str(value_at(abm_cluster.spec, "loadBalancer.type") or "layer2")
    if mode == "manual":
        raise NotApplicable("the load balancer is not a bundled one (spec.loadBalancer.mode: manual)")
    if mode == "bundled" and kind == "bgp":
        raise NotApplicable("the bundled load balancer is of type bgp, not layer 2")
    local = [one for one in abm_exposed_services if one.policy == "Local"]
    if not local:
        return
    if (mode, kind) != ("bundled", "layer2"):
        raise Unreadable(
            f"{len(local)} Services have externalTrafficPolicy Local, and which load balancer Cluster {abm_cluster.name} "
            f"has is not understood (spec.loadBalancer.mode: {mode or 'not set'}, type: {kind})"
        )
    patch = shlex.quote('{"spec":{"externalTrafficPolicy":"Cluster"}}')
    commands = [
        f"  kubectl --kubeconfig CLUSTER_KUBECONFIG patch service -n {shlex.quote(one.namespace)} "
        f"{shlex.quote(one.name)} --patch {patch}"
        for one in local
    ]
    names = ", ".join(f"{one.namespace}/{one.name} ({one.type})" for one in local)
    raise found(
        f"{len(local)} of {len(abm_exposed_services)} Services behind the bundled layer-2 load balancer have "
        f"externalTrafficPolicy Local: {names}",
        evidence=[
            f"service {one.namespace}/{one.name}: type {one.type}, externalTrafficPolicy {one.policy}" for one in local
        ],
        remedy="Where the client's source IP address need not be preserved, let every node take the traffic; else make the "
        "additional configuration that preserving it needs with bundled load balancing:\n" + "\n".join(commands),
    )


@hazard(
    "abm-egress-source-ip-duplicate",
    title="several EgressNATPolicies use one egressSourceIP: their traffic is routed in conflicting ways",
    severity=WARNING,
    on=[CLUSTER],
    source=ANTHOS_BARE_METAL.section("egressSourceIP アドレスの重複"),
    remedy="Give each EgressNATPolicy a floating IP address of its own, after asking who uses which.",
)
def check_egress_addresses_differ(abm_egress_policies: list[EgressPolicy]) -> None:
    users: dict[object, list[EgressPolicy]] = {}
    unclear = []
    for one in abm_egress_policies:
        if one.source is None:
            continue
        try:
            address: object = same_address(one.source)
        except ValueError:
            # The same text is the same address, whatever it means; another one may be.
            address = str(one.source).strip()
            unclear.append(one)
        users.setdefault(address, []).append(one)
    shared = {address: held for address, held in users.items() if len(held) > 1}
    if shared:
        raise found(
            "; ".join(
                f"egressSourceIP {address} is used by {len(held)} EgressNATPolicies: "
                + ", ".join(one.name for one in held)
                for address, held in shared.items()
            ),
            evidence=[
                f"egressnatpolicy {one.name}: egressSourceIP {one.source}" for held in shared.values() for one in held
            ],
            remedy="Ask who uses which floating IP address, and give all but one of these policies another one: "
            + ", ".join(one.name for held in shared.values() for one in held),
        )
    if unclear and len(users) > 1:
        said = ", ".join(f"{one.name} ({one.source!r})" for one in unclear)
        raise Unreadable(f"egressSourceIP is no IP address, so it cannot be told from others: EgressNATPolicy {said}")


@hazard(
    "abm-endpoint-limit",
    title="Services refer to nearly as many pods as nodes with RHEL or CentOS bear, or to more",
    severity=WARNING,
    on=[CLUSTER],
    source=ANTHOS_BARE_METAL.section("オペレーティング システムのエンドポイントの上限"),
    remedy="Merge Services that refer to the same pods, or move pods and their Services to another cluster: the limit is "
    "that of nftables on RHEL and CentOS.",
)
def check_endpoints_are_few_enough(
    abm_red_hat_nodes: list[Node], abm_pods_by_service: dict[str, tuple[int, bool]]
) -> None:
    total = sum(count for count, _ in abm_pods_by_service.values())
    if total < NEAR:
        cut = sorted(service for service, (_, more) in abm_pods_by_service.items() if more)
        if cut:
            raise Unreadable(
                f"the Endpoints of {', '.join(cut)} name only some of the pods: how many there are is unknown"
            )
        return
    largest = sorted(abm_pods_by_service.items(), key=lambda one: (-one[1][0], one[0]))
    where = f"above the limit of {LIMIT:,}" if total > LIMIT else f"near the limit of {LIMIT:,} (80 % or more of it)"
    names = ", ".join(one.name for one in abm_red_hat_nodes)
    raise found(
        f"Services refer to {total:,} pods in all, which is {where} that nodes with RHEL or CentOS have: {names}",
        evidence=[
            *(f"service {name}: {count} pods" for name, (count, _) in largest[:_SHOWN]),
            *(f"node {one.name}: osImage {one.os_image}" for one in abm_red_hat_nodes[:_SHOWN]),
        ],
        remedy="No setting raises the limit: it is that of nftables on RHEL and CentOS. Merge Services that refer to the "
        "same pods, or move pods and their Services to another cluster; the largest: "
        + ", ".join(f"{name} ({count})" for name, (count, _) in largest[:5]),
    )
