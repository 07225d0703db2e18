"""An ssh agent that answers late, hangs up or refuses: only the request that it concerns is lost."""

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import paramiko
import pytest

from conformance.gather import ssh_agent as module
from conformance.gather.ssh_agent import Agent, AgentFailed
from tests.lab.agent import FakeAgent


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Callable[[int], None]], Agent]]:
    monkeypatch.setattr(module, "_TIMEOUT", 0.5)
    with contextlib.ExitStack() as stack:

        def make(before: Callable[[int], None]) -> Agent:
            fake = FakeAgent(tmp_path / "agent", paramiko.ECDSAKey.generate(), before)
            stack.callback(fake.close)
            agent = Agent(str(fake.address))
            stack.callback(agent.close)
            return agent

        yield make


def signed(agent: Agent, data: bytes) -> bool:
    """Whether what the agent gives for `data` is a signature of that."""
    (key,) = agent.get_keys()
    return key.inner_key.verify_ssh_sig(data, paramiko.Message(key.sign_ssh_data(data)))


def test_a_late_answer_does_not_become_that_of_the_next_request(serve) -> None:
    agent = serve(lambda number: time.sleep(0.8) if number == 1 else None)
    with pytest.raises(AgentFailed, match=r"the ssh agent at .*/agent did not answer within 0\.5 s"):
        signed(agent, b"one")
    time.sleep(0.4)
    assert signed(agent, b"two")
    assert signed(agent, b"three")


def test_an_agent_that_hangs_up_is_connected_to_anew(serve) -> None:
    def hang_up(number: int) -> None:
        if number == 1:
            raise EOFError

    agent = serve(hang_up)
    with pytest.raises(AgentFailed, match="failed"):
        signed(agent, b"one")
    assert signed(agent, b"two")


def test_an_agent_that_refuses_is_named(serve) -> None:
    def refuse(number: int) -> None:
        if number == 1:
            raise PermissionError

    agent = serve(refuse)
    with pytest.raises(AgentFailed, match="refuses: is it locked, was the use not confirmed"):
        signed(agent, b"one")
    assert signed(agent, b"two")


def test_an_agent_that_never_answers_does_not_keep_all_hosts_waiting(serve) -> None:
    agent = serve(lambda _: time.sleep(3))
    for _ in range(3):
        with pytest.raises(AgentFailed):
            signed(agent, b"x")
    started = time.monotonic()
    with pytest.raises(AgentFailed, match="does not answer"):
        signed(agent, b"x")
    assert time.monotonic() - started < 0.3


def test_how_long_a_thread_has_waited_for_its_turn(serve) -> None:
    agent = serve(lambda _: time.sleep(0.3))
    threads = [threading.Thread(target=signed, args=(agent, b"x")) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    first, second = sorted(map(agent.waited, threads))
    assert first < 0.2 < second
    assert agent.waited(threading.current_thread()) < 0.2
