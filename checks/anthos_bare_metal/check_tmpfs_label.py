"""SELinux labels on tmpfs mounts."""

from __future__ import annotations

from conformance import NODE, WARNING, Unreadable, found, hazard
from conformance.facts.values.redhat import RedHatRelease

from ..sources import ANTHOS_BARE_METAL
from .facts_machines import Log

#: The first release with the mended kernel.
_MENDED = (8, 3)


@hazard(
    "abm-selinux-tmpfs-label",
    title="SELinux keeps the runtime from labelling tmpfs mounts (a bug of kernels before RHEL 8.3): pods are not created",
    severity=WARNING,
    on=[NODE],
    source=ANTHOS_BARE_METAL.section("Pod の作成中の SELinux エラー"),
    remedy="A reboot recovers the machine. To prevent it, move to RHEL or CentOS 8.3 or later.",
)
def check_tmpfs_can_be_labelled(
    rhel_release: RedHatRelease,
    selinux: str,
    abm_label_lines: Log,
    abm_tmpfs_denials: Log,
) -> None:
    if selinux != "enforcing":
        return
    if rhel_release.release >= _MENDED or (rhel_release.stream and rhel_release.major >= _MENDED[0]):
        return
    if rhel_release.minor is None and rhel_release.major == _MENDED[0]:
        raise Unreadable(
            f"whether it is older than 8.3 cannot be told: {rhel_release.line!r} names no minor release, and "
            "/etc/redhat-release does not either"
        )
    logs = {"the kubelet's journal": abm_label_lines, "the audit log": abm_tmpfs_denials}
    seen = {name: log for name, log in logs.items() if not isinstance(log, Unreadable) and log}
    state = f"{rhel_release} is older than 8.3 and SELinux is enforcing"
    evidence = [rhel_release.line, f"SELinux: {selinux}"]
    if seen:
        raise found(
            f"{state}, and {' and '.join(seen)} {'show' if len(seen) > 1 else 'shows'} that it has happened",
            evidence=[*evidence, *(line for log in seen.values() for line in log)],
            remedy="Reboot the machine to recover it:\n  systemctl reboot\nand move to RHEL or CentOS 8.3 or later, so that "
            "it does not happen again.",
        )
    unread = "".join(f"; {name} could not be read" for name, log in logs.items() if isinstance(log, Unreadable))
    raise found(f"{state}: pods may fail to be created{unread or '; so far no log shows it'}", evidence=evidence)
