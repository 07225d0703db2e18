"""The tree of a cluster as ``clusterctl describe cluster`` shows it, and what in it is not as it should be."""

from __future__ import annotations

from typing import Final

from conformance.facts.values.capi import CapiCluster, CapiObject, ControlPlane, Machine, MachineGroup

from .recovery import Holding

__all__ = ["wrong_in"]

#: Conditions of the newer API that say what goes on, and are False where nothing does - whatever else ends in -ing is one
#: of them - and what an upgrade that is not through leaves, whatever its state. Source: Cluster API, api/core/v1beta2.
_STATES: Final = frozenset(
    {
        *("Paused", "Deleting", "ScalingUp", "ScalingDown", "RollingOut", "Remediating", "Updating"),
        *("UpToDate", "MachinesUpToDate", "ControlPlaneMachinesUpToDate", "WorkerMachinesUpToDate"),
    }
)
_OF_ALL_WORKERS: Final = "WorkerMachinesReady"
_SUMS: Final = ("Available", "Ready")


def wrong_in(held: Holding, cluster: CapiCluster, planes: list[ControlPlane]) -> list[tuple[str, str]]:
    """What in a cluster's tree is not as it should be, each with the line that shows it."""
    machines = sorted(held.machines_of(cluster), key=lambda one: one.name)
    below: list[tuple[str, str]] = []
    well = True  # of the workers that are to be nodes
    for machine in machines:
        phase = [] if machine.phase == "Running" else [f"it is {machine.phase or 'of no phase yet'}, not Running"]
        if told := [*phase, *_unwell(machine)]:
            well = well and (machine.is_etcd or machine.is_control_plane)
            below.append(_said(machine, told))
    if not machines:
        below.append((f"Cluster {cluster.name} has no Machine", f"machines of Cluster {cluster.name}: none"))
    # It counts the machines of an etcd as workers, and waits for nodes that they never become.
    without = _OF_ALL_WORKERS if well and any(machine.is_etcd for machine in machines) else ""
    above = [(one, _unwell(one, without)) for one in (cluster, *planes, *held.deployments_of(cluster))]
    return [*(_said(one, told) for one, told in above if told), *below]


def _said(one: CapiObject, told: list[str]) -> tuple[str, str]:
    phase = f" phase={one.phase or '-'}" if isinstance(one, CapiCluster | Machine) else ""
    more = f" node={one.node or '-'} version={one.version or '-'}" if isinstance(one, Machine) else ""
    said = "; ".join(_untrue(one)) or one.health or "no condition"
    return f"{one.kind} {one.name}: {', '.join(told)}", f"{one.kind.lower()} {one.name}:{phase}{more} {said}"


def _unwell(one: CapiObject, without: str = "") -> list[str]:
    told = []
    if one.deleted:
        told.append(f"it is being deleted since {one.deleted}")
    # While its Cluster is paused no controller looks at it, and nothing is wrong with that.
    if not one.observed and not (isinstance(one, CapiCluster) and one.suspended):
        told.append("its controller has not seen its latest change")
    told += _untrue(one, without)
    if one.health is None and isinstance(one, MachineGroup) and not isinstance(one, ControlPlane):
        # Older releases give a MachineDeployment no conditions; its counts say as much.
        if not one.complete:
            told.append(f"{one.ready} of {one.wanted} machines are ready, {one.up_to_date} up to date")
    elif one.health is None:
        told.append("it has no condition that says how it is")
    return told


def _untrue(one: CapiObject, without: str = "") -> list[str]:
    """Every condition that should be True and is not, as it says itself.

    `Available` and `Ready` must both be: in v1beta1 a control plane is Available from its first machine on.
    """
    etcd = isinstance(one, Machine) and one.is_etcd
    told: dict[str, None] = {}
    for held in one.conditions:
        if held.is_true or held.type in _STATES or held.type.endswith("ing") or held.type == without:
            continue
        if held.severity == "Info" and held.type not in _SUMS:
            continue
        # A machine of an external etcd never becomes a node, which the newer conditions hold against it.
        if etcd and (held.type.startswith("Node") or (held.type in _SUMS and _is_ready(one))):
            continue
        told[str(held)] = None
    return list(told)


def _is_ready(one: CapiObject) -> bool:
    return any(held.type == "Ready" and held.is_true for held in one.conditions)
