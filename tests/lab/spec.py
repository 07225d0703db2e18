"""What a test host is to be like, in plain values: what a lab tells its warden."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Init = Literal["sshd", "systemd"]
Cgroup = Literal["v1", "v2", "hybrid", "none"]
File = str | tuple[str, int, str]


@dataclass(frozen=True)
class UserSpec:
    """A login on a test host."""

    name: str
    shell: str = "/bin/bash"
    key: bool = True
    """Whether the lab's key opens it."""
    sudo: str | None = None
    """What follows the user's name in a sudoers rule, as in ALL=(root) NOPASSWD: /usr/bin/id."""
    env: Mapping[str, str] = field(default_factory=dict)
    """Set by sshd for every session, as a site's locale settings are."""


@dataclass(frozen=True)
class HostSpec:
    """A test host; the defaults make a healthy Debian 12 with nothing but a running sshd."""

    name: str
    init: Init = "sshd"
    cgroup: Cgroup = "v2"
    noexec_tmp: bool = False
    files: Mapping[str, File] = field(default_factory=dict)
    """Absolute path to content, or to content, mode and owner (a user's name)."""
    users: Sequence[UserSpec] = ()
    uname26: bool = False
    prestart: Sequence[str] = ()
    """Shell lines that the host's root runs inside the host before init, and before anybody can log in."""


@dataclass(frozen=True)
class Plan:
    """All that the warden of one lab needs to know."""

    images: Sequence[str]
    """The squashfs files of the read-only root file system that all hosts share; the first covers the next."""
    public_key: str
    hosts: Sequence[HostSpec]
    addresses: Mapping[str, str]
    host_keys: Mapping[str, str]
    """The private ssh host key of each host."""

    def save(self, path: Path) -> None:
        """Write the plan for the warden, readable by nobody else: it holds private keys."""
        path.touch(mode=0o600)
        path.write_text(json.dumps(dataclasses.asdict(self)), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Plan:
        """Read back what `save` wrote."""
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        data["hosts"] = [
            HostSpec(**{**host, "users": [UserSpec(**user) for user in host["users"]]}) for host in data["hosts"]
        ]
        return cls(**data)


def addresses(names: Sequence[str]) -> dict[str, str]:
    """The address that each host of a lab gets, for hosts that must know each other's before they start."""
    return {name: f"10.77.{1 + n // 250}.{1 + n % 250}" for n, name in enumerate(names)}
