"""Parameters that hazards of several files share: each is declared once, here."""

from __future__ import annotations

from typing import Final

from conformance import Parameter

__all__ = ["EKSA_DIRECTORY"]


def _directory(text: str) -> str:
    """An absolute directory on the workstation, or nothing for the home of the login user.

    :raises ValueError: it is relative.
    """
    text = text.strip()
    if text not in ("", "~") and not text.startswith("/"):
        raise ValueError("it is relative")
    return "" if text == "~" else text


#: For every hazard that reads with ``{{eksa-directory}}``. The read gets it as written: empty and ``~`` are $HOME.
EKSA_DIRECTORY: Final = {
    "eksa-directory": Parameter(
        "~", _directory, "an absolute directory on the workstation: where eksctl anywhere is run; ~ for the home"
    )
}
