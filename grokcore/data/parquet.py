"""Rows in Parquet: columns split, tokens (the question, unpadded) and answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from grokcore.errors import InputError
from grokcore.storage import clear_errors
from grokcore.tasks import Rows

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
    """The rows of each split, padded with 0 to `sequence_length`, in the file's order.

    Raises:
        InputError: the file cannot be read, is no such table, or has a question of 0 or too many tokens.
    """
    try:
        with clear_errors("read", path), path.open("rb") as file:
            # From memory: a thread of pyarrow's that reads a file of Python's may outlive the interpreter and abort it.
            table = pq.read_table(pa.BufferReader(file.read()), pre_buffer=False)
    except pa.ArrowException as error:
        raise InputError(f"{path} is no Parquet file ({str(error).splitlines()[0]}): generate it again") from None
    if not table.schema.equals(SCHEMA):
        raise InputError(f"{path} does not have the columns split, tokens and answer of a data set: generate it again")
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
