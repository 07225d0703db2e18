"""The names that checks and facts are written with."""

import subprocess
import sys

import pytest

import conformance


def test_everything_that_is_promised_is_there_and_comes_from_where_it_is_said():
    assert sorted(conformance._HOME) == sorted(conformance.__all__)
    assert sorted(conformance.__all__) == dir(conformance)
    for name in conformance.__all__:
        assert getattr(conformance, name) is not None


def test_what_type_checkers_see_is_what_there_is():
    import ast
    import inspect

    tree = ast.parse(inspect.getsource(conformance))
    (block,) = [one for one in tree.body if isinstance(one, ast.If)]
    seen = {alias.name: one.module for one in block.body for alias in one.names}
    assert seen == conformance._HOME


def test_another_name_is_an_error():
    with pytest.raises(AttributeError, match="module 'conformance' has no attribute 'nothing'"):
        conformance.nothing  # noqa: B018


def test_a_star_import_brings_them_all():
    scope = {}
    exec("from conformance import *", scope)
    assert set(conformance.__all__) <= set(scope)


def test_importing_the_package_alone_loads_nothing_of_it():
    text = "import sys, conformance; print([n for n in sys.modules if n.startswith('conformance.')])"
    assert subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True).stdout == "[]\n"
