"""Quantities as Kubernetes writes amounts of memory, storage and CPU.

Source: https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

__all__ = ["InvalidQuantity", "Quantity"]

_FORM: Final = re.compile(
    r"(?P<sign>[+-]?)(?P<whole>[0-9]*)(?:\.(?P<part>[0-9]*))?"
    r"(?:(?P<suffix>Ki|Mi|Gi|Ti|Pi|Ei|[numkMGTPE])|[eE](?P<exponent>[+-]?[0-9]{1,2}))?"
)
_SUFFIXES: Final = {
    **{f"{letter}i": Fraction(1024**power) for power, letter in enumerate("KMGTPE", start=1)},
    **{letter: Fraction(1000) ** power for power, letter in enumerate("kMGTPE", start=1)},
    **{letter: Fraction(1, 1000**power) for power, letter in enumerate("mun", start=1)},
    "": Fraction(1),
}
#: Nothing that an API server lets through is longer.
_LONGEST: Final = 64


class InvalidQuantity(ValueError):
    """A text is no quantity."""


@dataclass(frozen=True, slots=True, order=True)
class Quantity:
    """An amount, compared by its value: ``0.25Gi`` is ``256Mi``, and ``256M`` is less."""

    #: In bytes, or cores.
    value: Fraction

    @classmethod
    def parse(cls, text: Any) -> Quantity:
        """From ``256Mi``, ``268435456``, ``1e3`` or ``100m``, or from a number as YAML and JSON may hold it.

        :raises InvalidQuantity: it is something else.
        """
        written = str(text) if isinstance(text, int | float) and not isinstance(text, bool) else text
        match = _FORM.fullmatch(written) if isinstance(written, str) and len(written) <= _LONGEST else None
        if match is None or not (match["whole"] or match["part"]):
            shown = repr(text)[:_LONGEST]
            msg = f"{shown}: expected a quantity such as 256Mi, 268435456 or 0.5"
            raise InvalidQuantity(msg)
        part = match["part"] or ""
        number = Fraction(int(f"{match['whole']}{part}"), 10 ** len(part))
        scale = Fraction(10) ** int(match["exponent"]) if match["exponent"] else _SUFFIXES[match["suffix"] or ""]
        return cls(-number * scale if match["sign"] == "-" else number * scale)
