"""A large fleet: what the report of one holds, and that a browser opens it. benchmarks/report.py says how fast."""

from __future__ import annotations

import pytest

from benchmarks.report import make


@pytest.fixture(scope="module")
def large(tmp_path_factory):
    return make(tmp_path_factory.mktemp("large"), hosts=300, hazards=20, findings=600)


def test_it_stays_small(large):
    assert large.stat().st_size < 1_500_000


def test_every_host_that_has_a_finding_is_named_and_what_has_no_row_is_counted(chromium, large):
    page, _ = chromium.open(large.as_uri())
    assert page.run("document.querySelectorAll('tr.collapsible').length") == 500
    shown = page.run("document.querySelector('.preflight-rows').innerText")
    assert "500 results have a row" in shown
    assert "5,500 have none" in shown
    # 300 hosts are not spelled out as columns: 20 strips of a mark each.
    strips = page.run("[...document.querySelectorAll('.pf-strip')].map(one => one.textContent.length)")
    assert strips == [300] * 20
    marks = page.run("[...document.querySelectorAll('.pf-strip')].map(one => one.textContent).join('')")
    assert (marks.count("✗"), marks.count("·")) == (600, 5400)
    named = page.run("new Set([...document.querySelectorAll('#pf-hazard .pf-name')].map(one => one.textContent)).size")
    hosts = page.run("document.querySelectorAll('.pf-subjects tbody tr').length")
    assert hosts == 300
    assert 200 < named <= 300
    # Few enough elements that no browser gets slow.
    assert page.run("document.querySelectorAll('*').length") < 30_000
    page.close()
