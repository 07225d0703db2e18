"""preflight.html in a real browser: on a desk and a phone, in the dark, on paper, with scripts and without."""

from __future__ import annotations

import re

import pytest

from tests.report.conftest import written

WIDTHS = (1280, 390)
SECTIONS = ["pf-verdict", "pf-hazard", "pf-warning", "pf-unknown", "pf-matrix", "pf-how", "pf-sign"]
#: What reaches beyond the window, the hidden words for screen readers aside.
BEYOND = """[...document.querySelectorAll('body *')].filter(one => one.checkVisibility() && !one.closest('.pf-hidden')
  && one.getBoundingClientRect().right > document.documentElement.clientWidth + 1).map(one => one.outerHTML.slice(0, 120))"""
AXE = (
    "axe.run().then(found => found.violations.map(one => one.id + ': ' + one.nodes.map(node => node.html).join(' | ')))"
)


@pytest.fixture
def opened(chromium):
    """Opens a page, and closes it in the end; nothing may be asked for but the file itself, and nothing complained of."""
    pages = []

    def opened(path, **how):
        page, _ = chromium.open(path.as_uri(), **how)
        pages.append(page)
        return page

    yield opened
    for page in pages:
        page.close()
        assert [one for one in page.requests if not one.startswith("file:")] == []
        assert page.complaints == []


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scripts", [True, False])
@pytest.mark.parametrize("language", ["english", "japanese"])
def test_it_fits_the_window(opened, request, tmp_path, width, scripts, language):
    page = opened(request.getfixturevalue(language), width=width, scripts=scripts)
    assert page.screenshot(tmp_path / "page.png").stat().st_size > 20_000
    page.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert page.run(BEYOND) == []
    assert page.run("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("scripts", [True, False])
def test_the_sections_stand_in_the_order_in_which_a_change_is_decided(opened, english, scripts):
    page = opened(english, scripts=scripts)
    tops = page.run(f"{SECTIONS}.map(one => document.getElementById(one).getBoundingClientRect().top)")
    assert tops == sorted(tops)
    assert page.run("document.querySelector('h1').innerText").startswith("NO-GO: ")
    assert page.run("document.title").startswith("NO-GO: ")
    assert page.run("document.querySelector('.pf-label').innerText") == "NO-GO"
    # The verdict is on the first screen, and so is why.
    assert page.run("document.querySelector('.pf-verdict').getBoundingClientRect().bottom") < 900
    assert page.run("document.querySelectorAll('#results-table tbody tr.collapsible').length > 100") is scripts
    assert page.run("document.querySelector('.controls').checkVisibility()") is scripts
    if scripts:
        rows = page.run("document.getElementById('results-table').getBoundingClientRect().top")
        assert rows > tops[-1]


def test_what_is_folded_opens_without_a_script_and_by_keyboard(opened, english):
    page = opened(english, scripts=False)
    page.run("document.querySelector('#pf-how summary').focus()")
    assert page.run("document.querySelector('#pf-how details').open") is False
    for kind in ("keyDown", "keyUp"):
        page.call("Input.dispatchKeyEvent", type=kind, key="Enter", code="Enter", text="\r", windowsVirtualKeyCode=13)
    assert page.run("document.querySelector('#pf-how details').open") is True


def test_the_rows_tell_hazard_subject_and_outcome(opened, english):
    page = opened(english)
    told = page.run(
        "[...document.querySelectorAll('tr.collapsible')].map(one => one.innerText.split('\\t').slice(0, 3))"
    )
    assert ["Failed", "hazard", "abm-tmp-noexec store-1-wk-1"] in told
    assert ["XFailed", "warning", "abm-rp-filter store-1-wk-2"] in told
    assert ["Error", "unknown", "abm-pending-kubelet-csr store-2"] in told
    page.run("document.querySelector('input[data-test-result=skipped]').click()")
    assert "Skipped" not in page.run("document.getElementById('results-table').innerText")


@pytest.mark.parametrize(("width", "scheme"), [(1280, "light"), (1280, "dark"), (390, "light")])
@pytest.mark.parametrize("language", ["english", "japanese"])
def test_axe_finds_nothing(opened, request, axe, language, width, scheme):
    page = opened(request.getfixturevalue(language), width=width, scheme=scheme)
    page.run("document.querySelectorAll('details').forEach(one => one.open = true)")
    page.run(f"{axe};0")
    assert page.run(AXE) == []
    assert page.run("document.documentElement.lang") == {"english": "en", "japanese": "ja"}[language]


def test_the_dark_is_dark(opened, english):
    def lightness(page, of):
        colour = page.run(f"getComputedStyle(document.body).{of}")
        return sum(map(int, re.findall(r"\d+", colour)[:3])) / 3

    assert lightness(opened(english), "backgroundColor") > 200 > lightness(opened(english), "color")
    assert (
        lightness(opened(english, scheme="dark"), "backgroundColor")
        < 60
        < lightness(opened(english, scheme="dark"), "color")
    )


def test_the_policy_lets_nothing_in_and_nothing_but_one_script_run(chromium, english, tmp_path):
    text = english.read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert text.index("Content-Security-Policy") < text.index("<title")
    forged = tmp_path / "forged.html"
    attack = "<script>document.title = 'owned'</script><img src='http://127.0.0.1:9/x.png' onerror=\"document.title = 'owned'\">"
    forged.write_text(text.replace('<div class="preflight ', f'{attack}<div class="preflight ', 1), encoding="utf-8")
    page, _ = chromium.open(forged.as_uri())
    assert page.run("document.title").startswith("NO-GO")
    assert page.run("document.querySelectorAll('tr.collapsible').length") > 100
    assert sum("Content Security Policy" in one for one in page.complaints) >= 2
    page.close()


def test_a_stricter_policy_of_a_server_takes_nothing_away_but_the_rows(chromium, english, tmp_path):
    strict = tmp_path / "strict.html"
    policy = "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'none'\"/>"
    text = english.read_text(encoding="utf-8")
    strict.write_text(text.replace("<head>", f"<head>{policy}", 1), encoding="utf-8")
    page, _ = chromium.open(strict.as_uri())
    shown = page.run("document.body.innerText")
    for part in (
        "NO-GO",
        "Do not start this upgrade",
        "store-1-wk-1",
        "mount -o remount,exec /tmp",
        "Signature",
        "sha256:",
    ):
        assert part in shown
    page.close()


def on_paper(page):
    """The width that A4 leaves between the margins, as the style sheet has them."""
    page.call("Emulation.setEmulatedMedia", media="print")
    page.call("Emulation.setDeviceMetricsOverride", width=695, height=1000, deviceScaleFactor=1, mobile=False)


@pytest.mark.parametrize("language", ["english", "japanese"])
def test_on_paper_nothing_is_lost(opened, request, tmp_path, language):
    page = opened(request.getfixturevalue(language))
    made = page.pdf(tmp_path / "page.pdf").read_bytes()
    sheets = re.findall(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", made)
    assert {(round(float(width)), round(float(height))) for width, height in sheets} == {(595, 842)}
    assert len(sheets) > 4
    on_paper(page)
    assert page.run(BEYOND) == []
    # What is folded on the screen stands open on paper, the sign-off on a sheet of its own; controls are left out.
    assert page.run("document.querySelector('.pf-reads').getBoundingClientRect().height") > 100
    assert page.run("getComputedStyle(document.getElementById('pf-sign')).breakBefore") == "page"
    assert page.run("document.querySelector('.controls').checkVisibility()") is False
    assert page.run("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"


def test_a_language_that_there_is_not_is_a_usage_error(tmp_path):
    from tests.running import preflight

    run = preflight("--profile=linux-node", "--report-language=xx", cwd=tmp_path)
    assert run.code == 4
    assert "--report-language" in run.out


def test_under_xdist_and_with_a_path_of_one_s_own_it_is_the_same(opened, tmp_path):
    written(tmp_path, "-n2", "--html=mine.html", "--self-contained-html")
    text = (tmp_path / "mine.html").read_text(encoding="utf-8")
    assert text.count("Content-Security-Policy") == 1
    page = opened(tmp_path / "mine.html")
    assert page.run(f"{SECTIONS}.every(one => document.getElementById(one))") is True
    assert page.run("document.querySelectorAll('tr.collapsible').length") > 100
