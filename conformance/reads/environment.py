"""Reads in the environment of the user that runs the upgrade: named variables, and commands that depend on them.

That environment is the one of pytest itself on ``local://``, and the one of a login shell of its user anywhere else:
only a login shell has seen ``~/.profile`` and its like. Such a shell may be any - bash, zsh, fish, csh, a plain sh - and
its start-up files may print, hang, or end it; whatever they print is dropped on the host.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance.answers import Answer, Unreadable
from conformance.reads.hosts import Command, HostRead, InvalidRead

__all__ = ["Environment", "LoginCommand", "environment", "login_command"]

#: Seconds for the start-up files together with what is asked; not the default, so that it stands in no group.
_TIMEOUT: Final = 15.0
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: What the script itself, or any shell, sets: they would not be the user's.
_OURS: Final = frozenset({"CDPATH", "LC_ALL", "OLDPWD", "PWD", "SHLVL", "_"})

# Evaluated by /bin/sh in the user's environment. PATH may lack what is needed here, so it is put aside first.
_ASK: Final = """\
export PF_PATH="${PATH-}"; PATH=${PATH:-/usr/bin}:/usr/bin:/bin:/usr/sbin:/sbin; export PATH; LC_ALL=C; export LC_ALL
printf "\\n%%s in\\n" "$PF_NONCE"
( %s
) </dev/null 2>/dev/null
printf "\\n%%s out %%s\\n\\n" "$PF_NONCE" $?
"""

# What the login shell is told must read the same in every shell: hence one pair of single quotes, and no more.
#
# The shell is the one of passwd: SHELL may be that of whoever started a container's engine. Without -l, which old
# dashes lack, a plain sh reads by hand what it reads as a login shell. csh takes -l only without any other argument.
# `exec` keeps what a login shell runs at its end (.bash_logout) from running.
#
# sed drops what start-up files print, since that may hold anything, and ends with the shell: a program that a start-up
# file left in the background may keep the pipe open for ever. A sed that reads one line ahead needs the empty lines.
_SCRIPT: Final = r"""PF_ASK=%s; export PF_ASK
if [ "${PF_HERE-}" ]; then (PATH=$PF_PATH; eval "$PF_ASK"); exit; fi
u=${LOGNAME:-} i= s= h=; [ "$u" ] || i=$(id -u)
while IFS=: read -r n x d g c a b; do
if [ "$n" = "$u" ] || [ "$d" = "$i" ]; then s=${b:-/bin/sh} h=$a; break; fi
done </etc/passwd 2>/dev/null
if [ ! "$s" ] && e=$(getent passwd "${u:-$i}" 2>/dev/null); then s=${e##*:} e=${e%%:*}; s=${s:-/bin/sh} h=${e##*:}; fi
s=${s:-${SHELL-}}
{ (
PATH=$PF_PATH SHELL=$s HOME=${HOME:-$h}; export PATH SHELL HOME; unset LC_ALL; cd "$HOME"
c='exec /bin/sh -c '"'"'eval "$PF_ASK"'"'"
p='[ ! -r /etc/profile ] || . /etc/profile; [ ! -r "$HOME/.profile" ] || . "$HOME/.profile"; '
case ${s##*/} in
sh|*dash|ash|*ksh|ksh93|yash) exec "$s" -c "$p$c" ;;
*csh) echo "$c" | "$s" -l ;;
*) exec "$s" -l -c "$c" ;;
esac
) 2>&1; printf "\n%%s shell %%s %%s\n\n\n" "$PF_NONCE" $? "$s" 2>/dev/null; } |
sed -n "/^$PF_NONCE in\$/,/^$PF_NONCE out [0-9]*\$/p;/^$PF_NONCE shell /{p;q;}"
exit 0"""


#: Not every busybox has it. A shell's own value is the environment's, but for what it sets for itself.
_NO_PRINTENV: Final = """command -v printenv >/dev/null || printenv() { eval "printf '%s\\n' \\"\\$$1\\""; }"""


def _script(ask: str) -> str:
    return _SCRIPT % shlex.quote(_ASK % ask)


def _answer(stdout: str, nonce: str) -> dict[str, Any]:
    """What was printed in the user's environment with its exit status, or how the login shell ended without that."""
    mark = re.escape(nonce)
    if got := re.search(rf"^{mark} in\n(.*)\n{mark} out (\d+)$", stdout, re.DOTALL | re.MULTILINE):
        return {"stdout": got[1], "status": int(got[2])}
    if got := re.search(rf"^{mark} shell (\d+) (.*)$", stdout, re.MULTILINE):
        return {"stdout": "", "shell": got[2], "shell_status": int(got[1])}
    return {"stdout": ""}


def _required(read: HostRead, answer: Answer) -> Mapping[str, Any]:
    if answer.problem is not None and answer.problem.kind == "timed-out":
        raise Unreadable(
            f"{answer.problem.message} (the start-up files of the login shell may be what hangs: .profile, .zprofile, "
            ".login, config.fish)",
            read=read.key,
        )
    got: Mapping[str, Any] = answer.require()
    if "status" in got:
        return got
    if "shell" in got:
        raise Unreadable(
            f"the login shell {got['shell'] or '(none is set)'} ended with {got['shell_status']} before it ran anything: "
            "give that user a shell that takes commands, or mend its start-up files",
            read=read.key,
        )
    raise Unreadable(f"`{read.key}` gave nothing (exit status {got['rc']}): are sed and a shell there?", read=read.key)


@dataclass(frozen=True, slots=True)
class Environment(HostRead):
    """Named variables of the user's environment; the fact receives a mapping name -> value of those that are set.

    A variable that is set to nothing is there, with an empty text. No other variable leaves the host.
    """

    names: tuple[str, ...]
    timeout: float = field(default=_TIMEOUT, kw_only=True)

    def __post_init__(self) -> None:
        if not self.names:
            msg = "an environment read must name its variables"
            raise InvalidRead(msg)
        for name in self.names:
            if not _NAME.fullmatch(name):
                msg = f"{name!r}: expected the name of a variable, of letters, digits and _"
                raise InvalidRead(msg)
            if name in _OURS or name.startswith("PF_"):
                msg = f"{name}: the shells that read the environment set this one themselves"
                raise InvalidRead(msg)
        if self.sudo:
            msg = f"{self.key}: the environment is that of the login user, never root's"
            raise InvalidRead(msg)

    @property
    def key(self) -> str:
        return f"environment {' '.join(self.names)}"

    @property
    def script(self) -> str:
        return _script("\n".join([_NO_PRINTENV, *map(_print, dict.fromkeys(self.names))]))

    def decode(self, stdout: str, nonce: str) -> Mapping[str, Any]:
        got = _answer(stdout, nonce)
        mark = re.escape(nonce)
        pattern = re.compile(rf"^{mark} var (\w+)\n((?:.*?\n)??){mark} rc (\d+)$", re.DOTALL | re.MULTILINE)
        # printenv adds one newline, and ends with 1 where the variable is not in the environment.
        found = {m[1]: {"text": m[2][:-1], "rc": int(m[3])} for m in pattern.finditer(got["stdout"]) if m[3] != "1"}
        return {**got, "stdout": "", "variables": found}

    def extract(self, answer: Answer) -> Any:
        got = _required(self, answer)
        for name, one in got["variables"].items():
            if one["rc"] != 0:
                raise Unreadable(f"{name} is set, yet `printenv {name}` ended with {one['rc']}", read=self.key)
        return {name: got["variables"][name]["text"] for name in self.names if name in got["variables"]}


def _print(name: str) -> str:
    """Prints one variable. printenv knows the environment from what the shell that asks sets for itself."""
    real = "PF_PATH" if name == "PATH" else name
    return (
        f'if [ "${{{real}+1}}" ]; then printf "%s var {name}\\n" "$PF_NONCE"; printenv {real}; '
        f'printf "%s rc %s\\n" "$PF_NONCE" $?; fi'
    )


@dataclass(frozen=True, slots=True)
class LoginCommand(Command):
    """A snippet for a POSIX shell that is run in the user's environment; the fact receives its standard output.

    Its standard error is dropped. The locale is C, and the usual directories stand behind the user's own in ``PATH``.
    """

    timeout: float = field(default=_TIMEOUT, kw_only=True)

    def __post_init__(self) -> None:
        # Not super(): a dataclass with slots is another class than the one that it was made of.
        Command.__post_init__(self)
        if self.sudo:
            msg = f"{self.line!r}: what depends on the user's environment cannot be read as root"
            raise InvalidRead(msg)

    @property
    def key(self) -> str:
        return self.name or f"in the user's environment: {self.line}"

    @property
    def words(self) -> tuple[str, ...] | None:
        return None

    @property
    def script(self) -> str:
        return _script(self.line)

    def decode(self, stdout: str, nonce: str) -> Mapping[str, Any]:
        return _answer(stdout, nonce)

    def extract(self, answer: Answer) -> Any:
        got = _required(self, answer)
        if got["status"] not in self.ok:
            raise Unreadable(f"`{self.name or self.line}` ended with {got['status']}", read=self.key)
        return got["stdout"]


def environment(*names: str, **bounds: Any) -> Environment:
    """Declare the variables that a fact reads of the environment of the user that runs the upgrade."""
    return Environment(names, **bounds)


def login_command(line: str, *, ok: tuple[int, ...] = (0,), **bounds: Any) -> LoginCommand:
    """Declare a command whose answer depends on the environment of the user that runs the upgrade."""
    return LoginCommand(line, ok=ok, **bounds)
