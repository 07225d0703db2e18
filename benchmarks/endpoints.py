"""How fast 100,000 endpoints are read and counted, with how much memory, and how much a snapshot keeps of them.

    python -m benchmarks.endpoints [--endpoints 10000 100000 1000000]

The EndpointSlices are what a cluster sends: a hundred pods in each slice, Services of 500 pods, two Services over the
same pods, pages of 500 slices, about 300 bytes a pod. The way is that of a run: each page is decoded, reduced and dropped
at once; the facts and the finding of abm-endpoint-limit follow. The clock stands still while the pages are made up. The
goal for 100,000 is under 10 s with under 200 MB, and less than 1 MB of it kept.
"""

import argparse
import json
import sys
import time
from typing import Any

from benchmarks.measuring import missed, peak
from conformance.answers import Answer
from conformance.change import Change, Cluster
from conformance.gather.discovery import Served
from conformance.gather.http import Got
from conformance.gather.listing import listings_of, read_listing
from conformance.hazards import HazardFound
from conformance.profiles import Library
from conformance.recorded import record_of
from conformance.run import Run
from conformance.snapshot import Snapshot

HAZARD, SLICES = "abm-endpoint-limit", "endpointslices.discovery.k8s.io"
PAGE, PODS, SERVICE = 500, 100, 500
GOAL, SECONDS, MEGABYTES, KEPT = 100_000, 10, 200, 1.0


def slice_of(number: int) -> dict[str, Any]:
    """One EndpointSlice as its controller writes it."""
    service = number * PODS // SERVICE
    name = f"web-{service:05}"
    return {
        "metadata": {
            "name": f"{name}-{number:05}",
            "namespace": "shop",
            "uid": f"0a1b2c3d-0000-4000-8000-{number:012}",
            "labels": {
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
                "kubernetes.io/service-name": name,
            },
            "ownerReferences": [{"apiVersion": "v1", "kind": "Service", "name": name, "controller": True}],
        },
        "addressType": "IPv4",
        "endpoints": [endpoint_of(number // 10 * 5 * PODS + number % 5 * PODS + one) for one in range(PODS)],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


def endpoint_of(number: int) -> dict[str, Any]:
    """One pod, as an endpoint."""
    return {
        "addresses": [f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}"],
        "conditions": {"ready": True, "serving": True, "terminating": False},
        "nodeName": f"node-{number % 500:03}",
        "targetRef": {
            "kind": "Pod",
            "name": f"web-7d9f8c6b5d-{number:05x}",
            "namespace": "shop",
            "uid": f"7f6e5d4c-0000-4000-8000-{number:012}",
        },
    }


class Pages:
    """What `conformance.gather` asks for pages; its `clock` counts what the reader takes, not the making up."""

    def __init__(self, slices: int) -> None:
        self.slices = slices
        self.clock = 0.0
        self.sent = 0

    def get(self, _what: str, _path: str, query: list[tuple[str, str]], *, use: Any, **_: Any) -> Any:
        first = int(dict(query).get("continue", 0))
        last = min(first + PAGE, self.slices)
        page = {"kind": "EndpointSliceList", "items": [slice_of(one) for one in range(first, last)]}
        page["metadata"] = {"continue": str(last) if last < self.slices else ""}
        body = json.dumps(page).encode()
        del page
        self.sent += len(body)
        began = time.perf_counter()
        following = use(Got(body, "application/json"))
        self.clock += time.perf_counter() - began
        return following

    def decoded(self, _what: str, got: Got) -> Any:
        return json.loads(got.body)


def run_of(pages: Pages) -> Run:
    """A run on a cluster whose EndpointSlices were read from the pages."""
    library, change = Library(), Change(clusters={"prod": Cluster("prod", role="standalone")})
    profile = library.find("anthos-bare-metal-1.9")
    run = Run(profile, library, change)
    check, _ = run.table[HAZARD]
    fact = check.scope["abm_endpoint_slices"]
    request = listings_of(fact.sources)[SLICES]
    served = Served("/apis/discovery.k8s.io/v1", "v1", "endpointslices", namespaced=True)
    answers = dict(read_listing(pages, served, request, PAGE, 0.0).answers)  # type: ignore[arg-type]
    image = {"metadata": {"name": "n1"}, "status": {"nodeInfo": {"osImage": "Red Hat Enterprise Linux 8.4 (Ootpa)"}}}
    answers["list nodes"] = Answer({"keep": ["metadata", "status"], "objects": [image]})
    answers["list endpoints as endpoints_pods"] = Answer({"keep": [], "objects": []})
    snapshot = Snapshot(change=record_of(change))
    snapshot.add("prod", answers)
    return Run(profile, library, change, snapshot=snapshot, replay=True)


def measure(count: int) -> int:
    """Read and decide once, and print how that went."""
    pages = Pages(count // PODS)
    run = run_of(pages)
    check, _ = run.table[HAZARD]
    began = time.perf_counter()
    given = {
        name: run.facts.value(check.scope[name], run.inventory["prod"])
        for name in ("abm_red_hat_nodes", "abm_pods_by_service")
    }
    try:
        check.function(**given)
        said = "far from the limit"
    except HazardFound as found:
        said = "near the limit" if "near" in found.message else "above the limit"
    took = pages.clock + time.perf_counter() - began
    total = sum(one for one, _ in given["abm_pods_by_service"].values())
    assert total == count, f"{total} were counted"
    kept = len(json.dumps(run.snapshot.answers["prod"][f"list {SLICES} as slice_pods"].value)) / 1e6
    print(
        f"{count:>9,} endpoints, {pages.sent / 1e6:.0f} MB as sent: {took:6.2f} s, {peak():.0f} MB, {kept:.2f} MB kept; {said}",
        flush=True,
    )
    return 0 if count > GOAL or (took < SECONDS and peak() < MEGABYTES and kept < KEPT) else 1


def main() -> int:
    """Measure each number in a process of its own, and say whether the goals were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--endpoints", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        return measure(given.one)
    short = missed("benchmarks.endpoints", given.endpoints)
    print(
        f"goal for {GOAL:,}: under {SECONDS} s and {MEGABYTES} MB, {KEPT:g} MB kept: {'MISSED' if short else 'reached'}"
    )
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
