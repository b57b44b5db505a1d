"""ci/gpu: what is brought home, continued and kept; the rehearsal of all parts at toy size on the CPU."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from ci.gpuchecks import home, results, runs
from ci.gpuchecks.__main__ import main
from ci.gpuchecks.catalog import PARTS
from ci.gpuchecks.collect import RECIPE_ENTRY, collect
from ci.gpuchecks.runner import ROOT
from ci.gpuchecks.runs import RECIPE, RECIPE_FIELDS, RECIPE_TRACK, THESIS, thesis_by_recipe
from ci.gpuchecks.setting import PausedError, Setting
from grokcore.leaderboard.track import check_recipe, seeds_of, track_of
from grokcore.models import ARCHITECTURES
from grokcore.spec import ExperimentSpec, load_spec, resolve, validate
from tests.ci.gpu_parts import document
from tests.ci.test_gpu import CUDA_ONLY


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
