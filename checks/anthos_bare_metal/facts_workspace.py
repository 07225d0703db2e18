"""Facts of bmctl's workspace on the workstation, and of the Cluster objects that its configurations are about."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from conformance import WORKSTATION, Members, Unreadable, cluster_fact, command, desired, every, fleet_fact, host_fact
from conformance import listing as listed
from conformance.subjects import Subject

from . import workspace_script
from .facts import GROUP, AbmCluster, cluster_of, is_user
from .workspace import KeyFile, Mirror, Workspace, keys_in, mirrors_in

_SETTINGS = (
    "spec.type",
    "spec.anthosBareMetalVersion",
    "spec.gkeConnect",
    "spec.clusterOperations",
    "spec.maintenanceBlocks",
    "spec.credentials.imagePullSecret",
    "spec.registryMirrors",
    "spec.nodeConfig.registryMirrors",
)
SETTINGS = listed(f"clusters.{GROUP}", *_SETTINGS, at="manager", at_least=1)
#: The folder that bmctl keeps its configurations in.
_WHERE = "bmctl-workspace of {{bmctl-directory}}"
_HEAD = (
    "gcrKeyPath",
    "gkeConnectAgentServiceAccountKeyPath",
    "gkeConnectRegisterServiceAccountKeyPath",
    "cloudOperationsServiceAccountKeyPath",
    "registryMirrors",
)


@host_fact(command(workspace_script.CONFIGURATIONS, name=f"configurations in {_WHERE}, without what may be secret"))
def bmctl_workspace(output: str) -> Workspace:
    """Bmctl's configuration files in the workstation's bmctl-workspace, without what may be secret in them."""
    return Workspace.parse(output)


@host_fact(command(workspace_script.KEYS, name=f"service-account keys named in {_WHERE}: names and public halves"))
def bmctl_keys(output: str) -> dict[str, KeyFile]:
    """Path -> the service-account key file that a configuration names; the private key stays where it is."""
    return keys_in(output)


@host_fact(
    command(workspace_script.MIRRORS, name=f"HEAD {workspace_script.IMAGE} at the mirrors in {_WHERE}", timeout=50)
)
def bmctl_mirrors(output: str) -> dict[str, list[Mirror]]:
    """Endpoint -> what the registry mirror says of the audit proxy's image."""
    return mirrors_in(output)


@fleet_fact(every(bmctl_workspace, on=[WORKSTATION]))
def bmctl_workspaces(members: Members) -> Members:
    """Workstation -> its workspace."""
    return members


@fleet_fact(every(bmctl_keys, on=[WORKSTATION]))
def bmctl_key_files(members: Members) -> Members:
    """Workstation -> path -> key file."""
    return members


@fleet_fact(every(bmctl_mirrors, on=[WORKSTATION]))
def bmctl_mirror_replies(members: Members) -> Members:
    """Workstation -> endpoint -> what that mirror says."""
    return members


@dataclass(frozen=True, slots=True)
class Desired:
    """What the configuration that is about to be applied says of the subject's own cluster."""

    #: False where none is given.
    given: bool
    head: Mapping[str, Any]
    cluster: AbmCluster | None


@dataclass(frozen=True, slots=True)
class Settings:
    """One cluster: its Cluster object as it is, and as it is about to be."""

    name: str
    #: The subject that holds its Cluster object.
    admin: str
    #: The name of the admin cluster's own Cluster object; its own where nobody manages it.
    admin_object: str
    user: bool
    #: None where the cluster is to come.
    live: AbmCluster | None
    desired: Desired

    @property
    def object_name(self) -> str:
        """The name of its Cluster object, which is the name that bmctl knows it by."""
        return self.live.name if self.live else self.name

    @property
    def specs(self) -> list[tuple[str, Mapping[str, Any]]]:
        """Where - the object, the desired configuration - its spec stands, with the spec."""
        found = [(f"Cluster {self.live.name}", self.live.spec)] if self.live else []
        if self.desired.cluster:
            found.append((f"the desired Cluster {self.desired.cluster.name}", self.desired.cluster.spec))
        return found


@cluster_fact(desired("Cluster", GROUP, *_SETTINGS), desired("", "", *_HEAD))
def abm_desired_settings(
    clusters: list[Mapping[str, Any]] | None, heads: list[Mapping[str, Any]] | None
) -> tuple[bool, dict[str, AbmCluster], Mapping[str, Any]]:
    """Whether a desired configuration is given, its Cluster documents by name, and its keys for bmctl itself."""
    head: dict[str, Any] = {}
    for one in heads or []:
        head.update(one)
    found = [AbmCluster.of(one) for one in clusters or []]
    return clusters is not None, {one.name: one for one in found}, head


@cluster_fact(SETTINGS)
def abm_all_settings(objects: Iterable[Mapping[str, Any]]) -> list[AbmCluster]:
    """All Cluster objects of the admin cluster, with the settings that configurations are compared with."""
    return [AbmCluster.of(one) for one in objects]


@cluster_fact()
def abm_settings(
    abm_all_settings: list[AbmCluster],
    abm_desired_settings: tuple[bool, dict[str, AbmCluster], Mapping[str, Any]],
    subject: Subject,
) -> Settings:
    """The very cluster, live and desired; a user cluster that only a desired configuration knows is to come."""
    given, wanted, head = abm_desired_settings
    there = {one.name for one in abm_all_settings}
    to_come = is_user(subject) and subject.name in wanted.keys() - there
    live = None if to_come else cluster_of(abm_all_settings, subject)
    name = live.name if live else subject.name
    managers = [one for one in abm_all_settings if one.type != "user"]
    user = live.type == "user" if live else True
    if user and len(managers) != 1:
        raise Unreadable(
            f"{subject.manager or subject.name} holds {len(managers)} Cluster objects that are no user cluster's, where "
            "there must be one: which one manages the others cannot be told"
        )
    admin_object = managers[0].name if user else name
    # Keys for bmctl stand beside the one Cluster that a file is about.
    own = Desired(given, head if name in wanted or len(wanted) == 0 else {}, wanted.get(name))
    return Settings(subject.name, subject.manager or subject.name, admin_object, user, live, own)


@fleet_fact(every(abm_settings))
def abm_fleet_settings(members: Members) -> Members:
    """Cluster -> its settings, for every cluster that is looked at."""
    return members
