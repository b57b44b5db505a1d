"""The fields of the tasks whose rows are equations: `modular` and `permutations`."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from grokcore.spec.tasks.base import Task


class ModularTask(Task):
    """Arithmetic modulo a number: a op b = c (Power et al., arXiv 2201.02177)."""

    kind: Literal["modular"] = "modular"
    seed: int = Field(0, ge=0, description="seed of the split")
    modulus: int = Field(97, ge=2, le=4096, description="the number p that results are reduced by; prime for '/'")
    operation: Literal["+", "-", "*", "/"] = Field("+", description="the operation: +, -, * or /")
    train_ratio: float = Field(0.4, gt=0, lt=1, description="share of all equations in the training set, inside (0, 1)")
    probe_size: int = Field(1000, ge=1, description="examples drawn from each split to measure accuracy on")

    @model_validator(mode="after")
    def _possible(self) -> ModularTask:
        if self.operation == "/" and not is_prime(self.modulus):
            raise ValueError(f"division needs a prime modulus and {self.modulus} is not one: change modulus")
        _check_train_ratio(self.train_ratio, self.equations)
        return self

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        return ("test",)

    @property
    def equations(self) -> int:
        return self.modulus * (self.modulus - 1 if self.operation == "/" else self.modulus)


class PermutationsTask(Task):
    """Composition of permutations in the symmetric group S_n: a o b = c (Power et al., arXiv 2201.02177)."""

    kind: Literal["permutations"] = "permutations"
    seed: int = Field(0, ge=0, description="seed of the split")
    degree: int = Field(5, ge=3, le=6, description="n of S_n, the number of points permuted, 3 to 6: n! elements")
    train_ratio: float = Field(0.5, gt=0, lt=1, description="share of all equations in the training set, inside (0, 1)")
    probe_size: int = Field(1000, ge=1, description="examples drawn from each split to measure accuracy on")

    @model_validator(mode="after")
    def _possible(self) -> PermutationsTask:
        _check_train_ratio(self.train_ratio, self.equations)
        return self

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        return ("test",)

    @property
    def equations(self) -> int:
        return math.factorial(self.degree) ** 2


def _check_train_ratio(train_ratio: float, equations: int) -> None:
    if not 0 < round(train_ratio * equations) < equations:
        raise ValueError(
            f"train_ratio={train_ratio:g} of {equations} equations leaves an empty split: change train_ratio"
        )


def is_prime(number: int) -> bool:
    return number >= 2 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
