"""The login by which bmctl works on a node: the PATH of its sessions, and that of what it runs by sudo."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from conformance import Unreadable, host_fact
from conformance.facts.values.sudo import InvalidListing, secure_path

__all__ = ["Login", "abm_login"]

# PF_PATH is the PATH that sshd and the shell gave this session, which is not interactive; the script's own is longer. Of
# what sudo lists only the settings leave the host, or why it lists nothing.
_LOGIN: Final = r"""u=$(id -u) && n=$(id -un) || exit 1
printf "%s %s\n%s\n" "$u" "$n" "$PF_PATH"
s= r=0
if [ "$u" != 0 ]; then
l=$(sudo -n -l 2>&1) && l=$(printf "%s\n" "$l" | sed "/^User .* may run /,\$d") || r=1
s=$(printf "%s\n" "$l" | sed -n "s/.*secure_path=\"\{0,1\}\([^, \"]*\).*/\1/p" | tr -d "\\\\" | tr "\n" ":")
fi
set -f; c=; IFS=:
for d in $PF_PATH $s; do if [ -f "$d/crictl" ] && [ -x "$d/crictl" ]; then c=$c:$d; fi; done
printf "%s\n%s\n" "$c" "$r"
if [ "$u" != 0 ]; then printf "%s\n" "$l"; fi"""


@dataclass(frozen=True, slots=True)
class Login:
    """Who is logged in, and where this login finds programs."""

    user: str
    root: bool
    #: The directories of its PATH, in a session that is not interactive.
    path: tuple[str, ...]
    #: Those of what it runs by sudo; the same where it is root, or where sudo keeps the PATH.
    sudo_path: tuple[str, ...]
    #: Directories of either that hold crictl.
    crictl: frozenset[str]
    #: The lines that say so.
    path_line: str
    sudo_line: str


@host_fact(_LOGIN)
def abm_login(output: str) -> Login:
    """The login user with its PATH and sudo's secure_path, and where crictl is. Sources: sshd(8), sudoers(5)."""
    who, path, crictl, failed, *listing = output.split("\n")
    number, _, user = who.partition(" ")
    said = "\n".join(listing)
    if number == "0":
        return Login(user, True, _folders(path), _folders(path), frozenset(_folders(crictl)), path, path)
    if failed != "0":
        last = next((one.strip() for one in reversed(listing) if one.strip()), "nothing")
        raise Unreadable(
            f"the PATH that sudo gives to {user} is not known: `sudo -n -l` says {last[:200]!r}; bmctl needs sudo "
            "without a password for its login user"
        )
    try:
        secure = secure_path(said)
    except InvalidListing as error:
        raise Unreadable(f"the PATH that sudo gives to {user} is not known: {error}") from None
    line = next((one for one in reversed(listing) if "secure_path=" in one), path) if secure is not None else path
    sudo_path = _folders(path) if secure is None else _folders(":".join(secure))
    return Login(user, False, _folders(path), sudo_path, frozenset(_folders(crictl)), path, line.strip())


def _folders(path: str) -> tuple[str, ...]:
    return tuple(one.rstrip("/") or "/" for one in path.split(":") if one)
