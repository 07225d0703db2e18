"""The configuration that is about to be applied (``--desired``): read where pytest runs, kept as facts need it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from conformance.answers import Answer
from conformance.documents import InvalidDocument, group_of, objects_in
from conformance.reads import Desired
from conformance.reads.projection import project, smallest, tree_of

__all__ = ["documents_of", "read_desired"]


def documents_of(path: Path) -> list[Mapping[str, Any]]:
    """All documents of a YAML file, without empty ones; the items of a List stand for themselves.

    :raises InvalidDocument: it cannot be read or is not YAML; a usage error.
    """
    if path.exists() and not path.is_file() and not path.is_dir():
        msg = f"--desired {path}: it is no regular file, and a pipe can be read only once: write it to a file first"
        raise InvalidDocument(msg)
    try:
        text = path.read_text(encoding="utf-8")
        documents = list(yaml.safe_load_all(text))
    except OSError as error:
        msg = f"--desired {path}: cannot be read: {error.strerror}"
        raise InvalidDocument(msg) from None
    except Exception as error:
        # Beside YAMLError, what PyYAML lets through for a value that does not fit its tag.
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        msg = f"--desired {path}: not valid YAML{where}: expected the configuration that is about to be applied"
        raise InvalidDocument(msg) from None
    found: list[Mapping[str, Any]] = []
    for document in documents:
        if document is None:
            continue
        if not isinstance(document, Mapping):
            msg = f"--desired {path}: expected documents of keys and values, not {type(document).__name__}"
            raise InvalidDocument(msg)
        found.extend(objects_in(document))
    return found


def read_desired(paths: Iterable[Path], reads: Iterable[Desired]) -> dict[str, Answer]:
    """The answers of declared reads of the desired configuration; no paths is "none was given".

    :raises InvalidDocument: a file is wrong.
    """
    paths = list(paths)
    documents = [one for path in paths for one in documents_of(path)]
    merged: dict[str, set[str]] = {}
    wanted: dict[str, Desired] = {}
    for read in reads:
        merged.setdefault(read.key, set()).update(read.keep)
        wanted[read.key] = read
    answers = {}
    for key, read in wanted.items():
        keep = smallest(merged[key])
        tree = tree_of(keep)
        found = [one for one in documents if _is(one, read)]
        try:
            kept = [read.reduce(one) if read.reduce else project(one, tree) for one in found] if paths else None
        except Exception as error:
            # The text may be anything; a reduction that stumbles makes its facts unknown, as it does in a listing.
            answers[key] = Answer.failed("undecodable", f"`{key}` is not understood ({type(error).__name__})")
            continue
        answers[key] = Answer(value={"keep": list(keep), "objects": kept})
    return answers


def _is(document: Mapping[str, Any], read: Desired) -> bool:
    return str(document.get("kind", "")) == read.kind and group_of(document) == read.group
