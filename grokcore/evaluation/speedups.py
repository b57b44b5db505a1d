"""How much sooner the arms of a sweep grok than its baseline, in every unit, with what else decides whether to use one.

A speedup is the baseline's time over the arm's: 2 means in half of it. Its limits are those of an exact test that keeps
censored runs (`survival.compare`), each of 95 % by itself, and hold wherever between two evaluations the times lie: a
fast method is often evaluated only a few times before it groks.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from grokcore.evaluation.survival import Effect, compare, compare_pairs, median_time, times_of
from grokcore.evaluation.units import UNITS, TimeUnit, cost_at, is_known
from grokcore.runs.record import RunRecord

SPEEDUPS = "speedups.json"
"""Name of the file in a comparison's directory."""

Place = Literal["baseline", "method", "control", "held_out"]
"""Of an arm: one that used held-out data to decide how weights are trained is ranked with no other."""


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Search(_Part):
    """The hyperparameter search of an arm."""

    trials: int
    steps: int = Field(description="optimizer steps of a trial, at most")
    flops: float = Field(description="algorithmic FLOPs of all trials")
    measure: str = Field(description="objective: area, final or time")
    split: str = Field(description="that the objective was measured on")
    seeds: tuple[int, ...] = Field(description="of each trial; no reported run has one of them")
    values: dict[str, object] = Field(description="searched fields with the values found")


class Speedup(_Part):
    """The baseline's time to grok over the arm's."""

    ratio: float | None = Field(description="null where one side never got there")
    lower: float | None = Field(description="limits of 95 %; null where the runs set none")
    upper: float | None
    p: float = Field(description="exact, two-sided, of no difference; the largest that evaluations allow")


class OnSplit(_Part):
    """An arm on one held-out split."""

    seeds: int
    sustained: int = Field(description="how many seeds sustained the split within their budget")
    collapsed: int = Field(description="how many of those lost it again")
    median: dict[TimeUnit, float | None] = Field(
        description="cost of the run at the Kaplan-Meier median of steps; empty while half the seeds take longer"
    )
    sooner: int = Field(description="seeds that sustain it sooner than in the baseline")
    later: int
    undecided: int
    speedups: dict[TimeUnit, Speedup] = Field(description="of sustained times; units that some run did not count lack")
    first_crossing: Speedup | None = Field(description="in steps, of the first evaluation at the threshold")


class Arm(_Part):
    name: str = Field(description="name of the point in its sweep")
    place: Place
    controls: tuple[str, ...] = Field(description="names of the points that this method is to be held against")
    search: Search | None = Field(description="null without one")
    splits: dict[str, OnSplit] = Field(description="by held-out split")


class SpeedupReport(_Part):
    """speedups.json: the arms of a sweep against its baseline."""

    format: Literal[1] = 1
    sweep: str
    baseline: str
    arms: tuple[Arm, ...] = Field(description="in the order of the sweep")

    @property
    def splits(self) -> list[str]:
        return list(next(arm.splits for arm in self.arms if arm.name == self.baseline))


@dataclass(frozen=True)
class ArmRuns:
    """The runs of one point of a sweep.

    Attributes:
        controls: of a method, possibly none; None for a point that need not be a method.
    """

    name: str
    runs: Sequence[RunRecord]
    controls: tuple[str, ...] | None = None
    search: Search | None = None


def speedup_report(sweep: str, baseline: str, arms: Sequence[ArmRuns]) -> SpeedupReport | None:
    """Compare every arm that has runs with the baseline, on the splits that the baseline has.

    Returns:
        None where there is no run of the baseline, or no other arm.
    """
    arms = [arm for arm in arms if arm.runs]
    first = next((arm for arm in arms if arm.name == baseline), None)
    if first is None or len(arms) < 2:
        return None
    known_controls = {name for arm in arms for name in arm.controls or ()}
    return SpeedupReport(
        sweep=sweep,
        baseline=baseline,
        arms=tuple(
            Arm(
                name=arm.name,
                place=_place(arm, baseline, known_controls),
                controls=arm.controls or (),
                search=arm.search,
                splits=dict(_splits(first.runs, arm.runs)),
            )
            for arm in arms
        ),
    )


def _place(arm: ArmRuns, baseline: str, controls: set[str]) -> Place:
    if any(run.uses_held_out for run in arm.runs):
        return "held_out"
    if arm.name == baseline:
        return "baseline"
    return "control" if arm.name in controls and arm.controls is None else "method"


def _splits(baseline: Sequence[RunRecord], arm: Sequence[RunRecord]) -> Iterator[tuple[str, OnSplit]]:
    for split in baseline[0].evaluation.held_out:
        if all(split in run.evaluation.held_out for run in arm):
            yield split, _on_split(baseline, arm, split)


def _on_split(baseline: Sequence[RunRecord], arm: Sequence[RunRecord], split: str) -> OnSplit:
    found = [run.evaluation.held_out[split] for run in arm]
    pairs = None if arm is baseline else compare_pairs(baseline, arm, split)
    return OnSplit(
        seeds=len(arm),
        sustained=sum(one.sustained is not None for one in found),
        collapsed=sum(one.sustained is not None and one.collapsed is not None for one in found),
        median=_median(arm, split),
        sooner=pairs.first_later if pairs else 0,
        later=pairs.second_later if pairs else 0,
        undecided=pairs.undecided if pairs else 0,
        speedups={} if arm is baseline else _speedups(baseline, arm, split),
        first_crossing=None if arm is baseline else _first_crossing(baseline, arm, split),
    )


def _median(arm: Sequence[RunRecord], split: str) -> dict[TimeUnit, float | None]:
    times = times_of(arm, split)
    middle = median_time(times)
    if middle.censored:
        return {}
    run = next(run for run, time in zip(arm, times, strict=True) if not time.censored and time.step == middle.step)
    return {unit: cost_at(run, middle.step, unit) for unit in UNITS}


def _speedups(baseline: Sequence[RunRecord], arm: Sequence[RunRecord], split: str) -> dict[TimeUnit, Speedup]:
    runs = [*baseline, *arm]
    found: dict[TimeUnit, Speedup] = {}
    for unit in UNITS:
        if unit == "examples" and "steps" in found and _count_alike(runs):
            found[unit] = found["steps"]
        elif all(is_known(run, unit) for run in runs) and (
            contrast := compare(baseline, arm, split, unit=unit, ends="any")
        ):
            found[unit] = _speedup(contrast.effect)
    return found


def _count_alike(runs: Sequence[RunRecord]) -> bool:
    """Whether steps and examples are in one proportion in all runs."""
    batches = {run.spec.training.batch_size for run in runs}
    return len(batches) == 1 and all(run.manifest.source is None for run in runs)


def _first_crossing(baseline: Sequence[RunRecord], arm: Sequence[RunRecord], split: str) -> Speedup | None:
    if not all(is_known(run, "steps") for run in (*baseline, *arm)):
        return None
    contrast = compare(baseline, arm, split, "first_crossing", ends="any")
    return None if contrast is None else _speedup(contrast.effect)


def _speedup(effect: Effect) -> Speedup:
    """Turn round a ratio of the arm's times to the baseline's."""
    return Speedup(
        ratio=_inverse(effect.ratio), lower=_inverse(effect.upper), upper=_inverse(effect.lower), p=effect.p_worst
    )


def _inverse(ratio: float | None) -> float | None:
    return 1 / ratio if ratio else None


def short_names(points: Iterable[str]) -> tuple[str, dict[str, str]]:
    """Shorten the names of points such as `method=muon` that all vary one thing.

    Returns:
        What they vary, `method`, and by the point's name its value, `muon`; `point` and the names themselves where they
        do not all begin alike.
    """
    points = list(points)
    varied = {name.partition("=")[0] if name.count("=") == 1 else "" for name in points}
    if len(varied) == 1 and varied != {""}:
        return varied.pop(), {name: name.partition("=")[2] for name in points}
    return "point", {name: name for name in points}


def ranked(report: SpeedupReport) -> list[tuple[Arm, list[Arm]]]:
    """Return the methods, those with the greatest speedup first, each with its controls.

    Ordered by CPU seconds on the last split, in which a method pays for its overhead; by steps where they were not
    counted. Controls of no method that has runs stand among the methods; arms that used held-out data are left out.
    """
    named = {arm.name: arm for arm in report.arms}
    methods = [arm for arm in report.arms if arm.place == "method"]
    shown = {name for arm in methods for name in arm.controls}
    methods += [arm for arm in report.arms if arm.place == "control" and arm.name not in shown]
    split = report.splits[-1]
    methods.sort(key=lambda arm: -_rank(arm.splits.get(split)))
    return [
        (arm, [named[name] for name in arm.controls if name in named and named[name].place != "held_out"])
        for arm in methods
    ]


def _rank(found: OnSplit | None) -> float:
    """The speedup that arms are ordered by; 0 where it is not known."""
    if found is None:
        return 0.0
    best = found.speedups.get("cpu_seconds") or found.speedups.get("steps")
    return 0.0 if best is None or best.ratio is None else best.ratio
