"""Every variant through all that a model goes through: what holds for GPT-2 holds for each of them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from torch.nn.functional import cross_entropy

import grokcore
from grokcore.data import open_dataset
from grokcore.data.supervision import supervise
from grokcore.models import (
    SequenceModel,
    build_model,
    decay_groups,
    forward_flops,
    load_model,
    parameter_count,
)
from grokcore.runs import read_manifest
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.training.batches import Batch, Examples
from grokcore.training.seeds import train_seeds
from tests.models.variants import VARIANTS, every_variant
from tests.support.checks import without_clock

STEPS = 16
SIZES = {"vocabulary_size": 40, "sequence_length": 9}
IN_FP32 = 2e-4
"""Relative to the largest entry: sums in another order, and the gradients of few examples."""


def spec_of(variant: str, *overrides: str) -> ExperimentSpec:
    return load_spec("smoke", [*VARIANTS[variant], *overrides])


def short(variant: str, *overrides: str) -> ExperimentSpec:
    """A run of a few steps with a checkpoint in its middle."""
    budget = (f"training.max_steps={STEPS}", f"training.checkpoint_interval={STEPS // 2}", "training.warmup_steps=2")
    return spec_of(variant, *budget, "evaluation.interval=8", *overrides)


def model_of(variant: str, *overrides: str, seed: int = 0) -> SequenceModel:
    return build_model(spec_of(variant, *overrides).model, seed=seed, **SIZES)


def random_tokens(batch: int = 5, length: int = 6, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, SIZES["vocabulary_size"], (batch, length), generator=generator)


def every_position(tokens: Tensor) -> Tensor:
    return torch.arange(tokens.shape[1]).expand(tokens.shape)


@every_variant
def test_a_run_resumes_exactly_and_is_evaluated_reported_and_loaded(
    variant: str, smoke_data: Path, tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    grokcore.train_model(short(variant), smoke_data, whole)
    grokcore.train_model(short(variant, f"training.max_steps={STEPS // 2}"), smoke_data, parts)
    grokcore.train_model(short(variant), smoke_data, parts, resume="require")

    journal, manifest = without_clock(whole), read_manifest(whole)
    assert without_clock(parts) == journal
    assert journal[-1]["step"] == STEPS
    assert all(line[field] > 0 for line in journal[1:] for field in ("gradient_norm", "weight_norm", "flops"))
    assert journal[-1]["train"]["loss"] < journal[0]["train"]["loss"]
    assert manifest.execution["prefix_sharing"] == "2 prefixes of 2 tokens"
    weights = [load_file(run / "model" / "model.safetensors") for run in (whole, parts)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])

    own_format = '"grokcore"' in (whole / "model" / "config.json").read_text("utf-8")
    assert manifest.model.files == ("grokcore" if own_format else "transformers")
    model = load_model(whole / "model")
    assert sum(parameter.numel() for parameter in model.parameters()) == manifest.model.parameters
    evaluation = grokcore.evaluate_model(whole)
    assert evaluation.held_out
    grokcore.build_report([whole], tmp_path / "report.html")
    assert spec_of(variant).model.architecture in (tmp_path / "report.html").read_text("utf-8")


@every_variant
def test_seeds_packed_into_one_process_train_as_they_do_alone(variant: str, smoke_data: Path, tmp_path: Path) -> None:
    few = ("training.max_steps=8",)
    grokcore.train_model(short(variant, *few, "seed=1"), smoke_data, tmp_path / "alone")
    specs = [short(variant, *few, f"seed={seed}") for seed in range(2)]
    train_seeds(specs, smoke_data, tmp_path / "packed", strategy="stacked")

    packed, alone = without_clock(tmp_path / "packed" / "seed-1"), without_clock(tmp_path / "alone")
    assert [line["step"] for line in packed] == [line["step"] for line in alone]
    for ours, expected in zip(packed[1:], alone[1:], strict=True):
        for name in ("gradient_norm", "weight_norm"):
            assert ours[name] == pytest.approx(expected[name], rel=2e-4)
        for name, split in expected["splits"].items():
            assert ours["splits"][name]["loss"] == pytest.approx(split["loss"], rel=2e-4)


def loss_and_gradients(model: SequenceModel, batch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
    logits = model(batch.inputs, batch.positions, batch.prefixes)
    cross_entropy(logits.flatten(0, 1), batch.targets.flatten()).backward()
    gradients = {name: parameter.grad for name, parameter in model.named_parameters() if parameter.grad is not None}
    return logits.detach(), gradients


@pytest.mark.parametrize("loss_on", ["answer", "answer_and_eos"])
@every_variant
def test_sharing_the_tasks_prefixes_changes_neither_predictions_nor_gradients(
    variant: str, loss_on: str, smoke_data: Path
) -> None:
    dataset, spec = open_dataset(smoke_data), spec_of(variant)
    rows, results = torch.arange(0, 200, 4), []
    for prefixes in (dataset.info.prefixes, ()):
        sizes = {"vocabulary_size": dataset.info.vocabulary_size, "sequence_length": 9}
        model = build_model(spec.model, seed=0, **sizes).train()
        supervision = supervise(dataset.train(), dataset.info.eos, loss_on)
        device = torch.device("cpu")
        examples = Examples.for_model(model, supervision, prefixes, batch_size=len(rows), device=device)
        assert (examples[rows].prefixes is not None) == bool(prefixes), examples.prefix_sharing
        results.append(loss_and_gradients(model, examples[rows]))
    (shared, ours), (whole, expected) = results
    torch.testing.assert_close(shared, whole, rtol=1e-4, atol=IN_FP32 * whole.abs().max().item())
    assert ours.keys() == expected.keys()
    largest = max(gradient.abs().max().item() for gradient in expected.values())
    for name, gradient in expected.items():
        assert (ours[name] - gradient).abs().max().item() < IN_FP32 * largest, name


@every_variant
def test_the_residual_stream_is_read_and_replaced(variant: str) -> None:
    """Replaced whole, at any layer, it makes the other input's prediction: nothing else goes from block to block."""
    model, tokens, other = model_of(variant).eval(), random_tokens(), random_tokens(seed=1)
    streams: list[dict[int, Tensor]] = []
    logits = []
    for inputs in (tokens, other):
        streams.append({})
        with model.residual_stream(lambda layer, hidden: streams[-1].update({layer: hidden})):
            logits.append(model(inputs, every_position(inputs)))
    torch.testing.assert_close(logits[0], model(tokens, every_position(tokens)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.unembed(streams[0][model.layers]), logits[0])
    assert list(streams[0]) == list(range(model.layers + 1))

    for layer, replacement in streams[1].items():
        with model.residual_stream(lambda at, hidden, there=layer, by=replacement: by if at == there else None):
            replaced = model(tokens, every_position(tokens))
        torch.testing.assert_close(replaced, logits[1], rtol=1e-4, atol=1e-5)
    assert not torch.allclose(logits[0], logits[1], rtol=1e-2)


def check_continuation(model: SequenceModel) -> None:
    """From every layer, only the later blocks run; the hook that replaces the stream there is the naive twin."""
    tokens, generator = random_tokens(), torch.Generator().manual_seed(0)
    streams: list[Tensor] = []
    with model.residual_stream(lambda layer, hidden: streams.append(hidden)):
        model(tokens, every_position(tokens))
    for layer, stream in enumerate(streams):
        replaced = torch.where(
            torch.rand(stream.shape[:2], generator=generator)[..., None] < 0.5, stream.flip(0), stream
        )
        with model.residual_stream(lambda at, hidden, there=layer, by=replaced: by if at == there else None):
            expected = model(tokens, every_position(tokens))
        some = every_position(tokens)[:, 2:]
        found = model.forward_from([*streams[:layer], replaced], some)
        torch.testing.assert_close(found, expected[:, 2:], rtol=1e-4, atol=1e-5)
        copies = [one.expand(2, *one.shape) for one in (*streams[:layer], replaced)]
        torch.testing.assert_close(model.forward_from(copies, some.repeat(2, 1)), found.repeat(2, 1, 1))


@every_variant
def test_a_pass_continues_from_any_layer(variant: str) -> None:
    check_continuation(model_of(variant).eval())


@pytest.mark.parametrize("architecture", ["gpt2", "rwkv"])
def test_tokens_that_converge_continue_from_the_start_of_their_round(architecture: str) -> None:
    recurrence = "model.recurrence={kind: adaptive, most: 3, tolerance: 4}"
    model = model_of("gpt2", f"model.architecture={architecture}", "model.layers=3", recurrence).eval()
    model.embedding.weight.data.mul_(1e5)  # beside which the first round is a small change
    check_continuation(model)


@every_variant
def test_no_token_sees_a_later_one(variant: str) -> None:
    model, tokens = model_of(variant).eval(), random_tokens()
    changed = tokens.clone()
    changed[:, 3] = (changed[:, 3] + 1) % SIZES["vocabulary_size"]

    before, after = (model(inputs, every_position(inputs)) for inputs in (tokens, changed))

    differs = (before - after).abs().amax(dim=(0, 2))
    assert differs[:3].max() == 0
    assert differs[3] > 0


@pytest.mark.parametrize("tied", ["true", "false"])
@every_variant
def test_a_saved_model_comes_back_the_same(variant: str, tied: str, tmp_path: Path) -> None:
    model, tokens = model_of(variant, f"model.tie_embeddings={tied}").eval(), random_tokens()

    model.save(tmp_path)
    loaded = load_model(tmp_path).eval()

    assert torch.equal(loaded(tokens, every_position(tokens)), model(tokens, every_position(tokens)))
    assert [name for name, _ in loaded.named_parameters()] == [name for name, _ in model.named_parameters()]
    assert not list(tmp_path.glob("*.bin"))


@every_variant
def test_the_accounting_counts_what_is_built(variant: str) -> None:
    for overrides in ((), ("model.width=64", "model.layers=3"), ("model.tie_embeddings=true",)):
        spec = spec_of(variant, *overrides).model
        model = build_model(spec, seed=0, **SIZES)

        count = parameter_count(spec, **SIZES)

        assert count.total == sum(parameter.numel() for parameter in model.parameters())
    few, many = (forward_flops(spec, vocabulary_size=40, tokens=tokens, supervised=1) for tokens in (3, 6))
    assert 1.9 * (few - 2 * spec.width * 40) < many - 2 * spec.width * 40


@pytest.mark.parametrize("rule", ["explicit", "published"])
@every_variant
def test_weight_decay_knows_every_parameter_once(variant: str, rule: Any) -> None:
    for tied in ("true", "false"):
        model = model_of(variant, f"model.tie_embeddings={tied}")

        decayed, not_decayed = decay_groups(model, rule)

        grouped = [id(parameter) for _, parameter in decayed + not_decayed]
        assert sorted(grouped) == sorted(id(parameter) for parameter in model.parameters())
        assert any(re.search(r"embedding\.weight$", name) for name, _ in decayed)
        if rule == "explicit":
            assert not [name for name, _ in decayed if name.endswith("bias")]


@pytest.mark.parametrize("init", ["published", "original"])
@every_variant
def test_the_seed_decides_the_weights_and_training_reaches_all_of_them(variant: str, init: str) -> None:
    def weights(seed: int) -> Tensor:
        model = model_of(variant, f"model.init={init}", seed=seed)
        return torch.cat([parameter.detach().flatten() for parameter in model.parameters()])

    before = torch.get_rng_state()
    assert torch.equal(weights(5), weights(5))
    assert torch.equal(torch.get_rng_state(), before)
    assert not torch.equal(weights(5), weights(6))

    model, tokens, answers = model_of(variant, f"model.init={init}").train(), random_tokens(32), random_tokens(32, 1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, weight_decay=0.0)
    losses = []
    for _ in range(12):
        loss = cross_entropy(model(tokens, torch.full((32, 1), 5))[:, 0], answers[:, 0])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
    silent = [
        name for name, parameter in model.named_parameters() if parameter.grad is None or not parameter.grad.any()
    ]
    assert silent == []


@every_variant
def test_bf16_autocast_trains(variant: str) -> None:
    model, tokens = model_of(variant).train(), random_tokens(16)
    last = torch.full((16, 1), 5)
    exact = model(tokens, last).detach()

    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = model(tokens, last)
    cross_entropy(rough[:, 0].float(), tokens[:, 0]).backward()

    difference = (rough.detach().float() - exact).square().mean().sqrt() / exact.square().mean().sqrt()
    assert difference.item() < 0.05
    assert all(parameter.grad is None or parameter.grad.isfinite().all() for parameter in model.parameters())
