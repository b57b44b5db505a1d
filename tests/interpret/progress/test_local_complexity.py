"""Local complexity, against a twin that counts one vertex at a time, and on a unit whose hyperplane is known."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from grokcore.interpret.progress.local_complexity import (
    RADIUS,
    directions,
    layer_0,
    local_complexity,
    measure,
    pre_activations,
)
from tests.interpret.progress.conftest import SubjectOf
from tests.models.variants import every_variant

WITHOUT_MLP = ("mamba", "mamba2")


def naive(model: Any, inputs: Tensor, positions: Tensor, orthonormal: Tensor) -> list[list[int]]:
    """The count of each row and block of GPT-2, one vertex after the other, with the blocks run by hand."""
    from grokcore.models.fast.layout import Layout

    centers = layer_0(model, inputs, positions)
    radius = RADIUS * sum(float(center.norm()) for center in centers) / len(centers)
    counts = [[0] * len(inputs) for _ in model.blocks]
    for row, center in enumerate(centers):
        signs: list[list[Tensor]] = [[] for _ in model.blocks]
        for direction in orthonormal.float():
            for side in (1, -1):
                hidden = center + side * radius * direction.view_as(center)
                for number, block in enumerate(model.blocks):
                    layout = Layout(1, len(hidden), hidden.device)
                    hidden = hidden + block.token_mixer(block.token_norm(hidden), layout, None)
                    normed = block.channel_norm(hidden)
                    weight, bias = block.channel_mixer.input.weight, block.channel_mixer.input.bias
                    signs[number].append((weight @ normed[int(positions[row])] + bias) > 0)
                    hidden = hidden + block.channel_mixer(normed)
        for number, of_block in enumerate(signs):
            stacked = torch.stack(of_block)
            counts[number][row] = sum(len(set(column.tolist())) == 2 for column in stacked.t())
    return counts


@torch.no_grad()
def test_counts_are_those_of_a_naive_twin(subject_of: SubjectOf) -> None:
    subject = subject_of("gpt2")
    inputs, positions = (torch.from_numpy(one[:6]) for one in (subject.train.inputs, subject.train.positions))
    positions = positions[:, :1]
    orthonormal = directions(inputs.shape[1] * 32, torch.Generator().manual_seed(0), count=5)
    found = local_complexity(subject.model, inputs, positions, orthonormal)
    assert found.sum() > 0
    assert found.tolist() == naive(subject.model, inputs, positions, orthonormal)


@torch.no_grad()
def test_a_unit_counts_where_its_hyperplane_is_nearer_than_a_vertex(subject_of: SubjectOf) -> None:
    """One direction, along which the first unit's pre-activation is known at both vertices."""
    model: Any = subject_of("gpt2").model
    inputs, positions = torch.tensor([[0, 1, 2, 3, 4]]), torch.tensor([[4]])
    orthonormal = directions(5 * 32, torch.Generator().manual_seed(0), count=1)
    center = layer_0(model, inputs, positions)
    step = RADIUS * center.norm() * orthonormal.float().view_as(center)
    low, high = sorted(
        float(pre_activations(model, inputs, positions, center + side * step)[0][0, 0]) for side in (1, -1)
    )
    linear = model.blocks[0].channel_mixer.input
    linear.weight[1:], linear.bias[1:] = 0, 1  # no other unit of this block ever changes sign
    bias = float(linear.bias[0])
    for offset, expected in ((-(low + high) / 2, 1), (-low + 1, 0), (-high - 1, 0)):
        linear.bias[0] = bias + offset
        assert int(local_complexity(model, inputs, positions, orthonormal)[0, 0]) == expected


@torch.no_grad()
def test_units_of_swiglu_are_those_of_its_gate(subject_of: SubjectOf) -> None:
    model: Any = subject_of("llama").model
    inputs, positions = torch.tensor([[0, 1, 2, 3, 4]]), torch.tensor([[4]])
    seen: list[Tensor] = []
    handle = model.blocks[0].channel_mixer.register_forward_hook(lambda module, args, output: seen.append(args[0]))
    units = pre_activations(model, inputs, positions, layer_0(model, inputs, positions))[0]
    handle.remove()
    gate, _ = model.blocks[0].channel_mixer.gate_up.weight.chunk(2)
    assert torch.allclose(units[0], gate @ seen[-1].unflatten(0, (1, 5))[0, 4], atol=1e-6)


def test_directions_are_orthonormal_and_no_more_than_there_can_be() -> None:
    for dimension, count in ((40, 25), (6, 6)):
        found = directions(dimension, torch.Generator().manual_seed(0))
        assert torch.allclose(found @ found.t(), torch.eye(count, dtype=torch.float64), atol=1e-12)


@every_variant
def test_every_variant_with_mlps_is_measured_the_same_twice(variant: str, subject_of: SubjectOf) -> None:
    subject = subject_of(variant)
    before = {name: weight.clone() for name, weight in subject.model.state_dict().items()}
    numbers = list(measure(subject))
    assert numbers == list(measure(subject))
    assert all(torch.equal(weight, before[name]) for name, weight in subject.model.state_dict().items())
    if any(variant.startswith(name) for name in WITHOUT_MLP):
        assert not numbers
        return
    layers = subject.model.layers
    for metric in ("local_complexity", "local_complexity_shuffled"):
        total, *parts = (number for number in numbers if number.metric == metric)
        assert [part.layer for part in parts] == list(range(layers))
        assert total.value == pytest.approx(math.fsum(part.value for part in parts))
        assert total.n == 128
        assert total.value > 0


def test_the_control_keeps_what_stands_at_each_position(subject_of: SubjectOf) -> None:
    from grokcore.interpret.progress.local_complexity import _shuffled
    from grokcore.interpret.progress.training_rows import training_rows

    rows = training_rows(subject_of("gpt2"))
    shuffled = _shuffled(rows, torch.Generator().manual_seed(0))
    assert torch.equal(shuffled.sort(0).values, rows.inputs.sort(0).values)
    assert not torch.equal(shuffled, rows.inputs)
