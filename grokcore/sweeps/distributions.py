"""What values are drawn from: by the draws of an axis, and by the search for hyperparameters."""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field, JsonValue, model_validator

from grokcore.spec.base import Spec
from grokcore.spec.experiment import derived_seed


class _Interval(Spec):
    low: float = Field(description="lowest value")
    high: float = Field(description="highest value")

    @model_validator(mode="after")
    def _ordered(self) -> _Interval:
        if not self.low < self.high:
            raise ValueError(f"low={self.low:g} must be less than high={self.high:g}")
        return self

    def holds(self, value: JsonValue) -> bool:
        """Whether a value could be drawn."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


class Uniform(_Interval):
    """Numbers between two bounds, all equally likely."""

    kind: Literal["uniform"]

    def at(self, share: float) -> JsonValue:
        """The value that a `share` in [0, 1) of the distribution lies below, to three digits."""
        return rounded(self.low + share * (self.high - self.low))


class LogUniform(_Interval):
    """Positive numbers between two bounds, all orders of magnitude equally likely."""

    kind: Literal["log_uniform"]

    @model_validator(mode="after")
    def _positive(self) -> LogUniform:
        if self.low <= 0:
            raise ValueError(f"low={self.low:g} must be greater than 0, since its logarithm is taken")
        return self

    def at(self, share: float) -> JsonValue:
        """As `Uniform.at`."""
        low, high = math.log(self.low), math.log(self.high)
        return rounded(math.exp(low + share * (high - low)))


class Choice(Spec):
    """One of several values, all equally likely."""

    kind: Literal["choice"]
    options: tuple[JsonValue, ...] = Field(min_length=1, description="the values, at least one")

    def at(self, share: float) -> JsonValue:
        """As `Uniform.at`; the options in their order."""
        return self.options[int(share * len(self.options))]

    def holds(self, value: JsonValue) -> bool:
        """Whether a value could be drawn."""
        return value in self.options


Distribution = Annotated[Uniform | LogUniform | Choice, Field(discriminator="kind")]


def rounded(value: float) -> float:
    """To three significant digits: what a name can show, so that a run can be repeated from its name."""
    return float(f"{value:.3g}")


def draw(distribution: Distribution, seed: int, purpose: str) -> JsonValue:
    """The value that belongs to a seed and a purpose: the same on every machine, whatever else is drawn."""
    return distribution.at(derived_seed(seed, purpose) / 2**63)
