"""Known-hosts files: which keys a host is known by, and where that is written."""

from __future__ import annotations

import base64
import binascii
import fnmatch
import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Final

from conformance.gather.homes import at_home

__all__ = ["KnownHosts", "KnownKey", "fingerprint"]

_MARKERS: Final = ("@cert-authority", "@revoked")


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a known-hosts file."""

    #: File and line, for messages.
    where: str
    #: @cert-authority, @revoked or empty.
    marker: str
    #: Host patterns, lower case; a single hashed name begins with ``|1|``.
    patterns: tuple[str, ...]
    type: str
    key: bytes

    def names(self, name: str) -> bool:
        """Whether this line is about a host of this name (lower case, ``[name]:port`` where the port is not 22)."""
        if self.patterns[0].startswith("|1|"):
            return _hashed(self.patterns[0], name)
        found = False
        for pattern in self.patterns:
            if pattern.startswith("!"):
                if _matches(name, pattern[1:]):
                    return False
            elif _matches(name, pattern):
                found = True
        return found


class KnownHosts:
    """All known-hosts files of a run; each is read once. Files that do not exist hold nothing, as ssh has it."""

    def __init__(self) -> None:
        self._files: dict[Path, list[KnownKey]] = {}
        self._lock = Lock()

    def about(self, name: str, files: Iterable[Path]) -> list[KnownKey]:
        """The lines about a host.

        :raises OSError: a file is there and cannot be read.
        """
        name = name.lower()
        return [known for path in files for known in self._read(path) if known.names(name)]

    def _read(self, path: Path) -> list[KnownKey]:
        with self._lock:
            if path not in self._files:
                try:
                    text = at_home(path).read_text(encoding="utf-8", errors="replace")
                except (FileNotFoundError, NotADirectoryError):
                    text = ""
                lines = enumerate(text.splitlines(), 1)
                self._files[path] = [one for number, line in lines if (one := _parse(line, f"{path}:{number}"))]
            return self._files[path]


def fingerprint(key: bytes) -> str:
    """The fingerprint of a public key as ssh-keygen prints it: ``SHA256:…``."""
    return "SHA256:" + base64.b64encode(hashlib.sha256(key).digest()).decode().rstrip("=")


def _parse(line: str, where: str) -> KnownKey | None:
    """The known key of a line, or None for a comment or a line that ssh too would skip."""
    fields = line.split()
    if not fields or fields[0].startswith("#"):
        return None
    marker = fields.pop(0) if fields[0] in _MARKERS else ""
    if len(fields) < 3:
        return None
    try:
        key = base64.b64decode(fields[2], validate=True)
    except (binascii.Error, ValueError):
        return None
    return KnownKey(
        where, marker, tuple(fields[0].lower().split(",") if fields[0][0] != "|" else [fields[0]]), fields[1], key
    )


def _matches(name: str, pattern: str) -> bool:
    # In a known-hosts file the brackets of [name]:port are no pattern.
    return name == pattern or fnmatch.fnmatchcase(name, pattern.replace("[", "[[]"))


def _hashed(pattern: str, name: str) -> bool:
    _, _, salt, digest = [*pattern.split("|"), "", "", ""][:4]
    try:
        expected = hmac.digest(base64.b64decode(salt), name.encode(), "sha1")
        return hmac.compare_digest(expected, base64.b64decode(digest))
    except (binascii.Error, ValueError):
        return False
