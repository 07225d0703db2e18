"""Lends the session to `evaluate`, which makes its items in it."""

import pytest

from tests.hazards import evaluating


@pytest.fixture(autouse=True, scope="session")
def _session(request):
    evaluating.session[:] = [request.session]
