"""Lends the session to `evaluate`, which makes its items in it."""

import pytest

from conformance.items import own_marks
from tests.hazards import evaluating


@pytest.fixture(autouse=True, scope="session")
def _session(request):
    for mark in own_marks():
        request.config.addinivalue_line("markers", mark)
    evaluating.session[:] = [request.session]
