"""Clusters and workstations of EKS Anywhere around an upgrade that was interrupted; names are those of the document."""

from __future__ import annotations

import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from checks.eks_anywhere.facts_recovery_workstation import recovery_containers, recovery_directory
from tests.hazards.worlds import Api, Machine

__all__ = [
    "BOOT",
    "CAPI",
    "EKSA",
    "FLUX",
    "MACHINES",
    "MGMT",
    "MOVED",
    "NAME",
    "SPACE",
    "TREE",
    "backup",
    "capi",
    "condition",
    "directory",
    "directory_key",
    "eksa",
    "flux",
    "fleet",
    "group",
    "holding",
    "machine",
    "pasted",
    "plane",
    "station",
    "table",
    "tree",
]

Object = dict[str, Any]

#: The clusters as the change file calls them, and the cluster as Cluster API does.
BOOT, MGMT, NAME, SPACE = "kind", "mgmt", "cluster3", "eksa-system"
CORE, KCP = "cluster.x-k8s.io", "controlplane.cluster.x-k8s.io"
CAPI = (f"clusters.{CORE}", f"machines.{CORE}", f"machinedeployments.{CORE}", f"kubeadmcontrolplanes.{KCP}")
EKSA = "clusters.anywhere.eks.amazonaws.com"
FLUX = ("kustomizations.kustomize.toolkit.fluxcd.io", "gitrepositories.source.toolkit.fluxcd.io")
#: When the bootstrap cluster was made.
MADE = "2023-04-15T15:24:41Z"

#: The document's own output, of its steps 3 and 6.
MACHINES = """\
NAME                            CLUSTER    NODENAME                        PROVIDERID                                       PHASE     AGE     VERSION
cluster3-2snw8                  cluster3   cluster3-2snw8                  vsphere://4230efe1-e1f5-c8e5-9bff-12eca320f5db   Running   3m13s   v1.23.17-eks-1-23-19
cluster3-etcd-chkc5             cluster3                                   vsphere://4230826c-b25d-937a-4728-3e607e6af579   Running   4m14s
cluster3-md-0-854976576-tw6hr   cluster3   cluster3-md-0-854976576-tw6hr   vsphere://4230f2e5-0a4b-374c-f06b-41ac1f80e41f   Running   4m30s   v1.22.17-eks-1-22-24
"""
TREE = """\
NAME                                               READY  SEVERITY  REASON  SINCE  MESSAGE
Cluster/cluster3                                   True                     49s
├─ClusterInfrastructure - VSphereCluster/cluster3  True                     4m53s
├─ControlPlane - KubeadmControlPlane/cluster3      True                     49s
│ └─Machine/cluster3-2snw8                         True                     2m51s
└─Workers
  ├─MachineDeployment/cluster3-md-0                True                     4m53s
  │ └─Machine/cluster3-md-0-854976576-tw6hr        True                     4m53s
  └─Other
    └─Machine/cluster3-etcd-chkc5                  True                     3m55s
"""
MOVED = """\
NAME                           CLUSTER    NODENAME                       PROVIDERID                                       PHASE     AGE     VERSION
cluster2-4n7qd                 cluster2   cluster2-4n7qd                 vsphere://4230fb07-2823-3474-c41f-b7223dec3089   Running   2m27s   v1.23.17-eks-1-23-19
cluster2-etcd-h4tpl            cluster2                                  vsphere://42303b36-1991-67a9-e942-dd9959760649   Running   2m27s
cluster2-md-0-fd6c558b-6cfvq   cluster2   cluster2-md-0-fd6c558b-6cfvq   vsphere://423019a3-ad3f-1743-e7a8-ec8772d3edc2   Running   2m26s   v1.22.17-eks-1-22-24
"""


def condition(type: str = "Ready", status: str = "True", reason: str = "", message: str = "", **more: str) -> Object:
    """A condition of either version."""
    return {"type": type, "status": status, "reason": reason, "message": message, "lastTransitionTime": MADE, **more}


def _object(group: str, kind: str, name: str, spec: Object, status: Object, cluster: str, **meta: Any) -> Object:
    labels = {f"{CORE}/cluster-name": cluster, **meta.pop("labels", {})}
    return {
        "apiVersion": f"{group}/v1beta1",
        "kind": kind,
        "metadata": {"name": name, "namespace": meta.pop("namespace", SPACE), "labels": labels, **meta},
        "spec": spec,
        "status": status,
    }


def _status(conditions: Iterable[Object] | None, **more: Any) -> Object:
    return {"conditions": list([condition()] if conditions is None else conditions), **more}


def capi(
    name: str = NAME, conditions: Iterable[Object] | None = None, paused: bool | None = None, **meta: Any
) -> Object:
    """A Cluster of Cluster API; it is Ready where no conditions are given."""
    spec: Object = {"controlPlaneRef": {"kind": "KubeadmControlPlane", "name": name}}
    if paused is not None:
        spec["paused"] = paused
    status = _status(conditions, phase="Provisioned", **meta.pop("status", {}))
    return _object(CORE, "Cluster", name, spec, status, name, **meta)


def plane(name: str = NAME, conditions: Iterable[Object] | None = None, **meta: Any) -> Object:
    """A KubeadmControlPlane."""
    status = _status(conditions, **meta.pop("status", {}))
    spec = {"replicas": 1, "version": "v1.23.17-eks-1-23-19"}
    return _object(KCP, "KubeadmControlPlane", name, spec, status, meta.pop("cluster", name), **meta)


def group(
    name: str = f"{NAME}-md-0", conditions: Iterable[Object] | None = None, ready: int = 1, **meta: Any
) -> Object:
    """A MachineDeployment with one machine."""
    cluster = meta.pop("cluster", NAME)
    counts = {"replicas": 1, "readyReplicas": ready, "updatedReplicas": 1}
    spec = {"clusterName": cluster, "replicas": 1}
    return _object(CORE, "MachineDeployment", name, spec, _status(conditions, **counts), cluster, **meta)


def machine(
    name: str,
    version: str = "v1.23.17-eks-1-23-19",
    phase: str = "Running",
    conditions: Iterable[Object] | None = None,
    cluster: str = NAME,
    **meta: Any,
) -> Object:
    """A Machine; its name tells what it is of: ``-etcd-``, ``-md-0-`` or the control plane."""
    labels: dict[str, str] = {f"{CORE}/control-plane": ""}
    owner = ("KubeadmControlPlane", cluster)
    if "-etcd-" in name:
        labels, owner = {f"{CORE}/etcd-cluster": f"{cluster}-etcd"}, ("EtcdadmCluster", f"{cluster}-etcd")
    elif match := re.fullmatch(r"(.*-md-\d+)-.*", name):
        labels, owner = {f"{CORE}/deployment-name": match[1]}, ("MachineSet", name.rpartition("-")[0])
    spec = {"clusterName": cluster, "providerID": f"vsphere://{name}", **({"version": version} if version else {})}
    status = _status(conditions, **({"phase": phase} if phase else {}))
    if version:
        status["nodeRef"] = {"kind": "Node", "name": name}
    owners = [{"apiVersion": f"{CORE}/v1beta1", "kind": owner[0], "name": owner[1], "uid": "1"}]
    meta = {"labels": {**labels, **meta.pop("labels", {})}, "ownerReferences": owners, **meta}
    return _object(CORE, "Machine", name, spec, status, cluster, **meta)


def table(text: str) -> list[Object]:
    """The Machines that ``kubectl get machines`` shows as `text`."""
    head, *rows = text.rstrip("\n").split("\n")
    starts = [match.start() for match in re.finditer(r"\S+", head)]
    found = []
    for row in rows:
        cells = [row[at:end].strip() for at, end in zip(starts, [*starts[1:], None], strict=True)]
        name, cluster, node, provider, phase, _, version = cells
        one = machine(name, version, phase, cluster=cluster)
        one["spec"]["providerID"] = provider
        assert one["status"].get("nodeRef", {}).get("name", "") == node
        found.append(one)
    return found


def tree(text: str) -> dict[str, str]:
    """``Kind/name`` -> what ``clusterctl describe cluster`` shows as READY in `text`."""
    rows = re.findall(r"([A-Z]\w+/[\w-]+) +(True|False|Unknown)", text)
    return dict(rows)


def eksa(name: str = NAME, pause: str | None = None, workers: Mapping[str, str] | None = None, **meta: Any) -> Object:
    """A Cluster of EKS Anywhere; `workers` are groups with a Kubernetes version of their own."""
    groups = [{"name": one, "kubernetesVersion": version} for one, version in (workers or {}).items()]
    annotations = {} if pause is None else {"annotations": {"anywhere.eks.amazonaws.com/paused": pause}}
    return {
        "apiVersion": "anywhere.eks.amazonaws.com/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name, "namespace": "default", **annotations},
        "spec": {
            "kubernetesVersion": "1.23",
            "managementCluster": {"name": meta.pop("manager", name)},
            "workerNodeGroupConfigurations": groups or [{"name": "md-0"}],
        },
    }


def flux(
    kind: str = "Kustomization", name: str = "flux-system", space: str = "flux-system", suspend: Any = True
) -> Object:
    """An object of Flux; `suspend` None leaves the key out."""
    spec = {} if suspend is None else {"suspend": suspend}
    return {"kind": kind, "metadata": {"name": name, "namespace": space}, "spec": spec}


def holding(*objects: Object, serves: Iterable[str] = (*CAPI, EKSA), **api: Any) -> Api:
    """A cluster that holds these objects, whichever they are, and serves these kinds."""
    kinds = {
        ("Cluster", CORE): CAPI[0],
        ("Machine", CORE): CAPI[1],
        ("MachineDeployment", CORE): CAPI[2],
        ("KubeadmControlPlane", KCP): CAPI[3],
        ("Cluster", "anywhere.eks.amazonaws.com"): EKSA,
    }
    held: dict[str, list[Object]] = {one: [] for one in serves}
    for one in objects:
        plural = kinds[one["kind"], one["apiVersion"].partition("/")[0]]
        held.setdefault(plural, []).append(one)
    spaces = [{"metadata": {"name": one, "creationTimestamp": MADE}} for one in ("default", "kube-system", SPACE)]
    paths = {"/version": {"gitVersion": "v1.22.17"}, "/readyz?verbose": "[+]ping ok\n[+]etcd ok\nreadyz check passed\n"}
    return Api(
        objects={"namespaces": spaces, **held, **api.pop("objects", {})},
        paths={**paths, **api.pop("paths", {})},
        **{"role": "management", **api},
    )


def whole(*machines: Object, **more: Object) -> list[Object]:
    """Everything of one cluster; the document's machines where none are given, one object replaced by keyword."""
    held = {"cluster": capi(), "plane": plane(), "group": group(), "eksa": eksa(), **more}
    return [*held.values(), *(machines or table(MACHINES))]


def fleet(boot: Iterable[Object] | Api | None = (), mgmt: Iterable[Object] | Api = (), **more: Api) -> dict[str, Api]:
    """Bootstrap and management cluster with these objects in them; without a bootstrap cluster where None."""
    above = mgmt if isinstance(mgmt, Api) else holding(*mgmt)
    below = boot if isinstance(boot, Api) or boot is None else holding(*boot, role="bootstrap")
    return {**({} if below is None else {BOOT: below}), MGMT: above, **more}


# -- the workstation


def directory_key(path: str = "~") -> str:
    """The key of the read of the directory, its parameter filled in."""
    return recovery_directory.sources[0].bind({"eksa-directory": path}).key


def _written(kind: str, name: str, space: str) -> str:
    """An object as ``clusterctl move --to-directory`` writes it: JSON in one line, keys in order."""
    group_ = f"{CORE}/v1beta1" if kind in ("Cluster", "Machine") else "infrastructure.cluster.x-k8s.io/v1beta1"
    meta = {"labels": {f"{CORE}/cluster-name": NAME}, "name": name, "namespace": space}
    secret = {"password": "SECRET-OF-A-MACHINE"}
    return json.dumps({"apiVersion": group_, "kind": kind, "metadata": meta, "spec": secret}, separators=(",", ":"))


def backup(*names: str, cluster: str = NAME, space: str = SPACE, place: str | None = None) -> dict[str, str]:
    """Path -> text of a backup of a Cluster and these Machines, the document's where none are given."""
    found = {}
    names = names or tuple(one["metadata"]["name"] for one in table(MACHINES))
    kinds = [("Cluster", cluster), *(("Machine", one) for one in names), ("VSphereMachine", "x"), ("Secret", "key")]
    for kind, name in kinds:
        path = f"{place or f'{cluster}-backup'}/{kind}_{space}_{name}.yaml"
        found[path] = _written(kind, name, space) + "\n"
    return found


def directory(
    files: Mapping[str, str | None], written: str = "2023-04-15T16:00:00Z", path: str = "~", shell: str = "/bin/sh"
) -> str:
    """What the read prints of a home directory with these files; None as a text makes a directory.

    The home is called ``/home/ops`` in it.
    """
    moment = datetime.fromisoformat(written).astimezone(UTC).timestamp()
    with tempfile.TemporaryDirectory() as place:
        home = Path(place, "home")
        home.mkdir()
        for name, text in files.items():
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if text is None:
                target.mkdir(exist_ok=True)
                continue
            target.write_text(text, encoding="utf-8")
            os.utime(target, (moment, moment))
        env = {"HOME": str(home), "LC_ALL": "C", "PATH": os.environ["PATH"]}
        line = recovery_directory.sources[0].bind({"eksa-directory": path}).line
        done = subprocess.run(
            [*shell.split(), "-c", line], env=env, capture_output=True, text=True, check=False, cwd="/"
        )
        assert (done.returncode, done.stderr) == (0, ""), done
        assert "SECRET" not in done.stdout
        return done.stdout.replace(str(home), "/home/ops")


def station(
    *containers: str,
    files: Mapping[str, str | None] | None = None,
    engine: str = "docker",
    processes: Iterable[int] = (),
    said: str | None = None,
    home: str | None = None,
    broken: Mapping[Any, str] | None = None,
    path: str = "~",
    **read: Any,
) -> Machine:
    """The workstation: containers as ``NAME|STATUS|CREATED``, and the files below its home.

    :param said: what the engine's read prints, instead of `containers`.
    :param home: what the directory's read prints, instead of `files`.
    """
    lines = [f"engine {engine}", *(f"process {one}" for one in processes)]
    lines += [f"container|{one}" for one in containers]
    lines += [] if engine == "none" else ["done"]
    key = directory_key(path)
    told = directory(files or {}, **read) if home is None else home
    says = {recovery_containers: "\n".join(lines) + "\n" if said is None else said, key: told}
    return Machine(
        roles=("workstation",),
        says=says,
        broken={key if k is recovery_directory else k: v for k, v in (broken or {}).items()},
    )


def pasted(remedy: str, place: Path, *, fails: str = "nothing", **environment: str) -> list[str]:
    """What a remedy runs when it is pasted into a shell, in which every program but `fails` (a word of it) succeeds."""
    log = place / "ran"
    log.write_text("")
    programs = place / "bin"
    programs.mkdir(exist_ok=True)
    for name in ("docker", "kubectl", "eksctl", "flux", "mkdir"):
        program = programs / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{log}\ncase "$*" in *{fails}*) exit 1;; esac\n')
        program.chmod(0o755)
    env = {"PATH": str(programs), "HOME": str(place), **environment}
    subprocess.run(["/bin/bash"], input=remedy + "\n", env=env, text=True, capture_output=True, check=False, cwd=place)
    return log.read_text().splitlines()
