"""Read a user's own facts from a CSV, Parquet or JSON file."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet as pq

from grokcore.data.evidences import read_evidences
from grokcore.data.ordering import in_order, is_ordered
from grokcore.errors import InputError
from grokcore.spec import TaskSpec, validate
from grokcore.storage import clear_errors, open_parent
from grokcore.tasks import FROM_FACTS, FactKind, FactTable
from grokcore.tasks.facts import AUGMENTED, COLUMNS
from grokcore.tasks.random import Indices

MAX_FACTS = 10_000_000

MAX_BYTES = 2**31

_DELIMITERS = (",", ";", "\t")

_NAMES = tuple(zip(*COLUMNS.values(), strict=True))
"""Names of the three columns: entity or subject, attribute or relation, value or object."""


def read_facts(uri: str | Path, kind: FactKind) -> FactTable:
    """Read facts from a file with the columns subject, relation, object, or entity, attribute, value.

    Either set of names serves for either kind, in any case and order. A column `augmented` of 0 and 1 marks facts of
    which no held-out question is to be made; further columns are left aside. Names are stripped and brought to
    Unicode's normal form C; a fact that is stated twice counts once, as augmented only if it is so each time.

    Args:
        uri: a path, a `file://` or an `s3://` URI of a CSV file (UTF-8, with a header; comma, semicolon or tab) or of a
            Parquet file; or of a JSON file of questions with evidences, as `read_evidences` reads it.
        kind: whether the third column holds values, which must be numbers or dates, or entities.

    Raises:
        InputError: in one line, what is wrong with the file or its facts, and what would be right.
        TransientError: the store could not be reached.
    """
    with _local_file(uri) as path:
        columns, augmented = _read(path, kind, str(uri))
    if not len(columns[0][1]):
        raise InputError(f"{uri} has no facts: it needs a row for each, below the names of the columns")
    for (names, codes), alternatives in zip(columns, _NAMES, strict=True):
        if "" in names:
            row = int(np.argmax(codes == names.index("")))
            raise InputError(f"row {row + 1} of {uri} has no {' or '.join(alternatives)}: fill it in or leave it out")
    (subjects, subject), (relations, relation), (objects, object_) = columns
    _check_kind(kind, subjects, relations[0], objects, str(uri))
    if kind == "attributes":
        objects, object_ = in_order(objects, object_, relations, relation, str(uri))
    else:
        subjects, (subject, object_) = _united((subjects, subject), (objects, object_))
        objects = subjects
    order = np.lexsort([augmented, object_, relation, subject])
    facts, augmented = np.column_stack([subject, relation, object_])[order], augmented[order]
    repeated = np.zeros(len(facts), bool)
    repeated[1:] = (facts[1:] == facts[:-1]).all(axis=1)
    facts, augmented = facts[~repeated], augmented[~repeated]
    same = (facts[1:, :2] == facts[:-1, :2]).all(axis=1)
    if same.any():
        one, other = facts[int(np.argmax(same)) :][:2].tolist()
        raise InputError(
            f"{uri} contradicts itself: {relations[one[1]]!r} of {subjects[one[0]]!r} is both {objects[one[2]]!r} and "
            f"{objects[other[2]]!r}; keep one of them"
        )
    if kind == "attributes" and augmented.any():
        raise InputError(f"{uri} has augmented facts, which only composition takes: leave the column {AUGMENTED} out")
    subject, relation, object_ = facts.T
    named = (tuple(subjects), tuple(relations), tuple(objects))
    return FactTable(kind, *named, subject, relation, object_, augmented if augmented.any() else None)


def _check_kind(kind: FactKind, subjects: Sequence[str], relation: str, objects: Sequence[str], place: str) -> None:
    """
    Raises:
        InputError: the facts are plainly of the other kind, so that another kind of task is meant.
    """
    ordered = [is_ordered(name) for name in objects]
    known = set(subjects)
    entity = next(
        (name for name, has_order in zip(objects, ordered, strict=True) if name in known and not has_order), ""
    )
    if kind == "attributes" and entity:
        raise InputError(
            f"{place} states relations between entities ({entity!r} stands as a subject and as an object), and this "
            f"kind of task compares values: take a preset of composition such as composition-small"
        )
    if kind == "relations" and not known.intersection(objects) and all(map(is_ordered, objects)):
        raise InputError(
            f"{place} states values ({relation!r} is {objects[0]!r}) and no relations between entities, which this "
            f"kind of task follows: take a preset of comparison such as demo"
        )


def task_over(task: TaskSpec, facts: FactTable) -> TaskSpec:
    """Return `task` over a user's own facts, which it names by their content and whose counts it takes.

    Raises:
        InputError: this kind of task is not made from such facts, or they are too few or too many for it.
    """
    wanted, _ = FROM_FACTS.get(task.kind, (None, None))
    if wanted != facts.kind:
        raise InputError(
            f"a task of kind {task.kind} cannot be made from {facts.kind}; allowed are {kinds_from_facts()}"
        )
    counts: dict[str, Any] = {"entities": len(facts.subjects)}
    if facts.kind == "attributes":
        counts |= {"attributes": len(facts.relations), "values": len(facts.objects)}
    else:
        counts |= {"relations": len(facts.relations), "out_degree": int(np.bincount(facts.subject).max())}
    try:
        made: TaskSpec = validate(type(task), {**task.model_dump(), **counts, "facts": facts.sha256})
    except InputError as error:
        raise InputError(f"these facts do not make a task of kind {task.kind}: {error}") from None
    return made


def kinds_from_facts() -> str:
    return ", ".join(FROM_FACTS)


@contextmanager
def _local_file(uri: str | Path) -> Iterator[Path]:
    store, name = open_parent(uri)
    if store.directory is not None:
        yield store.directory / name
        return
    with store.scratch() as folder:
        store.download(name, folder / name)
        yield folder / name


def _read(path: Path, kind: FactKind, place: str) -> tuple[list[tuple[list[str], Indices]], npt.NDArray[np.bool_]]:
    """Return the distinct names in each of the three columns with that of each row, and which rows are augmented."""
    with clear_errors("read", place):
        if not path.is_file():
            raise InputError(f"there is no file {place}" if not path.exists() else f"{place} is not a file")
        size = path.stat().st_size
    if size > MAX_BYTES:
        raise InputError(f"{place} has {size / 2**30:.1f} GiB: facts may take up to {MAX_BYTES // 2**30} GiB")
    try:
        with clear_errors("read", place):
            if path.suffix.lower() == ".json":
                table = read_evidences(path, kind, place)
            else:
                table = _parquet(path, place) if _is_parquet(path) else _csv(path, place)
        if table.num_rows > MAX_FACTS:
            raise InputError(f"{place} has {table.num_rows} facts: at most {MAX_FACTS} fit")
        columns = [_clean(column.cast(pa.string()).fill_null("")) for column in table.columns]
    except pa.ArrowException as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"{place} cannot be read as facts: {reason}") from None
    return columns[:3], _flags(*columns[3], place) if len(columns) > 3 else np.zeros(table.num_rows, bool)


def _flags(names: list[str], codes: Indices, place: str) -> npt.NDArray[np.bool_]:
    known = {"1": True, "true": True, "0": False, "false": False, "": False}
    unknown = next((name for name in names if name.lower() not in known), None)
    if unknown is not None:
        raise InputError(f"{place} has {unknown!r} in the column {AUGMENTED}: write 1 for an augmented fact, else 0")
    return np.array([known[name.lower()] for name in names], bool)[codes]


def _is_parquet(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def _parquet(path: Path, place: str) -> pa.Table:
    with path.open("rb") as source:
        file = pq.ParquetFile(source)
        wanted = _wanted(file.schema_arrow.names, place)
        if file.metadata.num_rows > MAX_FACTS:
            raise InputError(f"{place} has {file.metadata.num_rows} facts: at most {MAX_FACTS} fit")
        return file.read(columns=wanted).select(wanted)


def _csv(path: Path, place: str) -> pa.Table:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            line = file.readline(2**16)
    except UnicodeDecodeError:
        raise InputError(f"{place} is neither Parquet nor CSV in UTF-8") from None
    headers = [next(csv.reader([line], delimiter=delimiter), []) for delimiter in _DELIMITERS]
    fullest = max(range(len(headers)), key=lambda number: len(headers[number]))
    wanted = _wanted(headers[fullest], place)
    return pa.csv.read_csv(
        path,
        parse_options=pa.csv.ParseOptions(delimiter=_DELIMITERS[fullest], newlines_in_values=True),
        convert_options=pa.csv.ConvertOptions(
            include_columns=wanted, column_types=dict.fromkeys(wanted, pa.string()), strings_can_be_null=False
        ),
    )


def _wanted(header: Sequence[str], place: str) -> list[str]:
    """Return the columns of a file that hold the facts, in the order of a fact, and that of augmented ones if any."""
    chosen = []
    for alternatives in _NAMES:
        found = [name for name in header if name.strip().lower() in alternatives]
        if len(found) != 1:
            names = " or ".join(alternatives)
            problem = f"has no column {names}" if not found else f"has {len(found)} columns {names}"
            shown = ", ".join(header[:8])[:120] or "none"
            raise InputError(
                f"{place} {problem}: it needs subject, relation, object or entity, attribute, value; it has {shown}"
            )
        chosen.append(found[0])
    return chosen + [name for name in header if name.strip().lower() == AUGMENTED][:1]


def _clean(column: pa.ChunkedArray) -> tuple[list[str], Indices]:
    """The distinct names in a column, in alphabetical order, and which one each row has."""
    encoded = column.dictionary_encode().unify_dictionaries().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # what an empty column is combined to
        return [], np.empty(0, np.int64)
    names = [unicodedata.normalize("NFC", name).strip() for name in encoded.dictionary.to_pylist()]
    distinct, place = np.unique(np.array(names, object), return_inverse=True)
    return distinct.tolist(), place[encoded.indices.to_numpy()].astype(np.int64)


def _united(*columns: tuple[list[str], Indices]) -> tuple[list[str], list[Indices]]:
    """Return all names of some columns in alphabetical order, and the columns as their indices."""
    names = sorted({name for distinct, _ in columns for name in distinct})
    place = {name: number for number, name in enumerate(names)}
    return names, [np.array([place[name] for name in distinct])[codes] for distinct, codes in columns]
