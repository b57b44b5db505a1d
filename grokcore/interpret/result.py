"""The results: `analysis.json`, whose schema is published, and `analysis.parquet`, one row per number."""

from __future__ import annotations

import hashlib
import io
import math
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from grokcore.errors import AbsentError, DamagedError
from grokcore.interpret import circuit
from grokcore.interpret.circuit import Behavior, CircuitSite, Paths
from grokcore.interpret.number import Number
from grokcore.runs.analysis import ANALYSIS, AnalysisDocument, Headline, decode_analysis
from grokcore.storage import Store, open_store

TABLE = "analysis.parquet"
"""Name of the file beside analysis.json."""

CIRCUIT = "circuit"
"""The analysis that rows are of that follow from other rows."""

SCHEMA = pa.schema(
    [
        ("step", pa.int64()),
        ("analysis", pa.string()),
        ("split", pa.string()),
        ("case", pa.string()),
        ("layer", pa.int32()),
        ("position", pa.string()),
        ("target", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("lower", pa.float64()),
        ("upper", pa.float64()),
        ("n", pa.int64()),
    ]
)
"""Of analysis.parquet."""


@dataclass(frozen=True)
class Analysis:
    """An analysis as it is written and read.

    Attributes:
        table: (rows, columns of `SCHEMA`).
    """

    document: AnalysisDocument
    table: pa.Table

    def numbers(self, **where: Any) -> list[dict[str, Any]]:
        """Return the rows of the table whose columns have these values."""
        rows: list[dict[str, Any]] = self.table.to_pylist()
        return [row for row in rows if all(row[name] == value for name, value in where.items())]

    def circuit(self, step: int) -> list[CircuitSite]:
        """Return the sites that carry the answer of each kind of counterfactual, with an interval that says so."""
        return circuit.circuit_sites(_traced(self.table), step)

    def resolve_layers(self, step: int) -> dict[tuple[str, str], int]:
        """Return (split, what) -> the first layer that tells nearly as much of it as any, as `circuit` defines it."""
        return circuit.resolve_layers(_traced(self.table), step, self.document.layers)

    def behavior_vs_circuit(self) -> list[Behavior]:
        """Return accuracy beside the flip of the task's circuit, by split and step."""
        return circuit.behavior_vs_circuit(_traced(self.table), self.document.task)

    def paths(self, step: int) -> Paths:
        """Return the recovered shares of a step where models can differ, for `path_similarity`."""
        return circuit.paths(_traced(self.table), step, self.document.layers)

    def verdicts(self) -> list[str]:
        """Return a line for every split: whether its accuracy rests on the circuit of the task."""
        return circuit.verdicts(_traced(self.table), self.document.task)


def table_of(rows: Iterable[tuple[int, str, Number]]) -> pa.Table:
    """Return the table of (step, analysis, number)."""
    columns: dict[str, list[Any]] = {name: [] for name in SCHEMA.names}
    for step, analysis, number in rows:
        columns["step"].append(step)
        columns["analysis"].append(analysis)
        for name, value in number._asdict().items():
            columns[name].append(value)
    return pa.table(columns, schema=SCHEMA)


def headlines_of(table: pa.Table) -> list[Headline]:
    """Return the numbers that are of a whole split or of the weights: those without layer and position."""
    return [
        Headline(**{name: _finite(row[name]) for name in Headline.model_fields})
        for row in table.to_pylist()
        if row["layer"] is None and not row["position"]
    ]


def _traced(table: pa.Table) -> list[dict[str, Any]]:
    """Return the rows that circuits are read from."""
    metrics = pa.array(["recovered", "flip", "accuracy", "lens_gain"])
    rows: list[dict[str, Any]] = table.filter(pc.is_in(table["metric"], value_set=metrics)).to_pylist()
    return rows


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def encoded_table(table: pa.Table) -> bytes:
    """Return the same bytes for the same table."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_analysis(place: str | Store) -> Analysis:
    """Read the analysis in a run's directory, or in any other.

    Raises:
        AbsentError: there is none.
        DamagedError: it is not what was written.
        TransientError: the store could not be reached.
    """
    store = place if isinstance(place, Store) else open_store(place)
    try:
        content, table = store.read(ANALYSIS), store.read(TABLE)
    except AbsentError:
        hint = f"make one with `grokcore analyze {shlex.quote(str(place))}`"
        raise AbsentError(f"there is no analysis at {place}: {hint}") from None
    document = decode_analysis(content, str(place))
    if hashlib.sha256(table).hexdigest() != document.table_sha256:
        raise DamagedError(f"{place}: {TABLE} is not the one of {ANALYSIS}: analyze the run again")
    return Analysis(document, pq.read_table(io.BytesIO(table), schema=SCHEMA))


def write_analysis(store: Store, document: Mapping[str, Any], rows: Sequence[tuple[int, str, Number]]) -> Analysis:
    """Write both files, the document last, so that a reader sees the two together.

    The numbers that follow from those of several analyses, or steps, are added as rows of the analysis `circuit`.

    Args:
        document: the fields of `AnalysisDocument` but headlines and hash.
    """
    measured = table_of(rows)
    memorized = document["milestones"].get("memorized")
    derived = circuit.circuit_numbers(_traced(measured), document["task"], document["layers"], memorized)
    table = pa.concat_tables([measured, table_of((step, CIRCUIT, number) for step, number in derived)])
    content = encoded_table(table)
    whole = AnalysisDocument(
        **document, headlines=headlines_of(table), table_sha256=hashlib.sha256(content).hexdigest()
    )
    store.write(TABLE, content)
    store.write_json(ANALYSIS, whole.model_dump(mode="json"))
    return Analysis(whole, table)
