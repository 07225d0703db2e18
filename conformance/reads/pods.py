"""What reads of pods have in common: which of the listed pods they are about."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, Protocol

from conformance.reads.clusters import Listing
from conformance.reads.hosts import InvalidRead
from conformance.reads.projection import value_at

__all__ = ["Chosen", "check_choice", "check_pattern", "chosen_in_words", "is_chosen"]

#: What may stand in a path as the name of a pod.
_NAME: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,253}")


class Chosen(Protocol):
    """A step over a listing of pods."""

    @property
    def over(self) -> Listing: ...
    @property
    def namespace(self) -> str: ...
    @property
    def names(self) -> str: ...
    @property
    def labels(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def key(self) -> str: ...


def check_choice(read: Chosen) -> None:
    """See that a read names its pods.

    :raises InvalidRead: it ranges over something else, or over just any pod, or its pattern is none.
    """
    if read.over.resource != "pods":
        msg = f"{read.key}: it ranges over pods, not {read.over.resource}"
        raise InvalidRead(msg)
    if not (read.names or read.labels):
        msg = f"{read.key}: name the pods, by a pattern or by labels"
        raise InvalidRead(msg)
    check_pattern(read, read.names)


def check_pattern(read: Chosen, pattern: str) -> None:
    """See that a pattern of a read is one.

    :raises InvalidRead: it is no regular expression.
    """
    try:
        re.compile(pattern)
    except re.error as error:
        msg = f"{read.key}: {pattern!r} is no regular expression: {error}"
        raise InvalidRead(msg) from None


def chosen_in_words(read: Chosen) -> str:
    """The pods of a read, for people: ``kube-system/etcd-.+ with component=etcd``."""
    labels = ",".join(f"{key}={value}" for key, value in read.labels)
    where = f"{read.namespace}/{read.names}" if read.names else read.namespace
    return f"{where} with {labels}" if labels else where


def is_chosen(read: Chosen, pod: Mapping[str, Any]) -> bool:
    """Whether a read is about a listed pod; never about one whose name could lead a path astray."""
    name = str(value_at(pod, "metadata.name", ""))
    labels = value_at(pod, "metadata.labels") or {}
    return (
        value_at(pod, "metadata.namespace") == read.namespace
        and _NAME.fullmatch(name) is not None
        and (not read.names or re.fullmatch(read.names, name) is not None)
        and all(labels.get(key) == value for key, value in read.labels)
    )
