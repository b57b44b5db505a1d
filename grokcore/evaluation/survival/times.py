"""Times to grok as they are known: an interval where something was seen to change, a lower bound where it was not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from grokcore.evaluation.curves import last_change_in
from grokcore.runs.evaluation import Evaluation, Time, Times

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord

Definition = Literal["first_crossing", "sustained", "stable"]
End = Literal["left", "right"]
"""Of the interval (after, step] that a change lies in: the end that stands for the time."""

TRAIN = "train"
"""The pooled training splits, by the name that they have in a journal."""


@dataclass(frozen=True)
class Reached:
    """A time in optimiser steps: when something was reached, or, `censored`, a step at which it was not yet.

    Attributes:
        step: the evaluation that showed it first, or the last one that did not.
        after: the evaluation before `step`: the change lies in (after, step]. None where that is not known.
    """

    step: int
    censored: bool = False
    after: int | None = None

    def at(self, end: End) -> int:
        """The step that stands for this time; a censored one has but one end."""
        return self.after if end == "left" and not self.censored and self.after is not None else self.step


def reached_by(time: Time | None, censored_at: int) -> Reached:
    """A time of evaluation.json, or that it was not reached by `censored_at`.

    An evaluation after the last step that changed the weights shows those of that step.
    """
    if time is None:
        return Reached(censored_at, censored=True)
    return Reached(min(time.steps, censored_at), after=time.after)


def times_of(runs: Sequence[RunRecord], split: str, definition: Definition = "sustained") -> list[Reached]:
    """When each run reached the threshold on a split (`train`: on the training set), by one of three definitions.

    A diverged run never will: it is censored at its budget, as one that trained on in vain, not where it broke off,
    since runs that go on say nothing about what it would have done (a competing risk).

    Raises:
        KeyError: a run has no such held-out split.
    """
    return [reached_by(getattr(_times(run.evaluation, split), definition), follow_up(run)) for run in runs]


def follow_up(run: RunRecord) -> int:
    """The step up to which it is known of this run what it had not reached; steps at learning rate 0 show nothing."""
    return max(run.evaluation.censored_at, _budget(run) if run.evaluation.diverged else 0)


def potential(run: RunRecord) -> int:
    """The step up to which this run would have been followed, had it not reached what ends it.

    A run that `stop_on_grok` ended would have gone on to its budget.
    """
    stopped = run.evaluation.exit_reason == "grokked"
    return max(follow_up(run), _budget(run) if stopped else 0)


def _budget(run: RunRecord) -> int:
    """The steps of this run that could change a weight, had it trained to the end."""
    training = run.spec.training
    end = last_change_in(run.journal, training)
    return training.max_steps if end is None else min(training.max_steps, end)


def cut(times: Sequence[Reached], horizon: int) -> list[Reached]:
    """What is known of these times up to a step."""
    return [time if time.step <= horizon else Reached(horizon, censored=True) for time in times]


def ended(times: Sequence[Reached], end: End) -> list[Reached]:
    """Times without width, at one end of what is known of each."""
    return [replace(time, step=time.at(end), after=None) for time in times]


def _times(evaluation: Evaluation, split: str) -> Times:
    return evaluation.memorized if split == TRAIN else evaluation.held_out[split]
