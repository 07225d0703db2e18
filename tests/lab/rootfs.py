"""The root file system of all test hosts: a small Debian 12, built once and kept as one squashfs file.

It holds what the checks look at (systemd, nftables, ethtool ...), the login shells that users really have,
and Japanese messages, so that a host that answers in another language is a real one.
"""

from __future__ import annotations

import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tests.lab import cache
from tests.lab.tools import LabError, require

SUITE = "bookworm"
PACKAGES = (
    "bash busybox-static dash dbus ethtool fish iproute2 iptables iputils-ping kmod less libnss-myhostname"
    " locales lsb-release netbase nftables openssh-server procps psmisc python3-minimal sudo systemd"
    " systemd-sysv tcsh zsh"
).split()
LOCALES = ("en_US.UTF-8", "ja_JP.UTF-8")

# Manuals are half the size of a small Debian. Translations stay for Japanese: a tool's messages are what
# matters.
_OPTIONS = (
    "--dpkgopt=force-unsafe-io",
    "--dpkgopt=path-exclude=/usr/share/man/*",
    "--dpkgopt=path-exclude=/usr/share/doc/*",
    "--dpkgopt=path-exclude=/usr/share/info/*",
    "--dpkgopt=path-exclude=/usr/share/locale/*",
    "--dpkgopt=path-include=/usr/share/locale/locale.alias",
    "--dpkgopt=path-include=/usr/share/locale/ja/*",
)
# No two hosts may share a host key or a machine id: they are made when a host starts.
_HOOKS = (
    # 99mmdebstrap is how this machine reaches its mirror: nothing for a cache to keep.
    'rm -f "$1"/etc/ssh/ssh_host_* "$1"/etc/apt/apt.conf.d/99mmdebstrap',
    'echo uninitialized > "$1"/etc/machine-id; : > "$1"/etc/resolv.conf',
    *(f'echo "{name} UTF-8" >> "$1"/etc/locale.gen' for name in LOCALES),
    'chroot "$1" locale-gen > /dev/null',
    # Timers would make a host do things of its own while a test looks at what has changed on it.
    'chroot "$1" systemctl mask --quiet apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer'
    " e2scrub_all.timer fstrim.timer systemd-tmpfiles-clean.timer",
    # File systems of which the machine has only one.
    'chroot "$1" systemctl mask --quiet dev-hugepages.mount sys-fs-fuse-connections.mount'
    " sys-kernel-config.mount sys-kernel-debug.mount sys-kernel-tracing.mount",
)


def image(*more: str) -> Path:
    """The squashfs file, with these packages `more`; built where the cache does not have it (about a minute, once)."""
    packages = (*PACKAGES, *more)
    key = cache.recipe_key(SUITE, platform.machine(), *packages, *_OPTIONS, *_HOOKS)
    return cache.built(f"debian-{SUITE}-{key}.squashfs", partial(_build, packages))


def mount_image(squashfs: Path, point: Path) -> Path:
    """The root file system as a read-only directory: mounted at `point`, or unpacked where need be."""
    point.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        ["mount", "-t", "squashfs", "-o", "loop,ro", str(squashfs), str(point)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode == 0:
        return point
    print(
        f"lab: unpacking the root file system, since it cannot be mounted: {done.stderr.strip()}",
        file=sys.stderr,
    )
    require("unsquashfs")

    def unpack(target: Path) -> None:
        run("unsquashfs", "-quiet", "-no-progress", "-dest", str(target), str(squashfs))

    return cache.built(f"{squashfs.stem}.unpacked", unpack)


def _build(packages: Sequence[str], target: Path) -> None:
    require("mmdebstrap", "mksquashfs")
    print("lab: building the root file system of the test hosts (about a minute, once)", file=sys.stderr)
    # Not in the cache directory: what is built there may be on a mount without devices.
    root = target.with_suffix(".root")
    try:
        run(
            "mmdebstrap",
            "--quiet",
            "--mode=root",
            "--variant=minbase",
            f"--include={','.join(packages)}",
            *_OPTIONS,
            *machine_apt_options(),
            *(f"--customize-hook={hook}" for hook in _HOOKS),
            SUITE,
            str(root),
            *_machine_mirrors(),
        )
        squash(root, target)
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _machine_mirrors() -> list[str]:
    """The machine's own package sources where it runs the same release; else none: Debian's mirror."""
    release = Path("/etc/os-release")
    if not release.exists() or f"VERSION_CODENAME={SUITE}" not in release.read_text(encoding="utf-8"):
        return []
    apt = Path("/etc/apt")
    found = [apt / "sources.list", *sorted((apt / "sources.list.d").glob("*.list"))]
    found += sorted((apt / "sources.list.d").glob("*.sources"))
    # Files of other vendors are left out: their packages are not wanted, and their mirrors may be slow or
    # gone.
    return [str(path) for path in found if path.exists() and "debian" in path.read_text(encoding="utf-8")]


def machine_apt_options() -> list[str]:
    """How this machine reaches its mirror, proxies and certificates: mmdebstrap does not look there."""
    done = subprocess.run(["apt-config", "dump"], capture_output=True, text=True, check=False)
    wanted = re.compile(r"^Acquire::(http|https)::[^ ]+ \"[^\"]+\";$")
    return [f"--aptopt={line}" for line in done.stdout.splitlines() if wanted.match(line)]


def squash(directory: Path, target: Path) -> None:
    """Make a squashfs file of all that is below a directory."""
    require("mksquashfs")
    run(
        *("mksquashfs", str(directory), str(target), "-noappend", "-quiet", "-no-progress"),
        *("-comp", "zstd", "-Xcompression-level", "3"),
    )


def run(*argv: str) -> None:
    """Run a program of a build to its end; LabError with the end of what it said where it fails."""
    done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip()[-3000:]
        raise LabError(f"{argv[0]} failed with status {done.returncode} while the root file system was built:\n{said}")
