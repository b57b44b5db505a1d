"""Norms and ranks of weights, on matrices whose singular values are known."""

from __future__ import annotations

import math

import pytest
import torch

from grokcore.interpret.progress.norms import effective_rank, matrices, measure, singular_values, weight_norms
from tests.interpret.progress.conftest import SubjectOf
from tests.models.variants import every_variant


def of_rank(rank: int, rows: int = 24, columns: int = 16) -> torch.Tensor:
    """A matrix with `rank` singular values of 3."""
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.linalg.qr(torch.randn(size, rank, generator=generator))[0] for size in (rows, columns))
    return 3 * left @ right.t()


@pytest.mark.parametrize("rank", [1, 4, 16])
def test_the_effective_rank_of_a_matrix_with_k_equal_singular_values_is_k(rank: int) -> None:
    values = singular_values(of_rank(rank))
    assert effective_rank(values) == pytest.approx(rank, rel=1e-4)
    assert values[0].item() == pytest.approx(3, rel=1e-5)


def test_one_large_singular_value_among_small_ones_lowers_the_effective_rank() -> None:
    shares = (0.9, 0.1)
    expected = math.exp(-sum(share * math.log(share) for share in shares))
    assert effective_rank(torch.tensor([9.0, 1.0, 0.0])) == pytest.approx(expected)


@every_variant
def test_norms_of_roles_add_up_and_every_matrix_is_measured(variant: str, subject_of: SubjectOf) -> None:
    subject = subject_of(variant)
    norms = {number.case: number.value for number in weight_norms(subject.model)}
    total = sum(float(weight.detach().double().square().sum()) for weight in subject.model.parameters()) ** 0.5
    assert norms[""] == pytest.approx(total)
    assert sum(norm**2 for role, norm in norms.items() if role) == pytest.approx(total**2)

    numbers = [number for number in measure(subject) if number.metric == "effective_rank"]

    found = {name: matrix for name, _, matrix in matrices(subject.model)}
    assert {number.case for number in numbers} == found.keys()
    for number in numbers:
        matrix = found[number.case]
        assert 1 <= number.value <= min(matrix.shape) + 1e-6 or (math.isnan(number.value) and not matrix.any())
    assert {number.layer for number in numbers} >= {None, 0}


def test_query_key_and_value_are_measured_apart(subject_of: SubjectOf) -> None:
    names = {name for name, _, _ in matrices(subject_of("gpt2").model)}
    assert {f"blocks.1.token_mixer.query_key_value.weight[{part}]" for part in range(3)} <= names


def test_new_weights_are_as_their_random_control_and_the_same_numbers_come_twice(subject_of: SubjectOf) -> None:
    subject = subject_of("gpt2")
    numbers = list(measure(subject))
    found = {(number.metric, number.case): number.value for number in numbers}
    for metric in ("effective_rank", "spectral_norm"):
        for name, _, _ in matrices(subject.model):
            assert found[metric, name] == pytest.approx(found[f"{metric}_random", name], rel=0.25)
    assert numbers == list(measure(subject_of("gpt2")))
