"""Turn rows of a dataset into what a model reads and where it is asked: inputs, positions and targets.

Many examples begin alike (`<attr> <q>`), and a causal model computes the same for such a prefix in all of them: the
prefixes that a task declares can be split off, to be computed once a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from grokcore.data.dataset import Rows

LossOn = Literal["answer", "answer_and_eos"]


@dataclass(frozen=True)
class Supervision:
    """N examples for teacher forcing.

    Attributes:
        inputs: (N, T) int64, the question, and with `answer_and_eos` the answer after it; right-padded with 0, which a
            causal model never sees from a supervised position.
        positions: (N, P) int64, where the next token is asked for, ascending: the last is the answer's, or with
            `answer_and_eos` that of the closing token after it.
        targets: (N, P) int64, that next token.
    """

    inputs: np.ndarray
    positions: np.ndarray
    targets: np.ndarray


def supervise(rows: Rows, eos: int, loss_on: LossOn, supervised: Sequence[int] = ()) -> Supervision:
    """Rows as inputs and targets; `answer` asks for the answer alone, `answer_and_eos` for the closing token too.

    Args:
        supervised: further positions of every question, before its last, at which the next token is asked for.
    """
    lengths, answers = rows.lengths.astype(np.int64), rows.answers.astype(np.int64)
    inputs = rows.tokens.astype(np.int64)
    earlier = np.array(supervised, np.int64)
    positions = [*np.broadcast_to(earlier[:, None], (len(earlier), len(rows))), lengths - 1]
    targets = [*inputs[:, earlier + 1].T, answers]
    if loss_on == "answer_and_eos":
        inputs = np.pad(inputs, ((0, 0), (0, 1)))
        inputs[np.arange(len(inputs)), lengths] = answers
        positions.append(lengths)
        targets.append(np.full_like(answers, eos))
    return Supervision(inputs, np.stack(positions, axis=1), np.stack(targets, axis=1))


def judged_tokens(loss_on: LossOn) -> int:
    """Return how many of the supervised tokens, the last ones, accuracy is about: the answer, and what closes it."""
    return 2 if loss_on == "answer_and_eos" else 1


def supervised_tokens(supervised: Sequence[int], loss_on: LossOn) -> int:
    """Return how many tokens of an example enter the loss; `supervised` as in `supervise`."""
    return len(supervised) + judged_tokens(loss_on)


def input_length(sequence_length: int, loss_on: LossOn) -> int:
    """Tokens that the model reads of an example whose question has `sequence_length` tokens."""
    return sequence_length + (loss_on == "answer_and_eos")


def longest_row(sequence_length: int) -> int:
    """Tokens of a whole row: question, answer and closing token; the number of positions a model needs.

    It does not depend on what is supervised, so that the choice of the loss does not change the model.
    """
    return sequence_length + 2


@dataclass(frozen=True)
class PrefixTable:
    """N examples, each with the prefix that it begins with.

    Attributes:
        table: (A, L) int64, the token ids of the prefixes.
        of: (N,) int64, the prefix of each example, A for one that begins otherwise.
        own: what follows: inputs (N, S) without the prefix, positions counted from there, the same targets.
    """

    table: npt.NDArray[np.int64]
    of: npt.NDArray[np.int64]
    own: Supervision


def share_beginnings(
    supervision: Supervision, prefixes: Sequence[Sequence[int]], batch_size: int
) -> PrefixTable | None:
    """Take the declared prefixes off the examples that begin with them.

    Args:
        prefixes: the task's, all of one length; empty if it has none.
        batch_size: examples that one computation of all prefixes serves.

    Returns:
        None where nothing is gained: without prefixes, or where a batch would have as many tokens as before.
    """
    if not prefixes or len({len(prefix) for prefix in prefixes}) != 1:
        return None
    table = np.asarray(prefixes, np.int64)
    length = table.shape[1]
    lengths = supervision.positions.max(axis=1) + 1
    of = _prefix_of(supervision.inputs, table)
    # An example that is asked within its prefix keeps it as tokens of its own.
    of[supervision.positions.min(axis=1) < length] = len(table)
    begins = np.where(of < len(table), length, 0)
    own_length = int((lengths - begins).max())
    if table.size + batch_size * own_length >= batch_size * supervision.inputs.shape[1]:
        return None
    columns = np.minimum(begins[:, None] + np.arange(own_length), supervision.inputs.shape[1] - 1)
    inputs = np.take_along_axis(supervision.inputs, columns, axis=1)
    own = Supervision(inputs, supervision.positions - begins[:, None], supervision.targets)
    return PrefixTable(table, of, own)


def _prefix_of(inputs: npt.NDArray[np.int64], table: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """(N,) the row of `table` (A, L) that each row of `inputs` (N, T >= L) begins with, A for none."""
    length = table.shape[1]
    if inputs.shape[1] < length:
        return np.full(len(inputs), len(table))
    radix = int(max(inputs.max(), table.max())) + 1
    weights = np.array([radix**place for place in range(length)], dtype=object)
    kind = np.int64 if radix**length < 2**63 else object
    codes, known = inputs[:, :length].astype(kind) @ weights.astype(kind), table.astype(kind) @ weights.astype(kind)
    order = np.argsort(known)
    places = np.minimum(np.searchsorted(known[order], codes), len(table) - 1)
    found: npt.NDArray[np.int64] = np.where(known[order][places] == codes, order[places], len(table))
    return found
