"""What etcdctl prints with ``-w json``: the member list, and status and health of endpoints.

Ids are numbers of 64 bits here, hexadecimal anywhere else. Zeros, empty lists and False are left out. Sources: etcd 3.4
to 3.7, etcdctl/ctlv3/command/printer_json.go and ep_command.go. The etcdctl of 3.3 speaks the API of etcd 2 unless its
environment says otherwise: what it prints then is refused here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from conformance.facts.values.etcd import EtcdEndpoint, EtcdHealth, EtcdMember

__all__ = ["InvalidEtcd", "parse_health", "parse_members", "parse_statuses"]

#: Said by a learner of every read that would have to be committed: a learner is not unhealthy for it.
_NOT_FOR_LEARNERS: Final = "not supported for learner"
_DURATION: Final = re.compile(r"(?:[0-9]+(?:\.[0-9]+)?(?:h|ms|m|s|us|µs|μs|ns))+")
_PART: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)(h|ms|m|s|us|µs|μs|ns)")
_SECONDS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}


class InvalidEtcd(ValueError):
    """Text that is not what etcdctl prints; the message says what was expected."""


def parse_members(text: str) -> tuple[EtcdMember, ...]:
    """What ``etcdctl member list -w json`` prints.

    :raises InvalidEtcd: it is something else, or a list without members.
    """
    raw = _json(text)
    if not isinstance(raw, Mapping) or not isinstance(raw.get("members"), list) or not raw["members"]:
        raise InvalidEtcd(f"{_shown(text)}: expected the members of etcd as JSON")
    found = []
    for one in raw["members"]:
        item = _mapping(one, "a member")
        found.append(
            EtcdMember(
                _id(item.get("ID", item.get("id")), "ID of a member"),
                _text(item.get("name"), "name of a member"),
                _texts(item.get("peerURLs"), "peerURLs"),
                _texts(item.get("clientURLs"), "clientURLs"),
                _flag(item.get("isLearner"), "isLearner"),
            )
        )
    if len({one.id for one in found}) != len(found):
        raise InvalidEtcd(f"{_shown(text)}: expected members with different IDs")
    return tuple(found)


def parse_statuses(text: str) -> tuple[EtcdEndpoint, ...]:
    """What ``etcdctl endpoint status -w json`` prints; endpoints that did not answer are left out by etcdctl.

    :raises InvalidEtcd: it is something else.
    """
    found = []
    for one in _list(text, "the status of endpoints"):
        item = _mapping(one, "the status of an endpoint")
        status = _mapping(item.get("Status"), "Status")
        header = _mapping(status.get("header"), "header")
        member = _id(header.get("member_id"), "member_id")
        leader = _number(status.get("leader"), "leader")
        found.append(
            EtcdEndpoint(
                _text(item.get("Endpoint"), "Endpoint"),
                member,
                leader == member,
                leader,
                _flag(status.get("isLearner"), "isLearner"),
                _text(status.get("version"), "version"),
                _number(status.get("dbSize"), "dbSize"),
                # Never 0 where it is told, and not told by etcd before 3.4.
                _number(status.get("dbSizeInUse"), "dbSizeInUse") or None,
                _number(status.get("raftIndex"), "raftIndex"),
                # Not told by etcd before 3.4.
                _number(status.get("raftAppliedIndex", status.get("raftIndex")), "raftAppliedIndex"),
                _number(status.get("raftTerm"), "raftTerm"),
                _texts(status.get("errors"), "errors"),
            )
        )
    return tuple(found)


def parse_health(text: str) -> tuple[EtcdHealth, ...]:
    """What ``etcdctl endpoint health -w json`` prints, also where it ends with 1 because one is unhealthy.

    :raises InvalidEtcd: it is something else.
    """
    found = []
    for one in _list(text, "the health of endpoints"):
        item = _mapping(one, "the health of an endpoint")
        if "health" not in item:
            raise InvalidEtcd(f"{_shown(text)}: expected the health of endpoints as JSON")
        error = _text(item.get("error"), "error")
        healthy = None if _NOT_FOR_LEARNERS in error else _flag(item["health"], "health")
        took = _text(item.get("took"), "took")
        seconds = _seconds(took) if took else None
        found.append(EtcdHealth(_text(item.get("endpoint"), "endpoint"), healthy, error, seconds))
    return tuple(found)


def _seconds(text: str) -> float:
    """A duration as Go writes it, such as 1m5.5s or 872.3µs."""
    if not _DURATION.fullmatch(text):
        raise InvalidEtcd(f"{_shown(text)}: expected a duration such as 4.9ms")
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(text))


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidEtcd(f"{_shown(text)}: expected the JSON that etcdctl prints with -w json") from None


def _list(text: str, what: str) -> list[Any]:
    raw = _json(text)
    if raw is None:  # how Go writes an empty list
        return []
    if not isinstance(raw, list):
        raise InvalidEtcd(f"{_shown(text)}: expected {what} as JSON")
    return raw


def _mapping(value: Any, what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidEtcd(f"{_shown(value)}: expected {what}")
    return value


def _number(value: Any, what: str) -> int:
    """An unsigned number of 64 bits; etcd leaves out a zero, and some write it as text."""
    if value is None:
        return 0
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,20}", value):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 2**64:
        raise InvalidEtcd(f"{_shown(value)}: expected a number as {what}")
    return value


def _id(value: Any, what: str) -> int:
    if not (number := _number(value, what)):
        raise InvalidEtcd(f"{_shown(value)}: expected a number as {what}")
    return number


def _text(value: Any, what: str) -> str:
    if value is not None and not isinstance(value, str):
        raise InvalidEtcd(f"{_shown(value)}: expected text as {what}")
    return value or ""


def _texts(value: Any, what: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise InvalidEtcd(f"{_shown(value)}: expected a list of texts as {what}")
    return tuple(value)


def _flag(value: Any, what: str) -> bool:
    if value is not None and not isinstance(value, bool):
        raise InvalidEtcd(f"{_shown(value)}: expected true or false as {what}")
    return bool(value)


def _shown(value: Any) -> str:
    return repr(value)[:80]
