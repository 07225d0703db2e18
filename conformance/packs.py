"""Packs: directories that hold checks, facts and profiles - the suite's own, installed ones, and anybody's beside a profile.

A pack's modules are imported below one package name, so that they can use relative imports wherever they lie:
``from .facts import …`` works from a checkout, from a wheel and from a directory that nobody installed.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.util
import re
import sys
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest

from conformance.facts import SHARED
from conformance.facts.declare import BUILT_IN, Fact
from conformance.hazards import Hazard, hazards_of

__all__ = ["Check", "InvalidPack", "Pack", "builtin_pack", "installed_packs", "load_checks", "pack_beside"]

#: Entry points of this group name a package whose directory is a pack.
ENTRY_POINTS: Final = "conformance.packs"
_BUILTIN: Final = "conformance.checks"
_ID: Final = re.compile(r"""["']([a-z0-9]+(?:-[a-z0-9]+)+)["']""")
_HERE: Final = Path(__file__).resolve().parent


class InvalidPack(ValueError):
    """A pack cannot be loaded; a usage error that names the file."""


@dataclass(frozen=True, slots=True)
class Check:
    """A check function with the hazards that it decides and the facts that it can see."""

    name: str
    function: Callable[..., Any]
    hazards: tuple[Hazard, ...]
    path: Path
    #: The facts and plain pytest fixtures that it can name.
    scope: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Pack:
    """Where one pack's checks and profiles are."""

    name: str
    #: The import name below which its modules are loaded.
    package: str
    checks: Path
    profiles: tuple[Path, ...]
    #: Whether the folders of `checks` hold checks too; not so beside a profile, which may lie anywhere.
    deep: bool = True

    def modules(self) -> Iterator[Path]:
        """The files that hold checks, in a fixed order."""
        files = self.checks.rglob("check_*.py") if self.deep else self.checks.glob("check_*.py")
        for path in sorted(files):
            # Hidden below the pack, that is: the pack itself may well lie in somebody's ~/.local or .venv.
            if not any(part.startswith(".") for part in path.relative_to(self.checks).parts):
                yield path

    def profile_files(self) -> Iterator[Path]:
        """The profile files of the pack, in a fixed order."""
        for directory in self.profiles:
            yield from sorted(directory.glob("*.yaml"))


def builtin_pack() -> Pack:
    """The suite's own checks and profiles: inside the package when installed, beside it in a checkout."""
    inside = _HERE / "checks"
    root = _HERE if inside.is_dir() else _HERE.parent
    return Pack("conformance", _BUILTIN, root / "checks", (root / "profiles",))


def pack_beside(profile: Path) -> Pack:
    """The pack in the directory of a profile file (or above it, where the file lies in ``profiles/``).

    Its checks are those in the folder ``checks``; without one, those right in the directory.
    """
    directory = profile.resolve().parent
    root = directory.parent if directory.name == "profiles" else directory
    deep = (root / "checks").is_dir()
    checks = root / "checks" if deep else root
    digest = hashlib.sha256(str(checks).encode("utf-8", "surrogateescape")).hexdigest()[:8]
    word = re.sub(r"\W", "_", root.name)
    return Pack(root.name, f"conformance_pack_{word}_{digest}", checks, (directory,), deep=deep)


def installed_packs() -> Iterator[Pack]:
    """The packs of installed distributions, found by the entry point group ``conformance.packs``.

    :raises InvalidPack: an entry point names no package that can be found.
    """
    for point in sorted(metadata.entry_points(group=ENTRY_POINTS), key=lambda one: one.name):
        try:
            spec = importlib.util.find_spec(point.value)
        except (ImportError, ValueError) as error:
            msg = f"installed pack {point.name!r}: package {point.value!r} cannot be imported: {error}"
            raise InvalidPack(msg) from None
        places = list(spec.submodule_search_locations or []) if spec else []
        if not places:
            msg = f"installed pack {point.name!r}: {point.value!r} is not a package with checks in it"
            raise InvalidPack(msg)
        root = Path(places[0])
        yield Pack(point.name, point.value, root, tuple(p for p in (root, root / "profiles") if p.is_dir()))


def _package(pack: Pack) -> None:
    """Make the pack's package importable below its name, with pytest's rewritten assertions."""
    if pack.package not in sys.modules:
        pytest.register_assert_rewrite(pack.package)
    if pack.package not in sys.modules and not _importable(pack.package):
        package = types.ModuleType(pack.package)
        package.__path__ = [str(pack.checks)]
        package.__doc__ = f"The checks of {pack.name}."
        sys.modules[pack.package] = package


def _importable(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False


def _import(pack: Pack, path: Path) -> ModuleType:
    parts = path.relative_to(pack.checks).with_suffix("").parts
    bad = [part for part in parts if not part.isidentifier()]
    if bad:
        msg = f"{path}: {bad[0]!r} cannot be a Python module name: use letters, digits and underscores"
        raise InvalidPack(msg)
    try:
        return importlib.import_module(".".join((pack.package, *parts)))
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # also sys.exit() and pytest.skip() at a module's top
        msg = f"{path}: cannot be imported: {type(error).__name__}: {error}"
        raise InvalidPack(msg) from error


def load_checks(pack: Pack, wanted: Collection[str] | None = None) -> list[Check]:
    """All checks of a pack; with `wanted`, of the suite's own pack only modules that name one of these hazards.

    Each run would otherwise import the checks of all platforms.

    :raises InvalidPack: a module cannot be imported, or a check is declared in a way that cannot work.
    """
    _package(pack)
    checks = []
    for path in pack.modules():
        if wanted is not None and pack.package == _BUILTIN and _words(path).isdisjoint(wanted):
            continue
        module = _import(pack, path)
        scope = scope_of(module.__name__)
        for name, function in vars(module).items():
            declared = hazards_of(function)
            if not declared:
                if name.startswith("check_") and isinstance(function, types.FunctionType):
                    msg = f"{path}: {name} has no @hazard: declare the hazard that it decides"
                    raise InvalidPack(msg)
                continue
            if function.__module__ != module.__name__:
                continue
            if len({one.scope for one in declared}) > 1:
                msg = f"{path}: the hazards of {name} look at different subjects; write a check for each"
                raise InvalidPack(msg)
            checks.append(Check(name, function, declared, path, scope))
    return checks


@functools.cache
def _words(path: Path) -> frozenset[str]:
    """What may be an id of a hazard in a module of ours, where ids are written out as they are declared."""
    return frozenset(_ID.findall(path.read_text(encoding="utf-8")))


@functools.cache
def scope_of(module: str) -> Mapping[str, Any]:
    """The facts and plain pytest fixtures that a check or fact in a module can name; the nearest wins.

    The facts that every platform shares, those of the ``facts`` and ``facts_…`` modules of the module's folder and of the folders
    above it within the pack, and what the module itself holds or imported.
    """
    scope: dict[str, Any] = dict(SHARED)
    parts = module.split(".")
    for end in range(1, len(parts)):
        parent = ".".join(parts[:end])
        for name in _fact_modules(parent) if parent != "conformance" else ():
            if name != module:
                scope.update(_declared_in(_imported(name)))
    scope.update(_declared_in(sys.modules[module]))
    return scope


def _imported(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except Exception as error:
        msg = f"{name}: cannot be imported: {type(error).__name__}: {error}"
        raise InvalidPack(msg) from error


@functools.cache
def _fact_modules(package: str) -> tuple[str, ...]:
    """The modules ``facts`` and ``facts_…`` of a package, in alphabetical order."""
    places = getattr(sys.modules.get(package), "__path__", ())
    stems = {one.stem for place in places for one in Path(place).glob("facts*.py")}
    return tuple(f"{package}.{stem}" for stem in sorted(stems) if stem == "facts" or stem.startswith("facts_"))


def _declared_in(module: ModuleType) -> dict[str, Any]:
    held = {}
    for name, value in vars(module).items():
        if isinstance(value, Fact):
            if value.name in BUILT_IN:
                msg = f"{module.__file__}: a fact cannot be called {value.name!r}: that name is taken"
                raise InvalidPack(msg)
            held[value.name] = value
        elif type(value).__name__ == "FixtureFunctionDefinition":
            held[getattr(value, "name", None) or name] = value
    return held
