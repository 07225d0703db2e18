"""Programs that the lab runs, and the errors of a lab that cannot be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.lab import cache

PACKAGES = {
    "chromium": "chromium",
    "ip": "iproute2",
    "mksquashfs": "squashfs-tools",
    "mmdebstrap": "mmdebstrap",
    "nsenter": "util-linux",
    "setpriv": "util-linux",
    "ssh": "openssh-client",
    "ssh-keygen": "openssh-client",
    "sshd": "openssh-server",
    "strace": "strace",
    "unsquashfs": "squashfs-tools",
}
_PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])


class LabError(Exception):
    """The lab cannot be built or started here; the message says why and what to do."""


def find(program: str) -> str | None:
    """Where a program is; also in the sbin directories, which an ordinary user's PATH leaves out."""
    return shutil.which(program, path=_PATH)


def require(*programs: str) -> None:
    """Make sure that these programs are there; as root, get what is missing from the package mirror."""
    missing = sorted({PACKAGES[program] for program in programs if not find(program)})
    if not missing:
        return
    names = " ".join(missing)
    if os.geteuid() != 0 or not find("apt-get"):
        raise LabError(f"the lab needs {names}, which this machine does not have: install it, e.g. apt install {names}")
    if "openssh-server" in missing and Path("/run/systemd/system").exists():
        raise LabError(
            "the lab needs sshd, and installing openssh-server would open this machine's port 22:"
            " decide that yourself, then run the tests again"
        )
    with cache.locked("apt"):
        print(f"lab: installing {names}", file=sys.stderr)
        _apt("update")
        _apt("install", "--no-install-recommends", "--yes", *missing)


def _apt(*arguments: str) -> None:
    done = subprocess.run(
        ["apt-get", "--quiet", "--quiet", "-o", "DPkg::Lock::Timeout=300", *arguments],
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise LabError(f"apt-get {' '.join(arguments)} failed:\n{(done.stdout + done.stderr)[-2000:]}")
