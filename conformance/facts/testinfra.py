"""testinfra's `host` for checks that ask what no fact declares: recorded while gathering, replayed everywhere else.

A `Host` over a back end of ours, since testinfra's own check no host key and bound no time. What such a check asks is
shown in the plan as not declared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from conformance.answers import Answer, Unreadable
from conformance.facts.resolve import AnswerOf
from conformance.subjects import Subject

__all__ = ["key_of", "recording_host", "replayed_host"]

#: Asks for one command's answer.
Ask = Callable[[str], Answer]


def key_of(command: str) -> str:
    """The key under which the answer of an undeclared command is kept in a snapshot."""
    return f"undeclared: {command}"


class _Backend(BaseBackend):  # type: ignore[misc, unused-ignore]
    """Gives testinfra's modules the answers of `ask`."""

    NAME = "preflight"

    def __init__(self, name: str, ask: Ask) -> None:
        super().__init__(name)
        self._ask = ask
        # Unset, the first answer that is not ASCII would make testinfra run python3 on the host to find it out.
        self._encoding = "utf-8"

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        line = self.get_command(command, *args)
        value = self._ask(line).require()
        return self.result(int(value["rc"]), line, value["stdout"].encode(), value["stderr"].encode())


def _host(subject: Subject, ask: Ask) -> Host:
    backend = _Backend(subject.name, ask)
    host = Host(backend)
    backend.set_host(host)
    return host


def recording_host(subject: Subject, run: Ask, keep: Callable[[str, Answer], None]) -> Host:
    """A live `Host`: each command goes to the connected host, and its answer is kept under its key."""

    def ask(command: str) -> Answer:
        answer = run(command)
        keep(key_of(command), answer)
        return answer

    return _host(subject, ask)


def replayed_host(answer_of: AnswerOf, subject: Subject) -> Host:
    """A `Host` that answers from a snapshot.

    Its commands raise `Unreadable` for what was not recorded.
    """

    def ask(command: str) -> Answer:
        answer = answer_of(subject.name, key_of(command))
        if answer is None:
            raise Unreadable(
                f"`{command}` was asked through testinfra's host and is not in the snapshot: gather again",
                read=command,
                subject=subject.name,
            )
        return answer

    return _host(subject, ask)
