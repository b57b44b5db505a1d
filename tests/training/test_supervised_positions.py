"""Training and measuring where a task asks for the next token at several positions of a question."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy

import grokcore
from grokcore.data import open_dataset
from grokcore.data.supervision import LossOn, longest_row, supervise
from grokcore.errors import InputError
from grokcore.leaderboard.track import flops_of_model as flops_of_track
from grokcore.models import build_model, load_model
from grokcore.models.sizes import step_flops
from grokcore.runs import read_journal
from grokcore.runs.manifest import read_manifest
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.training.batches import Examples
from grokcore.training.seeds import train_seeds
from tests.models.variants import VARIANTS, every_variant
from tests.support.checks import without_clock

TASK = (
    *("task.kind=in_context_modular", "task.modulus=5", "task.context=4", "task.functions=16"),
    *("task.input_ratio=.6", "task.train_size=300", "task.probe_size=40"),
)
ANSWERS = [1, 4, 7, 10]
"""Positions of a question of eleven tokens that are followed by a result."""
both_losses = pytest.mark.parametrize("loss_on", ["answer", "answer_and_eos"])


def spec_of(*overrides: str) -> ExperimentSpec:
    return load_spec("smoke", [*TASK, "training.batch_size=64", "training.max_steps=4", *overrides])


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "dataset"
    grokcore.generate_dataset(spec_of().task, path)
    return path


@both_losses
@every_variant
def test_every_model_learns_from_all_positions_at_once_as_from_one_after_the_other(
    variant: str, loss_on: LossOn, data: Path
) -> None:
    """Gradients of the mean loss are the mean of those of each position, asked alone."""
    dataset, spec = open_dataset(data), spec_of(*VARIANTS[variant])
    info = dataset.info
    length = longest_row(info.sequence_length)
    model = build_model(spec.model, vocabulary_size=info.vocabulary_size, sequence_length=length, seed=0).eval()
    supervision = supervise(dataset.train(), info.eos, loss_on, info.supervised)
    examples = Examples.for_model(model, supervision, info.prefixes, batch_size=16, device=torch.device("cpu"))
    batch = examples[torch.arange(0, 160, 10)]
    asked = [*ANSWERS, 11] if loss_on == "answer_and_eos" else ANSWERS
    assert batch.positions.tolist() == [asked] * 16

    cross_entropy(model(batch.inputs, batch.positions).flatten(0, 1), batch.targets.flatten()).backward()
    found = {name: one.grad.clone() for name, one in model.named_parameters() if one.grad is not None}
    model.zero_grad()
    for place in range(len(asked)):
        logits = model(batch.inputs, batch.positions[:, place : place + 1])[:, 0]
        (cross_entropy(logits, batch.targets[:, place]) / len(asked)).backward()
    largest = max(one.abs().max().item() for one in found.values())
    for name, one in model.named_parameters():
        if one.grad is not None:
            torch.testing.assert_close(found[name], one.grad, rtol=1e-3, atol=1e-4 * largest)


@both_losses
def test_accuracy_is_of_the_last_answer_and_loss_of_all(data: Path, tmp_path: Path, loss_on: str) -> None:
    """Against a forward pass over whole rows, whose next tokens are compared one by one."""
    grokcore.train_model(spec_of(f"training.loss_on={loss_on}"), data, tmp_path / "run")
    evaluation = grokcore.evaluate_model(tmp_path / "run")
    dataset, model = open_dataset(data), load_model(tmp_path / "run" / "model")
    last = read_journal(tmp_path / "run" / "metrics.jsonl")[-1]
    for split, rows in dataset.probes().items():
        whole = torch.cat(
            [
                torch.from_numpy(rows.tokens).long(),
                torch.from_numpy(rows.answers).long()[:, None],
                torch.full((len(rows), 1), dataset.info.eos),
            ],
            1,
        )
        with torch.no_grad():
            logits = model(whole, torch.arange(12).expand(len(rows), -1))
        asked = [*ANSWERS, 11] if loss_on == "answer_and_eos" else ANSWERS
        right = logits.argmax(-1) == whole[:, 1:]
        accuracy = (right[:, 10] & (right[:, 11] | (loss_on == "answer"))).float().mean().item()
        losses = cross_entropy(logits.transpose(1, 2), whole[:, 1:], reduction="none")[:, asked]
        assert last["splits"][split]["accuracy"] == evaluation.splits[split].accuracy == pytest.approx(accuracy)
        assert last["splits"][split]["loss"] == pytest.approx(losses.mean().item(), rel=1e-4)


def test_seeds_that_train_together_are_as_alone(data: Path, tmp_path: Path) -> None:
    specs = [spec_of("training.max_steps=8", f"seed={seed}") for seed in range(2)]
    for strategy in ("stacked", "sequence"):
        train_seeds(specs, data, tmp_path / strategy, strategy=strategy)
    for seed in range(2):
        packed, alone = (without_clock(tmp_path / way / f"seed-{seed}") for way in ("stacked", "sequence"))
        for ours, expected in zip(packed, alone, strict=True):
            for split, values in expected["splits"].items():
                assert ours["splits"][split]["loss"] == pytest.approx(values["loss"], rel=2e-4)


@both_losses
def test_flops_count_every_supervised_position(data: Path, tmp_path: Path, loss_on: str) -> None:
    spec = spec_of(f"training.loss_on={loss_on}", "training.max_steps=1")
    grokcore.train_model(spec, data, tmp_path / "run")
    model = read_manifest(tmp_path / "run").model
    tokens, supervised = (12, 5) if loss_on == "answer_and_eos" else (11, 4)
    expected = step_flops(spec.model, vocabulary_size=6, tokens=tokens, supervised=supervised, batch_size=64)
    assert model.flops_of_model == flops_of_track(spec, 6, tokens) == expected


def test_a_dataset_names_its_supervised_positions(data: Path, tmp_path: Path) -> None:
    document = json.loads((data / "dataset.json").read_text())
    assert document["supervised"] == [1, 4, 7]
    for name in ("train.parquet", "probes.parquet", "vocab.json"):
        (tmp_path / name).write_bytes((data / name).read_bytes())
    (tmp_path / "dataset.json").write_text(json.dumps({**document, "supervised": [1, 4, 10]}))
    with pytest.raises(InputError, match=r"names supervised positions that a question of train\.parquet does not have"):
        open_dataset(tmp_path).train()
