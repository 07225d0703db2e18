"""Preflight conformance checks for Kubernetes platform upgrades: a pytest plugin and its suite.

The names here are what checks and facts are written with; they are stable.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from conformance.answers import NotApplicable, Unreadable
    from conformance.facts.declare import Members, cluster_fact, every, fleet_fact, host_fact
    from conformance.hazards import (
        ADVICE,
        BEFORE,
        BLOCKER,
        CLUSTER,
        CONTROL_PLANE,
        FLEET,
        HOST,
        LOAD_BALANCER,
        NODE,
        REPAIR,
        STUCK,
        WARNING,
        WORKER,
        WORKSTATION,
        Document,
        HazardFound,
        Parameter,
        Source,
        clear,
        found,
        hazard,
    )
    from conformance.reads import (
        command,
        desired,
        environment,
        file,
        files,
        filtered,
        journal,
        listing,
        login_command,
        named,
        path,
        pod_exec,
        pod_logs,
    )
    from conformance.run import Member
    from conformance.versions import Specifier, Version

__version__ = "0.1.0"

_PLACES: Final = {
    "conformance.answers": ("NotApplicable", "Unreadable"),
    "conformance.facts.declare": ("Members", "cluster_fact", "every", "fleet_fact", "host_fact"),
    "conformance.hazards": (
        *("ADVICE", "BEFORE", "BLOCKER", "CLUSTER", "CONTROL_PLANE", "FLEET", "HOST", "LOAD_BALANCER", "NODE"),
        *("REPAIR", "STUCK", "WARNING", "WORKER", "WORKSTATION"),
        *("Document", "HazardFound", "Parameter", "Source", "clear", "found", "hazard"),
    ),
    "conformance.reads": (
        *("command", "desired", "environment", "file", "files", "filtered", "journal", "listing", "login_command"),
        *("named", "path", "pod_exec", "pod_logs"),
    ),
    "conformance.run": ("Member",),
    "conformance.versions": ("Specifier", "Version"),
}
_HOME: Final = {name: place for place, names in _PLACES.items() for name in names}

__all__ = [
    "ADVICE",
    "BEFORE",
    "BLOCKER",
    "CLUSTER",
    "CONTROL_PLANE",
    "FLEET",
    "HOST",
    "LOAD_BALANCER",
    "NODE",
    "REPAIR",
    "STUCK",
    "WARNING",
    "WORKER",
    "WORKSTATION",
    "Document",
    "HazardFound",
    "Member",
    "Members",
    "NotApplicable",
    "Parameter",
    "Source",
    "Specifier",
    "Unreadable",
    "Version",
    "clear",
    "cluster_fact",
    "command",
    "desired",
    "environment",
    "every",
    "file",
    "files",
    "filtered",
    "fleet_fact",
    "found",
    "hazard",
    "host_fact",
    "journal",
    "listing",
    "login_command",
    "named",
    "path",
    "pod_exec",
    "pod_logs",
]


def __getattr__(name: str) -> Any:
    # Loaded when asked for: pytest imports this package at every start, also where nobody uses the suite.
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted(__all__)
