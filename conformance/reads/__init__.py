"""Reads: what may be asked of a host or a cluster, declared before anything is contacted."""

from conformance.reads.clusters import (
    ClusterRead,
    Desired,
    Listing,
    Named,
    NamedObjects,
    Path,
    desired,
    listing,
    named,
    path,
)
from conformance.reads.hosts import Command, File, Files, HostRead, InvalidRead, command, file, files

__all__ = [
    "ClusterRead",
    "Command",
    "Desired",
    "File",
    "Files",
    "HostRead",
    "InvalidRead",
    "Listing",
    "Named",
    "NamedObjects",
    "Path",
    "command",
    "desired",
    "file",
    "files",
    "listing",
    "named",
    "path",
]
