"""Statistics of the times at which groups reached each split, by each definition, and how they are written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import get_args

from grokcore.claims.judging import holm
from grokcore.evaluation.survival import (
    Contrast,
    Definition,
    Delay,
    EventTime,
    Mean,
    PairedContrast,
    Survival,
    common_horizon,
    compare,
    compare_pairs,
    delay_of,
    kaplan_meier,
    median_interval,
    median_time,
    restricted_mean,
    times_of,
)
from grokcore.reporting.formatting import NARROW, NOTHING, count, significant
from grokcore.reporting.study import POOLED, Split, Study, has_split
from grokcore.runs.evaluation import Time, Verdict
from grokcore.runs.groups import Group, are_independent


@dataclass(frozen=True)
class Outcome:
    """Times and verdicts of a group on one split, by one definition.

    Attributes:
        times: of each run, in the order of the seeds; censored ones too.
        median: Kaplan-Meier median; censored where half the seeds or more take longer than was seen.
        limits: 95 % confidence limits of the median; None for one beyond what is known, and of fewer than 6 seeds.
            Runs that share seeds and draws of the data crosswise have neither limits nor a band.
        is_banded: whether the limits of `survival` hold.
        mean: restricted to a horizon that all groups share.
        at_median: the median on the other axes: of a run that took just so long. None while it is censored.
        verdicts: how many runs came to each; of the training set none.
        delay: T_split / T_train; None of the training set.
    """

    times: list[EventTime]
    survival: Survival
    is_banded: bool
    median: EventTime
    limits: tuple[int | None, int | None]
    mean: Mean
    at_median: Time | None
    verdicts: Counter[Verdict]
    delay: Delay | None

    @property
    def reached(self) -> int:
        return sum(not time.censored for time in self.times)


@dataclass(frozen=True)
class ReferenceContrast:
    """A group held against the reference, the first one: all runs, and those that share their seeds.

    `contrast` is None where the two lie on different draws of the data.
    """

    contrast: Contrast | None
    paired: PairedContrast | None


@dataclass(frozen=True)
class Outcomes:
    """All outcomes of a study.

    Attributes:
        of: by group's number, split and definition.
        horizons: of the restricted means, by split and definition.
        against: of each group but the first, by its number and split; sustained times.
        corrected: p of each contrast of `against` after Holm's correction over all of them.
    """

    of: dict[tuple[int, str, str], Outcome]
    horizons: dict[tuple[str, str], int]
    against: dict[tuple[int, str], ReferenceContrast]
    corrected: dict[tuple[int, str], float]

    def get(self, number: int, split: Split, definition: str) -> Outcome | None:
        """None where the group does not have the split."""
        return self.of.get((number, split.name, definition))


def outcomes_of(study: Study, *, contrasts: bool = True) -> Outcomes:
    """The outcomes of every group on the training set and on each held-out split.

    Args:
        contrasts: hold the groups against the reference, too, which takes most of the time.
    """
    of: dict[tuple[int, str, str], Outcome] = {}
    horizons: dict[tuple[str, str], int] = {}
    for split in study.timed:
        for definition in get_args(Definition):
            samples = {
                number: times_of(group.runs, split.name, definition)
                for number, group in enumerate(study.groups)
                if has_split(group, split)
            }
            horizon = horizons[split.name, definition] = common_horizon(list(samples.values()))
            for number, times in samples.items():
                group = study.groups[number]
                of[number, split.name, definition] = _outcome(group, split, definition, times, horizon)
    against = dict(_against(study)) if contrasts else {}
    return Outcomes(of, horizons, against, _corrected(against))


def _corrected(against: Mapping[tuple[int, str], ReferenceContrast]) -> dict[tuple[int, str], float]:
    ps = {key: one.contrast.effect.p for key, one in against.items() if one.contrast is not None}
    return {key: p for key, p in zip(ps, holm(list(ps.values())), strict=True) if p is not None}


def _against(study: Study) -> Iterator[tuple[tuple[int, str], ReferenceContrast]]:
    reference = study.groups[0]
    for split in study.timed:
        for number, group in enumerate(study.groups):
            if number and are_comparable(reference, group) and has_split(reference, split) and has_split(group, split):
                sides = reference.runs, group.runs, split.name
                yield (number, split.name), ReferenceContrast(compare(*sides), compare_pairs(*sides))


def are_comparable(group: Group, other: Group) -> bool:
    """Whether held-out data decided how weights were trained in both groups or in neither."""
    return any(run.uses_held_out for run in group.runs) == any(run.uses_held_out for run in other.runs)


def _outcome(group: Group, split: Split, definition: Definition, times: list[EventTime], horizon: int) -> Outcome:
    median, independent = median_time(times), are_independent(group.runs)
    mean = restricted_mean(times, horizon)
    return Outcome(
        times=times,
        survival=kaplan_meier(times),
        is_banded=independent and len(times) > 1,
        median=median,
        limits=median_interval(times) if independent else (None, None),
        mean=mean if independent else replace(mean, lower=None, upper=None),
        at_median=None if median.censored else _time_at(group, split, definition, median.step),
        verdicts=Counter() if split.name == POOLED else _verdicts(group, split),
        delay=None if split.name == POOLED else delay_of(group.runs, split.name, definition),
    )


def _time_at(group: Group, split: Split, definition: Definition, step: int) -> Time | None:
    for run in group.runs:
        evaluation = run.evaluation
        found = evaluation.memorized if split.name == POOLED else evaluation.held_out[split.name]
        time: Time | None = getattr(found, definition)
        if time is not None and time.steps == step:
            return time
    return None


def _verdicts(group: Group, split: Split) -> Counter[Verdict]:
    return Counter(run.evaluation.held_out[split.name].verdict for run in group.runs)


def median_text(outcome: Outcome) -> str:
    """The median: 2,200, or > 4,000 where half the seeds take longer than was seen."""
    return f">{NARROW}{count(outcome.median.step)}" if outcome.median.censored else count(outcome.median.step)


def limits_text(limits: tuple[float | None, float | None]) -> str:
    """Limits of an interval: 1,900 to 2,600; 1,900 or more; nothing where neither is known. Below 0 nothing lies."""
    match (limits[0] or None, limits[1]):
        case None, None:
            return ""
        case low, None:
            return f"{_number(low)} or more"
        case None, high:
            return f"{_number(high)} or less"
        case low, high:
            return f"{_number(low)} to {_number(high)}"


def shown(outcome: Outcome) -> str:
    """The median with its interval, in steps."""
    limits = limits_text(outcome.limits)
    return f"{median_text(outcome)} (95{NARROW}%: {limits})" if limits else median_text(outcome)


def verdicts_text(outcome: Outcome) -> str:
    """3 grokked, 1 censored."""
    return ", ".join(
        f"{outcome.verdicts[verdict]} {verdict}" for verdict in get_args(Verdict) if outcome.verdicts[verdict]
    )


def delay_text(outcome: Outcome) -> str:
    """T_split / T_train: 3.7 x, > 12 x."""
    delay = outcome.delay
    if delay is None or delay.median is None:
        return NOTHING
    return f"{'>' + NARROW if delay.censored else ''}{significant(delay.median, 2)}{NARROW}×"  # noqa: RUF001


def p_text(p: float | None) -> str:
    """A p value in two digits; one below a ten-thousandth says just that."""
    if p is None:
        return NOTHING
    return f"<{NARROW}0.0001" if p < 1e-4 else significant(p, 2)


def ratio_text(ratio: float | None) -> str:
    """A ratio of times: 1.4 x."""
    return NOTHING if ratio is None else f"{significant(ratio, 2)}{NARROW}×"  # noqa: RUF001


def number_text(value: float | int | str | None) -> str:
    """A number of a claim's evidence as it stands, without digits that mean nothing."""
    return value if isinstance(value, str) else NOTHING if value is None else _number(value)


def _number(value: float | None) -> str:
    return (
        NOTHING
        if value is None
        else count(value)
        if value >= 100 or float(value).is_integer()
        else significant(value, 2)
    )
