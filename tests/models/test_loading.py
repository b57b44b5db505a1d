"""Any saved step of a run opens as the model of that step."""

from __future__ import annotations

import shutil
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

import grokcore
from grokcore.errors import DamagedError, InputError
from grokcore.models import SavedModels, load_model, loading, milestones, saved_steps

STEPS = (10, 20, 30)
SETTINGS = {
    "gpt2": {},
    "answer alone": {"training.loss_on": "answer"},
    "transformers": {"model.implementation": "transformers"},
    "tied": {"model.tie_embeddings": True},
    "shared": {"model.sharing": {"kind": "blocks", "reentry": 2.0}},
    "rwkv": {"model.architecture": "rwkv", "model.layers": 2},
}


def train(folder: Path, steps: int, name: str) -> Path:
    from grokcore.spec.loading import load_spec

    overrides = {"training.max_steps": steps, "training.checkpoint_interval": 10, "training.checkpoint_keep_every": 10}
    spec = load_spec("smoke", [f"{field}={value}" for field, value in {**overrides, **SETTINGS[name]}.items()])
    data = folder / "data"
    if not data.exists():
        grokcore.generate_dataset(spec.task, data)
    grokcore.train_model(spec, data=data, out=folder / f"run-{steps}")
    return folder / f"run-{steps}"


@pytest.mark.parametrize("name", SETTINGS)
def test_every_saved_step_is_the_model_of_a_run_that_ends_there(name: str, tmp_path: Path) -> None:
    run = train(tmp_path, STEPS[-1], name)
    assert set(STEPS) <= set(saved_steps(run))
    ended = train(tmp_path, STEPS[0], name)
    for step, place in ((STEPS[0], ended), (STEPS[-1], run)):
        found, wanted = load_model(run, step=step), load_model(place / "model")
        ours = dict(wanted.named_parameters())
        assert {name: weight.shape for name, weight in found.named_parameters()} == {
            name: weight.shape for name, weight in ours.items()
        }
        for weight_name, weight in found.named_parameters():
            torch.testing.assert_close(weight, ours[weight_name], atol=1e-6, rtol=1e-5)
    first, last = load_model(run, step=STEPS[0]), load_model(run)
    assert any(not torch.equal(a, b) for a, b in zip(first.parameters(), last.parameters(), strict=True))


def test_one_step_reads_one_manifest_and_all_steps_one_each(smoke_run: Path) -> None:
    with patch.object(loading, "read_checkpoint_manifest", wraps=loading.read_checkpoint_manifest) as read:
        models = SavedModels(smoke_run)
        checkpoints = [step for step in models.steps if step != 60]
        read.reset_mock()
        load_model(smoke_run, step=checkpoints[0])
        assert read.call_count == 1

        read.reset_mock()
        models = SavedModels(smoke_run)
        assert len([models.load(step) for step in models.steps]) >= 2
        assert read.call_count == len(list((smoke_run / "checkpoints").glob("step-*/manifest.json")))


def test_unknown_and_damaged_steps_are_named(smoke_run: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(smoke_run, tmp_path / "run"))
    saved = saved_steps(run)
    with pytest.raises(InputError, match=f"no weights of step 7: saved are {', '.join(map(str, saved))}"):
        load_model(run, step=7)
    assert set(milestones(run).values()) <= set(saved)
    weights = min((run / "checkpoints").rglob("state.safetensors"))
    step = int(weights.parts[-3].removeprefix("step-"))
    weights.write_bytes(weights.read_bytes()[:-4] + b"0000")
    assert step != saved[-1], "the last step is read from the model's folder"
    with pytest.raises(DamagedError, match=f"of step {step}"):
        load_model(run, step=step)
