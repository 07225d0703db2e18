"""Control groups for test hosts: version 1, version 2 or both, whatever this machine itself runs with.

A host with sshd alone gets them read-only. A host with systemd gets a cgroup of its own in every hierarchy
that it sees, since systemd moves processes about; those are the only things of a lab that outlive its
processes, so they are written down and removed again.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from tests.lab import namespaces as ns
from tests.lab.spec import Cgroup

Trees = Mapping["Hierarchy", Path]


class Hierarchy(NamedTuple):
    """One tree of control groups."""

    options: str
    """Mount options; empty for version 2."""
    own: str
    """Where the calling process is in it."""

    @property
    def name(self) -> str:
        """The directory that it is usually mounted on."""
        return self.options.removeprefix("none,name=") or "unified"

    def mount(self, target: Path) -> None:
        """Mount it; its root is that of the calling process's cgroup namespace."""
        flags = ns.NO_SUID | ns.NO_DEV | ns.NO_EXEC
        ns.mount("cgroup" if self.options else "cgroup2", target, flags=flags, data=self.options)


def hierarchies() -> list[Hierarchy]:
    """The trees of this machine, with systemd's own version 1 tree (which has no controllers) in any case."""
    found = []
    for line in Path("/proc/self/cgroup").read_text(encoding="ascii").splitlines():
        _, options, own = line.split(":", 2)
        found.append(Hierarchy(f"none,{options}" if options.startswith("name=") else options, own))
    if not any(tree.name == "systemd" for tree in found):
        found.append(Hierarchy("none,name=systemd", "/"))
    if not any(not tree.options for tree in found):
        found.append(Hierarchy("", "/"))
    return found


def wanted(kind: Cgroup) -> list[Hierarchy]:
    """The trees that a host of this kind sees."""
    return [tree for tree in hierarchies() if kind == "hybrid" or (kind == "v2") == (not tree.options)]


def attach(base: Path) -> Trees:
    """Mount every tree below `base`, and say where the calling process's own cgroup is in each."""
    trees = {}
    for tree in hierarchies():
        tree.mount(base / tree.name)
        trees[tree] = base / tree.name / tree.own.lstrip("/")
    return trees


def create(trees: Trees, name: str, kind: Cgroup) -> list[Path]:
    """Make a cgroup for one host in each tree that it will see."""
    made = []
    for tree in wanted(kind):
        path = trees[tree] / name
        path.mkdir(exist_ok=True)
        if "cpuset" in tree.options.split(","):  # refuses processes until it is told where they may run
            for setting in ("cpuset.cpus", "cpuset.mems"):
                (path / setting).write_text((path.parent / setting).read_text(encoding="ascii"), encoding="ascii")
        made.append(path)
    return made


def enter(paths: Iterable[Path]) -> None:
    """Move the calling process into these cgroups."""
    for path in paths:
        (path / "cgroup.procs").write_text("0", encoding="ascii")


def mount_in_host(root: Path, kind: Cgroup, *, read_only: bool) -> None:
    """Mount the control groups of a host the way a machine of that kind has them."""
    if kind == "none":
        return
    base = root / "sys/fs/cgroup"
    mounted = [base]
    if kind == "v2":
        wanted(kind)[0].mount(base)
    else:
        ns.mount("tmpfs", base, flags=ns.NO_SUID | ns.NO_DEV | ns.NO_EXEC, data="mode=755")
        for tree in wanted(kind):
            tree.mount(base / tree.name)
            mounted.append(base / tree.name)
            for controller in tree.name.split(",") if "," in tree.name else ():
                (base / controller).symlink_to(tree.name)
    if read_only:
        for point in mounted:
            ns.remount(point, ns.REMOUNT | ns.BIND | ns.READ_ONLY | ns.NO_SUID | ns.NO_DEV | ns.NO_EXEC)


def hide_idle_controllers(root: Path) -> None:
    """Show a host only those controllers that version 1 has on this machine.

    Its systemd would mount the others too, and so take them away from the machine's version 2.
    """
    shown = {controller for tree in wanted("v1") for controller in tree.options.split(",")}
    table = root / "proc/cgroups"
    title, *rows = table.read_text(encoding="ascii").splitlines()
    kept = root / "run/.cgroups"
    lines = [title, *(row for row in rows if row.split()[0] in shown)]
    kept.write_text("".join(f"{line}\n" for line in lines), encoding="ascii")
    ns.bind(kept, table)
    kept.unlink()


def remove(paths: Iterable[Path], patience: float = 5.0) -> list[Path]:
    """Remove the cgroups of hosts that have ended, with all that their systemd made; answers what is left."""
    deadline = time.monotonic() + patience
    left = []
    for path in paths:
        while path.exists() and not _remove_tree(path):
            if time.monotonic() > deadline:
                left.append(path)
                break
            time.sleep(0.02)  # the kernel lets go of ended processes in its own time, and version 1 tells nobody
    return left


def _remove_tree(path: Path) -> bool:
    for directory, _, _ in os.walk(path, topdown=False):
        try:
            Path(directory).rmdir()
        except FileNotFoundError:
            continue
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise
            return False
    return True
