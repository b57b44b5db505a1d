"""A point of a sweep: one setting of the varied fields, as experiments of several seeds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from pydantic import JsonValue

from grokcore.runs.groups import seed_text
from grokcore.spec import ExperimentSpec, load_spec
from grokcore.spec.overrides import Override
from grokcore.sweeps.axes import override
from grokcore.sweeps.loading import as_document

Start = Callable[[ExperimentSpec], ExperimentSpec]
"""Names the weights that a run of the experiment's seed and draw of the data starts from."""


@dataclass(frozen=True)
class Point:
    """One setting of the varied fields, shared by all its seeds.

    Attributes:
        name: unique in the sweep, and a safe file name: `task.values=20`.
        label: as in a comparison of the sweep's runs: `task.values 20`.
        settings: values set by the axes, by dotted field.
        spec: the experiment with the first of `seeds` and `data_seeds`; its precision is resolved for this machine.
        data_seeds: draws of the data, on each of which every seed is trained.
        start: None unless every seed starts from a run of its own.
    """

    name: str
    settings: Mapping[str, JsonValue]
    spec: ExperimentSpec
    seeds: tuple[int, ...]
    data_seeds: tuple[int, ...]
    label: str = ""
    start: Start | None = None

    @property
    def draws(self) -> list[ExperimentSpec]:
        """The experiment on each draw of the data."""
        return [self.seeded(on_draw(self.spec, data_seed), self.spec.seed) for data_seed in self.data_seeds]

    @property
    def specs(self) -> list[ExperimentSpec]:
        """One experiment per draw of the data and seed."""
        return [self.seeded(draw, seed) for draw in self.draws for seed in self.seeds]

    def seeded(self, draw: ExperimentSpec, seed: int) -> ExperimentSpec:
        """Return the experiment on a draw of the data with a seed."""
        spec = draw.model_copy(update={"seed": seed})
        return spec if self.start is None else self.start(spec)

    def run_name(self, spec: ExperimentSpec) -> str:
        """Name one of `specs`."""
        return f"{self.label}, {seed_text(spec, len(self.data_seeds))}"

    def changed(self, values: Mapping[str, JsonValue]) -> Point:
        """Return the point with other values for some fields; `settings` stays unchanged.

        Raises:
            InputError: a value is invalid for the experiment.
        """
        return replace(self, spec=changed_spec(self.spec, [override(*item) for item in values.items()]))


def on_draw(spec: ExperimentSpec, data_seed: int) -> ExperimentSpec:
    """Return the experiment on another draw of the data."""
    return spec.model_copy(update={"task": spec.task.model_copy(update={"seed": data_seed})})


def changed_spec(
    spec: ExperimentSpec, overrides: Sequence[str | Override], notify: Callable[[str], None] = lambda line: None
) -> ExperimentSpec:
    """Return the experiment with overrides applied.

    Raises:
        InputError: one is invalid for it.
    """
    return load_spec(as_document(spec), overrides, notify=notify)


def value_of(spec: ExperimentSpec, field: str) -> JsonValue:
    """Value of a dotted field; None if the experiment does not have it."""
    value: JsonValue = spec.model_dump(mode="json")
    for name in field.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
