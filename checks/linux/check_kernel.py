"""The running kernel."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conformance import BLOCKER, HOST, NODE, WORKSTATION, Parameter, Source, Version, hazard

from ..sources import ANTHOS_BARE_METAL

_MINIMUM = Parameter("4.17.0", Version.parse, "a kernel version such as 4.17.0")


@hazard(
    "abm-kernel-too-old",
    title="the kernel is older than 4.17.0: the network controller anetd crashes (BPF NodePort services)",
    severity=BLOCKER,
    on=[NODE, WORKSTATION],
    upgrade_to=">=1.8.1,<1.8.3",
    fixed="1.8.3",
    source=ANTHOS_BARE_METAL.section("Ubuntu 18.04 と 18.04.1 に互換性がない"),
    remedy="Install a newer kernel (on Ubuntu 18.04: apt install linux-generic-hwe-18.04) and reboot, "
    "or upgrade straight to 1.8.3 or later.",
    settled={"minimum-kernel": Version.parse("4.17.0")},
)
@hazard(
    "os-kernel-too-old",
    title="the kernel is older than the network plug-ins of current platforms need",
    severity=BLOCKER,
    on=[HOST],
    source=Source(
        "Anthos clusters on bare metal: known issues",
        "Ubuntu 18.04 と 18.04.1 に互換性がない (BPF NodePort services need 4.17.0)",
        ANTHOS_BARE_METAL.url,
    ),
    remedy="Install the distribution's newer kernel and reboot.",
    parameters={"minimum-kernel": _MINIMUM},
)
def check_kernel_is_recent(kernel: Version, parameters: Mapping[str, Any]) -> None:
    minimum = parameters["minimum-kernel"]
    assert kernel >= minimum, f"the running kernel is {kernel}, older than {minimum}"
