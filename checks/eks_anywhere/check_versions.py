"""The Kubernetes version that is asked for, against the one that is there."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from conformance import BLOCKER, CLUSTER, Members, Unreadable, found, hazard
from conformance.change import Upgrade
from conformance.versions import Version

from ..sources import EKS_ANYWHERE
from .specification import EksaCluster, WorkerGroup, minor_of

Minor = tuple[int, int]
_SPEC = "spec.kubernetesVersion"
#: How far behind the control plane EKS Anywhere lets a worker node group be.
_BEHIND = 2


def _say(minor: Minor) -> str:
    return f"{minor[0]}.{minor[1]}"


def _step(old: Minor, new: Minor) -> bool:
    """Whether it is the same version or exactly the next one."""
    return new in (old, (old[0], old[1] + 1))


def _reach(minor: Minor) -> int:
    """How many minors a kubelet may be older than the API server: https://kubernetes.io/releases/version-skew-policy/."""
    return 3 if minor >= (1, 28) else 2


@hazard(
    "eksa-version-increment",
    title="the Kubernetes version asked for is not the present one or the next",
    severity=BLOCKER,
    on=[CLUSTER],
    source=EKS_ANYWHERE.section("検証フェーズ"),
    remedy="Go one minor version at a time, the control plane first: set spec.kubernetesVersion to the next one.",
)
def check_version_goes_up_by_one(
    eksa_cluster: EksaCluster,
    eksa_desired_cluster: EksaCluster | None,
    eksa_nodes: Members,
    upgrade: Upgrade,
) -> None:
    live, wanted = eksa_cluster, eksa_desired_cluster
    old = minor_of(live.version, f"{live}: {_SPEC}")
    target = _minor(upgrade.target)
    if wanted is None and target is None:
        raise Unreadable(
            "the Kubernetes version that is asked for is not known: give the new specification (`desired:` in the change "
            "file, or --desired) or --upgrade-to"
        )
    new = minor_of(wanted.version, f"the specification's {_SPEC}") if wanted else target or old
    by = "the specification" if wanted else "this change"
    said: list[str] = []
    evidence = [f"{live}: {_SPEC}={live.version}"]
    evidence.append(f"specification: {_SPEC}={wanted.version}" if wanted else f"this change is to {upgrade.target}")
    if not _step(old, new):
        said.append(f"{live} is at {_say(old)} and {by} asks for {_say(new)}: {_reason(old, new)}")
    running = _minor(upgrade.source)
    if running is not None and running != old and not _step(running, new):
        # An upgrade that stopped half way: the object says what was asked for, not what became of it.
        said.append(f"its API server is at {_say(running)} and {by} asks for {_say(new)}: {_reason(running, new)}")
        evidence.append(f"the API server before this upgrade: {upgrade.source}")
    if wanted is not None:
        for why, line in _groups(live, wanted, old, new):
            said.append(why)
            evidence.append(line)
    else:
        for group in live.workers:
            own = minor_of(group.version, f"worker node group {group.name}") if group.version else None
            if own and own[1] < new[1] - _BEHIND:
                said.append(f"worker node group {group.name} is at {_say(own)}, more than {_BEHIND} behind {_say(new)}")
                evidence.append(f"{live}: worker node group {group.name}: kubernetesVersion={group.version}")
    for node in sorted(next(iter(eksa_nodes.values()), []), key=lambda one: one.name):
        kubelet = minor_of(node.kubelet, f"the kubelet of node {node.name}")
        if kubelet[1] < new[1] - _reach(new):
            said.append(
                f"the kubelet of node {node.name} is {node.kubelet}, more than {_reach(new)} minors older than {_say(new)}"
            )
            evidence.append(f"Node {node.name}: kubeletVersion={node.kubelet}")
    if said:
        raise found("; ".join(said), evidence=evidence, remedy=_remedy(live, old, new))
    if wanted is not None and target is not None and target != new:
        raise found(
            f"the specification asks for {_say(new)}, while this change is to {_say(target)}: correct one of them",
            evidence=evidence,
            remedy=f'set spec.kubernetesVersion to "{_say(target)}", or choose the profile eks-anywhere-{_say(new)}',
            lower=True,
        )


def _minor(version: Version | None) -> Minor | None:
    return (version.major, version.minor) if version else None


def _reason(old: Minor, new: Minor) -> str:
    if new < old:
        return "EKS Anywhere does not go back"
    return f"only {_say(old)} or {_say((old[0], old[1] + 1))} will do"


def _groups(live: EksaCluster, wanted: EksaCluster, old: Minor, new: Minor) -> Iterator[tuple[str, str]]:
    """Worker node groups that may not become what is asked for: what is wrong, and the line that shows it."""
    before = {one.name: one for one in live.workers}
    for group in wanted.workers:
        held = before.get(group.name)
        line = f"worker node group {group.name}: kubernetesVersion={_own(held)} -> {_own(group)}"
        name = f"worker node group {group.name}"
        own = minor_of(group.version, f"the specification's {name}") if group.version else None
        there = minor_of(held.version, name) if held and held.version else None
        effective, present = own or new, there or old
        if held and (own or there) and not _step(present, effective):
            yield f"{name} is at {_say(present)} and is to be {_say(effective)}: {_reason(present, effective)}", line
        elif there and not own and new > old:
            yield (
                f"{name} loses its own version {_say(there)} while the cluster goes to {_say(new)}: take one step after the other",
                line,
            )
        if effective > new:
            yield f"{name} would be at {_say(effective)}, newer than the control plane at {_say(new)}", line
        elif new[1] - effective[1] > _BEHIND:
            yield (
                f"{name} would be at {_say(effective)}, more than {_BEHIND} behind the control plane at {_say(new)}",
                line,
            )


def _own(group: WorkerGroup | None) -> str:
    return (group.version or "that of the cluster") if group else "(a new group)"


def _remedy(live: EksaCluster, old: Minor, new: Minor) -> str:
    path = f"{live.name}/{live.name}-eks-a-cluster.yaml"
    steps = [_say((old[0], minor)) for minor in range(old[1] + 1, new[1] + 1)]
    order = (
        f"one upgrade after the other: {', '.join(steps)}" if len(steps) > 1 else f"set it to {_say(old)} or the next"
    )
    return (
        f"# In {path}: spec.kubernetesVersion and the kubernetesVersion of worker node groups ({order}; workers follow their "
        f"control plane by {_BEHIND} at most); then:\neksctl anywhere upgrade cluster -f {shlex.quote(path)} -v9"
    )
