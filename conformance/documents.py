"""Configuration files: YAML read so that nothing is lost or changed on the way, and validated with useful messages.

Versions stay as written (``1.10`` is not the number 1.1), dates stay text, and a key that stands twice is an error
instead of one entry silently lost.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

__all__ = ["Entry", "InvalidDocument", "TextLoader", "group_of", "load", "objects_in"]


class InvalidDocument(ValueError):
    """A configuration file is missing, malformed or says something that nobody understands; a usage error.

    The message names the file, the path inside it, and what was expected.
    """


class TextLoader(yaml.SafeLoader):
    """YAML in which numbers and dates stay the text that was written: 1.30 is not 1.3."""


TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if not tag.endswith((":float", ":timestamp", ":int"))]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class _Loader(TextLoader):
    """With duplicate keys refused, too."""


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            raise yaml.constructor.ConstructorError(
                None, None, "write << out: merge keys are refused", key_node.start_mark
            )
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str):
            problem = f"the key {key!r} is not text: put it in quotes"
            raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
        if key in seen:
            raise yaml.constructor.ConstructorError(None, None, f"the key {key!r} stands twice", key_node.start_mark)
        seen.add(key)
    return {
        loader.construct_object(key, deep=True): loader.construct_object(value, deep=True) for key, value in node.value
    }


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def content_of(path: Path) -> bytes:
    """What a file holds.

    :raises InvalidDocument: it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        msg = f"{path}: cannot be read: {error.strerror or error}"
        raise InvalidDocument(msg) from None


def load(path: Path) -> Entry:
    """The document in a YAML file, as the entry at its top.

    :raises InvalidDocument: it cannot be read or is not one YAML mapping.
    """
    return parse(path, content_of(path))


def parse(path: Path, data: bytes) -> Entry:
    """As `load`, of what was read from the file already.

    :raises InvalidDocument: it is not one YAML mapping.
    """
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        msg = f"{path}: cannot be read: it is not UTF-8 text"
        raise InvalidDocument(msg) from None
    try:
        content = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader with fewer types
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        msg = f"{where}: not valid YAML: {getattr(error, 'problem', None) or 'malformed'}"
        raise InvalidDocument(msg) from None
    except RecursionError:
        msg = f"{path}: not valid YAML: nested too deeply"
        raise InvalidDocument(msg) from None
    except Exception:
        # What PyYAML's constructors let through for a value that does not fit its tag, such as !!int "".
        msg = f"{path}: not valid YAML: a value does not fit its tag"
        raise InvalidDocument(msg) from None
    entry = Entry(str(path), "", content)
    if content is None:
        entry.fail("expected keys and values, but the file is empty")
    if not isinstance(content, Mapping):
        entry.fail(f"expected keys and values, not {_kind(content)}")
    return entry


def objects_in(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The objects of a manifest's document: itself, or those of a List."""
    items = document.get("items") if str(document.get("kind", "")).endswith("List") else None
    return [one for one in items or [document] if isinstance(one, Mapping)]


def group_of(document: Mapping[str, Any]) -> str:
    """The API group of an object, empty for the core."""
    return str(document.get("apiVersion", "")).rpartition("/")[0]


def _kind(value: object) -> str:
    names = {str: "text", bool: "true or false", list: "a list", dict: "keys and values", type(None): "nothing"}
    return names.get(type(value), type(value).__name__)


class Entry:
    """One place in a configuration file: its value, and where it stands, for messages."""

    def __init__(self, file: str, path: str, value: Any) -> None:
        self.file = file
        self.path = path
        self.value = value

    def fail(self, message: str) -> None:
        """Say that this entry is wrong.

        :raises InvalidDocument: always.
        """
        at = f": {self.path}" if self.path else ""
        msg = f"{self.file}{at}: {message}"
        raise InvalidDocument(msg)

    def keys(self, allowed: Iterable[str], required: Iterable[str] = ()) -> None:
        """Check the keys of this mapping: none beyond `allowed`, all of `required`."""
        allowed = sorted(allowed)
        for key in self.mapping():
            if key not in allowed:
                close = difflib.get_close_matches(key, allowed, n=1)
                hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(allowed)}"
                self.fail(f"unknown key {key!r}; {hint}")
        for key in required:
            if key not in self.mapping():
                self.fail(f"the key {key!r} is missing")

    def mapping(self) -> Mapping[str, Any]:
        """The value as a mapping; nothing counts as an empty one."""
        if self.value is None:
            return {}
        if not isinstance(self.value, Mapping):
            self.fail(f"expected keys and values, not {_kind(self.value)}")
        content: Mapping[str, Any] = self.value
        return content

    def items(self) -> Iterator[tuple[str, Entry]]:
        """Each key with its entry."""
        for key in self.mapping():
            yield key, self[key]

    def __getitem__(self, key: str) -> Entry:
        path = f"{self.path}.{key}" if self.path else key
        return Entry(self.file, path, self.mapping().get(key))

    def __contains__(self, key: str) -> bool:
        return key in self.mapping()

    def each(self) -> Iterator[Entry]:
        """The entries of a list; nothing counts as an empty one."""
        if self.value is None:
            return
        if not isinstance(self.value, list):
            self.fail(f"expected a list, not {_kind(self.value)}")
        for index, one in enumerate(self.value):
            yield Entry(self.file, f"{self.path}[{index}]", one)

    def text(self, default: str | None = None) -> str:
        """The value as text; `default` where the entry is absent."""
        if self.value is None and default is not None:
            return default
        if not isinstance(self.value, str) or not self.value.strip():
            self.fail(f"expected text, not {'an empty text' if isinstance(self.value, str) else _kind(self.value)}")
        return str(self.value)

    def flag(self, *, default: bool) -> bool:
        """The value as true or false."""
        if self.value is None:
            return default
        if not isinstance(self.value, bool):
            self.fail(f"expected true or false, not {_kind(self.value)} ({self.value!r})")
        return bool(self.value)

    def one_of(self, choices: Iterable[str], default: str | None = None) -> str:
        """The value as one of some words."""
        choices = list(choices)
        word = self.text(default)
        if word not in choices:
            close = difflib.get_close_matches(word, choices, n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"expected one of {', '.join(choices)}"
            self.fail(f"{word!r} is not known; {hint}")
        return word
