"""Work of one optimizer step, to ensure that only times of equal work are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from grokcore.errors import GrokcoreError


@dataclass(frozen=True)
class Work:
    """One optimizer step of a variant, counted on what it really holds and was given."""

    examples: int
    supervised_tokens: int
    block_parameters: int
    """Trained parameters of blocks and norms: neither embeddings nor head."""
    gradient_norm: float | None
    """Before clipping, of the first step: the same for all variants that start from the same weights and rows; None
    where it is unknown."""


class Stepper(Protocol):
    """A variant, ready to train.

    Attributes:
        execution: what carries out its arithmetic, for the record.
    """

    execution: dict[str, str]

    def step(self) -> None:
        """One optimizer step."""

    def work(self) -> Work:
        """Return the work of the last step, after synchronizing the device."""


class UnequalWorkError(GrokcoreError):
    """Two variants of a case did not do the same: a bug in one of them, and no ratio of their times means anything."""


GRADIENT_TOLERANCE = {"fp32": 1e-3, "bf16": 0.1, "fp16": 0.1}
"""Relative difference of the first step's gradient norm that rounding explains."""


def check_equal(works: Mapping[str, Work], precision: str) -> None:
    """
    Args:
        works: the first step of each variant, by its name.

    Raises:
        UnequalWorkError: two of them differ.
    """
    (first, expected), *others = works.items()
    for name, work in others:
        for field in ("examples", "supervised_tokens", "block_parameters"):
            if getattr(work, field) != getattr(expected, field):
                raise UnequalWorkError(
                    f"{first} and {name} do not do the same work: {field} is {getattr(expected, field)} in the one "
                    f"and {getattr(work, field)} in the other"
                )
    norms = {name: work.gradient_norm for name, work in works.items() if work.gradient_norm is not None}
    for name, norm in norms.items():
        first, expected_norm = next(iter(norms.items()))
        if not math.isclose(norm, expected_norm, rel_tol=GRADIENT_TOLERANCE[precision]):
            raise UnequalWorkError(
                f"{first} and {name} do not learn the same: the norm of their first gradient is {expected_norm:.6g} "
                f"and {norm:.6g}, where {precision} explains {GRADIENT_TOLERANCE[precision]:g} of it"
            )
