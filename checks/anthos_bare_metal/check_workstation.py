"""The workstation on which bmctl runs the bootstrap cluster."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

from conformance import BLOCKER, WARNING, WORKSTATION, NotApplicable, Unreadable, Version, found, hazard
from conformance.change import Upgrade
from conformance.facts.values.osrelease import OsRelease

from ..sources import ANTHOS_BARE_METAL
from .facts_workstation import Manifests
from .parameters import BMCTL_DIRECTORY

_CONNTRACK = "net.netfilter.nf_conntrack_max"


@hazard(
    "abm-conntrack-readonly",
    title="kube-proxy of the bootstrap cluster cannot raise nf_conntrack_max, and crash-loops",
    severity=BLOCKER,
    on=[WORKSTATION],
    upgrade_to="<1.8.2",
    fixed="1.8.2",
    source=ANTHOS_BARE_METAL.section("Ubuntu 20.04 LTS と bmctl"),
    remedy=f"sudo sysctl {_CONNTRACK}=VALUE, with the value that kube-proxy's log names.",
)
def check_conntrack_table_is_large_enough(
    os_release: OsRelease, kernel: Version, conntrack_max: int | None, cores: int
) -> None:
    """kube-proxy leaves a value alone that is high enough, and writes none then.

    What it wants is 32768 per core, at least 131072: its defaults --conntrack-max-per-core and --conntrack-min. Source:
    https://kubernetes.io/docs/reference/command-line-tools-reference/kube-proxy/ and getConntrackMax in its source.
    The document calls a kernel recent without a number; 5.8 is the one that it names, so earlier ones are not meant.
    """
    if os_release.id != "ubuntu" or os_release.version_id != "20.04":
        raise NotApplicable(f"it runs {os_release}, not Ubuntu 20.04")
    if kernel < Version.parse("5.8"):
        raise NotApplicable(f"kernel {kernel} is before 5.8: what runs in a container may still set {_CONNTRACK}")
    wanted = max(32768 * cores, 131072)
    if conntrack_max is None:
        raise Unreadable(
            f"nf_conntrack is not loaded, so {_CONNTRACK} has no value yet; kube-proxy wants {wanted}: "
            "sudo modprobe nf_conntrack, then run again"
        )
    if conntrack_max < wanted:
        raise found(
            f"{_CONNTRACK} is {conntrack_max}; kube-proxy wants {wanted} on {cores} core{'s' if cores > 1 else ''}, and "
            f"with kernel {kernel} it cannot set that in the bootstrap cluster",
            evidence=[str(conntrack_max)],
            remedy=f"Set it on this machine, until it boots again:\n  sudo sysctl {_CONNTRACK}={wanted}",
        )


@hazard(
    "abm-manifests-missing",
    title="bmctl's directory .manifests is gone: bmctl update cluster fails",
    severity=WARNING,
    on=[WORKSTATION],
    upgrade_from="<1.11",
    fixed="1.11",
    source=ANTHOS_BARE_METAL.section(".manifests ディレクトリがない場合に bmctl update cluster が失敗する"),
    remedy="Run bmctl check cluster once, on an admin, hybrid or standalone cluster: it makes the directory again. Never on "
    "a user cluster: that would overwrite its kubeconfig secret.",
    parameters=BMCTL_DIRECTORY,
)
def check_manifests_are_there(
    abm_manifests: Manifests, abm_self_managed: Mapping[str, str], upgrades: Mapping[str, Upgrade]
) -> None:
    folder = abm_manifests.folder
    if not abm_manifests.there(""):
        raise Unreadable(f"{folder}: {abm_manifests.states['']}: name the folder in which bmctl runs (bmctl-directory)")
    if not abm_manifests.there("bmctl-workspace"):
        raise NotApplicable(
            f"{folder} holds no bmctl-workspace: bmctl was never run there (the parameter bmctl-directory names another "
            "folder)"
        )
    places = (".manifests", "bmctl-workspace/.manifests")
    # One that is there settles it, also where the other place is closed.
    if any(abm_manifests.states[one] == "is a directory" for one in places):
        return
    for one in places:
        abm_manifests.there(one)  # raises where that cannot be told
    names = sorted(abm_self_managed, key=lambda one: one in upgrades and upgrades[one].none)
    cluster = abm_self_managed[names[0]] if names else "ADMIN_CLUSTER"
    raise found(
        f"{folder} holds bmctl-workspace, and .manifests in neither of them",
        evidence=[abm_manifests.line(one) for one in places],
        remedy="Let bmctl make it again:\n  # never with a user cluster: that would overwrite its kubeconfig secret\n"
        f"  cd {shlex.quote(folder)} && bmctl check cluster -c {shlex.quote(cluster)}",
    )
