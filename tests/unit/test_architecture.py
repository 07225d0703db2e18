"""Arrows point one way, nothing is loaded that a run does not use, and no module outgrows its reader."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE, CHECKS = ROOT / "conformance", ROOT / "checks"
MODULES = {
    ".".join(one.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): one
    for one in PACKAGE.rglob("*.py")
}


def imports(path, *, everywhere=True):
    """The modules that a file imports, whole names; at import time only, unless `everywhere`."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()

    def walk(node):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.update(alias.name for alias in child.names)
            elif isinstance(child, ast.ImportFrom):
                base = child.module or ""
                if child.level:
                    parts = path.relative_to(ROOT).parts[: -child.level]
                    base = ".".join([*parts, base]).rstrip(".")
                found.add(base)
                found.update(f"{base}.{alias.name}" for alias in child.names)
            elif isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test):
                continue
            elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and not everywhere:
                continue
            else:
                walk(child)

    walk(tree)
    return found


def ours(path, **how):
    return {one for one in imports(path, **how) if one.split(".")[0] == "conformance" and one in MODULES} - {
        "conformance"
    }


@pytest.mark.parametrize("name", sorted(MODULES))
def test_nothing_in_the_plugin_knows_a_vendor(name):
    assert not {
        one
        for one in imports(MODULES[name])
        if one.split(".")[0] in ("checks", "tests") or one.startswith("conformance.checks")
    }


BELOW = {
    "conformance.answers": set(),
    "conformance.versions": set(),
    "conformance.hazards": {"conformance.versions"},
    "conformance.documents": set(),
    "conformance.reads": {"conformance.answers", "conformance.reads"},
    "conformance.facts.values": {
        "conformance.answers",
        "conformance.facts.values",
        "conformance.reads.projection",
        "conformance.versions",
    },
    "conformance.facts.declare": {"conformance.answers", "conformance.hazards", "conformance.reads"},
    "conformance.subjects": {"conformance.change", "conformance.documents", "conformance.hazards"},
    "conformance.findings": {"conformance.hazards"},
    "conformance.snapshot": {"conformance.answers"},
}


@pytest.mark.parametrize("layer", sorted(BELOW))
def test_a_layer_stands_on_what_lies_below_it_only(layer):
    allowed = BELOW[layer]
    for name, path in MODULES.items():
        if name == layer or name.startswith(f"{layer}."):
            above = {one for one in ours(path) if not any(one == low or one.startswith(f"{low}.") for low in allowed)}
            assert not above, f"{name} imports {', '.join(sorted(above))}"


def test_modules_do_not_import_each_other_in_circles():
    edges = {name: ours(path, everywhere=False) - {name} for name, path in MODULES.items()}
    # A package's own module is loaded before those in it; that is no circle of ours.
    edges = {name: {one for one in targets if not name.startswith(f"{one}.")} for name, targets in edges.items()}
    done, under_way = set(), []

    def visit(name):
        assert name not in under_way, " -> ".join([*under_way[under_way.index(name) :], name])
        if name not in done:
            under_way.append(name)
            for one in sorted(edges[name]):
                visit(one)
            done.add(under_way.pop())

    for name in sorted(edges):
        visit(name)


@pytest.mark.parametrize("path", sorted(CHECKS.rglob("*.py")), ids=lambda path: str(path.relative_to(CHECKS)))
def test_checks_reach_nobody_themselves(path):
    roots = {one.split(".")[0] for one in imports(path)}
    assert not roots & {
        "subprocess",
        "socket",
        "paramiko",
        "kubernetes",
        "testinfra",
        "requests",
        "urllib",
        "http",
        "pytest",
        "os",
        "pathlib",
    }
    assert not any(
        one.startswith(("conformance.gather", "conformance.run", "conformance.session", "conformance.snapshot"))
        for one in imports(path)
    )


def test_a_start_that_does_not_use_the_suite_loads_nothing_of_it():
    text = "import sys, conformance.plugin; print(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    heavy = {
        "kubernetes",
        "paramiko",
        "testinfra",
        "yaml",
        "cryptography",
        "urllib3",
        "hypothesis",
        "jsonschema",
        "pytest_html",
        "concurrent.futures.thread",
    }
    assert not loaded & heavy
    assert {one for one in loaded if one.startswith("conformance.")} == {"conformance.plugin"}


def test_checks_and_profiles_are_loaded_without_what_gathers():
    text = "import sys; from conformance.profiles import Library; from conformance.packs import load_checks; [load_checks(p) for p in Library().packs]; print(*sorted(sys.modules), sep='\\n')"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert not loaded & {"kubernetes", "paramiko", "testinfra", "cryptography", "urllib3"}
    assert not [
        one for one in loaded if one.startswith(("conformance.gather", "conformance.report", "conformance.session"))
    ]


@pytest.mark.parametrize(
    "path", [*sorted(MODULES.values()), *sorted(CHECKS.rglob("*.py"))], ids=lambda path: str(path.relative_to(ROOT))
)
def test_a_module_can_be_read_at_one_sitting(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 350


def test_nothing_points_at_the_place_where_it_was_written():
    marks = ("/work" + "/", "/root" + "/")
    for folder in (PACKAGE, CHECKS, ROOT / "profiles", ROOT / "tests" / "hazards", ROOT / "tests" / "unit"):
        for path in folder.rglob("*"):
            if path.suffix in (".py", ".yaml", ".md", ".json", ".css"):
                assert not [mark for mark in marks if mark in path.read_text(encoding="utf-8")], path
