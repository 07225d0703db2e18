"""Which programs run on a host, by the names of their processes."""

from __future__ import annotations

from collections import Counter
from typing import Final

from conformance.facts.declare import host_fact

__all__ = ["CONTAINER_PROCESSES", "processes"]

#: What stands beside every container while it runs: containerd's and docker's shims, and that of CRI-O and podman. The
#: kernel keeps 15 characters of a name.
CONTAINER_PROCESSES: Final = ("containerd-shim", "docker-containe", "conmon")


@host_fact("cat /proc/1/comm >/dev/null && cat /proc/[0-9]*/comm 2>/dev/null | sort | uniq -c")
def processes(output: str) -> Counter[str]:
    """Name of a process -> how many there are of it; the kernel keeps 15 characters of a name.

    Source: proc(5), /proc/pid/comm, which every user may read - unless /proc is mounted with hidepid: then not even that
    of the first process, and this is unknown.
    """
    found: Counter[str] = Counter()
    for line in output.splitlines():
        count, _, name = line.strip().partition(" ")
        if count.isdecimal() and name:
            found[name] += int(count)
    return found
