"""What the login user of the nodes finds."""

from __future__ import annotations

from conformance import BLOCKER, NODE, Unreadable, found, hazard
from conformance.reads.projection import value_at

from ..sources import ANTHOS_BARE_METAL
from .facts import AbmCluster
from .facts_login import Login

_PLACE = "/usr/local/bin"
_LINK = f"ln -s {_PLACE}/crictl /usr/bin/crictl"


@hazard(
    "abm-usr-local-bin-path",
    title="kubeadm does not find crictl: /usr/local/bin is not on the PATH of the login user, or not on sudo's",
    severity=BLOCKER,
    on=[NODE],
    upgrade_to="<1.8.2",
    fixed="1.8.2 (snapshots by a user other than root still need it)",
    source=ANTHOS_BARE_METAL.section("containerd には PATH に /usr/local/bin が必要です"),
    remedy=f"Add {_PLACE} to secure_path in /etc/sudoers (visudo), or: {_LINK}",
)
def check_crictl_is_on_the_path(abm_containerd: AbmCluster, abm_login: Login) -> None:
    named = str(value_at(abm_containerd.spec, "nodeAccess.loginUser") or "")
    expected = named or "root"
    if expected != abm_login.user:
        raise Unreadable(
            f"cluster {abm_containerd.name} logs in as {expected} (spec.nodeAccess.loginUser"
            f"{'' if named else ' is not set'}), this run as "
            f"{abm_login.user}: another user has another PATH, so give {expected} as the user of this host"
        )
    lacking: list[tuple[str, str]] = []
    if _lacks(abm_login.path, abm_login):
        lacking.append((f"the PATH of {abm_login.user} over SSH", abm_login.path_line))
    if not abm_login.root and abm_login.sudo_path != abm_login.path and _lacks(abm_login.sudo_path, abm_login):
        lacking.append((f"the secure_path of sudo for {abm_login.user}", abm_login.sudo_line))
    if lacking:
        mend = (
            f"Put {_PLACE} into secure_path (visudo), or on this node: sudo {_LINK}"
            if not abm_login.root
            else f"Put {_PLACE} into the PATH of {abm_login.user}'s sessions that are not interactive, or on this node: {_LINK}"
        )
        raise found(
            f"{_PLACE} is not in {' and not in '.join(what for what, _ in lacking)}, and crictl in no other directory of it",
            evidence=[line or "PATH is empty" for _, line in lacking],
            remedy=mend,
        )


def _lacks(path: tuple[str, ...], login: Login) -> bool:
    return _PLACE not in path and not login.crictl.intersection(path)
