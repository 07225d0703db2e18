"""bmctl's workspace on the workstation as the reads of `workspace_script` tell it: configurations, key files, mirrors."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from conformance import Unreadable
from conformance.facts.values._documents import documents_in

from .facts import GROUP

__all__ = [
    "Configuration",
    "InvalidAnswer",
    "KeyFile",
    "Mirror",
    "Workspace",
    "fingerprint_of",
    "keys_in",
    "mirrors_in",
]

_PUBLIC: Final = re.compile(r"-----BEGIN PUBLIC KEY-----([A-Za-z0-9+/=]+)-----END PUBLIC KEY-----")


class InvalidAnswer(ValueError):
    """What the workstation printed is not in the form that was asked for."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """One configuration file, ``bmctl-workspace/NAME/NAME.yaml``, as far as it is let off the workstation."""

    #: As bmctl names it, relative to the directory that it runs in.
    path: str
    #: Keys for bmctl itself: paths of key files, registryMirrors.
    head: Mapping[str, Any] = field(default_factory=dict)
    #: Its Cluster document; None where it has none.
    cluster: Mapping[str, Any] | None = None
    #: Why the file cannot be used; empty where it can.
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """The configurations of one workstation by the name of their cluster."""

    directory: str
    #: False where there certainly is no bmctl-workspace.
    exists: bool
    configurations: Mapping[str, Configuration]

    @classmethod
    def parse(cls, text: str) -> Workspace:
        """From what `workspace_script.CONFIGURATIONS` prints.

        :raises Unreadable: the workspace cannot be looked into, or holds too many configurations.
        :raises InvalidAnswer: the text is something else.
        """
        directory, lines = _opened(text)
        if lines == ["absent"]:
            return cls(directory, exists=False, configurations={})
        found: dict[str, Configuration] = {}
        for first, rest in _blocks(lines, "file "):
            state, _, path = first.partition(" ")
            if state == "more":
                raise Unreadable(
                    f"{directory}/bmctl-workspace holds more than 200 configurations: name another directory"
                )
            parts = path.split("/")
            if state not in ("ok", "denied") or len(parts) != 3:
                raise InvalidAnswer(f"a line `file {first[:100]}`")
            denied = f"{directory}/{path} cannot be read by the login user: log in as the one that runs bmctl"
            found[parts[1]] = Configuration(path, problem=denied) if state == "denied" else _configuration(path, rest)
        return cls(directory, exists=True, configurations=found)


def _opened(text: str) -> tuple[str, list[str]]:
    """The directory, and the lines behind it.

    :raises Unreadable: it cannot be looked into.
    :raises InvalidAnswer: nothing of that form.
    """
    first, *lines = text.split("\n")
    if not first.startswith("directory /"):
        raise InvalidAnswer("it does not begin with the directory")
    directory = first.removeprefix("directory ").rstrip("/")
    lines = lines[:-1] if lines and not lines[-1] else lines
    if lines and lines[0].startswith("refused"):
        why = lines[0].removeprefix("refused").strip()
        raise Unreadable(f"{directory}/bmctl-workspace cannot be read ({why}): log in as the user that runs bmctl")
    return directory, lines


def _blocks(lines: list[str], head: str) -> Iterator[tuple[str, list[str]]]:
    """Each line that begins with `head`, without it, and the lines behind it up to the next one.

    :raises InvalidAnswer: it begins with another line.
    """
    begins = [number for number, line in enumerate(lines) if line.startswith(head)]
    if not lines:
        return
    if not begins or begins[0] != 0:
        raise InvalidAnswer(f"expected `{head}…`, not `{lines[0][:100]}`")
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        yield lines[begin].removeprefix(head), lines[begin + 1 : end]


def _configuration(path: str, lines: list[str]) -> Configuration:
    if any(not line.startswith("|") for line in lines):
        raise InvalidAnswer(f"a line of {path} without its mark")
    documents = documents_in("\n".join(line[1:] for line in lines))
    blocks = documents is not None and all(
        isinstance(one, Mapping) and all(isinstance(one.get(key) or {}, Mapping) for key in ("metadata", "spec"))
        for one in documents
    )
    if documents is None or not blocks:
        return Configuration(path, problem=f"{path} is no YAML in block style, as bmctl writes it: look at it by hand")
    head: dict[str, Any] = {}
    clusters = []
    for one in documents:
        if not one.get("kind"):
            head.update(one)
        elif one["kind"] == "Cluster" and str(one.get("apiVersion", "")).partition("/")[0] == GROUP:
            clusters.append(one)
    if len(clusters) > 1:
        return Configuration(path, problem=f"{path} holds {len(clusters)} Cluster documents, where there must be one")
    return Configuration(path, head, clusters[0] if clusters else None)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """One file that a configuration names as a service-account key, without the key."""

    path: str
    #: ok; missing, denied, nofile, large, nojson: what it is instead; notool: whether its key is valid is not known.
    state: str
    #: type, project_id, client_email, private_key_id: those that it has, "?" for what is no name.
    names: Mapping[str, str]
    #: Whether it has a private key in PEM armour.
    pem: bool
    #: SHA-256 of the public half; None where the private key is not valid, or nobody could tell.
    fingerprint: str | None


def keys_in(text: str) -> dict[str, KeyFile]:
    """Path as the configuration writes it -> the key file, from what `workspace_script.KEYS` prints.

    :raises Unreadable: the workspace cannot be looked into.
    :raises InvalidAnswer: the text is something else.
    """
    _, lines = _opened(text)
    found = {}
    for path, rest in _blocks([] if lines == ["absent"] else lines, "key "):
        state, names, pem, fingerprint = "ok", {}, False, None
        for line in rest:
            word, _, value = line.partition(" ")
            if word == "state":
                state = value
            elif word == "name":
                name, _, text_of = value.partition(" ")
                names[name] = text_of
            elif word == "pem":
                pem = value == "yes"
            elif word == "public":
                fingerprint = _fingerprint_of_pem(value)
            else:
                raise InvalidAnswer(f"a line `{word[:40]} …` about a key")
        found[path] = KeyFile(path, state, names, pem, fingerprint)
    return found


def _fingerprint_of_pem(text: str) -> str | None:
    if not text.strip():
        return None
    match = _PUBLIC.fullmatch(text.strip())
    try:
        return fingerprint_of(base64.b64decode(match[1], validate=True)) if match else None
    except ValueError:
        return None


def fingerprint_of(public: bytes) -> str:
    """What tells keys apart: SHA-256 of the public half (SubjectPublicKeyInfo in DER), in hexadecimal."""
    return hashlib.sha256(public).hexdigest()


@dataclass(frozen=True, slots=True)
class Mirror:
    """What one registry mirror said when it was asked for the image."""

    endpoint: str
    #: present, absent, or unknown.
    state: str
    #: Why it is unknown, and what to do.
    reason: str = ""


_REPLIES: Final = {
    "odd": "is no https:// or http:// address: mend it",
    "credentials": "its pullCredentialConfigPath cannot be read, or is no JSON: log in as the user that runs bmctl",
    "authority": "its caCertPath cannot be read: log in as the user that runs bmctl, or mend the path",
    "notool": "the workstation has no curl to ask it with: install curl",
}
_CURL: Final = {
    "6": "its name cannot be resolved",
    "7": "no connection can be made",
    "28": "it does not answer in time",
    "35": "TLS fails",
    "51": "its certificate does not verify",
    "60": "its certificate does not verify: name its CA as caCertPath",
    "77": "its caCertPath holds no certificate",
}


def mirrors_in(text: str) -> dict[str, list[Mirror]]:
    """Endpoint -> what it said, each way in which a configuration names it, from `workspace_script.MIRRORS`.

    :raises Unreadable: the workspace cannot be looked into.
    :raises InvalidAnswer: the text is something else.
    """
    _, lines = _opened(text)
    found: dict[str, list[Mirror]] = {}
    for first, rest in _blocks([] if lines == ["absent"] else lines, "mirror "):
        endpoint = first.partition("|")[0]
        said = {word: value for word, _, value in (line.partition(" ") for line in rest)}
        found.setdefault(endpoint, []).append(Mirror(endpoint, *_judged(said)))
    return found


def _judged(said: Mapping[str, str]) -> tuple[str, str]:
    reply = said.get("reply", "").split()
    if len(reply) == 1 and reply[0] in _REPLIES:
        return "unknown", _REPLIES[reply[0]]
    if len(reply) != 4 or reply[0] != "curl":
        raise InvalidAnswer(f"a reply `{said.get('reply', '')[:60]}` of a mirror")
    status, credentials, code = reply[1:]
    if status != "0":
        more = f" ({said['said'].strip()[:200]})" if said.get("said") else ""
        return "unknown", f"{_CURL.get(status, f'curl ended with {status}')}{more}"
    if code == "200":
        return "present", ""
    if code == "404":
        if said.get("root") == "200":
            return "absent", ""
        return "unknown", f"it answers 404 to everything (/v2/: {said.get('root') or 'nothing'}): is that a registry?"
    if code in ("401", "403"):
        how = "refuses the credentials of pullCredentialConfigPath" if credentials == "sent" else "asks for credentials"
        return "unknown", f"it {how} ({code}): look by hand whether it has the image"
    return "unknown", f"it answers {code}: look by hand whether it has the image"
