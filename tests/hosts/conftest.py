"""Fixtures of the tests that need a real sshd."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import NoReturn

import pytest

from tests.lab.hosts import Lab
from tests.lab.standard import STANDARD
from tests.lab.tools import LabError
from tests.lab.unprivileged import OwnSshd


def impossible(error: LabError) -> NoReturn:
    """Skip where the lab cannot be had; where it must be had, in CI and as root, that is a failure."""
    if os.environ.get("CI") or os.geteuid() == 0:
        pytest.fail(f"the lab did not start: {error}", pytrace=False)
    pytest.skip(str(error))


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    """The standard set of test hosts (see tests/lab/standard.py).

    A test that names it runs inside the lab's network; a fixture of wider scope says `with lab.entered():`.
    """
    hosts = Lab()
    try:
        hosts.start(STANDARD)
    except LabError as error:
        impossible(error)
    yield hosts
    hosts.stop()


@pytest.fixture(autouse=True)
def _inside_the_lab(request: pytest.FixtureRequest) -> Iterator[None]:
    """Take a test that uses the lab into its network, where the hosts are, and out again.

    Outside, packets to the hosts would follow the machine's default route.
    """
    if "lab" not in request.fixturenames:
        yield
        return
    hosts: Lab = request.getfixturevalue("lab")
    with hosts.entered():
        yield


@pytest.fixture(scope="session")
def own_sshd() -> Iterator[OwnSshd]:
    """An sshd as the own user on the loopback interface, with a jump host; needs no root."""
    sshd = OwnSshd(jump=True)
    try:
        sshd.start()
    except LabError as error:
        impossible(error)
    yield sshd
    sshd.stop()
