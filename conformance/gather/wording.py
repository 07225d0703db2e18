"""Text from elsewhere, made fit for a message: one line, not too long, nothing secret."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["clean", "one_line", "plain"]

_SECRET: Final = re.compile(
    r"eyJ[\w-]{8,}(?:\.[\w-]*)*"  # a JSON Web Token
    r"|k8s-aws-v1\.[\w=-]+"
    r"|(?<=[Bb]earer )\S+"
    r"|(?<=://)[^/\s@]+@"  # user and password of a URL
    r"|-----BEGIN[^\n]*PRIVATE KEY.*"
    # Random text, perhaps a token: names in Kubernetes have no capitals, and are no long run of hexadecimal digits.
    # Looked at from its begin only: at each of its hyphens, a long text would take the square of its length.
    r"|(?<![\w+=~-])(?=[\w+=~-]*[A-Z])(?=[\w+=~-]*[a-z])(?=[\w+=~-]*\d)[\w+=~-]{32,}"
    # A secret access key of AWS, which may hold slashes; a path begins with one.
    r"|(?<![a-zA-Z0-9/+])(?=[a-zA-Z0-9/+]*[A-Z])(?=[a-zA-Z0-9/+]*[a-z])(?=[a-zA-Z0-9/+]*\d)"
    r"[a-zA-Z0-9+][a-zA-Z0-9/+]{39}(?![a-zA-Z0-9/+=])"
    # A bootstrap token, as kubeadm makes them.
    r"|(?<![\w.-])(?=[a-z0-9.]*\d)[a-z0-9]{6}\.[a-z0-9]{16}(?![\w.-])"
    r"|\b[0-9a-f]{32,}\b",
    re.DOTALL,
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_SPACE: Final = re.compile(r"[\s\x00-\x1f\x7f-\x9f\u2028\u2029]+")


def plain(name: str) -> str:
    """A name as somebody chose it, without control characters."""
    return _SPACE.sub(" ", name).strip()


def clean(line: str) -> str:
    """A line of somebody's text as it may be kept: without control characters and what may be a secret."""
    return _CONTROL.sub(" ", _SECRET.sub("[…]", line)).rstrip()


def one_line(text: str, limit: int = 240) -> str:
    """`text` as one line of at most `limit` characters, without control characters and what may be a secret."""
    # Cut first: the text may be a whole HTML page.
    line = _SPACE.sub(" ", _SECRET.sub("[…]", text[: limit * 8])).strip()
    return line if len(line) <= limit else line[: limit - 1] + "…"
