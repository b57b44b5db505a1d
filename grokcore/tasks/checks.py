"""What must be true of the data that somebody else's code has built."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from grokcore.tasks.base import Rows, TaskData


def problem_of(data: object, held_out: Sequence[str]) -> str | None:
    """Return what is wrong with a task's data first, or None.

    Args:
        held_out: the held-out splits that the task's spec names.
    """
    if not isinstance(data, TaskData):
        return f"`build` must return a TaskData, not {type(data).__name__}"
    return next(_problems(data, held_out), None)


def _problems(data: TaskData, held_out: Sequence[str]) -> Iterator[str]:
    size = len(data.vocabulary)
    if len(set(data.vocabulary)) < size or not all(isinstance(token, str) for token in data.vocabulary):
        yield "the tokens of the vocabulary must be texts, each another one"
    if not 0 <= data.eos < size:
        yield f"eos={data.eos} is not a token of the vocabulary, which has {size}"
    named = [name for name, split in data.splits.items() if split.role == "held_out"]
    if named != list(held_out):
        yield f"its held-out splits are {named}, and its spec says {list(held_out)}"
    if not data.train or set(data.train) != {name for name, split in data.splits.items() if split.role == "train"}:
        yield "`train` must hold the rows of every split of role train, of which there must be one"
    if set(data.probes) != set(data.splits):
        yield "`probes` must hold a sample of every split"
    for where, parts in (("train", data.train), ("probes", data.probes)):
        for name, rows in parts.items():
            yield from (f"{where}[{name!r}]: {problem}" for problem in _problems_of_rows(rows, size))


def _problems_of_rows(rows: Rows, size: int) -> Iterator[str]:
    count = len(rows.answers)
    if not count:
        yield "there is no row"
        return
    if rows.tokens.ndim != 2 or len(rows.tokens) != count or len(rows.lengths) != count:
        shapes = ", ".join(str(array.shape) for array in (rows.tokens, rows.lengths, rows.answers))
        yield f"tokens, lengths and answers of shapes {shapes} do not go together"
        return
    if any(array.dtype != np.int32 for array in (rows.tokens, rows.lengths, rows.answers)):
        yield "tokens, lengths and answers must be int32; Rows.of_columns makes them so"
    if not 1 <= rows.lengths.min() <= rows.lengths.max() <= rows.tokens.shape[1]:
        yield f"lengths must lie in 1 .. {rows.tokens.shape[1]}"
    for what, array in (("token", rows.tokens), ("answer", rows.answers)):
        if array.min() < 0 or array.max() >= size:
            yield f"a {what} is none of the {size} of the vocabulary"
