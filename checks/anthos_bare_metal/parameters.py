"""Parameters that hazards of several files share: each is declared once, here."""

from __future__ import annotations

from typing import Final

from conformance import Parameter

from ..workstation import directory

__all__ = ["BMCTL_DIRECTORY"]


#: For every hazard that reads with ``{{bmctl-directory}}``. The read gets it as written: empty and ``~`` are $HOME.
BMCTL_DIRECTORY: Final = {
    "bmctl-directory": Parameter(
        "~", directory, "an absolute directory on the workstation: the one that holds bmctl-workspace; ~ for the home"
    )
}
