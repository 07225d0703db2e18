"""Pure values and their parsers: what facts turn texts into and checks look at. Nothing here reads or writes."""

from conformance.facts.values.addresses import InvalidRange, Overlap, Overlaps, OwnedRange, Range, overlaps
from conformance.facts.values.kubeconfig import (
    InvalidKubeconfig,
    KubeconfigCluster,
    KubeconfigContext,
    KubeconfigFacts,
    ca_fingerprints,
)
from conformance.facts.values.kubeletconfig import InvalidKubeletConfig, KubeletConfig
from conformance.facts.values.mounts import Fstab, InvalidMounts, Mount, MountTable, denies_exec
from conformance.facts.values.osrelease import InvalidOsRelease, OsRelease
from conformance.facts.values.units import Setting, UnitFile, tmp_at_boot
from conformance.facts.values.yum import (
    InvalidRepositories,
    Repositories,
    Repository,
    RepositoryUrl,
    host_of,
)

__all__ = [
    "Fstab",
    "InvalidKubeconfig",
    "InvalidKubeletConfig",
    "InvalidMounts",
    "InvalidOsRelease",
    "InvalidRange",
    "InvalidRepositories",
    "KubeconfigCluster",
    "KubeconfigContext",
    "KubeconfigFacts",
    "KubeletConfig",
    "Mount",
    "MountTable",
    "OsRelease",
    "Overlap",
    "Overlaps",
    "OwnedRange",
    "Range",
    "Repositories",
    "Repository",
    "RepositoryUrl",
    "Setting",
    "UnitFile",
    "ca_fingerprints",
    "denies_exec",
    "host_of",
    "overlaps",
    "tmp_at_boot",
]
