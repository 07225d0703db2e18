"""What ``sudo -l`` says of the caller. Sources: sudo(8), sudoers(5)."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["InvalidListing", "secure_path"]

_HEADER: Final = re.compile(r"^Matching Defaults entries for .*:$")
_SPECIFIC: Final = re.compile(r"^\s*Defaults[>!].*\bsecure_path\b")
#: One entry, up to a comma; what is quoted or escaped may hold one.
_ENTRY: Final = re.compile(r'(?:"(?:[^"\\]|\\.)*"|\\.|[^,"\\])+', re.DOTALL)


class InvalidListing(ValueError):
    """A text from which the caller's settings cannot be told."""


def secure_path(text: str) -> tuple[str, ...] | None:
    r"""The directories of secure_path: the PATH of what the caller runs by sudo. None where none is set.

    >>> secure_path("Matching Defaults entries for ops on cp-1:\n    env_reset, secure_path=/usr/sbin\\:/usr/bin\n\n")
    ('/usr/sbin', '/usr/bin')

    Of several the last counts, and ``!secure_path`` takes it away. One that is compiled in stands in no listing.

    :raises InvalidListing: it is set for certain commands or target users as well.
    """
    inside: list[str] = []
    heard = False
    for line in text.splitlines():
        if _SPECIFIC.match(line):
            msg = f"secure_path is set for certain commands or users: {line.strip()[:200]}"
            raise InvalidListing(msg)
        if _HEADER.match(line):
            heard = True
        elif heard and line[:1].isspace():
            inside.append(line.strip())
        else:
            heard = False
    found: tuple[str, ...] | None = None
    # A listing for a terminal is wrapped at blanks.
    for entry in _ENTRY.findall(" ".join(inside)):
        name, equals, value = entry.strip().partition("=")
        if name == "!secure_path":
            found = None
        elif name == "secure_path" and equals:
            plain = re.sub(r"\\(.)", r"\1", value.strip().strip('"'))
            found = tuple(one for one in plain.split(":") if one)
    return found
