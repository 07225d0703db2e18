"""Facts of the workstation on which eksctl anywhere is run, and of what its clusters need there."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from conformance import (
    WORKSTATION,
    Members,
    NotApplicable,
    Unreadable,
    cluster_fact,
    command,
    every,
    fleet_fact,
    host_fact,
    listing,
    login_command,
)
from conformance.facts.values.capi import Condition, condition_of, conditions_of
from conformance.reads.projection import value_at
from conformance.subjects import Subject

from . import workstation_script
from .facts_specification import Part, read_of
from .specification import EksaCluster
from .workstation import Mirrors, Variables

_NAMES = "EKSA_* variables of the user that runs the upgrade: whether they are set, and whether the files are there"


@host_fact(login_command(workstation_script.VARIABLES, name=f"{_NAMES} (relative to {{{{eksa-directory}}}})"))
def eksa_variables(output: str) -> Variables:
    """Which credentials are in the environment of the user that runs the upgrade; never what they are."""
    return Variables.parse(output)


@host_fact(
    command(
        workstation_script.MIRRORS,
        name="certificates of the registry mirrors {{eksa-registry-mirrors}} and of those in the specifications in "
        "{{eksa-directory}}",
        timeout=50,
    )
)
def eksa_mirrors(output: str) -> Mirrors:
    """The certificates that registry mirrors show the workstation."""
    return Mirrors.parse(output)


@fleet_fact(every(eksa_mirrors, on=[WORKSTATION]))
def eksa_mirror_replies(members: Members) -> Members:
    """Workstation -> what registry mirrors show it."""
    return members


@dataclass(frozen=True, slots=True)
class MirrorOf:
    """The registry mirror that a cluster is to pull through."""

    cluster: str
    host: str
    port: str
    #: PEM text; empty where the specification names no CA.
    authority: str
    #: Where it is written.
    where: str

    @property
    def endpoint(self) -> str:
        """``host:port``."""
        return f"{self.host}:{self.port}"


@cluster_fact()
def eksa_mirror(eksa_cluster: EksaCluster, eksa_desired_cluster: EksaCluster | None, subject: Subject) -> MirrorOf:
    """The registry mirror of the new specification, or of the cluster where none is given."""
    one = eksa_desired_cluster or eksa_cluster
    where = f"the specification of {subject.name}" if eksa_desired_cluster else f"{one} of {subject.name}"
    mirror = one.spec.get("registryMirrorConfiguration")
    if not mirror:
        raise NotApplicable(f"{where} configures no registry mirror")
    if mirror.get("insecureSkipVerify") is True:
        raise NotApplicable(f"{where} sets insecureSkipVerify: by decision nobody verifies the registry mirror")
    host = str(mirror.get("endpoint") or "").strip()
    if not host:
        raise Unreadable(f"{where} configures a registry mirror without an endpoint")
    authority = str(mirror.get("caCertContent") or "").strip()
    return MirrorOf(subject.name, host, str(mirror.get("port") or "443").strip(), authority, where)


@fleet_fact(every(eksa_mirror))
def eksa_mirrors_of(members: Members) -> Members:
    """Cluster -> its registry mirror; clusters without are ruled out."""
    return members


_LOGIN: Final = re.compile(r"://[^/\s'\"]*@")


def eksa_source(obj: Mapping[str, Any]) -> dict[str, Any]:
    """Of a GitRepository of Flux: whether it is Ready. A message may hold an address, and that a password."""
    ready = condition_of(conditions_of(obj), "Ready")
    told = (
        {"status": ready.status, "reason": ready.reason, "message": _LOGIN.sub("://", ready.message)} if ready else None
    )
    seen, generation = value_at(obj, "status.observedGeneration"), value_at(obj, "metadata.generation")
    return {
        "name": str(value_at(obj, "metadata.name") or ""),
        "namespace": str(value_at(obj, "metadata.namespace") or ""),
        "ready": told,
        "observed": seen is None or generation is None or seen >= generation,
    }


@dataclass(frozen=True, slots=True)
class GitSource:
    """A GitRepository of Flux."""

    name: str
    namespace: str
    ready: Condition | None
    observed: bool

    def __str__(self) -> str:
        return f"GitRepository {self.namespace}/{self.name}"


@cluster_fact(listing("gitrepositories.source.toolkit.fluxcd.io", reduce=eksa_source, required=False, at="manager"))
def eksa_served_sources(objects: Iterable[Mapping[str, Any]]) -> list[GitSource]:
    """Every GitRepository that lies there."""
    return [
        GitSource(
            one["name"], one["namespace"], Condition("Ready", **one["ready"]) if one["ready"] else None, one["observed"]
        )
        for one in objects
    ]


@dataclass(frozen=True, slots=True)
class Git:
    """How a cluster keeps its specification in Git."""

    cluster: str
    #: The cluster that Flux runs in.
    where: str
    #: ``FluxConfig NAME`` or ``GitOpsConfig NAME``.
    config: str
    #: ``github`` or ``git``.
    provider: str
    #: Whether Flux is there already; a specification that brings it in has none yet.
    installed: bool
    #: The namespace of Flux.
    namespace: str
    #: The sources in that namespace, None where the kind is not served.
    sources: tuple[GitSource, ...] | None


@cluster_fact(every(eksa_served_sources))
def eksa_git(
    sources: Members,
    eksa_cluster: EksaCluster,
    eksa_desired_cluster: EksaCluster | None,
    eksa_git_part: Part | None,
    subject: Subject,
) -> Git:
    """How the cluster keeps its specification in Git, or is about to."""
    part = eksa_git_part
    if part is None:
        given = " nor its specification" if eksa_desired_cluster else ""
        raise NotApplicable(
            f"neither {eksa_cluster}{given} keeps itself in Git" if given else f"{eksa_cluster} is not kept in Git"
        )
    config = part.wanted or part.live
    if config is None:
        raise Unreadable(
            f"{eksa_cluster} refers to {part.kind} {part.name}, which is neither in {subject.manager or subject.name} nor "
            "in its specification: which Git provider it has cannot be told"
        )
    spec = config.get("spec") or {}
    provider = "git" if part.kind == "FluxConfig" and spec.get("git") and not spec.get("github") else "github"
    space = value_at(spec, "systemNamespace") or value_at(spec, "flux.github.fluxSystemNamespace") or "flux-system"
    held: list[GitSource] | None = read_of(sources, None)
    return Git(
        subject.name,
        subject.manager or subject.name,
        f"{part.kind} {part.name}",
        provider,
        eksa_cluster.gitops is not None,
        str(space),
        None if held is None else tuple(one for one in held if one.namespace == space),
    )


@fleet_fact(every(eksa_git))
def eksa_gits(members: Members) -> Members:
    """Cluster -> how it keeps its specification in Git; clusters that do not are ruled out."""
    return members
