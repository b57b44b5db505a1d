"""Runs and their journals as data frames: a row a run, and curves in long form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from grokcore.errors import InputError
from grokcore.reporting.columns import (
    CONDITIONS,
    CURVES,
    FOLLOW_UP,
    IDENTITY,
    OUTCOME,
    Column,
    Evaluated,
    RunSplit,
    entry,
    evaluated,
    kind_of,
    times,
)
from grokcore.reporting.exports import table_of
from grokcore.reporting.study import POOLED
from grokcore.runs.fields import differing_fields, fields_of
from grokcore.runs.groups import Group
from grokcore.runs.record import RunRecord

FrameKind = Literal["pandas", "arrow"]

_FIRST = ("verdict", "sustained_steps", "ratio", "accuracy")
"""What a reader asks of a split before all else."""
_FIELDS = {"learning_rate", "weight_decay", "batch_size"}
"""Columns of runs.csv that stand here under their fields' names."""
_LAST = ("name", "run_id", "dataset_id", "uri")
_MEASURES = ("accuracy", "loss")
_OF_LINE = (
    "learning_rate",
    "gradient_norm",
    "weight_norm",
    "epoch",
    "examples",
    "flops",
    "elapsed_seconds",
    "cpu_seconds",
)


@dataclass(frozen=True)
class Row:
    """A run in its group, under the name that it has among the runs at hand."""

    group: Group
    run: RunRecord
    name: str
    fields: Mapping[str, Any]


def rows_of_runs(groups: Sequence[Group]) -> list[Row]:
    """Return the runs of some groups, in their order."""
    return [
        Row(group, run, name, {**_flat(run.spec.model_dump(mode="json")), **fields_of(group.spec)})
        for group in groups
        for run, name in zip(group.runs, group.names, strict=True)
    ]


def columns_of_frame(rows: Sequence[Row]) -> list[Column[Row]]:
    """Return the columns of `Runs.frame`, in the order in which they are asked for.

    Run, group, seeds; the fields of the spec in which the groups differ; of each split, verdict, time, ratio and
    accuracy; conditions; the rest of each split; all other fields of the spec; name, ids and place.
    """
    identity = {column.name: column for column in IDENTITY}
    differing = differing_fields([fields_of(group.spec) for group in _groups(rows)])
    fields = dict.fromkeys(name for row in rows for name in row.fields)
    splits = dict.fromkeys([POOLED, *(name for row in rows for name in row.run.evaluation.splits)])
    judged = [name for name in splits if any(name in row.run.evaluation.held_out for row in rows)]
    of_split = [*OUTCOME, *times()]
    first = [column for name in _FIRST for column in of_split if column.name == name]
    shown_first = [(split, column) for split in [*judged, POOLED] for column in first if _has(split, column)]
    rest = [(split, column) for split in splits for column in of_split if (split, column) not in shown_first]
    return [
        Column("run", "text", "name among the runs at hand: group and seed", lambda row: row.name),
        *(_of_run(identity[name]) for name in ("group", "seed", "data_seed")),
        *(_of_field(rows, name) for name in differing),
        *(_of_split(split, column) for split, column in shown_first),
        *(_of_run(column) for column in (*FOLLOW_UP, *CONDITIONS) if column.name not in _FIELDS),
        *(_of_split(split, column) for split, column in rest if any(_is_told(row, split, column) for row in rows)),
        *(_of_field(rows, name) for name in fields if name not in differing),
        *(_of_run(identity[name]) for name in _LAST),
    ]


def frame_of(rows: Sequence[Row], kind: FrameKind) -> Any:
    """Return a row a run, as `Runs.frame` describes it."""
    return _as(table_of(columns_of_frame(rows), rows), kind, "frame")


@dataclass(frozen=True)
class Point:
    """A number of a journal; `split` is None where it is the run's."""

    name: str
    at: Evaluated
    split: str | None
    metric: str
    value: float


_POINT: list[Column[Point]] = [
    Column("run", "text", "name among the runs at hand: group and seed", lambda point: point.name),
    Column("group", "text", "runs that differ in their seeds alone share it", lambda point: point.at.group.label),
    Column("seed", "whole", "seed of initialization and order", lambda point: point.at.run.spec.seed),
    Column("data_seed", "whole", "seed of the draw of the data", lambda point: point.at.run.spec.task.seed),
    Column("run_id", "text", "hash of all that decides the result", lambda point: point.at.run.manifest.run_id),
    Column("step", "whole", "optimizer steps", lambda point: point.at.line["step"]),
    Column("split", "text", "split; `train` is all training splits pooled", lambda point: point.split),
    Column("metric", "text", "what was measured, as curves.parquet names it", lambda point: point.metric),
    Column("value", "number", "the value, in its unit of curves.parquet", lambda point: point.value),
]  # fmt: skip


def curves_of(groups: Sequence[Group], kind: FrameKind) -> Any:
    """Return the journals in long form, as `Runs.curves` describes it."""
    return _as(table_of(_POINT, list(_points(groups))), kind, "curves")


def _points(groups: Sequence[Group]) -> Iterator[Point]:
    measures = {column.name: column for column in CURVES}
    names = {id(run): name for group in groups for run, name in zip(group.runs, group.names, strict=True)}
    for at in evaluated(groups):
        name = names[id(at.run)]
        asked: list[tuple[str | None, str]] = [(at.split, metric) for metric in _MEASURES]
        asked += [(None, metric) for metric in _OF_LINE] if at.split == POOLED else []
        for split, metric in asked:
            value = measures[metric].value(at)
            if value is not None:
                yield Point(name, at, split, metric, value)


def _groups(rows: Sequence[Row]) -> list[Group]:
    return list({id(row.group): row.group for row in rows}.values())


def _of_run(column: Column[RunSplit]) -> Column[Row]:
    return Column(
        column.name, column.kind, column.meaning, lambda row: column.value(RunSplit(row.group, row.run, POOLED))
    )


def _of_split(split: str, column: Column[RunSplit]) -> Column[Row]:
    return Column(
        f"{split}.{column.name}", column.kind, f"{split}: {column.meaning}", lambda row: _value(row, split, column)
    )


def _of_field(rows: Sequence[Row], name: str) -> Column[Row]:
    kind = kind_of([row.fields[name] for row in rows if row.fields.get(name) is not None])
    return Column(name, kind, "field of the spec", lambda row: entry(row.fields.get(name), kind))


def _value(row: Row, split: str, column: Column[RunSplit]) -> Any:
    has_it = split == POOLED or split in row.run.evaluation.splits
    return column.value(RunSplit(row.group, row.run, split)) if has_it else None


def _has(split: str, column: Column[RunSplit]) -> bool:
    return split != POOLED or column.name in ("sustained_steps", "accuracy")


def _is_told(row: Row, split: str, column: Column[RunSplit]) -> bool:
    return _value(row, split, column) is not None


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return the fields of a spec by their dotted names; name and description have columns of their own or none."""
    found: dict[str, Any] = {}
    for name, value in document.items():
        if isinstance(value, Mapping):
            found |= _flat(value, f"{prefix}{name}.")
        elif prefix:
            found[f"{prefix}{name}"] = value
    return found


def _as(table: Any, kind: FrameKind, name: str) -> Any:
    if kind == "arrow":
        return table
    if kind != "pandas":
        raise InputError(f"{name}(kind={kind!r}): kind is 'pandas' or 'arrow'")
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise InputError(
            f"{name}() needs pandas: pip install 'grokcore[notebook]', or take {name}(kind='arrow')"
        ) from None
    import pyarrow as pa

    # Whole numbers stay whole where some are unknown, such as times that are censored.
    nullable = {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return table.to_pandas(types_mapper=nullable.get)
