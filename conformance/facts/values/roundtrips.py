"""Round trips that one host measured to others: what ping says, and how long connections took."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["InvalidRoundTrips", "RoundTrip", "round_trips"]

#: Sources: ping(8) of iputils, and that of busybox, which says "packets received".
_COUNTS: Final = re.compile(r"(\d{1,6}) packets transmitted, (\d{1,6}) (?:packets )?received,")
_TIMES: Final = re.compile(
    r"(?:rtt|round-trip) min/avg/max(?:/mdev)? = (\d{1,9}\.?\d{0,6})/(\d{1,9}\.?\d{0,6})/(\d{1,9}\.?\d{0,6})"
)
_CONNECTED: Final = re.compile(r"(?:open|refused) (\d{1,12}\.\d{6}) (\d{1,12}\.\d{6})")
#: A connection that nobody took: `timeout` ended it (busybox's with the signal's number), or a firewall said no.
_UNANSWERED: Final = re.compile(r"none (124|143)|failed \S+ \S+")


class InvalidRoundTrips(ValueError):
    """A text that tells of no measurement."""


@dataclass(frozen=True, slots=True)
class RoundTrip:
    """What one host measured to another one."""

    #: The other host's name, and the address that was used; empty where nobody knows it.
    peer: str
    address: str
    #: Echo requests that were sent, and answered; 0 sent where that could not be tried.
    sent: int = 0
    received: int = 0
    #: Seconds: mean and longest of the answered ones, None where none was.
    mean: float | None = None
    longest: float | None = None
    #: Connections that were tried, and seconds that each took which was accepted or refused.
    tried: int = 0
    connected: tuple[float, ...] = ()
    #: The lines that say so.
    lines: tuple[str, ...] = ()
    #: Why it was not measured, empty where it was.
    problem: str = ""

    @property
    def silent(self) -> bool:
        """Whether nothing at all came back. Echo alone means little: many networks drop it."""
        return not self.problem and not self.received and not self.connected

    @property
    def blocked(self) -> bool:
        """Whether the other one is there, and yet no connection to the port was as much as refused."""
        return not self.problem and self.received > 0 and self.tried > 0 and not self.connected

    @property
    def loss(self) -> float | None:
        """Share of echo requests without answer; None where none was sent, or where nobody answers them at all."""
        return 1 - self.received / self.sent if self.received else None

    @property
    def seconds(self) -> float | None:
        """Of one round trip: the mean of echo, else the shortest connection; None where nothing came back."""
        return self.mean if self.mean is not None else min(self.connected, default=None)


def round_trips(output: str) -> list[RoundTrip]:
    """What was measured, sorted by the names of the others.

    The text has for each a line ``== NAME=ADDRESS``, what ping said, ``ping`` with its exit status, and behind ``tcp`` for
    each connection ``open``, ``refused``, ``failed`` or ``unknown`` (no such host) with the seconds of the clock before
    and after it, or ``none`` with the exit status of the shell that tried it.

    :raises InvalidRoundTrips: it is not such a text.
    """
    parts = re.split(r"(?m)^== ", output)
    if parts[0].strip():
        raise InvalidRoundTrips(f"{parts[0][:80]!r}: expected what was measured, host by host")
    return sorted((_one(part) for part in parts[1:]), key=lambda one: one.peer)


def _one(text: str) -> RoundTrip:
    head, _, rest = text.partition("\n")
    peer, mark, address = head.partition("=")
    if not mark or not peer:
        raise InvalidRoundTrips(f"{head[:80]!r}: expected the name of a host and its address")
    if not address:
        return RoundTrip(peer, "", problem="its address is not known: it is not reached by SSH")
    said, mark, tail = rest.partition("\nping ")
    status, _, connections = tail.partition("\ntcp ")
    if not mark or not status.isdecimal():
        raise InvalidRoundTrips(f"{peer}: the measurement breaks off: {rest[:80]!r}")
    tries = [one.strip() for one in connections.split("\n") if one.strip()]
    times = tuple(_times(tries))
    tried = len(times) + sum(1 for one in tries if _UNANSWERED.fullmatch(one))
    counts, spans = _COUNTS.search(said), _TIMES.search(said)
    if counts is None and not tried:
        why = " ".join(said.split())[-200:] or f"ping ended with {status}"
        return RoundTrip(peer, address, problem=f"it could not be measured, with ping ({why}) or bash")
    sent, received = (int(counts[1]), int(counts[2])) if counts else (0, 0)
    if not received and not tried:
        problem = "echo is not answered, which many networks drop, and the host's bash cannot try port 2380"
        return RoundTrip(peer, address, problem=problem)
    if received > sent or (received and not spans):
        raise InvalidRoundTrips(f"{peer}: ping said {said[:200]!r}: expected how many were answered, and how fast")
    lines = [match[0].rstrip(",") for match in (counts, spans) if match and (received or match is counts)]
    if tried:
        spent = ", ".join(f"{one * 1000:.1f} ms" for one in times) or "no answer"
        lines.append(f"{tried} connections to port 2380: {spent}")
    return RoundTrip(
        peer,
        address,
        sent,
        received,
        float(spans[2]) / 1000 if spans and received else None,
        float(spans[3]) / 1000 if spans and received else None,
        tried,
        times,
        tuple(f"to {peer} ({address}): {one}" for one in lines),
    )


def _times(tries: list[str]) -> Iterator[float]:
    for one in tries:
        if match := _CONNECTED.fullmatch(one):
            yield max(0.0, float(match[2]) - float(match[1]))
