"""YAML documents out of texts that nobody vouches for."""

from __future__ import annotations

from typing import Any

import yaml

__all__ = ["mapping_in"]

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


def mapping_in(text: str) -> dict[str, Any] | None:
    """The mapping that a text holds as one YAML (or JSON) document; None where it holds anything else.

    No error passes through: PyYAML's quote the document, and these may hold secrets.
    """
    try:
        document = yaml.safe_load(text)
    except _MALFORMED:
        return None
    return document if isinstance(document, dict) else None
