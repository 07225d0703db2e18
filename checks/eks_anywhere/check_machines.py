"""Control plane, workers and nodes before an upgrade: everything that is not as it should be, and not the first alone."""

from __future__ import annotations

import shlex
from collections.abc import Iterable

from conformance import BLOCKER, CLUSTER, Members, found, hazard
from conformance.facts.kubernetes_nodes import NodeState
from conformance.facts.values.capi import CapiObject, ControlPlane, Machine, MachineGroup
from conformance.subjects import Subject

from ..sources import EKS_ANYWHERE
from .facts_machines import EtcdCluster
from .specification import EksaCluster

PREFLIGHT = EKS_ANYWHERE.section("検証フェーズ")
_RUN_AGAIN = "then run eksctl anywhere upgrade cluster again with -v9"


class _Trouble:
    """What is wrong, with the lines that show it and the commands that tell more; each once."""

    def __init__(self, at: str) -> None:
        self.at = at
        self.said: list[str] = []
        self.evidence: list[str] = []
        self.commands: list[str] = []

    def add(self, one: str, line: str, *commands: str) -> None:
        self.said.append(one)
        self.evidence.append(line)
        self.commands += [command for command in commands if command not in self.commands]

    def tell(self) -> None:
        if self.said:
            remedy = "\n".join([f"# on cluster {self.at}:", *self.commands, f"# Mend what they name; {_RUN_AGAIN}."])
            raise found("; ".join(self.said), evidence=self.evidence, remedy=remedy)


def _describe(one: CapiObject) -> str:
    kinds = {
        "KubeadmControlPlane": "kubeadmcontrolplane.controlplane.cluster.x-k8s.io",
        "MachineDeployment": "machinedeployment.cluster.x-k8s.io",
        "Machine": "machine.cluster.x-k8s.io",
    }
    return f"kubectl -n {shlex.quote(one.namespace)} describe {kinds[one.kind]} {shlex.quote(one.name)}"


def _group(trouble: _Trouble, one: MachineGroup) -> None:
    """A control plane or MachineDeployment that is not complete, or says of itself that it is not well."""
    told = []
    if not one.observed:
        told.append("its controller has not seen its latest change")
    if not one.wanted == one.replicas == one.ready == one.up_to_date:
        told.append(
            f"{one.ready} of {one.wanted} machines are ready ({one.replicas} are there, {one.up_to_date} up to date)"
        )
    # In v1beta1 a control plane is Available from its first machine on: that alone says nothing.
    bad = [held for held in one.conditions if held.type in ("Available", "Ready") and not held.is_true]
    told += dict.fromkeys(f"its condition {held}" for held in bad)
    if one.deleted:
        told.append(f"it is being deleted since {one.deleted}")
    if told:
        counts = f"wanted={one.wanted} there={one.replicas} ready={one.ready} up-to-date={one.up_to_date}"
        line = " ".join([f"{one}: replicas {counts}", *dict.fromkeys(map(str, bad))])
        trouble.add(f"{one}: {', '.join(told)}", line, _describe(one))


def _machines(trouble: _Trouble, machines: Iterable[Machine]) -> None:
    for one in sorted(machines, key=lambda machine: machine.name):
        if one.phase == "Running" and not one.deleted:
            continue
        why = one.condition("InfrastructureReady", "BootstrapConfigReady", "BootstrapReady", "Ready")
        more = f" ({why})" if why and not why.is_true else ""
        state = f"being deleted since {one.deleted}" if one.deleted else f"{one.phase or 'of no phase'}, not Running"
        trouble.add(
            f"{one} is {state}{more}", f"{one}: phase={one.phase or '-'} deleted={one.deleted or '-'}", _describe(one)
        )


@hazard(
    "eksa-control-plane-not-ready",
    title="the control plane of the cluster is not ready",
    severity=BLOCKER,
    on=[CLUSTER],
    source=PREFLIGHT,
    remedy=f"Find out what keeps the control plane from being ready and mend it, {_RUN_AGAIN}.",
)
def check_control_plane_is_ready(
    eksa_place: Subject,
    eksa_cluster: EksaCluster,
    eksa_control_plane: ControlPlane,
    eksa_etcd_clusters: list[EtcdCluster],
    eksa_machines: list[Machine],
) -> None:
    trouble = _Trouble(eksa_place.manager or eksa_place.name)
    _group(trouble, eksa_control_plane)
    own = [one for one in eksa_machines if one.is_control_plane]
    _machines(trouble, own)
    if not own:
        trouble.add(
            f"{eksa_control_plane} has no Machine at all",
            f"Machines of {eksa_cluster.name}: none is of its control plane",
            _describe(eksa_control_plane),
        )
    _etcd(trouble, eksa_cluster, eksa_etcd_clusters, [one for one in eksa_machines if one.is_etcd])
    trouble.tell()


def _etcd(trouble: _Trouble, cluster: EksaCluster, etcds: list[EtcdCluster], machines: list[Machine]) -> None:
    """Where etcd has machines of its own, they are part of the control plane."""
    if cluster.etcd_count is not None and not etcds:
        trouble.add(
            f"{cluster} has an etcd on machines of its own, but there is no EtcdadmCluster of it",
            f"{cluster}: spec.externalEtcdConfiguration.count={cluster.etcd_count}",
            "kubectl get etcdadmclusters.etcdcluster.cluster.x-k8s.io -A",
        )
    for one in etcds:
        told = [] if one.observed else ["its controller has not seen its latest change"]
        if one.ready_replicas != one.wanted:
            told.append(f"{one.ready_replicas} of {one.wanted} members are ready")
        if one.ready is not True:
            told.append("status.ready is not true")
        if one.condition and not one.condition.is_true:
            told.append(f"its condition {one.condition}")
        if told:
            trouble.add(
                f"{one}: {', '.join(told)}",
                f"{one}: replicas wanted={one.wanted} ready={one.ready_replicas} status.ready={one.ready}",
                f"kubectl -n {shlex.quote(one.namespace)} describe etcdadmcluster.etcdcluster.cluster.x-k8s.io "
                f"{shlex.quote(one.name)}",
            )
    _machines(trouble, machines)
    wanted = max((cluster.etcd_count or 0), *(one.wanted for one in etcds), 0)
    if len(machines) < wanted:
        trouble.add(
            f"{len(machines)} of {wanted} machines of its etcd are there",
            f"Machines of the etcd of {cluster.name}: {', '.join(one.name for one in machines) or 'none'}",
            "kubectl get machines.cluster.x-k8s.io -A",
        )


@hazard(
    "eksa-workers-not-ready",
    title="worker machines of the cluster are not ready",
    severity=BLOCKER,
    on=[CLUSTER],
    source=PREFLIGHT,
    remedy=f"Find out what keeps the workers from being ready and mend it, {_RUN_AGAIN}.",
)
def check_workers_are_ready(
    eksa_place: Subject,
    eksa_cluster: EksaCluster,
    eksa_machine_deployments: list[MachineGroup],
    eksa_machines: list[Machine],
) -> None:
    trouble = _Trouble(eksa_place.manager or eksa_place.name)
    for one in sorted(eksa_machine_deployments, key=lambda group: group.name):
        _group(trouble, one)
    there = {one.name for one in eksa_machine_deployments}
    for group in eksa_cluster.workers:
        if f"{eksa_cluster.name}-{group.name}" not in there:
            trouble.add(
                f"the worker node group {group.name} has no MachineDeployment {eksa_cluster.name}-{group.name}",
                f"{eksa_cluster}: spec.workerNodeGroupConfigurations has {group.name}; "
                f"MachineDeployments: {', '.join(sorted(there)) or 'none'}",
                "kubectl get machinedeployments.cluster.x-k8s.io -A",
            )
    _machines(trouble, [one for one in eksa_machines if not one.is_control_plane and not one.is_etcd])
    trouble.tell()


@hazard(
    "eksa-nodes-not-ready",
    title="nodes are not Ready, or machines have no node",
    severity=BLOCKER,
    on=[CLUSTER],
    source=PREFLIGHT,
    remedy=f"Mend the kubelet of every node that is not Ready, and replace machines without a node, {_RUN_AGAIN}.",
)
def check_nodes_are_ready(eksa_place: Subject, eksa_node_states: Members, eksa_machines: list[Machine]) -> None:
    said, evidence, commands = [], [], []
    states: list[NodeState] | None = next(iter(eksa_node_states.values()), None)
    for node in states or []:
        if node.ready != "True":
            since = f" since {node.since:%Y-%m-%dT%H:%M:%SZ}" if node.since else ""
            state = f"Ready={node.ready or 'not said'}"
            said.append(f"node {node.name} is not Ready ({state}{f', {node.reason}' if node.reason else ''}{since})")
            evidence.append(f"Node {node.name}: {state} reason={node.reason or '-'}")
            commands.append(f"kubectl describe node {shlex.quote(node.name)}   # on cluster {eksa_place.name}")
    names = None if states is None else {node.name for node in states}
    for machine in sorted(eksa_machines, key=lambda one: one.name):
        if machine.is_etcd:
            continue
        if machine.node is None:
            said.append(f"{machine} has no node")
        elif names is not None and machine.node not in names:
            said.append(f"{machine} has the node {machine.node}, which the cluster does not have")
        else:
            continue
        evidence.append(f"{machine}: phase={machine.phase or '-'} node={machine.node or '-'}")
        commands.append(f"{_describe(machine)}   # on cluster {eksa_place.manager or eksa_place.name}")
    if said:
        raise found("; ".join(said), evidence=evidence, remedy="\n".join([*commands, f"# Mend them; {_RUN_AGAIN}."]))
