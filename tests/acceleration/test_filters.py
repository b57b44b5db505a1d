"""Filters of gradients: each against its formula in fp64, and against another implementation."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from grokcore.acceleration.filters import amplify_slow, normalize, orthogonalize_to_weights

SHAPES = [(6, 5), (7,), (), (3, 2, 4)]


def randoms(seed: int, dtype: torch.dtype = torch.float64, seeds: int | None = None) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = () if seeds is None else (seeds,)
    return [torch.randn((*first, *shape), generator=generator, dtype=torch.float64).to(dtype) for shape in SHAPES]


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_the_average_of_gradients_is_amplified(dtype: torch.dtype, tolerance: float) -> None:
    averages = [torch.zeros(shape, dtype=dtype) for shape in SHAPES]
    twin: list[Tensor] = []
    for step in range(20):
        gradients, exact = randoms(step, dtype), randoms(step)
        twin = [0.98 * mu + 0.02 * g for mu, g in zip(twin, exact, strict=True)] if twin else exact
        amplify_slow(gradients, averages, 1 - 0.98 if step else 1.0, 2.0)
        for mine, g, mu in zip(gradients, exact, twin, strict=True):
            torch.testing.assert_close(mine.double(), g + 2 * mu, rtol=tolerance, atol=tolerance)


def test_it_is_grokfast_as_others_write_it() -> None:
    theirs = pytest.importorskip("pytorch_optimizer.optimizer.grokfast", reason="a package of development")
    model = nn.Linear(5, 3)
    state, averages = None, [torch.zeros_like(one) for one in model.parameters()]
    for step in range(20):
        torch.manual_seed(step)
        gradients = [torch.randn_like(one) for one in model.parameters()]
        for weight, gradient in zip(model.parameters(), gradients, strict=True):
            weight.grad = gradient.clone()
        state = theirs.gradfilter_ema(model, state, alpha=0.98, lamb=2.0)
        amplify_slow(gradients, averages, torch.tensor(0.02 if step else 1.0), 2.0)
        for mine, weight in zip(gradients, model.parameters(), strict=True):
            torch.testing.assert_close(mine, weight.grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-6)])
def test_gradients_become_orthogonal_to_their_weights_and_keep_their_norm(dtype: torch.dtype, tolerance: float) -> None:
    gradients, weights = randoms(0, dtype), randoms(1, dtype)
    before = [gradient.clone() for gradient in gradients]
    orthogonalize_to_weights(gradients, weights)
    for mine, g, w in zip(gradients, before, weights, strict=True):
        if not w.ndim:
            continue  # a number has no direction but that of its weight
        exact, weight = g.double(), w.double()
        rest = exact - (weight * exact).sum() / weight.square().sum() * weight
        torch.testing.assert_close(mine.double(), rest * exact.norm() / rest.norm(), rtol=tolerance, atol=tolerance)
        assert abs((w * mine).sum().item()) <= 30 * tolerance
        torch.testing.assert_close(mine.norm(), g.norm())


def test_it_is_orthograd_as_others_write_it() -> None:
    theirs = pytest.importorskip("pytorch_optimizer", reason="a package of development")
    weights = [nn.Parameter(one.float()) for one in randoms(1) if one.ndim]
    gradients = [one.float() for one in randoms(0) if one.ndim]
    for weight, gradient in zip(weights, gradients, strict=True):
        weight.grad = gradient.clone()
    before = [weight.detach().clone() for weight in weights]
    theirs.OrthoGrad(torch.optim.SGD(weights, lr=1.0)).step()
    orthogonalize_to_weights(gradients, before)
    for weight, old, gradient in zip(weights, before, gradients, strict=True):
        torch.testing.assert_close(old - weight.detach(), gradient, rtol=1e-5, atol=1e-5)


def test_all_gradients_together_get_norm_1() -> None:
    gradients = randoms(0)
    before = torch.cat([one.flatten() for one in gradients])
    normalize(gradients)
    after = torch.cat([one.flatten() for one in gradients])
    torch.testing.assert_close(after, before / before.norm(), rtol=1e-7, atol=0)


def test_stacked_seeds_are_filtered_as_if_alone() -> None:
    gradients, weights = randoms(0, seeds=3), randoms(1, seeds=3)
    alone = [[one[seed].clone() for one in gradients] for seed in range(3)]
    for filtered in ("orthograd", "normalize"):
        stacked = [one.clone() for one in gradients]
        single = [[one.clone() for one in seed] for seed in alone]
        if filtered == "orthograd":
            orthogonalize_to_weights(stacked, weights, stacked=True)
            for seed, mine in enumerate(single):
                orthogonalize_to_weights(mine, [one[seed] for one in weights])
        else:
            normalize(stacked, stacked=True)
            for mine in single:
                normalize(mine)
        for seed, mine in enumerate(single):
            for one, other in zip(stacked, mine, strict=True):
                torch.testing.assert_close(one[seed], other, rtol=1e-10, atol=1e-10)
