"""systemd unit files with their drop-ins, and what /tmp will be at the next boot.

Formats: systemd.syntax(7), systemd.unit(5), systemd.mount(5), systemd-fstab-generator(8).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from posixpath import basename
from typing import Final

from conformance.facts.values.mounts import Fstab, denies_exec

__all__ = ["Setting", "UnitFile", "tmp_at_boot"]

_TMP: Final = "/tmp"  # noqa: S108 - looked at, not written to
_UNIT: Final = "tmp.mount"
_OWN: Final = "/etc/systemd/system"
_VENDOR: Final = ("/usr/local/lib/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system")


@dataclass(frozen=True, slots=True)
class Setting:
    """One assignment of a unit file."""

    section: str
    key: str
    #: Without the white space around it; continued lines are joined by a blank. Quotes are kept.
    value: str
    #: The file that it stands in.
    path: str
    #: Its first line there, from 1.
    number: int
    #: That line and those that continue it, as written.
    line: str


@dataclass(frozen=True, slots=True)
class UnitFile:
    r"""A unit as its files state it, assignment by assignment.

    >>> unit = UnitFile.parse("[Mount]\nWhat=tmpfs\nOptions=mode=1777,\\\n  nodev\n")
    >>> unit.last("Mount", "Options").value
    'mode=1777, nodev'
    """

    settings: tuple[Setting, ...]

    @classmethod
    def parse(cls, text: str, path: str = "") -> UnitFile:
        """The assignments in the text of one file; what systemd ignores with a warning is left out.

        :param path: where the file lies, for evidence.
        """
        settings: list[Setting] = []
        raw: list[str] = []
        section, pending, started = "", "", 0
        # The empty line behind the last ends what the last continues.
        for number, line in enumerate([*text.split("\n"), ""], start=1):
            stripped = line.lstrip(" \t\r")
            if stripped.startswith(("#", ";")):  # also between two continued lines, without ending them
                continue
            started = started if raw else number
            raw.append(line)
            if (len(stripped) - len(stripped.rstrip("\\"))) % 2:
                pending += stripped[:-1] + " "
                continue
            whole, written = (pending + stripped).strip(" \t\r"), "\n".join(raw)
            pending, raw = "", []
            key, equals, value = whole.partition("=")
            if whole.startswith("[") and whole.endswith("]"):
                section = whole[1:-1]
            elif equals and section and key.strip():
                settings.append(Setting(section, key.strip(), value.strip(), path, started, written))
        return cls(tuple(settings))

    def with_drop_ins(self, *drop_ins: UnitFile) -> UnitFile:
        """The unit with drop-in files behind it, in the order given."""
        return UnitFile(self.settings + tuple(one for drop_in in drop_ins for one in drop_in.settings))

    def values(self, section: str, key: str) -> tuple[str, ...]:
        """All values of a setting that makes a list (``Environment=``); an empty one drops those before."""
        values: list[str] = []
        for one in self._of(section, key):
            values = [*values, one.value] if one.value else []
        return tuple(values)

    def last(self, section: str, key: str) -> Setting | None:
        """The assignment that counts for a setting with one value (``Options=``); None where it is empty."""
        last = self._of(section, key)[-1:]
        return last[0] if last and last[0].value else None

    def _of(self, section: str, key: str) -> list[Setting]:
        return [one for one in self.settings if one.section == section and one.key == key]


def tmp_at_boot(fstab: Fstab, units: Mapping[str, str]) -> Setting | None:
    """The line that makes /tmp noexec at the next boot, or None where nothing does.

    systemd takes one file for tmp.mount: that in /etc/systemd/system, else what its generator makes of fstab,
    else the vendor's. Drop-ins are added to whichever it is; an empty file (a link to /dev/null) masks it. A
    vendor's unit counts only where a target links to it. One in /etc counts always: it was put there for a
    purpose, and any service with PrivateTmp= may pull it in. Where /tmp is no mount of its own, the root
    decides.

    :param units: path -> text of tmp.mount and tmp.mount.d/*.conf in /etc/systemd/system and in
        systemd/system of /usr/local/lib, /usr/lib and /lib, and path -> anything of the links to tmp.mount in
        ``*.target.wants`` and ``*.target.requires`` of these directories.
    :return: the deciding assignment; its ``path`` is /etc/fstab where it stands there.
    """
    unit = _tmp_unit(fstab, units)
    options = unit.last("Mount", "Options") if unit else None
    if unit is None:
        root = fstab.at("/")
        options = _of_fstab(root.options, root.number, root.line) if root else None
    elif _is_bind(options):
        # A bind mount takes the flags of the file system that it shows.
        what = unit.last("Mount", "What")
        shown = fstab.holding(what.value) if what and what.value.startswith("/") else None
        options = _of_fstab(shown.options, shown.number, shown.line) if shown else None
    return options if options and denies_exec(_options(options)) else None


def _tmp_unit(fstab: Fstab, units: Mapping[str, str]) -> UnitFile | None:
    """tmp.mount as it will be loaded and started; None where /tmp will be no mount of its own."""
    own, entry = f"{_OWN}/{_UNIT}", fstab.at(_TMP)
    vendor = next((file for root in _VENDOR if (file := f"{root}/{_UNIT}") in units), None)
    linked = any(path.endswith((f".wants/{_UNIT}", f".requires/{_UNIT}")) for path in units)
    path = own if own in units else vendor if vendor and linked and not entry else None
    if path and not units[path]:
        return None  # masked: neither drop-ins nor, for the one in /etc, fstab bring it back
    if path:
        unit = UnitFile.parse(units[path], path)
    elif entry:
        mount = {"What": entry.source, "Where": entry.point, "Options": ",".join(entry.options)}
        place = ("/etc/fstab", entry.number, entry.line)
        unit = UnitFile(tuple(Setting("Mount", key, value, *place) for key, value in mount.items()))
    else:
        return None
    unit = unit.with_drop_ins(*(UnitFile.parse(units[path], path) for path in _drop_ins(units)))
    what, where = unit.last("Mount", "What"), unit.last("Mount", "Where")
    # systemd refuses to load a mount unit without a source, or for another place than its name says.
    return unit if what and (where is None or where.value.rstrip("/") == _TMP) else None


def _drop_ins(units: Mapping[str, str]) -> list[str]:
    """The drop-ins in the order of their names; of two with one name the first directory's counts."""
    by_name: dict[str, str] = {}
    for root in (_OWN, *_VENDOR):
        for path in units:
            if path.startswith(f"{root}/{_UNIT}.d/") and path.endswith(".conf"):
                by_name.setdefault(basename(path), path)
    return [by_name[name] for name in sorted(by_name)]


def _of_fstab(options: tuple[str, ...], number: int, line: str) -> Setting:
    return Setting("Mount", "Options", ",".join(options), "/etc/fstab", number, line)


def _options(setting: Setting) -> list[str]:
    return [option.strip() for option in setting.value.strip('"').split(",")]


def _is_bind(setting: Setting | None) -> bool:
    options = _options(setting) if setting else []
    return bool({"bind", "rbind"}.intersection(options)) and not {"exec", "noexec"}.intersection(options)
