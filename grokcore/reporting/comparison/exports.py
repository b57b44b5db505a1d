"""A comparison as tables for an analysis of one's own: a row per run and split, and all journals."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from grokcore.reporting.comparison.columns import POOLED, Column, columns_of_runs, rows_of
from grokcore.runs.groups import Group
from grokcore.runs.record import RunRecord

T = TypeVar("T")

_FORMULA = ("=", "+", "-", "@", "|", "%")


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
    Column("seed", "whole", "seed of initialisation and order", lambda row: row.run.spec.seed),
    Column("data_seed", "whole", "seed of the draw of the data", lambda row: row.run.spec.task.seed),
    Column("run_id", "text", "hash of all that decides the run's result", lambda row: row.run.manifest.run_id),
    Column("split", "text", "split; `train` is all training splits pooled", lambda row: row.split),
    Column("step", "whole", "optimiser steps", lambda row: row.line["step"]),
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
]  # fmt: skip
"""The columns of curves.parquet."""


def runs_table(groups: Sequence[Group]) -> Any:
    """A pyarrow table with a row per run and split; each field's metadata has its `description`."""
    return _table(columns_of_runs(groups), list(rows_of(groups)))


def curves_table(groups: Sequence[Group]) -> Any:
    """A pyarrow table with a row per run, evaluation and split."""
    return _table(CURVES, list(_evaluated(groups)))


def parquet_bytes(table: Any) -> bytes:
    from pyarrow import parquet

    buffer = io.BytesIO()
    parquet.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def csv_bytes(table: Any) -> bytes:
    """UTF-8 with a head line; what is unknown is empty, and no text is a spreadsheet's formula."""
    import pyarrow as pa
    from pyarrow import csv

    for number, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            cells = pa.array([csv_cell(text) for text in table[field.name].to_pylist()], pa.string())
            table = table.set_column(number, field, cells)
    buffer = io.BytesIO()
    csv.write_csv(table.rename_columns([csv_cell(name) for name in table.column_names]), buffer)
    return buffer.getvalue()


def csv_cell(text: str | None) -> str | None:
    """A text that a spreadsheet takes for text: after an apostrophe where it would begin a formula or a command."""
    return f"'{text}" if text and text.lstrip()[:1] in _FORMULA else text


def _evaluated(groups: Sequence[Group]) -> Iterator[Evaluated]:
    for group in groups:
        for run in group.runs:
            for line in run.journal:
                for split in dict.fromkeys([POOLED, *line["splits"]]):
                    yield Evaluated(group, run, line, split)


def _table(columns: Sequence[Column[T]], rows: Sequence[T]) -> Any:
    import pyarrow as pa

    types = {"text": pa.string(), "whole": pa.int64(), "number": pa.float64(), "truth": pa.bool_()}
    schema = pa.schema(
        [pa.field(column.name, types[column.kind], metadata={"description": column.meaning}) for column in columns]
    )
    return pa.table({column.name: [_entry(column, row) for row in rows] for column in columns}, schema=schema)


def _entry(column: Column[T], row: T) -> Any:
    value = column.value(row)
    # A name may hold half of a surrogate pair, which no encoding has.
    return value.encode("utf-8", "replace").decode() if column.kind == "text" and isinstance(value, str) else value
