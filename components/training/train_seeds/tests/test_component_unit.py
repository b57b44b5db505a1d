import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from kfp import dsl

from components.conftest import SmallRun
from components.data_processing.generate_dataset import generate_dataset
from components.evaluation.evaluate_runs import evaluate_runs
from components.training.train_seeds import train_seeds
from grokcore.sweeps.packs import encode_experiments, encode_tasks
from tests.support.checks import without_clock

train = train_seeds.python_func
RECORD = {"spec.yaml", "manifest.json", "metrics.jsonl"}


class Outputs(NamedTuple):
    runs: dsl.Artifact
    models: dsl.Model


def outputs(place: Path) -> Outputs:
    return Outputs(dsl.Artifact(uri=str(place / "runs")), dsl.Model(uri=str(place / "models")))


def call(small: SmallRun, made: Outputs, seeds: str = "0,1", **arguments: Any) -> list[str]:
    (uris,) = train(small.spec.model_dump_json(), seeds, dsl.Dataset(uri=str(small.dataset)), *made, **arguments)
    return uris


def names(directory: Path) -> set[str]:
    return {path.name for path in directory.iterdir()}


def run_id(small: SmallRun, seed: int) -> str:
    return small.spec.model_copy(update={"seed": seed}).run_id


def test_each_seed_goes_to_its_own_place_in_the_store(small_run: SmallRun, tmp_path: Path):
    made = outputs(tmp_path)
    uris = call(small_run, made, store=str(tmp_path / "store"), run_key="a", sweep="widths")
    assert uris == [f"{tmp_path}/store/runs/{run_id(small_run, seed)}/a" for seed in (0, 1)]
    for seed, uri in enumerate(uris):
        assert names(tmp_path / "runs" / f"seed-{seed}") == RECORD
        assert "model.safetensors" in names(tmp_path / "models" / f"seed-{seed}")
        assert {"checkpoints", "model"} <= names(Path(uri))
        assert json.loads((Path(uri) / "manifest.json").read_text())["run_id"] == run_id(small_run, seed)
    assert made.runs.metadata["run_uris"] == {"seed-0": uris[0], "seed-1": uris[1]}
    assert made.runs.metadata["sweep_uri"] == f"{tmp_path}/store/sweeps/widths"


def test_packed_points_are_trained_and_evaluated_each_on_its_own_data(small_run: SmallRun, tmp_path: Path):
    task = small_run.spec.task
    other = small_run.spec.model_copy(update={"task": task.model_copy(update={"seed": task.seed + 1})})
    specs, made = [small_run.spec, other], outputs(tmp_path)
    data, evaluations = dsl.Dataset(uri=str(tmp_path / "data")), dsl.Artifact(uri=str(tmp_path / "evaluations"))
    generate_dataset.python_func(encode_tasks(specs), data)
    (uris,) = train(encode_experiments(specs), "1", data, *made, store=str(tmp_path / "store"), run_key="a")
    assert uris == [f"{tmp_path}/store/runs/{spec.model_copy(update={'seed': 1}).run_id}/a" for spec in specs]
    evaluate_runs.python_func(made.runs, made.models, data, evaluations)
    assert names(tmp_path / "evaluations") == {"point-000-seed-1", "point-001-seed-1"}
    for uri in uris:
        assert "evaluation.json" in names(Path(uri))


def test_a_packed_point_that_fails_stops_no_other(
    small_run: SmallRun, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    wider = small_run.spec.model_copy(update={"model": small_run.spec.model.model_copy(update={"width": 64})})
    failing, whole = (f"{tmp_path}/store/runs/{run_id(small_run, 0)}/a", wider.model_copy(update={"seed": 0}).run_id)
    Path(failing).mkdir(parents=True)
    (Path(failing) / "notes.txt").write_text("no run")
    with pytest.raises(SystemExit) as exit_:
        train(
            encode_experiments([small_run.spec, wider]),
            "0",
            dsl.Dataset(uri=str(small_run.dataset)),
            *outputs(tmp_path),
            store=str(tmp_path / "store"),
            run_key="a",
        )
    assert exit_.value.code == 2
    assert "1 of 2 points failed; the first: " in capsys.readouterr().err
    assert (tmp_path / "store" / "runs" / whole / "a" / "model").is_dir()


def test_without_a_store_checkpoints_never_become_artifacts(small_run: SmallRun, tmp_path: Path):
    made = outputs(tmp_path)
    assert call(small_run, made, "1") == [f"{made.runs.uri}/seed-1"]
    assert names(tmp_path / "runs" / "seed-1") == RECORD
    assert "model.safetensors" in names(tmp_path / "models" / "seed-1")
    assert made.runs.metadata["sweep_uri"] == ""


@pytest.mark.extended
def test_a_seed_is_the_run_that_it_would_be_alone(small_run: SmallRun, tmp_path: Path):
    call(small_run, outputs(tmp_path), "0")
    assert without_clock(tmp_path / "runs" / "seed-0") == without_clock(small_run.run)


@pytest.mark.parametrize(("seeds", "run_key"), [("0..x", "a"), ("", "a"), ("0", "../elsewhere")])
def test_bad_input_is_one_line_and_leaves_nothing(
    small_run: SmallRun, tmp_path: Path, seeds: str, run_key: str, capsys: pytest.CaptureFixture[str]
):
    with pytest.raises(SystemExit) as exit_:
        call(small_run, outputs(tmp_path), seeds, store=str(tmp_path / "store"), run_key=run_key)
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert not (tmp_path / "store").exists()
