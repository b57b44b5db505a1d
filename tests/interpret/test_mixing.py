"""Mixing maps: value-zeroing against known attention weights, and causality for every architecture."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor

from grokcore.interpret import AnalysisSpec, attention, mixing
from grokcore.interpret.attention import attention_maps
from grokcore.interpret.cases import Case, Counterfactual, Target
from grokcore.interpret.mixing import input_zeroing, value_zeroing
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel
from tests.models.test_every_variant import model_of
from tests.models.variants import every_variant


@every_variant
def test_maps_are_causal_and_sum_to_1(variant: str) -> None:
    model = model_of(variant).eval()
    inputs = torch.randn(model.layers, 7, 6, model.config.hidden_size, generator=torch.Generator().manual_seed(0))

    maps = value_zeroing(model, inputs)

    assert maps.shape == (model.layers, 7, 6, 6)
    if maps.isfinite().all():  # an output projection that starts at zero reads nothing
        torch.testing.assert_close(maps.sum(-1), torch.ones_like(maps[..., 0]))
    assert not maps.triu(1).nan_to_num().any()
    to_zero = input_zeroing(model, inputs)
    assert to_zero.shape == maps.shape
    assert not to_zero.triu(1).nan_to_num().any()
    attention = attention_maps(model, inputs)
    assert attention is not None
    torch.testing.assert_close(attention.sum(-1), torch.ones_like(attention[..., 0]))
    assert not attention.triu(1).any()
    assert (attention >= 0).all()


def hand_set() -> SequenceModel:
    """GPT-2 with one head, whose keys are channel 0 of the input and whose values are channel 1, in every block."""
    model = model_of("gpt2", "model.heads=1").eval()
    width = model.config.hidden_size
    with torch.no_grad():
        for block in model.blocks:
            mixer = block.token_mixer
            for parameter in mixer.parameters():
                parameter.zero_()
            mixer.query_key_value.bias[0] = 1.0  # the query reads channel 0 of keys
            mixer.query_key_value.weight[width, 0] = 4.0
            mixer.query_key_value.weight[2 * width + 1, 1] = 1.0
            mixer.output.weight.copy_(torch.eye(width))
    return model


def test_value_zeroing_reproduces_attention_weights_of_fixed_scores() -> None:
    """Scores come from positions' own keys through a bias alone, values are equally far from their mean."""
    model = hand_set()
    inputs = torch.zeros(1, 2, 6, model.config.hidden_size)
    inputs[0, :, :, 0] = torch.randn(6, generator=torch.Generator().manual_seed(1)) * 3
    inputs[0, 0, :, 1], inputs[0, 1, :, 1] = 1.0, -1.0  # mean 0
    weights = attention_maps(model, inputs.expand(model.layers, -1, -1, -1))
    assert weights is not None

    zeroed = value_zeroing(model, inputs)[0, 0].numpy()

    expected = weights[0, 0, 0].detach().numpy()
    assert np.ptp(expected[-1]) > 0.1
    np.testing.assert_allclose(zeroed, expected, atol=1e-5)


ROLES = ("attr", "q", "e1", "mask", "e2")


class Given(Subject):
    """Inputs of mixers that are set by hand."""

    given: Tensor

    def inputs(self, case: Case) -> Tensor:
        return self.given


def given(scores: list[float], values: list[float]) -> tuple[Given, Case]:
    """Questions of which attr, e1 and e2 decide the answer, and whose positions have these keys and values.

    Args:
        values: of q and mask the same in all questions, of the others with either sign.
    """
    model, n = hand_set(), 20
    answers = np.arange(n) % 2
    kinds = {
        role: Counterfactual(role, (role,), np.arange(n), np.zeros((n, 5), np.int64), 1 - answers)
        for role in ("attr", "e1", "e2")
    }
    kinds["same"] = Counterfactual("same", ("q",), np.arange(n), np.zeros((n, 5), np.int64), answers)
    target = Target("answer", "e2", answers, np.arange(2))
    case = Case("test", ROLES, np.zeros((n, 5), np.int64), answers, (target,), kinds)
    subject = Given(None, None, AnalysisSpec(draws=100), [case], model, 0, lambda: model)  # type: ignore[arg-type]
    sign = 2.0 * torch.from_numpy(answers) - 1
    x = torch.zeros(model.layers, n, 5, model.config.hidden_size)
    x[..., 0] = torch.tensor(scores) / 4
    for place, (role, value) in enumerate(zip(ROLES, values, strict=True)):
        x[:, :, place, 1] = value if role in {"q", "mask"} else value * sign
    subject.given = x
    return subject, case


def headlines(numbers: Iterable[Number]) -> dict[str, float]:
    return {one.metric: one.value for one in numbers if one.layer is None}


def test_mass_on_relevant_is_the_attention_that_was_set() -> None:
    scores = [1.0, 0.5, 2.0, -1.0, 0.3]
    weights = np.exp(np.array(scores) / np.sqrt(model_width()))

    found = headlines(attention.measure(given(scores, [1.0] * 5)[0]))

    assert found["mass_on_relevant"] == pytest.approx((weights[0] + weights[2]) / weights[:4].sum(), abs=1e-5)
    assert found["mass_on_relevant_uniform"] == 0.5


def test_mass_on_relevant_of_mixing_counts_tokens_that_all_questions_share() -> None:
    values = [0.5, 2.0, 1.0, 1.5, 0.7]

    subject, case = given([0.0] * 5, values)  # equal weights: what is read of a position is its value
    found = headlines(mixing.measure(subject))

    assert found["mass_on_relevant"] == pytest.approx((values[0] + values[2]) / sum(values[:4]), abs=1e-5)
    assert found["mass_on_relevant_uniform"] == 0.5
    to_mean = value_zeroing(subject.model, subject.inputs(case))[0, 0, -1]
    assert to_mean[[1, 3]].tolist() == pytest.approx([0, 0], abs=1e-6)  # the trap: q and mask are their own mean


def model_width() -> int:
    width: int = model_of("gpt2").config.hidden_size
    return width
