"""The standard set of test hosts: one for each thing that a check, or the way to a host, has to cope with."""

from __future__ import annotations

from tests.lab.spec import HostSpec, UserSpec

MOTD = "Unauthorised use of this machine is an offence.\n"
CENTOS_RELEASE = """\
NAME="CentOS Linux"
VERSION="8"
ID="centos"
ID_LIKE="rhel fedora"
VERSION_ID="8"
PLATFORM_ID="platform:el8"
PRETTY_NAME="CentOS Linux 8"
"""
# As every CentOS 8 was left when its mirrors were switched off.
CENTOS_REPO = """\
[baseos]
name=CentOS Linux $releasever - BaseOS
mirrorlist=http://mirrorlist.centos.org/?release=$releasever&arch=$basearch&repo=BaseOS&infra=$infra
#baseurl=http://mirror.centos.org/$contentdir/$releasever/BaseOS/$basearch/os/
gpgcheck=1
enabled=1
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-centosofficial
"""
BASHRC = """\
# No test for an interactive shell: this runs in front of every command, as on many a real machine.
echo "Welcome back, $USER"
echo "bashrc: cannot find the proxy settings" >&2
"""
ALLOWED = "/usr/bin/cat /etc/shadow"
"""The one command that `ops` on the host `sudoers` may run as root."""

# A machine like Alpine: nothing but busybox, and neither bash nor an interpreter.
_ONLY_BUSYBOX = (
    "b=/bin/busybox",
    "for applet in $($b --list); do for d in /usr/bin /usr/sbin; do"
    ' if [ -e "$d/$applet" ] && [ "$applet" != busybox ]; then $b ln -sf $b "$d/$applet"; fi; done; done',
    "$b rm -f /usr/bin/bash /usr/bin/rbash /usr/bin/python3* /usr/bin/perl*",
    "$b sed -i 's,:/bin/bash$,:/bin/sh,' /etc/passwd",
)
_BEHIND_A_CLOSED_DOOR = (
    "mkdir -m 700 /srv/private",
    "mkdir /srv/private/yum.repos.d",
    "echo '[base]' > /srv/private/yum.repos.d/base.repo",
    "ln -s /srv/private/yum.repos.d /etc/yum.repos.d",
)

STANDARD = (
    HostSpec("debian"),
    HostSpec("noexec", noexec_tmp=True),
    HostSpec("v1", init="systemd", cgroup="v1"),
    HostSpec("v2", init="systemd", cgroup="v2"),
    HostSpec("hybrid", cgroup="hybrid"),
    HostSpec(
        "centos",
        files={"/etc/os-release": CENTOS_RELEASE, "/etc/yum.repos.d/CentOS-Linux-BaseOS.repo": CENTOS_REPO},
    ),
    HostSpec("oldkernel", uname26=True),
    HostSpec(
        "shells",
        files={"/etc/motd": MOTD, "/home/bashuser/.bashrc": (BASHRC, 0o644, "bashuser")},
        users=(
            UserSpec("bashuser"),
            UserSpec("zshuser", shell="/bin/zsh"),
            UserSpec("fishuser", shell="/usr/bin/fish"),
            UserSpec("cshuser", shell="/bin/csh"),
            UserSpec("jauser", env={"LANG": "ja_JP.UTF-8"}),
        ),
    ),
    HostSpec("busybox", prestart=_ONLY_BUSYBOX),
    HostSpec("bashsh", prestart=("ln -sf bash /bin/sh",)),
    HostSpec(
        "sudoers",
        users=(
            UserSpec("ops", sudo=f"ALL=(root) NOPASSWD: {ALLOWED}"),
            UserSpec("nosudo", sudo="ALL=(ALL) ALL"),
        ),
    ),
    HostSpec("locked", users=(UserSpec("ops"),), prestart=_BEHIND_A_CLOSED_DOOR),
)
