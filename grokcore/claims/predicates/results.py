"""The result of a predicate, and helpers for its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from grokcore.claims.base import Decision

Number: TypeAlias = float | int | str | None


@dataclass(frozen=True)
class CheckResult:
    """The decision of a predicate on one comparison, a stratum of runs.

    Attributes:
        sentence: the finding, in plain words.
        numbers: the figures that it rests on, by name; None where one is not known.
        p: of the null hypothesis (the claim's opposite, or no difference); None where there is no test.
        needs: the runs that would decide an undecided claim.
        decidable: whether a sample of this size could have supported the claim, whatever its outcomes.
    """

    decision: Decision
    sentence: str
    numbers: Mapping[str, Number] = field(default_factory=dict)
    p: float | None = None
    needs: tuple[str, ...] = ()
    decidable: bool = True


def runs(number: int) -> str:
    return "1 run" if number == 1 else f"{number} runs"


def units(number: int) -> str:
    """Count the units of a test: seeds, or draws of the data."""
    return "1 seed" if number == 1 else f"{number} seeds"


def seeds(number: int) -> str:
    return "1 more seed" if number == 1 else f"{number} more seeds"


def steps(number: float) -> str:
    return f"{number:,.0f} steps"


def p_text(p: float) -> str:
    return "p < .001" if p < 0.001 else f"p = {p:.2g}".replace("0.", ".")


def factor_text(number: float) -> str:
    """Format a ratio with two significant digits: .62, 1.1, 13, 250."""
    text = f"{number:.2g}" if number < 100 else f"{number:.0f}"
    return text.removeprefix("0") if text.startswith("0.") else text
