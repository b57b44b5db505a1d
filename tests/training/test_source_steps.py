"""Runs that start from a saved step of another: by its number, or the name of a milestone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import grokcore
from grokcore.data import open_dataset
from grokcore.errors import InputError
from grokcore.models import load_model
from grokcore.models.loading import milestones
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import load_spec
from grokcore.training.source import read_source
from tests.training.starting import ALL, starting, trainer_of


@pytest.fixture(scope="module")
def memorizer(tmp_path_factory: pytest.TempPathFactory, smoke_data: Path) -> Path:
    """A finished run of smoke that has memorized at step 30, with the checkpoints of steps 20, 40 and 60; read only."""
    place = tmp_path_factory.mktemp("memorizer") / "run"
    overrides = ["training.checkpoint_interval=20", "training.checkpoint_keep_every=20", "training.learning_rate=0.01"]
    rules = ["evaluation.interval=10", "evaluation.threshold=0.4", "evaluation.window=1"]
    grokcore.train_model(load_spec("smoke", [*overrides, *rules]), smoke_data, place)
    return place


def test_a_run_starts_from_a_saved_step_of_another(memorizer: Path, smoke_data: Path, tmp_path: Path) -> None:
    spec = starting(memorizer, ALL, "model.start_from.step=20")
    trainer = trainer_of(spec, smoke_data)
    expected = dict(load_model(memorizer, step=20).named_parameters())
    assert all(torch.equal(weight, expected[name]) for name, weight in trainer.model.named_parameters())

    ends = starting(memorizer, ALL)
    assert len({spec.run_id, ends.run_id, starting(memorizer, ALL, "model.start_from.step=40").run_id}) == 3
    assert starting(f"{memorizer}/model", ALL, "model.start_from.step=20").run_id == spec.run_id
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    source = read_manifest(tmp_path / "run").source
    assert source is not None
    line = next(line for line in read_journal(memorizer / "metrics.jsonl") if line["step"] == 20)
    assert (source.steps, source.flops) == (20, line["flops"])


def test_a_milestone_is_a_step_with_a_name(memorizer: Path, smoke_data: Path) -> None:
    found = milestones(memorizer)
    held_out = next(name for name in found if name != "memorized")
    for name in ("memorized", held_out):
        spec = starting(memorizer, ALL, f"model.start_from.step={name}")
        assert spec.run_id == starting(memorizer, ALL, f"model.start_from.step={found[name]}").run_id
        source = read_source(spec, open_dataset(smoke_data))
        assert source is not None
        assert source.facts.uses_held_out == (name == held_out)


@pytest.mark.parametrize("step", ["7", "collapsed"])
def test_a_step_that_is_not_saved_is_refused(step: str, memorizer: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=rf"step={step} .* is not saved: there are 20.*; .*memorized.*; 60"):
        starting(memorizer, f"model.start_from.step={step}")
    shutil.copytree(memorizer / "model", tmp_path / "found")
    with pytest.raises(InputError, match="belongs to none"):
        starting(tmp_path / "found", f"model.start_from.step={step}")


def test_a_damaged_step_is_refused(memorizer: Path, smoke_data: Path, tmp_path: Path) -> None:
    shutil.copytree(memorizer, tmp_path / "source")
    spec = starting(tmp_path / "source", "model.start_from.step=20")
    (file,) = (tmp_path / "source" / "checkpoints" / "step-00000020").glob("*/state.safetensors")
    save_file({name: one + 1 for name, one in load_file(file).items()}, file)
    with pytest.raises(InputError, match=r"state.safetensors of step 20 is not the file that was written"):
        read_source(spec, open_dataset(smoke_data))


@pytest.mark.parametrize("implementation", ["fast", "transformers"])
def test_a_step_of_any_implementation_is_taken_over_by_any(
    implementation: str, smoke_data: Path, tmp_path: Path
) -> None:
    ours, theirs = ("fast", "transformers") if implementation == "fast" else ("transformers", "fast")
    spec = load_spec("smoke", [f"model.implementation={theirs}", "training.max_steps=2"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    at_end, at_step = (
        trainer_of(starting(tmp_path / "run", ALL, f"model.implementation={ours}", *step), smoke_data).model
        for step in ([], ["model.start_from.step=2"])
    )
    pairs = zip(at_end.parameters(), at_step.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in pairs)
