"""Numbers of an analysis in the shape of a figure: rows by columns, at every step, for every split."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from grokcore.reporting.interpret.metrics import Field, MapSpec
from grokcore.runs.analysis import AnalysisDocument

Values = npt.NDArray[np.float64]
Row = Mapping[str, Any]

WITHOUT_SPLIT = ""


@dataclass(frozen=True)
class Frame:
    """What a figure shows of one split.

    Attributes:
        values, lower, upper, n: (steps, cells), NaN where there is none.
        beside: (numbers told along with each, steps, cells).
        notes: by step and cell, such as the site that a headline was measured at; empty where there are none.
    """

    values: Values
    lower: Values
    upper: Values
    n: Values
    beside: Values
    notes: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True)
class Grid:
    """A metric over the cells of a figure, row by row.

    Attributes:
        element: its id on the page.
        frames: by split; `WITHOUT_SPLIT` alone where none is chosen.
        interval: what `lower` and `upper` are, such as `95 %`.
        counted: `n` in words, such as `3 seeds`, as a template.
        controls: the cells that are controls of others.
    """

    element: str
    title: str
    spec: MapSpec
    rows: tuple[Any, ...]
    columns: tuple[Any, ...]
    frames: Mapping[str, Frame]
    beside: tuple[str, ...] = ()
    interval: str = "95 %"
    counted: str = "n {}"
    controls: tuple[int, ...] = ()

    def frame(self, split: str) -> Frame | None:
        """Return what is shown of a split; None where it has no such map."""
        return self.frames.get(split, self.frames.get(WITHOUT_SPLIT))

    @property
    def span(self) -> float:
        """The distance from the neutral value at which the color is full."""
        if self.spec.is_share:
            return 1.0
        parts = [np.abs(frame.values - self.spec.neutral).ravel() for frame in self.frames.values()]
        largest = np.nanmax(np.concatenate([*parts, np.zeros(1)]))
        return float(largest) or 1.0

    @property
    def digits(self) -> int:
        return 2 if self.span < 10 else 1 if self.span < 100 else 0

    @property
    def row_heads(self) -> list[str]:
        return [_head(self.spec.rows, value) for value in self.rows]

    @property
    def column_heads(self) -> list[str]:
        return [_head(self.spec.columns, value) for value in self.columns]


def _head(field: Field, value: Any) -> str:
    return f"layer {value}" if field == "layer" else str(value)


def rows_of(
    table: pa.Table,
    analysis: str,
    metrics: Iterable[str],
    *,
    steps: Sequence[int],
    splits: Iterable[str] | None = None,
    headlines: bool = False,
) -> list[Row]:
    """Return the rows of some metrics at some steps: headlines, or all others."""
    is_headline = pc.and_(pc.is_null(table["layer"]), pc.equal(table["position"], ""))
    wanted = pc.and_(
        pc.equal(table["analysis"], analysis),
        pc.and_(
            pc.is_in(table["metric"], pa.array(list(metrics), pa.string())),
            pc.is_in(table["step"], pa.array(steps, pa.int64())),
        ),
    )
    wanted = pc.and_(wanted, is_headline if headlines else pc.invert(is_headline))
    if splits is not None:
        wanted = pc.and_(wanted, pc.is_in(table["split"], pa.array(list(splits), pa.string())))
    found: list[Row] = table.filter(wanted).to_pylist()
    return found


def forms_of(document: AnalysisDocument) -> dict[str, tuple[str, ...]]:
    """Return the roles of the positions of each split; splits of different forms share no map."""
    return {questions.split: tuple(questions.roles) for questions in document.questions}


def grids_of(
    spec: MapSpec,
    rows: Sequence[Row],
    steps: Sequence[int],
    forms: Mapping[str, tuple[str, ...]],
    prefix: str,
) -> list[Grid]:
    """Return the maps of a metric, one for each form of questions and each combination of the fields `per`.

    Args:
        rows: of the metric and of those that stand beside it.
        prefix: of the elements' ids.
    """
    numbers: dict[tuple[Any, ...], dict[str, dict[tuple[Any, Any], dict[int, Row]]]] = {}
    others: dict[tuple[Any, ...], Row] = {}
    for row in rows:
        others[_place(row, row["metric"], row["case"])] = row
        if row["metric"] == spec.metric:
            key = (forms.get(row["split"], ()), *(row[field] for field in spec.per))
            cell = (row[spec.rows] if spec.rows else "", row[spec.columns])
            numbers.setdefault(key, {}).setdefault(row["split"], {}).setdefault(cell, {})[row["step"]] = row
    beside = tuple(one for one in spec.beside if any(row["metric"] == one.metric for row in rows))
    grids = []
    in_order = sorted(numbers.items(), key=lambda item: [one if isinstance(one, int) else -1 for one in item[0]])
    for number, (key, by_split) in enumerate(in_order):
        seen = list(dict.fromkeys(cell for cells in by_split.values() for cell in cells))
        row_values = _ordered(spec.rows, [row for row, _ in seen], key[0])
        columns = _ordered(spec.columns, [column for _, column in seen], key[0])
        frames = {}
        for split, cells in by_split.items():
            found = [
                [cells.get((row, column), {}).get(step) for row in row_values for column in columns] for step in steps
            ]
            also = [
                [
                    [None if one is None else others.get(_beside(one, other.metric, other.case)) for one in at]
                    for at in found
                ]
                for other in beside
            ]
            frames[split] = frame_of(found, also)
        grids.append(
            Grid(
                f"{prefix}-{number}",
                _title(spec, key[1:]),
                spec,
                row_values,
                columns,
                frames,
                tuple(one.label for one in beside),
            )
        )
    return grids


def frame_of(
    found: Sequence[Sequence[Row | None]], also: Sequence[Sequence[Sequence[Row | None]]], note: str = ""
) -> Frame:
    """Return the frame of rows by (step, cell), and of what stands beside them by (number, step, cell).

    Args:
        note: the field that a note is taken from.
    """
    parts = {name: _values(found, name) for name in ("value", "lower", "upper", "n")}
    beside = np.array([_values(rows, "value") for rows in also]) if also else np.zeros((0, *parts["value"].shape))
    notes = tuple(tuple("" if one is None else one[note] for one in at) for at in found) if note else ()
    return Frame(parts["value"], parts["lower"], parts["upper"], parts["n"], beside, notes)


def _values(found: Sequence[Sequence[Row | None]], name: str) -> Values:
    values: Values = np.array([[_number(one, name) for one in at] for at in found], dtype=float)
    return values


def _number(row: Row | None, name: str) -> float:
    """Return a number as precise as a page shows it, so that its script and its tables round the same."""
    value = None if row is None else row[name]
    return float("nan") if value is None else float(value if isinstance(value, int) else f"{value:.4g}")


def _place(row: Row, metric: str, case: str) -> tuple[Any, ...]:
    return (metric, row["step"], row["split"], case, row["target"], row["layer"], row["position"])


def _beside(row: Row, metric: str, case: str) -> tuple[Any, ...]:
    return _place(row, metric, case.format(**row) if case else row["case"])


def _ordered(field: Field, values: Sequence[Any], roles: Sequence[str]) -> tuple[Any, ...]:
    """Return each value once: numbers ascending, roles as they stand in a question, others as they come."""
    once = list(dict.fromkeys(values))
    if any(value in roles for value in once):  # joint sites, such as e1+mask, stand behind the single ones
        return (*(role for role in roles if role in once), *(value for value in once if value not in roles))
    if all(isinstance(value, int) or str(value).isdigit() for value in once):
        return tuple(sorted(once, key=int))
    return tuple(once)


def _title(spec: MapSpec, values: Sequence[Any]) -> str:
    named = zip(spec.per, values, strict=True)
    parts = [f"block {value}" if field == "layer" else str(value) for field, value in named if value not in ("", None)]
    return ", ".join(parts) or spec.title
