"""Queueing of runs, and the condition for skipping one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from grokcore.errors import GrokcoreError
from grokcore.runs import read_manifest
from grokcore.spec import ExperimentSpec, load_spec, resolve
from grokcore.sweeps.queue import Work, batches, finished
from grokcore.training import TrainResult
from grokcore.training.seeds.jobs import Job, Listener
from grokcore.training.seeds.pool import train_in_processes
from grokcore.training.seeds.train import STRATEGIES


def spec(*overrides: str) -> ExperimentSpec:
    return resolve(load_spec("smoke", ["model.width=16", "training.max_steps=4", "evaluation.interval=2", *overrides]))


def jobs(data: Path, *specs: ExperimentSpec) -> list[Job]:
    return [Job(one, str(data), f"run-{number}", "auto", evaluate=True) for number, one in enumerate(specs)]


def test_on_the_cpu_there_is_one_queue_for_all_points_and_seeds(smoke_data: Path) -> None:
    mixed = jobs(smoke_data, *(spec(f"model.layers={layers}", f"seed={seed}") for layers in (1, 2) for seed in (0, 1)))
    (only,) = batches(mixed, 2)
    assert list(only[1]) == mixed


def test_runs_of_more_threads_have_a_queue_of_their_own(smoke_data: Path) -> None:
    mixed = jobs(smoke_data, spec(), spec("training.threads=2"), spec("training.threads=null", "seed=1"))
    assert [list(batch) for _, batch in batches(mixed, 2)] == [[mixed[0], mixed[2]], [mixed[1]]]


def test_on_a_gpu_the_seeds_of_a_point_are_stacked_where_that_is_possible(smoke_data: Path) -> None:
    def seeds(*overrides: str) -> list[ExperimentSpec]:
        return [spec("training.device=cuda", f"seed={seed}", *overrides) for seed in (0, 1)]

    mixed = jobs(smoke_data, *seeds(), *seeds("model.dropout=0.1"), spec("training.device=cuda", "model.layers=2"))
    found = list(batches(mixed, None))
    assert [list(batch) for _, batch in found] == [mixed[:2], mixed[2:4], mixed[4:]]
    assert [train for train, _ in found] == [STRATEGIES["stacked"], STRATEGIES["sequence"], STRATEGIES["sequence"]]


@pytest.fixture(scope="module")
def stacked(smoke_data: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Work]:
    """Two seeds side by side, evaluated; read only."""
    out = tmp_path_factory.mktemp("stacked")
    works = [Work(f"seed {s}", spec(f"seed={s}"), str(out / f"{s}"), str(smoke_data)) for s in (0, 1)]
    told: list[Any] = []
    listener = Listener(
        on_begin=lambda job: told.append(("begin", job.seed)),
        on_evaluation=lambda job, line: None,
        on_remark=lambda job, line: None,
        on_end=lambda job, outcome: told.append(("end", job.seed)),
        notify=lambda line: None,
    )
    outcomes = STRATEGIES["stacked"]([Job(w.spec, w.data, w.run, "auto", evaluate=True) for w in works], listener)
    assert outcomes == [TrainResult(work.run, "budget_steps", 4) for work in works]
    assert told == [("begin", 0), ("begin", 1), ("end", 0), ("end", 1)]
    return works


def test_seeds_side_by_side_are_evaluated_too(stacked: list[Work]) -> None:
    for work in stacked:
        record = finished(work)
        assert record is not None
        assert record.evaluation.step == 4


@pytest.mark.parametrize(
    ("overrides", "done"),
    [
        (["training.max_steps=3"], True),
        (["training.max_steps=5"], False),
        (["training.checkpoint_interval=7", "name=other"], True),
        (["training.max_seconds=0.001"], True),
        (["evaluation.threshold=0.9"], False),
    ],
)
def test_a_run_is_done_at_its_budget_by_its_rules(stacked: list[Work], overrides: list[str], done: bool) -> None:
    work = stacked[0]
    wanted = Work(work.label, spec(*overrides), work.run, work.data)
    assert (finished(wanted) is not None) == done


def test_a_run_that_is_absent_or_cannot_be_read_is_not_done(stacked: list[Work], tmp_path: Path) -> None:
    work = stacked[0]
    assert finished(Work(work.label, work.spec, str(tmp_path / "absent"), work.data)) is None
    (tmp_path / "manifest.json").write_text("{")
    assert finished(Work(work.label, work.spec, str(tmp_path), work.data)) is None


def test_a_process_trains_runs_of_different_specs_one_after_another(smoke_data: Path, tmp_path: Path) -> None:
    """Of two with different depths, in one process; the second one's data are not there."""
    specs = [spec("training.max_steps=2"), spec("training.max_steps=2", "model.layers=2")]
    pair = [
        Job(specs[0], str(smoke_data), str(tmp_path / "a"), "auto", evaluate=True),
        Job(specs[1], str(tmp_path / "absent"), str(tmp_path / "b"), "auto", evaluate=True),
    ]
    begun: list[str] = []
    listener = Listener(
        on_begin=lambda job: begun.append(job.run),
        on_evaluation=lambda job, line: None,
        on_remark=lambda job, line: None,
        on_end=lambda job, outcome: None,
        notify=lambda line: None,
    )
    first, second = train_in_processes(pair, listener, most=1)
    assert first == TrainResult(str(tmp_path / "a"), "budget_steps", 2)
    assert isinstance(second, GrokcoreError)
    assert "there is no dataset" in str(second)
    assert begun == [job.run for job in pair]
    assert read_manifest(tmp_path / "a").exit_reason == "budget_steps"
    assert (tmp_path / "a" / "evaluation.json").exists()
