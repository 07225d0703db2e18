"""The metrics of one etcd member: whether it hears a leader, how large its database is, how fast disk and peers are.

Histograms count from the start of the process on. Sources: etcd, server/etcdserver/metrics.go,
server/storage/wal/metrics.go, server/storage/backend/metrics.go, server/etcdserver/api/rafthttp/metrics.go; the text
format of Prometheus 0.0.4.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

__all__ = ["EtcdMetrics", "Histogram", "InvalidMetrics", "parse_metrics"]

_SAMPLE: Final = re.compile(
    r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(?P<labels>[^}]*)\})?[ \t]+(?P<value>\S+)(?:[ \t]+-?[0-9]+)?"
)
_LABEL: Final = re.compile(r'\s*([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"\s*(?:,|$)')
_FSYNC: Final = "etcd_disk_wal_fsync_duration_seconds"
_COMMIT: Final = "etcd_disk_backend_commit_duration_seconds"
_PEERS: Final = "etcd_network_peer_round_trip_time_seconds"
_HISTOGRAM: Final = re.compile(rf"(?P<family>{_FSYNC}|{_COMMIT}|{_PEERS})_(?P<part>bucket|sum|count)")
#: A member that serves metrics serves this one, whatever its version.
_ALWAYS: Final = "etcd_server_has_leader"


class InvalidMetrics(ValueError):
    """Text that is not the metrics of an etcd member."""


@dataclass(frozen=True, slots=True)
class Histogram:
    """How often something took how long, since its process started."""

    count: int
    #: Seconds of all together.
    sum: float
    #: Upper bound in seconds -> how often it took no longer; in rising order, the last one is infinite.
    buckets: tuple[tuple[float, int], ...]

    @property
    def mean(self) -> float | None:
        """Seconds on average; None where it never happened."""
        return self.sum / self.count if self.count else None

    def quantile(self, share: float) -> float | None:
        """Seconds that a share (0.99) of all took no longer than, as histogram_quantile of Prometheus estimates it.

        None where it never happened. What lies beyond the last bound is given as that bound: it may be longer.
        """
        if not self.count:
            return None
        rank = share * self.count
        below, lower = 0, 0.0
        for bound, upto in self.buckets:
            if upto >= rank:
                if math.isinf(bound):
                    return lower
                return lower + (bound - lower) * (rank - below) / (upto - below) if upto > below else lower
            below, lower = upto, bound
        return lower

    def slower_than(self, seconds: float) -> int:
        """How often it took longer than `seconds` for certain: counted from the next bound on."""
        return self.count - next((upto for bound, upto in self.buckets if bound >= seconds), self.count)


@dataclass(frozen=True, slots=True)
class EtcdMetrics:
    """What one member tells of itself; None where its version does not tell, or the member has not seen it yet."""

    has_leader: bool
    is_leader: bool | None = None
    is_learner: bool | None = None
    server_id: int | None = None
    version: str = ""
    #: Bytes.
    db_size: int | None = None
    db_size_in_use: int | None = None
    quota: int | None = None
    #: How often it has seen the leader change since it started.
    leader_changes: int | None = None
    proposals_failed: int | None = None
    proposals_pending: int | None = None
    wal_fsync: Histogram | None = None
    backend_commit: Histogram | None = None
    #: Member id -> round trips to it; etcd measures each peer twice in 30 seconds at most.
    round_trips: Mapping[int, Histogram] = field(default_factory=dict)


def parse_metrics(text: str) -> EtcdMetrics:
    """What ``/metrics`` of an etcd member gives; all that is not asked for here may be left out of the text.

    :raises InvalidMetrics: it is something else, or cut off within a histogram.
    """
    single: dict[str, float] = {}
    labelled: dict[str, str] = {}
    parts: dict[tuple[str, str], dict[str, float]] = {}
    buckets: dict[tuple[str, str], list[tuple[float, float]]] = {}
    for name, labels, value in _samples(text):
        if match := _HISTOGRAM.fullmatch(name):
            key = (match["family"], labels.get("To", ""))
            if match["part"] == "bucket":
                buckets.setdefault(key, []).append((_number(labels.get("le", "")), value))
            else:
                parts.setdefault(key, {})[match["part"]] = value
        elif name == "etcd_server_id":
            labelled["id"] = labels.get("server_id", "")
        elif name == "etcd_server_version":
            labelled["version"] = labels.get("server_version", "")
        else:
            single[name] = value
    if _ALWAYS not in single:
        raise InvalidMetrics(f"{text[:60]!r}: expected the metrics of etcd, and among them {_ALWAYS}")
    made = {key: _histogram(key[0], parts.get(key, {}), buckets.get(key, [])) for key in (*parts, *buckets)}
    return EtcdMetrics(
        has_leader=single[_ALWAYS] == 1,
        is_leader=_flag(single.get("etcd_server_is_leader")),
        is_learner=_flag(single.get("etcd_server_is_learner")),
        server_id=_member(labelled["id"]) if labelled.get("id") else None,
        version=labelled.get("version", ""),
        # The older name is that of 3.3; 3.4 has both.
        db_size=_whole(single, "etcd_mvcc_db_total_size_in_bytes", "etcd_debugging_mvcc_db_total_size_in_bytes"),
        db_size_in_use=_whole(single, "etcd_mvcc_db_total_size_in_use_in_bytes"),
        quota=_whole(single, "etcd_server_quota_backend_bytes"),
        leader_changes=_whole(single, "etcd_server_leader_changes_seen_total"),
        proposals_failed=_whole(single, "etcd_server_proposals_failed_total"),
        proposals_pending=_whole(single, "etcd_server_proposals_pending"),
        wal_fsync=made.get((_FSYNC, "")),
        backend_commit=made.get((_COMMIT, "")),
        round_trips={_member(to): one for (family, to), one in sorted(made.items()) if family == _PEERS},
    )


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for line in text.split("\n"):
        stripped = line.strip()
        if not stripped.startswith("etcd_"):
            continue
        match = _SAMPLE.fullmatch(stripped)
        if match is None:
            raise InvalidMetrics(f"{stripped[:80]!r}: expected a metric and its value")
        labels = {one[1]: one[2] for one in _LABEL.finditer(match["labels"] or "")}
        yield match["name"], labels, _number(match["value"])


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InvalidMetrics(f"{text[:40]!r}: expected a number") from None


def _histogram(family: str, parts: Mapping[str, float], buckets: list[tuple[float, float]]) -> Histogram:
    pairs = sorted(buckets)
    counts = [upto for _, upto in pairs]
    whole = pairs and math.isinf(pairs[-1][0]) and {"sum", "count"} <= parts.keys()
    if not whole or counts != sorted(counts) or not all(map(_is_count, [*counts, parts["count"]])):
        raise InvalidMetrics(f"{family}: expected a whole histogram, with rising buckets, sum and count")
    if counts[-1] != parts["count"] or not math.isfinite(parts["sum"]):
        raise InvalidMetrics(f"{family}: its last bucket and its count differ, or its sum is no number")
    return Histogram(int(parts["count"]), parts["sum"], tuple((bound, int(upto)) for bound, upto in pairs))


def _is_count(value: float) -> bool:
    return math.isfinite(value) and value >= 0 and value == int(value)


def _flag(value: float | None) -> bool | None:
    return None if value is None else value == 1


def _whole(single: Mapping[str, float], *names: str) -> int | None:
    value = next((single[name] for name in names if name in single), None)
    if value is None:
        return None
    if not _is_count(value):
        raise InvalidMetrics(f"{names[0]} is {value}: expected a count")
    return int(value)


def _member(text: str) -> int:
    """A member id, which metrics have in hexadecimal."""
    if not re.fullmatch(r"[0-9a-f]{1,16}", text):
        raise InvalidMetrics(f"{text[:40]!r}: expected a member id in hexadecimal")
    return int(text, 16)
