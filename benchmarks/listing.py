"""Listing pods of a real API server: ours beside the same list read by hand, in one run.

    python benchmarks/listing.py                # 10,000 pods of about 16 kB in a control plane of the lab
    python benchmarks/listing.py --pods 2000 --rounds 3
    python benchmarks/listing.py --kubeconfig FILE   # whatever pods that cluster has; nothing is created

Each reading is a process of its own, so that peak memory is its own too; imports count, starting Python does not.
Rounds alternate, and the ratios are those of the best round of each: the machine may be doing other things.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

KEEP = ("spec.nodeName", "status.phase", "spec.containers.image")
PAGE = 500
#: What the design promises, as ratios to the reader by hand, and MiB.
WALL, CPU, MEMORY = 1.3, 1.5, 150


def ours(kubeconfig: Path) -> int:
    """The list as a run of the suite makes it."""
    from conformance.gather.clusters import gather_clusters
    from conformance.gather.jobs import ClusterJob, ClusterSettings
    from conformance.reads import listing

    job = ClusterJob("bench", kubeconfig, None, (listing("pods", *KEEP),))
    gathered = gather_clusters([job], ClusterSettings(page_size=PAGE), lambda *_: None)["bench"]
    return len(gathered.answers["list pods"].require()["objects"])


def by_hand(kubeconfig: Path) -> int:
    """The shortest program that reads the same: pages, raw JSON, the wanted fields of each object."""
    import base64
    import tempfile

    import urllib3
    import yaml

    config = yaml.safe_load(kubeconfig.read_text())
    cluster, user = config["clusters"][0]["cluster"], config["users"][0]["user"]
    with tempfile.NamedTemporaryFile() as authority:
        authority.write(base64.b64decode(cluster["certificate-authority-data"]))
        authority.flush()
        pool = urllib3.PoolManager(ca_certs=authority.name, retries=False, timeout=30)
        headers = {"Authorization": f"Bearer {user['token']}"}
        kept, token = [], ""
        while True:
            fields = {"limit": str(PAGE), **({"continue": token} if token else {})}
            answer = pool.request("GET", cluster["server"] + "/api/v1/pods", fields=fields, headers=headers)
            page = json.loads(answer.data)
            kept += [_by_hand(pod) for pod in page["items"]]
            token = page["metadata"].get("continue")
            if not token:
                return len(kept)


def _by_hand(pod: dict[str, Any]) -> dict[str, Any]:
    return {
        "metadata": {"name": pod["metadata"]["name"], "namespace": pod["metadata"]["namespace"]},
        "spec": {
            "nodeName": pod["spec"].get("nodeName"),
            "containers": [{"image": one["image"]} for one in pod["spec"]["containers"]],
        },
        "status": {"phase": pod["status"].get("phase")},
    }


def measured(way: str, kubeconfig: Path) -> dict[str, float]:
    """Seconds and MiB of one reading in a process of its own."""
    command = [sys.executable, __file__, "--way", way, "--kubeconfig", str(kubeconfig)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result: dict[str, float] = json.loads(done.stdout)
    return result


def measure(way: str, kubeconfig: Path) -> None:
    """Read once, in this process, and print what it took."""
    started, cpu = time.perf_counter(), time.process_time()
    count = {"ours": ours, "by hand": by_hand}[way](kubeconfig)
    wall, cpu = time.perf_counter() - started, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "memory": peak, "pods": count}))


@contextmanager
def cluster(pods: int) -> Iterator[Path]:
    """A control plane of the lab with so many pods."""
    from tests.lab.controlplane import ControlPlane

    with ControlPlane() as plane:
        started = time.perf_counter()
        create(plane, pods)
        size = len(json.dumps(plane.api.request("GET", "/api/v1/pods", limit="1")["items"][0])) / 1000
        print(f"created {pods} pods of {size:.1f} kB in {time.perf_counter() - started:.0f} s", flush=True)
        yield plane.kubeconfig()


def create(plane: Any, count: int) -> None:
    """Create pods from several threads; each about 16 kB once the API server has filled it in."""
    numbers: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in range(count):
        numbers.put(number)

    def work() -> None:
        while True:
            try:
                number = numbers.get_nowait()
            except queue.Empty:
                return
            plane.api.request("POST", "/api/v1/namespaces/default/pods", pod(number))

    # As many as the connections that the lab's client keeps.
    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def pod(number: int) -> dict[str, Any]:
    """A pod with two containers, environment, probes and the annotations that admission webhooks leave."""
    container = {
        "image": f"registry.example.com/team/service-{number % 40}:1.{number % 9}.0",
        "env": [{"name": f"SETTING_{one}", "value": f"value-{number}-{one}" * 3} for one in range(30)],
        "resources": {"requests": {"cpu": "10m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "volumeMounts": [{"name": f"config-{one}", "mountPath": f"/etc/config/{one}"} for one in range(6)],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}, "periodSeconds": 10},
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": f"service-{number:05d}",
            "labels": {"app": f"service-{number % 40}", "version": f"v{number % 9}"},
            "annotations": {f"example.com/note-{one}": "text " * 30 for one in range(10)},
        },
        "spec": {
            "nodeName": f"node-{number % 500}",
            "containers": [{**container, "name": "main"}, {**container, "name": "sidecar"}],
            "volumes": [{"name": f"config-{one}", "configMap": {"name": f"config-{one}"}} for one in range(6)],
        },
    }


def main() -> int:
    """Run the comparison; 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pods", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--kubeconfig", type=Path)
    parser.add_argument("--way", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        measure(options.way, options.kubeconfig)
        return 0
    if options.kubeconfig:
        return compare(options.kubeconfig, options.rounds)
    with cluster(options.pods) as kubeconfig:
        return compare(kubeconfig, options.rounds)


def compare(kubeconfig: Path, rounds: int) -> int:
    """Alternate both ways, print each round and the ratios."""
    best: dict[str, dict[str, float]] = {}
    for number in range(rounds + 1):
        for way in ("by hand", "ours"):
            one = measured(way, kubeconfig)
            note = "  (warms the API server up, not counted)" if number == 0 else ""
            print("{:8} {wall:6.2f} s wall {cpu:6.2f} s CPU {memory:6.0f} MiB {pods:6} pods".format(way, **one) + note)
            if number:
                so_far = best.setdefault(way, one)
                best[way] = {key: min(so_far[key], value) for key, value in one.items()}
    hand, our = best["by hand"], best["ours"]
    if hand["pods"] != our["pods"]:
        print(f"the two do not agree: {hand['pods']} and {our['pods']} pods")
        return 1
    wall, cpu = our["wall"] / hand["wall"], our["cpu"] / hand["cpu"]
    load = os.getloadavg()[0]
    print(f"ours / by hand: wall {wall:.2f} (at most {WALL}), CPU {cpu:.2f} (at most {CPU}); load {load:.1f}")
    print(f"peak memory: {our['memory']:.0f} MiB (less than {MEMORY}), by hand {hand['memory']:.0f} MiB")
    return 0 if wall <= WALL and cpu <= CPU and our["memory"] < MEMORY else 1


if __name__ == "__main__":
    sys.exit(main())
