"""Which nodes of a cluster are in maintenance mode, and which were."""

from __future__ import annotations

from typing import Final

from conformance import cluster_fact
from conformance.facts.kubernetes_nodes import NodeState
from conformance.facts.values.addresses import Range
from conformance.reads.projection import value_at

from .facts import GROUP, AbmCluster, Machine

__all__ = ["abm_nodes_annotated", "abm_nodes_in_maintenance"]

_TAINT: Final = f"{GROUP}/maintenance"


@cluster_fact()
def abm_nodes_in_maintenance(node_states: list[NodeState], abm_cluster: AbmCluster) -> frozenset[str]:
    """The names of the nodes that somebody put into maintenance mode.

    By the taint of a node, or by its address in spec.maintenanceBlocks of the Cluster (networks, or ranges such as
    ``10.0.0.1-10.0.0.9``). Source: the platform's guide "Put nodes into maintenance mode".
    """
    blocks = [Range.parse(str(one)) for one in value_at(abm_cluster.spec, "maintenanceBlocks.cidrBlocks", []) or []]
    return frozenset(
        node.name
        for node in node_states
        if any(one.key == _TAINT for one in node.taints)
        or any(block.overlaps(Range.parse(address)) for address in node.addresses for block in blocks)
    )


@cluster_fact()
def abm_nodes_annotated(
    node_states: list[NodeState], abm_cluster: AbmCluster, abm_all_machines: list[Machine]
) -> frozenset[str]:
    """The names of the nodes whose machine, which has the node's address for its name, bears the annotation.

    That it was in maintenance mode at some time is all that this says: the annotation stays behind.
    """
    annotated = {
        one.name for one in abm_all_machines if one.namespace == abm_cluster.namespace and one.maintenance is not None
    }
    return frozenset(node.name for node in node_states if annotated & {node.name, *node.addresses})
