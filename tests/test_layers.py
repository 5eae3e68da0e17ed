"""The rules of the source tree: who may import whom, and how long things may get."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("seamount", "compiler", "frontends", "backends", "models")
NOT_PACKED = "benchmarks"
"""Development code beside the packages: it sees all of them, none of them sees it."""
FILES = sorted(path for folder in (*FOLDERS, NOT_PACKED) for path in (ROOT / folder).rglob("*.py"))

LAYERS = (
    "errors", "version", "visible", "rename", "places", "files", "arrays", "codes", "measures", "plugins", "windows",
    "ir", "analysis", "quantization", "passes", "program", "target", "execution", "manifest", "artifact", "kept_run",
    "placement", "diff", "energy", "pipelines", "ranges", "report", "driver",
)  # fmt: skip
"""Folders and modules of compiler/, each of which imports only itself and what stands to its left."""

PUBLIC = ("progress", "results", "tuning", "workflows", "cli")
"""Folders of seamount/, each of which imports only itself and what stands to its left; workflows see all packages."""

OUTSIDE = {
    "frontends": {"errors", "version", "places", "files", "arrays", "codes", "plugins", "windows", "ir"},
    "backends": {
        "errors",
        "version",
        "places",
        "files",
        "arrays",
        "codes",
        "plugins",
        "windows",
        "program",
        "target",
        "artifact",
        "execution",
        "energy",
    },
    "models": {"errors", "version", "files", "arrays"},
}
"""Layers of compiler/ that the three folders beside it see, beside their own modules."""

NEIGHBOURS = {"frontends": set(), "backends": set(), "models": {"frontends"}, "compiler": set()}
"""Other folders they see: training scripts save their model. seamount/ sees all, none of them sees it."""

LIBRARIES = {
    "benchmarks": {"benchmarks", "numpy", "torch", "norse", "snntorch", "spikingjelly", "matplotlib"},
    "benchmarks/nengo_host.py": {"numpy", "nengo_loihi"},
    "compiler": {"numpy", "networkx", "msgspec"},
    "compiler/placement": {"numpy", "pymetis"},
    "compiler/report/page": {"numpy", "jinja2", "markupsafe"},
    "seamount": {"numpy", "rich", "IPython"},
    "seamount/results": {"numpy", "rich", "matplotlib", "pandas"},
    "seamount/tuning": {"numpy", "torch", "nir"},
    "seamount/workflows": {"numpy"},
    "seamount/cli": {"numpy", "typer", "rich"},
    "frontends": {
        "numpy",
        "networkx",
        "msgspec",
        "nir",
        "h5py",
        "torch",
        "norse",
        "snntorch",
        "spikingjelly",
        "sinabs",
    },
    "backends": {"numpy"},
    "backends/cpu": {"numpy", "numba", "llvmlite"},
    "backends/cuda": {"numpy", "torch", "triton"},
    "backends/lava": {"numpy", "lava", "scipy"},
    "models": {"numpy", "nir", "torch", "norse", "snntorch", "spikingjelly", "sklearn", "h5py", "rich", "tonic"},
    "models/comparison": {"numpy", "torch", "rich", "matplotlib"},
}
"""Third-party libraries per folder, the longest matching entry decides."""

HOST = (
    "seamount/__init__.py", "compiler/__init__.py", "compiler/errors.py", "compiler/version.py", "compiler/rename.py",
    "compiler/places.py", "compiler/files.py", "compiler/arrays.py", "compiler/codes.py", "compiler/windows.py",
    "compiler/program/", "compiler/execution.py",
    "backends/__init__.py", "backends/schedule.py", "backends/threads.py", "backends/simulator/", "backends/lava/",
)  # fmt: skip
"""What a Lava host imports: Python 3.10 and numpy alone; lava, and scipy that it needs, in backends/lava."""

NOT_ON_THE_HOST = ("compiler/program/lower.py", "backends/lava/run.py", "backends/lava/export.py")
"""Exceptions within those folders: the step from Graph to Program, what starts the host from outside, and what writes a
folder for it."""

PUBLIC_NAMES = ("seamount/__init__.py", "compiler/__init__.py")
"""Name what they re-export for the type checker; at run time they import it when it is asked for."""


def name_of(path: Path) -> str:
    """ "compiler/ir/graph.py", whatever the system's separator."""
    return path.relative_to(ROOT).as_posix()


def parse(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name_of(path))


def imports(path: Path) -> Iterator[tuple[str, int]]:
    """(module, line) of every import, at any depth of the file."""
    for node in ast.walk(parse(path)):
        if isinstance(node, ast.Import):
            yield from ((alias.name, node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            if node.module.count(".") < 1 and node.module == "seamount":
                yield from ((f"seamount.{alias.name}", node.lineno) for alias in node.names)
            else:
                yield node.module, node.lineno


def place_of(module: str) -> tuple[str, list[str]]:
    """("compiler", ["ir", "graph"]) of seamount.compiler.ir.graph, ("seamount", ["cli", "app"]) of seamount.cli.app."""
    _, *parts = module.split(".")
    return (parts[0], parts[1:]) if parts and parts[0] in FOLDERS else ("seamount", parts)


def forbidden(path: Path, module: str) -> str | None:
    """Why the file may not import the module of Seamount, or None."""
    folder, *own = name_of(path).removesuffix(".py").removesuffix("/__init__").split("/")
    target, rest = place_of(module)
    if folder == NOT_PACKED or name_of(path) in PUBLIC_NAMES:
        return None
    if target == "seamount":
        return _in_order(PUBLIC, own, rest) if folder == "seamount" else f"{folder} does not see seamount.{rest[0]}"
    if target != "compiler":
        allowed = target == folder or folder == "seamount" or target in NEIGHBOURS[folder]
        return None if allowed else f"{folder} does not see {target}"
    if not rest:
        return "import the module that defines the name"
    if rest[0] not in LAYERS:
        return f"'{rest[0]}' stands in no layer; enter it in LAYERS"
    if folder == "compiler":
        return _in_order(LAYERS, own, rest)
    return None if folder == "seamount" or rest[0] in OUTSIDE[folder] else f"{folder} does not see compiler.{rest[0]}"


def _in_order(layers: tuple[str, ...], own: list[str], imported: list[str]) -> str | None:
    if not own or own[0] not in layers or not imported or imported[0] not in layers:
        return f"'{'.'.join(own)}' or '{'.'.join(imported)}' stands in no layer"
    forward = layers.index(imported[0]) > layers.index(own[0])
    return f"{own[0]} comes before {imported[0]}" if forward else None


def imported_at_the_top(path: Path) -> Iterator[str]:
    """Files of Seamount that a module imports when it is imported, or for its types alone; one in a function is not."""
    waiting: list[ast.AST] = [parse(path)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "seamount":
            for module in (node.module, *(f"{node.module}.{alias.name}" for alias in node.names)):
                folder, rest = place_of(module)
                file = "/".join([folder, *rest])
                yield from (name for name in (f"{file}.py", f"{file}/__init__.py") if (ROOT / name).is_file())
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            waiting += ast.iter_child_nodes(node)


def circles(edges: dict[str, set[str]]) -> set[frozenset[str]]:
    """Groups of modules that import one another."""
    reached = {name: set(targets) for name, targets in edges.items()}
    growing = True
    while growing:
        growing = False
        for targets in reached.values():
            more = set().union(*(reached.get(name, set()) for name in targets)) - targets
            targets |= more
            growing |= bool(more)
    inside = [name for name, targets in reached.items() if name in targets]
    return {frozenset(b for b in inside if b in reached[a] and a in reached[b]) for a in inside}


_TRACING = ("concat", "functions", "over_time", "tracer")
CIRCLES = {frozenset(f"frontends/tracing/{name}.py" for name in _TRACING)}
"""Circles that are still to be cut."""


def test_no_circle() -> None:
    edges = {name_of(p): set(imported_at_the_top(p)) for p in FILES if name_of(p) not in PUBLIC_NAMES}
    assert sum(map(len, edges.values())) > 500
    assert circles(edges) - CIRCLES == set()


def test_a_circle_is_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == {frozenset("abc")}
    assert circles({"a": {"b"}, "b": set(), "d": {"d"}}) == {frozenset("d")}


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 20


def test_imports_point_one_way() -> None:
    faults = [
        f"{name_of(path)}:{line}: imports {module}: {why}"
        for path in FILES
        for module, line in imports(path)
        if module.split(".")[0] == "seamount" and (why := forbidden(path, module))
    ]
    assert faults == []


def test_the_rule_can_fail() -> None:
    graph, registry = ROOT / "compiler/ir/graph.py", ROOT / "backends/registry.py"
    assert forbidden(graph, "seamount.compiler.passes.base") == "ir comes before passes"
    assert forbidden(graph, "seamount.backends.registry") == "compiler does not see backends"
    assert forbidden(registry, "seamount.compiler.passes.base") == "backends does not see compiler.passes"
    assert forbidden(registry, "seamount.models.reference.registry") == "backends does not see models"
    assert forbidden(registry, "seamount.compiler.target.target_file") is None


def test_every_module_stands_in_a_layer() -> None:
    inside = {p.relative_to(ROOT / "compiler").parts[0] for p in FILES if ROOT / "compiler" in p.parents}
    found = {part.removesuffix(".py") for part in inside} - {"__init__", "py.typed"}
    assert found - set(LAYERS) == set()


def libraries(path: Path) -> set[str]:
    """Third-party libraries the file may import."""
    matching = [entry for entry in LIBRARIES if name_of(path).startswith(entry)]
    return LIBRARIES[max(matching, key=len)]


def test_libraries_stay_where_they_belong() -> None:
    own = {"seamount", *sys.stdlib_module_names}
    faults = [
        f"{name_of(path)}:{line}: imports {module}"
        for path in FILES
        for module, line in imports(path)
        if module.split(".")[0] not in own | libraries(path)
    ]
    assert faults == []


def on_host(path: Path) -> bool:
    return name_of(path).startswith(HOST) and name_of(path) not in NOT_ON_THE_HOST


def host_may_import(path: Path, module: str) -> bool:
    package, *rest = module.split(".")
    if package == "seamount":
        file = ROOT.joinpath(*rest) if rest and rest[0] in FOLDERS else ROOT.joinpath("seamount", *rest)
        return on_host(file / "__init__.py" if file.is_dir() else file.with_suffix(".py"))
    if package in libraries(path) - {"msgspec", "networkx"}:
        return True
    return package in sys.stdlib_module_names - {"tomllib"}


def test_the_host_needs_numpy_alone() -> None:
    faults = [
        f"{name_of(path)}:{line}: imports {module}"
        for path in filter(on_host, FILES)
        for module, line in imports(path)
        if name_of(path) not in PUBLIC_NAMES and not host_may_import(path, module)
    ]
    assert faults == []


def test_the_host_reads_python_310() -> None:
    for path in filter(on_host, FILES):
        ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 10))


def test_no_relative_imports() -> None:
    faults = [
        f"{name_of(path)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.ImportFrom) and node.level > 0
    ]
    assert faults == []


def test_no_module_over_400_lines() -> None:
    lengths = {name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {name: n for name, n in lengths.items() if n > 400} == {}


def length(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function from the first statement on: signature and docstring are reference, not logic."""
    body = node.body[1:] if ast.get_docstring(node) is not None else node.body
    return (node.end_lineno or 0) - body[0].lineno + 1 if body else 0


def test_no_function_over_40_lines() -> None:
    lengths = {
        f"{name_of(path)}:{node.lineno} {node.name}": length(node)
        for path in FILES
        for node in ast.walk(parse(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {name: n for name, n in lengths.items() if n > 40} == {}


def test_no_catch_all() -> None:
    """No `except` swallows what it does not know; one that raises again may catch everything."""
    faults = []
    for path in FILES:
        for node in ast.walk(parse(path)):
            if isinstance(node, ast.ExceptHandler):
                caught = ast.unparse(node.type) if node.type else "everything"
                raises = any(isinstance(n, ast.Raise) for n in ast.walk(node))
                if caught in ("everything", "Exception", "BaseException") and not raises:
                    faults.append(f"{name_of(path)}:{node.lineno}: catches {caught}")
    assert faults == []


@pytest.mark.parametrize("folder", FOLDERS[1:])
def test_a_bare_import_is_refused(folder: str) -> None:
    run = subprocess.run([sys.executable, "-c", f"import {folder}"], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode == 1
    assert f"this folder is imported as seamount.{folder}, not as {folder}" in run.stderr


WITHOUT_TORCH = """
import sys
for name in ("torch", "norse", "snntorch", "spikingjelly", "sinabs", "sklearn", "lava"):
    sys.modules[name] = None
import seamount.cli, seamount.frontends.nir.from_nir
import seamount.backends.registry, seamount.models.reference.registry
"""


def test_everything_starts_without_torch() -> None:
    run = subprocess.run([sys.executable, "-c", WITHOUT_TORCH], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
