"""The operating system, from /etc/os-release. Format: os-release(5)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from conformance.versions import InvalidVersion, Version

__all__ = ["InvalidOsRelease", "OsRelease"]

_ASSIGNMENT: Final = re.compile(r"\s*(?P<name>[A-Za-z_][A-Za-z0-9_]*)=(?P<value>.*)")
#: What may stand in a value: 'as it is', "with \\escapes", or a bare word with escapes.
_PIECE: Final = re.compile(r"""'(?P<single>[^']*)'|"(?P<double>(?:[^"\\]|\\.)*)"|(?P<bare>(?:[^'"\\]|\\.)+)""")
_RHEL_FAMILY: Final = frozenset({"rhel", "centos", "rocky", "almalinux", "ol", "rhcos"})


class InvalidOsRelease(ValueError):
    """A text that names no operating system."""


@dataclass(frozen=True, slots=True)
class OsRelease:
    r"""Which distribution runs, and which version of it.

    >>> centos = OsRelease.parse('NAME="CentOS Stream"\nID="centos"\nVERSION_ID="8"\n')
    >>> centos.is_centos, centos.is_centos_stream, centos.is_rhel_family, centos.version_id
    (True, True, True, '8')
    """

    #: Lower case, such as "ubuntu"; "linux" where the file names none.
    id: str
    #: Distributions that this one derives from, the closest first.
    id_like: tuple[str, ...]
    name: str
    #: "20.04", "8"; empty for a rolling release.
    version_id: str
    #: For people: "Ubuntu 20.04.3 LTS".
    pretty_name: str

    @classmethod
    def parse(cls, text: str) -> OsRelease:
        """The operating system that the text of an os-release file names; of a repeated name the last counts.

        :raises InvalidOsRelease: the text has not one assignment.
        """
        values = _assignments(text)
        if not values:
            msg = "no os-release: expected lines such as ID=ubuntu"
            raise InvalidOsRelease(msg)
        return cls(
            id=values.get("ID", "").lower() or "linux",
            id_like=tuple(values.get("ID_LIKE", "").lower().split()),
            name=values.get("NAME", "Linux"),
            version_id=values.get("VERSION_ID", ""),
            pretty_name=values.get("PRETTY_NAME", values.get("NAME", "Linux")),
        )

    @property
    def version(self) -> Version | None:
        """`version_id` as a version; None where it is none."""
        try:
            return Version.parse(self.version_id)
        except InvalidVersion:
            return None

    @property
    def is_centos(self) -> bool:
        """CentOS Linux or CentOS Stream: both have ID=centos."""
        return self.id == "centos"

    @property
    def is_centos_stream(self) -> bool:
        """CentOS Stream, which only its name tells from CentOS Linux."""
        return self.is_centos and "stream" in f"{self.name} {self.pretty_name}".lower()

    @property
    def is_rhel_family(self) -> bool:
        """RHEL, CentOS and what is built from them; not Fedora."""
        return self.id in _RHEL_FAMILY or "rhel" in self.id_like

    def __str__(self) -> str:
        return self.pretty_name


def _assignments(text: str) -> Mapping[str, str]:
    values = {}
    for line in text.split("\n"):
        assignment = _ASSIGNMENT.fullmatch(line.rstrip())
        if assignment:
            values[assignment["name"]] = _unquoted(assignment["value"])
    return values


def _unquoted(value: str) -> str:
    """The value as a shell would assign it; a quote that is never closed counts as a character."""
    pieces, place = [], 0
    while place < len(value):
        piece = _PIECE.match(value, place)
        if piece is None:
            pieces.append(value[place])
            place += 1
            continue
        place = piece.end()
        if piece["single"] is not None:
            pieces.append(piece["single"])
        elif piece["double"] is not None:
            pieces.append(re.sub(r'\\([\\"$`])', r"\1", piece["double"]))
        else:
            pieces.append(re.sub(r"\\(.)", r"\1", piece["bare"]))
    return "".join(pieces)
