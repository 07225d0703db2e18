"""The hazard reference is as fresh as the checks and the tests that it is made from."""

from tests.hazards.reference import PATH, real_tests, reference
from tests.hazards.test_complete import REGISTERED


def test_the_reference_is_fresh():
    assert PATH.read_text(encoding="utf-8") == reference(), "run: python -m tests.hazards.reference"


def test_no_test_makes_an_unknown_hazard_real():
    assert set(real_tests()) <= set(REGISTERED)
