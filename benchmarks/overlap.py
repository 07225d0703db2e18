"""How fast one million addresses and ranges of 2,000 clusters are looked through for overlaps, and with how much memory.

    python -m benchmarks.overlap [--ranges 10000 100000 1000000]

The way is that of a run with a snapshot: from the Cluster and NodePool objects of an admin cluster with 1,999 user
clusters, through the facts, to the finding of abm-cluster-ip-overlap. What is asked of the hazard is asked of the last
line: under 10 s with under 1 GB, and a time that grows as the number of ranges does. The objects are made before the
clock starts. Every kind of text is there - addresses, networks and ranges, one in eight of them IPv6 - and a few pairs
overlap.
"""

import argparse
import sys
import time

from benchmarks.measuring import missed, peak
from conformance.answers import Answer
from conformance.change import Change, Cluster
from conformance.hazards import HazardFound
from conformance.profiles import Library
from conformance.recorded import record_of
from conformance.run import Run
from conformance.snapshot import Snapshot

HAZARD, GROUP, CLUSTERS = "abm-cluster-ip-overlap", "baremetal.cluster.gke.io", 2000
SECONDS, MEGABYTES = 10, 1000


def text_of(number: int) -> str:
    """One of four addresses that nobody else has, as an address, a network or a range."""
    first = (10 << 24) + number * 4
    v4 = f"{first >> 24}.{first >> 16 & 255}.{first >> 8 & 255}.{first & 255}"
    kind = number % 8
    if kind == 7:
        return f"2001:db8:{number >> 16:x}:{number & 65535:x}::/64"
    if kind == 6:
        return f"{v4}/30"
    return v4 if kind < 4 else f"{v4}-{v4.rpartition('.')[0]}.{(first & 255) + 3}"


def objects_of(count: int, of: int) -> tuple[list[dict], list[dict]]:
    """The Cluster and NodePool objects of so many clusters, with `count` ranges in all."""
    clusters, pools = [], []
    each = count // of
    for number in range(of):
        texts = [text_of(number * each + one) for one in range(each)]
        if number % 500 == 1:
            texts[0] = text_of(number * each - each)  # the first of the cluster before
        addresses = [one for one in texts if not set(one) & set("/-")]
        name = f"store-{number:04}" if number else "hub"
        meta = {"name": name, "namespace": f"cluster-{name}"}
        nodes = [{"address": one} for one in addresses]
        spec = {
            "type": "user" if number else "admin",
            "clusterNetwork": {
                "pods": {"cidrBlocks": ["192.168.0.0/16"]},
                "services": {"cidrBlocks": ["172.26.0.0/16"]},
            },
            "controlPlane": {"nodePoolSpec": {"nodes": nodes[:3]}},
            "loadBalancer": {
                "mode": "bundled",
                "addressPools": [{"name": "pool1", "addresses": [one for one in texts if set(one) & set("/-")]}],
            },
        }
        clusters.append({"metadata": meta, "spec": spec})
        pools.append({"metadata": {**meta, "name": "np1"}, "spec": {"clusterName": name, "nodes": nodes[3:]}})
    return clusters, pools


def run_of(count: int, of: int = CLUSTERS) -> Run:
    """A run on a snapshot of such a fleet, in memory."""
    library = Library()
    users = {
        f"store-{n:04}": Cluster(f"store-{n:04}", role="user", manager="hub", connected=False) for n in range(1, of)
    }
    change = Change(clusters={"hub": Cluster("hub", role="admin"), **users})
    profile = library.find("anthos-bare-metal-1.9")
    planned = Run(profile, library, change).plan(undecided=True)
    clusters, pools = objects_of(count, of)
    snapshot = Snapshot(change=record_of(change))
    held = {f"clusters.{GROUP}": clusters, f"nodepools.{GROUP}": pools, f"clustercidrconfigs.{GROUP}": []}
    for subject, reads in planned.reads.items():
        answers = {}
        for read in reads:
            resource = getattr(read, "resource", "")
            if resource in held and not getattr(read, "reduce", None):
                answers[read.key] = Answer({"version": "v1", "keep": ["metadata", "spec"], "objects": held[resource]})
            elif read.key.startswith("desired "):
                answers[read.key] = Answer({"objects": None})
        snapshot.add(subject, answers)
    return Run(profile, library, change, snapshot=snapshot, replay=True)


def measure(count: int) -> int:
    """Decide the hazard once, and print how that went."""
    run = run_of(count)
    check, _ = run.table[HAZARD]
    before = peak()
    began, spent = time.perf_counter(), time.process_time()
    fact = check.scope["abm_all_ranges"]
    ranges = run.facts.value(fact, run.inventory.fleet)
    read = time.perf_counter() - began
    try:
        check.function(abm_all_ranges=ranges)
        said = "nothing overlaps"
    except HazardFound as found:
        said = f"{found.message.count(' and ')} pairs overlap"
    took, spent = time.perf_counter() - began, time.process_time() - spent
    held = sum(len(one.routed) for one in ranges)
    print(
        f"{held:>9,} ranges of {len(ranges):,} clusters: {took:6.2f} s ({read:.2f} s of it to read them; CPU {spent:.2f} s), "
        f"{peak():.0f} MB ({before:.0f} MB of it the objects); {said}",
        flush=True,
    )
    return 0 if took < SECONDS and peak() < MEGABYTES else 1


def main() -> int:
    """Measure each number in a process of its own, and say whether the goals were reached."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ranges", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--one", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        return measure(given.one)
    short = missed("benchmarks.overlap", given.ranges)
    print(f"goal under {SECONDS} s and {MEGABYTES} MB: {'MISSED' if short else 'reached'}")
    return 1 if short else 0


if __name__ == "__main__":
    sys.exit(main())
