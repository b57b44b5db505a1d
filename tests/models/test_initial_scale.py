"""The scale of the first weights: of matrices alone, and the same in both implementations."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor

from grokcore.models import SequenceModel, build_model
from grokcore.models.initial_scale import set_row_norms
from grokcore.models.roles import layouts
from grokcore.spec import GPT2
from tests.models.tiny_models import ARCHITECTURES, SPECS, tiny_model

LEVERS: list[dict[str, Any]] = [{"init_scale": 3.0}, {"init_row_norm": 2.0}]


def rows_by_role(model: SequenceModel) -> list[tuple[str, Tensor]]:
    """Each parameter with its role, matrices as (outputs, inputs)."""
    found = layouts(model)
    return [
        (found[name].role, weight.t() if found[name].outputs else weight) for name, weight in model.named_parameters()
    ]


@pytest.mark.parametrize("init", ["published", "original"])
@pytest.mark.parametrize("architecture", SPECS.values())
def test_matrices_are_scaled_and_nothing_else(architecture: Any, init: str) -> None:
    fields: dict[str, Any] = {"implementation": "fast", "init": init, "memory": {"kind": "slots", "slots": 6}}
    plain, scaled, normed = (tiny_model(architecture, **fields, **lever) for lever in ({}, *LEVERS))
    for (role, weight), (_, mine), (_, rows) in zip(*map(rows_by_role, (plain, scaled, normed)), strict=True):
        if role != "matrix":
            assert torch.equal(mine, weight)
            assert torch.equal(rows, weight)
            continue
        torch.testing.assert_close(mine, 3.0 * weight, rtol=1e-6, atol=0)
        drawn = weight.norm(dim=1) > 0
        torch.testing.assert_close(rows.norm(dim=1), 2.0 * drawn, rtol=1e-5, atol=0)
        torch.testing.assert_close(rows / 2 * weight.norm(dim=1, keepdim=True), weight, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("lever", LEVERS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_both_implementations_begin_with_the_same_scaled_weights(architecture: Any, lever: dict[str, Any]) -> None:
    ours, theirs = (tiny_model(architecture, implementation=name, **lever) for name in ("fast", "transformers"))
    network: Any = theirs
    converted = tiny_model(architecture, implementation="fast")
    converted.load_transformers(dict(network.network.named_parameters()))  # type: ignore[operator]
    assert all(torch.equal(*pair) for pair in zip(ours.parameters(), converted.parameters(), strict=True))


def test_a_row_of_zeros_stays_one() -> None:
    weight = torch.tensor([[0.0, 0.0], [3.0, 4.0]])
    set_row_norms(weight, 10.0)
    assert weight.tolist() == [[0.0, 0.0], [6.0, 8.0]]


def test_scale_and_norm_are_not_given_together() -> None:
    with pytest.raises(ValidationError, match="init_scale is undone by init_row_norm"):
        GPT2(init_scale=2.0, init_row_norm=1.0)


def test_a_scale_of_1_draws_the_same_weights() -> None:
    sizes = {"vocabulary_size": 9, "sequence_length": 7, "seed": 0}
    plain, same = (build_model(GPT2(**fields), **sizes) for fields in ({}, {"init_scale": 1.0}))
    assert all(torch.equal(*pair) for pair in zip(plain.parameters(), same.parameters(), strict=True))
