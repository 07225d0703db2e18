"""What standard error says of a command that gave no output: that there is nothing, or why it could not be told."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["last_line", "refusal", "says_absent", "says_nothing"]

#: From this exit status on, no program has said anything: it could not be run, was killed, or could not load what it needs.
_NOT_RUN: Final = 126
_NO_SUCH: Final = ("No such file or directory", "Not a directory")
_PLAIN: Final = re.compile(r"[\w./@:+-]+", re.ASCII)


def says_absent(rc: int, stderr: str, program: str, path: str) -> bool:
    """Whether `program` itself said that there is no `path`.

    Others use the same words of something else: ``sudo`` of its own configuration, ``timeout`` of the program, the
    loader of a library.
    """
    return rc < _NOT_RUN and any(_is_absent(line, path) for line in _own_lines(stderr, program))


def says_nothing(rc: int, stderr: str, words: tuple[str, ...], nothing: str) -> bool:
    """Whether the program of these words, with its arguments, said `nothing`, on a line of its own or behind its name.

    Where `nothing` is that there is no file, it must be said of a path that is among the arguments, and nothing else of any.
    """
    if rc >= _NOT_RUN or not nothing:
        return False
    own = _own_lines(stderr, words[0])
    if nothing not in _NO_SUCH:
        return any(line.strip() == nothing for line in stderr.splitlines()) or any(nothing in line for line in own)
    paths = [word for word in words[1:] if word.startswith("/")]
    about = [line for line in own if any(path in line for path in paths)]
    return bool(about) and all(nothing in line and any(_is_absent(line, path) for path in paths) for line in about)


def _own_lines(stderr: str, program: str) -> list[str]:
    """What stands behind the name of the program, on each line that begins with it."""
    name = re.escape(program.rpartition("/")[2])
    return re.findall(rf"^(?:\S*/)?{name}: (.*?)\s*$", stderr, re.MULTILINE)


def _is_absent(said: str, path: str) -> bool:
    """``/x: …``, ``can't open '/x': …`` (busybox), ``cannot open '/x' for reading: …``, ``cannot access '/x': …`` (GNU)."""
    # How another character is quoted depends on the program and its release.
    named = rf"[`'‘\"]?{re.escape(path)}['’\"]?" if _PLAIN.fullmatch(path) else ".*"
    return bool(re.fullmatch(rf"(?:[a-z' ]+ )?{named}(?: for reading)?: (?:{'|'.join(_NO_SUCH)})", said))


def last_line(text: str) -> str:
    """The last line that says anything."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "no message"


def refusal(key: str, got: Mapping[str, Any]) -> str:
    """Why a command gave no answer, for a person."""
    said = last_line(got["stderr"])
    if got["rc"] == 127:
        return f"`{key}` cannot be run: {said}"
    if got.get("as") == "user":
        return f"`{key.removeprefix('sudo ')}` needs root, which the login user is not: give --sudo (it said: {said})"
    if key.startswith("sudo ") and ("password is required" in said or "terminal is required" in said):
        return f"`{key}` needs a password: add the rules that --plan=sudoers prints, or leave the hazard out"
    if key.startswith("sudo ") and "not allowed" in said:
        return f"`{key}` is not allowed by sudo: add the rules that --plan=sudoers prints"
    if "ermission denied" in said and not key.startswith("sudo "):
        return f"`{key}` is refused ({said}): log in as a user who may read it"
    return f"`{key}` ended with {got['rc']}: {said}"
