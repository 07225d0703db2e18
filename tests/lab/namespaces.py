"""The few Linux calls that Python 3.11 does not have: namespaces, mounts, an old kernel's name."""

from __future__ import annotations

import ctypes
import os
import signal
from pathlib import Path

NEW_MOUNT = 0x00020000
NEW_CGROUP = 0x02000000
NEW_UTS = 0x04000000
NEW_IPC = 0x08000000
NEW_PID = 0x20000000
NEW_NET = 0x40000000

READ_ONLY = 1
NO_SUID = 2
NO_DEV = 4
NO_EXEC = 8
REMOUNT = 32
BIND = 4096
RECURSIVE = 16384
PRIVATE = 1 << 18

_DETACH = 2  # MNT_DETACH
_PARENT_DEATH_SIGNAL = 1  # PR_SET_PDEATHSIG
_DROP_CAPABILITY = 24  # PR_CAPBSET_DROP
_UNAME26 = 0x0020000
_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, f"{what}: {os.strerror(code)}")


def unshare(kinds: int) -> None:
    """Give the calling thread new namespaces of these kinds (of pid: give them to its next children)."""
    _check(_libc.unshare(kinds), f"unshare({kinds:#x})")


def set_namespace(descriptor: int, kind: int) -> None:
    """Move the calling thread into the namespace behind an open /proc/PID/ns/ file; new threads follow it."""
    _check(_libc.setns(descriptor, kind), "setns")


def mount(kind: str, target: Path | str, *, source: str = "", flags: int = 0, data: str = "") -> None:
    """Mount a file system of this kind on `target`, which is made where it is missing."""
    Path(target).mkdir(parents=True, exist_ok=True)
    result = _libc.mount(
        (source or kind).encode(),
        os.fsencode(target),
        kind.encode(),
        ctypes.c_ulong(flags),
        data.encode(),
    )
    _check(result, f"mount -t {kind} -o {data} {target}")


def bind(source: Path | str, target: Path | str) -> None:
    """Show a directory or file at another place, or make a mount of it where it is."""
    result = _libc.mount(os.fsencode(source), os.fsencode(target), None, ctypes.c_ulong(BIND), None)
    _check(result, f"mount --bind {source} {target}")


def remount(target: Path | str, flags: int) -> None:
    """Change the flags of one mount, or how it propagates, not of others of the same file system."""
    result = _libc.mount(b"none", os.fsencode(target), None, ctypes.c_ulong(flags), None)
    _check(result, f"remount {target}")


def unmount(target: Path | str) -> None:
    """Take a mount away, at once from the tree and as soon as nobody uses it from the kernel."""
    _check(_libc.umount2(os.fsencode(target), _DETACH), f"umount {target}")


def pivot_root(root: Path) -> None:
    """Make `root`, a mount, the root directory and let go of the old one."""
    os.chdir(root)
    # Old root stacked over the new one: needs no directory inside `root`, so nothing is written there.
    _check(_libc.pivot_root(b".", b"."), f"pivot_root {root}")
    unmount(".")
    os.chdir("/")


def set_host_name(name: str) -> None:
    """Set the host name of the calling process's UTS namespace."""
    encoded = name.encode()
    _check(_libc.sethostname(encoded, len(encoded)), f"sethostname {name}")


def answer_like_linux_2_6() -> None:
    """Have the kernel call itself 2.6.x to this process and all that it starts (setarch --uname-2.6)."""
    _libc.personality(ctypes.c_ulong(_UNAME26))


def die_with_parent() -> None:
    """Have the kernel kill this process when its parent ends, however that happens."""
    _check(_libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0), "prctl")


def give_up(capability: int) -> None:
    """Take a capability from all that this process starts from now on, root's programs included."""
    _check(_libc.prctl(_DROP_CAPABILITY, capability, 0, 0, 0), f"dropping capability {capability}")
