"""Times of events as they are known: an interval where the event was observed, a lower bound where it was not."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from grokcore.evaluation.phases import last_change_in
from grokcore.runs.evaluation import Evaluation, Time, Times

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord

Definition = Literal["first_crossing", "sustained", "stable"]
End = Literal["left", "right"]
"""The end of the interval (after, step] that is used as the time."""

TRAIN = "train"
"""The pooled training splits, by the name that they have in a journal."""


@dataclass(frozen=True)
class EventTime:
    """The time of an event in optimizer steps, or, if `censored`, a step at which it had not happened.

    Attributes:
        step: the first evaluation that shows the event, or the last one that does not.
        after: the evaluation before `step`: the event lies in (after, step]. None if not known.
    """

    step: int
    censored: bool = False
    after: int | None = None

    def at(self, end: End) -> int:
        """The time at one end of its interval; a censored time has only one."""
        return self.after if end == "left" and not self.censored and self.after is not None else self.step


def event_time(time: Time | None, censored_at: int) -> EventTime:
    """Convert a time of evaluation.json; None is censored at `censored_at`.

    An evaluation after the last step that changed the weights measures those of that step.
    """
    if time is None:
        return EventTime(censored_at, censored=True)
    return EventTime(min(time.steps, censored_at), after=time.after)


def times_of(runs: Sequence[RunRecord], split: str, definition: Definition = "sustained") -> list[EventTime]:
    """Find when each run reached the threshold on a split (`train`: on the training set), by one of three definitions.

    A diverged run never will: it is censored at its budget, not where it stopped, since other runs carry no information
    on it (a competing risk).

    Raises:
        KeyError: a run has no such held-out split.
    """
    return [event_time(getattr(_times(run.evaluation, split), definition), follow_up(run)) for run in runs]


def follow_up(run: RunRecord) -> int:
    """The step up to which this run was followed; steps at learning rate 0 do not count."""
    return max(run.evaluation.censored_at, _budget(run) if run.evaluation.diverged else 0)


def potential(run: RunRecord) -> int:
    """The step up to which this run would have been followed without its event.

    A run that `stop_on_grok` ended would have gone on to its budget.
    """
    stopped = run.evaluation.exit_reason == "grokked"
    return max(follow_up(run), _budget(run) if stopped else 0)


def _budget(run: RunRecord) -> int:
    """The steps of this run that change weights, up to its budget."""
    training = run.spec.training
    end = last_change_in(run.journal, training)
    return training.max_steps if end is None else min(training.max_steps, end)


def censored_after(times: Sequence[EventTime], horizon: int) -> list[EventTime]:
    """Censor these times at a step."""
    return [time if time.step <= horizon else EventTime(horizon, censored=True) for time in times]


def ended(times: Sequence[EventTime], end: End) -> list[EventTime]:
    """Reduce times to one end of their intervals."""
    return [replace(time, step=time.at(end), after=None) for time in times]


def _times(evaluation: Evaluation, split: str) -> Times:
    return evaluation.memorized if split == TRAIN else evaluation.held_out[split]
