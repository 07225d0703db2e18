"""Hazards that the Supervisor's machines and the nodes of a workload cluster show."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Final

from conformance import BEFORE, BLOCKER, CLUSTER, STUCK, WARNING, NotApplicable, Unreadable, clear, found, hazard
from conformance.facts.values.capi import CapiCluster, CapiObject, Condition, ControlPlane, Machine

from ..sources import VSPHERE_JOIN_TIMEOUT
from .facts import ControlPlaneNode, Held, existed, joined

#: What controllers say of a machine that they could not replace: the older API's reason, also as it is handed up to the
#: control plane and the cluster ("RemediationFailed @ Machine/NAME"), the document's wording, the newer API's reason, and
#: what both say of a machine that must not go. Source: Cluster API, controlplane/kubeadm, remediation.go.
_FAILED: Final = re.compile(r"remediation\s?failed|cannotberemediated|can.t remediate (?!while)", re.IGNORECASE)
_ABOUT: Final = re.compile(r"remediation\s?failed @ (?:Machine/)?([\w.-]+)", re.IGNORECASE)
_JOIN_CAUSES: Final = (
    "Find out why the new control-plane node could not join etcd within 2 minutes, and mend that: look at load and network "
    "of the existing control-plane nodes (vks-control-plane-overloaded, vks-control-plane-network-slow) and at "
    "/var/log/cloud-init-output.log of the new one. Do not delete an existing control-plane VM: its database may be lost."
)


@hazard(
    "vks-remediation-failed",
    title="the Supervisor could not replace a control-plane machine: remediation failed, and the upgrade stands still",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=STUCK,
    source=VSPHERE_JOIN_TIMEOUT.section("kubectl describe cluster: Remediation Failed"),
    remedy=_JOIN_CAUSES,
)
def check_remediation_works(vks_held: Held) -> None:
    held = vks_held
    said: list[tuple[CapiObject, Condition]] = []
    for one in (*held.machines, held.control_plane, held.cluster):
        said += [(one, condition) for condition in one.conditions if _is_failed(condition, held)]
    if not said:
        return
    names = dict.fromkeys(_about(one, condition, held) for one, condition in said)
    machines = [name for name in names if name]
    reporters = ", ".join(dict.fromkeys(str(one) for one, _ in said))
    why = next((text for one, condition in said if (text := _reason(one, condition))), "")
    space = shlex.quote(held.cluster.namespace)
    raise found(
        f"remediation failed at {', '.join(machines) or 'a control-plane machine that is not named'}, says {reporters}"
        f"{f': {why}' if why else ''}",
        evidence=[f"{one}: {condition}" for one, condition in said],
        remedy=f"# {_JOIN_CAUSES}\n# In the Supervisor:\n"
        + "\n".join(f"  kubectl describe machine -n {space} {shlex.quote(one)}" for one in machines or ["NAME"]),
    )


def _is_failed(condition: Condition, held: Held) -> bool:
    text = f"{condition.reason} {condition.message}"
    if condition.is_true and condition.type in ("OwnerRemediated", "Ready", "Available", "ControlPlaneReady"):
        return False  # what is left of an earlier one
    match = _ABOUT.search(text)
    if match and match[1] in held.workers:
        return False
    return bool(_FAILED.search(text))


def _about(one: CapiObject, condition: Condition, held: Held) -> str:
    """The machine that a condition is about, empty where it does not say."""
    if isinstance(one, Machine):
        return one.name
    text = f"{condition.reason} {condition.message}"
    match = _ABOUT.search(text)
    if match:
        return match[1]
    return next((machine.name for machine in held.machines if re.search(rf"\b{re.escape(machine.name)}\b", text)), "")


def _reason(one: CapiObject, condition: Condition) -> str:
    return " ".join(condition.message.split())[:300] if isinstance(one, Machine) else ""


@hazard(
    "vks-control-plane-without-role",
    title="a control-plane node is Ready and has no role: kubeadm join stopped before it",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=STUCK,
    source=VSPHERE_JOIN_TIMEOUT.section("kubectl get nodes: Ready <none>"),
    remedy="Do not label the node by hand: it has no etcd and no API server. " + _JOIN_CAUSES,
)
def check_control_plane_nodes_have_their_role(vks_control_plane_nodes: list[ControlPlaneNode], vks_held: Held) -> None:
    bare = [one for one in vks_control_plane_nodes if not one.has_role]
    ready = [one for one in bare if one.state.ready == "True"]
    if ready:
        raise found(
            "; ".join(
                f"node {one.node.name} of control-plane machine {one.machine.name} is Ready and has no control-plane role "
                f"(the machine was made at {one.machine.created or 'an unknown time'})"
                for one in ready
            ),
            evidence=[
                f"node {one.node.name}: Ready={one.state.ready}, roles <none>; machine {one.machine.name}: "
                f"{one.machine.phase or 'without phase'}, label cluster.x-k8s.io/control-plane"
                for one in ready
            ],
            remedy="# Do not label the node by hand: it has no etcd and no API server.\n# " + _JOIN_CAUSES + "\n"
            "# On the node:\n"
            + "\n".join(
                f"  ssh {shlex.quote(one.node.internal_ip or one.node.name)} sudo cat /var/log/cloud-init-output.log"
                for one in ready
            ),
        )
    if not any(one.has_role for one in vks_control_plane_nodes):
        raise Unreadable(
            f"none of the control-plane machines {', '.join(one.name for one in vks_held.machines)} has a node with the "
            "role: is this the workload cluster that the Supervisor keeps under this name?"
        )
    if bare:
        waiting = ", ".join(f"{one.node.name} (Ready={one.state.ready or 'not said'})" for one in bare)
        raise clear(f"without the role, and not Ready either: {waiting}")


@hazard(
    "vks-single-control-plane",
    title="the control plane has one replica: a new node that fails to join etcd may never be replaced",
    severity=WARNING,
    on=[CLUSTER],
    situation=(BEFORE, STUCK),
    source=VSPHERE_JOIN_TIMEOUT.section("シングルコントロールプレーンノード構成のクラスタ"),
    remedy="Scale the control plane to 3 before the upgrade, and keep a backup of etcd.",
)
def check_control_plane_has_several_replicas(
    vks_workload: str,  # noqa: ARG001 - rules out
    capi_control_plane: ControlPlane,
    capi_cluster: CapiCluster,
) -> None:
    if capi_control_plane.wanted > 1:
        return
    raise found(
        f"{capi_control_plane} has {capi_control_plane.wanted} replica: where its successor fails to join etcd, the "
        "Supervisor may leave it as it is (Remediation Failed)",
        evidence=[f"{capi_control_plane}: spec.replicas {capi_control_plane.wanted}"],
        remedy="# Keep a backup of etcd. Where the cluster may have 3 control-plane nodes, give it 3 before the upgrade, in the "
        "Cluster's or TanzuKubernetesCluster's topology (controlPlane.replicas: 3), in the Supervisor:\n"
        f"  kubectl edit cluster -n {shlex.quote(capi_cluster.namespace)} {shlex.quote(capi_cluster.name)}",
    )


@hazard(
    "vks-control-plane-delete-unsafe",
    title="an existing control-plane machine is being deleted while a new one has not joined: the database may be lost",
    severity=BLOCKER,
    on=[CLUSTER],
    situation=STUCK,
    source=VSPHERE_JOIN_TIMEOUT.section("重要: 既存のコントロールプレーン VM を削除することは適切ではありません"),
    remedy="Do not delete an existing control-plane machine. Hold the cluster, and save etcd first.",
)
def check_no_existing_machine_is_deleted(vks_held: Held, vks_roles: Mapping[str, bool]) -> None:
    held = vks_held
    if held.cluster.deleted:
        raise NotApplicable(f"{held.cluster} itself is being deleted, since {held.cluster.deleted}")
    deleting = [one for one in held.machines if one.deleted]
    if not deleting:
        return
    staying = [one for one in held.machines if not one.deleted]
    without = [one for one in staying if joined(one, vks_roles) is False]
    holding = [one for one in staying if joined(one, vks_roles)]
    was = {one.name: existed(one, held, vks_roles) for one in deleting}
    # Where nobody else holds the data, whoever may hold it counts.
    existing = [one for one in deleting if was[one.name] or (was[one.name] is None and not holding)]
    doubtful = [one.name for one in deleting if was[one.name] is None and holding]
    unsaid = [one.name for one in staying if joined(one, vks_roles) is None]
    if existing and (without or not (holding or unsaid)):
        names = ", ".join(one.name for one in existing)
        new = ", ".join(one.name for one in without)
        others = ", ".join(one.name for one in holding)
        raise found(
            f"do not delete {names}: {'it holds' if len(existing) == 1 else 'they hold'} etcd's data, "
            + (f"{new} has not joined etcd" if new else "no other control-plane machine has joined etcd")
            + (f", and only {others} would be left" if others and new else "")
            + ("; nothing would be left of the database" if not others else ""),
            evidence=[
                *(f"{one}: deletionTimestamp {one.deleted}{_role_of(one, vks_roles)}" for one in existing),
                *(f"{one}: {_etcd_of(one)}" for one in staying),
            ],
            remedy=_hold(held, existing),
        )
    if (existing or doubtful) and unsaid:
        raise Unreadable(
            f"{', '.join([*(one.name for one in existing), *doubtful])} is being deleted, and whether "
            f"{', '.join(unsaid)} has joined etcd is not said (EtcdMemberHealthy is Unknown, or not there): see "
            "`etcdctl member list` before it goes"
        )
    if doubtful and without and len(holding) < held.control_plane.wanted:
        raise Unreadable(
            f"whether {', '.join(doubtful)}, which is being deleted, was part of etcd is not known, and "
            f"{', '.join(one.name for one in without)} has not joined: see whether its node has the control-plane role "
            "(kubectl get nodes), or `etcdctl member list`, before it goes"
        )
    told = "and all the others have joined etcd" if existing or (doubtful and not without) else "never joined etcd"
    if doubtful and without:
        told = f"and {', '.join(one.name for one in holding)} have joined etcd, as many as there are to be"
    raise clear(f"{', '.join(one.name for one in deleting)} is being deleted, {told}")


def _etcd_of(machine: Machine) -> str:
    if machine.node is None:
        return "it has no node"
    return str(machine.condition("EtcdMemberHealthy") or "no condition EtcdMemberHealthy")


def _role_of(machine: Machine, roles: Mapping[str, bool]) -> str:
    return f", its node {machine.node} has the control-plane role" if roles.get(machine.node or "") else ""


def _hold(held: Held, existing: list[Machine]) -> str:
    space, name = shlex.quote(held.cluster.namespace), shlex.quote(held.cluster.name)
    paused = '{"spec":{"paused":true}}'
    nodes = ", ".join(one.node or one.name for one in existing)
    return (
        "# A deletion that was asked for cannot be taken back. Keep it from going on, in the Supervisor:\n"
        f"  kubectl patch cluster -n {space} {name} --type merge -p {shlex.quote(paused)}\n"
        f"# Save etcd on {nodes} (etcdctl snapshot save), and keep the file elsewhere. Then ask VMware support how to go on; "
        "do not remove finalizers, and do not delete the VM."
    )
