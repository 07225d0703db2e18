"""The way out where etcd has raised an alarm: while one is, etcdctl calls every endpoint unhealthy.

Sources: https://etcd.io/docs/latest/op-guide/maintenance/#space-quota, and OpenShift documentation, "Defragmenting etcd
data".
"""

from __future__ import annotations

import shlex
from typing import Final

from conformance.facts.values.etcd import EtcdCluster

from .facts import NAMESPACE

__all__ = ["RSH", "disarmed"]

RSH: Final = f"oc rsh -n {NAMESPACE} -c etcdctl"


def disarmed(etcd: EtcdCluster) -> list[str]:
    """The lines of the remedy for the alarms that are raised."""
    leader = etcd.leader
    # The leader comes last: while it is defragmented it does not answer, and others would vote.
    voters = sorted(etcd.committing_voters, key=lambda one: one == leader)
    pods = [shlex.quote(f"etcd-{one.name}") for one in voters if one.name] or ["POD"]
    lines = [
        "# Remove and replace no member for it.",
        f"{RSH} {pods[0]} etcdctl alarm list",
        f"{RSH} {pods[0]} etcdctl endpoint status --cluster -w table",
    ]
    others = [one for one in etcd.alarms if one != "NOSPACE"]
    if others:
        lines.append(
            f"# {', '.join(others)}: members hold different data. Do not disarm it: stop the upgrade, and let support find "
            "out which member is right before anything is changed."
        )
        return lines
    return [
        *lines,
        "# NOSPACE: the database has reached its quota. Delete what nobody needs (events, old objects); the API server",
        "# compacts every 5 minutes. Then defragment one member after the other, and disarm the alarm once there is room:",
        " && \\\n".join(
            [
                *(
                    # The environment of the pod names all endpoints, and a flag beside it is refused.
                    f"{RSH} {pod} env -u ETCDCTL_ENDPOINTS etcdctl --command-timeout=30s "
                    "--endpoints=https://localhost:2379 defrag"
                    for pod in pods
                ),
                f"{RSH} {pods[0]} etcdctl alarm disarm",
            ]
        ),
        f"{RSH} {pods[0]} etcdctl endpoint health --cluster",
    ]
