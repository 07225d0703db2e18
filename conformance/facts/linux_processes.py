"""Which programs run on a host, by the names of their processes, and which pods by their cgroups."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from conformance.facts.declare import host_fact
from conformance.reads import command

__all__ = ["Processes", "processes"]

#: What stands beside containers while they run: containerd's shim, docker's own one, and those of CRI-O and podman. The
#: kernel keeps 15 characters of a name.
_SHIMS: Final = ("containerd-shim", "conmon", "conmonrs")
#: docker-containerd and docker-containerd-shim, of docker before 18.09, after these 15 characters. The first is one daemon.
_OLD_DOCKER: Final = "docker-containe"


@dataclass(frozen=True, slots=True)
class Processes:
    """What runs on a host."""

    #: Name of a process -> how many there are of it; the kernel keeps 15 characters of a name.
    names: Counter[str]
    #: Uid of a pod that has at least one process -> how many. That of a static pod is a hash without hyphens.
    pods: Counter[str]

    @property
    def shims(self) -> int:
        """How many processes there are that stand beside containers: one a container, or one a pod."""
        return sum(self.names[one] for one in _SHIMS) + max(0, self.names[_OLD_DOCKER] - 1)


# A kubelet puts every pod into a cgroup below kubepods, called kubepods/burstable/podUID, or with cgroups of systemd
# kubepods-burstable-podU_I_D.slice. Source: kubernetes, pkg/kubelet/cm (pod_container_manager_linux.go).
_READ: Final = r"""cat /proc/1/comm /proc/1/cgroup >/dev/null || exit 1
cat /proc/[0-9]*/comm 2>/dev/null | sort | uniq -c
echo pods:
grep -h -s -o -m 1 -E 'kubepods.*pod[0-9a-f]{8}([-_]?[0-9a-f]{4}){3}[-_]?[0-9a-f]{12}' /proc/[0-9]*/cgroup | sort | uniq -c
exit 0"""
_POD: Final = re.compile(r".*pod([0-9a-f_-]{32,36})")


@host_fact(command(_READ, name="names of processes, and the pods that they belong to"))
def processes(output: str) -> Processes:
    """The names of all processes, and the pods that any of them belongs to.

    Source: proc(5), cgroups(7): /proc/pid/comm and /proc/pid/cgroup, which every user may read - unless /proc is mounted
    with hidepid: then not even those of the first process, and this is unknown.
    """
    names: Counter[str] = Counter()
    pods: Counter[str] = Counter()
    told, _, of_pods = output.rpartition("pods:\n")
    for count, name in map(_counted, told.splitlines()):
        names[name] += count
    for count, place in map(_counted, of_pods.splitlines()):
        if match := _POD.fullmatch(place):
            pods[match[1].replace("_", "-")] += count
    # A name may hold what ends a line; what is left of it is none.
    return Processes(Counter({name: count for name, count in names.items() if count}), pods)


def _counted(line: str) -> tuple[int, str]:
    """A line of ``uniq -c``; 0 where it is none."""
    count, _, text = line.strip().partition(" ")
    return (int(count), text) if count.isdecimal() else (0, line)
