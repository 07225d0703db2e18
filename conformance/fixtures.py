"""Facts as pytest fixtures, so that plain fixtures can name them and ``pytest --fixtures`` lists them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from conformance.facts.declare import BUILT_IN, Fact
from conformance.items import CheckItem

__all__ = ["holder_of"]

_HELP = {
    "subject": "The host, cluster or fleet that the check looks at.",
    "upgrade": "The versions before and after the upgrade that concerns the subject.",
    "upgrades": "Cluster name -> the versions before and after its own upgrade, for every cluster that is looked at.",
    "parameters": "The values of the hazard's parameters by name.",
    "situation": "When the run is made: before an upgrade, in a stuck one, around a repair.",
    "host": "testinfra's host: what it is asked is recorded while gathering, and replayed.",
}


def holder_of(scopes: Iterable[Mapping[str, Any]]) -> object:
    """An object whose attributes are fixtures, one for every name of a fact; to be registered as a plugin."""
    documents = {name: _HELP[name] for name in BUILT_IN}
    for scope in scopes:
        documents.update({name: thing.doc for name, thing in scope.items() if isinstance(thing, Fact)})
    holder = type("Facts", (), {name: _fixture(name, text) for name, text in documents.items()})
    return holder()


def _fixture(name: str, text: str) -> Any:
    def give(_self: object, request: pytest.FixtureRequest) -> Any:
        item = request.node
        if not isinstance(item, CheckItem):
            pytest.fail(f"{name} is a fact: only checks, and fixtures that checks use, can name it", pytrace=False)
        return item.give(name)

    give.__doc__ = text
    return pytest.fixture(name=name)(give)
