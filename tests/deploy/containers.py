"""A stand-in for a container engine, which does not run everywhere that tests do: it follows a Containerfile, and runs images.

The steps are carried out as they are written, with real tools on a real root file system: RUN in a chroot with a layer
over the ones below, COPY into a layer, the rest kept as the image's settings. The base image is the lab's small Debian with
Debian's Python in place of what FROM names. A container gets a mount namespace of its own, the image as its root, read-only
unless it is told otherwise, its user, its variables and its volumes; processes and network are the machine's.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shlex
import shutil
import stat
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from tests.lab import cache, rootfs
from tests.lab.tools import LabError

__all__ = ["TOP", "Image", "Step", "build", "linked", "steps_of", "wheels"]

TOP = Path(__file__).resolve().parents[2]
#: What pip is to find without a network, see `wheels`.
WHEELS = "/run/wheels"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#: From inside of a mount namespace of its own: the root directory of a container, in $root.
_MOUNT = """\
mount -t tmpfs -o mode=755 container "$work"
mkdir "$work/points" "$work/root"
root=$work/root
{points}
mount -t overlay -o "lowerdir=$work/points:{lower}{upper}" overlay "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 dev "$root/dev"
for one in null zero full random urandom; do
    : > "$root/dev/$one"
    mount --bind "/dev/$one" "$root/dev/$one"
done
ln -s /proc/self/fd "$root/dev/fd"
for one in stdin:0 stdout:1 stderr:2; do ln -s "fd/${{one#*:}}" "$root/dev/${{one%:*}}"; done
{volumes}
exec {argv}
"""


@dataclass(frozen=True)
class Step:
    """One instruction of a Containerfile."""

    word: str
    text: str


@dataclass(frozen=True)
class Image:
    """What a build made: layers, the topmost first, and how a container of it starts."""

    layers: tuple[Path, ...]
    env: Mapping[str, str] = field(default_factory=lambda: {"PATH": _PATH})
    user: str = "0:0"
    workdir: str = "/"
    entrypoint: tuple[str, ...] = ()
    #: What the layers were made of; empty once directories of the checkout are part of it.
    recipe: str = ""

    def run(
        self,
        *args: str,
        entrypoint: Sequence[str] | None = None,
        env: Mapping[str, str] | None = None,
        user: str | None = None,
        workdir: str | None = None,
        volumes: Mapping[str, Path | None] | None = None,
        read_only: Collection[str] = (),
        writable: Path | None = None,
        patience: float = 60,
    ) -> subprocess.CompletedProcess[str]:
        """Run a container to its end; what it said is one text.

        :param volumes: path in the container -> directory or file of the machine; None for an empty one in memory.
        :param read_only: paths of volumes that nobody can write to in there.
        :param writable: a directory that takes what is written to the root file system, which else is read-only.
        """
        volumes = volumes or {}
        variables = {**self.env, **(env or {})}
        words = [*(self.entrypoint if entrypoint is None else entrypoint), *args]
        inner = ["/usr/bin/env", "-i", *(f"{name}={value}" for name, value in variables.items())]
        inner += ["/bin/sh", "-c", 'cd "$0" && exec "$@"', workdir or self.workdir, *words]
        argv = f'chroot --userspec={user or self.user} --groups= "$root" {shlex.join(inner)}'
        script = _MOUNT.format(
            points="\n".join(_point(path, source) for path, source in {"/proc": None, "/dev": None, **volumes}.items()),
            lower=":".join(map(str, self.layers)),
            upper=f",upperdir={writable}/upper,workdir={writable}/work" if writable else "",
            volumes="\n".join(_volume(path, source, path in read_only) for path, source in volumes.items()),
            argv=argv,
        )
        with tempfile.TemporaryDirectory(prefix="preflight-container-") as work:
            return subprocess.run(
                ["unshare", "--mount", "--propagation=private", "/bin/sh", "-ec", script],
                env={"PATH": _PATH, "work": work},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=patience,
                check=False,
            )


def _point(path: str, source: Path | None) -> str:
    above = path.rpartition("/")[0] if source is not None and source.is_file() else path
    made = f'mkdir -p "$work/points"{shlex.quote(above)}'
    return made if above == path else f'{made}; : > "$work/points"{shlex.quote(path)}'


def _volume(path: str, source: Path | None, read_only: bool) -> str:
    at = f'"$root"{shlex.quote(path)}'
    if source is None:
        return f"mount -t tmpfs -o mode=1777 volume {at}"
    bound = f"mount --bind {shlex.quote(str(source))} {at}"
    return f"{bound}; mount -o remount,bind,ro {at}" if read_only else bound


# -- building


def steps_of(text: str) -> list[Step]:
    """The instructions of a Containerfile, continued lines joined."""
    steps = []
    lines = iter(text.splitlines())
    for line in lines:
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        while line.endswith("\\"):
            line = f"{line[:-1].rstrip()} {next(lines).strip()}"
        word, _, rest = line.partition(" ")
        steps.append(Step(word, rest.strip()))
    return steps


def wheels() -> Path:
    """A directory with all that pip needs to install the project; fetched once, by pip itself."""
    project = tomllib.loads((TOP / "pyproject.toml").read_text(encoding="utf-8"))
    wanted = [*project["project"]["dependencies"], *project["build-system"]["requires"]]
    options = ("--quiet", "--only-binary=:all:", "--python-version=3.11")

    def fetch(target: Path) -> None:
        rootfs.run(sys.executable, "-m", "pip", "download", *options, f"--dest={target}", *wanted)

    return cache.built(f"wheels-{cache.recipe_key(*wanted, *options, platform.machine())}", fetch)


def build(containerfile: Path, base: Path, directory: Path, context: Path = TOP) -> Image:
    """The image that a Containerfile makes.

    :param base: the root file system in place of what FROM names.
    :param directory: for its layers. Those below the first directory of the checkout are kept for other builds, as engines
        keep theirs.
    :raises LabError: a step failed, with what it said.
    """
    stages: dict[str, Image] = {}
    stage, image = "", Image((base,))
    for number, step in enumerate(steps_of(containerfile.read_text(encoding="utf-8"))):
        if step.word == "FROM":
            stage, image = step.text.partition(" AS ")[2], Image((base,), recipe=cache.recipe_key(step.text))
        else:
            image = _carried_out(step, image, directory / f"layer-{number}", stages, context)
        stages[stage] = image
    return image


def _carried_out(step: Step, image: Image, place: Path, stages: Mapping[str, Image], context: Path) -> Image:
    words = shlex.split(step.text)
    match step.word:
        case "ENV":
            return replace(image, env={**image.env, **dict(one.split("=", 1) for one in words)})
        case "USER":
            return replace(image, user=step.text)
        case "ENTRYPOINT":
            return replace(image, entrypoint=tuple(json.loads(step.text)))
        case "WORKDIR":
            (place / "upper" / step.text.lstrip("/")).mkdir(parents=True)
            image = replace(image, workdir=step.text)
        case "COPY":
            _copy(words, image, place, stages, context)
        case "RUN" if image.recipe:
            key = cache.recipe_key(image.recipe, step.text, *(f"{name}={value}" for name, value in image.env.items()))
            place = cache.built(f"container-layer-{key}", lambda target: _run(step, image, target))
        case "RUN":
            _run(step, image, place)
        case word:
            raise LabError(f"{word}: no such instruction is known here")
    return replace(image, recipe=_recipe(step, words, image, context), layers=(place / "upper", *image.layers))


def _recipe(step: Step, words: Sequence[str], image: Image, context: Path) -> str:
    files = [context / one for one in words[:-1]] if step.word == "COPY" else []
    if not image.recipe or not all(one.is_file() for one in files):
        return ""
    digests = [hashlib.sha256(one.read_bytes()).hexdigest() for one in files]
    return cache.recipe_key(image.recipe, step.word, step.text, *digests)


def _copy(words: list[str], image: Image, place: Path, stages: Mapping[str, Image], context: Path) -> None:
    tops: Sequence[Path] = (context,)
    if words[0].startswith("--from="):
        tops = stages[words.pop(0).removeprefix("--from=")].layers[::-1]
    *sources, target = words
    to = place / "upper" / os.path.normpath(os.path.join(image.workdir, target)).lstrip("/")
    for source in sources:
        found = [one for top in tops if (one := top / source.lstrip("/")).exists()]
        if not found:
            raise LabError(f"COPY {source}: there is no such file")
        for one in found:
            if one.is_dir():
                shutil.copytree(
                    one,
                    to,
                    symlinks=True,
                    ignore=shutil.ignore_patterns("__pycache__") if tops == (context,) else None,
                    copy_function=linked,
                    dirs_exist_ok=True,
                )
            else:
                linked(one, to / one.name if target.endswith("/") else to)


def linked(source: Path | str, target: Path | str) -> None:
    """The same file once more: as good as a copy, since nobody writes to a layer below."""
    Path(target).unlink(missing_ok=True)
    if stat.S_ISCHR(os.lstat(source).st_mode):  # what a layer has removed
        return
    try:
        os.link(source, target)
    except OSError:
        Path(target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(source, target)


def _run(step: Step, image: Image, place: Path) -> None:
    """A shell command as root: with the machine's ways to Debian's mirror, and pip with a directory instead of an index."""
    for name in ("upper", "work"):
        (place / name).mkdir(parents=True)
    apt = place / "apt.conf"
    apt.write_text("".join(f"{one.removeprefix('--aptopt=')}\n" for one in rootfs.machine_apt_options()), "utf-8")
    volumes = {
        "/tmp": None,
        WHEELS: wheels(),
        "/etc/resolv.conf": Path("/etc/resolv.conf"),
        "/etc/apt/apt.conf.d/90machine": apt,
    }
    env = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": WHEELS, "DEBIAN_FRONTEND": "noninteractive", "HOME": "/root"}
    command = ("/bin/sh", "-c", step.text)
    done = image.run(*command, entrypoint=(), env=env, volumes=volumes, writable=place, patience=600)
    if done.returncode != 0:
        raise LabError(f"RUN {step.text}: failed with status {done.returncode}:\n{done.stdout[-3000:]}")
    shutil.rmtree(place / "work")
