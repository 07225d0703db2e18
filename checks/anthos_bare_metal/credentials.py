r"""Google's application default credentials, as bmctl finds them, and what a host tells of such files.

Nothing of a key leaves the host: of a JSON file only its punctuation is printed, with a sign of its own for the few words
that decide. Sources: https://cloud.google.com/docs/authentication/application-default-credentials, and
golang.org/x/oauth2/google, FindDefaultCredentials, which reads ``~/.config/gcloud``; gcloud writes to ``$CLOUDSDK_CONFIG``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["SCRIPT", "Credentials", "InvalidCredentials", "KeyFile"]

FILE: Final = "application_default_credentials.json"

# pf_file says of one file what it is; its parts are for sh, and for the sed, tr and head of busybox. Backslashes go first,
# so that a string ends with the next quote; "type" can then only be a whole string. A value that holds the key itself, as
# some write it by mistake, is never printed; one line is left for each of label, value, path, state and punctuation.
SCRIPT: Final = r"""pf_line() { case $1 in *"
"*|*"{"*) return 1;; esac; }
pf_file() {
printf "%s\n%s\n%s\n" "$1" "$2" "$3"
if [ -f "$3" ] && [ -r "$3" ] && head -c 1 -- "$3" >/dev/null; then
echo file
head -c 65536 -- "$3" | tr "\n\r\t" "   " |
sed -e 's/\\.//g' -e 's/[!@]//g' -e 's/"type"/!/g' -e 's/"service_account"/@/g' -e 's/"[^"]*"/""/g' |
tr -cd '][{}:,"!@' | head -c 2000
echo
elif e=$(ls -Ld -- "$3" 2>&1); then
if [ -d "$3" ]; then echo "is a directory"; elif [ -f "$3" ]; then echo "Permission denied"; else echo "is no regular file"; fi
echo
else printf "%s\n\n" "${e##*: }"
fi
}
d={{bmctl-directory}}; case $d in ""|"~") d=${HOME-};; esac; [ ! "${PF_HERE-}" ] || [ ! -e "$GOOGLE_APPLICATION_CREDENTIALS" ] || d=$PWD
if [ ! "${GOOGLE_APPLICATION_CREDENTIALS-}" ]; then printf "unset\n\n\n\n\n"
elif ! pf_line "$GOOGLE_APPLICATION_CREDENTIALS"; then printf "held\n\n\n\n\n"
else case $GOOGLE_APPLICATION_CREDENTIALS in
/*) pf_file variable "$GOOGLE_APPLICATION_CREDENTIALS" "$GOOGLE_APPLICATION_CREDENTIALS";;
*) pf_file variable "$GOOGLE_APPLICATION_CREDENTIALS" "$d/$GOOGLE_APPLICATION_CREDENTIALS";;
esac; fi
f=application_default_credentials.json
case ${CLOUDSDK_CONFIG-} in /*) ! pf_line "$CLOUDSDK_CONFIG" || pf_file gcloud "" "${CLOUDSDK_CONFIG%/}/$f";; esac
pf_line "${HOME-}" && pf_file gcloud "" "${HOME-}/.config/gcloud/$f"
exit 0"""

_NONE: Final = ("No such file or directory", "Not a directory", "is a directory", "is no regular file")
_PAIRS: Final = {"}": "{", "]": "["}


class InvalidCredentials(ValueError):
    """A text that `SCRIPT` does not print."""


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A file that should hold credentials."""

    #: What the variable holds; empty for gcloud's own file.
    value: str
    #: Where that is.
    path: str
    #: ``file`` for one that the login user can read, else why not.
    state: str
    #: ``service_account``, ``other`` for credentials of another type, empty for what holds none.
    type: str

    @property
    def closed(self) -> bool:
        """Whether there may be a file that the login user cannot read."""
        return self.state not in (*_NONE, "file")

    @property
    def relative(self) -> bool:
        """Whether the variable leaves open which file it is: that depends on the directory in which bmctl runs."""
        return bool(self.value) and not self.value.startswith("/")

    def __str__(self) -> str:
        if self.state != "file":
            return f"{self.path}: {self.state}"
        kinds = {"service_account": "service-account key", "other": "credentials of another type"}
        return f"{self.path}: {kinds.get(self.type, 'no credentials in it')}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Where the login user's application default credentials would come from."""

    #: The file that GOOGLE_APPLICATION_CREDENTIALS names, None where it is unset or empty.
    variable: KeyFile | None
    #: Whether the variable holds something else than the path of a file, such as the key itself.
    held: bool
    #: gcloud's own file, wherever it may be.
    gcloud: tuple[KeyFile, ...]

    @classmethod
    def parse(cls, text: str) -> Credentials:
        """What `SCRIPT` printed: five lines for the variable, and five for each place of gcloud's file.

        :raises InvalidCredentials: something else.
        """
        lines = text.split("\n")
        if lines[-1] or len(lines) % 5 != 1 or len(lines) < 6:
            msg = f"{len(lines) - 1} lines where five for each file are expected"
            raise InvalidCredentials(msg)
        groups = [lines[at : at + 5] for at in range(0, len(lines) - 1, 5)]
        label = groups[0][0]
        if label not in ("unset", "held", "variable") or any(one[0] != "gcloud" for one in groups[1:]):
            msg = f"not told in the order that is asked: {[one[0] for one in groups]}"
            raise InvalidCredentials(msg)
        files = [KeyFile(value, path, state, type_of(shape)) for _, value, path, state, shape in groups]
        return cls(files[0] if label == "variable" else None, label == "held", tuple(files[1:]))


def type_of(shape: str) -> str:
    """The type of credentials in a JSON object of which only the punctuation is left; see `KeyFile.type`.

    ``!`` stands for the string "type", ``@`` for "service_account", ``""`` for any other; numbers and words are gone.
    """
    opened: list[str] = []
    if not shape.startswith("{") or not shape.endswith("}"):
        return ""
    found = ""
    for at, sign in enumerate(shape):
        if sign in "{[":
            opened.append(sign)
        elif sign in "}]":
            if not opened or opened.pop() != _PAIRS[sign] or (not opened and at != len(shape) - 1):
                return ""
        elif opened == ["{"] and sign == "!" and shape[at + 1 : at + 2] == ":" and shape[at - 1] in "{,":
            # Of a name that is there twice the last counts, as in Go and everywhere.
            found = {"@": "service_account", '"': "other", "!": "other"}.get(shape[at + 2 : at + 3], "")
    return found if not opened else ""
