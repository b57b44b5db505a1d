"""The local learning coefficient of losses for which it is known, and of every variant."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from grokcore.interpret.progress import learning_coefficient as llc
from grokcore.interpret.progress.learning_coefficient import SGLD, learning_coefficient, measure
from tests.interpret.progress.conftest import SubjectOf
from tests.models.variants import every_variant

ROWS = 10_000
NB = ROWS / math.log(ROWS)
WEAK = SGLD(step=1e-4, localization=1.0, draws=600, batch=1)


def quadratic(dimensions: int, flat: int = 0) -> tuple[llc.RowLoss, list[Tensor]]:
    """L(w) = 1/2 sum_i h_i w_i^2 at its minimum 0, the same for every row; `flat` of the weights have h_i = 0."""
    weight = torch.zeros(dimensions + flat, dtype=torch.float64, requires_grad=True)
    curvatures = torch.cat([torch.linspace(0.5, 2, dimensions), torch.zeros(flat)]).double()
    return lambda rows: (curvatures * weight.square()).sum().div(2).expand(len(rows)), [weight]


@pytest.mark.parametrize(("dimensions", "flat"), [(40, 0), (100, 0), (40, 60)])
def test_a_quadratic_of_d_dimensions_has_d_halves_however_many_are_flat(dimensions: int, flat: int) -> None:
    losses, weights = quadratic(dimensions, flat)
    found = learning_coefficient(losses, weights, torch.zeros(ROWS), WEAK)
    assert found.value == pytest.approx(dimensions / 2, rel=0.1)
    assert (found.diverged, found.below) == (0, 0)


def test_localization_pulls_it_down_as_the_posterior_of_a_quadratic_says() -> None:
    """E[h w^2] = h / (n beta h + gamma)."""
    losses, weights = quadratic(100)
    found = learning_coefficient(
        losses, weights, torch.zeros(ROWS), SGLD(step=1e-4, localization=1000.0, draws=600, batch=1)
    )
    curvatures = torch.linspace(0.5, 2, 100)
    assert found.value == pytest.approx(float((NB * curvatures / (NB * curvatures + 1000)).sum() / 2), rel=0.1)


def test_a_flat_quartic_has_a_quarter_of_each_dimension() -> None:
    """lambda of w^4 is 1/4: a degenerate minimum is simpler than a regular one."""
    weight = torch.zeros(50, dtype=torch.float64, requires_grad=True)
    settings = SGLD(step=1e-3, localization=0.01, draws=4000, burn_in=2000, batch=1, chains=2)
    found = learning_coefficient(
        lambda rows: weight.pow(4).sum().expand(len(rows)), [weight], torch.zeros(ROWS), settings
    )
    assert found.value == pytest.approx(50 / 4, rel=0.1)


def test_weights_are_put_back_even_after_an_error() -> None:
    losses, weights = quadratic(3)
    with torch.no_grad():
        weights[0].fill_(0.25)
    learning_coefficient(losses, weights, torch.zeros(ROWS), SGLD(draws=5, burn_in=5))
    assert weights[0].tolist() == [0.25] * 3

    def failing(rows: Tensor) -> Tensor:
        loss = losses(rows)
        if weights[0].detach()[0] != 0.25:
            raise RuntimeError("stopped")
        return loss

    with pytest.raises(RuntimeError, match="stopped"):
        learning_coefficient(failing, weights, torch.zeros(ROWS))
    assert weights[0].tolist() == [0.25] * 3


def test_it_is_not_defined_where_chains_fall_below_or_diverge() -> None:
    losses, weights = quadratic(10)
    with torch.no_grad():
        weights[0].fill_(2.0)  # no minimum: chains slide down
    start = losses(torch.arange(ROWS)).detach()
    below = learning_coefficient(losses, weights, start, WEAK)
    assert (below.below, below.diverged) == (4, 0)
    assert math.isnan(below.value)

    losses, weights = quadratic(10)
    diverged = learning_coefficient(losses, weights, torch.zeros(ROWS), SGLD(step=0.1, batch=1))
    assert diverged.diverged == 4
    assert math.isnan(diverged.value)

    bounded = learning_coefficient(losses, weights, torch.zeros(ROWS), WEAK, ceiling=1e-4)
    assert bounded.diverged == 4
    assert math.isnan(bounded.value)


def test_batches_are_compared_with_the_start_on_their_own_rows() -> None:
    """Rows whose losses differ by constants have the coefficient of rows that are alike, and no more noise."""
    losses, weights = quadratic(40)
    offsets = 100 * torch.rand(ROWS, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    plain = learning_coefficient(losses, weights, torch.zeros(ROWS), WEAK)
    offset = learning_coefficient(lambda rows: losses(rows) + offsets[rows], weights, offsets, WEAK)
    assert offset.value == pytest.approx(plain.value, rel=1e-6)


@every_variant
def test_every_variant_is_measured_the_same_twice_and_keeps_its_weights(
    variant: str, subject_of: SubjectOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(llc, "SETTINGS", SGLD(chains=2, burn_in=2, draws=3, batch=64))
    subject = subject_of(variant)
    before = {name: weight.clone() for name, weight in subject.model.state_dict().items()}
    numbers = {number.metric: number for number in measure(subject)}
    assert repr(list(numbers.values())) == repr(list(measure(subject)))
    assert all(torch.equal(weight, before[name]) for name, weight in subject.model.state_dict().items())
    assert numbers["llc"].n == len(subject.train.inputs)
    assert numbers["llc_regular"].value == sum(weight.numel() for weight in subject.model.parameters()) / 2
    valid = numbers["llc_below"].value + numbers["llc_diverged"].value == 0
    assert math.isfinite(numbers["llc"].value) is valid
