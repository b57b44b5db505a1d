"""Runs and journals as tables (CSV, Parquet), each column with its type and meaning."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

from grokcore.reporting.columns import CURVES, Column, T, columns_of_runs, evaluated, rows_of
from grokcore.runs.groups import Group

_FORMULA = ("=", "+", "-", "@", "|", "%")


def runs_table(groups: Sequence[Group]) -> Any:
    """A pyarrow table with a row per run and split; each field's metadata has its `description`."""
    return table_of(columns_of_runs(groups), list(rows_of(groups)))


def curves_table(groups: Sequence[Group]) -> Any:
    """A pyarrow table with a row per run, evaluation and split."""
    return table_of(CURVES, list(evaluated(groups)))


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


def table_of(columns: Sequence[Column[T]], rows: Sequence[T]) -> Any:
    """A pyarrow table of rows; each field's metadata has its `description`."""
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
