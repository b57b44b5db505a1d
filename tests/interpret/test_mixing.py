"""Mixing maps: value-zeroing against known attention weights, and causality for every architecture."""

from __future__ import annotations

import numpy as np
import torch

from grokcore.interpret.attention import attention_maps
from grokcore.interpret.mixing import value_zeroing
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


def test_value_zeroing_reproduces_attention_weights_of_fixed_scores() -> None:
    """Scores come from positions' own keys through a bias alone, values are equally far from their mean."""
    model = model_of("gpt2", "model.heads=1").eval()
    mixer = model.blocks[0].token_mixer
    width = model.config.hidden_size
    with torch.no_grad():
        for parameter in mixer.parameters():
            parameter.zero_()
        weight = mixer.query_key_value.weight
        mixer.query_key_value.bias[0] = 1.0  # the query reads channel 0 of keys
        weight[width, 0] = 4.0  # the key is channel 0 of the input, which all examples share
        weight[2 * width + 1, 1] = 1.0  # the value is channel 1
        mixer.output.weight.copy_(torch.eye(width))
    inputs = torch.zeros(1, 2, 6, width)
    inputs[0, :, :, 0] = torch.randn(6, generator=torch.Generator().manual_seed(1)) * 3
    inputs[0, 0, :, 1], inputs[0, 1, :, 1] = 1.0, -1.0  # mean 0
    weights = attention_maps(model, inputs.expand(model.layers, -1, -1, -1))
    assert weights is not None

    zeroed = value_zeroing(model, inputs)[0, 0].numpy()

    expected = weights[0, 0, 0].detach().numpy()
    assert np.ptp(expected[-1]) > 0.1
    np.testing.assert_allclose(zeroed, expected, atol=1e-5)
