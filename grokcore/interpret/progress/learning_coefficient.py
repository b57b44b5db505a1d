"""Local learning coefficient by SGLD (arXiv 2308.12108, section 4; its algorithm 1).

    lambda = n beta (E[L(w)] - L(w*)),   n beta = n / ln n
    w <- w - e/2 (n beta grad L_batch(w) + gamma (w - w*)) + sqrt(e) N(0, 1)

of n training rows, with w* the weights of the checkpoint and the mean over what several chains draw after a burn-in.
L(w) is estimated on the rows of each step's batch, less L(w*) on the same rows, which has the same expectation and
varies less. A flat, degenerate minimum has a coefficient below d/2, that of a regular one with d weights.

The formula is of a local minimum of L. The coefficient is therefore not defined, NaN, where a chain diverges (its loss
becomes infinite or its mean exceeds the checkpoint's by ln V, that of a uniform guess), or where its mean falls below
L(w*): then w* is no minimum. `llc_diverged` and `llc_below` are the numbers of such chains, `llc_spread` the standard
deviation over chains, and `llc_regular` is d/2, which it is to be compared with.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from grokcore.interpret.number import Number
from grokcore.interpret.progress.training_rows import logits_at, training_rows
from grokcore.interpret.subject import Subject
from grokcore.spec.experiment import derived_seed

RowLoss = Callable[[Tensor], Tensor]
"""Rows (B,) int64 -> their losses (B,), by weights that it reads in place."""


@dataclass(frozen=True)
class SGLD:
    """Settings of the sampler.

    Attributes:
        step: e.
        localization: gamma, the strength of the pull towards w*. Without data, a chain keeps within a standard
            deviation of 1 / sqrt(gamma) of each weight, .01 by default: trained weights have some .05, and at
            gamma = 100 chains forget what they started from. It enters the estimate: compare equal settings.
        batch: rows of each step, drawn without replacement.
        burn_in: steps of each chain that are left out.
        draws: steps of each chain after it.
    """

    step: float = 1e-5
    localization: float = 1e4
    chains: int = 4
    burn_in: int = 100
    draws: int = 200
    batch: int = 512


SETTINGS = SGLD()
"""Those of an analysis."""


@dataclass(frozen=True)
class Estimate:
    """Estimates (chains,) of lambda, NaN or infinite where a chain diverged, and how many went wrong."""

    of_chains: npt.NDArray[np.float64]
    diverged: int
    below: int

    @property
    def value(self) -> float:
        """Return the mean over chains, NaN where it is not defined."""
        return float(self.of_chains.mean()) if not self.diverged + self.below else math.nan


def measure(subject: Subject) -> Iterator[Number]:
    """Yield the coefficient of the cross-entropy over all training rows, and what its validity rests on."""
    model, rows = subject.model, training_rows(subject)
    temperature = subject.spec.training.loss_temperature

    def losses(chosen: Tensor) -> Tensor:
        some = rows.at(chosen)
        return _row_losses(model(some.inputs, some.positions), some.targets, temperature)

    at_start = _row_losses(logits_at(model, rows.inputs, rows.positions), rows.targets, temperature)
    weights = list(model.parameters())
    seed = derived_seed(subject.analysis.seed, "learning coefficient")
    ceiling = math.log(model.vocabulary_size)
    found = learning_coefficient(losses, weights, at_start, SETTINGS, seed=seed, ceiling=ceiling)
    n = len(rows.inputs)
    yield Number("llc", found.value, n, split="train")
    yield Number(
        "llc_spread", float(found.of_chains.std()) if math.isfinite(found.value) else math.nan, n, split="train"
    )
    yield Number("llc_regular", sum(weight.numel() for weight in weights) / 2, n, split="train")
    yield Number("llc_diverged", found.diverged, n, split="train")
    yield Number("llc_below", found.below, n, split="train")


def learning_coefficient(
    losses: RowLoss,
    weights: Sequence[Tensor],
    at_start: Tensor,
    settings: SGLD = SETTINGS,
    *,
    seed: int = 0,
    ceiling: float = math.inf,
) -> Estimate:
    """Estimate lambda at `weights`, which are moved in place, and put back.

    Args:
        weights: leaf tensors that require gradients.
        at_start: (n,), the losses of all rows at `weights`.
        seed: of batches and noise.
        ceiling: a chain whose mean loss exceeds L(w*) by more has diverged.
    """
    n, start = len(at_start), [weight.detach().clone() for weight in weights]
    temperature = n / math.log(n)
    means = []
    try:
        for chain in range(settings.chains):
            generator = torch.Generator().manual_seed(derived_seed(seed, f"chain {chain}"))
            means.append(_chain(losses, weights, start, at_start, temperature, settings, generator))
            _put_back(weights, start)
    finally:
        _put_back(weights, start)
    excess = np.array(means)
    diverged = ~np.isfinite(excess) | (excess > ceiling)
    return Estimate(temperature * excess, int(diverged.sum()), int((excess < 0).sum()))


def _chain(
    losses: RowLoss,
    weights: Sequence[Tensor],
    start: Sequence[Tensor],
    at_start: Tensor,
    temperature: float,
    settings: SGLD,
    generator: torch.Generator,
) -> float:
    """Return the mean of L(w) - L(w*) over the draws of one chain."""
    excess, n = 0.0, len(at_start)
    for number in range(settings.burn_in + settings.draws):
        rows = torch.randperm(n, generator=generator)[: settings.batch].to(at_start.device)
        with torch.enable_grad():
            loss = losses(rows).mean()
            gradients = torch.autograd.grad(loss, list(weights))
        if number >= settings.burn_in:
            excess += (loss.item() - at_start[rows].mean().item()) / settings.draws
        with torch.no_grad():
            for weight, origin, gradient in zip(weights, start, gradients, strict=True):
                drift = temperature * gradient + settings.localization * (weight - origin)
                noise = torch.randn(weight.shape, generator=generator, dtype=weight.dtype).to(weight.device)
                weight.add_(drift, alpha=-settings.step / 2).add_(noise, alpha=settings.step**0.5)
    return excess


@torch.no_grad()
def _put_back(weights: Sequence[Tensor], start: Sequence[Tensor]) -> None:
    for weight, origin in zip(weights, start, strict=True):
        weight.copy_(origin)


def _row_losses(logits: Tensor, targets: Tensor, temperature: float) -> Tensor:
    """Return the mean cross-entropy (B,) of each row's supervised tokens; logits (B, P, V), targets (B, P)."""
    flat = functional.cross_entropy(logits.flatten(0, 1).float() / temperature, targets.flatten(), reduction="none")
    of_rows: Tensor = flat.view(targets.shape).mean(1)
    return of_rows
