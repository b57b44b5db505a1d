"""The files that a dataset can be written as: `grokcore`, which is Parquet, and `grokked-transformer`.

A Parquet file has the columns split, tokens (the question, without padding) and answer.

`grokked-transformer` is the layout of the public reference code of arXiv 2405.15071 (OSU-NLP-Group/GrokkedTransformer):
`train.json`, `valid.json` and `test.json` are each one JSON list of rows

    {"input_text": "<e_17><attr_3>", "target_text": "<e_17><attr_3><4></a>", "type": "id_atomic"}

and `vocab.json` is the list of tokens. `valid.json` has the probes of the split that a run is about; `test.json` those
of every split but the diagnostic ones, which the reference does not have.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from grokcore.data.info import FACTS_FILE, DatasetInfo
from grokcore.errors import InputError
from grokcore.storage import clear_errors
from grokcore.tasks import Rows, TaskData

SCHEMA = pa.schema(
    [
        pa.field("split", pa.dictionary(pa.int32(), pa.string()), nullable=False),
        pa.field("tokens", pa.list_(pa.field("element", pa.int32(), nullable=False)), nullable=False),
        pa.field("answer", pa.int32(), nullable=False),
    ]
)


def write_rows(path: Path, splits: Mapping[str, Rows]) -> None:
    """Write the rows of all splits, one after the other.

    Raises:
        OSError: the file cannot be written.
    """
    split = np.repeat(np.arange(len(splits), dtype=np.int32), [len(rows) for rows in splits.values()])
    lengths = np.concatenate([rows.lengths for rows in splits.values()])
    tokens = np.concatenate([rows.tokens[_is_token(rows.lengths, rows.tokens.shape[1])] for rows in splits.values()])
    table = pa.table(
        [
            pa.DictionaryArray.from_arrays(split, list(splits)),
            pa.ListArray.from_arrays(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32), tokens).cast(
                SCHEMA.field("tokens").type
            ),
            np.concatenate([rows.answers for rows in splits.values()]),
        ],
        schema=SCHEMA,
    )
    with path.open("wb") as file:  # a file of Python's reports a full disk as OSError with its errno
        pq.write_table(table, file, compression="zstd")


def read_rows(path: Path, sequence_length: int) -> dict[str, Rows]:
    """Read the rows of each split, padded with 0 to `sequence_length`, in the file's order.

    Raises:
        InputError: the file cannot be read, has other columns, or has a question of 0 or too many tokens.
    """
    try:
        with clear_errors("read", path), path.open("rb") as file:
            # From memory: a thread of pyarrow's that reads a file of Python's may outlive the interpreter and abort it.
            table = pq.read_table(pa.BufferReader(file.read()), pre_buffer=False)
    except pa.ArrowException as error:
        raise InputError(f"{path} is not a Parquet file ({str(error).splitlines()[0]}): generate it again") from None
    if not table.schema.equals(SCHEMA):
        raise InputError(f"{path} does not have the columns split, tokens and answer of a dataset: generate it again")
    split, tokens, answer = (table[name].combine_chunks() for name in SCHEMA.names)
    lengths = np.diff(tokens.offsets.to_numpy())
    if len(lengths) and not 1 <= lengths.min() <= lengths.max() <= sequence_length:
        raise InputError(f"{path} has a question that is not 1 to {sequence_length} tokens long: generate it again")
    padded = np.zeros((len(lengths), sequence_length), np.int32)
    padded[_is_token(lengths, sequence_length)] = tokens.flatten().to_numpy()
    rows = Rows(padded, lengths.astype(np.int32), answer.to_numpy().astype(np.int32))
    code = split.indices.to_numpy()
    return {name: rows[np.flatnonzero(code == number)] for number, name in enumerate(split.dictionary.to_pylist())}


def _is_token(lengths: npt.NDArray[np.int32], width: int) -> npt.NDArray[np.bool_]:
    """(N, width) bool, False where a row is padding."""
    mask: npt.NDArray[np.bool_] = np.arange(width) < lengths[:, np.newaxis]
    return mask


REFERENCE_FILES = ("train.json", "valid.json", "test.json", "vocab.json")


def write_reference(data: TaskData, folder: Path) -> None:
    """Write the four files into `folder`.

    Raises:
        OSError: a file cannot be written.
    """
    target = [name for name, split in data.splits.items() if split.role == "held_out"][-1]
    known = {name: rows for name, rows in data.probes.items() if data.splits[name].role != "diagnostic"}
    _write_list(folder / "train.json", _lines(data, data.train))
    _write_list(folder / "valid.json", _lines(data, {target: data.probes[target]}))
    _write_list(folder / "test.json", _lines(data, known))
    _write_list(folder / "vocab.json", map(json.dumps, data.vocabulary))


def _lines(data: TaskData, splits: Mapping[str, Rows]) -> Iterator[str]:
    vocabulary, close = data.vocabulary, data.vocabulary[data.eos]
    for name, rows in splits.items():
        for tokens, length, answer in zip(rows.tokens, rows.lengths, rows.answers, strict=True):
            question = "".join([vocabulary[token] for token in tokens[:length]])
            target = question + vocabulary[answer] + close
            yield json.dumps({"input_text": question, "target_text": target, "type": name})


def _write_list(path: Path, items: Iterator[str]) -> None:
    """A JSON list, one item a line, without holding the text of all of them."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        separator = "[\n"
        for item in items:
            file.write(separator + item)
            separator = ",\n"
        file.write("\n]\n")


VOCABULARY_FILE = "vocab.json"


@dataclass(frozen=True)
class Layout:
    """One way to write a dataset.

    Attributes:
        name: what a user calls it.
        files: names of the files it consists of, besides dataset.json.
        write: writes them into a directory that exists; raises OSError where it cannot.
    """

    name: str
    files: frozenset[str]
    write: Callable[[TaskData, Path], None]


def _write_grokcore(data: TaskData, folder: Path) -> None:
    (folder / VOCABULARY_FILE).write_bytes((json.dumps(data.vocabulary, indent=0) + "\n").encode())
    write_rows(folder / "train.parquet", data.train)
    write_rows(folder / "probes.parquet", data.probes)


GROKCORE = Layout("grokcore", frozenset({VOCABULARY_FILE, "train.parquet", "probes.parquet"}), _write_grokcore)

GROKKED_TRANSFORMER = Layout("grokked-transformer", frozenset(REFERENCE_FILES), write_reference)

LAYOUTS = {layout.name: layout for layout in (GROKCORE, GROKKED_TRANSFORMER)}


def layout_of(info: DatasetInfo) -> Layout:
    """Return the layout whose files a dataset lists, facts aside.

    Raises:
        InputError: no layout has these files.
    """
    for layout in LAYOUTS.values():
        if layout.files == info.files.keys() - {FACTS_FILE}:
            return layout
    raise InputError(f"dataset {info.id} lists files of no known layout ({', '.join(info.files)}): generate it again")


def write_all(data: TaskData, folder: Path, layout: Layout) -> list[str]:
    """Write a dataset into a directory that exists.

    Returns:
        The names of its files.

    Raises:
        OSError: a file cannot be written.
    """
    layout.write(data, folder)
    if data.facts is None:
        return sorted(layout.files)
    with (folder / FACTS_FILE).open("wb") as file:
        file.writelines(data.facts.encoded())
    return sorted({*layout.files, FACTS_FILE})
