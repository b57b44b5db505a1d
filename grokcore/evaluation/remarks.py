"""Remarks on a run that affect how far its figures can be trusted, a line each: where its schedule ends, how few
examples a split has, how much of the learning rate was left when a split was sustained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from grokcore.runs.evaluation import TRAINING_SET
from grokcore.spec import EvaluationSpec, ExperimentSpec, TrainingSpec
from grokcore.spec.code import plugins_of
from grokcore.spec.schedule import last_change
from grokcore.spec.start_from import StartFrom

CONFIDENCE = 0.95


class Sized(Protocol):
    """A split as a dataset describes it; `probes` are the examples that accuracy is measured on."""

    @property
    def role(self) -> str: ...
    @property
    def probes(self) -> int: ...
    @property
    def majority_baseline(self) -> float: ...


class EvaluationLike(Protocol):
    """An evaluation, as it was written or as a report has read it."""

    @property
    def memorized(self) -> Any: ...
    @property
    def held_out(self) -> Mapping[str, Any]: ...
    @property
    def schedule(self) -> str | None: ...
    @property
    def remarks(self) -> Sequence[str]: ...


class TimeLike(Protocol):
    """When something was sustained."""

    @property
    def steps(self) -> int: ...
    @property
    def learning_rate_share(self) -> float | None: ...


def remarks_before(spec: ExperimentSpec, splits: Mapping[str, Sized]) -> list[str]:
    """Make the remarks that are known before the first step."""
    return [
        *(source.remark for source in plugins_of(spec)),
        *schedule_remarks(spec.training),
        *source_remarks(spec.model.start_from),
        *split_remarks(spec.evaluation, splits),
    ]


def schedule_remarks(training: TrainingSpec) -> list[str]:
    """Remark on a schedule that ends before the budget, or never leaves its warm-up, and on unused settings."""
    return list(_schedule_remarks(training))


def _schedule_remarks(training: TrainingSpec) -> Iterator[str]:
    budget, end = training.max_steps, last_change(training)
    if end is not None and end < budget:
        yield (
            f"training.schedule={training.schedule} reaches learning rate 0 at step {end:,} of max_steps={budget:,}: "
            f"the last {budget - end:,} steps change no weight and confirm nothing; set max_steps={end}, or a "
            "schedule_floor above 0"
        )
    if training.warmup_steps >= budget:
        yield (
            f"training.warmup_steps={training.warmup_steps:,} is not shorter than max_steps={budget:,}: the learning "
            f"rate never comes to its peak of {training.learning_rate:g}"
        )
    if training.schedule == "step" and (late := [step for step in training.drop_steps if step >= budget]):
        yield f"training.drop_steps={late} are not before max_steps={budget:,}: the learning rate does not drop there"
    used = _USED_BY[training.schedule]
    if unused := [name for name in ("drop_steps", "drop_on") if name not in used and getattr(training, name)]:
        yield f"training.{' and training.'.join(unused)} changes nothing with schedule={training.schedule}"


def source_remarks(start: StartFrom | None) -> list[str]:
    """Remark on weights that another run has trained."""
    if start is None:
        return []
    what = "the weights" if start.parts == "all" else "the embedding"
    remark = (
        f"model.start_from takes {what} of a trained model: its steps, FLOPs and seconds are not in the times of this "
        "run alone, and are added where runs are compared"
    )
    return [remark]


_USED_BY = {
    "constant": (),
    "linear": (),
    "cosine": (),
    "step": ("drop_steps",),
    "phase": ("drop_on",),
}
"""The kind of drops that each schedule uses."""


def split_remarks(rules: EvaluationSpec, splits: Mapping[str, Sized]) -> list[str]:
    """Remark on held-out splits too small for the threshold, or on which the most common answer reaches it."""
    return list(_split_remarks(rules, splits))


def _split_remarks(rules: EvaluationSpec, splits: Mapping[str, Sized]) -> Iterator[str]:
    limit = rules.threshold
    for name, split in splits.items():
        if split.role != "held_out":
            continue
        if split.majority_baseline >= limit:
            yield (
                f"{name}: always giving the most common answer scores {_share(split.majority_baseline)} and reaches "
                f"the threshold {_share(limit)}: raise evaluation.threshold"
            )
        number = split.probes
        if number * (1 - min(limit, 0.99)) < 1 - 1e-9:
            yield (
                f"{name} has {number} examples: one is worth {_share(1 / number)} of its accuracy, and the threshold "
                f"{_share(limit)} allows {_share(1 - limit)}; all {number} right show an accuracy of at least "
                f"{_share(lowest_accuracy(number))} (95 %), no more"
            )


def lowest_accuracy(examples: int) -> float:
    """The accuracy below which so many examples, all right, would come up once in 20 times at most (exact binomial)."""
    return float((1 - CONFIDENCE) ** (1 / examples))


def callback_remarks(censored: Sequence[str], step: int, budget: int) -> list[str]:
    """Remark on a run that a callback has ended before these held-out splits were sustained."""
    if not censored or step >= budget:
        return []
    remark = (
        f"a callback ended training at step {step:,} of max_steps={budget:,}, before {' and '.join(censored)} was "
        "sustained: it may have seen held-out accuracies, and times over seeds take the end of a run for independent "
        "of them; train on to the budget before comparing"
    )
    return [remark]


def rate_remarks(evaluations: Sequence[EvaluationLike]) -> list[str]:
    """Remark on how much of the learning rate was left when each split was sustained, unless the rate was constant."""
    found: dict[str, list[TimeLike]] = {}
    for evaluation in evaluations:
        for split, times in {TRAINING_SET: evaluation.memorized, **evaluation.held_out}.items():
            if times.sustained is not None and has_changing_rate(evaluation, times.sustained):
                found.setdefault(split, []).append(times.sustained)
    schedules = dict.fromkeys(one.schedule for one in evaluations if one.schedule and one.schedule != "constant")
    named = f"schedule {', '.join(schedules)}" if schedules else "still warming up"
    return [_rate_remark(split, times, named) for split, times in found.items()]


def has_changing_rate(evaluation: EvaluationLike, time: TimeLike) -> bool:
    """Whether the learning rate was not the same from the first step to that time, as far as it is known."""
    return time.learning_rate_share is not None and (
        time.learning_rate_share < 1 or evaluation.schedule not in (None, "constant")
    )


def _rate_remark(what: str, times: Sequence[TimeLike], schedule: str) -> str:
    at = _range([f"{steps:,}" for steps in sorted(time.steps for time in times)])
    runs = f" in {len(times)} runs" if len(times) > 1 else ""
    return (
        f"{what}: sustained from step {at} on{runs}, with {rate_left(times)} of the peak learning rate left "
        f"({schedule}); a rise under a falling rate may be the schedule's own: hold it against a constant rate"
    )


def rate_left(times: Sequence[TimeLike]) -> str:
    """Format the shares of the peak learning rate that were left: `8 % to 31 %`."""
    return _range([_percent(share) for share in sorted(time.learning_rate_share or 0.0 for time in times)])


def remarks_on_many(evaluations: Sequence[EvaluationLike]) -> list[str]:
    """Merge the remarks on several runs, each once, and remark on their learning rates together."""
    single = [remark for one in evaluations for remark in one.remarks if remark not in rate_remarks([one])]
    return [*dict.fromkeys(single), *rate_remarks(evaluations)]


def _range(texts: Sequence[str]) -> str:
    return texts[0] if texts[0] == texts[-1] else f"{texts[0]} to {texts[-1]}"


def _share(value: float) -> str:
    """.038, .99, 1"""
    text = f"{value:.2g}" if value < 0.1 else f"{value:.3g}"
    return text.removeprefix("0") if value < 1 else text


def _percent(share: float) -> str:
    return f"{100 * share:.2g} %" if share < 0.1 else f"{100 * share:.0f} %"
