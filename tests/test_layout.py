"""The shape of the house: directions of imports, sizes of rooms, names of packages."""

from __future__ import annotations

import ast
from pathlib import Path
from statistics import median

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("schemas", "rules", "pipeline")

# Stages from the core outwards. A module may import its own stage and those before it.
STAGES = (
    ("version", "columns", "outcome", "limits", "errors", "taipei"),
    ("merge.state_items",),
    ("kernels", "references", "parse.decode", "parse.tokens", "parse.recognise"),
    ("parse.rows", "parse.transcript", "parse.builder", "parse.diagnose"),
    ("parse.join", "parse.fast", "parse.careful", "parse.parse", "parse.arrow", "parse.places"),
    ("validate", "core", "register"),
    ("merge.keys", "merge.state", "merge.changes"),
    ("merge.visit_items", "merge.recall"),
    ("merge.merge",),
    ("merge.remember", "merge.ledger", "merge.candidates"),
    ("merge.duty", "merge.state_findings"),
    ("merge.decisions",),
)
STAGE = {name: number for number, stage in enumerate(STAGES) for name in stage}
ROOMS = {f"pipeline.{name.split('.')[0]}" for name in STAGE if "." in name}
PURE = {name.split(".")[0] for name in STAGE} - {"kernels", "version"} | {"comparison"}
ALLOWED = {"pathlib", "pathlib.PurePath"}  # names of paths, not files
IMPURE = {
    "os",
    "socket",
    "pathlib",
    "time",
    "random",
    "subprocess",
    "tempfile",
    "shutil",
    "secrets",
}


def modules(package: str) -> list[Path]:
    return sorted((ROOT / package).rglob("*.py"))


def imports(path: Path) -> set[str]:
    """Dotted names a file imports, at any depth."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def top(name: str) -> str:
    return name.split(".")[0]


@pytest.mark.parametrize(
    ("package", "never"),
    [("schemas", {"rules", "pipeline"}), ("rules", {"pipeline"}), ("pipeline", set())],
)
def test_packages_import_one_way(package: str, never: set[str]) -> None:
    never = never | {"tests", "bench", "ops"}
    for path in modules(package):
        wrong = {name for name in imports(path) if top(name) in never}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def stage_of(name: str) -> int | None:
    """The stage of a module of the package, given its dotted name or one of something in it."""
    parts = name.split(".")[1:]
    return STAGE.get(".".join(parts[:2]), STAGE.get(parts[0]))


def test_stages_import_one_way() -> None:
    for path in modules("pipeline"):
        name = ".".join(path.relative_to(ROOT).with_suffix("").parts)
        stage = stage_of(name)
        if stage is None:
            in_room = ".".join(name.split(".")[:2]) in ROOMS
            assert not in_room or path.name == "__init__.py", f"{name} has no stage"
            continue
        for other in imports(path):
            if other.startswith("pipeline.") and other not in ROOMS:
                before = stage_of(other)
                assert before is not None, f"{name} imports an edge: {other}"
                assert before <= stage, f"{name} imports a later stage: {other}"


def test_pure_stages_touch_nothing_outside() -> None:
    for path in modules("pipeline"):
        relative = path.relative_to(ROOT / "pipeline")
        if relative.parts[0].removesuffix(".py") in PURE:
            wrong = {name for name in imports(path) if top(name) in IMPURE} - ALLOWED
            assert not wrong, f"{relative} is pure but imports {wrong}"


@pytest.mark.parametrize(
    ("room", "never"),
    [
        ("accounts", {"web", "desk", "intake", "cli"}),
        ("intake", {"web", "desk", "accounts", "cli"}),
        ("desk", {"web", "cli"}),
        ("web", {"cli"}),
    ],
)
def test_rooms_of_the_service_import_one_way(room: str, never: set[str]) -> None:
    outside = tuple(f"pipeline.{name}" for name in never)
    for path in modules(f"pipeline/{room}"):
        wrong = {name for name in imports(path) if name.startswith(outside)}
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize(
    ("library", "rooms"),
    [
        ("numba", ("pipeline/kernels",)),
        ("yaml", ("rules",)),
        ("lxml", ("pipeline/parse/careful.py",)),
        ("deltalake", ("pipeline/store",)),
        ("lmdb", ("pipeline/store",)),
        ("obstore", ("pipeline/store/s3.py",)),
        ("click", ("pipeline/cli",)),
        ("fastapi", ("pipeline/web",)),
        ("starlette", ("pipeline/web",)),
        ("uvicorn", ("pipeline/web",)),
        ("limits", ("pipeline/web/rates.py", "pipeline/accounts/attempts.py")),
        ("sqlalchemy", ("pipeline/accounts",)),
        ("argon2", ("pipeline/accounts/passwords.py",)),
        ("zxcvbn", ("pipeline/accounts/passwords.py",)),
        ("opentelemetry", ("pipeline/spans.py",)),
        ("prometheus_client", ("pipeline/report/precheck/metrics.py", "pipeline/metrics.py")),
    ],
)
def test_libraries_have_one_room(library: str, rooms: tuple[str, ...]) -> None:
    for package in PACKAGES:
        for path in modules(package):
            if library in {top(name) for name in imports(path)}:
                relative = path.relative_to(ROOT).as_posix()
                assert relative.startswith(rooms), f"{relative} imports {library}"


def test_files_fit_in_the_head() -> None:
    sizes = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for package in (*PACKAGES, "bench", "tests")
        for path in modules(package)
    }
    assert {name: n for name, n in sizes.items() if n > 400} == {}
    assert median(n for name, n in sizes.items() if n > 5) < 150


def test_functions_fit_on_a_screen() -> None:
    long = []
    for package in PACKAGES:
        for path in modules(package):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                    lines = node.end_lineno - node.lineno + 1
                    if lines > 60:
                        long.append(f"{path.relative_to(ROOT)}:{node.name} {lines}")
    assert long == []


def test_public_things_are_explained() -> None:
    bare = []
    for package in PACKAGES:
        for path in modules(package):
            tree = ast.parse(path.read_text(encoding="utf-8"))
            if not ast.get_docstring(tree):
                bare.append(str(path.relative_to(ROOT)))
            for node in tree.body:
                public = isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_"
                if public and not ast.get_docstring(node):
                    bare.append(f"{path.relative_to(ROOT)}:{node.name}")
    assert bare == []
