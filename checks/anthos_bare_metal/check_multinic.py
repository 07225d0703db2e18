"""containerd together with several network interfaces and a proxy; containerd as a preview."""

from __future__ import annotations

from collections.abc import Mapping

from conformance import BLOCKER, CLUSTER, Unreadable, found, hazard

from ..sources import ANTHOS_BARE_METAL
from .facts import AbmCluster
from .facts_proxy import DROP_IN, NodeProxy


@hazard(
    "abm-multinic-containerd-proxy",
    title="containerd, several network interfaces and a proxy, and NO_PROXY lacks the service CIDR: the cluster does not come up",
    severity=BLOCKER,
    on=[CLUSTER],
    source=ANTHOS_BARE_METAL.section("マルチ NIC、containerd、プロキシを使用しているときに、クラスタの作成に失敗する"),
    remedy="Add the service CIDR (spec.clusterNetwork.services.cidrBlocks) to NO_PROXY on every node machine.",
)
def check_services_bypass_the_proxy(
    abm_proxied_multinic: AbmCluster,
    abm_service_ranges: list[str],
    abm_node_proxies: Mapping[str, NodeProxy],
    abm_unseen_nodes: list[str],
) -> None:
    said, lines, missing = [], [], []
    for name, proxy in sorted(abm_node_proxies.items()):
        lacking = proxy.no_proxy.missing(abm_service_ranges)
        if not lacking:
            continue
        missing += lacking
        where = f" ({proxy.where})" if proxy.where else ""
        if proxy.text:
            said.append(f"{name}: NO_PROXY{where} does not cover {', '.join(lacking)}")
            lines.append(proxy.text)
        else:
            said.append(f"{name}: NO_PROXY is not set{where}, so {', '.join(lacking)} goes to the proxy")
            lines.append(f"{name}: NO_PROXY is not set{where}")
    if said:
        more = ",".join(dict.fromkeys(missing))
        raise found(
            "; ".join(said),
            evidence=lines,
            remedy=f"On each node named add {more} to NO_PROXY, where the login shell takes it from (/etc/environment) and, "
            f"where containerd has a drop-in of its own, in {DROP_IN}; then: systemctl daemon-reload && systemctl restart "
            "containerd",
        )
    if abm_unseen_nodes:
        raise Unreadable(
            f"NO_PROXY must cover {', '.join(abm_service_ranges)} on every node, and these of cluster "
            f"{abm_proxied_multinic.name} are not among "
            f"the hosts: {', '.join(abm_unseen_nodes)}; name them (--hosts, or the change file)"
        )


@hazard(
    "abm-containerd-preview",
    title="the 1.7 cluster runs containerd, a preview there: it cannot be upgraded to 1.8",
    severity=BLOCKER,
    on=[CLUSTER],
    upgrade_from="==1.7.*",
    upgrade_to="==1.8.*",
    source=ANTHOS_BARE_METAL.section("containerd を使用する 1.7.x クラスタのアップグレード"),
    remedy="There is no way to upgrade it: create a new 1.8 cluster for containerd and move the workloads there.",
)
def check_containerd_is_no_preview(abm_runtime: str, abm_cluster: AbmCluster) -> None:
    """The cgroup driver of the nodes (cgroupfs) would only confirm it: the configuration alone blocks the upgrade."""
    if abm_runtime == "containerd":
        raise found(
            f"cluster {abm_cluster.name} is configured for containerd, which in 1.7 is a preview with the cgroup driver "
            "cgroupfs",
            evidence=[
                f"cluster {abm_cluster.namespace}/{abm_cluster.name}: spec.nodeConfig.containerRuntime: containerd"
            ],
        )
