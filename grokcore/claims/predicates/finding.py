"""What a predicate answers, and the words that answers are made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from grokcore.claims.base import Decision

Number: TypeAlias = float | int | str | None


@dataclass(frozen=True)
class Finding:
    """A decision on one comparison: a stratum of runs.

    Attributes:
        sentence: what was found, in plain words.
        numbers: what it rests on, by name; None where it is not known.
        p: of the hypothesis that the claim's opposite, or no difference, explains the runs; None where there is none.
        needs: what would make an undecided claim decidable.
        decidable: whether so many units could have supported the claim, whatever they came to.
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
    """Units of a test: seeds, or draws of the data."""
    return "1 seed" if number == 1 else f"{number} seeds"


def seeds(number: int) -> str:
    return "1 more seed" if number == 1 else f"{number} more seeds"


def steps(number: float) -> str:
    return f"{number:,.0f} steps"


def p_text(p: float) -> str:
    return "p < .001" if p < 0.001 else f"p = {p:.2g}".replace("0.", ".")


def factor_text(number: float) -> str:
    """A ratio with two significant digits: .62, 1.1, 13, 250."""
    text = f"{number:.2g}" if number < 100 else f"{number:.0f}"
    return text.removeprefix("0") if text.startswith("0.") else text
