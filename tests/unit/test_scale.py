"""What a fleet has very many of takes a time that grows as their number does; the benchmarks say how long it takes."""

from __future__ import annotations

import time

import pytest

from benchmarks import endpoints, overlap
from checks.anthos_bare_metal.facts_services import abm_endpoint_slices, slice_pods
from conformance.facts.values import OwnedRange, Range, overlaps
from conformance.hazards import HazardFound

#: Ten times as many take ten times as long, and more on a busy machine; what looks at all pairs takes a hundred times as long.
MORE, MOST = 10, 30


def growth(work, few, many):
    """How many times longer many take than few, in CPU time: the best of some rounds, of which a noisy machine needs more."""
    least = {"few": float("inf"), "many": float("inf")}
    for _ in range(6):
        for name, prepare in (("few", few), ("many", many)):
            given = prepare()
            began = time.process_time()
            work(given)
            least[name] = min(least[name], time.process_time() - began)
        if least["many"] <= MOST * least["few"]:
            break
    return least["many"] / least["few"]


def decide_overlaps(run):
    check, _ = run.table[overlap.HAZARD]
    ranges = run.facts.value(check.scope["abm_all_ranges"], run.inventory.fleet)
    with pytest.raises(HazardFound, match="overlapping"):
        check.function(abm_all_ranges=ranges)


def test_clusters_that_are_compared_with_each_other():
    assert growth(decide_overlaps, lambda: overlap.run_of(4_000, 200), lambda: overlap.run_of(40_000, 2000)) <= MOST


def test_ranges_of_a_cluster():
    assert growth(decide_overlaps, lambda: overlap.run_of(4_000, 20), lambda: overlap.run_of(40_000, 20)) <= MOST


@pytest.mark.parametrize("shape", ["apart", "one contains all", "all the same", "one in the other"])
def test_ranges_however_they_lie(shape):
    def ranges(count):
        at = {
            "apart": lambda n: (n * 4, n * 4 + 3),
            "one contains all": lambda n: (n * 4, 1 << 31 if n == 0 else n * 4 + 3),
            "all the same": lambda n: (0, 255),
            "one in the other": lambda n: (n, (1 << 31) - n),
        }[shape]
        return [OwnedRange(f"cluster-{n % 200}", "pool", Range(*at(n), 4, "")) for n in range(count)]

    assert growth(overlaps, lambda: ranges(4_000), lambda: ranges(4_000 * MORE)) <= MOST


@pytest.mark.parametrize("services", ["many", "one"])
def test_endpoints(services):
    def slices(count):
        found = [endpoints.slice_of(number) for number in range(count)]
        for one in found if services == "one" else ():
            one["metadata"]["labels"]["kubernetes.io/service-name"] = "all"
        return found

    def count_all(objects):
        assert sum(abm_endpoint_slices([slice_pods(one) for one in objects]).values())

    assert growth(count_all, lambda: slices(50), lambda: slices(50 * MORE)) <= MOST
