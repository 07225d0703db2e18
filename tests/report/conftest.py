"""What the tests of the HTML report share: a browser, and reports that real runs have written."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.lab import cache
from tests.lab.tools import LabError
from tests.report.browser import browser as started
from tests.running import preflight

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "examples" / "troubled-anthos.snapshot.json"
#: The distribution that axe-core is taken from; nothing of it but that one script is used.
AXE = "axe-playwright-python==0.1.8"


@pytest.fixture(scope="session")
def chromium():
    with started() as one:
        yield one


@pytest.fixture(scope="session")
def axe():
    """axe-core as a script. Where pip gets this project's own dependencies it gets this, too."""
    return cache.built("axe-core-0.1.8.js", fetch_axe).read_text(encoding="utf-8")


def fetch_axe(path):
    folder = path.parent / "wheel"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), AXE]
    done = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False, timeout=120)
    if done.returncode != 0:
        raise LabError(f"axe-core ({AXE}) cannot be had: {done.stderr.strip().splitlines()[-1:]}")
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        path.write_bytes(archive.read("axe_playwright_python/axe.min.js"))


def written(folder, *options):
    """preflight.html of a run on the example."""
    run = preflight("--profile=anthos-bare-metal-1.9", f"--snapshot={EXAMPLE}", *options, cwd=folder)
    assert run.code == 1, run
    return run.reports / "preflight.html"


@pytest.fixture(scope="session")
def english(tmp_path_factory):
    return written(tmp_path_factory.mktemp("english"))


@pytest.fixture(scope="session")
def japanese(tmp_path_factory):
    return written(tmp_path_factory.mktemp("japanese"), "--report-language=ja")
