"""Every kind of task goes through training and evaluation, its shared beginnings included."""

from __future__ import annotations

from pathlib import Path

import pytest

import grokcore
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import ExperimentSpec, validate
from tests.tasks.small_tasks import SMALL

VARIANTS = SMALL | {"composition with identity rows": SMALL["composition"].model_copy(update={"identity": True})}


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_kind_of_task_is_trained_and_evaluated_on_all_its_splits(
    variant: str, smoke_spec: ExperimentSpec, tmp_path: Path
) -> None:
    document = smoke_spec.model_dump()
    document["training"] |= {"max_steps": 4, "batch_size": 64}
    spec = validate(ExperimentSpec, {**document, "task": VARIANTS[variant]})
    info = grokcore.generate_dataset(spec.task, tmp_path / "data")
    grokcore.train_model(spec, tmp_path / "data", tmp_path / "run")
    result = grokcore.evaluate_model(tmp_path / "run")
    assert list(result.splits) == list(info.splits)
    assert list(result.held_out) == list(spec.task.held_out_splits)
    last = read_journal(tmp_path / "run/metrics.jsonl")[-1]
    assert all(0 <= values["accuracy"] <= 1 for values in last["splits"].values())
    shares = read_manifest(tmp_path / "run").execution["prefix_sharing"]
    assert shares.startswith("no: the task declares no prefixes") == (not info.prefixes)
