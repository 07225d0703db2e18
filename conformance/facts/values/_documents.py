"""YAML documents out of texts that nobody vouches for."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["documents_in", "mapping_in"]

#: Beside YAMLError, what PyYAML's constructors let through for scalars that do not fit their tag (!!int "", a 13th
#: month), and what a very deep document ends in.
_MALFORMED = (
    yaml.YAMLError,
    ValueError,
    TypeError,
    KeyError,
    IndexError,
    AttributeError,
    OverflowError,
    RecursionError,
)


class _Loader(yaml.SafeLoader):
    """The safe loader without merge keys: a few lines of them, each merging the one before, never end."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        if any(key.tag == "tag:yaml.org,2002:merge" for key, _ in node.value):
            raise yaml.constructor.ConstructorError(None, None, "a merge key", node.start_mark)


def mapping_in(text: str) -> dict[str, Any] | None:
    """The mapping that a text holds as one YAML (or JSON) document; None where it holds anything else.

    No error passes through: PyYAML's quote the document, and these may hold secrets.
    """
    try:
        loader = _Loader(text)
        try:
            document = loader.get_single_data()
        finally:
            loader.dispose()
    except _MALFORMED:
        return None
    return document if isinstance(document, dict) else None


def documents_in(text: str) -> list[Any] | None:
    """All YAML documents of a text, without empty ones; None where one of them cannot be read.

    No error passes through, as with `mapping_in`.
    """
    try:
        loader = _Loader(text)
        try:
            found = []
            while loader.check_data():  # type: ignore[no-untyped-call]
                found.append(loader.get_data())
        finally:
            loader.dispose()
    except _MALFORMED:
        return None
    return [one for one in found if one is not None]
