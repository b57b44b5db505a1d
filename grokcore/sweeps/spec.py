"""A sweep's specification: base experiment, axes, seeds, and the hyperparameter search that may come first."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, JsonValue, field_validator, model_validator

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, TaskSpec
from grokcore.spec.base import Spec, no_template
from grokcore.spec.experiment import derived_seed
from grokcore.spec.loading import MOST_SEEDS, parse_seeds


class _Interval(Spec):
    low: float = Field(description="lowest value")
    high: float = Field(description="highest value")

    @model_validator(mode="after")
    def _ordered(self) -> _Interval:
        _check_order(self.low, self.high)
        return self

    def holds(self, value: JsonValue) -> bool:
        """Whether `value` is in the support."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


class Uniform(_Interval):
    """Uniform distribution between two bounds."""

    kind: Literal["uniform"]

    def at(self, share: float) -> JsonValue:
        """Quantile of `share` in [0, 1), to three significant digits."""
        return rounded(self.low + share * (self.high - self.low))


class LogUniform(_Interval):
    """Log-uniform distribution between two positive bounds."""

    kind: Literal["log_uniform"]

    @model_validator(mode="after")
    def _positive(self) -> LogUniform:
        if self.low <= 0:
            raise ValueError(f"low={self.low:g} must be greater than 0, since its logarithm is taken")
        return self

    def at(self, share: float) -> JsonValue:
        """As `Uniform.at`."""
        low, high = math.log(self.low), math.log(self.high)
        return rounded(math.exp(low + share * (high - low)))


class LogInteger(Spec):
    """Log-uniform distribution over the whole numbers between two positive bounds, such as numbers of steps."""

    kind: Literal["log_integer"]
    low: int = Field(ge=1, description="lowest value")
    high: int = Field(description="highest value")

    @model_validator(mode="after")
    def _ordered(self) -> LogInteger:
        _check_order(self.low, self.high)
        return self

    def at(self, share: float) -> JsonValue:
        """As `Uniform.at`, to a whole number."""
        return self.clamped(self.low * (self.high / self.low) ** share)

    def clamped(self, value: float) -> int:
        """Round to three significant digits and to a whole number within the bounds."""
        return min(max(round(rounded(value)), self.low), self.high)

    def holds(self, value: JsonValue) -> bool:
        """Whether `value` is in the support."""
        return isinstance(value, int) and not isinstance(value, bool) and self.low <= value <= self.high


class Choice(Spec):
    """Uniform distribution over a list of values."""

    kind: Literal["choice"]
    options: tuple[JsonValue, ...] = Field(min_length=1, description="the values, at least one")

    def at(self, share: float) -> JsonValue:
        """As `Uniform.at`, over the options in order."""
        return self.options[int(share * len(self.options))]

    def holds(self, value: JsonValue) -> bool:
        """Whether `value` is in the support."""
        return value in self.options


def _check_order(low: float, high: float) -> None:
    if not low < high:
        raise ValueError(f"low={low:g} must be less than high={high:g}")


Distribution = Annotated[Uniform | LogUniform | LogInteger | Choice, Field(discriminator="kind")]


def rounded(value: float) -> float:
    """Round to three significant digits, so that names show values exactly and a run can be repeated from its name."""
    return float(f"{value:.3g}")


def draw(distribution: Distribution, seed: int, purpose: str) -> JsonValue:
    """Draw the value of a seed and a purpose: the same on every machine, independent of other draws."""
    return distribution.at(derived_seed(seed, purpose) / 2**63)


_FILE_SAFE = r"^[A-Za-z0-9][A-Za-z0-9._+=,-]{0,99}$"

Overrides = tuple[str, ...]
"""`field.subfield=value`, applied in order."""


def _seeds(value: Any) -> Any:
    if isinstance(value, int) and not isinstance(value, bool):
        return (value,)
    return parse_seeds(value, "seeds") if isinstance(value, str) else value


Seeds = Annotated[
    tuple[Annotated[int, Field(ge=0)], ...],
    Field(min_length=1, max_length=MOST_SEEDS),
    BeforeValidator(_seeds),
]
"""A list of seeds, a single seed, or a text such as `0..4` or `0..3,8`."""

PointName = Annotated[str, Field(pattern=_FILE_SAFE)]


class GridAxis(Spec):
    """One field and its values; crossed with the other axes."""

    kind: Literal["grid"]
    field: str = Field(description="the dotted name of the field, for example task.values")
    values: tuple[JsonValue, ...] = Field(min_length=1, description="values, at least one")
    name: PointName | None = Field(None, description="label in point names; null for the field")


class PointsAxis(Spec):
    """Named points that set several fields each; crossed with the other axes.

    For fields that only some architectures have, or that depend on each other.
    """

    kind: Literal["points"]
    points: dict[PointName, Overrides] = Field(min_length=1, description="overrides field=value by the point's name")
    name: PointName | None = Field(
        None, description="prefix of the point's name, for example architecture in architecture=gpt2"
    )


class ListAxis(Spec):
    """Named points that are added to all others, without crossing."""

    kind: Literal["list"]
    points: dict[PointName, Overrides] = Field(min_length=1, description="overrides field=value by the point's name")


class RandomAxis(Spec):
    """Randomly drawn points over several fields; crossed with the other axes, with the same draws throughout."""

    kind: Literal["random"]
    draws: int = Field(ge=1, le=1000, description="number of points, 1 to 1000")
    seed: int = Field(0, ge=0, description="seed of the draws")
    fields: dict[str, Distribution] = Field(min_length=1, description="distribution of each field, by dotted name")


Axis = Annotated[GridAxis | PointsAxis | ListAxis | RandomAxis, Field(discriminator="kind")]


Measure = Literal["area", "final", "time"]


class TuningSpec(Spec):
    """A hyperparameter search, with the same budget for every point of the sweep, before its runs.

    The objective must be informative on a budget within which hardly any run groks. The time to grok would nearly
    always be censored, and final accuracy does not distinguish a run that is about to generalize from one that is
    stuck. The `area` under the curve of accuracy over steps, divided by the steps, is defined for every run and grows
    with how early and how far it generalizes. Where trials are long enough for some to generalize, `time` searches for
    what a comparison of times reports: the earliest sustained stretch.

    With `area` and `final` the split is a held-out one with the training distribution, never the one that the
    comparison is about (the out-of-distribution split, if there is one). With `time` it may be any held-out split: an
    acceleration is only fair against a baseline tuned for the same goal. Either way its seeds differ from the sweep's,
    so that no reported run took part in the selection. A short budget misses effects such as late grokking under strong
    weight decay, so the report states the budget, the split and the seeds.
    """

    search: dict[str, Distribution] = Field(
        min_length=1, description="distribution per field to search, by dotted name"
    )
    also: dict[PointName, dict[str, Distribution]] = Field(
        {},
        description="more fields to search for single points, by name; a value given by the axis is the first trial's",
    )
    trials: int = Field(ge=1, le=1000, description="trials per point; the first has the point's own values")
    steps: int = Field(ge=1, description="optimizer steps of a trial")
    measure: Measure = Field(
        "area",
        description="objective: mean accuracy over the steps of a trial (area), accuracy at its end (final), or how "
        "early the split is sustained, as a share of its steps (time)",
    )
    split: str | None = Field(
        None,
        description="split to measure on: train or a held-out split, the last one with measure time only; null for "
        "the first of those",
    )
    seeds: Seeds = Field((1000,), description="seeds of each trial; the objective is averaged over them")
    across: tuple[str, ...] = Field(
        (),
        description="dotted names of varied fields: points that differ in these alone share the search of the first",
    )
    sampler: Literal["tpe", "random"] = Field(
        "tpe", description="tpe (tree-structured Parzen estimator, NeurIPS 2011, by optuna) or random"
    )
    sampler_seed: int = Field(0, ge=0, description="seed of the sampler")
    at_once: int = Field(
        4, ge=1, description="trials of a point that are drawn together; affects the choice, whatever the machine"
    )

    def search_of(self, point: str) -> dict[str, Distribution]:
        """Distribution per field to search for a point."""
        return self.search | self.also.get(point, {})

    def split_on(self, task: TaskSpec) -> str:
        """Split of a task that the objective is measured on.

        Raises:
            InputError: the split that a comparison is about, unless the measure is `time`, or an unknown one.
        """
        held_out = task.held_out_splits if self.measure == "time" else task.held_out_splits[:-1]
        allowed = (*held_out, "train")
        split = self.split or allowed[0]
        if split in allowed:
            return split
        why = "is what the comparison is about" if split in task.held_out_splits else "cannot be tuned on"
        raise InputError(f"tuning.split: {split} {why}; allowed for {task.kind} are {', '.join(allowed)}")


class SweepSpec(Spec):
    """Runs that differ in some fields.

    In a file, `base` may also be the name of a preset or the path of a spec, with `overrides` beside it; loading the
    sweep merges them into the experiment.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="name of the sweep and of its directory")
    description: str = Field("", description="one line about the purpose of the sweep")
    claims: tuple[str, ...] = Field((), description="ids of the claims that the sweep is meant to test")
    base: ExperimentSpec = Field(description="experiment to vary")
    axes: tuple[Axis, ...] = Field((), description="axes to vary; grid, points and random axes are crossed")
    only: tuple[PointName, ...] | None = Field(None, description="names of the points to run; null for all")
    sources: dict[PointName, Overrides] = Field(
        {},
        description="runs to start from, trained first with each seed and draw: changes of the base by a name that "
        "points give as model.start_from.model=source:NAME",
    )
    seeds: Seeds = Field((0,), description="seeds of every point: a list or a text such as 0..4")
    data_seeds: Seeds | None = Field(
        None,
        description="draws of the data (task.seed), on each of which every seed is trained; null for "
        "the experiment's own",
    )
    tuning: TuningSpec | None = Field(None, description="hyperparameter search before the runs; null for none")
    baseline: PointName | None = Field(
        None, description="name of the point that all others are held against, in every unit of time; null for none"
    )
    controls: dict[PointName, tuple[PointName, ...]] = Field(
        {},
        description="by the name of a point, a method: points that show what of its gain is its own; one that is "
        "itself a method has an entry, too, which may be empty",
    )
    most_runs: int = Field(200, ge=1, le=100_000, description="limit on the number of runs, to catch mistakes")

    @field_validator("description")
    @classmethod
    def _is_no_template(cls, text: str) -> str:
        return no_template(text)

    @field_validator("seeds", "data_seeds")
    @classmethod
    def _each_once(cls, seeds: tuple[int, ...] | None) -> tuple[int, ...] | None:
        twice = next((seed for seed in seeds or () if (seeds or ()).count(seed) > 1), None)
        if twice is not None:
            raise ValueError(f"seed {twice} is listed twice")
        return seeds

    @model_validator(mode="after")
    def _controls_go_with_a_baseline(self) -> SweepSpec:
        if self.controls and self.baseline is None:
            raise ValueError("controls need a baseline, the point that all others are held against")
        return self

    @model_validator(mode="after")
    def _tuned_on_other_seeds(self) -> SweepSpec:
        shared = set(self.seeds) & set(self.tuning.seeds if self.tuning else ())
        if shared:
            raise ValueError(
                f"tuning.seeds and seeds share {min(shared)}: tune on other seeds than the comparison reports"
            )
        return self
