"""ci/gpu: every part at toy size on the CPU, budgets, restarts, what is packed, brought home and kept."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from ci.gpuchecks import gputests, home, pack, results, runs, wheels
from ci.gpuchecks.__main__ import main
from ci.gpuchecks.catalog import PARTS, Part, chosen
from ci.gpuchecks.collect import RECIPE_ENTRY, collect
from ci.gpuchecks.runner import ROOT, run_parts
from ci.gpuchecks.runs import RECIPE, RECIPE_FIELDS, RECIPE_TRACK, THESIS, thesis_by_recipe
from ci.gpuchecks.setting import PausedError, Setting
from grokcore.leaderboard.track import check_recipe, seeds_of, track_of
from grokcore.models import ARCHITECTURES
from grokcore.spec import ExperimentSpec, load_spec, resolve, validate
from tests.support.checks import wait_until

CUDA_ONLY = {"steps", "precision", "speed", "packing", "kernels", "tests"}
ALIVE = 300.0
"""Seconds that tests give to everything that is not to be killed."""


def part(name: str, seconds: float | None = 60, cuda: Any = "needed") -> Part:
    return Part(name, f"What does {name} do?", f"tests.ci.gpu_parts:{name}", seconds, cuda)


def run(parts: Sequence[Part], out: Path, *, seconds: float = ALIVE, **options: Any) -> dict[str, dict[str, Any]]:
    """Run parts as a rehearsal; return their results by name."""
    found = run_parts(parts, out, deadline=time.monotonic() + seconds, rehearse=True, **options)
    return {one.document["part"]: one.document for one in found}


def document(out: Path, name: str) -> dict[str, Any]:
    found = results.read(out, name)
    assert found is not None
    return found.document


def test_every_part_ends_in_a_state_of_its_own_and_the_next_runs(tmp_path: Path) -> None:
    names = ("answer", "find_a_problem", "raise_an_error", "lack_something", "import_what_is_absent", "die", "answer_2")
    parts = [part(name) for name in names[:-1]] + [Part("answer_2", "?", "tests.ci.gpu_parts:answer", 5, "only")]

    found = run(parts, tmp_path)

    assert {name: one["state"] for name, one in found.items()} == {
        "answer": "rehearsed",
        "find_a_problem": "rehearsed",
        "raise_an_error": "failed",
        "lack_something": "absent",
        "import_what_is_absent": "absent",
        "die": "failed",
        "answer_2": "absent",
    }
    assert found["find_a_problem"]["problems"] == ["they are not equal"]
    assert found["raise_an_error"]["why"] == "ValueError: two lines"
    assert found["raise_an_error"]["rows"] == found["die"]["rows"] == [{"number": 1}]
    assert found["import_what_is_absent"]["why"].startswith("no_such_package is not installed")
    assert found["answer_2"]["why"] == "needs a CUDA GPU; the same code ran on the CPU at toy size"
    assert "Traceback" in (tmp_path / "logs" / "raise_an_error.log").read_text()


def test_a_part_that_overruns_is_killed_with_its_children_and_keeps_its_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ci.gpuchecks.runner.REHEARSAL_SECONDS", 8.0)
    found = run([part("hang"), part("answer")], tmp_path, grace=0.5)
    assert found["hang"]["state"] == "overrun"
    assert found["hang"]["rows"] == [{"number": 1}]
    assert found["hang"]["seconds"] >= 8
    assert found["answer"]["state"] == "rehearsed"
    child = Path("/proc", (tmp_path / "child").read_text(), "stat")
    wait_until(lambda: not child.exists() or child.read_text().split()[2] == "Z")


def test_a_second_call_does_what_is_left(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parts = [part("answer"), part("raise_an_error"), part("count_up")]
    first = run(parts, tmp_path)
    assert first["count_up"]["state"] == "paused"
    second = run(parts, tmp_path)
    assert second["answer"] == first["answer"], "it was not repeated"
    assert f"delete {results.path_of(tmp_path, 'answer')} to repeat it" in capsys.readouterr().out
    assert second["raise_an_error"]["state"] == "failed"
    assert (tmp_path / "logs" / "raise_an_error.log").read_text().count("Traceback (most recent call last)") == 2
    assert second["count_up"]["state"] == "rehearsed"
    assert second["count_up"]["rows"] == [{"count": 2}]


def test_a_part_is_not_begun_without_time_for_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([part("answer")], tmp_path, seconds=1) == {}
    assert "no time is left" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_a_stopped_script_stops_its_part_brings_home_and_continues(tmp_path: Path) -> None:
    code = (
        "import sys; from ci.gpuchecks.__main__ import main; from tests.ci.test_gpu import part;"
        "sys.exit(main(sys.argv[1:], [part('hang'), part('answer')]))"
    )
    command = [
        sys.executable,
        "-c",
        code,
        "--rehearse",
        "--out",
        str(tmp_path / "out"),
        "--home",
        str(tmp_path / "home"),
    ]
    with subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True) as script:
        wait_until(lambda: (tmp_path / "out" / "child").exists(), script)
        script.send_signal(signal.SIGTERM)
        _, error = script.communicate(timeout=ALIVE)
    assert script.returncode == 143
    assert "the same command does what is left" in error
    assert document(tmp_path / "out", "hang")["state"] == "running"
    assert results.read(tmp_path / "out", "answer") is None
    home.unpack(tmp_path / "home", tmp_path / "again")
    assert document(tmp_path / "again", "hang")["rows"] == [{"number": 1}]


def test_without_a_gpu_every_part_that_needs_one_is_absent_and_asks_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for _ in range(2):
        found = run_parts([part("answer")], tmp_path, deadline=time.monotonic() + ALIVE)
        assert [(one.document["state"], one.document["why"]) for one in found] == [
            ("absent", "torch sees no CUDA GPU here")
        ]
    assert "earlier" not in capsys.readouterr().out


def test_parts_are_listed_and_chosen_by_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    listed = capsys.readouterr().out
    assert [line.split()[0] for line in listed.splitlines()] == [one.name for one in PARTS]
    assert [one.name for one in chosen(["thesis", "steps"])] == ["steps", "thesis"]
    assert main(["--only", "step"]) == 2
    assert "there is no part 'step': parts are environment, steps" in capsys.readouterr().err
    assert {one.name for one in PARTS if one.cuda == "only"} == CUDA_ONLY
    assert [one.name for one in PARTS if one.seconds is None] == [PARTS[-1].name], "the rest is the last one's"
    assert sum(one.seconds or 0 for one in PARTS) < 9.6 * 60, "in ten minutes something is left for it"


def test_what_starts_parts_needs_only_the_standard_library() -> None:
    """On a lent machine nothing of grokcore's requirements is installed when it starts."""
    code = "import sys; from ci.gpuchecks.__main__ import main; sys.exit(main(['--list']))"
    done = subprocess.run(
        [sys.executable, "-S", "-E", "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "thesis-fast" in done.stdout


def test_every_test_that_needs_a_gpu_is_found() -> None:
    """By its mark: a test that only skips without one would never run."""
    files = gputests.test_files()
    assert len(files) >= 5
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        text = path.read_text("utf-8")
        skips = "skipif(not torch.cuda" in text or "skipif(not has_cuda" in text
        if skips and path.name != "test_gpu.py":
            assert path in files, f"{path} skips without a GPU and has no mark gpu"


def make_wheel(folder: Path, name: str, version: str, body: str = "") -> Path:
    """Write a wheel of one module."""
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr(f"{name}.py", body or f"version = {version!r}\n")
        wheel.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        wheel.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        wheel.writestr(f"{info}/RECORD", "")
    return path


def test_carried_wheels_come_before_other_versions(tmp_path: Path) -> None:
    carried = tmp_path / "pack"
    carried.mkdir()
    make_wheel(carried, "idna", "99.0")  # installed here in another version
    make_wheel(carried, "not_anywhere", "1.0")

    environment = wheels.install(carried, tmp_path / "site")

    code = "import idna, not_anywhere; from importlib import metadata; print(idna.version, metadata.version('idna'))"
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["99.0", "99.0"]
    begun = (tmp_path / "site" / "idna.py").stat().st_mtime_ns
    wheels.install(carried, tmp_path / "site")
    assert (tmp_path / "site" / "idna.py").stat().st_mtime_ns == begun, "the same wheels are not installed again"


def test_a_pack_for_another_python_or_without_wheels_is_refused_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = ["--rehearse", "--out", str(tmp_path / "out"), "--only", "environment", "--wheels", str(tmp_path)]
    assert main(options) == 2
    assert "there is no wheel in" in capsys.readouterr().err
    make_wheel(tmp_path, "not_anywhere", "1.0")
    (tmp_path / wheels.NOTES).write_text(json.dumps({"python": "3.9"}))
    assert main(options) == 2
    assert "is for Python 3.9 and this is" in capsys.readouterr().err


def test_a_pack_holds_what_is_most_important_and_says_what_it_leaves_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wheel(name: str, scratch: Path, python: str) -> Path:
        assert python == "3.12"
        if name == "pyarrow":
            raise wheels.WheelsError("26.0.1: no wheel")
        path = scratch / f"{name.replace('-', '_')}-1.0-py3-none-any.whl"
        path.write_bytes(bytes(2**20 if name != "bokeh" else 20 * 2**20))
        return path

    monkeypatch.setattr(pack, "_wheel", wheel)
    left_out = {one.package: one.why for one in pack.make_pack(tmp_path, limit_mib=14, there=["scipy"])}
    packed = {path.name.partition("-")[0] for path in tmp_path.glob("*.whl")}
    assert {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "pyyaml", "safetensors"} <= packed
    assert not packed & {"torch", "transformers", "numpy", "scipy", "triton", "sympy", "tokenizers", "grokcore"}
    assert sum(path.stat().st_size for path in tmp_path.glob("*.whl")) <= 14 * 2**20
    assert left_out["pyarrow"] == "26.0.1: no wheel"
    assert left_out["bokeh"] == "20.0 MiB, for report, are over the limit"
    assert "source only" in left_out["mamba-ssm"]
    assert json.loads((tmp_path / wheels.NOTES).read_text())["left_out"] == left_out


def test_all_that_grokcore_needs_is_packed_or_on_the_machine() -> None:
    optional = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    packed = {extra for _, extras, _ in pack.GROUPS for extra in extras}
    assert packed == {"train", "report", "metrics", "deepspeed"} <= optional.keys()
    assert set(pack.NEVER) == {"mamba-ssm", "causal-conv1d"} <= {text.split(">")[0] for text in optional["cuda"]}


def fill(out: Path, files: dict[str, int]) -> None:
    for name, size in files.items():
        (out / name).parent.mkdir(parents=True, exist_ok=True)
        (out / name).write_bytes(os.urandom(size))


def begin(out: Path, name: str, state: str) -> None:
    results.PartResult.begin(out, name, "?", device="cpu", budget=1).end(state)


CHECKPOINT = "runs/thesis/seed-0/checkpoints"


def test_few_small_files_are_brought_home_and_continue_a_run(tmp_path: Path) -> None:
    out, brought, again = tmp_path / "out", tmp_path / "home", tmp_path / "again"
    begin(out, "thesis", "paused")
    begin(out, "recipe", "done")
    kept = {
        "runs/thesis/seed-0/metrics.jsonl": 1000,
        "runs/recipe/seed-0/metrics.jsonl": 1000,
        f"{CHECKPOINT}/step-00000020/manifest.json": 10,
        f"{CHECKPOINT}/step-00000020/abc/state.safetensors": 3_000_000,
    }
    left = {
        "runs/thesis/seed-0/model/model.safetensors": 1_200_000,
        f"{CHECKPOINT}/step-00000010/manifest.json": 10,
        f"{CHECKPOINT}/step-00000030/abc/state.safetensors": 10,  # without a manifest: it was being written
        "runs/recipe/seed-0/checkpoints/step-00000010/manifest.json": 10,
        "work/data/train.parquet": 10,
        "site/numpy.py": 10,
    }
    fill(out, kept | left)
    limits = home.Limits(file_mib=1, total_mib=6)

    behind = home.bring_home(out, brought, limits)

    assert list(behind) == ["runs/thesis/seed-0/model/model.safetensors"]
    assert len(list(brought.iterdir())) <= 8
    assert all(path.stat().st_size <= 2**20 for path in brought.iterdir())
    home.unpack(brought, again)
    for name in kept:
        assert (again / name).read_bytes() == (out / name).read_bytes(), name
    assert [name for name in left if (again / name).exists()] == []

    behind = home.bring_home(out, brought, home.Limits(file_mib=1, total_mib=3))
    assert behind["checkpoints"] == "3 MiB, and 2 MiB are left for them"
    assert not list(brought.glob("state.tar.*")), "nothing of the checkpoint that was brought before is left"


def test_nothing_is_collected_from_an_empty_place_and_no_rehearsal_into_this_checkout(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--collect", str(tmp_path)]) == 2
    assert "there are no results of ci/gpu in" in capsys.readouterr().err
    begin(tmp_path, "environment", "done")
    assert main(["--collect", str(tmp_path)]) == 2
    assert "holds a rehearsal, which measures nothing" in capsys.readouterr().err


def test_the_recipe_is_that_of_a_record_whose_seeds_are_trained() -> None:
    recipe = resolve(load_spec(RECIPE, ["training.device=cuda", "training.max_seconds=40"]))
    check_recipe(recipe, track_of(RECIPE_TRACK))
    entry = json.loads((ROOT / RECIPE_ENTRY).read_text())
    assert seeds_of(recipe) == [one["seed"] for one in entry["runs"]]


def test_the_thesis_by_the_recipe_changes_its_training_alone() -> None:
    spec, thesis, recipe = thesis_by_recipe(), load_spec(THESIS), load_spec(RECIPE)
    assert validate(ExperimentSpec, spec.model_dump()) == spec
    assert (spec.task, spec.model) == (thesis.task, thesis.model)
    assert spec.training.optimizer == "muon"
    assert (spec.training.precision, spec.training.loss_on) == ("fp16", "answer_and_eos")
    differing = {name for name, value in spec.training if value != getattr(thesis.training, name)}
    assert differing <= set(RECIPE_FIELDS)
    assert all(getattr(spec.training, name) == getattr(recipe.training, name) for name in RECIPE_FIELDS)


@pytest.fixture(scope="module")
def rehearsal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of all parts, and in `home` what is brought home; read only."""
    out = tmp_path_factory.mktemp("gpu")
    assert main(["--rehearse", "--out", str(out / "out"), "--home", str(out / "home")]) == 0
    return out


@pytest.mark.extended
@pytest.mark.timeout(1800)
def test_the_rehearsal_runs_every_part(rehearsal: Path) -> None:
    found = {one.name: document(rehearsal / "out", one.name) for one in PARTS}
    for name, one in found.items():
        assert one["problems"] == [], name
        if name in CUDA_ONLY:
            assert one["state"] == "absent", name
            assert one["why"] == "needs a CUDA GPU; the same code ran on the CPU at toy size", name
        else:
            assert one["state"] == ("done" if name == "environment" else "rehearsed"), one["why"]
        assert one["rows"], name
    steps = found["steps"]["rows"]
    assert {row["architecture"] for row in steps} == set(ARCHITECTURES)
    assert all(row["equal"] and row["graph"].startswith("absent") for row in steps)
    assert {row["precision"] for row in found["precision"]["rows"]} == {"bf16", "fp16"}
    assert all(row["distance_of_weights"] > 0 for row in found["precision"]["rows"])
    assert all(row["equal"] for row in found["resume"]["rows"])
    assert all(row["largest_distance_of_loss"] > 0 for row in found["seeds"]["rows"])
    assert {row["variant"] for row in found["deepspeed"]["rows"]} == {"fast-shared", "deepspeed"}
    assert {row["outcome"] for row in found["tests"]["rows"]} == {"skipped"}
    assert len(found["tests"]["rows"]) > 30
    assert {row["pays_from"] for row in found["kernels"]["rows"] if "pays_from" in row} == {"absent: not installed"}
    for name, steps_ in (("recipe", 60), ("thesis-recipe", 20), ("thesis", 60)):
        assert {row["step"] for row in found[name]["rows"]} == {steps_}
        assert (rehearsal / "out" / "reports" / f"{name}.html").stat().st_size > 10_000


@pytest.mark.extended
@pytest.mark.timeout(1800)
def test_a_rehearsal_is_collected_in_the_formats_that_are_there(rehearsal: Path, tmp_path: Path) -> None:
    lines = list(collect(rehearsal / "home", tmp_path))

    folder = tmp_path / "ci" / "benchmarks" / "results"
    (checks,) = folder.glob("*-checks.json")
    page = checks.with_suffix(".md").read_text()
    for one in PARTS:
        assert f"| {one.name} |" in page
    (speed,) = [path for path in folder.glob("*.json") if path != checks]
    joined = json.loads(speed.read_text())
    assert {row["variant"] for row in joined["rows"]} == {"fast-shared", "deepspeed"}
    assert joined["checkpoints"]["saved"] == 2
    assert joined["seeds"]["seeds"] == 2
    assert "training waits for it" in " ".join(speed.with_suffix(".md").read_text().split())
    journals = sorted(path.relative_to(folder).parts[0] for path in folder.rglob("metrics.jsonl.gz"))
    assert journals == ["gpu-recipe", "gpu-recipe", "gpu-thesis", "gpu-thesis-recipe"]
    assert not [path for path in folder.rglob("*.json") if str(rehearsal) in path.read_text()]
    assert any(line == "no record: the part recipe is rehearsed" for line in lines)

    shutil.copytree(rehearsal / "out", tmp_path / "out")
    results.PartResult(results.path_of(tmp_path / "out", "recipe"), document(rehearsal / "out", "recipe")).end("done")
    again = list(collect(tmp_path / "out", tmp_path))
    assert any(line.startswith("no record: not eligible as a record of comparison-delay: ") for line in again)
    assert len(list(folder.glob("*-checks*.json"))) == 2, "beside the first"


def toy_run(out: Path, *overrides: str, seconds: float, monkeypatch: pytest.MonkeyPatch) -> Setting:
    """Return the setting of a rehearsal whose run has other budgets."""
    monkeypatch.setattr(runs, "load_spec", lambda name, given: load_spec(name, [*given, *overrides]))
    result = results.PartResult.begin(out, "thesis", "?", device="cpu", budget=seconds)
    return Setting("cpu", True, out, seconds, result)


def test_a_long_run_whose_time_is_over_is_continued_from_what_was_brought_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two machines: the second has only what came home from the first."""
    first, brought, second = tmp_path / "first", tmp_path / "home", tmp_path / "second"
    budget = ["training.max_steps=1000000", "evaluation.growth=1000"]
    setting = toy_run(first, *budget, seconds=1, monkeypatch=monkeypatch)
    with pytest.raises(PausedError, match="the next call continues it"):
        runs.train_thesis(setting)
    setting.result.end("paused")
    (paused,) = setting.result.document["rows"]
    assert (first / "reports" / "thesis.html").exists(), "evaluated and reported although it has not ended"
    home.bring_home(first, brought)
    shutil.rmtree(first)

    home.unpack(brought, second)
    setting = toy_run(second, f"training.max_steps={paused['step'] + 40}", seconds=60, monkeypatch=monkeypatch)
    runs.train_thesis(setting)

    (ended,) = setting.result.document["rows"]
    assert ended["began_at_step"] == paused["step"] > 0
    assert ended["step"] == paused["step"] + 40
    assert ended["elapsed_seconds"] > paused["elapsed_seconds"] >= 1
