"""Messages that come too late for their channel, against a real sshd."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator

import paramiko
import pytest

from conformance.gather.ssh_transport import Transport
from tests.lab.unprivileged import OwnSshd


@pytest.fixture
def transport(own_sshd: OwnSshd) -> Iterator[Transport]:
    """A connection to the jump host."""
    with (
        socket.create_connection((own_sshd.address, own_sshd.ports["jump"])) as sock,
        contextlib.closing(Transport(sock)) as opened,
    ):
        key = paramiko.Ed25519Key.from_private_key_file(str(own_sshd.identity))
        opened.connect(username=own_sshd.user, pkey=key)
        yield opened


def forwarded(transport: Transport, sshd: OwnSshd) -> paramiko.Channel:
    channel = transport.open_channel("direct-tcpip", (sshd.address, sshd.port), (sshd.address, 0), timeout=30)
    channel.settimeout(30)
    assert channel.recv(4) == b"SSH-"
    return channel


def settle(transport: Transport) -> None:
    """Wait until the server has seen all that was sent; it answers in order."""
    for _ in range(2):
        transport.global_request("keepalive@openssh.com", wait=True)


@pytest.mark.parametrize("send", ["send", "sendall", "send_stderr", "shutdown_write"])
def test_a_close_that_overtakes_what_is_being_sent_does_not_end_the_connection(
    own_sshd: OwnSshd, transport: Transport, monkeypatch: pytest.MonkeyPatch, send: str
) -> None:
    other = forwarded(transport, own_sshd)
    closed = forwarded(transport, own_sshd)
    pass_on = transport._send_user_message  # type: ignore[attr-defined]

    def overtaken(message: paramiko.Message) -> None:
        # Another thread closes the channel between the making of this message and its sending.
        monkeypatch.undo()
        closed.close()
        settle(transport)
        pass_on(message)
        settle(transport)

    monkeypatch.setattr(transport, "_send_user_message", overtaken)
    getattr(closed, send)(*([] if send == "shutdown_write" else [b"late"]))
    assert transport.is_active()
    # The server gives the number to the next channel, which is not cut off for it.
    number = closed.remote_chanid
    following = forwarded(transport, own_sshd)
    assert following.remote_chanid == number
    for channel in (other, following):
        channel.sendall(b"no SSH client\r\n")
        assert b"Invalid SSH identification string" in channel.makefile("rb").read()
