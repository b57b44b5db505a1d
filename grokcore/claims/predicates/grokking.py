"""Whether and when a run groks, in every predicate: sustained, and delayed against the training set."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from grokcore.evaluation.survival import Definition, EventTime, potential, times_of

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord

DELAY = 2.0
"""Least T_split / T_train of a run that has grokked; one that reaches the threshold sooner has merely generalized."""

Outcome = Literal["grokked", "generalized", "censored"]


def outcome_of(run: RunRecord, split: str, definition: Definition = "sustained", delay: float = DELAY) -> Outcome:
    """Tell whether a held-out split grokked (sustained and delayed), generalized (sustained alone), or neither.

    Whether it collapsed later does not matter here.
    """
    held_out = getattr(run.evaluation.held_out[split], definition)
    if held_out is None:
        return "censored"
    trained = getattr(run.evaluation.memorized, definition)
    late = trained is not None and held_out.steps >= delay * trained.steps
    return "grokked" if late else "generalized"


def grok_time(run: RunRecord, split: str, definition: Definition = "sustained") -> EventTime:
    """Find when a run grokked; one that merely generalized never will, and is censored at its budget."""
    (time,) = times_of([run], split, definition)
    return time if outcome_of(run, split, definition) == "grokked" else EventTime(potential(run), censored=True)


def has_split(runs: Sequence[RunRecord], split: str) -> bool:
    return all(split in run.evaluation.held_out for run in runs)
