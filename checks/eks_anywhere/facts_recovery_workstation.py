"""Facts of the workstation after an interrupted upgrade: containers and files that it left, and the backup."""

from __future__ import annotations

from conformance import WORKSTATION, Members, command, every, fleet_fact, host_fact, login_command

from . import recovery_script
from .leftovers import Container, Containers, Directory


@host_fact(
    login_command(
        recovery_script.CONTAINERS, name="docker ps (else podman ps): KinD nodes and eksa_ containers, their state"
    )
)
def recovery_containers(output: str) -> Containers:
    """The containers that an upgrade of EKS Anywhere works with, as the user that runs it sees them."""
    return Containers.parse(output)


@host_fact(
    command(
        recovery_script.DIRECTORY,
        name="bootstrap kubeconfigs and CLUSTER-backup in {{eksa-directory}}: names of Clusters and Machines alone",
        timeout=20,
    )
)
def recovery_directory(output: str) -> Directory:
    """What the directory holds in which `eksctl anywhere` is run."""
    return Directory.parse(output)


@host_fact(every(recovery_containers))
def recovery_seen_containers(members: Members) -> Containers | None:
    """The containers of the workstation where they could be read: a remedy names them, nothing is decided by them."""
    return next(iter(members.values()), None)


@fleet_fact(every(recovery_seen_containers, on=[WORKSTATION]))
def recovery_workstations(members: Members) -> Members:
    """Workstation -> its containers, None where they could not be read."""
    return members


@fleet_fact()
def recovery_tools(recovery_workstations: Members) -> Container | None:
    """The tools container that an interrupted upgrade has left, where one is known."""
    held = [one.tool for one in recovery_workstations.values() if one and one.tool]
    return held[0] if len(held) == 1 else None
