"""Targets: where and how hosts are reached, and what is wrong with how they were named."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

__all__ = ["SSH_SCHEMES", "InvalidSshSettings", "Target", "is_ssh", "refuse_password", "shown"]

#: The schemes of testinfra that mean a connection by SSH; all are made in the same way here.
SSH_SCHEMES: Final = frozenset({"ssh", "paramiko", "safe-ssh"})


class InvalidSshSettings(ValueError):
    """Something that the person at the keyboard can mend before any host is contacted; one line."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where and how one host is reached by SSH. Times in seconds."""

    #: As it was written: what the ssh configuration was asked for.
    name: str
    host: str
    port: int
    user: str
    #: Private keys to try, in this order; empty where neither settings nor configuration name one.
    identity_files: tuple[Path, ...]
    identities_only: bool
    #: The socket of the agent, None where there is none or none is wanted.
    agent: str | None
    known_hosts: tuple[Path, ...]
    #: Under which name the host key is looked up, where not under host and port.
    host_key_alias: str | None
    #: Whether an unknown host key is refused; a changed one always is.
    strict: bool
    connect_timeout: float
    proxy_command: str | None = None
    jumps: tuple[Target, ...] = ()

    @property
    def where(self) -> str:
        """Address and port, for messages."""
        return f"{self.host} port {self.port}" + (f" ({self.name})" if self.name != self.host else "")


def is_ssh(connection: str) -> bool:
    """Whether a host specification means SSH; one without a scheme does."""
    return "://" not in connection or connection.partition("://")[0] in SSH_SCHEMES


def shown(connection: str) -> str:
    """A host specification for messages, without what stands before its name: that may hold a password."""
    before, at, place = connection.rpartition("@")
    scheme = f"{before.partition('://')[0]}://" if "://" in before else ""
    return f"{scheme}…@{place}" if at else connection


def refuse_password(connection: str) -> None:
    """Whether a host specification holds no password, whatever else may be wrong with it.

    :raises InvalidSshSettings: it does.
    """
    user = connection.partition("://")[2 if "://" in connection else 0].rpartition("@")[0]
    if ":" in unquote(user):
        msg = f"{shown(connection)}: a password in a host specification would end up in reports; use a key or an agent"
        raise InvalidSshSettings(msg)
