"""The container runtime's programs, services and logs on a machine."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from conformance import Members, Unreadable, Version, every, filtered, fleet_fact, host_fact, journal
from conformance.facts.kubernetes import nodes
from conformance.facts.values.runc import InvalidRuncVersion, RuncInit, runc_inits, runc_version

__all__ = ["Docker", "Leftovers", "Runc"]

#: The lines of a log, or why it could not be read.
Log = list[str] | Unreadable


@host_fact(journal("kubelet", matching="PLEG is not healthy: pleg ", lines=100, required=False))
def abm_pleg_lines(lines: Log) -> Log:
    """What the kubelet wrote of an unhealthy PLEG within a day, the last 100 lines."""
    return lines


@host_fact(
    journal("kubelet", matching="error setting label on mount source .*permission denied", lines=5, required=False)
)
def abm_label_lines(lines: Log) -> Log:
    """What the kubelet wrote within a day of mounts that could not be labelled."""
    return lines


@host_fact(
    filtered(
        # Without --input-logs it would read its standard input where that is a pipe.
        "/sbin/ausearch --input-logs -m avc --start yesterday",
        matching="avc: +denied +[{][^}]* associate .*dev=.tmpfs",
        lines=5,
        nothing="<no matches>",
        required=False,
    )
)
def abm_tmpfs_denials(lines: Log) -> Log:
    """What the audit log holds since yesterday of SELinux denying to associate a label with a tmpfs. Source: ausearch(8)."""
    return lines


# The whole command line must be `runc init`: other processes' arguments stay where they are. Behind hidepid the login
# user sees only his own processes, without a word.
_RUNC_INITS: Final = r"""[ -r /proc/1/cmdline ] || { echo hidden; exit 0; }
ps -e -ww -o etimes=,pid=,args= | sed -n -E -e '/^ *[0-9]+ +[0-9]+ ([^ ]*\/)?(docker-)?runc init *$/p' -e '$='"""


@host_fact(_RUNC_INITS)
def abm_runc_inits(output: str) -> list[RuncInit]:
    """The processes `runc init` with their ages, in the order of ps."""
    if output == "hidden\n":
        raise Unreadable(
            "the processes of other users are hidden from the login user (/proc is mounted with hidepid): log in as root"
        )
    if not output.strip():
        raise Unreadable("`ps -e -o etimes=,pid=,args=` gave nothing: procps is needed, busybox cannot tell the ages")
    return runc_inits(output)


@dataclass(frozen=True, slots=True)
class Runc:
    """One runc that is installed."""

    path: str
    #: None where it does not say.
    version: Version | None
    #: What it said first, or why it could not be asked.
    said: str


_RUNC: Final = r"""for f in /usr/bin/runc /usr/local/sbin/runc; do
if [ -e "$f" ]; then printf "== %s\n" "$f"; "$f" --version 2>&1 </dev/null | head -n 1 | cut -c 1-200
elif ! e=$(ls -d "$f" 2>&1); then case $e in *"No such file"*) ;; *) printf "== %s\n%s\n" "$f" "$e";; esac
else printf "== %s\nit is a broken link\n" "$f"; fi; done"""


@host_fact(_RUNC)
def abm_runc(output: str) -> list[Runc]:
    """The runc of the distribution's packages, and the one that is put before it; none where neither is there."""
    found = []
    for part in re.split(r"(?m)^== ", output)[1:]:
        path, _, said = part.partition("\n")
        try:
            found.append(Runc(path, runc_version(said), said.strip()))
        except InvalidRuncVersion:
            found.append(Runc(path, None, said.strip() or "nothing"))
    return found


@dataclass(frozen=True, slots=True)
class Docker:
    """A docker executable on PATH, and its service."""

    path: str
    #: ``active``, ``inactive``, ``failed`` … Source: systemctl(1), ActiveState.
    state: str
    #: ``loaded``, ``not-found``, ``masked`` …
    loaded: str
    #: The package that the executable is from, empty where none is known.
    package: str
    #: The program that removes it.
    manager: str = "apt-get"

    @property
    def lines(self) -> list[str]:
        """What was read."""
        said = [f"docker on PATH: {self.path}", f"docker.service: ActiveState={self.state} LoadState={self.loaded}"]
        return [*said, f"{self.path} is from package {self.package}"] if self.package else said


# $PF_PATH is the PATH that the login user has in an SSH session; the script's own is longer. Which package it is from
# is asked only where that is needed.
_DOCKER: Final = r"""set -f; IFS=:; f=
for d in ${PF_PATH:-/usr/bin:/bin}; do [ -f "${d:-.}/docker" ] && [ -x "${d:-.}/docker" ] && f=${d:-.}/docker && break; done
unset IFS; [ "$f" ] || exit 0; printf "docker %s\n" "$f"
s=$(systemctl show -p ActiveState -p LoadState docker.service 2>&1) || { printf "failed %s\n" "$s"; exit 0; }
printf "%s\n" "$s"; case $s in *ActiveState=active*) exit 0;; esac
r=$(cd "${f%/*}" && pwd -P)/docker
p=$(dpkg-query -S "$r" 2>/dev/null) || p=$(rpm -qf --qf "%{NAME}\n" "$r" 2>/dev/null) || p=
printf "package %s\n" "$p"; exit 0"""


def _service(lines: list[str], what: str) -> dict[str, str]:
    """Property -> value, of what `systemctl show` prints.

    :raises Unreadable: it could not be asked.
    """
    failed = next((one.removeprefix("failed ") for one in lines if one.startswith("failed ")), None)
    if failed is not None:
        raise Unreadable(f"the state of {what} cannot be read: systemctl said {failed.strip() or 'nothing'!r}")
    found = dict(one.split("=", 1) for one in lines if one.partition("=")[0] in ("ActiveState", "LoadState"))
    if not found.get("ActiveState"):
        raise Unreadable(f"the state of {what} cannot be read: systemctl named none; is systemd this host's init?")
    return found


@host_fact(_DOCKER)
def abm_docker(output: str) -> Docker | None:
    """The docker executable that the login user finds on PATH, with the state of its service; None for none."""
    lines = output.splitlines()
    path = next((one.removeprefix("docker ") for one in lines if one.startswith("docker ")), "")
    if not path:
        if output.strip():
            raise Unreadable(f"whether docker is on PATH cannot be told: {output.strip()[:80]!r}")
        return None
    service = _service(lines, "docker.service")
    package = next((one.removeprefix("package ") for one in lines if one.startswith("package ")), "")
    # dpkg-query says `package: path`, rpm the bare name.
    name, colon, _ = package.partition(":")
    manager = "apt-get" if colon else "dnf"
    return Docker(path, service["ActiveState"], service.get("LoadState", ""), name.strip(), manager)


@dataclass(frozen=True, slots=True)
class Leftovers:
    """What there is of containerd."""

    #: ``cri`` where /etc/containerd/config.toml serves Kubernetes, ``other`` where it does not, empty for no such file.
    config: str
    binaries: tuple[str, ...]
    #: ActiveState of containerd.service.
    state: str
    #: Whether docker's engine, which brings a containerd along, is installed.
    docker: bool
    #: ActiveState of kubelet.service.
    kubelet: str


# The configuration that the packages of containerd bring turns the plug-in for Kubernetes (cri) off.
_LEFTOVERS: Final = r"""c=/etc/containerd/config.toml
if e=$(ls -d "$c" 2>&1); then
e=$(grep -Eq "^[[:space:]]*disabled_plugins[[:space:]]*=[[:space:]]*\[[^]]*[\"'](io\.containerd\.grpc\.v1\.)?cri[\"']" "$c" 2>&1)
case $? in 0) echo config other;; 1) echo config cri;; *) printf "unread %s\n" "$e"; exit 0;; esac
else case $e in *"No such file"*|*"Not a directory"*) ;; *) printf "unread %s\n" "$e"; exit 0;; esac; fi
for d in /usr/bin /usr/local/bin /usr/local/sbin; do for p in containerd containerd-shim-runc-v2 ctr; do
[ -e "$d/$p" ] && printf "binary %s\n" "$d/$p"; done; done
for d in /usr/bin /usr/sbin /usr/local/bin /snap/bin; do [ -e "$d/dockerd" ] && echo dockerd && break; done
for u in containerd kubelet; do
s=$(systemctl show -p ActiveState -p LoadState "$u.service" 2>&1) || { printf "failed %s\n" "$s"; exit 0; }
printf "unit %s\n%s\n" "$u" "$s"; done; exit 0"""


@host_fact(_LEFTOVERS)
def abm_containerd_leftovers(output: str) -> Leftovers:
    """What there is of containerd: configuration, programs and the state of its service."""
    lines = output.splitlines()
    unread = next((one.removeprefix("unread ") for one in lines if one.startswith("unread ")), None)
    if unread is not None:
        raise Unreadable(f"/etc/containerd/config.toml cannot be read ({unread.strip()}): log in as a user who may")
    starts = [number for number, line in enumerate(lines) if line.startswith("unit ")]
    head = lines[: starts[0]] if starts else lines
    units = {lines[number].removeprefix("unit "): _unit(lines, number) for number in starts}
    if set(units) != {"containerd", "kubelet"}:
        _service(lines, "containerd.service")
        raise Unreadable("what there is of containerd cannot be told: the answer breaks off")
    config = next((one.removeprefix("config ") for one in head if one.startswith("config ")), "")
    binaries = tuple(one.removeprefix("binary ") for one in head if one.startswith("binary "))
    return Leftovers(config, binaries, units["containerd"], "dockerd" in head, units["kubelet"])


def _unit(lines: list[str], number: int) -> str:
    return _service(lines[number + 1 : number + 3], f"{lines[number].removeprefix('unit ')}.service")["ActiveState"]


@fleet_fact(every(nodes))
def abm_nodes_of_all(members: Members) -> Members:
    """Cluster -> its nodes, of all clusters that are looked at."""
    return members
