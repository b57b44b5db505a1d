"""The template package: installed by pip, it is known to every command, and what it trained is read without it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "examples" / "own_task"
LINE = "task `xor` comes from distribution `grokcore-xor` 1.0, sha256 "


def run(*command: str | Path, cwd: Path, site: Path | None) -> subprocess.CompletedProcess[str]:
    """Run a command of Python's, with the packages in `site` installed."""
    paths = [str(ROOT), *([] if site is None else [str(site)])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that pip has installed the template into, as it is."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index", "--disable-pip-version-check")
    installed = run("pip", "install", *options, "--target", folder, TEMPLATE, cwd=folder, site=None)
    assert installed.returncode == 0, installed.stderr
    return folder


@pytest.fixture(scope="module")
def trained(site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the data of xor.yaml and an evaluated run."""
    folder = tmp_path_factory.mktemp("trained")
    for command in (("generate", "--out", "data"), ("train", "--data", "data", "--out", "runs/muon")):
        done = run("grokcore", command[0], TEMPLATE / "xor.yaml", *command[1:], cwd=folder, site=site)
        assert done.returncode == 0, done.stderr
    done = run("grokcore", "evaluate", "runs/muon", cwd=folder, site=site)
    assert done.returncode == 0, done.stderr
    return folder


def grokcore(*arguments: str | Path, cwd: Path, site: Path | None = None) -> str:
    done = run("grokcore", *arguments, cwd=cwd, site=site)
    assert done.returncode == 0, done.stderr
    return done.stdout


def refused(*arguments: str | Path, cwd: Path, site: Path | None = None) -> str:
    done = run("grokcore", *arguments, cwd=cwd, site=site)
    assert done.returncode == 2
    (line,) = done.stderr.strip().splitlines()
    return line


def test_its_own_tests_pass(site: Path, tmp_path: Path) -> None:
    done = run("pytest", "-q", "-p", "no:cacheprovider", TEMPLATE / "tests", cwd=tmp_path, site=site)
    assert done.returncode == 0, done.stdout


def test_the_task_groks(trained: Path, site: Path) -> None:
    found = grokcore("evaluate", "runs/muon", cwd=trained, site=site)
    assert "grokked, " in found
    assert LINE in found
    assert f'"{LINE}' in (trained / "runs" / "muon" / "manifest.json").read_text()
    assert '"distribution": "grokcore-xor"' in (trained / "data" / "dataset.json").read_text()


def test_lists_and_analyses_know_it(trained: Path, site: Path) -> None:
    assert grokcore("presets", cwd=trained, site=site).splitlines()[-2:] == [
        "task `xor` of grokcore-xor 1.0",
        "loss `squared_error` of grokcore-xor 1.0",
    ]
    grokcore("analyze", "runs/muon", "--only", "lens", "--examples", "20", cwd=trained, site=site)
    assert (trained / "runs" / "muon" / "analysis.json").is_file()


def test_a_sweep_over_its_loss_is_compared_and_says_where_it_comes_from(
    trained: Path, site: Path, tmp_path: Path
) -> None:
    (tmp_path / "sweep.yaml").write_text(
        f"name: losses\nbase: {TEMPLATE / 'xor.yaml'}\naxes:\n"
        "  - {kind: grid, field: training.loss, values: [cross_entropy, squared_error]}\n"
        "seeds: 0\n"
    )
    options = ("--out", "store", "--set", "training.max_steps=4", "--set", "task.bits=3")
    grokcore("sweep", "sweep.yaml", *options, cwd=tmp_path, site=site)
    grokcore("compare", "store", "--out", "page", cwd=tmp_path)  # without the package
    page = (tmp_path / "page" / "report.html").read_text()
    assert LINE in page
    assert "loss `squared_error` comes from distribution `grokcore-xor` 1.0" in page


def test_without_the_package_results_are_read_and_data_refused(trained: Path) -> None:
    assert "xor" in grokcore("runs", "list", "runs", cwd=trained)
    grokcore("report", "runs/muon", "--out", "report.html", cwd=trained)
    assert LINE in (trained / "report.html").read_text()
    assert "# run_id: " in grokcore("spec", "runs/muon/spec.yaml", cwd=trained)
    line = refused("generate", "runs/muon/spec.yaml", "--out", "anew", cwd=trained)
    assert "task `xor` is that of distribution `grokcore-xor` 1.0, sha256 " in line
    assert line.endswith("which is not here: install it")
    assert line == refused("analyze", "runs/muon", cwd=trained)
    unknown = refused("train", TEMPLATE / "xor.yaml", "--data", "data", "--out", "other", cwd=trained)
    assert "task.kind: 'xor' is not known; allowed are 'comparison', " in unknown


def test_a_resume_with_the_loss_missing_names_its_package(trained: Path, site: Path) -> None:
    changes = ("--set", "training.loss=squared_error", "--data", "data", "--out", "runs/squared")
    grokcore("train", TEMPLATE / "xor.yaml", *changes, "--set", "training.max_steps=2", cwd=trained, site=site)
    line = refused("train", "runs/squared/spec.yaml", "--data", "data", "--out", "runs/squared", cwd=trained)
    assert "loss `squared_error` is that of distribution `grokcore-xor` 1.0" in line
