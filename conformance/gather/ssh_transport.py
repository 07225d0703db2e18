"""paramiko's transport, without its race between closing a channel and sending on it."""

from __future__ import annotations

import threading
from typing import Any, Final

import paramiko

__all__ = ["Transport"]

_CLOSE: Final = 97
#: The messages about an open channel (RFC 4254, section 9), which all begin with the receiver's number of the channel:
#: window adjust, data, extended data, end of file, close, request, success, failure.
_OF_A_CHANNEL: Final = range(93, 101)


class Transport(paramiko.Transport):
    """A connection over which nothing is sent on a channel that has been closed.

    paramiko makes a message under the lock of its channel and sends it without (its issue 1115, open since 2017), so a
    close can overtake data that another thread is sending. sshd answers data on a closed channel by dropping the whole
    connection: behind a jump host, where the connections to all other hosts are channels of one, that lost all of them.

    What the other side would not have read anyway is dropped here, in the order in which it goes out.
    """

    def __init__(self, sock: Any) -> None:
        super().__init__(sock)
        self._order = threading.RLock()
        # The other side's numbers of channels that were closed from here, until it gives a number to another channel.
        self._ended: set[int] = set()

    def open_channel(self, *args: Any, **kwargs: Any) -> paramiko.Channel:
        """As paramiko's, whose arguments and errors it has."""
        channel = super().open_channel(*args, **kwargs)
        with self._order:
            self._ended.discard(channel.remote_chanid)
        return channel

    def _send_message(self, data: paramiko.Message) -> None:
        text = data.asbytes()
        if text[0] not in _OF_A_CHANNEL:
            super()._send_message(data)  # type: ignore[misc]  # private, and so unknown to the stubs
            return
        number = int.from_bytes(text[1:5], "big")
        with self._order:
            if number in self._ended:
                return
            if text[0] == _CLOSE:
                self._ended.add(number)
            super()._send_message(data)  # type: ignore[misc]
