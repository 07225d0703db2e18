"""The vendors' CRDs that tests install, one file each, named as the vendor names them (GROUP_PLURAL.yaml)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

_HERE = Path(__file__).resolve().parent
BARE_METAL = tuple(sorted(_HERE.glob("baremetal.cluster.gke.io_*.yaml")))


def served_only_as(version: str, crd: Path) -> dict[str, Any]:
    """The same CRD, but served in `version` and no other, so that discovery says what nobody expects.

    An API server refuses to take away a version that it has stored; delete the original CRD first.
    """
    document: dict[str, Any] = yaml.safe_load(crd.read_text("utf-8"))
    document["spec"]["versions"] = [{**document["spec"]["versions"][0], "name": version}]
    return document


def crd(plural: str) -> Path:
    """The file of the bare metal CRD with this plural, such as clusters."""
    return _HERE / f"baremetal.cluster.gke.io_{plural}.yaml"
