"""Projection: keep of an object what facts need, and know afterwards what was kept.

A path such as ``spec.loadBalancer.vips`` keeps that value with everything below it; where a list lies on the way,
each of its elements is projected. A key that contains dots stands in brackets:
``metadata.annotations[example.com/owner]``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["covers", "project", "smallest", "tree_of", "value_at"]

#: A tree of keys to keep; an empty tree keeps everything below.
Tree = dict[str, "Tree"]
_KEY: Final = re.compile(r"\[([^\]]+)\]|([^.\[\]]+)")


@functools.cache
def keys_of(path: str) -> tuple[str, ...]:
    """The keys of a path, from the top."""
    return tuple(bracketed or plain for bracketed, plain in _KEY.findall(path))


def _contains(outer: str, inner: str) -> bool:
    return keys_of(inner)[: len(keys_of(outer))] == keys_of(outer)


def smallest(paths: Iterable[str]) -> tuple[str, ...]:
    """The same selection without paths that another one already contains, sorted."""
    kept: list[str] = []
    for path in sorted(set(paths), key=lambda one: (len(keys_of(one)), one)):
        if not any(_contains(one, path) for one in kept):
            kept.append(path)
    return tuple(sorted(kept))


def covers(kept: Iterable[str], needed: Iterable[str]) -> list[str]:
    """Those of the `needed` paths that a projection to `kept` would have dropped."""
    kept = tuple(kept)
    return [path for path in needed if not any(_contains(one, path) for one in kept)]


def tree_of(paths: Iterable[str]) -> Tree:
    """The paths as a tree, built once for all objects of a listing."""
    root: Tree = {}
    for path in smallest(paths):
        branch = root
        for key in keys_of(path):
            branch = branch.setdefault(key, {})
    return root


def project(value: Any, tree: Tree) -> Any:
    """`value` reduced to `tree`; keys that are absent stay absent."""
    if not tree:
        return value
    if isinstance(value, Mapping):
        return {key: project(value[key], below) for key, below in tree.items() if key in value}
    if isinstance(value, list):
        return [project(one, tree) for one in value]
    return value


def value_at(value: Any, path: str, default: Any = None) -> Any:
    """The value at a path of nested mappings, or `default` where a key on the way is absent."""
    for key in keys_of(path):
        if not isinstance(value, Mapping) or key not in value:
            return default
        value = value[key]
    return value
