"""The columns of tables of runs and of journals, each with its type and meaning."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

from grokcore.evaluation.phases import DEFINITIONS
from grokcore.reporting.study import POOLED
from grokcore.runs.evaluation import Time, Times
from grokcore.runs.fields import differing_fields, fields_of
from grokcore.runs.groups import Group
from grokcore.runs.record import RunRecord
from grokcore.storage.local import home_relative

T = TypeVar("T")

Kind = Literal["text", "whole", "number", "truth"]


@dataclass(frozen=True)
class Column(Generic[T]):
    """A column; `value` gives its entry for a row, None where there is none."""

    name: str
    kind: Kind
    meaning: str
    value: Callable[[T], Any]


@dataclass(frozen=True)
class RunSplit:
    """A row of the table of runs: what a run came to on one split."""

    group: Group
    run: RunRecord
    split: str

    @property
    def times(self) -> Times | None:
        """Times at which the split was reached; None for diagnostic splits."""
        evaluation = self.run.evaluation
        return evaluation.memorized if self.split == POOLED else evaluation.held_out.get(self.split)

    def of_held_out(self, name: str) -> Any:
        held_out = self.run.evaluation.held_out.get(self.split)
        return None if held_out is None else getattr(held_out, name)

    def of_split(self, name: str) -> Any:
        evaluation = self.run.evaluation
        result = evaluation.train if self.split == POOLED else evaluation.splits[self.split]
        return getattr(result, name, None)

    @property
    def role(self) -> str:
        return "train" if self.split == POOLED else self.run.evaluation.splits[self.split].role


def rows_of(groups: Sequence[Group]) -> Iterator[RunSplit]:
    """A row per run and split: the training splits pooled first, then each split."""
    for group in groups:
        for run in group.runs:
            for split in dict.fromkeys([POOLED, *run.evaluation.splits]):
                yield RunSplit(group, run, split)


def columns_of_runs(groups: Sequence[Group]) -> list[Column[RunSplit]]:
    """The columns of runs.csv and runs.parquet; a field of the spec has one where the groups differ in it."""
    return [*IDENTITY, *settings(groups), *OUTCOME, *FOLLOW_UP, *times(), *CONDITIONS]


IDENTITY: list[Column[RunSplit]] = [
    Column("group", "text", "runs that differ in their seeds alone share it", lambda row: row.group.label),
    Column("seed", "whole", "seed of initialization and order", lambda row: row.run.spec.seed),
    Column("data_seed", "whole", "seed of the draw of the data", lambda row: row.run.spec.task.seed),
    Column("split", "text", "split; `train` is all training splits pooled", lambda row: row.split),
    Column("role", "text", "train, held_out or diagnostic", lambda row: row.role),
    Column("name", "text", "name of the experiment", lambda row: row.run.spec.name),
    Column("run_id", "text", "hash of all that decides the run's result", lambda row: row.run.manifest.run_id),
    Column("dataset_id", "text", "hash of all that decides its data", lambda row: row.run.manifest.dataset.id),
    Column("uri", "text", "directory of the run", lambda row: home_relative(row.run.uri)),
]

OUTCOME: list[Column[RunSplit]] = [
    Column("accuracy", "number", "share of correct answers of the final model", lambda row: row.of_split("accuracy")),
    Column("loss", "number", "mean cross-entropy of the final model, nats", lambda row: row.of_split("loss")),
    Column("examples", "whole", "examples that accuracy was measured on", lambda row: row.of_split("examples")),
    Column(
        "majority_baseline", "number", "accuracy of always giving the most common answer",
        lambda row: row.of_split("majority_baseline"),
    ),
    Column("verdict", "text", "grokked, generalized, collapsed or censored", lambda row: row.of_held_out("verdict")),
    Column("ratio", "number", "T_split / T_train, both sustained", lambda row: row.of_held_out("ratio")),
    Column("onset", "whole", "step from which it stays above its value at memorization",
           lambda row: row.of_held_out("onset")),
    Column("collapsed", "whole", "step at which a grokked split was lost again",
           lambda row: row.of_held_out("collapsed")),
]  # fmt: skip
"""What became of a run on a split; `times` are more of it."""

FOLLOW_UP: list[Column[RunSplit]] = [
    Column("threshold", "number", "accuracy that counts as reached", lambda row: row.run.evaluation.threshold),
    Column("censored_at", "whole", "last evaluated step: what is not reached by then is censored",
           lambda row: row.run.evaluation.censored_at),
]  # fmt: skip

CONDITIONS: list[Column[RunSplit]] = [
    Column("diverged", "truth", "whether training ended on a loss that is not finite",
           lambda row: row.run.evaluation.diverged),
    Column("exit_reason", "text", "why training ended", lambda row: row.run.evaluation.exit_reason),
    Column("parameters", "whole", "trained parameters, tied ones once", lambda row: row.run.manifest.model.parameters),
    Column("parameters_without_embeddings", "whole", "those of the blocks and the final norm",
           lambda row: row.run.manifest.model.parameters_without_embeddings),
    Column("flops_per_step", "number", "algorithmic FLOPs of an optimizer step, of the model and of the method",
           lambda row: row.run.manifest.model.flops_per_step),
    Column("flops_of_method", "number", "those that optimizer, gradient filter, loss and projection add to AdamW's",
           lambda row: row.run.manifest.model.flops_of_method),
    Column("learning_rate", "number", "peak learning rate", lambda row: row.run.spec.training.learning_rate),
    Column("weight_decay", "number", "weight decay", lambda row: row.run.spec.training.weight_decay),
    Column("batch_size", "whole", "examples per optimizer step", lambda row: row.run.spec.training.batch_size),
    Column("elapsed_seconds", "number", "wall clock of the training process up to its last evaluation",
           lambda row: row.run.journal[-1]["clock"]["elapsed_seconds"]),
    Column("cpu_seconds", "number", "CPU seconds of the optimizer steps up to its last evaluation",
           lambda row: row.run.journal[-1]["clock"].get("cpu_seconds")),
    Column("device", "text", "kind of device that trained it", lambda row: row.run.manifest.hardware.get("device")),
    Column("gpu", "text", "its GPU, if it had one", lambda row: row.run.manifest.hardware.get("gpu")),
    Column("processor", "text", "its processor", lambda row: row.run.manifest.hardware.get("processor")),
    Column("grokcore", "text", "version of grokcore", lambda row: row.run.manifest.versions.get("grokcore")),
    Column("torch", "text", "version of torch", lambda row: row.run.manifest.versions.get("torch")),
    Column("commit", "text", "commit of the checkout that grokcore came from",
           lambda row: (row.run.manifest.git or {}).get("commit")),
]  # fmt: skip

_AXES: list[tuple[str, Kind, str]] = [
    ("steps", "whole", "optimizer steps at the first evaluation that shows it"),
    ("after", "whole", "steps at the evaluation before: the change lies in (after, steps]"),
    ("epochs", "number", "epochs by then"),
    ("examples", "whole", "training examples by then"),
    ("flops", "number", "algorithmic FLOPs by then"),
    ("seconds", "number", "wall clock by then"),
    ("cpu_seconds", "number", "CPU seconds of the optimizer steps by then"),
]
_MEANINGS = {
    "first_crossing": "first evaluation at the threshold",
    "sustained": "first evaluation from which the threshold is held",
    "stable": "first at the threshold and never far below it again",
}


def times() -> Iterator[Column[RunSplit]]:
    for definition in DEFINITIONS:
        meaning = _MEANINGS[definition]
        yield Column(
            f"{definition}_censored", "truth", f"{meaning}: whether the run ended before that", _is_censored(definition)
        )
        for axis, kind, words in _AXES:
            yield Column(f"{definition}_{axis}", kind, f"{meaning}: {words}", _time(definition, axis))


def _time(definition: str, axis: str) -> Callable[[RunSplit], Any]:
    def value(row: RunSplit) -> Any:
        found: Time | None = None if row.times is None else getattr(row.times, definition)
        return None if found is None else getattr(found, axis)

    return value


def _is_censored(definition: str) -> Callable[[RunSplit], bool | None]:
    return lambda row: None if row.times is None else getattr(row.times, definition) is None


def settings(groups: Sequence[Group]) -> Iterator[Column[RunSplit]]:
    fields = {group.label: fields_of(group.spec) for group in groups}
    for name in differing_fields(list(fields.values())):
        kind = kind_of([found[name] for found in fields.values() if found.get(name) is not None])
        yield Column(name, kind, "field of the spec in which the groups differ", _field(fields, name, kind))


def _field(fields: Mapping[str, Mapping[str, Any]], name: str, kind: Kind) -> Callable[[RunSplit], Any]:
    def value(row: RunSplit) -> Any:
        return entry(fields[row.group.label].get(name), kind)

    return value


def entry(value: Any, kind: Kind) -> Any:
    """Return a field's value as its column holds it: JSON where a column of text holds more than text."""
    return value if value is None or kind != "text" or isinstance(value, str) else json.dumps(value)


def kind_of(values: Sequence[Any]) -> Kind:
    """The narrowest kind that holds all values; lists and mixtures become text."""
    if values and all(isinstance(value, bool) for value in values):
        return "truth"
    if any(isinstance(value, bool) or not isinstance(value, int | float) for value in values) or not values:
        return "text"
    return "whole" if all(isinstance(value, int) for value in values) else "number"


@dataclass(frozen=True)
class Evaluated:
    """A row of the table of curves: one evaluation of a run on one split."""

    group: Group
    run: RunRecord
    line: Mapping[str, Any]
    split: str

    def measure(self, name: str) -> Any:
        measures = self.line["train"] if self.split == POOLED else self.line["splits"][self.split]
        return measures.get(name)


CURVES: list[Column[Evaluated]] = [
    Column("group", "text", "runs that differ in their seeds alone share it", lambda row: row.group.label),
    Column("seed", "whole", "seed of initialization and order", lambda row: row.run.spec.seed),
    Column("data_seed", "whole", "seed of the draw of the data", lambda row: row.run.spec.task.seed),
    Column("run_id", "text", "hash of all that decides the run's result", lambda row: row.run.manifest.run_id),
    Column("split", "text", "split; `train` is all training splits pooled", lambda row: row.split),
    Column("step", "whole", "optimizer steps", lambda row: row.line["step"]),
    Column("epoch", "number", "epochs", lambda row: row.line["epoch"]),
    Column("examples", "whole", "training examples", lambda row: row.line["examples"]),
    Column("flops", "number", "algorithmic FLOPs", lambda row: row.line["flops"]),
    Column("accuracy", "number", "share of correct answers; none where the output was not finite",
           lambda row: row.measure("accuracy")),
    Column("loss", "number", "mean cross-entropy, nats", lambda row: row.measure("loss")),
    Column("learning_rate", "number", "learning rate of the next step", lambda row: row.line.get("learning_rate")),
    Column("gradient_norm", "number", "L2 norm of the last gradient before clipping",
           lambda row: row.line.get("gradient_norm")),
    Column("weight_norm", "number", "L2 norm of all weights", lambda row: row.line.get("weight_norm")),
    Column("elapsed_seconds", "number", "wall clock of the training process",
           lambda row: row.line["clock"]["elapsed_seconds"]),
    Column("cpu_seconds", "number", "CPU seconds of the optimizer steps",
           lambda row: row.line["clock"].get("cpu_seconds")),
]  # fmt: skip
"""The columns of curves.parquet."""


def evaluated(groups: Sequence[Group]) -> Iterator[Evaluated]:
    for group in groups:
        for run in group.runs:
            for line in run.journal:
                for split in dict.fromkeys([POOLED, *line["splits"]]):
                    yield Evaluated(group, run, line, split)
