"""Mounted file systems and fstab: which one holds a path, now and at the next boot.

Formats: fstab(5), proc_pid_mounts(5), getmntent(3).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from posixpath import normpath
from typing import Final

__all__ = ["Fstab", "InvalidMounts", "Mount", "MountTable", "denies_exec"]

_BLANKS: Final = re.compile(r"[ \t]+")
_ESCAPE: Final = re.compile(r"\\([01][0-7]{2})")


class InvalidMounts(ValueError):
    """A text that is no mount table; the message names the line and what was expected."""


@dataclass(frozen=True, slots=True)
class Mount:
    r"""One line of the mount table or of fstab, its escapes resolved.

    >>> MountTable.parse(r"/dev/sdb1 /mnt/my\040disk ext4 rw,noexec 0 0").mounts[0].point
    '/mnt/my disk'
    """

    #: Device, ``LABEL=``/``UUID=``, or a name such as tmpfs.
    source: str
    #: Where it is mounted: an absolute path; ``none`` for swap in fstab.
    point: str
    fstype: str
    #: In their order, such as ("rw", "nosuid", "size=1024k").
    options: tuple[str, ...]
    #: The line as it was written.
    line: str
    #: Of that line, from 1.
    number: int

    def __str__(self) -> str:
        return self.line


def denies_exec(options: Iterable[str]) -> bool:
    """True where mount options, as a person writes them, come to noexec; the last word wins (mount(8)).

    >>> denies_exec(["defaults", "user"]), denies_exec(["user", "exec"])
    (True, False)
    """
    denied = False
    for option in options:
        if option in ("noexec", "user", "users"):  # the latter two imply it
            denied = True
        elif option == "exec":
            denied = False
    return denied


@dataclass(frozen=True, slots=True)
class MountTable:
    r"""The mounted file systems in mount order, from /proc/self/mounts.

    >>> table = MountTable.parse("/dev/sda1 / ext4 rw 0 0\ntmpfs /tmp tmpfs rw,noexec 0 0\n")
    >>> table.holding("/tmp/disks_check.sh").options, table.holding("/var").point
    (('rw', 'noexec'), '/')
    """

    mounts: tuple[Mount, ...]

    @classmethod
    def parse(cls, text: str) -> MountTable:
        """The table in the text of /proc/self/mounts.

        :raises InvalidMounts: a line is none of a mount table, or there is none at all.
        """
        mounts = []
        # Only \n ends a line and only a blank a field: other white space may stand in a name, unescaped.
        for number, line in enumerate(text.split("\n"), start=1):
            if line:
                fields = line.split(" ")
                if len(fields) < 4 or not fields[1].startswith("/"):
                    msg = f"line {number} of the mount table: expected a source, a path, a type and options"
                    raise InvalidMounts(msg)
                mounts.append(_mount(fields, line, number))
        if not mounts:
            msg = "the mount table is empty: expected one mount at least"
            raise InvalidMounts(msg)
        return cls(tuple(mounts))

    def holding(self, path: str) -> Mount:
        """The mount that holds an absolute path (symbolic links are the caller's to resolve).

        A mount hides whatever was mounted before on its point and below it, so the last one above the path
        holds it. The root is the exception: it is often listed behind /proc, /sys and /dev, which the initial
        RAM disk mounted and then moved into it.

        :raises LookupError: nothing is mounted above the path, not even a root (as in a chroot).
        """
        holder = self._holder(path)
        if holder is None:
            msg = f"no mount holds {path}: the mount table has no root"
            raise LookupError(msg)
        return holder

    def at(self, point: str) -> Mount | None:
        """The mount that is visible on this very point, or None."""
        holder = self._holder(point)
        return holder if holder and _clean(holder.point) == _clean(point) else None

    def _holder(self, path: str) -> Mount | None:
        root = holder = None
        for mount in self.mounts:
            if mount.point == "/":
                root = mount
            elif _covers(mount.point, path):
                holder = mount
        return holder or root

    def __iter__(self) -> Iterator[Mount]:
        return iter(self.mounts)

    def __str__(self) -> str:
        return "\n".join(mount.line for mount in self.mounts)


@dataclass(frozen=True, slots=True)
class Fstab:
    r"""What is to be mounted at boot, from /etc/fstab, in the order of its lines.

    Lines that are none of fstab's are left out, as mount(8) and systemd leave them out.

    >>> fstab = Fstab.parse("# device ...\nUUID=0a3f / ext4 defaults 0 1\ntmpfs /tmp tmpfs noexec\n")
    >>> fstab.at("/tmp").options, fstab.at("/tmp").number
    (('noexec',), 3)
    """

    entries: tuple[Mount, ...]

    @classmethod
    def parse(cls, text: str) -> Fstab:
        """The entries in the text of /etc/fstab; any text is one, perhaps without an entry."""
        entries = []
        for number, line in enumerate(text.split("\n"), start=1):
            fields = [field for field in _BLANKS.split(line) if field]
            if len(fields) >= 3 and not fields[0].startswith("#"):
                entries.append(_mount([*fields, "defaults"], line, number))
        return cls(tuple(entries))

    def at(self, point: str) -> Mount | None:
        """The entry for this very point, or None.

        The first one counts: systemd makes one unit for a point and refuses the later lines as duplicates.
        """
        return next((one for one in self._mounted() if _clean(one.point) == _clean(point)), None)

    def holding(self, path: str) -> Mount | None:
        """The entry that will hold an absolute path: the deepest, since systemd mounts parents first."""
        above = [one for one in self._mounted() if _covers(one.point, path)]
        return max(above, key=lambda one: len(_clean(one.point)), default=None)

    def _mounted(self) -> Iterator[Mount]:
        for entry in self.entries:
            automatic = [option for option in entry.options if option in ("auto", "noauto")]
            on_demand = {"x-systemd.automount", "comment=systemd.automount"}.intersection(entry.options)
            if entry.point.startswith("/") and (automatic[-1:] != ["noauto"] or on_demand):
                yield entry

    def __iter__(self) -> Iterator[Mount]:
        return iter(self.entries)

    def __str__(self) -> str:
        return "\n".join(entry.line for entry in self.entries)


def _mount(fields: list[str], line: str, number: int) -> Mount:
    source, point, fstype, options = (_unescaped(field) for field in fields[:4])
    return Mount(source, point, fstype, tuple(options.split(",")), line, number)


def _unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 8)), field)


def _clean(path: str) -> str:
    if not path.startswith("/"):
        msg = f"{path!r}: expected an absolute path"
        raise ValueError(msg)
    return "/" + normpath(path).strip("/")


def _covers(point: str, path: str) -> bool:
    parent, child = _clean(point), _clean(path)
    return parent in ("/", child) or child.startswith(parent + "/")
