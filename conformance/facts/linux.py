"""Facts of a Linux host that every platform shares."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Interface, IPv6Interface, ip_interface

from conformance.answers import NotApplicable, Unreadable
from conformance.facts.declare import Members, every, host_fact
from conformance.facts.values.kubeletconfig import KubeletConfig
from conformance.facts.values.mounts import Fstab, MountTable, denies_exec
from conformance.facts.values.osrelease import OsRelease
from conformance.facts.values.units import Setting
from conformance.facts.values.units import tmp_at_boot as _tmp_at_boot
from conformance.facts.values.yum import Repositories
from conformance.reads import command, file, files
from conformance.versions import Version

__all__ = [
    "addresses",
    "centos_repositories",
    "cgroup_controllers",
    "cgroup_v1_kubelet",
    "cgroup_version",
    "fstab",
    "kernel",
    "kubelet_config",
    "mounts",
    "os_release",
    "tmp_at_boot",
    "tmp_place",
    "tmp_units",
    "yum_repositories",
]

_UNITS = ("tmp.mount", "tmp.mount.d/*.conf", "*.wants/tmp.mount", "*.requires/tmp.mount")


@host_fact(file("/proc/self/mounts"))
def mounts(text: str | None) -> MountTable:
    """The mounted file systems in mount order; the last one on a point wins."""
    if text is None:
        raise Unreadable("/proc/self/mounts does not exist: is /proc mounted?")
    return MountTable.parse(text)


@host_fact(file("/etc/fstab"))
def fstab(text: str | None) -> Fstab:
    """What is mounted at the next boot; empty where there is no /etc/fstab."""
    return Fstab.parse(text or "")


@host_fact(files("/etc/systemd/system", *_UNITS), files("/usr/lib/systemd/system", *_UNITS))
def tmp_units(own: Mapping[str, str], vendor: Mapping[str, str]) -> dict[str, str]:
    """Systemd's files about tmp.mount: path -> text, an empty text for a masked one."""
    return {**vendor, **own}


@host_fact("readlink -f /tmp")
def tmp_place(output: str) -> str:
    """Where /tmp really is: another directory where it is a symbolic link."""
    place = output.rstrip("\n")
    if not place.startswith("/"):
        raise Unreadable("where /tmp leads to cannot be told")
    return place


@host_fact()
def tmp_at_boot(fstab: Fstab, tmp_units: Mapping[str, str], tmp_place: str) -> Setting | None:
    """The line that makes /tmp noexec at the next boot; None where nothing does."""
    if tmp_place == "/tmp":  # noqa: S108 - looked at, not written to
        return _tmp_at_boot(fstab, tmp_units)
    # systemd mounts nothing on a symbolic link: what holds the place that it leads to decides.
    holder = fstab.holding(tmp_place)
    if holder is None or not denies_exec(holder.options):
        return None
    return Setting("Mount", "Options", ",".join(holder.options), "/etc/fstab", holder.number, holder.line)


@host_fact(file("/etc/os-release"))
def os_release(text: str | None) -> OsRelease:
    """Which distribution and version the host runs."""
    if text is None:
        raise Unreadable("/etc/os-release does not exist: the distribution is not known")
    return OsRelease.parse(text)


@host_fact("uname -r")
def kernel(output: str) -> Version:
    """The version of the running kernel."""
    return Version.parse(output.strip())


@host_fact(files("/etc/yum.repos.d", "*.repo"))
def yum_repositories(texts: Mapping[str, str]) -> Repositories:
    """The yum and dnf repositories of the host; none where there is no /etc/yum.repos.d."""
    return Repositories.parse(texts)


@host_fact(every(yum_repositories))
def centos_repositories(told: Members, os_release: OsRelease) -> Repositories:
    """`yum_repositories` of a host that runs CentOS; any other is ruled out, whoever may read its repositories."""
    if not os_release.is_centos:
        raise NotApplicable(f"the host runs {os_release.pretty_name or os_release.id}, not CentOS")
    if os_release.is_centos_stream:
        raise NotApplicable(f"the host runs {os_release.pretty_name}: CentOS Stream has repositories of its own")
    for why in told.unread.values():
        raise Unreadable(why.reason)
    repositories: Repositories = next(iter(told.values()))
    return repositories


@host_fact(file("/sys/fs/cgroup/cgroup.controllers"))
def cgroup_controllers(text: str | None) -> str | None:
    """What the root of the unified hierarchy (cgroup v2) offers; None where the host does not run it.

    The hybrid layout has its cgroup2 mount below /sys/fs/cgroup/unified: there this is None as well.
    Source: https://docs.kernel.org/admin-guide/cgroup-v2.html
    """
    return text


@host_fact()
def cgroup_version(cgroup_controllers: str | None, mounts: MountTable) -> str:
    """``v2`` where the host runs the unified hierarchy, ``v1`` where the legacy or the hybrid one."""
    if cgroup_controllers is not None:
        return "v2"
    if not any(one.fstype == "cgroup" for one in mounts):
        raise Unreadable("no cgroup file system is mounted: which version the host runs cannot be told")
    return "v1"


# A kubelet may be told another file by --config, and drop-ins by --config-dir: its command line says which. Ends with 10
# where there is no file.
_KUBELET = r"""c=/var/lib/kubelet/config.yaml d= r=0
p=$(pidof kubelet) && a=$(tr "\0" "\n" </proc/${p%% *}/cmdline) && set -f && IFS="
" && set -- $a
while [ $# -gt 0 ]; do
case $1 in --config=*) c=${1#*=};; --config) c=$2;; --config-dir=*) d=${1#*=};; --config-dir) d=$2;; esac
printf "%s " "$1"; shift; done
printf "\n== %s\n" "$c"; cat -- "$c" || { ls -d -- "$c" 2>&1 | grep -q "No such file" && r=10 || exit 1; }
[ "$d" ] && { f=$(find "$d" -name "*.conf" ! -type d) || exit 1; }
for i in ${f-}; do printf "\n== %s\n" "$i"; cat -- "$i" || exit 1; done
exit $r"""


@host_fact(command(_KUBELET, ok=(0, 10)))
def kubelet_config(output: str) -> KubeletConfig:
    """What the kubelet's configuration file, drop-ins and command line say; as by default where there are none.

    Source: kubelet(1), KubeletConfiguration of kubelet.config.k8s.io/v1beta1.
    """
    flags, *files = output.split("\n== ")
    texts = [one.partition("\n") for one in files]
    text = texts[0][2] if texts else ""
    drop_ins = {path: held for path, _, held in texts[1:]}
    return KubeletConfig.parse(text if text.strip() else None, drop_ins=drop_ins, flags=flags)


@host_fact(every(kubelet_config))
def cgroup_v1_kubelet(told: Members, cgroup_version: str) -> KubeletConfig | None:
    """`kubelet_config` of a host that runs cgroup v1; None where it runs v2, whoever may read the kubelet's files there.

    kubeadm makes /var/lib/kubelet for root alone: https://github.com/kubernetes/kubernetes/issues/93652.
    """
    if cgroup_version == "v2":
        return None
    for why in told.unread.values():
        raise Unreadable(f"{why.reason}; on cgroup v1 it decides: log in as root, or look there for failCgroupV1")
    settings: KubeletConfig = next(iter(told.values()))
    return settings


@host_fact("ip -o address show")
def addresses(output: str) -> dict[str, list[IPv4Interface | IPv6Interface]]:
    """Interface name -> its addresses with their prefix, without loopback and link-local ones.

    Source: ip-address(8) of iproute2 and of busybox, option -o: one address a line, such as
    ``2: eth0    inet 10.0.0.2/24 brd 10.0.0.255 scope global eth0``.
    """
    found: dict[str, list[IPv4Interface | IPv6Interface]] = {}
    for line in output.splitlines():
        words = line.split()
        if len(words) < 4 or words[2] not in ("inet", "inet6"):
            continue
        address = ip_interface(words[3])
        if not address.ip.is_loopback and not address.ip.is_link_local:
            found.setdefault(words[1].rstrip(":").partition("@")[0], []).append(address)
    return found
