"""Newton-Schulz iterations: their formula, the singular values that they leave, and what torch makes of the same."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.optim._muon import _zeropower_via_newtonschulz

from grokcore.acceleration.orthogonalize import COEFFICIENTS, SINGULAR_VALUES, newton_schulz, update_scale

SHAPES = [(1, 1), (4, 4), (4, 48), (33, 65), (64, 256)]


def matrices(shape: tuple[int, int], count: int = 3, dtype: torch.dtype = torch.float64) -> Tensor:
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64).to(dtype)


def twin(matrix: Tensor) -> Tensor:
    """The iteration on one matrix, through its singular values."""
    u, s, v = torch.linalg.svd(matrix, full_matrices=False)
    s = s / (s.square().sum().sqrt() + 1e-7)
    a, b, c = COEFFICIENTS
    for _ in range(5):
        s = a * s + b * s**3 + c * s**5
    return u @ s.diag() @ v


@pytest.mark.parametrize("shape", SHAPES)
def test_it_moves_singular_values_by_the_polynomial_and_nothing_else(shape: tuple[int, int]) -> None:
    for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-3)):
        given = matrices(shape)
        expected = torch.stack([twin(one) for one in given])
        torch.testing.assert_close(newton_schulz(given.to(dtype)).double(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("shape", [(4, 48), (33, 65), (64, 256)])
def test_singular_values_end_near_1(shape: tuple[int, int]) -> None:
    values = torch.linalg.svdvals(newton_schulz(matrices(shape, count=20, dtype=torch.float32)))
    low, high = SINGULAR_VALUES
    assert values.min() >= low
    assert values.max() <= high


@pytest.mark.parametrize("shape", SHAPES)
def test_torch_makes_the_same_in_bfloat16(shape: tuple[int, int]) -> None:
    """Its eight bits leave a few hundredths."""
    for one in matrices(shape, dtype=torch.float32):
        theirs = _zeropower_via_newtonschulz(one, COEFFICIENTS, 5, 1e-7).float()
        assert (newton_schulz(one[None])[0] - theirs).abs().max() <= 3e-2


def test_a_stack_of_seeds_is_orthogonalized_matrix_by_matrix() -> None:
    given = torch.stack([matrices((4, 8)), -2 * matrices((4, 8))])
    torch.testing.assert_close(newton_schulz(given)[1, 2], newton_schulz(given[1, 2][None])[0])


def test_without_iterations_it_is_momentum_of_the_size_of_an_orthogonal_matrix() -> None:
    given = matrices((4, 48))
    control = newton_schulz(given, 0)
    torch.testing.assert_close(control / given, (control / given)[:, :1, :1].expand_as(given))
    torch.testing.assert_close(torch.linalg.matrix_norm(control), torch.full((3,), 2.0, dtype=torch.float64))
    ratio = torch.linalg.matrix_norm(newton_schulz(given)) / torch.linalg.matrix_norm(control)
    assert ((ratio > 0.68) & (ratio < 1.14)).all()


def test_a_gradient_of_zero_makes_no_update() -> None:
    assert torch.equal(newton_schulz(torch.zeros(2, 3, 5)), torch.zeros(2, 3, 5))


def test_an_update_has_the_size_of_adamws_whatever_the_shape() -> None:
    """A root mean square of .2: 1/sqrt(max(m, n)) of an orthogonal m x n matrix, times the scale."""
    for rows, columns in SHAPES:
        orthogonal = torch.eye(rows, columns)
        rms = orthogonal.square().mean().sqrt() * update_scale(rows, columns)
        assert rms.item() == pytest.approx(0.2, rel=1e-6)
