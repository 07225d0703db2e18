"""Facts: typed values made from declared reads. The ones in `SHARED` can be named by every check."""

from typing import Final

from conformance.facts import (
    cluster_api,
    etcd,
    kubernetes,
    kubernetes_nodes,
    kubernetes_pods,
    kubernetes_usage,
    kubernetes_volumes,
    linux,
    linux_kubelet,
    linux_network,
    linux_peers,
    linux_processes,
    linux_selinux,
)
from conformance.facts.declare import Every, Fact, Members, cluster_fact, every, fleet_fact, host_fact

__all__ = ["SHARED", "Every", "Fact", "Members", "cluster_fact", "every", "fleet_fact", "host_fact"]

#: The facts of every platform by name.
SHARED: Final = {
    value.name: value
    for module in (
        linux,
        linux_kubelet,
        etcd,
        linux_network,
        linux_peers,
        linux_processes,
        linux_selinux,
        kubernetes,
        kubernetes_nodes,
        kubernetes_pods,
        kubernetes_usage,
        kubernetes_volumes,
        cluster_api,
    )
    for value in vars(module).values()
    if isinstance(value, Fact)
}
