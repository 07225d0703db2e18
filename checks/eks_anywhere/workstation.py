"""What the reads on the workstation print, as values. `workstation_script` prints it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

__all__ = ["VARIABLE_NAMES", "GitFile", "InvalidAnswer", "Mirrors", "Reply", "Variables"]

#: What the read looks at.
VARIABLE_NAMES: Final = (
    "EKSA_VSPHERE_USERNAME",
    "EKSA_VSPHERE_PASSWORD",
    "EKSA_GITHUB_TOKEN",
    "EKSA_GIT_PRIVATE_KEY",
    "EKSA_GIT_KNOWN_HOSTS",
)
_STATES: Final = ("set", "empty", "unset")
_FILES: Final = ("ok", "missing", "denied", "nofile", "empty")
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"


class InvalidAnswer(ValueError):
    """A text that the reads do not print."""


@dataclass(frozen=True, slots=True)
class GitFile:
    """The file that a variable names."""

    #: ok, missing, denied, nofile (no plain file), or empty.
    state: str
    #: Empty where there is no such file: then the variable may hold anything.
    path: str


class Variables(Mapping[str, str]):
    """Variable -> whether it is ``set``, ``empty`` or ``unset``; and the files that some of them name."""

    def __init__(self, states: Mapping[str, str], files: Mapping[str, GitFile]) -> None:
        self._states = dict(states)
        self.files = dict(files)

    def __getitem__(self, key: str) -> str:
        return self._states[key]

    def __iter__(self):  # type: ignore[no-untyped-def]  # noqa: ANN204 - of Mapping
        return iter(self._states)

    def __len__(self) -> int:
        return len(self._states)

    @classmethod
    def parse(cls, text: str) -> Variables:
        """From what the read prints.

        :raises InvalidAnswer: it is something else.
        """
        states: dict[str, str] = {}
        found: dict[str, GitFile] = {}
        for line in text.rstrip("\n").split("\n"):
            word, _, rest = line.partition(" ")
            name, _, more = rest.partition(" ")
            state, _, path = more.partition(" ")
            if word == "variable" and more in _STATES:
                states[name] = more
            elif word == "file" and name in states and state in _FILES:
                found[name] = GitFile(state, path)
            else:
                msg = "expected lines of variables and files"
                raise InvalidAnswer(msg)
        missing = [name for name in VARIABLE_NAMES if name not in states]
        if missing:
            msg = f"nothing is said of {', '.join(missing)}"
            raise InvalidAnswer(msg)
        return cls(states, found)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a registry mirror shows whoever connects to it."""

    #: ``host:port``.
    endpoint: str
    #: PEM texts in the order in which they came, the mirror's own first; empty where it shows none.
    chain: tuple[str, ...]
    #: What the workstation's own CA store says of them: 0 is good; None where it says nothing.
    verdict: int | None
    verdict_text: str
    #: Why there is no certificate; empty where there is one.
    problem: str


@dataclass(frozen=True, slots=True)
class Mirrors:
    """The registry mirrors of the specifications on a workstation, as it sees them."""

    directory: str
    #: When it looked, by its own clock.
    at: datetime
    #: Why the directory could not be looked into; empty where it could.
    refused: str
    replies: Mapping[str, Reply]

    @classmethod
    def parse(cls, text: str) -> Mirrors:
        """From what the read prints.

        :raises InvalidAnswer: it is something else.
        """
        head, *parts = re.split(r"^mirror (.*)$", text, flags=re.MULTILINE)
        facts = dict(line.partition(" ")[::2] for line in head.splitlines() if line)
        if "directory" not in facts or not re.fullmatch(r"[0-9]{1,11}", facts.get("now", ""), re.ASCII):
            msg = "expected the time and the directory first"
            raise InvalidAnswer(msg)
        replies = {name: _reply(name, body) for name, body in zip(parts[::2], parts[1::2], strict=True)}
        at = datetime.fromtimestamp(int(facts["now"]), UTC)
        return cls(facts["directory"], at, facts.get("refused", ""), replies)


_VERDICT: Final = re.compile(r"^verify Verify return code: ([0-9]{1,4}) *(?:\((.*)\))?$", re.MULTILINE | re.ASCII)


def _reply(endpoint: str, body: str) -> Reply:
    status = re.search(r"^status (\S+)$", body, re.MULTILINE)
    if status is None:
        msg = f"no outcome of {endpoint}"
        raise InvalidAnswer(msg)
    blocks = [_BEGIN + one.partition("-----END CERTIFICATE-----")[0] for one in body.split(_BEGIN)[1:]]
    chain = tuple(f"{one}-----END CERTIFICATE-----\n" for one in blocks)
    said = ", ".join(dict.fromkeys(map(_plain, re.findall(r"^said (.*)$", body, re.MULTILINE))))
    verdict = _VERDICT.search(body)
    problem = ""
    if not chain:
        why = {"notool": "openssl is not installed there", "124": "no answer within 8 seconds"}.get(status[1])
        problem = why or said or f"openssl s_client ended with {status[1]} and showed no certificate"
    return Reply(
        endpoint,
        chain,
        int(verdict[1]) if verdict else None,
        (verdict[2] or "") if verdict else "",
        problem,
    )


def _plain(line: str) -> str:
    """What an error of OpenSSL says; other lines as they are.

    Source: ERR_error_string(3), ``thread:error:code:library:function:reason:file:line:data``.
    """
    parts = line.split(":")
    if len(parts) < 6 or parts[1] != "error":
        return line
    reason, data = parts[5].strip(), ":".join(parts[8:]).strip()
    return data if data and reason in ("", "system lib", "system library") else reason or line
