"""The installed wheel works without the checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [*map(str, command)],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    built = run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    assert built.returncode == 0, built.stdout + built.stderr
    return next(out.glob("*.whl"))


@pytest.mark.packaging
@pytest.mark.extended
def test_the_wheel_has_one_package_and_its_data(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    assert {name.split("/")[0] for name in names if ".dist-info" not in name} == {"grokcore"}
    assert "grokcore/compiled/grokking_experiment.yaml" in names
    assert "grokcore/compiled/components/train_model.yaml" in names
    assert "grokcore/presets/demo.yaml" in names
    assert "grokcore/sweeps/presets/values.yaml" in names
    assert "grokcore/py.typed" in names
    assert any(name.startswith("grokcore/reporting/") and name.endswith(".j2") for name in names)
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert not any("test" in Path(name).name for name in names)


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clean environment that holds the wheel; what it depends on is lent by a path file, since it is large."""
    place = tmp_path_factory.mktemp("installed")
    environment = place / "environment"
    assert run(sys.executable, "-m", "venv", environment, cwd=place).returncode == 0
    python = environment / "bin" / "python"
    installed = run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", wheel, cwd=place)
    assert installed.returncode == 0, installed.stderr
    site = next((environment / "lib").glob("python*/site-packages"))
    # A plain directory on the path: the checkout's own editable hook (a .pth file there) is not followed.
    (site / "lent.pth").write_text(sysconfig.get_paths()["purelib"] + "\n")
    return environment


@pytest.mark.packaging
@pytest.mark.extended
def test_an_installed_wheel_runs_the_pipeline_without_the_checkout(environment: Path, tmp_path: Path) -> None:
    python = environment / "bin" / "python"
    where = run(python, "-c", "import grokcore; print(grokcore.__file__)", cwd=tmp_path)
    assert where.stdout.startswith(str(environment)), where.stderr
    presets = run(environment / "bin" / "grokcore", "presets", cwd=tmp_path)
    assert presets.returncode == 0, presets.stderr
    assert "demo" in presets.stdout
    pipelines = run(environment / "bin" / "grokcore", "pipeline", "compile", cwd=tmp_path)
    assert "  grokking_experiment  " in pipelines.stdout, pipelines.stderr
    done = run(
        environment / "bin" / "grokcore",
        "run",
        "smoke",
        "--set",
        "training.max_steps=5",
        "--out",
        "store",
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert next((tmp_path / "store").glob("runs/*/local/report.html")).stat().st_size > 100_000


@pytest.mark.packaging
@pytest.mark.extended
def test_a_pipeline_of_ones_own_compiles_and_runs_from_the_wheel_alone(environment: Path, tmp_path: Path) -> None:
    python, own = environment / "bin" / "python", tmp_path / "pipeline.py"
    own.write_text((ROOT / "examples" / "reuse" / "pipeline.py").read_text())
    compiled = run(python, own, "compile", "package.yaml", cwd=tmp_path)
    assert compiled.returncode == 0, compiled.stderr
    package, _ = yaml.safe_load_all((tmp_path / "package.yaml").read_text())
    assert package["pipelineInfo"]["name"] == "my-pipeline"

    done = run(python, own, "run", "smoke", "test_inferred_ood", "0.99", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.splitlines()[-1].startswith("fail: test_inferred_ood accuracy is 0.")
    (trained,) = (tmp_path / "out" / "runs").glob("*/my-pipeline-*")
    assert (trained / "evaluation.json").is_file()


def test_a_bare_install_says_which_extra_is_missing(tmp_path: Path) -> None:
    """With pydantic and PyYAML alone, commands that need more name the extra in one line."""
    blocked = "\n".join(
        [
            "import sys",
            f"sys.path.insert(0, {str(ROOT)!r})",
            "class Absent:",
            "    def find_spec(self, name, path=None, target=None):",
            "        if name.partition('.')[0] in ('numpy', 'torch', 'pyarrow', 'bokeh', 'kfp', 'jinja2'):",
            "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)",
            "sys.meta_path.insert(0, Absent())",
            "from grokcore.cli import main",
            "sys.exit(main(sys.argv[1:]))",
        ]
    )
    for command, extra in [
        (["generate", "smoke", "--out", "d"], "data"),
        (["train", "smoke", "--data", "d", "--out", "r"], "train"),
        (["report", "r", "--out", "x.html"], "report"),
        (["run", "smoke", "--out", "store"], "all"),
    ]:
        done = run(sys.executable, "-c", blocked, *command, cwd=tmp_path)
        assert done.returncode == 2
        assert f"pip install 'grokcore[{extra}]'" in done.stderr
        assert len(done.stderr.splitlines()) == 1
    assert run(sys.executable, "-c", blocked, "presets", cwd=tmp_path).returncode == 0


_RUN_NOTEBOOK = """
import sys, nbclient, nbformat
notebook = nbformat.read(sys.argv[1], 4)
nbclient.NotebookClient(notebook, timeout=240, kernel_name="python3").execute()
nbformat.write(notebook, "executed.ipynb")
"""


@pytest.mark.packaging
@pytest.mark.extended
def test_the_notebook_of_the_documentation_runs_from_the_wheel(environment: Path, tmp_path: Path) -> None:
    python, notebook = environment / "bin" / "python", ROOT / "docs" / "notebook.ipynb"
    done = run(python, "-c", _RUN_NOTEBOOK, notebook, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    cells = json.loads((tmp_path / "executed.ipynb").read_text("utf-8"))["cells"]
    html = [
        "".join(out["data"].get("text/html", "")) for cell in cells for out in cell.get("outputs", ()) if "data" in out
    ]
    assert sum(text.startswith("<iframe srcdoc=") for text in html) == 4, "three charts and a report are drawn inline"
    assert any("<progress" in text and "budget_steps" in text for text in html), "one bar, updated to its end"
    assert sum("<progress" in text for text in html) == 1
    assert (tmp_path / "store" / "runs" / "first" / "model" / "model.safetensors").exists()
