"""Facts of the workstation on which bmctl runs, and of what the clusters want of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from conformance import Members, Unreadable, cluster_fact, command, every, file, fleet_fact, host_fact, login_command
from conformance.reads.projection import value_at
from conformance.subjects import Subject

from .credentials import SCRIPT, Credentials
from .facts import AbmCluster, abm_cluster, cluster_of, is_user

CREDENTIALS = "application default credentials in the environment of the user of bmctl in {{bmctl-directory}}: where, and of what type"


@host_fact(login_command(SCRIPT, name=CREDENTIALS))
def abm_credentials(output: str) -> Credentials:
    """Where the application default credentials of the user that runs bmctl come from; nothing of what is in them."""
    return Credentials.parse(output)


@dataclass(frozen=True, slots=True)
class Location:
    """``spec.clusterOperations.location`` of one cluster."""

    cluster: str
    #: Empty where none is set.
    value: str
    #: Whether the configuration that is about to be applied says so, else the Cluster object.
    desired: bool

    @property
    def is_global(self) -> bool:
        """Whether bmctl has nothing to verify."""
        return self.value == "global"

    @property
    def shown(self) -> str:
        """For people."""
        return self.value or "none is set"

    def __str__(self) -> str:
        where = " (about to be applied)" if self.desired else ""
        return f"cluster {self.cluster}: spec.clusterOperations.location: {self.shown}{where}"


@cluster_fact()
def abm_location(abm_clusters: list[AbmCluster], abm_desired_clusters: list[AbmCluster], subject: Subject) -> Location:
    """Where the cluster's operations data go: what is about to be applied wins, where it says so."""
    desired = {one.name: one for one in abm_desired_clusters}
    to_come = is_user(subject) and subject.name in desired.keys() - {one.name for one in abm_clusters}
    live = None if to_come else cluster_of(abm_clusters, subject)
    coming = desired.get(live.name if live else subject.name)
    for one in (coming, live):
        value = value_at(one.spec, "clusterOperations.location") if one else None
        if value not in (None, ""):
            return Location(subject.name, str(value), desired=one is coming)
    return Location(subject.name, "", desired=False)


@fleet_fact(every(abm_location))
def abm_locations(members: Members) -> Mapping[str, Location]:
    """Cluster -> its location, of those that could be read."""
    return members


# Only a proposal hangs on it, so a cluster that cannot be read leaves nothing open.
@fleet_fact(every(abm_cluster, any=True))
def abm_self_managed(members: Members) -> Mapping[str, str]:
    """Cluster -> the name of its Cluster object, of those that are surely no user clusters, whatever the change calls them."""
    return {name: one.name for name, one in members.items() if one.type in ("admin", "hybrid", "standalone")}


@host_fact(file("/proc/sys/net/netfilter/nf_conntrack_max"))
def conntrack_max(text: str | None) -> int | None:
    """net.netfilter.nf_conntrack_max: how many connections may be tracked; None where nothing tracks any yet.

    Source: https://docs.kernel.org/networking/nf_conntrack-sysctl.html
    """
    return None if text is None else int(text)


# coreutils' nproc gives way to two variables of OpenMP; kube-proxy does not.
@host_fact(command("unset OMP_NUM_THREADS OMP_THREAD_LIMIT; nproc"))
def cores(output: str) -> int:
    """How many processors there are, as nproc(1) and Go's runtime.NumCPU count them."""
    found = int(output)
    if found < 1:
        raise Unreadable(f"nproc says {found} processors")
    return found


_MANIFESTS = r"""d={{bmctl-directory}}; case $d in ""|"~") d=${HOME:-/nonexistent};; esac; d=${d%/}
printf "%s\n" "$d/"
for p in "$d/." "$d/bmctl-workspace" "$d/.manifests" "$d/bmctl-workspace/.manifests"; do
if [ -d "$p" ]; then echo "is a directory"
elif e=$(ls -Ld -- "$p" 2>&1); then echo "is no directory"
else printf "%s\n" "${e##*: }"
fi; done
exit 0"""


@dataclass(frozen=True, slots=True)
class Manifests:
    """The directories that bmctl leaves in the folder in which it runs: path -> what it is, or why that is not told."""

    folder: str
    states: Mapping[str, str]

    def there(self, path: str) -> bool:
        """Whether there is such a directory below the folder; the folder itself where nothing is named.

        :raises Unreadable: the login user cannot tell.
        """
        state = self.states[path]
        if state == "is a directory":
            return True
        if state in ("is no directory", "No such file or directory", "Not a directory"):
            return False
        raise Unreadable(
            f"{self.folder}{path}: {state}: log in as the user that runs bmctl, or name the folder that holds its "
            "bmctl-workspace with the parameter bmctl-directory"
        )

    def line(self, path: str) -> str:
        """For people."""
        return f"{self.folder}{path}: {self.states[path]}"


@host_fact(command(_MANIFESTS, name="bmctl-workspace and .manifests in {{bmctl-directory}}"))
def abm_manifests(output: str) -> Manifests:
    """The directories of bmctl in the folder in which it runs."""
    folder, *states = output.split("\n")
    if len(states) != 5 or not folder.startswith("/"):
        raise Unreadable("the folder in which bmctl runs could not be looked at: give it with bmctl-directory")
    paths = ("", "bmctl-workspace", ".manifests", "bmctl-workspace/.manifests")
    return Manifests(folder, dict(zip(paths, states, strict=False)))
