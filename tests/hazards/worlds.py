"""Machines and clusters as a test describes them, and what the gatherers store of them.

A test says which files, commands and objects there are. The answers are made as `conformance.gather` makes them: from
the reads that are planned, with the reads' own decoding, projection and reduction. No host and no cluster is needed.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final

from conformance.answers import Answer
from conformance.change import Upgrade
from conformance.facts.declare import Fact
from conformance.gather.discovery import Served, root_of
from conformance.gather.failures import Failed
from conformance.gather.http import Got
from conformance.gather.listing import listings_of, read_listing
from conformance.gather.steps import asked_of, parts_of, whole_of
from conformance.reads import (
    ClusterRead,
    Command,
    Desired,
    Environment,
    File,
    Files,
    Filtered,
    HostRead,
    Journal,
    Listing,
    LoginCommand,
    Path,
    Step,
)
from conformance.versions import Version
from tests.hazards.streams import Streams

__all__ = ["DENIED", "Api", "Machine", "Said", "upgrade_of"]


class _Denied:
    def __repr__(self) -> str:
        return "DENIED"


#: In place of a file's text: it is there (or may be), and the login user may not read it.
DENIED: Final = _Denied()


@dataclass(frozen=True)
class Said:
    """What a command ends with, where that is more than a standard output."""

    stdout: str = ""
    stderr: str = ""
    rc: int = 0


#: A machine that nothing is wrong with today; a test names only what differs.
_FILES: Final = {
    "/proc/self/mounts": """\
sysfs /sys sysfs rw,nosuid,nodev,noexec,relatime 0 0
proc /proc proc rw,nosuid,nodev,noexec,relatime 0 0
udev /dev devtmpfs rw,nosuid,relatime,size=4012344k,mode=755 0 0
tmpfs /run tmpfs rw,nosuid,nodev,noexec,relatime,size=807196k,mode=755 0 0
/dev/sda1 / ext4 rw,relatime 0 0
tmpfs /dev/shm tmpfs rw,nosuid,nodev 0 0
cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid,nodev,noexec,relatime 0 0
/dev/sda15 /boot/efi vfat rw,relatime,fmask=0077 0 0
""",
    "/etc/fstab": "# <file system> <mount point> <type> <options>\nUUID=5b1c / ext4 errors=remount-ro 0 1\n",
    "/proc/sys/net/ipv4/conf/all/rp_filter": "0\n",
    "/sys/fs/cgroup/cgroup.controllers": "cpuset cpu io memory hugetlb pids rdma misc\n",
    "/etc/os-release": 'NAME="Ubuntu"\nID=ubuntu\nID_LIKE=debian\nVERSION_ID="22.04"\nPRETTY_NAME="Ubuntu 22.04.4 LTS"\n',
    "/usr/lib/systemd/system/basic.target": "[Unit]\nDescription=Basic System\n",
    "/etc/systemd/system/sshd.service": "[Unit]\nDescription=OpenBSD Secure Shell server\n",
}
_SAYS: Final = {
    "uname -r": "5.15.0-105-generic\n",
    "readlink -f /tmp": "/tmp\n",
    "names of processes, and the pods that they belong to": "      1 kubelet\n      1 systemd\npods:\n",
    "the clock, and where the kubelet logs": "2022-01-01T12:00:00+0000\nkubelet\nunit\n",
    "ip -o address show": """\
1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever preferred_lft forever
1: lo    inet6 ::1/128 scope host \\       valid_lft forever preferred_lft forever
2: eth0    inet 10.200.0.2/24 brd 10.200.0.255 scope global eth0\\       valid_lft forever preferred_lft forever
2: eth0    inet6 fe80::5054:ff:fe12:3456/64 scope link \\       valid_lft forever preferred_lft forever
""",
}


@dataclass
class Machine:
    """A host: path -> text of its files, command line (or the fact that declares it) -> what it says.

    What is not named is as on a healthy machine of today; ``files={"/etc/fstab": None}`` takes a file away, `DENIED`
    locks a file or a whole folder. A command that nobody describes is not installed.
    """

    files: Mapping[str, Any] = field(default_factory=dict)
    says: Mapping[Any, str | Said] = field(default_factory=dict)
    #: Reads that ended with a problem: key (or fact) -> kind; ``"*"`` for every read of the host.
    broken: Mapping[Any, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ()
    cluster: str | None = None
    #: What is set in a login shell of its user; None where that shell takes no command.
    environment: Mapping[str, str] | None = field(default_factory=dict)

    def __post_init__(self) -> None:
        there = {**_FILES, **self.files}
        self._files = {path: text for path, text in there.items() if text is not None}
        self._says = {**_SAYS, **{_key(name): said for name, said in self.says.items()}}

    def answer(self, read: HostRead) -> Answer:
        """What is stored of one read."""
        problem = _problem(self.broken, read.key)
        if problem:
            return problem
        if isinstance(read, File):
            return self._file(read)
        if isinstance(read, Files):
            return self._folder(read)
        if isinstance(read, Filtered | Journal):
            return self._log(read)
        if isinstance(read, Environment | LoginCommand) and self.environment is None:
            return _answer(read, "NONCE shell 1 /usr/sbin/nologin\n", "", 0)
        if isinstance(read, Environment):
            there = self.environment or {}
            held = {name: there[name] for name in read.names if name in there}
            told = "".join(f"NONCE var {name}\n{value}\nNONCE rc 0\n" for name, value in held.items())
            return _answer(read, f"NONCE in\n{told}\nNONCE out 0\n", "", 0)
        assert isinstance(read, Command)
        said = self._says.get(read.key, Said(stderr=f"/bin/sh: 1: {read.line.split()[0]}: not found\n", rc=127))
        said = Said(said) if isinstance(said, str) else said
        if isinstance(read, LoginCommand):
            return _answer(read, f"NONCE in\n{said.stdout}\nNONCE out {said.rc}\n", "", 0)
        return _answer(read, said.stdout, said.stderr, said.rc)

    def _log(self, read: Filtered | Journal) -> Answer:
        """What is said is the whole log; a journal in which nothing was logged needs no word."""
        missing = Said(stderr=f"sh: 1: {(read.words or ('',))[0]}: not found\n", rc=127)
        said = self._says.get(read.key, "" if isinstance(read, Journal) else missing)
        said = Said(said) if isinstance(said, str) else said
        flags = re.IGNORECASE if read.ignore_case else 0
        kept = [one for one in said.stdout.splitlines() if re.search(read.matching, one, flags)][-read.lines :]
        return _answer(read, "".join(f"{one}\n" for one in [*kept, f"NONCE rc {said.rc}"]), said.stderr, 0)

    def _locked(self, path: str) -> bool:
        parts = path.split("/")
        return any(self._files.get("/".join(parts[:end])) is DENIED for end in range(2, len(parts)))

    def _file(self, read: File) -> Answer:
        text = DENIED if self._locked(read.path) else self._files.get(read.path)
        if text is DENIED:
            return _answer(read, "", f"cat: {read.path}: Permission denied\n", 1)
        if text is None:
            return _answer(read, "", f"cat: {read.path}: No such file or directory\n", 1)
        return _answer(read, text, "", 0)

    def _folder(self, read: Files) -> Answer:
        where = read.directory
        if self._files.get(where) is DENIED:
            return _answer(read, "", ".: Permission denied\n", 4)
        if self._locked(where):
            return _answer(read, "", f"ls: cannot access '{where}/.': Permission denied\n", 3)
        inside = {
            path.removeprefix(f"{where}/"): text for path, text in self._files.items() if path.startswith(f"{where}/")
        }
        if not inside:
            return _answer(read, "", f"ls: cannot access '{where}/.': No such file or directory\n", 3)
        out, err = "", ""
        for pattern in read.patterns:
            folder, _, name = pattern.rpartition("/")
            for path, text in sorted(inside.items()):
                its_folder, _, its_name = path.rpartition("/")
                if text is DENIED and folder and not its_folder and fnmatchcase(its_name, folder):
                    return _answer(read, "", f"{path}: Permission denied\n", 4)
                if not (fnmatchcase(its_folder, folder) and bool(folder) == bool(its_folder)):
                    continue
                if fnmatchcase(its_name, name) and not its_name.startswith("."):
                    shown, rc = ("", 1) if text is DENIED else (text, 0)
                    err += f"cat: {path}: Permission denied\n" if rc else ""
                    out += f"\nNONCE file {path}\n{shown}\nNONCE rc {rc}\n"
        return _answer(read, out, err, 0)


def _answer(read: HostRead, stdout: str, stderr: str, rc: int) -> Answer:
    value = {**read.decode(stdout, "NONCE"), "stderr": stderr, "rc": rc}
    return Answer(value={**value, "as": "root"} if read.sudo else value)


def _key(name: Any) -> str:
    return name.sources[0].key if isinstance(name, Fact) else name


def _problem(broken: Mapping[Any, str], key: str) -> Answer | None:
    kinds = {_key(name): kind for name, kind in broken.items()}
    kind = kinds.get(key) or kinds.get("*")
    return Answer.failed(kind, f"`{key}`: {kind}, as the test says") if kind else None


@dataclass
class Api(Streams):
    """A cluster: resource -> its objects, whole, as ``kubectl get -o json`` shows them; path -> what it answers.

    Core resources (without a dot) that are not named have no objects; other resources that are not named are not
    served. `broken` gives resources, paths or ``"*"`` the kind of problem that they end with, and ``resource
    namespace/name`` that of a single object.
    """

    objects: Mapping[str, Iterable[Mapping[str, Any]]] = field(default_factory=dict)
    paths: Mapping[str, Any] = field(default_factory=dict)
    broken: Mapping[str, str] = field(default_factory=dict)
    role: str | None = None
    manager: str | None = None
    #: ``("1.8.3", "1.9.0")``, or "none".
    upgrade: Any = None
    #: Texts of files that are about to be applied.
    desired: tuple[str, ...] = ()
    #: A cluster without a kubeconfig of its own.
    connected: bool = True
    #: ``namespace/pod`` or ``namespace/pod/container``, with ``previous `` in front for the one before -> the log, or
    #: status and message where there is none. A log that is not named is empty; `broken` knows ``pods/log`` and
    #: ``pods/log namespace/pod``.
    logs: Mapping[str, str | bytes | tuple[int, str]] = field(default_factory=dict)
    #: Parts of pod and command line, such as ``member list`` or ``etcd-a … member list`` -> what it prints, or its exit
    #: status and that (to standard error where it is no JSON); `broken` knows ``pods/exec``, ``pods/exec namespace/pod``.
    programs: Mapping[str, str | tuple[int, str]] = field(default_factory=dict)
    #: What time it says that it is.
    date: str = "Sat, 01 Jan 2022 12:00:00 GMT"

    def answers(self, reads: Iterable[ClusterRead]) -> dict[str, Answer]:
        """What is stored of the reads that its API server is asked for."""
        reads = [one for one in reads if not isinstance(one, Desired)]
        found: dict[str, Answer] = {}
        listed: dict[str, Any] = {}
        for collection, request in listings_of(reads).items():
            try:
                served = self._served(request.resource)
                held = read_listing(self, served, request, 500, 0.0)  # type: ignore[arg-type]
                found.update(held.answers)
                listed[collection] = held.objects
            except Failed as failed:
                found.update(dict.fromkeys(request.keys, failed.answer()))
                listed[collection] = failed
        for read in reads:
            if isinstance(read, Step):
                found[read.key] = self._step(read, listed[read.over.collection])
            elif isinstance(read, Path):
                problem = _problem(self.broken, read.location)
                known = read.location in self.paths
                told = self.paths.get(read.location)
                status, body = told if isinstance(told, tuple) else (200, told)
                answer = (
                    Answer({"status": status, "body": body}) if known else Answer.failed("error", f"{read.key}: 404")
                )
                found[read.key] = problem or answer
            else:
                assert isinstance(read, Listing)
        return found

    def _served(self, resource: str) -> Served:
        self._refuse(resource)
        plural, _, group = resource.partition(".")
        if group and resource not in self.objects:
            raise Failed("not-served", f"the cluster does not serve {resource}")
        return Served(
            f"{root_of(group)}/{group}/v1".replace("//", "/"), "v1", plural, plural not in ("nodes", "namespaces")
        )

    def _step(self, read: Step, listed: Any) -> Answer:
        try:
            if isinstance(listed, Failed):
                raise listed
            served = self._served(asked_of(read)[0])
            parts = parts_of(read, self, served, listed, time.monotonic() + 60)  # type: ignore[arg-type]
        except Failed as failed:
            return failed.answer()
        return Answer(whole_of(read, {key: ask() for key, ask in parts.items()}))

    def _refuse(self, *names: str) -> None:
        for name in names:
            problem = _problem(self.broken, name)
            if problem and problem.problem:
                raise Failed(problem.problem.kind, problem.problem.message)

    # -- what the gatherer asks a requester for

    def get(
        self, what: str, path: str, query: Any, *, until: float, use: Any, accept: str = "", sink: Any = None
    ) -> Any:
        """One page with all objects of a collection, or the log of a container."""
        if sink is not None:
            sink()(self.log_of(what, path, dict(query)))
            return use(Got(b"", "text/plain", self.date))
        only = "PartialObjectMetadata" if "PartialObjectMetadata" in accept else ""
        items = [{"metadata": one["metadata"]} if only else one for one in self._of(path)]
        page = json.dumps({"kind": f"{only}List", "items": items})
        return use(Got(page.encode(), "application/json", self.date))

    def decoded(self, what: str, got: Any) -> Any:
        """The page after its way through JSON."""
        return json.loads(got.body)

    def get_json(self, what: str, path: str, *, until: float) -> Any:
        """One object."""
        match = re.fullmatch(r"(.*?)(?:/namespaces/([^/]+))?/([^/]+)/([^/]+)", path)
        assert match
        prefix, namespace, plural, name = match.groups()
        self._refuse(f"{plural} {namespace}/{name}")
        for one in self._of(f"{prefix}/{plural}"):
            if one["metadata"]["name"] == name and one["metadata"].get("namespace") == namespace:
                return json.loads(json.dumps(one))
        raise Failed("error", f"{what}: 404", status=404, missing=name)

    def _of(self, collection: str) -> Iterable[Mapping[str, Any]]:
        *prefix, plural = collection.split("/")
        group = prefix[2] if prefix[1] == "apis" else ""
        held = self.objects.get(f"{plural}.{group}" if group else plural, ())
        inside = prefix[-1] if "namespaces" in prefix[:-1] else None
        return [one for one in held if inside is None or one["metadata"].get("namespace") == inside]


def upgrade_of(given: Any) -> Upgrade:
    """``("1.8.3", "1.9.0")``, ``"none"`` or None as an upgrade."""
    if given == "none":
        return Upgrade(none=True)
    source, target = given or (None, None)
    return Upgrade(Version.parse(source) if source else None, Version.parse(target) if target else None)
