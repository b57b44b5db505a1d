"""The fields of the task `in_context_modular`."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from grokcore.spec.tasks.base import Task
from grokcore.spec.tasks.equations import is_prime


class InContextModularTask(Task):
    """Learn a function a x + b y (mod p) from examples in the prompt (arXiv 2406.02550)."""

    kind: Literal["in_context_modular"] = "in_context_modular"
    seed: int = Field(0, ge=0, description="seed of the rows and of the splits")
    modulus: int = Field(11, ge=5, le=1021, description="the prime p that numbers are reduced by")
    context: int = Field(12, ge=3, le=500, description="examples in a row, the last of which is asked for")
    functions: int = Field(64, ge=1, description="functions in training, of all p^2; the others are held out")
    input_ratio: float = Field(
        0.8, gt=0, lt=1, description="share of the p^2 inputs in training, inside (0, 1); the others are held out"
    )
    train_size: int = Field(50_000, ge=1, le=20_000_000, description="rows in the training set, all different")
    probe_size: int = Field(1000, ge=1, le=1_000_000, description="rows in each split to measure accuracy on")

    @model_validator(mode="after")
    def _possible(self) -> InContextModularTask:
        p, pairs = self.modulus, self.modulus**2
        if not is_prime(p):
            raise ValueError(f"modulus={p} is not prime, so that examples need not determine a function: change it")
        if self.functions >= pairs:
            raise ValueError(f"functions={self.functions} of {pairs} holds none out: lower functions or raise modulus")
        # Of 2p inputs, at most half are multiples of one, so that most rows determine their function.
        least = max(self.context, 2 * p)
        known = self.training_inputs
        if known < least or pairs - known < least:
            raise ValueError(
                f"input_ratio={self.input_ratio:g} of {pairs} inputs gives {known} in training and {pairs - known} "
                f"held out; each needs at least {least}, for rows of {self.context} different ones: change "
                f"input_ratio, lower context, or raise modulus"
            )
        # A quarter of what is possible, at least half of which determine their function: drawing stays quick.
        most = self.functions * math.perm(known, self.context) // 4
        if self.train_size + self.probe_size > most:
            raise ValueError(
                f"train_size={self.train_size} and probe_size={self.probe_size} are more than {most}, a quarter of the "
                f"rows that there are: lower them, or raise context or functions"
            )
        fewest = min(self.functions, pairs - self.functions) * math.perm(pairs - known, self.context) // 4
        if self.probe_size > fewest:
            raise ValueError(
                f"probe_size={self.probe_size} is more than {fewest}, a quarter of the rows of a split: lower it, or "
                f"raise context"
            )
        return self

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        return ("test_iid", "test_inputs", "test_functions", "test_ood")

    @property
    def training_inputs(self) -> int:
        """Inputs (x, y) that training has."""
        return round(self.input_ratio * self.modulus**2)

    @property
    def supervised(self) -> tuple[int, ...]:
        return tuple(range(1, 3 * (self.context - 1), 3))
