"""Arithmetic modulo a number."""

from __future__ import annotations

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
        if self.operation == "/" and not _is_prime(self.modulus):
            raise ValueError(f"division needs a prime modulus and {self.modulus} is not one: change modulus")
        equations = self.equations
        train = round(self.train_ratio * equations)
        if not 0 < train < equations:
            raise ValueError(
                f"train_ratio={self.train_ratio:g} of {equations} equations leaves an empty split: change train_ratio"
            )
        return self

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalisation; the last is the one a run is about."""
        return ("test",)

    @property
    def equations(self) -> int:
        return self.modulus * (self.modulus - 1 if self.operation == "/" else self.modulus)


def _is_prime(number: int) -> bool:
    return number >= 2 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))
