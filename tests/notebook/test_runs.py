"""A collection of runs: how it is loaded, sliced, asked and shown."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import grokcore
from grokcore.errors import InputError
from grokcore.notebook import Runs
from grokcore.runs.evaluation import EVALUATION
from tests.evaluation.made_up import write
from tests.reporting.made_up_groups import OOD, architectures, grid, run_of, write_all


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(architectures(), tmp_path_factory.mktemp("store"))


@pytest.fixture(scope="module")
def runs(store: Path) -> Runs:
    return grokcore.load_runs(store)


def test_tab_completion_offers_what_there_is_without_loading_it() -> None:
    program = "import sys, grokcore; print(*dir(grokcore)); print('torch' in sys.modules or 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    names, loaded = done.stdout.splitlines()
    assert set(grokcore.__all__) <= set(names.split())
    assert loaded == "False"
    for name in grokcore.__all__:
        assert getattr(grokcore, name) is not None


def test_places_are_runs_stores_and_several_of_them(store: Path, runs: Runs) -> None:
    one = grokcore.load_runs(runs[0].uri)
    assert len(one) == 1
    assert one[0].name == "demo, seed 0"
    assert len(grokcore.load_runs(runs[0].uri, runs[1].uri)) == 2
    assert len(grokcore.load_runs(store / "runs")) == len(runs) == 8


def test_a_place_without_runs_gets_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no run below it"):
        grokcore.load_runs(tmp_path)
    with pytest.raises(InputError, match="name a run"):
        grokcore.load_runs()


def test_a_sweeps_own_directory_stands_for_its_runs(tmp_path: Path) -> None:
    runs = grid((5, 20), (0.1,), seeds=1)
    store = write_all(runs, tmp_path / "store")
    write_all([run_of("seed=7")], store)
    sweep = store / "sweeps" / "values"
    sweep.mkdir(parents=True)
    points = [
        {
            "name": f"values {run.spec.task.values}",  # type: ignore[union-attr]
            "settings": {},
            "dataset_id": run.spec.dataset_id,
            "runs": [{"seed": 0, "run_id": run.spec.run_id, "place": f"runs/{run.spec.run_id}/local", "state": "done"}],
        }
        for run in reversed(runs)
    ]
    index = {"name": "values", "description": "", "claims": [], "tuning": None, "points": points}
    (sweep / "index.json").write_text(json.dumps(index))
    found = grokcore.load_runs(sweep)
    assert [run.spec.task.values for run in found] == [20, 5], "in the sweep's order"
    assert len(grokcore.load_runs(store)) == 3


def test_a_run_that_nobody_has_evaluated_is_judged_by_its_journal(tmp_path: Path) -> None:
    spec = grokcore.load_spec("modular", ["training.max_steps=3", "training.warmup_steps=0", "model.width=16"])
    grokcore.generate_dataset(spec.task, tmp_path / "data")
    grokcore.train_model(spec, tmp_path / "data", tmp_path / "run")
    (run,) = grokcore.load_runs(tmp_path)
    assert run.evaluation.step == 3
    assert run.verdicts == {"test": "censored"}
    assert "until then figures are those of its journal" in run.evaluation.remarks[0]
    before = run.evaluation
    grokcore.evaluate_model(tmp_path / "run")
    (run,) = grokcore.load_runs(tmp_path)
    assert run.evaluation.splits["test"].accuracy == before.splits["test"].accuracy
    assert not any("until then" in remark for remark in run.evaluation.remarks)


def test_what_cannot_be_judged_is_left_out_and_said(tmp_path: Path) -> None:
    write_all([run_of("seed=1")], tmp_path)
    unknown = write(run_of("seed=2"), tmp_path / "runs" / "unknown")
    (unknown / EVALUATION).unlink()  # and its dataset is nowhere
    runs = grokcore.load_runs(tmp_path)
    assert len(runs) == 1
    assert "has no evaluation yet" in runs.left_out[0]
    assert "has no evaluation yet" in repr(runs)
    assert "has no evaluation yet" in runs._repr_html_()


def test_slices_and_iteration_keep_the_order(runs: Runs) -> None:
    names = [run.name for run in runs]
    assert names[0] == "model.architecture gpt2, seed 0"
    assert [run.uri for run in runs[2:4]] == [runs[2].uri, runs[3].uri]
    assert runs[-1].uri == list(runs)[-1].uri
    assert isinstance(runs[:2], Runs)
    assert runs[:0].frame().empty
    with pytest.raises(IndexError):
        runs[99]


def test_where_takes_columns_ends_of_names_sets_and_functions(runs: Runs) -> None:
    assert len(runs.where(architecture="gpt2")) == 3
    assert len(runs.where({"model.architecture": "llama"}, seed={0, 1})) == 2
    assert len(runs.where({f"{OOD}.verdict": "censored"})) == 3
    assert len(runs.where(lambda run: run.evaluation.diverged)) == 1
    assert len(runs.where(architecture="rwkv")) == 0
    assert runs.where(architecture="gpt2").where(seed=1)[0].spec.seed == 1


def test_a_column_that_is_not_there_or_not_one_is_an_error_that_helps(runs: Runs) -> None:
    with pytest.raises(InputError, match="did you mean architecture"):
        runs.where(architectur="gpt2")
    with pytest.raises(InputError, match=r"may be .*\.verdict or .*\.verdict"):
        runs.where(verdict="grokked")


def test_plain_and_rich_texts_say_what_became_of_each_group(runs: Runs) -> None:
    text, html = repr(runs), runs._repr_html_()
    assert text.splitlines()[0] == "8 runs in 3 groups"
    assert "model.architecture gpt2: seeds 0, 1, 2; test_inferred_iid: 3 grokked" in text
    assert "2 grokked, 1 censored, median 1," in text
    assert "2 censored, median &gt; 2,000 steps" in html
    assert html.count("<tr>") == 4
    run = runs[0]
    assert f"{OOD}: grokked" in repr(run)
    assert run.uri in run._repr_html_()


def test_a_hostile_name_is_text(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    write_all([run_of(f"name={name}")], tmp_path)
    runs = grokcore.load_runs(tmp_path)
    assert runs[0].spec.name == name
    for html in (runs._repr_html_(), runs[0]._repr_html_()):
        assert "<script" not in html


def test_a_saved_step_opens_as_a_model(tmp_path: Path) -> None:
    spec = grokcore.load_spec("modular", ["training.max_steps=3", "training.warmup_steps=0", "model.width=16"])
    grokcore.generate_dataset(spec.task, tmp_path / "data")
    grokcore.train_model(spec, tmp_path / "data", tmp_path / "run")
    (run,) = grokcore.load_runs(tmp_path / "run")
    assert sum(parameter.numel() for parameter in run.load_model().parameters()) == run.manifest.model.parameters
    with pytest.raises(InputError, match="keeps no checkpoint of 'memorized'"):
        run.load_model("memorized")
