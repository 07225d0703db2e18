"""The release of a distribution of the Red Hat family, with its minor number."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from conformance.facts.values.osrelease import OsRelease
from conformance.versions import Version

__all__ = ["InvalidRedHatRelease", "RedHatRelease"]

#: "Red Hat Enterprise Linux release 8.4 (Ootpa)", "CentOS Linux release 7.9.2009 (Core)", "CentOS Stream release 8".
_RELEASE: Final = re.compile(r"(?P<name>\S.{0,80}?) release (?P<version>[0-9]{1,9}(?:\.[0-9]{1,9}){0,3})(?:\s|$)")


class InvalidRedHatRelease(ValueError):
    """A text that names no release of the Red Hat family."""


@dataclass(frozen=True, slots=True)
class RedHatRelease:
    r"""Which release of the Red Hat family runs.

    >>> RedHatRelease.parse("CentOS Linux release 8.2.2004 (Core)", OsRelease.parse('ID="centos"\nVERSION_ID="8"')).release
    (8, 2)
    """

    #: "CentOS Linux".
    name: str
    major: int
    #: None where nothing says it, as of CentOS Stream, which has none.
    minor: int | None
    #: The line that said it.
    line: str
    #: Whether it is CentOS Stream, which runs ahead of the minor releases.
    stream: bool = False

    @classmethod
    def parse(cls, text: str | None, os_release: OsRelease) -> RedHatRelease:
        """From the text of /etc/redhat-release, and from os-release, which names the minor of RHEL but not of CentOS.

        The first line counts. Source: the packages redhat-release, centos-release, centos-stream-release.

        :raises InvalidRedHatRelease: neither names a release.
        """
        line = next((one.strip() for one in (text or "").splitlines() if one.strip()), "")
        match = _RELEASE.match(line)
        if match:
            version = Version.parse(match["version"])
            name = match["name"]
        elif os_release.version is not None:
            version, name = os_release.version, os_release.name
            line = f"VERSION_ID={os_release.version_id}"
        else:
            msg = f"{line!r} names no release: expected such as 'CentOS Linux release 8.2.2004 (Core)'"
            raise InvalidRedHatRelease(msg)
        minor = version.release[1] if len(version.release) > 1 else None
        stream = os_release.is_centos_stream or "stream" in name.lower()
        return cls(name, version.release[0], None if stream else minor, line, stream)

    @property
    def release(self) -> tuple[int, ...]:
        """``(8, 2)``, or ``(8,)`` where the minor is not known."""
        return (self.major,) if self.minor is None else (self.major, self.minor)

    def __str__(self) -> str:
        return f"{self.name} {'.'.join(map(str, self.release))}"
