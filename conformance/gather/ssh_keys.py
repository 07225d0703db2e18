"""Keys to log in with: files, read once per run, and agents."""

from __future__ import annotations

import base64
import contextlib
import stat
from dataclasses import dataclass
from pathlib import Path
from threading import Lock, Thread
from typing import Final

import paramiko
from paramiko.agent import AgentKey

from conformance.gather.homes import at_home
from conformance.gather.ssh_agent import Agent, AgentFailed
from conformance.gather.targets import InvalidSshSettings, Target

__all__ = ["Keys", "Offer"]

#: What ssh too tries where nothing else is said.
_USUAL: Final = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_MAGIC: Final = b"openssh-key-v1\0"


@dataclass(frozen=True, slots=True)
class Offer:
    """A key that is offered to a server, and how it is called in messages."""

    label: str
    key: paramiko.PKey

    def waited(self, thread: Thread) -> float:
        """Seconds that this connection, a thread of paramiko's, has waited for its turn with the agent."""
        agent = self.key.agent if isinstance(self.key, AgentKey) else None
        return agent.waited(thread) if isinstance(agent, Agent) else 0.0


@dataclass(frozen=True, slots=True)
class _File:
    """What a key file gave: a private key, or the public one and why the private one cannot be used."""

    key: paramiko.PKey | None = None
    public: bytes | None = None
    trouble: str = ""


class Keys:
    """All keys of a run. May be used from several threads."""

    def __init__(self) -> None:
        self._files: dict[Path, _File] = {}
        #: Address -> the agent, or why there is none.
        self._agents: dict[str, Agent | str] = {}
        self._lock = Lock()

    def close(self) -> None:
        """Close the connections to agents."""
        with self._lock:
            for agent in self._agents.values():
                if isinstance(agent, Agent):
                    agent.close()
            self._agents.clear()

    def offered(self, target: Target) -> list[Offer]:
        """The keys to offer to a host, in this order: those that are named, the agent's, the usual ones.

        :raises InvalidSshSettings: there is none, or one that is named cannot be used.
        """
        with self._lock:
            agent = self._agent(target.agent) if target.agent else []
            named = target.identity_files or tuple(at_home(usual) for usual in _USUAL)
            offers: list[Offer] = []
            troubles: list[str] = []
            for path in named:
                found = self._file(path)
                key = found.key or next((one for one in agent if one.asbytes() == found.public), None)
                if key is not None:
                    offers.append(Offer(str(path), key))
                elif found.trouble and (target.identity_files or path.exists()):
                    troubles.append(found.trouble)
            rest = [Offer(f"agent key {_comment(key)}", key) for key in agent if key not in [one.key for one in offers]]
            if not target.identity_files:
                offers = rest + offers
            elif not target.identities_only:
                offers += rest
        if troubles and (
            not offers or (target.identity_files and not any(one.label in map(str, named) for one in offers))
        ):
            raise InvalidSshSettings(f"{target.name}: {'; '.join(troubles)}")
        if not offers:
            agent_trouble = self._agents.get(target.agent or "")
            trouble = f" ({agent_trouble})" if isinstance(agent_trouble, str) and agent_trouble else ""
            raise InvalidSshSettings(
                f"{target.name}: there is no key to log in with{trouble}; name one (--ssh-identity-file) or start an agent"
            )
        return offers

    def _file(self, path: Path) -> _File:
        if path not in self._files:
            self._files[path] = _load(at_home(path))
        return self._files[path]

    def _agent(self, address: str) -> list[paramiko.PKey]:
        """The keys of an agent; none where nobody answers, as ssh has it."""
        if address not in self._agents:
            try:
                self._agents[address] = Agent(address)
            except AgentFailed as error:
                self._agents[address] = str(error)
            except (OSError, paramiko.SSHException):
                self._agents[address] = ""
        agent = self._agents[address]
        return list(agent.get_keys()) if isinstance(agent, Agent) else []


def _comment(key: paramiko.PKey) -> str:
    return getattr(key, "comment", "") or key.get_name()


def _load(path: Path) -> _File:
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return _File(trouble=f"the identity file {path} is not a file")
        data = path.read_bytes()
    except OSError as error:
        return _File(trouble=f"the identity file {path} cannot be read: {error.strerror}", public=_public(path))
    if data.split(b" ", 1)[0].startswith((b"ssh-", b"ecdsa-", b"sk-")):
        return _File(public=_blob(data), trouble=f"{path} is a public key, and the agent does not hold the private one")
    try:
        return _File(key=paramiko.PKey.from_path(path))
    except (TypeError, paramiko.PasswordRequiredException):
        trouble = f"the identity file {path} needs a passphrase, which nobody is here to type: ssh-add it to an agent"
        return _File(trouble=trouble, public=_public(path) or _from_container(data))
    except Exception as error:  # paramiko and cryptography raise whatever comes, ValueError and Unsupported… among it
        return _File(trouble=f"the identity file {path} is not a usable private key: {error or type(error).__name__}")


def _public(path: Path) -> bytes | None:
    with contextlib.suppress(OSError):
        return _blob(Path(f"{path}.pub").read_bytes())
    return None


def _blob(line: bytes) -> bytes | None:
    fields = line.split()
    with contextlib.suppress(ValueError, IndexError):
        return base64.b64decode(fields[1])
    return None


def _from_container(data: bytes) -> bytes | None:
    """The public key out of a private key in OpenSSH's own format, where it stands unencrypted."""
    with contextlib.suppress(ValueError, IndexError):
        lines = [line for line in data.splitlines() if line and not line.startswith(b"-----")]
        raw = base64.b64decode(b"".join(lines))
        if raw.startswith(_MAGIC):
            message = paramiko.Message(raw[len(_MAGIC) :])
            for _ in ("cipher", "key derivation", "its options"):
                message.get_binary()
            message.get_int()
            return message.get_binary()
    return None
