"""The results: `analysis.json`, whose schema is published, and `analysis.parquet`, one row per number."""

from __future__ import annotations

import hashlib
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grokcore.documents import decode_json
from grokcore.errors import AbsentError, DamagedError, InputError
from grokcore.interpret.number import Number
from grokcore.storage import Store, open_store

DOCUMENT, TABLE = "analysis.json", "analysis.parquet"
"""Names of the files, in a run's directory by default."""

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


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Headline(_Document):
    """A number of a whole split, or of the weights."""

    step: int
    analysis: str
    split: str = Field(description="empty for numbers of the weights")
    case: str
    target: str
    metric: str
    value: float | None = Field(description="null where it is not defined")
    lower: float | None = Field(description="of the 95 % interval")
    upper: float | None
    n: int = Field(description="examples; 0 for numbers of the weights")


class Questions(_Document):
    """The questions of a split that were analyzed."""

    split: str
    roles: list[str] = Field(description="what stands at each position")
    examples: int
    total: int = Field(description="rows that they were drawn from")
    targets: list[str]
    counterfactuals: list[str]


class AnalysisDocument(_Document):
    """The content of analysis.json."""

    format: Literal[1] = 1
    run_id: str
    task: str
    architecture: str
    layers: int = Field(description="blocks that the stream runs through; one that runs twice counts twice")
    analysis: dict[str, Any] = Field(description="its AnalysisSpec")
    analysis_id: str = Field(description="the first 16 digits of the SHA-256 of the AnalysisSpec")
    steps: list[int] = Field(description="ascending")
    milestones: dict[str, int] = Field(description="the saved step of each phase: memorized, SPLIT.sustained")
    questions: list[Questions]
    left_out: dict[str, str] = Field(description="analyses that are not defined for this run, and why")
    headlines: list[Headline]
    table_sha256: str = Field(description="of analysis.parquet")


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


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def encoded_table(table: pa.Table) -> bytes:
    """Return the same bytes for the same table."""
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    return buffer.getvalue()


def read_analysis(place: str) -> Analysis:
    """Read the analysis in a run's directory, or in any other.

    Raises:
        AbsentError: there is none.
        DamagedError: it is not what was written.
        TransientError: the store could not be reached.
    """
    store = open_store(place)
    try:
        content, table = store.read(DOCUMENT), store.read(TABLE)
    except AbsentError:
        raise AbsentError(f"there is no analysis at {place}: make one with `grokcore analyze {place}`") from None
    document = _document(content, place)
    if hashlib.sha256(table).hexdigest() != document.table_sha256:
        raise DamagedError(f"{place}: {TABLE} is not the one of {DOCUMENT}: analyze the run again")
    return Analysis(document, pq.read_table(io.BytesIO(table), schema=SCHEMA))


def _document(content: bytes, place: str) -> AnalysisDocument:
    try:
        return AnalysisDocument.model_validate(decode_json(content))
    except ValidationError as error:
        problem = error.errors()[0]
        raise DamagedError(f"{place}: {DOCUMENT}: {'.'.join(map(str, problem['loc']))}: {problem['msg']}") from None
    except ValueError as error:
        raise InputError(f"{place}: {DOCUMENT} is no JSON: {error}") from None


def write_analysis(store: Store, document: Mapping[str, Any], rows: Sequence[tuple[int, str, Number]]) -> Analysis:
    """Write both files, the document last, so that a reader sees the two together.

    Args:
        document: the fields of `AnalysisDocument` but headlines and hash.
    """
    table = table_of(rows)
    content = encoded_table(table)
    whole = AnalysisDocument(
        **document, headlines=headlines_of(table), table_sha256=hashlib.sha256(content).hexdigest()
    )
    store.write(TABLE, content)
    store.write_json(DOCUMENT, whole.model_dump(mode="json"))
    return Analysis(whole, table)
