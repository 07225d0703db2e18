"""Mounted file systems."""

from __future__ import annotations

import shlex

from conformance import BLOCKER, HOST, NODE, WORKSTATION, Source, Unreadable, found, hazard
from conformance.facts.values.mounts import MountTable, denies_exec
from conformance.facts.values.units import Setting

from ..sources import ANTHOS_BARE_METAL

_REMEDY = (
    "Take noexec off for now: mount -o remount,exec {point} - and for the next boot remove noexec from the options of "
    "/tmp in /etc/fstab or in systemd's tmp.mount."
)


@hazard(
    "abm-tmp-noexec",
    title="/tmp is mounted noexec",
    severity=BLOCKER,
    on=[NODE, WORKSTATION],
    source=ANTHOS_BARE_METAL.section("プリフライト チェックと権限が拒否されました"),
    remedy=_REMEDY.format(point="/tmp"),
)
@hazard(
    "os-tmp-noexec",
    title='/tmp is mounted noexec: installers that unpack a script there fail with "Permission denied"',
    severity=BLOCKER,
    on=[HOST],
    source=Source(
        "Anthos clusters on bare metal: known issues",
        "プリフライト チェックと権限が拒否されました (any installer that runs from /tmp)",
        ANTHOS_BARE_METAL.url,
    ),
    remedy=_REMEDY.format(point="/tmp"),
)
def check_tmp_allows_exec(mounts: MountTable, tmp_place: str, tmp_at_boot: Setting | None) -> None:
    try:
        tmp = mounts.holding(tmp_place)
    except LookupError as error:
        raise Unreadable(str(error)) from None
    if denies_exec(tmp.options):
        link = "" if tmp_place == "/tmp" else f" (a link to {tmp_place})"
        point = tmp.point if tmp.point == "/tmp" else f"{tmp.point}, which holds /tmp{link},"
        raise found(
            f"{point} is mounted with noexec ({tmp.source}, {tmp.fstype})",
            evidence=[tmp.line],
            remedy=_REMEDY.format(point=shlex.quote(tmp.point)),
        )
    if tmp_at_boot is not None:
        raise found(
            f"/tmp allows exec now, but {tmp_at_boot.path} line {tmp_at_boot.number} brings noexec back at the next boot",
            evidence=[tmp_at_boot.line],
            remedy=f"Remove noexec from the options in {tmp_at_boot.path}.",
            lower=True,
        )
