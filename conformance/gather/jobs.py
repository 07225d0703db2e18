"""What the gatherers are given and what they give back: values only, so that each can be tested alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from conformance.answers import Answer
from conformance.reads import ClusterRead, HostRead

__all__ = ["ClusterJob", "ClusterSettings", "Gathered", "HostJob", "Progress", "Run", "SshSettings"]

#: Runs one command line, that no read declares, on a connected host; for checks that use testinfra's `host`.
Run = Callable[[str], Answer]


@dataclass(frozen=True, slots=True)
class SshSettings:
    """How hosts are reached; one for a whole run. Times in seconds."""

    config: Path | None = None
    identity_file: Path | None = None
    known_hosts: Path | None = None
    sudo: bool = False
    #: Switching this off is an explicit, visible decision that the report shows.
    verify_host_keys: bool = True
    connect_timeout: float = 10.0
    #: For everything on one host: connection, all reads, rehearsals.
    deadline: float = 120.0
    parallel: int = 64


@dataclass(frozen=True, slots=True)
class HostJob:
    """All reads of one host, in one exec. `rehearse` is called on the open connection after them, where given."""

    subject: str
    #: A host specification: ``ssh://user@name:port``, ``local://``, ``docker://name`` …
    connection: str
    reads: tuple[HostRead, ...]
    rehearse: Callable[[Run], None] | None = None


@dataclass(frozen=True, slots=True)
class ClusterSettings:
    """How API servers are asked. Times in seconds."""

    page_size: int = 500
    connect_timeout: float = 5.0
    #: Between two bytes of an answer.
    read_timeout: float = 30.0
    #: For everything on one cluster.
    deadline: float = 180.0
    parallel: int = 16


@dataclass(frozen=True, slots=True)
class ClusterJob:
    """All reads of one cluster. Without `kubeconfig` the usual places are tried: KUBECONFIG, ~/.kube/config, in-cluster."""

    subject: str
    kubeconfig: Path | None
    context: str | None
    reads: tuple[ClusterRead, ...]
    #: Resource -> the answer of an earlier listing, for steps over it: nothing is listed twice.
    listed: Mapping[str, Answer] = field(default_factory=dict)


@dataclass(slots=True)
class Gathered:
    """What one subject gave: an answer for every read of its job, and notes for the report's gather section."""

    answers: dict[str, Answer] = field(default_factory=dict)
    #: Plain JSON data: host key fingerprint, jump hosts, server version, what was not verified by decision …
    notes: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    @classmethod
    def nothing(cls, keys: Mapping[str, object] | list[str], kind: str, message: str, seconds: float = 0.0) -> Gathered:
        """The same problem for every read: the subject could not be asked at all."""
        failed = Answer.failed(kind, message, seconds)
        return cls(answers=dict.fromkeys(keys, failed), seconds=seconds)


class Progress(Protocol):
    """Told of every subject that is done; called from several threads."""

    def __call__(self, subject: str, problem: str | None) -> None: ...
