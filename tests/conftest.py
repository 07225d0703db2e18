"""What holds for all tests: what a machine cannot give is skipped by name - and in CI, where all must run, a failure."""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

from tests.lab.tools import LabError

try:
    from hypothesis import HealthCheck, settings
except ModuleNotFoundError:
    # A checkout that was installed to examine machines, without `dev`: pytest loads this file all the same.
    pass
else:
    # How long an example takes says more about the machine than about the code. The rest stays as it is where we are run.
    settings.register_profile("patient", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("patient")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In CI everything runs: a test that skips itself there is one that nobody would miss."""
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longreprtext
        report.outcome, report.longrepr = "failed", f"CI must give what this test needs: {reason}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None]:
    """Skip a test whose lab cannot be had here."""
    try:
        return (yield)
    except LabError as error:
        pytest.skip(str(error))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None]:
    """Skip a test that finds out only now that its lab cannot be had here."""
    try:
        return (yield)
    except LabError as error:
        pytest.skip(str(error))
