"""SELinux together with the preview of containerd in 1.7.1."""

from __future__ import annotations

from collections.abc import Mapping

from conformance import BLOCKER, FLEET, Unreadable, clear, found, hazard
from conformance.change import Upgrade

from ..sources import ANTHOS_BARE_METAL
from .facts_selinux import SelinuxCluster


@hazard(
    "abm-selinux-containerd",
    title="a 1.7.1 cluster with containerd on nodes with SELinux: its upgrade fails",
    severity=BLOCKER,
    on=[FLEET],
    sides=["hosts", "clusters"],
    upgrade_from="==1.7.1",
    source=ANTHOS_BARE_METAL.section("SELinux のアップグレードの失敗"),
    remedy="Do not upgrade this cluster: create a new 1.8.0 cluster for containerd, and move the workloads there.",
)
def check_selinux_is_not_enforced(
    abm_selinux_fleet: dict[str, SelinuxCluster], upgrades: Mapping[str, Upgrade]
) -> None:
    held = {
        cluster: one
        for cluster, one in abm_selinux_fleet.items()
        if cluster not in upgrades or not upgrades[cluster].none
    }
    enforcing = {
        cluster: names
        for cluster, its in held.items()
        if (names := sorted(name for name, one in its.nodes.items() if one.mode == "enforcing"))
    }
    if enforcing:
        said = "; ".join(f"cluster {cluster}: {', '.join(names)}" for cluster, names in enforcing.items())
        raise found(
            f"SELinux is enforcing on nodes of 1.7.1 clusters with containerd: {said}",
            evidence=[
                f"{name}: SELinux is {held[cluster].nodes[name].mode} on {held[cluster].nodes[name].system}"
                for cluster, names in enforcing.items()
                for name in names
            ],
            remedy=f"Do not upgrade {', '.join(enforcing)}: the document knows no way. Create a new 1.8.0 cluster for "
            "containerd, and move the workloads there.",
        )
    unseen = {cluster: its.unseen for cluster, its in held.items() if its.unseen}
    if unseen:
        said = "; ".join(f"of cluster {cluster}: {', '.join(addresses)}" for cluster, addresses in unseen.items())
        raise Unreadable(
            f"SELinux enforces nothing on the nodes that were looked at; the others are no hosts of this run: {said}; name them "
            "(--hosts, or the change file)"
        )
    permissive = sorted(name for its in held.values() for name, one in its.nodes.items() if one.mode == "permissive")
    if permissive:
        raise clear(f"SELinux is permissive, which denies nothing, on {', '.join(permissive)}")
