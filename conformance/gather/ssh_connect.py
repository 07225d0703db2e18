"""One SSH connection: socket, host key, login. Every failure is one line that says what, where and what to do."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import paramiko
from paramiko.ssh_exception import IncompatiblePeer

from conformance.gather.known_hosts import KnownHosts, KnownKey, fingerprint
from conformance.gather.lifeline import Failed, Lifeline
from conformance.gather.ssh_agent import AgentFailed
from conformance.gather.ssh_keys import Offer
from conformance.gather.ssh_proxy import Proxy
from conformance.gather.ssh_transport import Transport
from conformance.gather.targets import Target

__all__ = ["Link", "log_in"]

#: Seconds to wait for a login beyond the time to connect: PAM may ask a directory server.
_LOGIN_TIMEOUT: Final = 30.0
#: Host key types and the algorithms that prove possession of such a key, the preferred one first.
_ALGORITHMS: Final = {"ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256")}


@dataclass(slots=True)
class Link:
    """An open connection to a host."""

    target: Target
    transport: paramiko.Transport
    #: What the report says of the host key: type, fingerprint, whether it was verified, by what.
    host_key: dict[str, Any] = field(default_factory=dict)

    def close(self) -> None:
        """Close it without waiting for the other side."""
        # Closing alone would wait until paramiko's thread looks up from its socket, a tenth of a second.
        sock = self.transport.sock
        with contextlib.suppress(Exception):
            if isinstance(sock, paramiko.Channel):
                sock.close()
            else:
                sock.shutdown(socket.SHUT_RDWR)
        self.transport.close()


def log_in(
    target: Target,
    offers: Sequence[Offer],
    known: KnownHosts,
    lifeline: Lifeline,
    *,
    verify: bool,
    through: Link | None,
) -> Link:
    """Connect to a host, verify its key and log in.

    :param verify: whether host keys are verified at all.
    :param through: the connection to the jump host before it.
    :raises Failed: it could not be done.
    """
    proxy: Proxy | None = None
    if through is not None:
        sock: Any = _forwarded(target, through)
    elif target.proxy_command is not None:
        proxy = Proxy(target.proxy_command, lifeline)
        sock = proxy.sock
    else:
        sock = _connected(target, lifeline)
    try:
        transport = Transport(sock)
    except Exception as error:
        raise Failed("unreachable", f"the connection to {target.where} was lost: {error}") from error
    link = Link(target, transport)
    lifeline.hold(link.close)
    transport.banner_timeout = transport.handshake_timeout = target.connect_timeout
    transport.channel_timeout = target.connect_timeout
    facts = _known(target, known)
    _prefer(transport, facts)
    try:
        _shake_hands(link, proxy)
        link.host_key = _verify(target, transport.get_remote_server_key(), facts, verify=verify)
        _authenticate(link, offers)
    except BaseException:
        link.close()
        raise
    return link


def _connected(target: Target, lifeline: Lifeline) -> socket.socket:
    """A connected socket; all addresses of the name are tried."""
    try:
        with lifeline.limit(target.connect_timeout, f"the name {target.host} was not resolved in time: is the DNS up?"):
            found = socket.getaddrinfo(target.host, target.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        said = getattr(error, "strerror", None) or error
        message = f"cannot resolve the name {target.host}: {said}; check HostName and the inventory"
        raise Failed("unreachable", message) from error
    until = time.monotonic() + target.connect_timeout
    last: OSError = TimeoutError()
    for number, (family, kind, protocol, _, address) in enumerate(found):
        sock = socket.socket(family, kind, protocol)
        lifeline.hold(sock.close)
        share = (until - time.monotonic()) / (len(found) - number)
        try:
            sock.settimeout(max(0.1, share))
            sock.connect(address)
            # Without this each small packet of the handshake waits for the acknowledgement of the one before it.
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        except OSError as error:
            sock.close()
            last = error
        else:
            return sock
    raise Failed("unreachable", _no_connection(target, last)) from last


def _no_connection(target: Target, error: OSError) -> str:
    if isinstance(error, TimeoutError):
        return (
            f"no answer from {target.where} within {target.connect_timeout:g} s: "
            "the host is down, or a firewall drops the packets"
        )
    if isinstance(error, ConnectionRefusedError):
        return f"{target.where} refuses connections: is sshd running there, and on this port?"
    return f"cannot connect to {target.where}: {error.strerror or error}"


def _forwarded(target: Target, through: Link) -> paramiko.Channel:
    """A connection that the jump host makes for us."""
    jump = through.target.name
    try:
        return through.transport.open_channel(
            "direct-tcpip", (target.host, target.port), ("127.0.0.1", 0), timeout=target.connect_timeout
        )
    except paramiko.ChannelException as error:
        message = f"the jump host {jump} cannot reach {target.where}: {error.text or error}"
        raise Failed("unreachable", message) from error
    except (paramiko.SSHException, EOFError, OSError) as error:
        if through.transport.is_active():
            message = f"the jump host {jump} did not reach {target.where} within {target.connect_timeout:g} s"
        else:
            message = f"the connection to the jump host {jump} was lost"
        raise Failed("unreachable", message) from error


def _shake_hands(link: Link, proxy: Proxy | None) -> None:
    target, transport = link.target, link.transport
    started = time.monotonic()
    error: BaseException | None = None
    try:
        transport.start_client(timeout=target.connect_timeout)
    except IncompatiblePeer as incompatible:
        message = f"{target.where} and this program have no algorithm in common: {incompatible}"
        raise Failed("unreachable", message) from incompatible
    except (paramiko.SSHException, EOFError, OSError) as broken:
        error = broken
    if error is not None or not transport.initial_kex_done:
        # What paramiko raises tells silence and hanging up apart for some stages only; the clock always does.
        late = time.monotonic() - started > target.connect_timeout * 0.95
        raise Failed(*_no_handshake(link, proxy, str(error or ""), late=late)) from error


def _no_handshake(link: Link, proxy: Proxy | None, said: str, *, late: bool) -> tuple[str, str]:
    """Kind and message for a connection on which SSH did not come about.

    :param said: what paramiko makes of it.
    :param late: whether the time was over, rather than the connection closed.
    """
    target, spoke = link.target, bool(link.transport.remote_version)
    limit = f"within {target.connect_timeout:g} s"
    if "protocol version" in said:
        return "unreachable", f"{target.where} is not an SSH server: {said[:120]}"
    if spoke and late:
        return "timed-out", f"{target.where} did not finish the key exchange {limit}"
    if spoke:
        return "unreachable", f"{target.where} broke off the key exchange: {said or 'it hung up'}"
    if proxy is not None:
        message = f"{target.where}: the ProxyCommand `{proxy.program} …` gave no SSH server: {proxy.said()}"
        return ("timed-out" if late else "unreachable"), message
    if late:
        return "timed-out", (
            f"{target.where} accepts connections but sends no SSH banner {limit}: "
            "sshd hangs, or something else listens there"
        )
    return "unreachable", (
        f"{target.where} closes connections before the SSH banner: too many logins at once (MaxStartups), "
        "a block list, or an sshd that fails"
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the known-hosts files say about a host."""

    name: str
    lines: tuple[KnownKey, ...]
    #: Lines for the bare name, where the name has a port: a key that stands there is accepted, as ssh does.
    bare: tuple[KnownKey, ...]


def _known(target: Target, known: KnownHosts) -> _Facts:
    bare = target.host_key_alias or target.host
    name = bare if target.host_key_alias or target.port == 22 else f"[{bare}]:{target.port}"
    try:
        lines = known.about(name, target.known_hosts)
        others = known.about(bare, target.known_hosts) if name != bare else []
    except OSError as error:
        message = f"the known-hosts file {error.filename} cannot be read: {error.strerror}"
        raise Failed("host-key", message) from error
    return _Facts(name, tuple(lines), tuple(others))


def _prefer(transport: paramiko.Transport, facts: _Facts) -> None:
    """Ask for a host key of a type that is known first: a host has several, and any other one looks changed."""
    options = transport.get_security_options()
    offered = tuple(options.key_types)
    for lines in (facts.lines, facts.bare):
        types = [one.type for one in lines if not one.marker]
        wanted = [name for one in types for name in _ALGORITHMS.get(one, (one,)) if name in offered]
        if wanted:
            options.key_types = tuple(dict.fromkeys([*wanted, *offered]))
            return


def _verify(target: Target, key: paramiko.PKey, facts: _Facts, *, verify: bool) -> dict[str, Any]:
    """What the report says of the host key.

    :raises Failed: the key is unknown, revoked, or not the one that is known.
    """
    blob = key.asbytes()
    note: dict[str, Any] = {"type": key.get_name(), "fingerprint": fingerprint(blob), "verified": False}
    shown = f"{key.get_name()} {note['fingerprint']}"
    if not verify:
        return {**note, "because": "host keys are not verified, by decision"}
    for one in (*facts.lines, *facts.bare):
        if one.marker == "@revoked" and one.key == blob:
            raise Failed("host-key", f"the host key of {facts.name}, {shown}, is revoked in {one.where}")
    plain = [one for one in facts.lines if not one.marker]
    for one in (*plain, *(one for one in facts.bare if not one.marker)):
        if one.key == blob:
            return {**note, "verified": True, "by": one.where}
    if plain:
        expected = ", ".join(f"{one.type} {fingerprint(one.key)} in {one.where}" for one in plain[:3])
        raise Failed(
            "host-key",
            f"the host key of {facts.name} has changed: it shows {shown}, known is {expected}; somebody may be in "
            f"between. If the host was set up anew: ssh-keygen -R '{facts.name}', then verify and add the new key",
        )
    authority = next((one for one in facts.lines if one.marker == "@cert-authority"), None)
    if authority is not None:
        raise Failed(
            "host-key",
            f"{facts.name} is known by a certificate authority only ({authority.where}), which is not supported: "
            f"add its own key, {shown}, to a known-hosts file",
        )
    if not target.strict:
        return {**note, "because": "the key is unknown, and the ssh configuration accepts unknown keys"}
    port = f"-p {target.port} " if target.port != 22 else ""
    files = ", ".join(map(str, target.known_hosts[:1])) or "a known-hosts file"
    raise Failed(
        "host-key",
        f"the host key of {facts.name}, {shown}, is unknown: compare it with the host's own "
        f"(ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub), then ssh-keyscan {port}{target.host} >> {files}",
    )


def _authenticate(link: Link, offers: Sequence[Offer]) -> None:
    target, transport = link.target, link.transport
    tried: list[str] = []
    for offer in offers:
        tried.append(offer.label)
        try:
            further = _attempt(target, transport, offer)
        except paramiko.BadAuthenticationType as error:
            message = f"{target.where} lets nobody log in with a key, only with: {', '.join(error.allowed_types)}"
            raise Failed("refused", message) from error
        except paramiko.AuthenticationException as error:
            if transport.is_active() and "timeout" not in str(error).lower():
                continue
            raise Failed(*_no_login(target, error, tried, transport)) from error
        except AgentFailed as error:
            raise Failed("refused", f"cannot log in to {target.where} as {target.user}: {error}") from error
        except (paramiko.SSHException, EOFError, OSError) as error:
            raise Failed(*_no_login(target, error, tried, transport)) from error
        if further:
            message = f"{target.where} wants {', '.join(further)} after the key, which nobody is here to answer"
            raise Failed("refused", message)
        return
    raise Failed(
        "refused",
        f"{target.where} refuses {target.user} with the keys offered ({', '.join(tried)}): "
        "is the public key in the authorized_keys of that user?",
    )


def _attempt(target: Target, transport: paramiko.Transport, offer: Offer) -> list[str]:
    """Offer one key, with paramiko's outcome; the wait for the agent's turn is no time of the host's."""
    answered = threading.Event()
    transport.auth_publickey(target.user, offer.key, answered)
    until = time.monotonic() + target.connect_timeout + _LOGIN_TIMEOUT
    while transport.is_active() and time.monotonic() < until + offer.waited(transport) and not answered.wait(0.1):
        pass
    handler = transport.auth_handler
    assert handler is not None
    transport.auth_timeout = 0.0  # it has been waited for
    return handler.wait_for_response(answered)


def _no_login(target: Target, error: BaseException, tried: list[str], transport: paramiko.Transport) -> tuple[str, str]:
    """Kind and message for a login that broke off."""
    if transport.is_active():
        return "timed-out", f"{target.where} did not decide about the login of {target.user} in time"
    if "Too many" in str(error) or len(tried) > 1:
        return "refused", (
            f"{target.where} hung up on {target.user} after {len(tried)} keys ({', '.join(tried)}): "
            "name the right one (--ssh-identity-file) and set IdentitiesOnly"
        )
    return "unreachable", f"the connection to {target.where} was lost during the login of {target.user}: {error}"
