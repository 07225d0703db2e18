"""From a host specification to a `Target`: the ssh configuration, read as ssh reads it, and the settings of the run."""

from __future__ import annotations

import contextlib
import functools
import glob
import os
import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Final
from urllib.parse import unquote

from conformance.gather.homes import at_home, user_name
from conformance.gather.jobs import SshSettings
from conformance.gather.targets import InvalidSshSettings, Target, is_ssh, refuse_password, shown

__all__ = ["InvalidSshSettings", "Resolver", "Target", "address_of", "check_settings", "is_ssh"]

_SYSTEM_CONFIG: Final = Path("/etc/ssh/ssh_config")
_USER_KNOWN_HOSTS: Final = "~/.ssh/known_hosts ~/.ssh/known_hosts2"
_GLOBAL_KNOWN_HOSTS: Final = "/etc/ssh/ssh_known_hosts /etc/ssh/ssh_known_hosts2"
_DEPTH: Final = 8


def check_settings(connections: Iterable[str], settings: SshSettings) -> None:
    """Find out, without contacting anybody, whether these hosts can be reached with these settings.

    Only what is local is looked at: the configuration, keys, the agent and known-hosts files.

    :raises InvalidSshSettings: something is missing, malformed or cannot be read.
    """
    from conformance.gather.local import check_specification

    connections = list(connections)
    for connection in connections:
        if not is_ssh(connection):
            check_specification(connection)
    by_ssh = [connection for connection in connections if is_ssh(connection)]
    if not by_ssh:
        return
    from conformance.gather.ssh_keys import Keys

    resolver, keys = Resolver(settings), Keys()
    with contextlib.closing(keys):
        for target in map(resolver.target, by_ssh):
            for hop in (*target.jumps, target):
                keys.offered(hop)
    if settings.known_hosts is not None:
        _readable(settings.known_hosts, "known-hosts file")


@functools.lru_cache(maxsize=4096)
def address_of(connection: str, config: Path | None) -> str:
    """The name or address that ssh would connect to; empty for a host that is reached in another way, or not at all.

    One on loopback is the other end of a tunnel: nothing that another host could reach.
    """
    try:
        host = _resolver(config).target(connection).host if is_ssh(connection) else ""
    except InvalidSshSettings:
        return ""  # whoever connects says what is wrong
    return "" if host == "localhost" or host.startswith("127.") or host == "::1" else host


@functools.lru_cache(maxsize=4)
def _resolver(config: Path | None) -> Resolver:
    return Resolver(SshSettings(config=config))


class Resolver:
    """Resolves host specifications; reads the configuration once.

    :raises InvalidSshSettings: the configuration is missing or malformed.
    """

    def __init__(self, settings: SshSettings) -> None:
        self._settings = settings
        self._config = _parsed(settings.config)
        self._known: dict[str, Target] = {}

    def target(self, connection: str) -> Target:
        """The target of a host specification.

        :raises InvalidSshSettings: the specification, or what the configuration says about it, makes no sense.
        """
        if connection not in self._known:
            name, user, port = _split(connection)
            self._known[connection] = self._resolve(name, user, port, depth=0)
        return self._known[connection]

    def _resolve(self, name: str, user: str | None, port: int | None, depth: int) -> Target:
        if depth > _DEPTH:
            msg = f"{name}: more than {_DEPTH} jump hosts; does ProxyJump lead back to itself?"
            raise InvalidSshSettings(msg)
        try:
            options: Mapping[str, Any] = self._config.lookup(name)
        except Exception as error:  # whatever paramiko makes of an odd configuration
            msg = f"{name}: the ssh configuration cannot be applied: {error}"
            raise InvalidSshSettings(msg) from error
        settings = self._settings
        host = options.get("hostname", name)
        user = user or options.get("user") or user_name()
        port = port or _port(options.get("port", "22"), name)
        alias = options.get("hostkeyalias")
        tokens = _tokens(name, host, port, user, alias)
        target = Target(
            name=name,
            host=host,
            port=port,
            user=user,
            identity_files=self._identity_files(options, tokens),
            identities_only=_yes(options, "identitiesonly"),
            agent=_agent(options, tokens),
            known_hosts=self._known_hosts(options, tokens),
            host_key_alias=alias,
            strict=str(options.get("stricthostkeychecking", "ask")).lower() not in {"no", "off", "accept-new"},
            connect_timeout=_seconds(options, settings.connect_timeout),
        )
        return self._route(target, options, tokens, depth)

    def _route(self, target: Target, options: Mapping[str, Any], tokens: Mapping[str, str], depth: int) -> Target:
        # Of the two the one that was said first counts, and the options stand in that order.
        for key in options:
            said = options[key]
            if key not in {"proxyjump", "proxycommand"}:
                continue
            if said is None or said.lower() == "none":
                return target
            if key == "proxycommand":
                return replace(target, proxy_command=_expand(said, tokens))
            jumps: list[Target] = []
            for number, hop in enumerate(_expand(said, tokens).split(",")):
                name, user, port = _split(hop.strip())
                jump = self._resolve(name, user, port, depth + 1)
                # Only the first is reached as its own configuration says; each other through the one before it.
                jumps += [*(jump.jumps if number == 0 else ()), replace(jump, jumps=())]
            return replace(target, jumps=tuple(jumps))
        return target

    def _identity_files(self, options: Mapping[str, Any], tokens: Mapping[str, str]) -> tuple[Path, ...]:
        if self._settings.identity_file is not None:
            _readable(self._settings.identity_file, "identity file")
            return (self._settings.identity_file,)
        said = [one for one in options.get("identityfile", []) if one.lower() != "none"]
        return tuple(dict.fromkeys(_path(one.strip('"'), tokens) for one in said))

    def _known_hosts(self, options: Mapping[str, Any], tokens: Mapping[str, str]) -> tuple[Path, ...]:
        if self._settings.known_hosts is not None:
            return (self._settings.known_hosts,)
        said = f"{options.get('userknownhostsfile', _USER_KNOWN_HOSTS)} "
        said += options.get("globalknownhostsfile", _GLOBAL_KNOWN_HOSTS)
        return tuple(_path(one, tokens) for one in said.split() if one.lower() != "none")


def _split(connection: str) -> tuple[str, str | None, int | None]:
    """Name, user and port of ``ssh://user@name:port`` or ``user@name:port``."""
    refuse_password(connection)
    rest = connection.partition("://")[2] if "://" in connection else connection
    if "?" in rest or "/" in rest.rstrip("/"):
        msg = f"{shown(connection)}: expected ssh://user@name:port, without a path or options"
        raise InvalidSshSettings(msg)
    user, at, place = rest.rstrip("/").rpartition("@")
    found = re.fullmatch(r"\[([^\]]+)\](?::(\w+))?|([^:\[\]]+)(?::(\w+))?|([0-9a-fA-F:]*:[0-9a-fA-F:.]*)", place)
    if found is None or (at and not user):
        msg = f"{shown(connection)}: expected ssh://user@name:port"
        raise InvalidSshSettings(msg)
    name, port = found[1] or found[3] or found[5], found[2] or found[4]
    return unquote(name), unquote(user) or None, _port(port, shown(connection)) if port else None


def _port(text: str, of: str) -> int:
    if not (text.isascii() and text.isdecimal()) or not 0 < int(text) < 65536:
        msg = f"{of}: {text!r} is not a port"
        raise InvalidSshSettings(msg)
    return int(text)


def _yes(options: Mapping[str, Any], key: str) -> bool:
    return str(options.get(key, "no")).lower() == "yes"


def _seconds(options: Mapping[str, Any], default: float) -> float:
    said = str(options.get("connecttimeout", ""))
    return float(said) if said.isascii() and said.isdecimal() and int(said) > 0 else default


def _agent(options: Mapping[str, Any], tokens: Mapping[str, str]) -> str | None:
    said = options.get("identityagent", "SSH_AUTH_SOCK")
    if said.lower() == "none":
        return None
    if said == "SSH_AUTH_SOCK":
        return os.environ.get("SSH_AUTH_SOCK") or None
    if re.fullmatch(r"\$\w+", said):
        return os.environ.get(said[1:]) or None
    return _expand(said, tokens)


def _tokens(name: str, host: str, port: int, user: str, alias: str | None) -> dict[str, str]:
    return {
        "%": "%",
        "d": os.path.expanduser("~"),
        "h": host,
        "i": str(os.getuid()),
        "k": alias or name,
        "L": socket.gethostname().partition(".")[0],
        "l": socket.gethostname(),
        "n": name,
        "p": str(port),
        "r": user,
        "u": user_name(),
    }


def _expand(text: str, tokens: Mapping[str, str]) -> str:
    """A value with its tokens, its ``${VARIABLES}`` and a leading tilde replaced; what is unknown stays."""
    text = re.sub(r"%(.)", lambda found: tokens.get(found[1], found[0]), text)
    text = re.sub(r"\$\{(\w+)\}", lambda found: os.environ.get(found[1], found[0]), text)
    # Not Path.expanduser: a command is no path.
    return os.path.expanduser(text)


def _path(text: str, tokens: Mapping[str, str]) -> Path:
    path = _expand(text, tokens)
    if re.match("~[^/]", path):
        msg = f"the ssh configuration names {path}: there is no user {path[1:].partition('/')[0]} on this machine"
        raise InvalidSshSettings(msg)
    return Path(path)


def _readable(path: Path, what: str) -> None:
    try:
        with at_home(path).open("rb"):
            pass
    except OSError as error:
        msg = f"the {what} {path} cannot be read: {error.strerror}"
        raise InvalidSshSettings(msg) from error


def _parsed(path: Path | None) -> Any:
    """The given configuration; without one those that ssh reads, where they are there."""
    import paramiko.config
    from paramiko.config import SSHConfig
    from paramiko.ssh_exception import ConfigParseError

    # It looks up the name of the login user for each HostName, and gives up where there is none.
    paramiko.config.getpass = SimpleNamespace(getuser=user_name)  # type: ignore[attr-defined]

    class Config(SSHConfig):
        # Expanded here instead: paramiko asks the DNS for this machine's name once for every identity file.
        TOKENS_BY_CONFIG_KEY = {  # noqa: RUF012 - as paramiko has it
            key: tokens for key, tokens in SSHConfig.TOKENS_BY_CONFIG_KEY.items() if key in {"hostname", "match-exec"}
        }

        def _does_match(self, match_list: Any, *rest: Any) -> Any:
            # paramiko looks up the login user even for a block that is no Match: for each block, for each host.
            return match_list and super()._does_match(match_list, *rest)  # type: ignore[misc]

    lines: list[str] = []
    if path is not None:
        _readable(path, "ssh configuration")
        lines += _lines(at_home(path))
    else:
        for usual in (at_home("~/.ssh/config"), _SYSTEM_CONFIG):
            if usual.exists():
                lines += ["Host *", *_lines(usual)]
    try:
        return Config.from_text("\n".join(lines))
    except (ConfigParseError, ValueError) as error:
        msg = f"{path or '~/.ssh/config'} is not an ssh configuration: {error}"
        raise InvalidSshSettings(msg) from error


def _lines(path: Path, depth: int = 0, within: str = "") -> list[str]:
    """The lines of a configuration with its includes in place, which paramiko would leave out without a word.

    After an included file the block in which it stood goes on.

    :param within: the criteria of the blocks in which the file is included, which all blocks of it are subject to.
    """
    try:
        text = path.read_text(encoding="utf-8", errors="surrogateescape")
    except OSError as error:
        msg = f"the ssh configuration {path} cannot be read: {error.strerror}"
        raise InvalidSshSettings(msg) from error
    lines: list[str] = []
    block = f"Match {within}" if within else "Host *"
    inner = within
    base = Path("/etc/ssh") if path.is_relative_to("/etc/ssh") else at_home("~/.ssh")
    for line in text.splitlines():
        key, _, value = line.strip().replace("=", " ", 1).partition(" ")
        if key.lower() in {"host", "match"}:
            inner = f"{within} {_criteria(key.lower(), value.strip())}".strip()
            block = f"Match {inner}" if within else line
            lines.append(block)
        elif key.lower() != "include":
            lines.append(line)
        else:
            for pattern in value.split() if depth < _DEPTH else []:
                for found in sorted(glob.glob(str(base / at_home(pattern.strip('"'))))):
                    lines += [*_lines(Path(found), depth + 1, inner), block]
    return lines


def _criteria(key: str, value: str) -> str:
    """What a block applies to, as criteria of a Match that may stand beside others; empty where that is everything."""
    if value.lower() in {"*", "all"}:
        return ""
    return value if key == "match" else f"originalhost {','.join(value.split())}"
