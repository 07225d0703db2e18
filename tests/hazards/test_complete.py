"""Every hazard of every shipped profile is proven in all four ways, and no proof is about a hazard that is none."""

import pytest

from conformance.packs import load_checks
from conformance.select import checks_by_hazard
from tests.hazards.evaluating import library, shipped
from tests.hazards.proofs import KINDS, PROVEN
from tests.hazards.reference import import_proofs

import_proofs()

REGISTERED = sorted(checks_by_hazard(check for pack in library().packs for check in load_checks(pack)))


@pytest.mark.parametrize("hazard", REGISTERED)
def test_every_hazard_has_its_four_proofs(hazard):
    missing = [kind for kind in KINDS if (hazard, kind) not in PROVEN]
    assert not missing, f"{hazard} lacks the proofs: {', '.join(missing)}; see tests/hazards/proofs.py"


def test_no_proof_is_about_an_unknown_hazard():
    assert {hazard for hazard, _ in PROVEN} <= set(REGISTERED)


def test_every_hazard_stands_in_a_shipped_profile():
    assert {one for profile in shipped() for one in profile.hazards} == set(REGISTERED)
