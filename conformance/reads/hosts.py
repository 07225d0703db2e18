"""Reads on hosts: commands, files and the files of a directory.

A read is a value: it says what is asked, how long and how large the answer may be, and how a stored answer is
turned into what a fact receives. It never asks anything itself; `conformance.gather` does.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from conformance.answers import Answer, Unreadable
from conformance.reads.refusals import last_line, refusal, says_absent

__all__ = [
    "Command",
    "File",
    "Files",
    "HostRead",
    "InvalidRead",
    "command",
    "file",
    "files",
]

#: Seconds that one read on a host may take, and bytes of standard output that it may give, unless declared otherwise.
DEFAULT_TIMEOUT: Final = 10.0
DEFAULT_LIMIT: Final = 1_048_576

#: What the script of `Files` ends with where `ls` does not find the directory, or cannot be run.
_NO_DIRECTORY: Final = 3
_PATTERN: Final = re.compile(r"([\w.*?\[\]@:+-]+/)?[\w.*?\[\]@:+-]+")
_PLACEHOLDER: Final = re.compile(r"\{\{([a-z0-9]+(?:-[a-z0-9]+)*)\}\}")
#: What stands for the other hosts of the cluster where a read is made among them.
_PEERS: Final = "peers"
_PLAIN_WORDS: Final = re.compile(r"[^\s\\'\"$`|&;<>()*?\[\]{}~#!]+(\s+[^\s\\'\"$`|&;<>()*?\[\]{}~#!]+)*")


class InvalidRead(ValueError):
    """A read is declared in a way that could not be run safely; raised at import, for the pack's author."""


@dataclass(frozen=True, slots=True)
class HostRead:
    """One read on a host. Subclasses say how it is run and how its answer is understood."""

    #: Seconds after which the host ends the read by itself.
    timeout: float = field(default=DEFAULT_TIMEOUT, kw_only=True)
    #: Bytes of standard output after which the read is cut off, and so unknown.
    limit: int = field(default=DEFAULT_LIMIT, kw_only=True)
    #: Needs root: run by ``sudo -n`` where the login user is not root and ``--sudo`` is given.
    sudo: bool = field(default=False, kw_only=True)

    @property
    def key(self) -> str:
        """The name of the read in plans and snapshots; the same read always has the same key."""
        raise NotImplementedError

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the parameters that must be filled in before it can be run; see `bind`."""
        return ()

    def bind(self, values: Mapping[str, str]) -> HostRead:  # noqa: ARG002 - for those that have parameters
        """The read with its parameters filled in."""
        return self

    @property
    def peers(self) -> str:
        """The role of the other hosts of its cluster whose addresses must be filled in, empty for none; see `meet`."""
        return ""

    def meet(self, addresses: Mapping[str, str]) -> HostRead:  # noqa: ARG002 - for those that have peers
        """The read with the addresses of the other hosts filled in, name -> address; empty where nobody knows it."""
        return self

    @property
    def words(self) -> tuple[str, ...] | None:
        """The program and its arguments, or None where `script` needs a shell."""
        return None

    @property
    def through(self) -> str:
        """A snippet for a POSIX shell, run as the login user, that takes the output of `words` where they need root.

        What comes last is a line of the nonce, ``rc`` and the exit status of `words`: the snippet has to let it pass.
        """
        return ""

    @property
    def script(self) -> str:
        """The text for a POSIX shell; ``$PF_NONCE`` holds the run's nonce."""
        raise NotImplementedError

    def decode(self, stdout: str, nonce: str) -> Mapping[str, Any]:  # noqa: ARG002 - for those that need it
        """What is stored of the standard output; `nonce` must not stand in it, since a snapshot outlives its run."""
        return {"stdout": stdout}

    def extract(self, answer: Answer) -> Any:
        """What the fact receives.

        :raises Unreadable: the answer does not settle what was asked.
        """
        raise NotImplementedError


def _words_of(text: str) -> tuple[str, ...] | None:
    """The words of a command line in which a shell would change nothing, else None."""
    return tuple(text.split()) if _PLAIN_WORDS.fullmatch(text.strip()) else None


@dataclass(frozen=True, slots=True)
class Command(HostRead):
    """A command line; the fact receives its standard output as text.

    `line` may be a snippet for a POSIX shell unless the read needs root: then it is a program with an absolute path
    and its arguments, so that the derived sudoers file can name it whole. ``{{name}}`` in a snippet stands for the
    value of that parameter, as one quoted word.

    With `among`, the role of hosts, ``{{peers}}`` stands for the other hosts of its cluster that have it: a quoted word
    ``NAME=ADDRESS`` each. Such a read needs a `name`, since its snippet is another one on each host.
    """

    line: str
    #: Exit statuses that count as an answer.
    ok: tuple[int, ...] = (0,)
    #: What a snippet of many lines is called in plans, snapshots and messages, parameters included; the plan shows it whole.
    name: str = field(default="", kw_only=True)
    among: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        if not self.line.strip():
            msg = "a command read must name a command"
            raise InvalidRead(msg)
        if self.among and (self.sudo or not self.name):
            msg = f"{self.line!r}: a read with peers needs a name, and no root"
            raise InvalidRead(msg)
        if self.sudo:
            words = _words_of(self.line)
            if words is None or not words[0].startswith("/"):
                msg = (
                    f"{self.line!r} needs root, so it must be one program with an absolute path and plain arguments, "
                    "without anything that a shell would interpret"
                )
                raise InvalidRead(msg)

    @property
    def key(self) -> str:
        return self.name or (f"sudo {self.line}" if self.sudo else self.line)

    @property
    def parameters(self) -> tuple[str, ...]:
        found = dict.fromkeys(_PLACEHOLDER.findall(self.line + self.name))
        return tuple(one for one in found if not (self.among and one == _PEERS))

    def bind(self, values: Mapping[str, str]) -> Command:
        if not self.parameters:
            return self
        line, name = (
            _PLACEHOLDER.sub(lambda match: shlex.quote(values[match[1]]) if match[1] in values else match[0], text)
            for text in (self.line, self.name)
        )
        return replace(self, line=line, name=name)

    @property
    def peers(self) -> str:
        return self.among

    def meet(self, addresses: Mapping[str, str]) -> Command:
        words = " ".join(shlex.quote(f"{name}={address}") for name, address in addresses.items())
        return replace(self, line=self.line.replace(f"{{{{{_PEERS}}}}}", words))

    @property
    def words(self) -> tuple[str, ...] | None:
        return _words_of(self.line)

    @property
    def script(self) -> str:
        return self.line

    def extract(self, answer: Answer) -> Any:
        got = answer.require()
        if got["rc"] not in self.ok:
            raise Unreadable(refusal(self.key, got), read=self.key)
        return got["stdout"]


@dataclass(frozen=True, slots=True)
class File(HostRead):
    """A whole file; the fact receives its text, or None where there certainly is no such file.

    A file that may be there but cannot be opened - also one behind a directory that the login user may not enter -
    is `Unreadable`, never None: the kernel tells the two apart, and ``cat`` passes on what it said.
    """

    path: str

    def __post_init__(self) -> None:
        if not self.path.startswith("/"):
            msg = f"{self.path!r}: the path of a file read must be absolute"
            raise InvalidRead(msg)

    @property
    def key(self) -> str:
        return f"{'sudo ' if self.sudo else ''}cat {shlex.quote(self.path)}"

    @property
    def words(self) -> tuple[str, ...] | None:
        return ("/usr/bin/cat" if self.sudo else "cat", self.path)

    @property
    def script(self) -> str:
        return shlex.join(self.words or ())

    def extract(self, answer: Answer) -> Any:
        got = answer.require()
        if got["rc"] == 0:
            return got["stdout"]
        if says_absent(got["rc"], got["stderr"], "cat", self.path):
            return None
        raise Unreadable(refusal(self.key, got), read=self.key)


@dataclass(frozen=True, slots=True)
class Files(HostRead):
    """The files below one directory whose names match patterns; the fact receives a mapping path -> text.

    A pattern is a name, or a folder and a name (``*.wants/tmp.mount``). No such directory is an empty mapping; a
    directory that cannot be entered or listed, or one file that cannot be opened, is `Unreadable`.
    """

    directory: str
    patterns: tuple[str, ...]

    def __post_init__(self) -> None:
        if not self.directory.startswith("/"):
            msg = f"{self.directory!r}: expected an absolute directory"
            raise InvalidRead(msg)
        for pattern in self.patterns:
            if not _PATTERN.fullmatch(pattern) or pattern.startswith(("./", "../")):
                msg = f"{pattern!r}: expected a shell pattern of letters, digits and . * ? [ ] @ : + - _, with one / at most"
                raise InvalidRead(msg)
        if self.sudo:
            msg = f"{self.directory}: a pattern cannot be read with sudo; name each file"
            raise InvalidRead(msg)

    @property
    def key(self) -> str:
        if len(self.patterns) == 1:
            return f"cat {self.directory}/{self.patterns[0]}"
        return f"cat {self.directory}/{{{','.join(self.patterns)}}}"

    @property
    def script(self) -> str:
        # `ls DIR/.` fails with the kernel's own reason where a test such as [ -d DIR ] would only say no; a folder
        # that cannot be entered or listed must not look like one without matches.
        where = shlex.quote(self.directory)
        folders = dict.fromkeys(one.rpartition("/")[0] for one in self.patterns if "/" in one)
        may_list = (
            'if [ -d "$d" ] && ! { [ -r "$d" ] && [ -x "$d" ]; }; then echo "$d: Permission denied" >&2; exit 4; fi'
        )
        return (
            f"ls -d -- {where}/. >/dev/null || exit {_NO_DIRECTORY}\n"
            f"cd -- {where} || exit 4\n"
            f"for d in {' '.join(['.', *folders])}; do {may_list}; done\n"
            f"for f in {' '.join(self.patterns)}; do\n"
            'if [ -e "$f" ] || [ -L "$f" ]; then\n'
            'printf "\\n%s file %s\\n" "$PF_NONCE" "$f"; cat -- "$f"; printf "\\n%s rc %s\\n" "$PF_NONCE" "$?"\n'
            "fi; done; exit 0"
        )

    def decode(self, stdout: str, nonce: str) -> Mapping[str, Any]:
        mark = re.escape(nonce)
        pattern = re.compile(rf"\n{mark} file ([^\n]*)\n(.*?)\n{mark} rc (\d+)\n", re.DOTALL)
        found = {m[1]: {"text": m[2], "rc": int(m[3])} for m in pattern.finditer(stdout)}
        return {"stdout": "", "files": found}

    def extract(self, answer: Answer) -> Any:
        got = answer.require()
        if got["rc"] == _NO_DIRECTORY and says_absent(got["rc"], got["stderr"], "ls", f"{self.directory}/."):
            return {}
        if got["rc"] != 0:
            raise Unreadable(refusal(self.key, got), read=self.key)
        bad = sorted(name for name, one in got["files"].items() if one["rc"] != 0)
        if bad:
            paths = ", ".join(f"{self.directory}/{name}" for name in bad)
            raise Unreadable(f"cannot read {paths}: {last_line(got['stderr'])}", read=self.key)
        return {f"{self.directory}/{name}": one["text"] for name, one in got["files"].items()}


def command(line: str, *, ok: tuple[int, ...] = (0,), sudo: bool = False, **bounds: Any) -> Command:
    """Declare a command whose standard output a fact reads. Bounds: `timeout` in seconds, `limit` in bytes.

    A snippet of many lines should have a `name`, under which plans, snapshots and messages know it. With
    ``among="control-plane"`` it is told the other hosts of its cluster that have this role; see `Command`.
    """
    return Command(line, ok=ok, sudo=sudo, **bounds)


def file(path: str, *, sudo: bool = False, **bounds: Any) -> File:
    """Declare a file that a fact reads whole; the fact receives None where it does not exist."""
    return File(path, sudo=sudo, **bounds)


def files(directory: str, *patterns: str, **bounds: Any) -> Files:
    """Declare the matching files below one directory; the fact receives a mapping path -> text."""
    return Files(directory, patterns or ("*",), **bounds)
