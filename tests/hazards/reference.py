"""The hazard reference, ``docs/hazards.md``: made from the declarations of the checks and from the tests that prove them.

``python -m tests.hazards.reference`` writes it anew; a test says when that was forgotten.
"""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from conformance.facts.declare import Every, Fact
from conformance.facts.resolve import needs_of
from conformance.hazards import BEFORE, Hazard
from conformance.packs import Check, load_checks, scope_of
from conformance.select import checks_by_hazard
from tests.hazards.evaluating import library, shipped
from tests.hazards.proofs import KINDS, PROVEN

#: What the first word of an id stands for.
_FAMILIES: Final = {
    "abm": "Anthos clusters on bare metal",
    "eksa": "EKS Anywhere",
    "k8s": "Kubernetes",
    "ocp": "OpenShift",
    "os": "Linux",
    "vks": "vSphere Supervisor",
}

__all__ = ["PATH", "import_proofs", "real_tests", "reference"]

ROOT: Final = Path(__file__).parents[2]
PATH: Final = ROOT / "docs" / "hazards.md"

_HEAD: Final = """\
# Every hazard

<!-- Made by `python -m tests.hazards.reference` from the checks and their tests; do not edit. -->

What each profile looks for, where it is documented, what is read to decide it, and how that was proven. `pytest
--list-hazards` prints the same list without the proofs; `--plan` the commands and requests of a run, word for word.

**Proven by** counts the tests of four kinds that every hazard must have: it is found where it is *present*, it is not where
it is *absent* (the nearest harmless neighbours included), it is said to be *not applicable* outside its versions or its
kind of subject, and *unknown* where what decides it cannot be read. **Made real** names the tests that bring about the
condition itself - on a machine with its own sshd, or in a real API server - and run the suite against it.

"""


def import_proofs() -> None:
    """Import every module of proofs, which fills `PROVEN`."""
    for module in sorted(Path(__file__).parent.glob("test_*.py")):
        if module.stem not in ("test_complete", "test_reference"):
            importlib.import_module(f"tests.hazards.{module.stem}")


def real_tests() -> dict[str, list[str]]:
    """Hazard -> the tests marked `real` for it, as path::name."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text(encoding="utf-8")
        if "mark.real(" not in text:
            continue
        body = ast.parse(text).body
        for name, hazards in _marked(body, _constants(body)):
            for one in hazards:
                found.setdefault(one, []).append(f"{path.relative_to(ROOT)}::{name}")
    return found


def _constants(body: Iterable[ast.stmt]) -> dict[str, ast.expr]:
    """The names that a module gives to values at its top."""
    found = {}
    for node in body:
        for target in node.targets if isinstance(node, ast.Assign) else ():
            names, values = [target], [node.value]
            if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                names, values = target.elts, node.value.elts
            found.update({one.id: value for one, value in zip(names, values, strict=True) if isinstance(one, ast.Name)})
    return found


def _marked(
    body: Iterable[ast.stmt], constants: Mapping[str, ast.expr], prefix: str = ""
) -> Iterator[tuple[str, list[str]]]:
    for node in body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef):
            for mark in node.decorator_list:
                if isinstance(mark, ast.Call) and ast.unparse(mark.func) == "pytest.mark.real":
                    yield f"{prefix}{node.name}", list(_values(mark.args, constants))
        if isinstance(node, ast.ClassDef):
            yield from _marked(node.body, constants, f"{node.name}::")


def _values(args: Iterable[ast.expr], constants: Mapping[str, ast.expr]) -> Iterator[str]:
    for one in args:
        if isinstance(one, ast.Starred):
            held = constants[one.value.id] if isinstance(one.value, ast.Name) else one.value
            yield from _values(held.elts if isinstance(held, ast.Tuple | ast.List) else [held], constants)
        else:
            yield str(ast.literal_eval(constants.get(one.id, one) if isinstance(one, ast.Name) else one))


def reference() -> str:
    """The text of the reference."""
    import_proofs()
    real = real_tests()
    table = checks_by_hazard(check for pack in library().packs for check in load_checks(pack))
    profiles = {one.name: one.hazards for one in shipped()}
    platforms: dict[str, list[str]] = {}
    for name in sorted(table):
        platforms.setdefault(_FAMILIES[name.partition("-")[0]], []).append(name)
    parts = [_HEAD]
    for platform in sorted(platforms):
        parts.append(f"## {platform}\n\n")
        parts.append("| hazard | severity | looked for on | upgrades |\n| --- | --- | --- | --- |\n")
        for name in platforms[platform]:
            one = table[name][1]
            parts.append(f"| [{name}](#{name}) | {one.severity} | {', '.join(one.on)} | {_versions(one)} |\n")
        parts.append("\n")
        for name in platforms[platform]:
            check, one = table[name]
            named = [profile for profile, hazards in profiles.items() if name in hazards]
            parts.append(_entry(check, one, named, real.get(name, [])))
    return "".join(parts).rstrip("\n") + "\n"


def _versions(one: Hazard) -> str:
    said = [f"{word} {spec}" for word, spec in (("from", one.upgrade_from), ("to", one.upgrade_to)) if spec]
    return _cell(", ".join(said) or "any")


def _profiles(names: list[str]) -> str:
    """The profiles that name a hazard; those of one family in short: ``anthos-bare-metal-1.6 to -1.11``."""
    families: dict[str, list[str]] = {}
    for name in names:
        family, _, version = name.rpartition("-")
        families.setdefault(family if version[:1].isdigit() else name, []).append(name)
    said = [held[0] if len(held) == 1 else f"{held[0]} to -{held[-1].rpartition('-')[2]}" for held in families.values()]
    return ", ".join(said)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _entry(check: Check, one: Hazard, profiles: list[str], real: list[str]) -> str:
    lines = [f"### {one.id}\n", f"{one.title[0].upper()}{one.title[1:]}.\n"]
    rows = [
        f"{one.severity}, looked for on {', '.join(one.on)}",
        f"Upgrades: {_versions(one)}" + (f"; fixed in {one.fixed}" if one.fixed else ""),
    ]
    if one.situations != (BEFORE,):
        rows.append(f"Situation: {', '.join(one.situations)}")
    rows += [f"Parameter `{name}`: {p.help}; default `{p.default}`" for name, p in one.parameters.items()]
    rows.append(f"Profiles: {_profiles(profiles)}")
    rows.append(f"Source: {one.source}")
    lines.append("\n".join(f"- {row}" for row in rows) + "\n")
    lines.append("Read:\n")
    lines.append("\n".join(f"- {row}" for row in _reads(check)) + "\n")
    lines.append(f"Way out: {' '.join(one.remedy.split())}\n")
    proofs = ", ".join(f"{len(PROVEN.get((one.id, kind), ()))} {kind}" for kind in KINDS)
    lines.append(f"Proven by: {proofs}.\n")
    if real:
        lines.append("Made real:\n")
        lines.append("\n".join(f"- `{test}`" for test in real) + "\n")
    return "\n".join(lines) + "\n"


def _reads(check: Check) -> list[str]:
    rows: dict[str, None] = {}
    for fact, key in sources_of(needs_of(check.function), check.scope):
        if "\n" in key or len(key) > 160:
            rows.setdefault(f"`{fact.name}`, a script ({fact.kind}): {fact.doc.splitlines()[0]}")
        else:
            rows.setdefault(f"`` {key} `` ({fact.kind})")
    return list(rows) or ["nothing: versions alone decide"]


def sources_of(names: Iterable[str], scope: Mapping[str, Any], seen: set[int] | None = None) -> Iterator[Any]:
    """Every read behind the names that a check asks for: the fact that declares it, and its key."""
    seen = set() if seen is None else seen
    for name in names:
        fact = scope.get(name)
        if not isinstance(fact, Fact) or id(fact) in seen:
            continue
        seen.add(id(fact))
        for source in fact.sources:
            if isinstance(source, Every):
                yield from sources_of([source.fact.name], {source.fact.name: source.fact}, seen)
            else:
                yield fact, source.key
        yield from sources_of(fact.needs, scope_of(fact.module), seen)


def main() -> None:
    """Write the reference."""
    PATH.write_text(reference(), encoding="utf-8")


if __name__ == "__main__":
    # The proofs register themselves under this name, not under __main__.
    importlib.import_module("tests.hazards.reference").main()
