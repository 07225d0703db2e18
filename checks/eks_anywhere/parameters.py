"""Parameters that hazards of several files share: each is declared once, here."""

from __future__ import annotations

from typing import Final

from conformance import Parameter

from ..workstation import directory

__all__ = ["EKSA_DIRECTORY"]


#: For every hazard that reads with ``{{eksa-directory}}``. The read gets it as written: empty and ``~`` are $HOME.
EKSA_DIRECTORY: Final = {
    "eksa-directory": Parameter(
        "~", directory, "an absolute directory on the workstation: where eksctl anywhere is run; ~ for the home"
    )
}
