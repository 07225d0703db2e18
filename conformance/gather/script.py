r"""One POSIX shell script for all reads of a host; `conformance.gather.parser` understands what it prints.

The script must run in dash, bash and busybox ash, from any login shell, and leave nothing on the host. It frames each
read on standard output and standard error with lines that hold a nonce of 128 bits::

    \n<nonce> b <number> <as whom>\n … what the read printed … \n<nonce> e <number> <exit status>\n

so that whatever is printed before, binary data and a missing newline at the end do no harm.

Forks are what a read costs a host, so most reads run in a group: one `timeout` for all of them and one process each. A
read that declares a time limit of its own, or that was interrupted together with its group, runs alone, with its own
`timeout` and its own `head`. The text of the reads travels in the environment, never in an argument: a read that
looks through the list of processes must not find itself.
"""

from __future__ import annotations

import functools
import math
import secrets
import shlex
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from conformance.reads import HostRead
from conformance.reads.hosts import DEFAULT_TIMEOUT

__all__ = ["MARGIN", "build", "is_alone", "new_nonce"]

#: Seconds that a group may take: the limit of each of its reads and a little more. A read that hangs in a group then
#: nearly always has had its whole time, and need not be tried again.
GROUP_SECONDS: Final = int(DEFAULT_TIMEOUT) + 2
#: Bytes of one group's text: the kernel takes at most 131,072 in one string of the environment.
_GROUP_BYTES: Final = 60_000
#: Bytes that `head` lets pass beyond the limit of a read, for the marker that follows it.
MARGIN: Final = 128

#: Words that a shell understands itself: `timeout` could not run them, and some would change the shell that runs them.
_SHELL_WORDS: Final = frozenset(
    """
    . : alias bg break case cd command continue do done elif else esac eval exec exit export fc fg fi for function
    getopts hash if in jobs local read readonly return select set shift source test then times trap type ulimit umask
    unalias unset until wait while
    """.split()  # noqa: SIM905 - a list would fill two screens
)

_PREAMBLE: Final = """\
PF_PATH=${PATH-}
PATH=${PATH:-/usr/bin:/bin}:/usr/local/sbin:/usr/sbin:/sbin
LC_ALL=C
PF_NONCE=%(nonce)s
export PF_PATH PATH LC_ALL PF_NONCE
unset CDPATH
pf_timeout= pf_group=
case $(timeout --version 2>/dev/null </dev/null) in
*coreutils*) pf_timeout="timeout -k 1" pf_group=1 ;;
*) timeout -k 1 1 true >/dev/null 2>&1 </dev/null && pf_timeout="timeout -k 1" ;;
esac
[ "$pf_timeout" ] || pf_group=1
"""

# Only sudo reads need to know who is there.
_WHO: Final = """\
pf_as=user pf_sudo=
if [ "$(id -u)" = 0 ]; then pf_as=root; elif [ "%(sudo)s" ]; then pf_as=sudo pf_sudo="sudo -n"; fi
"""

# The end of a read and the begin of the next one are one write, hence one packet; on standard error the begin is
# enough. A closed connection must end the script, also where SIGPIPE is ignored: hence the exits.
_MARKS: Final = """\
pf_end=
pf_b() {
  printf "\\n%s b %s %s\\n" "$PF_NONCE" $1 $2 >&2 || exit 70
  printf "%s\\n%s b %s %s\\n" "$pf_end" "$PF_NONCE" $1 $2 || exit 70
}
pf_e() { pf_end="
$PF_NONCE e $1 $2
"; }
pf_flush() { printf %s "$pf_end" || exit 70; pf_end=; }
"""

# pf_run, pf_snip and pf_root take: number, seconds, bytes; then words, or one snippet. pf_pipe takes a snippet and words:
# the words run as root, and the snippet sees what they print, behind it a line with their exit status.
_IN_GROUP: Final = """\
pf_run() { pf_n=$1; pf_b $1 -; shift 3; "$@" </dev/null; pf_e $pf_n $?; }
pf_snip() { pf_b $1 -; (pf_text=$4; shift 4; eval "$pf_text") </dev/null; pf_e $1 $?; }
pf_root() { pf_n=$1; pf_b $1 $pf_as; shift 3; $pf_sudo "$@" </dev/null; pf_e $pf_n $?; }
pf_pipe() {
  pf_n=$1 pf_filter=$4; pf_b $1 $pf_as; shift 4
  { $pf_sudo "$@" </dev/null; printf "\n%s rc %s\n" "$PF_NONCE" $?; } | eval "$pf_filter"
  pf_e $pf_n $?
}
"""

_ALONE: Final = """\
pf_one() {
  pf_n=$1 pf_t=$2 pf_l=$3; shift 3
  { ${pf_timeout:+$pf_timeout $pf_t} "$@" </dev/null; printf "\\n%s s %s\\n" "$PF_NONCE" $?; } | head -c $pf_l
  pf_e $pf_n -
}
pf_run() { pf_b $1 -; pf_one "$@"; }
pf_snip() {
  pf_b $1 -; PF_TEXT=$4; export PF_TEXT
  pf_one $1 $2 $3 /bin/sh -c 'pf_text=$PF_TEXT; unset PF_TEXT; eval "$pf_text"'
  unset PF_TEXT
}
pf_root() { pf_b $1 $pf_as; pf_n=$1 pf_t=$2 pf_l=$3; shift 3; pf_one $pf_n $pf_t $pf_l $pf_sudo "$@"; }
pf_pipe() {
  pf_b $1 $pf_as; pf_n=$1 pf_t=$2 pf_l=$3; PF_TEXT=$4; export PF_TEXT; shift 4
  pf_one $pf_n $pf_t $pf_l /bin/sh -c 'pf_text=$PF_TEXT; unset PF_TEXT
{ "$@"; printf "\n%s rc %s\n" "$PF_NONCE" $?; } | eval "$pf_text"' sh $pf_sudo "$@"
  unset PF_TEXT
}
"""

_GROUP: Final = """\
pf_text=%(body)s
if [ "$pf_group" ]; then
  pf_flush
  PF_TEXT="pf_as=${pf_as-} pf_sudo='${pf_sudo-}'
$pf_marks$pf_grouped$pf_text"
  export PF_TEXT
  ${pf_timeout:+$pf_timeout %(seconds)d} /bin/sh -c 'pf_text=$PF_TEXT; unset PF_TEXT; eval "$pf_text"' </dev/null
  pf_end="
$PF_NONCE g $?
"
  unset PF_TEXT
else
  eval "$pf_text"
fi
"""

_END: Final = """\
printf "\\n%s done\\n" "$PF_NONCE" >&2
printf "%s\\n%s done\\n" "$pf_end" "$PF_NONCE"
exit 0
"""


def new_nonce() -> str:
    """128 random bits in hexadecimal."""
    return secrets.token_hex(16)


def build(reads: Sequence[HostRead], nonce: str, *, sudo: bool, alone: Collection[str] = ()) -> str:
    """The script for these reads, in their order except that those that need root come last.

    :param nonce: what frames the reads; a new one for every script.
    :param sudo: whether reads that need root may use ``sudo -n`` where the login user is not root.
    :param alone: keys of reads that must not run in a group.
    """
    return _template(tuple(reads), sudo, frozenset(alone)) % {"nonce": nonce}


@functools.lru_cache(maxsize=64)
def _template(reads: tuple[HostRead, ...], sudo: bool, alone: frozenset[str]) -> str:
    """The script with its nonce to be filled in; hosts with the same reads share it."""
    parts = [_PREAMBLE, f"pf_marks={shlex.quote(_MARKS)}\npf_grouped={shlex.quote(_IN_GROUP)}\n"]
    parts.append('eval "$pf_marks"\n' + _ALONE)
    for root in (False, True):
        some = [(number, read) for number, read in enumerate(reads) if read.sudo is root]
        if root and some:
            parts.append(_WHO % {"sudo": "1" if sudo else ""})
        light = [(number, read) for number, read in some if not is_alone(read, alone)]
        for group in _groups(light):
            body = "".join(_call(number, read) for number, read in group) + "pf_flush\n"
            parts.append(_GROUP % {"body": shlex.quote(body), "seconds": GROUP_SECONDS})
        parts.extend(_call(number, read) for number, read in some if is_alone(read, alone))
    parts.append(_END)
    preamble, *rest = parts
    return preamble + "".join(rest).replace("%", "%%")


def is_alone(read: HostRead, alone: Collection[str]) -> bool:
    """Whether a read runs with a `timeout` of its own, where the host has one."""
    return read.timeout != DEFAULT_TIMEOUT or read.key in alone


def _seconds(read: HostRead) -> int:
    """Whole seconds, since not every `timeout` takes fractions."""
    return max(1, math.ceil(read.timeout))


def _groups(reads: Sequence[tuple[int, HostRead]]) -> Iterator[list[tuple[int, HostRead]]]:
    group: list[tuple[int, HostRead]] = []
    size = 0
    for number, read in reads:
        length = len(_call(number, read).encode())
        if group and size + length > _GROUP_BYTES:
            yield group
            group, size = [], 0
        group.append((number, read))
        size += length
    if group:
        yield group


def _call(number: int, read: HostRead) -> str:
    """The line that runs one read; which functions it calls depends on whether it stands in a group."""
    bounds = f"{number} {_seconds(read)} {read.limit + MARGIN}"
    words = read.words
    if read.sudo and read.through:
        return f"pf_pipe {bounds} {shlex.quote(read.through)} {shlex.join(words or ())}\n"
    if read.sudo:
        return f"pf_root {bounds} {shlex.join(words or ())}\n"
    if words is None or words[0] in _SHELL_WORDS or "=" in words[0]:
        return f"pf_snip {bounds} {shlex.quote(read.script)}\n"
    return f"pf_run {bounds} {shlex.join(words)}\n"
