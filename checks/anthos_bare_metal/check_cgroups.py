"""Control groups."""

from __future__ import annotations

from conformance import BLOCKER, NODE, hazard

from ..sources import ANTHOS_BARE_METAL


@hazard(
    "abm-cgroup-v2",
    title="the machine runs cgroup v2, which Anthos clusters on bare metal 1.6 does not support",
    severity=BLOCKER,
    on=[NODE],
    upgrade_to="<1.7",
    source=ANTHOS_BARE_METAL.section("コントロール グループ v2 の非互換性"),
    remedy="Boot with the legacy hierarchy: add systemd.unified_cgroup_hierarchy=0 to the kernel command line "
    "(GRUB_CMDLINE_LINUX in /etc/default/grub, then update-grub or grub2-mkconfig) and reboot.",
)
def check_cgroup_v1_is_used(cgroup_controllers: str | None) -> None:
    assert cgroup_controllers is None, "/sys/fs/cgroup/cgroup.controllers exists: the machine runs cgroup v2"
