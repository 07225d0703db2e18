"""Pods as a kubelet would start them, one container each: volumes, service account, environment, command and arguments."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.deploy.containers import Image
from tests.lab.controlplane import ControlPlane

__all__ = ["run_job", "service_account"]

Object = dict[str, Any]

#: Its usual path: /var/run is a link to /run.
ACCOUNT = "/run/secrets/kubernetes.io/serviceaccount"


def run_job(
    job: Object, objects: Iterable[Object], image: Image, plane: ControlPlane, place: Path
) -> subprocess.CompletedProcess[str]:
    """Run the pod of a Job to its end.

    :param objects: where its ConfigMaps are.
    :param place: for its volumes; what lies in an empty directory at first is there under its name.
    """
    pod = job["spec"]["template"]["spec"]
    container = pod["containers"][0]
    security = {**pod["securityContext"], **container["securityContext"]}
    made = {one["name"]: _volume(one, list(objects), place / one["name"]) for one in pod["volumes"]}
    mounts = {one["mountPath"]: made[one["name"]] for one in container["volumeMounts"]}
    read_only = {one["mountPath"] for one in container["volumeMounts"] if one.get("readOnly")}
    account, env = service_account(plane, job["metadata"]["namespace"], pod["serviceAccountName"], place / "account")
    env |= {one["name"]: one["value"] for one in container.get("env", [])}
    assert security["readOnlyRootFilesystem"]  # else it would be told to be writable here
    return image.run(
        *container.get("args", []),
        entrypoint=container.get("command"),
        env=env,
        user=f"{security['runAsUser']}:{security.get('runAsGroup', 0)}",
        volumes={**mounts, ACCOUNT: account},
        read_only={*read_only, ACCOUNT},
    )


def service_account(plane: ControlPlane, namespace: str, name: str, place: Path) -> tuple[Path, dict[str, str]]:
    """What every pod of a service account gets: the directory with a real token, and where the API server is."""
    place.mkdir(parents=True)
    files = {
        "token": plane.service_account(namespace, name),
        "ca.crt": plane.ca_file.read_text(),
        "namespace": namespace,
    }
    _as_kubelets_do({key: text for key, text in files.items()}, place)
    server = urlsplit(plane.url)
    return place, {"KUBERNETES_SERVICE_HOST": str(server.hostname), "KUBERNETES_SERVICE_PORT": str(server.port)}


def _volume(volume: Object, objects: list[Object], place: Path) -> Path | None:
    place.mkdir(parents=True)
    if "emptyDir" in volume:
        place.chmod(0o777)
        return place
    wanted = volume["configMap"]
    found = next(one for one in objects if one["kind"] == "ConfigMap" and one["metadata"]["name"] == wanted["name"])
    items = wanted.get("items") or [{"key": key, "path": key} for key in found["data"]]
    _as_kubelets_do({one["path"]: found["data"][one["key"]] for one in items}, place)
    return place


def _as_kubelets_do(files: Mapping[str, str], place: Path) -> None:
    """Files behind links to a directory with a date, which a kubelet changes all at once (its AtomicWriter)."""
    dated = "..2026_01_02_03_04_05.678901234"
    for path, text in files.items():
        file = place / dated / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        first = path.partition("/")[0]
        if not (place / first).is_symlink():
            (place / first).symlink_to(f"..data/{first}")
    (place / "..data").symlink_to(dated)
    for one in (place, *place.rglob("*")):
        if not one.is_symlink():
            one.chmod(0o755 if one.is_dir() else 0o644)
