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
        if not self.low < self.high:
            raise ValueError(f"low={self.low:g} must be less than high={self.high:g}")
        return self

    def holds(self, value: JsonValue) -> bool:
        """Whether a value could be drawn."""
        return isinstance(value, int | float) and not isinstance(value, bool) and self.low <= value <= self.high


class Uniform(_Interval):
    """Numbers between two bounds, all equally likely."""

    kind: Literal["uniform"]

    def at(self, share: float) -> JsonValue:
        """The value that a `share` in [0, 1) of the distribution lies below, to three digits."""
        return rounded(self.low + share * (self.high - self.low))


class LogUniform(_Interval):
    """Positive numbers between two bounds, all orders of magnitude equally likely."""

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


class Choice(Spec):
    """One of several values, all equally likely."""

    kind: Literal["choice"]
    options: tuple[JsonValue, ...] = Field(min_length=1, description="the values, at least one")

    def at(self, share: float) -> JsonValue:
        """As `Uniform.at`; the options in their order."""
        return self.options[int(share * len(self.options))]

    def holds(self, value: JsonValue) -> bool:
        """Whether a value could be drawn."""
        return value in self.options


Distribution = Annotated[Uniform | LogUniform | Choice, Field(discriminator="kind")]


def rounded(value: float) -> float:
    """To three significant digits: what a name can show, so that a run can be repeated from its name."""
    return float(f"{value:.3g}")


def draw(distribution: Distribution, seed: int, purpose: str) -> JsonValue:
    """The value that belongs to a seed and a purpose: the same on every machine, whatever else is drawn."""
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
"""A list of seeds, a single one, or a text such as `0..4` or `0..3,8`."""

PointName = Annotated[str, Field(pattern=_FILE_SAFE)]


class GridAxis(Spec):
    """One field and its values; crossed with the other axes."""

    kind: Literal["grid"]
    field: str = Field(description="the dotted name of the field, for example task.values")
    values: tuple[JsonValue, ...] = Field(min_length=1, description="its values, at least one")
    name: PointName | None = Field(None, description="what point names call it; null is the field")


class PointsAxis(Spec):
    """Named points that set several fields each; crossed with the other axes.

    For what one field cannot say: fields that only some architectures have, or values that follow from one another.
    """

    kind: Literal["points"]
    points: dict[PointName, Overrides] = Field(min_length=1, description="overrides field=value by the point's name")
    name: PointName | None = Field(None, description="stands before the point's name, as in architecture=gpt2")


class ListAxis(Spec):
    """Named points that stand beside all others and are crossed with nothing."""

    kind: Literal["list"]
    points: dict[PointName, Overrides] = Field(min_length=1, description="overrides field=value by the point's name")


class RandomAxis(Spec):
    """Points drawn at random, several fields together; crossed with the other axes, all on the same draws."""

    kind: Literal["random"]
    draws: int = Field(ge=1, le=1000, description="number of points, 1 to 1000")
    seed: int = Field(0, ge=0, description="seed of the draws")
    fields: dict[str, Distribution] = Field(min_length=1, description="what each field is drawn from, by dotted name")


Axis = Annotated[GridAxis | PointsAxis | ListAxis | RandomAxis, Field(discriminator="kind")]


class TuningSpec(Spec):
    """A search for hyperparameters, with the same budget for every point of the sweep, before its runs begin.

    The objective has to mean something on a budget in which hardly anything groks. A time to grok would then be
    censored nearly always, and final accuracy could not tell a run that is about to turn from one that is stuck. The
    `area` under the curve of accuracy over steps, divided by the steps, is a number for every run, and rises both with
    how early and with how far a run has generalised.

    The split is a held-out one whose distribution is that of training, never the one that the comparison is about (out
    of domain, where there is such a split), and the seeds are none of the sweep's: what the comparison reports has had
    no part in the choice. What a short budget cannot show, such as grokking that a strong weight decay brings about
    late, is not searched for: the report names the budget for that reason.
    """

    search: dict[str, Distribution] = Field(min_length=1, description="what each field is searched in, by dotted name")
    trials: int = Field(ge=1, le=1000, description="values tried for each point; the first are the point's own")
    steps: int = Field(ge=1, description="optimiser steps of a trial")
    measure: Literal["area", "final"] = Field(
        "area", description="what is maximised: mean accuracy over the steps of a trial (area), or that at its end"
    )
    split: str | None = Field(
        None, description="the split it is measured on: held-out but not the last one, or train; null is the first such"
    )
    seeds: Seeds = Field((1000,), description="seeds of each trial, over which the objective is averaged")
    sampler: Literal["tpe", "random"] = Field(
        "tpe", description="tpe (tree-structured Parzen estimator, NeurIPS 2011, as optuna has it) or random"
    )
    sampler_seed: int = Field(0, ge=0, description="seed of the sampler")
    at_once: int = Field(
        4, ge=1, description="trials of a point that are chosen together; the choice depends on it, and on no machine"
    )

    def split_on(self, task: TaskSpec) -> str:
        """The split of a task that a search is judged by.

        Raises:
            InputError: it is one that a comparison is about, or none that the task has.
        """
        allowed = (*task.held_out_splits[:-1], "train")
        split = self.split or allowed[0]
        if split in allowed:
            return split
        why = "is what the comparison is about" if split in task.held_out_splits else "is none that can be tuned on"
        raise InputError(f"tuning.split: {split} {why}; allowed for {task.kind} are {', '.join(allowed)}")


class SweepSpec(Spec):
    """Runs that differ in chosen fields.

    In a file `base` may also be the name of a preset or the path of a spec, and `overrides` may stand beside it: both
    become part of the experiment when the sweep is loaded.
    """

    name: str = Field(pattern=r"^[a-z0-9][a-z0-9._-]{0,63}$", description="name of the sweep and of its directory")
    description: str = Field("", description="one line that says what the sweep shows")
    claims: tuple[str, ...] = Field((), description="ids of the claims that the sweep is meant to judge")
    base: ExperimentSpec = Field(description="the experiment that is varied")
    axes: tuple[Axis, ...] = Field((), description="what is varied; grid, points and random axes are crossed")
    seeds: Seeds = Field((0,), description="seeds of every point: a list, or a text such as 0..4")
    data_seeds: Seeds | None = Field(
        None,
        description="draws of the data (task.seed) that every seed is trained on; null for the one of the experiment",
    )
    tuning: TuningSpec | None = Field(None, description="hyperparameters searched for before the runs; null for none")
    most_runs: int = Field(200, ge=1, le=100_000, description="a sweep of more runs than this is refused as a slip")

    @field_validator("description")
    @classmethod
    def _is_no_template(cls, text: str) -> str:
        return no_template(text)

    @field_validator("seeds", "data_seeds")
    @classmethod
    def _each_once(cls, seeds: tuple[int, ...] | None) -> tuple[int, ...] | None:
        twice = next((seed for seed in seeds or () if (seeds or ()).count(seed) > 1), None)
        if twice is not None:
            raise ValueError(f"seed {twice} is named twice; name each once")
        return seeds

    @model_validator(mode="after")
    def _tuned_on_other_seeds(self) -> SweepSpec:
        shared = set(self.seeds) & set(self.tuning.seeds if self.tuning else ())
        if shared:
            raise ValueError(
                f"tuning.seeds and seeds share {min(shared)}: tune on seeds that the comparison does not report"
            )
        return self
