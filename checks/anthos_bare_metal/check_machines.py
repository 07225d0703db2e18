"""The container runtime's programs and services on a machine."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from conformance import BLOCKER, NODE, WARNING, Parameter, Unreadable, Version, found, hazard
from conformance.facts.values.runc import RuncInit

from ..sources import ANTHOS_BARE_METAL
from .facts_machines import Docker, Log, Runc

_LAST_BAD = Version.parse("1.0.0-rc93")
#: What grep takes for what such a runc, or an older one, says.
_TOO_OLD = r"'^runc version (0\.|1\.0\.0[-~]rc([0-9]|[1-8][0-9]|9[0-3])([^0-9]|$))'"
#: The runc that is put before the distribution's.
_PLATFORMS = "/usr/local/sbin/runc"
#: Seconds that the kubelet gives its PLEG.
_PLEG_SECONDS = 180
_LINE = re.compile(r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[+-]\d\d:?\d\d) \S+ [^\s\[]+\[(?P<pid>\d+)\]: ")
_SHOWN = 3


def unhealthy(lines: list[str]) -> list[str]:
    """Those lines that tell of an unhealthy PLEG.

    Right after its start, every kubelet writes for a moment that its PLEG has yet to be successful. That counts only
    where the same process still writes it three minutes later, the time after which an active one counts as unhealthy.

    Source: pkg/kubelet/pleg/generic.go of Kubernetes, Healthy() and relistThreshold.
    """
    first: dict[str, datetime] = {}
    found = []
    for line in lines:
        if "pleg has yet to be successful" not in line:
            found.append(line)
        elif match := _LINE.match(line):
            now = datetime.fromisoformat(match["time"])
            if (now - first.setdefault(match["pid"], now)).total_seconds() > _PLEG_SECONDS:
                found.append(line)
    return found


def _seconds(text: str) -> int:
    if not text.strip().isdecimal():
        raise ValueError("it is no number")
    return int(text)


@hazard(
    "abm-pleg-unhealthy",
    title="the kubelet's pod lifecycle generator (PLEG) is unhealthy, or runc has the race that makes it so: nodes flap",
    severity=WARNING,
    on=[NODE],
    source=ANTHOS_BARE_METAL.section("ノード readiness のフラッピング"),
    remedy="Put a runc newer than 1.0.0-rc93 in place, from containerd.io or docker-ce, and reboot the node where a "
    "process `runc init` is stuck.",
    parameters={
        "runc-init-seconds": Parameter("120", _seconds, "seconds: a process `runc init` that is older is stuck"),
    },
)
def check_pleg_is_healthy(
    abm_runc_inits: list[RuncInit],
    abm_runc: list[Runc],
    abm_pleg_lines: Log,
    parameters: Mapping[str, Any],
) -> None:
    limit = parameters["runc-init-seconds"]
    stuck = sorted((one for one in abm_runc_inits if one.age > limit), key=lambda one: one.pid)
    old = [one for one in abm_runc if one.version is not None and one.version.public <= _LAST_BAD.public]
    lines = [] if isinstance(abm_pleg_lines, Unreadable) else unhealthy(abm_pleg_lines)
    said, evidence, remedy = [], [], []
    if lines:
        said.append(f"the kubelet wrote that PLEG is not healthy, last: {lines[-1]}")
        evidence += lines[-_SHOWN:]
    if stuck:
        said.append(
            "stuck: " + ", ".join(f"`runc init` {one.pid} is {one.age} s old (more than {limit} s)" for one in stuck)
        )
        evidence += [one.line for one in stuck]
    if old:
        said.append("too old: " + ", ".join(f"{one.path} is {one.version}" for one in old))
        evidence += [f"{one.path}: {one.said}" for one in old]
    if not said:
        _raise_unknown(abm_runc, abm_pleg_lines)
        return
    if old or not stuck:
        remedy.append(_newer(abm_runc, old))
    if stuck:
        pids = " ".join(str(one.pid) for one in stuck)
        remedy.append(f"Reboot the node; or, where that cannot be, end the stuck processes by hand: kill -9 {pids}")
    raise found("; ".join(said), evidence=evidence, remedy="\n".join(remedy))


def _newer(there: list[Runc], old: list[Runc]) -> str:
    """How to put a newer runc in place, without ever putting an older one there."""
    kept = next((one for one in there if one.path == _PLATFORMS and one not in old), None)
    install = f"""\
Put a runc newer than {_LAST_BAD} in place, from the package of the cluster's runtime:
  # docker-ce in place of containerd.io where the cluster runs docker; dnf in place of apt-get on RHEL and CentOS
  sudo apt-get install containerd.io &&
"""
    if kept:
        return f"{install}  /usr/bin/runc --version\n  # {_PLATFORMS} stays: it is {kept.version or 'of a version that is not known'}"
    return f"""\
{install}  # where this prints a version, that is too old still, and nothing is copied
  ! /usr/bin/runc --version | grep -E {_TOO_OLD} &&
  {{ [ ! -e {_PLATFORMS} ] || cp {_PLATFORMS} ~/; }} &&
  sudo cp /usr/bin/runc {_PLATFORMS} &&
  {_PLATFORMS} --version"""


def _raise_unknown(runc: list[Runc], log: Log) -> None:
    for one in runc:
        if one.version is None:
            raise Unreadable(
                f"the version of {one.path} cannot be told (it said: {one.said[:200]}): see which package it is from, "
                "1.0.0-rc93 and older must be replaced"
            )
    if isinstance(log, Unreadable):
        raise log


@hazard(
    "abm-docker-inactive",
    title="docker is on PATH and its service is not active: the platform's own preflight check fails",
    severity=BLOCKER,
    on=[NODE],
    source=ANTHOS_BARE_METAL.section("Docker サービス"),
    remedy="Remove docker, or enable its service: systemctl enable --now docker.",
)
def check_docker_is_active_or_absent(abm_docker: Docker | None) -> None:
    if abm_docker is None or abm_docker.state in ("active", "reloading"):
        return
    raise found(
        f"{abm_docker.path} is on the login user's PATH and docker.service is {abm_docker.state}"
        f"{_why(abm_docker)}: Docker service is not active",
        evidence=abm_docker.lines,
        remedy=_way_out(abm_docker),
    )


def _why(docker: Docker) -> str:
    if docker.loaded == "not-found":
        return (
            f" (there is none; {docker.path} is from package {docker.package})"
            if docker.package
            else " (there is none)"
        )
    return " (masked)" if docker.loaded == "masked" else ""


def _way_out(docker: Docker) -> str:
    if docker.path.startswith("/snap/"):
        remove = "  snap remove docker"
    elif docker.package:
        remove = f"  {docker.manager} remove {shlex.quote(docker.package)}"
    else:
        remove = f"  # no package owns it\n  rm {shlex.quote(docker.path)}"
    if docker.loaded == "not-found":
        return f"There is no docker service to enable: remove what puts docker on PATH.\n{remove}"
    unmask = "systemctl unmask docker && " if docker.loaded == "masked" else ""
    return (
        f"Either, where the cluster needs docker, enable its service:\n  {unmask}systemctl enable --now docker\n"
        f"or, where it does not, remove docker:\n{remove}"
    )
