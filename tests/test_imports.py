"""Dependencies point one way, and what is light stays light."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

LAYERS = [
    {"errors", "version", "__init__"},
    {"documents", "markup", "network"},
    {"storage"},
    {"spec"},
    {"acceleration"},
    {"runs"},
    {"telemetry", "tasks", "models"},
    {"data"},
    {"evaluation"},
    {"interpret"},
    {"claims", "champions", "leaderboard", "terminal"},
    {"training", "reporting"},
    {"sweeps"},
    {"notebook", "stage"},
    {"local", "cluster", "kfp"},
    {"cli"},
    {"__main__"},
]
"""Rooms of grokcore from the ground up: each may use those below it and its neighbors in the same room only."""

RANK = {room: rank for rank, rooms in enumerate(LAYERS) for room in rooms}


def python_files(folder: str) -> list[Path]:
    files = sorted(path for path in (ROOT / folder).rglob("*.py") if "tests" not in path.relative_to(ROOT).parts)
    assert files, f"no Python file in {folder}: nothing was checked"
    return files


def imported(path: Path) -> Iterator[str]:
    """Every module that a file names in an import, those inside functions too."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide where things come from"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def imported_at_once(path: Path) -> Iterator[str]:
    """The modules that importing a file imports: not those inside its functions."""
    tree = ast.parse(path.read_text("utf-8"))
    for function in [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]:
        function.body = [ast.Pass()]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield str(node.module)


def room(path: Path) -> str:
    return path.relative_to(ROOT / "grokcore").parts[0].removesuffix(".py")


def test_rooms_use_only_those_below_them() -> None:
    wrong = []
    for path in python_files("grokcore"):
        if path.parent == ROOT / "grokcore" and path.name == "__init__.py":
            continue  # it names the stages' homes for those who type-check against it
        for module in imported(path):
            parts = module.split(".")
            if parts[0] != "grokcore" or len(parts) < 2 or parts[1] not in RANK:
                continue
            here, there = room(path), parts[1]
            if here != there and RANK[there] >= RANK[here]:
                wrong.append(f"{path.relative_to(ROOT)} imports {module}")
    assert not wrong, "\n".join(wrong)


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def dependencies() -> dict[str, set[str]]:
    """The modules of grokcore that each of them imports, inside functions and for type checking included."""
    modules = {module_of(path): path for path in python_files("grokcore")}
    found: dict[str, set[str]] = {}
    for module, path in modules.items():
        names = {name if name in modules else name.rpartition(".")[0] for name in imported(path)}
        found[module] = (names & modules.keys()) - {module}
    return found


def circles(imports: dict[str, set[str]]) -> list[str]:
    """The modules that can be reached from themselves: those without imports that remain are taken away in turn."""
    left = {module: set(names) for module, names in imports.items()}
    while leaves := {module for module, names in left.items() if not names & left.keys()}:
        left = {module: names for module, names in left.items() if module not in leaves}
    while roots := left.keys() - set().union(*left.values()):
        left = {module: names for module, names in left.items() if module not in roots}
    return sorted(left)


def test_no_modules_import_each_other() -> None:
    """Imports for types and inside functions count: a circle means that one idea lies in several files."""
    imports = dependencies()
    assert len(imports) > 200, "too few modules were found: nothing was checked"
    assert circles(imports) == []


def test_a_circle_is_found() -> None:
    imports = dependencies()
    imports["grokcore.errors"] = {"grokcore.training.train"}
    assert {"grokcore.errors", "grokcore.training.train"} <= set(circles(imports))


def test_every_room_has_a_place_in_the_order() -> None:
    rooms = {room(path) for path in python_files("grokcore")}
    assert rooms - {"presets"} <= set(RANK)


@pytest.mark.parametrize(
    ("folder", "forbidden"),
    [("grokcore", {"components", "pipelines", "ci"}), ("components", {"pipelines", "ci"}), ("pipelines", {"ci"})],
)
def test_the_house_points_one_way(folder: str, forbidden: set[str]) -> None:
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in python_files(folder)
        for module in imported(path)
        if module.split(".")[0] in forbidden
    ]
    assert not wrong, "\n".join(wrong)


def test_the_library_imports_no_kfp_and_no_kubernetes() -> None:
    """Exceptions: the local runner's own process, what talks to a cluster, when it does, and helpers of pipelines."""
    allowed = ROOT / "grokcore" / "local" / "__main__.py"
    wrong = [
        f"{path.relative_to(ROOT)} imports {module}"
        for path in python_files("grokcore")
        if room(path) != "kfp"
        for module in (imported_at_once(path) if room(path) == "cluster" else imported(path))
        if module.split(".")[0] in ("kfp", "kfp_server_api", "kubernetes") and path != allowed
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    ("statement", "heavy"),
    [
        ("import grokcore", {"torch", "transformers", "kfp", "numpy", "pydantic"}),
        ("from grokcore.cli import main; main(['presets'])", {"torch", "transformers", "kfp", "numpy"}),
        ("from grokcore.cli import main; main(['spec', 'demo'])", {"torch", "transformers", "kfp", "numpy"}),
        (
            "import grokcore.spec, grokcore.telemetry, grokcore.local",
            {"torch", "transformers", "kfp", "numpy", "prometheus_client"},
        ),
        (
            "import grokcore.telemetry.trackers.tracking, grokcore.telemetry.trackers.export, grokcore.cli.export",
            {"torch", "mlflow", "tensorboard", "numpy"},
        ),
        ("import grokcore.models; import grokcore.models.sizes", {"torch", "transformers", "kfp"}),
        ("import grokcore.data, grokcore.evaluation, grokcore.evaluation.phases", {"torch", "transformers", "kfp"}),
        ("from grokcore.storage import open_store; open_store('here')", {"torch", "numpy", "boto3", "botocore"}),
        ("from grokcore import train_seeds", {"torch", "transformers", "kfp"}),
        ("import grokcore.claims", {"torch", "transformers", "kfp", "scipy", "boto3"}),
        ("import grokcore.runs, grokcore.stage", {"torch", "transformers", "kfp", "boto3"}),
        ("import grokcore.reporting; from grokcore import build_report", {"torch", "transformers", "kfp"}),
        ("from grokcore.cli import main; main(['sweep', '--list'])", {"torch", "transformers", "kfp", "optuna"}),
        (
            "from grokcore.cli import main; main(['pipeline', 'compile']); import grokcore.cluster.kubeflow.wait",
            {"torch", "transformers", "kfp", "kfp_server_api", "kubernetes", "numpy", "urllib3"},
        ),
        ("import grokcore.cluster.trainjobs", {"torch", "transformers", "kfp", "kubernetes", "boto3", "urllib3"}),
        ("from grokcore.sweeps import run_sweep", {"torch", "transformers", "kfp", "optuna", "bokeh", "boto3"}),
    ],
)
def test_what_is_light_imports_nothing_heavy(statement: str, heavy: set[str]) -> None:
    program = f"{statement}\nimport sys\nprint('LOADED', *sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.rpartition("LOADED")[2].split())
    assert "grokcore" in loaded
    assert not loaded & heavy


def test_help_answers_without_importing_torch() -> None:
    program = "import sys; from grokcore.cli import main\ntry: main(['--help'])\nfinally: print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.stdout.startswith("usage: grokcore")
    assert done.stdout.rstrip().endswith("False")
