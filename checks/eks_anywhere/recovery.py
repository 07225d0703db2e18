"""Where the Cluster API objects of EKS Anywhere clusters lie while an upgrade is under way or was interrupted.

`eksctl anywhere upgrade cluster` moves them out of the management cluster into a KinD bootstrap cluster, and back at the
end. Files and names are those that it gives: CLUSTER/generated/CLUSTER.kind.kubeconfig is the bootstrap cluster's
kubeconfig, CLUSTER/CLUSTER-eks-a-cluster.kubeconfig the management cluster's.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from conformance import NotApplicable, Unreadable
from conformance.facts.values.capi import CapiCluster, CapiObject, Machine, MachineGroup
from conformance.subjects import Subject

from .specification import EksaCluster

__all__ = ["NAMESPACE", "Holding", "Holdings", "Side", "Tools", "count_of", "listed"]

#: Where EKS Anywhere keeps its Cluster API objects.
NAMESPACE: Final = "eksa-system"
BOOTSTRAP: Final = "bootstrap"
#: Said by the shell, which then runs nothing of what follows.
_NAME_IT: Final = "set it to the container eksa_NUMBER that docker ps -a shows"
MANAGEMENT: Final = "management"


@dataclass(frozen=True, slots=True)
class Holding:
    """The Cluster API objects that lie in one cluster itself."""

    #: The name of the subject.
    where: str
    clusters: tuple[CapiCluster, ...] = ()
    machines: tuple[Machine, ...] = ()
    deployments: tuple[MachineGroup, ...] = ()
    eksa: tuple[EksaCluster, ...] = ()
    #: False where the cluster does not serve Cluster API at all.
    served: bool = True

    @property
    def objects(self) -> tuple[CapiObject, ...]:
        """Clusters, then Machines: what the document looks for on either side."""
        return (*self.clusters, *self.machines)

    def machines_of(self, cluster: CapiCluster) -> list[Machine]:
        """The Machines of one Cluster."""
        return [one for one in self.machines if (one.namespace, one.cluster) == (cluster.namespace, cluster.name)]

    def deployments_of(self, cluster: CapiCluster) -> list[MachineGroup]:
        """The MachineDeployments of one Cluster."""
        return [one for one in self.deployments if (one.namespace, one.cluster) == (cluster.namespace, cluster.name)]


@dataclass(frozen=True, slots=True)
class Side:
    """A management cluster together with the bootstrap clusters that its upgrade has made."""

    management: Holding
    bootstraps: tuple[Holding, ...]
    #: The management cluster's own name, as Cluster API and `eksctl anywhere` know it.
    name: str

    @property
    def strays(self) -> list[CapiObject]:
        """What is in a bootstrap cluster and not in the management cluster."""
        there = {_identity(one) for one in self.management.objects}
        return [one for held in self.bootstraps for one in held.objects if _identity(one) not in there]

    @property
    def doubles(self) -> list[CapiObject]:
        """What is in a bootstrap cluster and in the management cluster."""
        there = {_identity(one) for one in self.management.objects}
        return [one for held in self.bootstraps for one in held.objects if _identity(one) in there]

    @property
    def own(self) -> CapiCluster | None:
        """The management cluster's own Cluster, where it lies in itself."""
        return next((one for one in self.management.clusters if one.name == self.name), None)

    @property
    def complete(self) -> bool:
        """Whether the management cluster holds its own Cluster, and Machines of it."""
        return self.own is not None and bool(self.management.machines_of(self.own))

    @property
    def settled(self) -> bool:
        """Whether everything is where it belongs: all in the management cluster, nothing in a bootstrap cluster."""
        return self.complete and not any(held.objects for held in self.bootstraps)


def _identity(one: CapiObject) -> tuple[str, str, str]:
    return one.kind, one.namespace, one.name


@dataclass(frozen=True, slots=True)
class Holdings:
    """What lies where, over all clusters that may hold Cluster API objects."""

    subjects: Mapping[str, Subject]
    held: Mapping[str, Holding]
    #: Cluster -> why it is not known what lies in it.
    unread: Mapping[str, Unreadable]

    @property
    def bootstraps(self) -> list[Subject]:
        """The bootstrap clusters of the change."""
        return [one for one in self.subjects.values() if BOOTSTRAP in one.roles]

    @property
    def managements(self) -> list[Subject]:
        """The management clusters of the change: those of that role, else those without a role that nobody manages."""
        named = [one for one in self.subjects.values() if MANAGEMENT in one.roles]
        return named or [one for one in self.subjects.values() if not one.roles and one.manager is None]

    def management_of(self, bootstrap: Subject) -> Subject | None:
        """The management cluster that a bootstrap cluster was made for; None where the change names none.

        :raises Unreadable: which one cannot be told.
        """
        there = self.managements
        linked = [one for one in there if bootstrap.manager == one.name or one.manager == bootstrap.name]
        if len(linked) == 1 or len(there) <= 1:
            return (linked or there or [None])[0]
        inside = self.held.get(bootstrap.name)
        names = {one.name for one in inside.clusters} if inside else set()
        named = [one for one in there if one.name in names]
        if len(named) == 1:
            return named[0]
        told = ", ".join(one.name for one in there)
        raise Unreadable(
            f"of which management cluster {bootstrap.name} is the bootstrap cluster cannot be told ({told}): write "
            f"`management: NAME` beside its role in the change file"
        )

    def bootstraps_of(self, management: Subject) -> list[Subject]:
        """The bootstrap clusters that belong to a management cluster.

        :raises Unreadable: of one of them that cannot be told.
        """
        return [one for one in self.bootstraps if self.management_of(one) == management]

    def side_of(self, management: Subject) -> Side:
        """A management cluster with its bootstrap clusters.

        :raises Unreadable: what lies in one of them is not known, with what lies in the others.
        """
        members = [management, *self.bootstraps_of(management)]
        silent = [one for one in members if one.name in self.unread]
        if silent:
            raise Unreadable(self._unknown(members, silent))
        first, *others = (self.held[one.name] for one in members)
        return Side(first, tuple(others), self.name_of(management))

    def _unknown(self, members: list[Subject], silent: list[Subject]) -> str:
        told = []
        for one in members:
            kind = "bootstrap cluster" if BOOTSTRAP in one.roles else "management cluster"
            if one in silent:
                told.append(f"what {kind} {one.name} holds is not known ({self.unread[one.name].reason})")
            else:
                told.append(
                    f"{kind} {one.name} holds {count_of(self.held[one.name].objects) or 'no Cluster or Machine'}"
                )
        more = ": do not delete the bootstrap cluster before both are known"
        if all(BOOTSTRAP in one.roles for one in silent):
            more += ", or take one that is gone for good out of the change file"
        return f"{', and '.join(told)}{more}"

    def name_of(self, management: Subject) -> str:
        """The name under which Cluster API and `eksctl anywhere` know a management cluster."""
        inside = [self.held[one.name] for one in self.bootstraps_of(management) if one.name in self.held]
        own = [self.held[management.name]] if management.name in self.held else []
        known = [cluster.name for held in [*own, *inside] for cluster in (*held.clusters, *held.eksa)]
        if management.name in known:
            return management.name
        self_managed = {one.name for held in [*own, *inside] for one in held.eksa if one.is_self_managed}
        for names in (self_managed, *({one.name for one in held.clusters} for held in [*inside, *own])):
            if len(names) == 1:
                return next(iter(names))
        return management.name

    def homes_of(self, subject: Subject) -> list[tuple[Holding, CapiCluster]]:
        """Where the Cluster of a subject lies - its own cluster, its manager, a bootstrap cluster - and the Cluster.

        :raises NotApplicable: it is a bootstrap cluster, and the change names the cluster that it was made for.
        :raises Unreadable: nowhere that could be read.
        """
        about = self.management_of(subject) if BOOTSTRAP in subject.roles else None
        if about is not None:
            raise NotApplicable(f"it is the bootstrap cluster of {about.name}: what lies in it is told of that cluster")
        holder = subject if subject in self.managements else self.subjects.get(subject.manager or "")
        if BOOTSTRAP in subject.roles:
            places, name = [subject], ""
        elif holder is None or BOOTSTRAP in holder.roles:
            places, name = [one for one in (subject, holder) if one], subject.name
        else:
            places = [holder, *self.bootstraps_of(holder)]
            name = self.name_of(holder) if holder == subject else subject.name
        found = [
            (self.held[place.name], one)
            for place in places
            if place.name in self.held
            for one in self.held[place.name].clusters
            if name in ("", one.name)
        ]
        if not found:
            where = ", ".join(one.name for one in places) or "no cluster of the change"
            silent = [f"{one.name}: {self.unread[one.name].reason}" for one in places if one.name in self.unread]
            more = f" ({'; '.join(silent)})" if silent else ""
            advice = (
                ""
                if self.bootstraps
                else ": if its upgrade made a bootstrap cluster, name that one too (role: bootstrap)"
            )
            raise Unreadable(f"no Cluster object of {name or subject.name} is found in {where}{more}{advice}")
        return found


def count_of(objects: Iterable[CapiObject]) -> str:
    """How many of which kind, with the names of Clusters; empty where there are none."""
    held = list(objects)
    clusters = [one.name for one in held if one.kind == "Cluster"]
    machines = sum(1 for one in held if one.kind == "Machine")
    parts = [f"Cluster {', '.join(clusters)}"] if clusters else []
    return " and ".join([*parts, *([f"{machines} Machine{'s' if machines != 1 else ''}"] if machines else [])])


def listed(objects: Iterable[CapiObject]) -> list[str]:
    """A line for each object, as evidence."""
    lines = []
    for one in objects:
        more = f", phase {one.phase or 'none'}" if isinstance(one, Machine | CapiCluster) else ""
        lines.append(f"{one.kind.lower()} {one.name} in {one.namespace}{more}")
    return lines


@dataclass(frozen=True, slots=True)
class Tools:
    """The words of the document's commands for one management cluster."""

    #: The management cluster's own name.
    name: str
    #: The tools container that is left, empty where none is known.
    container: str = ""
    #: Whether it has to be started first.
    stopped: bool = False
    namespace: str = NAMESPACE
    #: Where `eksctl anywhere` is run, empty for the home of the login user.
    directory: str = ""

    @property
    def kind_kubeconfig(self) -> str:
        """The bootstrap cluster's kubeconfig, as a shell word."""
        return shlex.quote(f"{self.name}/generated/{self.name}.kind.kubeconfig")

    @property
    def kubeconfig(self) -> str:
        """The management cluster's kubeconfig, as a shell word."""
        return shlex.quote(f"{self.name}/{self.name}-eks-a-cluster.kubeconfig")

    @property
    def backup(self) -> str:
        """The directory of the backup, as a shell word."""
        return shlex.quote(f"{self.name}-backup")

    def steps(self, *commands: str, tools: bool = True) -> list[str]:
        """Lines that run the commands where the paths are right, each only where the one before succeeded.

        :param tools: whether they need the tools container.
        """
        before = [f"cd {shlex.quote(self.directory)}"] if self.directory else []
        if tools and not self.container:
            before += [f': "${{CLITOOLS_CONT:?{_NAME_IT}}}"', 'docker start "$CLITOOLS_CONT"']
        elif tools and self.stopped:
            before.append(f"docker start {shlex.quote(self.container)}")
        note = [] if self.directory else ["# In the directory where eksctl anywhere is run:"]
        return [*note, " && \\\n".join([*before, *commands])]

    def _clusterctl(self, words: str) -> str:
        name = shlex.quote(self.container) if self.container else '"$CLITOOLS_CONT"'
        return f"docker exec -i {name} clusterctl {words}"

    def back_up(self) -> list[str]:
        """The document's step 4."""
        move = f"move --to-directory {self.backup} --kubeconfig {self.kind_kubeconfig} -n {self.namespace}"
        return [f"mkdir -p {self.backup}", self._clusterctl(move)]

    def move(self) -> str:
        """The document's step 5."""
        return self._clusterctl(
            f"move --to-kubeconfig {self.kubeconfig} --kubeconfig {self.kind_kubeconfig} -n {self.namespace}"
        )

    def restore(self) -> str:
        """The way back from a backup."""
        return self._clusterctl(
            f"move --from-directory {self.backup} --to-kubeconfig {self.kubeconfig} -n {self.namespace}"
        )

    def describe(self, cluster: str, *, bootstrap: bool) -> str:
        """The tree of a cluster, from the document's step 3."""
        config = self.kind_kubeconfig if bootstrap else self.kubeconfig
        return self._clusterctl(f"describe cluster {shlex.quote(cluster)} --kubeconfig {config} -n {self.namespace}")

    def verify(self) -> list[str]:
        """The document's step 6: the first finds none, the second all."""
        return [
            f"kubectl --kubeconfig {self.kind_kubeconfig} get clusters.cluster.x-k8s.io -n {self.namespace}",
            f"kubectl --kubeconfig {self.kubeconfig} get machines.cluster.x-k8s.io -n {self.namespace}",
        ]

    def upgrade(self) -> str:
        """The document's step 7."""
        specification = shlex.quote(f"{self.name}/{self.name}-eks-a-cluster.yaml")
        return f"eksctl anywhere upgrade cluster -f {specification} --force-cleanup -v9"
