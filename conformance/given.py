"""What the command line gives beside the run itself: waivers, an earlier report, a key to sign with, a language."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from conformance.comparison import load_earlier
from conformance.findings import Earlier
from conformance.gate.inputs import waivers_of
from conformance.report.words import Words, words_of
from conformance.waivers import Waiver

if TYPE_CHECKING:
    from conformance.gate.attestation import Signer
    from conformance.run import Run

__all__ = ["Given"]

_WAIVERS = "preflight_waivers"


class Given:
    """What is given, read once before anything is gathered: this run's own reports may take its place.

    :raises pytest.UsageError: something of it cannot be used.
    """

    def __init__(self, config: pytest.Config, run: Run, now: datetime) -> None:
        handed: Mapping[str, Any] | None = getattr(config, "workerinput", None)
        option = config.getoption
        #: Of an earlier run, to compare with.
        self.earlier: Earlier | None = None
        self.signer: Signer | None = None
        #: The digest of the waivers, by the name of their file.
        self.inputs: Mapping[str, str] = {}
        try:
            if handed is not None:
                self.waivers = [Waiver.from_dict(one) for one in handed[_WAIVERS]]
            else:
                self.waivers, self.inputs = waivers_of(run.change, run.every_hazard(), run.profile, now)
                if option("--compare"):
                    self.earlier = load_earlier(Path(option("--compare")))
                if option("--sign-key"):
                    from conformance.gate.attestation import Signer

                    self.signer = Signer(Path(option("--sign-key")))
            language = "en" if handed is not None else option("--report-language")
            self.words: Words = words_of(language, run.library.packs, (hazard for _, hazard in run.table.values()))
        except ValueError as error:
            raise pytest.UsageError(str(error)) from None

    def hand_over(self, workerinput: dict[str, Any]) -> None:
        """Give a worker the waivers as they were read: a pipe gives them once."""
        workerinput[_WAIVERS] = [one.to_dict() for one in self.waivers]
