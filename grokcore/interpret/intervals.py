"""Percentile bootstrap over examples (Efron 1979): means, and ratios of means, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from grokcore.spec.experiment import derived_seed

Values = npt.NDArray[np.float64]


class Interval(NamedTuple):
    """Arrays of one shape, or numbers."""

    value: Values
    lower: Values
    upper: Values


class Bootstrap:
    """Resamples of N examples, the same for everything that is measured on them, so that differences are paired.

    Args:
        examples: N.
        draws: number of resamples.
        seed: with N, decides the resamples.
    """

    def __init__(self, examples: int, draws: int, seed: int) -> None:
        self._weights = _weights(examples, draws, seed)

    def mean(self, values: npt.ArrayLike) -> Interval:
        """Return the mean over the last axis of (..., N)."""
        return self.of(lambda means: means[..., 0], values)

    def of(self, function: Callable[[Values], Values], *values: npt.ArrayLike) -> Interval:
        """Return a function of several means, such as the ratio of two.

        Args:
            function: (..., K) means -> (...).
            values: K arrays (..., N) of one shape.
        """
        stacked = np.stack([np.asarray(one, np.float64) for one in values], axis=-2)  # (..., K, N)
        with np.errstate(divide="ignore", invalid="ignore"):
            value = function(stacked.mean(-1))
            drawn = function(np.moveaxis(stacked @ self._weights.T, -1, 0))  # (draws, ...)
        lower, upper = np.quantile(drawn, (0.025, 0.975), axis=0)
        return Interval(value, lower, upper)


@lru_cache(maxsize=8)
def _weights(examples: int, draws: int, seed: int) -> Values:
    """Return the share of each example in each resample, (draws, N); kept, since every analysis draws the same."""
    generator = np.random.default_rng(derived_seed(seed, f"bootstrap of {examples}"))
    drawn = generator.integers(examples, size=(draws, examples)) + np.arange(draws)[:, None] * examples
    counts = np.bincount(drawn.ravel(), minlength=draws * examples).reshape(draws, examples)
    return counts.astype(np.float64) / examples
