"""Kernel parameters as the files of sysctl.d set them at the next boot, and with ``sysctl --system``.

Two programs read these files, and differ in details: systemd-sysctl at boot, and ``sysctl --system`` of procps, which
people and packages run at any time. Sources: sysctl.d(5), systemd-sysctl(8); sysctl(8) and sysctl.conf(5) of procps-ng
4.0, and what both programs do.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from posixpath import basename, dirname
from typing import Final

__all__ = ["CONF", "DIRECTORIES", "Assignment", "SysctlSettings"]

#: Where the files lie. Of two with one name that in the earlier directory counts alone, also where it is empty or a
#: link to /dev/null. (procps before 3.3.17 looked into /run first; what lies there is gone at the next boot.)
DIRECTORIES: Final = (
    "/etc/sysctl.d",
    "/run/sysctl.d",
    "/usr/local/lib/sysctl.d",
    "/usr/lib/sysctl.d",
    "/lib/sysctl.d",
)
#: Read last, by ``sysctl --system`` alone; at boot only where a link in one of the directories leads to it.
CONF: Final = "/etc/sysctl.conf"

_BLANK: Final = " \t\n\r\v\f"
_NUMBER: Final = re.compile(r"\s*(?P<sign>-?)(?:0[xX](?P<hex>[0-9a-fA-F]+)|0(?P<oct>[0-7]+)|(?P<dec>[0-9]+))(?=\s|$)")
_LONGEST: Final = 4300  # digits: more than Python turns into a number


@dataclass(frozen=True, slots=True)
class Assignment:
    """One line that sets a kernel parameter, or that keeps patterns from setting it."""

    #: The parameter with slashes, such as ``net/ipv4/conf/all/rp_filter``; it may be a pattern.
    key: str
    #: None where the line only keeps patterns from setting it (``-key`` without a value).
    value: str | None
    path: str
    #: Of the line, from 1.
    number: int
    #: As written.
    line: str
    #: The key as procps takes it, which reads "- key" and "/key" in its own way.
    literal: str

    @property
    def is_pattern(self) -> bool:
        """Whether the key is a pattern of glob(7)."""
        return any(one in self.key for one in "*?[")

    @property
    def as_int(self) -> int | None:
        """What the kernel takes for a parameter that is one whole number; None where it refuses the text."""
        match = _NUMBER.match(self.value or "")
        if match is None or len(match[0]) > _LONGEST:
            return None
        bases = (("hex", 16), ("oct", 8), ("dec", 10))
        found = next(int(match[name], base) for name, base in bases if match[name] is not None)
        return -found if match["sign"] else found

    def matches(self, key: str) -> bool:
        """Whether it speaks of this parameter, by its name or by a pattern; ``*`` stands for no slash."""
        own, wanted = self.key.split("/"), key.split("/")
        return len(own) == len(wanted) and all(fnmatchcase(one, of) for one, of in zip(wanted, own, strict=True))


@dataclass(frozen=True, slots=True)
class SysctlSettings:
    r"""What the files set.

    >>> settings = SysctlSettings.parse({"/etc/sysctl.d/1.conf": "net.ipv4.ip_forward = 1\n", CONF: "vm.swappiness=10"})
    >>> settings.at_boot("net.ipv4.ip_forward").value, settings.at_boot("vm.swappiness")
    ('1', None)
    >>> settings.by_sysctl("vm/swappiness").path
    '/etc/sysctl.conf'
    """

    #: Of the files that count, in the order in which they are read; without `CONF`.
    assignments: tuple[Assignment, ...]
    #: Of `CONF`.
    of_conf: tuple[Assignment, ...]

    @classmethod
    def parse(cls, texts: Mapping[str, str]) -> SysctlSettings:
        """From path -> text of all ``*.conf`` of `DIRECTORIES`, and of `CONF` where it exists.

        Lines that both programs ignore with a warning are left out.
        """
        by_name: dict[str, str] = {}
        for directory in DIRECTORIES:
            for path in texts:
                if dirname(path) == directory:
                    by_name.setdefault(basename(path), path)
        paths = [by_name[name] for name in sorted(by_name, key=lambda one: one.encode(errors="surrogateescape"))]
        return cls(
            tuple(one for path in paths for one in _assignments(texts[path], path)),
            tuple(_assignments(texts.get(CONF, ""), CONF)),
        )

    def at_boot(self, key: str) -> Assignment | None:
        """The line by which systemd-sysctl sets a parameter that is one number; None where none does.

        A line that names the parameter outweighs every pattern, wherever it stands; the last such line counts, also
        one that only takes it out of patterns. (systemd before 246 knows no patterns: they set nothing there.)

        :param key: with dots or with slashes.
        """
        held: dict[str, Assignment] = {}
        for one in self.assignments:
            before = held.get(one.key)
            if before is None or before.value != one.value:
                held.pop(one.key, None)
                held[one.key] = one
        wanted = normal(key)
        if wanted in held:
            return held[wanted] if held[wanted].as_int is not None else None
        return _last(one for one in held.values() if one.is_pattern and one.matches(wanted))

    def by_sysctl(self, key: str) -> Assignment | None:
        """The line by which ``sysctl --system`` sets a parameter that is one number; None where none does.

        Here a line that only takes it out of patterns leaves what other lines set by its name.

        :param key: with dots or with slashes.
        """
        wanted = normal(key)
        lines = [one for one in (*self.assignments, *self.of_conf) if not one.literal.startswith(" ")]
        # What begins with a slash names the parameter as well, and yet keeps no pattern from setting it.
        hidden = any(one.literal == wanted for one in lines)
        return _last(
            one for one in lines if one.key == wanted or (not hidden and one.is_pattern and one.matches(wanted))
        )


def _last(assignments: Iterable[Assignment]) -> Assignment | None:
    """The last one that the kernel takes: it refuses others, and keeps the value that it has."""
    found = None
    for one in assignments:
        found = one if one.as_int is not None else found
    return found


def normal(key: str) -> str:
    """A parameter's name with slashes. Where the first separator is a dot, dots and slashes change their places."""
    return "/".join(part for part in _slashed(key).split("/") if part)


def _slashed(key: str) -> str:
    first = next((one for one in key if one in "./"), "")
    return key.translate({ord("."): "/", ord("/"): "."}) if first == "." else key


def _assignments(text: str, path: str) -> Iterator[Assignment]:
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip(_BLANK)
        if not stripped or stripped[0] in "#;":
            continue
        name, equals, value = stripped.partition("=")
        name = name.strip(_BLANK)
        if not equals and not name.startswith("-"):
            continue
        name = name.removeprefix("-").replace("\t", " ")
        key = normal(name.strip(_BLANK))
        if key:
            assigned = value.strip(_BLANK) if equals else None
            yield Assignment(key, assigned, path, number, stripped, _slashed(name))
