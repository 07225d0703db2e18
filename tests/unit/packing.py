"""Packs of checks that a test writes into a directory, and runs over them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from textwrap import dedent
from typing import Any

from conformance.change import Change, Cluster, Host
from conformance.hazards import Situation
from conformance.packs import Pack, pack_beside
from conformance.profiles import Library
from conformance.run import Run
from conformance.snapshot import Snapshot

__all__ = ["HEAD", "check", "library_of", "pack_of", "run_of", "write"]

#: What a module of checks begins with.
HEAD = """\
import pytest
from conformance import *
from conformance import Members, NotApplicable, Unreadable
WHERE = Source("a document", "a section")
"""


def check(hazard: str, body: str = "pass", *, names: str = "kernel", on: str = "NODE", **declared: str) -> str:
    """The text of a check of one hazard."""
    more = "".join(f", {key}={value}" for key, value in declared.items())
    severity = "" if "severity" in declared else ", severity=BLOCKER"
    name = "check_" + hazard.replace("-", "_")
    return (
        f'@hazard("{hazard}", title="{hazard} is there", on=[{on}], source=WHERE, remedy="mend {hazard}"{severity}{more})\n'
        f"def {name}({names}):\n    {body}\n"
    )


def write(directory: Path, files: Mapping[str, str]) -> Path:
    """Write files; modules of checks and facts get their imports in front, a profile named first is given back."""
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text((HEAD if name.endswith(".py") else "") + dedent(text), encoding="utf-8")
    return directory / next((name for name in files if name.endswith(".yaml")), "profile.yaml")


def pack_of(directory: Path, files: Mapping[str, str]) -> Pack:
    return pack_beside(write(directory, files))


def library_of(directory: Path, files: Mapping[str, str]) -> Library:
    return Library([pack_of(directory, files)])


def run_of(
    directory: Path,
    files: Mapping[str, str],
    *,
    hosts: Mapping[str, Host] | tuple[str, ...] = (),
    clusters: Mapping[str, Cluster] | tuple[str, ...] = (),
    situation: str = "before",
    snapshot: Snapshot | None = None,
    **change: Any,
) -> Run:
    """A run on the first profile among the files."""
    profile = write(directory, files)
    library = Library([])
    hosts = hosts if isinstance(hosts, Mapping) else {name: Host(name, f"ssh://{name}") for name in hosts}
    clusters = clusters if isinstance(clusters, Mapping) else {name: Cluster(name) for name in clusters}
    made = Change(hosts=hosts, clusters=clusters, **{"file": Path("upgrade.yaml"), **change})
    return Run(library.find(str(profile)), library, made, Situation(situation), snapshot or Snapshot())
