"""What an interrupted upgrade left on the workstation, as the reads of `recovery_script` tell it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Final

from conformance import Unreadable

__all__ = ["Backup", "Container", "Containers", "Directory", "InvalidAnswer"]

#: KinD calls the node of a bootstrap cluster so; the cluster itself is called CLUSTER-eks-a-cluster.
_BOOTSTRAP: Final = re.compile(r"(.+)-eks-a-cluster-control-plane")
#: The container in which `eksctl anywhere` runs its tools, named by the nanosecond of its start.
_TOOLS: Final = re.compile(r"eksa_(\d+)")


class InvalidAnswer(ValueError):
    """What the workstation printed is not in the form that was asked for."""


@dataclass(frozen=True, slots=True)
class Container:
    """One container."""

    name: str
    #: As the engine says it: ``Up 2 hours``, ``Exited (137) 3 days ago``.
    status: str
    created: str

    @property
    def runs(self) -> bool:
        """Whether it is up."""
        return self.status.startswith("Up")

    @property
    def cluster(self) -> str | None:
        """The name of the cluster whose bootstrap cluster it is, None where it is none."""
        match = _BOOTSTRAP.fullmatch(self.name)
        return match[1] if match else None

    def __str__(self) -> str:
        return f"{self.name} ({self.status or 'of no status'})"


@dataclass(frozen=True, slots=True)
class Containers:
    """The containers of the workstation that may be leftovers."""

    #: docker, podman or none.
    engine: str
    #: Bootstrap clusters of EKS Anywhere; other KinD clusters are not among them.
    bootstraps: tuple[Container, ...] = ()
    #: The latest first.
    tools: tuple[Container, ...] = ()
    #: Ids of the processes of `eksctl anywhere` that run.
    running: tuple[int, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Containers:
        """From what `recovery_script.CONTAINERS` prints.

        :raises Unreadable: the engine does not tell.
        :raises InvalidAnswer: the text is something else.
        """
        first, *lines = text.rstrip("\n").split("\n")
        engine = first.removeprefix("engine ")
        if first == engine or engine not in ("docker", "podman", "none"):
            raise InvalidAnswer("it does not begin with the engine")
        there: dict[str, Container] = {}
        running, ended = [], engine == "none"
        for line in lines:
            word, _, rest = line.partition(" ")
            if word == "process" and rest.isdecimal():
                running.append(int(rest))
            elif word == "failed":
                raise Unreadable(
                    f"`{engine} ps` does not tell which containers there are ({rest}): start {engine}, and log in as the "
                    "user that runs eksctl anywhere"
                )
            elif line == "done":
                ended = True
            elif line.startswith("container|") and line.count("|") >= 3:
                names, status, created = line.removeprefix("container|").split("|", 2)
                for name in names.split(","):
                    there[name] = Container(name, status, created)
            else:
                raise InvalidAnswer(f"a line `{line[:60]}`")
        if not ended:
            raise InvalidAnswer("it breaks off")
        found = [one for _, one in sorted(there.items())]
        tools = [(int(match[1]), one) for one in found if (match := _TOOLS.fullmatch(one.name))]
        return cls(
            engine,
            tuple(one for one in found if one.cluster),
            tuple(one for _, one in sorted(tools, key=lambda pair: pair[0], reverse=True)),
            tuple(running),
        )

    @property
    def tool(self) -> Container | None:
        """The tools container to go on with: the latest that runs, else the latest."""
        return next((one for one in self.tools if one.runs), next(iter(self.tools), None))


@dataclass(frozen=True, slots=True)
class Backup:
    """One directory CLUSTER-backup."""

    name: str
    #: ``kind``, ``namespace``, ``name`` of each Cluster and Machine in it -> when its file was written.
    objects: Mapping[tuple[str, str, str], datetime] = field(default_factory=dict)
    #: What is wrong with files in it, each with its path.
    broken: tuple[str, ...] = ()
    #: What the login user may not read: files, or the directory itself.
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Directory:
    """The directory in which `eksctl anywhere` is run."""

    path: str
    #: False where there certainly is none.
    exists: bool
    #: Cluster -> path of the kubeconfig of its bootstrap cluster.
    kubeconfigs: Mapping[str, str] = field(default_factory=dict)
    #: By the name of the directory, ``CLUSTER-backup``.
    backups: Mapping[str, Backup] = field(default_factory=dict)
    #: Folders ``CLUSTER/generated`` that the login user may not enter.
    hidden: tuple[str, ...] = ()

    @classmethod
    def parse(cls, text: str) -> Directory:
        """From what `recovery_script.DIRECTORY` prints.

        :raises Unreadable: the directory cannot be looked into, or holds too much.
        :raises InvalidAnswer: the text is something else.
        """
        first, *lines = text.rstrip("\n").split("\n")
        if not first.startswith("directory /"):
            raise InvalidAnswer("it does not begin with the directory")
        where = first.removeprefix("directory ").rstrip("/") or "/"
        if lines == ["absent"]:
            return cls(where, exists=False)
        reader = _Reader(where)
        for line in lines:
            reader.take(line)
        return cls(where, True, reader.kubeconfigs, reader.backups, tuple(reader.hidden))


_WRONG: Final = {
    "empty": "is empty",
    "cut": "breaks off",
    "odd": "holds another object than its name says",
}


class _Reader:
    """Takes the lines about a directory, one after the other."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.kubeconfigs: dict[str, str] = {}
        self.backups: dict[str, Backup] = {}
        self.hidden: list[str] = []
        self._backup = ""
        self._file = ""
        self._written = datetime.fromtimestamp(0, UTC)

    def take(self, line: str) -> None:
        word, _, rest = line.partition(" ")
        if word == "refused":
            raise Unreadable(f"{self.where} cannot be read ({rest}): log in as the user that runs eksctl anywhere")
        if word == "more":
            raise Unreadable(f"the backups in {self.where} hold more than 3000 files: name another directory")
        if word == "kubeconfig" and rest.endswith(".kind.kubeconfig") and "/" in rest:
            self.kubeconfigs[rest.partition("/")[0]] = f"{self.where}/{rest}"
        elif word == "hidden" and rest:
            self.hidden.append(f"{self.where}/{rest}")
        elif word == "backup" and rest:
            self._backup, self._file = rest, ""
            self.backups[rest] = Backup(rest)
        elif self._backup:
            self._inside(line, word, rest)
        else:
            raise InvalidAnswer(f"a line `{line[:60]}`")

    def _inside(self, line: str, word: str, rest: str) -> None:
        held = self.backups[self._backup]
        if line == "denied" and not self._file:
            self.backups[self._backup] = replace(held, unread=(f"{self.where}/{self._backup}",))
        elif word == "file":
            seconds, _, self._file = rest.partition(" ")
            if not seconds.isdecimal() or len(seconds) > 11 or not self._file:
                raise InvalidAnswer(f"a line `{line[:60]}`")
            self._written = datetime.fromtimestamp(int(seconds), UTC)
        elif line == "unreadable" and self._file:
            self.backups[self._backup] = replace(held, unread=(*held.unread, f"{self.where}/{self._file}"))
        elif line in _WRONG and self._file:
            self.backups[self._backup] = replace(held, broken=(*held.broken, f"{self._file} {_WRONG[line]}"))
        elif word == "object" and self._file and len(parts := rest.split(" ")) == 3:
            objects = {**held.objects, (parts[0], parts[1], parts[2]): self._written}
            self.backups[self._backup] = replace(held, objects=objects)
        else:
            raise InvalidAnswer(f"a line `{line[:60]}`")
