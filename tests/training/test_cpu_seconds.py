"""CPU seconds of a run: those of its optimizer steps, over all attempts, shared by seeds of one process."""

from __future__ import annotations

import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

import grokcore
from grokcore.data import open_dataset
from grokcore.evaluation.records import read_record
from grokcore.runs import read_journal
from grokcore.runs.manifest import read_manifest
from grokcore.spec import load_spec, resolve
from grokcore.training.attempt import make_trainer
from grokcore.training.distributed.group import ALONE
from grokcore.training.seeds import train_seeds

OOD = "test_inferred_ood"


def cpu_seconds(run: Path) -> list[float]:
    return [line["clock"]["cpu_seconds"] for line in read_journal(run / "metrics.jsonl")]


def train(steps: int, data: Path, run: Path, *overrides: str) -> float:
    """Train, and return the CPU seconds that the process took for all of it."""
    begin = time.process_time()
    grokcore.train_model(load_spec("smoke", [f"training.max_steps={steps}", *overrides]), data, run)
    return time.process_time() - begin


def test_they_are_those_of_the_steps_and_grow_with_them(smoke_data: Path, tmp_path: Path) -> None:
    taken = train(30, smoke_data, tmp_path / "run")
    counted = cpu_seconds(tmp_path / "run")
    assert counted[0] == 0
    assert all(before <= after for before, after in pairwise(counted))
    assert 0 < counted[-1] < taken
    clock = read_journal(tmp_path / "run" / "metrics.jsonl")[-1]["clock"]
    assert 0 < clock["evaluation_cpu_seconds"] < taken
    assert read_manifest(tmp_path / "run").cpu_seconds == counted[-1]


def test_attempts_add_up_and_one_that_did_not_count_leaves_them_unknown(smoke_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(10, smoke_data, run)
    before = cpu_seconds(run)[-1]
    train(20, smoke_data, run)
    assert cpu_seconds(run)[-1] > before
    assert read_manifest(run).cpu_seconds == cpu_seconds(run)[-1]

    spec = resolve(load_spec("smoke"), devices=1)
    trainer = make_trainer(spec, open_dataset(smoke_data), torch.device("cpu"), lambda line: None, ALONE)
    trainer.start([])
    checkpoint = trainer.checkpoint(b"")
    del checkpoint.values["cpu_seconds"]
    trainer.restore(checkpoint)
    trainer.count_step(1.0, 1.0)
    assert trainer.clock.cpu is None
    assert trainer.checkpoint(b"").values["cpu_seconds"] is None


def test_seeds_of_one_process_share_them(smoke_data: Path, tmp_path: Path) -> None:
    specs = [load_spec("smoke", ["training.max_steps=30", f"seed={seed}"]) for seed in range(3)]
    begin = time.process_time()
    train_seeds(specs, smoke_data, tmp_path, strategy="stacked")
    taken = time.process_time() - begin
    shares = [cpu_seconds(tmp_path / f"seed-{seed}")[-1] for seed in range(3)]
    assert max(shares) - min(shares) < 0.002, "up to rounding"
    assert 0 < sum(shares) < taken
    assert {read_manifest(tmp_path / f"seed-{seed}").execution["stacked_seeds"] for seed in range(3)} == {"3"}


def test_an_evaluation_has_them_beside_wall_clock_seconds(smoke_data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(12, smoke_data, run, "evaluation.threshold=0.01", "evaluation.interval=1")
    grokcore.evaluate_model(run)
    times = read_record(str(run)).evaluation.held_out[OOD]
    for found in (times.first_crossing, times.sustained, times.stable):
        assert found is not None
        assert found.cpu_seconds == clock_at(run, found.steps)["cpu_seconds"]
        assert found.seconds == clock_at(run, found.steps)["elapsed_seconds"]


def clock_at(run: Path, step: int) -> dict[str, Any]:
    (clock,) = (line["clock"] for line in read_journal(run / "metrics.jsonl") if line["step"] == step)
    return dict(clock)


@pytest.mark.parametrize("value", [-1.0, "1"])
def test_a_damaged_value_is_found(value: Any, smoke_data: Path, tmp_path: Path) -> None:
    from grokcore.errors import InputError
    from grokcore.runs.journal import check_line

    train(3, smoke_data, tmp_path / "run")
    line = read_journal(tmp_path / "run" / "metrics.jsonl")[-1]
    with pytest.raises(InputError, match="cpu_seconds"):
        check_line({**line, "clock": {**line["clock"], "cpu_seconds": value}}, "run")
