"""Methods that make training generalize sooner: the same numbers whatever computes, resumes or skips their steps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from grokcore.acceleration.orthogonalize import SINGULAR_VALUES
from grokcore.errors import InputError
from grokcore.models.fast.conversion import to_transformers
from grokcore.models.roles import layouts
from grokcore.spec import TrainingSpec, load_spec
from grokcore.storage import FileStore
from grokcore.training.checkpoints.checkpoint import load_checkpoint
from grokcore.training.checkpoints.saving import save_checkpoint
from grokcore.training.losses import loss_of
from grokcore.training.optimizers import OPTIMIZERS
from grokcore.training.optimizers.groups import LearningRates, parameter_groups
from grokcore.training.projections import projection_of
from grokcore.training.seeds.stacked import StackedStep
from tests.models.tiny_models import ARCHITECTURES, every_position, random_tokens, tiny_model
from tests.support.extended import mostly_extended
from tests.training.methods import METHODS, WHOLE
from tests.training.test_step import assert_equal, overflow_at, state_of, steps, tensors_of, trainer_of


def trained(architecture: Any, implementation: str, overrides: list[str]) -> dict[str, Tensor]:
    """The weights of a tiny model after 10 steps on random tokens, by their names in transformers."""
    training = load_spec("smoke", overrides).training
    model = tiny_model(architecture, implementation=implementation)
    kind = OPTIMIZERS[training.optimizer]
    optimizer = kind(parameter_groups(model, training, by_role=kind.by_role), training)
    rates = LearningRates(optimizer, torch.device("cpu"))
    stored, tokens = layouts(model), random_tokens(16)
    loss, weights = loss_of(training), dict(model.named_parameters())
    projection = projection_of(training, [stored[name] for name in weights])
    for step in range(10):
        tokens = random_tokens(16, seed=step)
        logits = model(tokens[:, :-1], every_position(tokens[:, :-1]))
        loss(logits.flatten(0, 1), tokens[:, 1:].flatten()).backward()
        rates.set(1e-3)
        optimizer.step()
        if projection is not None:
            projection(list(weights.values()), None)
        model.zero_grad()
    return exported(model)


def without_key_biases(weights: dict[str, Tensor]) -> None:
    """Set the key's bias to 0.

    It adds the same to all scores of a query, so that its gradient is nothing but rounding, of which Lion makes a step.
    """
    biases = {name: one for name, one in weights.items() if name.endswith(("c_attn.bias", "query_key_value.bias"))}
    for name in biases:
        weights[name].view(3, -1)[1] = 0


def exported(model: Any) -> dict[str, Tensor]:
    named = dict(model.named_parameters())
    if hasattr(model, "network"):
        return {name.removeprefix("network."): weight.detach().clone() for name, weight in named.items()}
    return to_transformers(named, model.parts.names, model._places_in_files)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_implementations_take_the_same_steps(architecture: Any, method: str) -> None:
    """Whether matrices are packed or transposed."""
    ours, theirs = (trained(architecture, one, METHODS[method]) for one in ("fast", "transformers"))
    assert ours.keys() == theirs.keys()
    without_key_biases(ours), without_key_biases(theirs)
    for name, weight in theirs.items():
        torch.testing.assert_close(
            ours[name], weight, rtol=1e-4, atol=2e-5, msg=lambda text, name=name: f"{name}: {text}"
        )


@pytest.mark.parametrize("method", METHODS)
def test_a_resumed_run_is_the_uninterrupted_one_bit_for_bit(method: str, smoke_data: Path, tmp_path: Path) -> None:
    whole, parts = (trainer_of(smoke_data, *METHODS[method]) for _ in range(2))
    steps(whole, 12)
    done = 0
    for kill in (1, 2, 5, 8, 11):
        steps(parts, kill - done)
        save_checkpoint(FileStore(tmp_path), parts.state.checkpoint())
        checkpoint, _ = load_checkpoint(FileStore(tmp_path), parts.state.run_id)
        assert checkpoint is not None
        parts = trainer_of(smoke_data, *METHODS[method])
        parts.state.restore(checkpoint)
        done = kill
    steps(parts, 12 - done)
    assert_equal(tensors_of(parts), tensors_of(whole))


@pytest.mark.parametrize("method", METHODS)
def test_a_skipped_step_changes_no_byte_of_weights_or_state(method: str, smoke_data: Path) -> None:
    """Projected weights aside, which a first step has to bring inside their bound."""
    trainer = trainer_of(smoke_data, "training.precision=fp16", *METHODS[method])
    assert trainer.state.scaler is not None
    overflow_at(trainer, (0, 4))
    for others in (0, 3):
        steps(trainer, others)
        before = tensors_of(trainer)
        steps(trainer, 1)
        after = tensors_of(trainer)
        assert not after["gradient_norm"].isfinite()
        changing = {"gradient_norm", "steps_skipped", "scaler.scale", "scaler._growth_tracker"}
        for tensors in (before, after):
            for name in changing:
                tensors.pop(name)
        assert_equal(after, before)
    steps(trainer, 2)
    assert all(tensor.isfinite().all() for tensor in trainer.parameters)
    assert state_of(trainer.state.scaler)["scale"] == 2.0**14


@pytest.mark.parametrize("method", METHODS)
def test_no_tensor_of_a_method_moves(method: str, smoke_data: Path) -> None:
    trainer, other = (trainer_of(smoke_data, "training.precision=fp16", *METHODS[method]) for _ in range(2))

    def places() -> dict[str, int]:
        tensors = trainer.state.checkpoint().tensors.items()
        return {name: tensor.data_ptr() for name, tensor in tensors if not name.startswith("random.")}

    before = places()
    steps(trainer, 2)
    trainer.state.restore(other.state.checkpoint())
    assert places() == before


@pytest.mark.parametrize("method", mostly_extended(METHODS, ["muon", "orthograd"]))
def test_stacked_seeds_train_as_they_do_alone(method: str, smoke_data: Path) -> None:
    """15 steps of three seeds, equal up to the order of sums in products of a stack."""
    alone = [trainer_of(smoke_data, f"seed={seed}", *METHODS[method]) for seed in range(3)]
    together = [trainer_of(smoke_data, f"seed={seed}", *METHODS[method]) for seed in range(3)]
    stacked = StackedStep(together, lambda line: None)
    for _ in range(15):
        stacked()
        for trainer in alone:
            trainer.take_step()
    for mine, single in zip(together, alone, strict=True):
        ours, theirs = tensors_of(mine), tensors_of(single)
        assert ours.keys() == theirs.keys()
        without_key_biases(ours), without_key_biases(theirs)
        for name, tensor in theirs.items():
            if name.startswith("model."):
                torch.testing.assert_close(
                    ours[name], tensor, rtol=1e-4, atol=1e-5, msg=lambda text, name=name: f"{name}: {text}"
                )


def test_muon_orthogonalizes_matrices_and_leaves_the_rest_to_adamw(smoke_data: Path) -> None:
    """One step from zero momentum: each logical matrix moves by its orthogonalized gradient, at AdamW's size."""
    overrides = ["training.weight_decay=0", "training.warmup_steps=0", "training.gradient_clip=null"]
    muon, adamw = (trainer_of(smoke_data, f"training.optimizer={name}", *overrides) for name in ("muon", "adamw"))
    before = {name: weight.detach().clone() for name, weight in muon.model.named_parameters()}
    rate = muon.training.learning_rate
    steps(muon, 1), steps(adamw, 1)
    stored, others = layouts(muon.model), dict(adamw.model.named_parameters())
    for name, weight in muon.model.named_parameters():
        moved = before[name] - weight.detach()
        if stored[name].role != "matrix":
            assert torch.equal(weight, others[name]), name
            continue
        for part in stored[name].split(moved):
            values = torch.linalg.svdvals(part) / (rate * 0.2 * max(part.shape) ** 0.5)
            assert values.max() < SINGULAR_VALUES[1], name
            assert values.median() > 0.6, name


def test_rates_by_role_multiply_the_learning_rate_and_the_decay_with_it(smoke_data: Path) -> None:
    trainer = trainer_of(smoke_data, "training.learning_rate_of={embedding: 0, matrix: 2}", "training.warmup_steps=0")
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    steps(trainer, 1)
    stored, rate = layouts(trainer.model), trainer.training.learning_rate
    for name, weight in trainer.model.named_parameters():
        role, moved = stored[name].role, (weight.detach() - before[name]).abs().max().item()
        if role == "embedding":
            assert moved == 0, name
        elif role == "matrix":
            assert rate < moved < 2.3 * rate, name
        elif role == "vector":
            assert moved < 1.2 * rate, name


def test_frozen_roles_stay_from_the_evaluation_on_that_confirms_their_phase(smoke_data: Path) -> None:
    trainer = trainer_of(smoke_data, "training.freeze_on=[{roles: [embedding, head], phase: memorized}]")
    steps(trainer, 3)
    phases = {"memorized": 2, **{name: {} for name in trainer.held_out}}
    trainer.start([{"step": 3, "phases": phases}])  # type: ignore[list-item]
    before = {name: weight.detach().clone() for name, weight in trainer.model.named_parameters()}
    steps(trainer, 2)
    for name, weight in trainer.model.named_parameters():
        frozen = layouts(trainer.model)[name].role == "embedding"
        assert torch.equal(weight, before[name]) == frozen, name


@pytest.mark.parametrize("method", METHODS)
def test_zero_divides_what_acts_on_single_numbers_and_no_other(method: str) -> None:
    overrides = [*METHODS[method], "training.engine=deepspeed", "training.zero_stage=1"]
    if method in WHOLE:
        with pytest.raises(InputError, match="needs whole weights in one place and zero_stage=1 divides them"):
            load_spec("smoke", overrides)
    else:
        load_spec("smoke", overrides)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["training.freeze_on=[{roles: [matrix], phase: onset, split: moon}]"],
            "freeze_on.0..split=moon is not a held-out",
        ),
        (["training.freeze_on=[{roles: [], phase: memorized}]"], "roles"),
        (["training.learning_rate_of={engine: 2}"], "engine"),
        (["training.projection=row_norm"], "projection and projection_bound go together"),
    ],
)
def test_wrong_settings_are_refused_by_name(overrides: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_spec("smoke", overrides)


def test_lion_is_what_others_write() -> None:
    theirs = pytest.importorskip("pytorch_optimizer", reason="a package of development")
    generator = torch.Generator().manual_seed(0)
    ours, other = ([nn.Parameter(torch.ones(5, 3))] for _ in range(2))
    group = {"params": ours, "layouts": [None], "weight_decay": 0.3, "rate": 1.0, "role": None}
    optimizer = OPTIMIZERS["lion"]([group], TrainingSpec(optimizer="lion", betas=(0.9, 0.97), learning_rate=0.01))
    reference = theirs.Lion(other, lr=0.01, betas=(0.9, 0.97), weight_decay=0.3)
    for _ in range(20):
        ours[0].grad = torch.randn(5, 3, generator=generator)
        other[0].grad = ours[0].grad.clone()
        optimizer.step(), reference.step()
    torch.testing.assert_close(ours[0], other[0], rtol=1e-6, atol=1e-6)
