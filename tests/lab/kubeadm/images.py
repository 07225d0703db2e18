"""Container images without a registry: a docker archive with one layer, as `ctr images import` takes it."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


def write_archive(
    target: Path,
    reference: str,
    programs: Mapping[str, Path],
    *,
    links: Mapping[str, str] | None = None,
    entrypoint: Sequence[str] = (),
) -> None:
    """Write the image `reference` to `target`: these programs by their path in it, symbolic links, and nothing else.

    No shell unless it is among the programs. The same content gives the same image, byte for byte.
    """
    layer_file = target.with_suffix(".layer")
    try:
        with tarfile.open(layer_file, "w") as layer:
            _fill(layer, programs, links or {})
        with layer_file.open("rb") as content:
            layer_id = hashlib.file_digest(content, "sha256").hexdigest()
        configuration = {
            "architecture": _MACHINES.get(platform.machine(), platform.machine()),
            "os": "linux",
            "created": "1970-01-01T00:00:00Z",
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "WorkingDir": "/",
                **({"Entrypoint": list(entrypoint)} if entrypoint else {}),
            },
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_id}"]},
            "history": [{"created_by": "tests.lab.kubeadm"}],
        }
        text = json.dumps(configuration).encode()
        name = f"{hashlib.sha256(text).hexdigest()}.json"
        manifest = [{"Config": name, "RepoTags": [reference], "Layers": [f"{layer_id}/layer.tar"]}]
        with tarfile.open(target, "w") as archive:
            _add(archive, name, io.BytesIO(text), len(text))
            with layer_file.open("rb") as content:
                _add(archive, f"{layer_id}/layer.tar", content, layer_file.stat().st_size)
            listed = json.dumps(manifest).encode()
            _add(archive, "manifest.json", io.BytesIO(listed), len(listed))
    finally:
        layer_file.unlink(missing_ok=True)


def _fill(layer: tarfile.TarFile, programs: Mapping[str, Path], links: Mapping[str, str]) -> None:
    directories = {str(parent).lstrip("/") for path in (*programs, *links) for parent in Path(path).parents}
    for name in sorted((directories | {"etc", "tmp"}) - {"", "."}):
        entry = tarfile.TarInfo(name)
        entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
        layer.addfile(entry)
    for path, program in programs.items():
        with program.open("rb") as content:
            _add(layer, path.lstrip("/"), content, program.stat().st_size, 0o755)
    for path, to in links.items():
        entry = tarfile.TarInfo(path.lstrip("/"))
        entry.type, entry.linkname = tarfile.SYMTYPE, to
        layer.addfile(entry)


def _add(archive: tarfile.TarFile, name: str, content: BinaryIO, size: int, mode: int = 0o644) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, mode
    archive.addfile(entry, content)
