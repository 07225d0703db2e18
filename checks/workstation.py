"""What hazards of several platforms ask of the workstation."""

from __future__ import annotations

__all__ = ["directory"]


def directory(text: str) -> str:
    """An absolute directory on the workstation, or nothing for the home of the login user: the value of a parameter.

    :raises ValueError: it is relative.
    """
    text = text.strip()
    if text not in ("", "~") and not text.startswith("/"):
        raise ValueError("it is relative")
    return "" if text == "~" else text
