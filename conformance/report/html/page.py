"""The page that pytest-html has made, with what it leaves open: a language, a content security policy, labels, a style.

Its title, its summary and its rows stay as they are. Where its template should change some day, a step here finds
nothing to do, and the tests in a browser say so.
"""

from __future__ import annotations

import base64
import hashlib
import re
from importlib import resources
from typing import Final

from conformance.report.words import Words

__all__ = ["sealed"]

_SCRIPT: Final = re.compile(r'<div id="data-container".*?<script>(.*?)</script>', re.DOTALL)
_STYLE: Final = re.compile(r"<style[^>]*>(.*?)</style>", re.DOTALL)
_FILTER: Final = re.compile(r'(<input[^>]*? data-test-result="(\w+)")')


def style() -> str:
    """Our own style sheet, for pytest-html's parts too: it works on a phone, on paper and in the dark."""
    return resources.files("conformance.report").joinpath("preflight.css").read_text(encoding="utf-8")


def sealed(page: str, say: Words) -> str:
    """The page that pytest-html wrote, ready to be read anywhere; one that is sealed already is returned as it is."""
    head, body, rest = page.partition("<body>")
    if not body or "Content-Security-Policy" in head:
        return page
    head = head.replace("<html>", f'<html lang="{say.language}">', 1)
    head = head.replace("</head>", f"<style>{style()}</style>\n</head>", 1)
    rest = _labelled(rest, say)
    policy = _policy(head + rest)
    meta = (
        '<meta charset="utf-8"/>\n'
        f'    <meta http-equiv="Content-Security-Policy" content="{policy}"/>\n'
        '    <meta name="viewport" content="width=device-width, initial-scale=1"/>\n'
        '    <meta name="color-scheme" content="light dark"/>\n'
        '    <meta name="referrer" content="no-referrer"/>'
    )
    head = head.replace('<meta charset="utf-8"/>', meta, 1)
    return f"{head}{body}{rest}"


def _labelled(rest: str, say: Words) -> str:
    """pytest-html's own parts with names and landmarks for those who do not see the page."""
    rest = f"\n    <main>{rest}"
    before, footer, after = rest.rpartition("<footer>")
    rest = f"{before}</main>\n  {footer}{after}" if footer else f"{rest}"
    rest = rest.replace('<img src="" />', '<img src="" alt="" />')
    rest = rest.replace(' onclick="location.reload()"', "", 1)
    rest = rest.replace('<table id="results-table">', '<table id="results-table" lang="en">', 1)
    rest = rest.replace('<div class="controls">', '<div class="controls" lang="en">', 1)
    rest = _FILTER.sub(r'\1 aria-label="Show rows: \2"', rest)
    return rest.replace("<h2>Summary</h2>", f"<h2>{say('Summary')}</h2>", 1)


def _policy(page: str) -> str:
    """Nothing from anywhere; of scripts only pytest-html's own, which draws its rows."""
    styles = [_digest(one) for one in _STYLE.findall(page)]
    scripts = [_digest(one) for one in _SCRIPT.findall(page)[-1:]]
    rules = {
        "default-src": ["'none'"],
        "style-src": styles or ["'none'"],
        "script-src": scripts or ["'none'"],
        "img-src": ["data:"],
        "media-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
    }
    return "; ".join(f"{rule} {' '.join(values)}" for rule, values in rules.items())


def _digest(content: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
