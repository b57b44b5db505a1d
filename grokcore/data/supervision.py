"""What a model reads and where it is asked: rows of a dataset as inputs, positions and targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from grokcore.data.dataset import Rows

LossOn = Literal["answer", "answer_and_eos"]


@dataclass(frozen=True)
class Supervision:
    """N examples for teacher forcing.

    Attributes:
        inputs: (N, T) int64, the question, and with `answer_and_eos` the answer after it; right-padded with 0, which a
            causal model never sees from a supervised position.
        positions: (N, P) int64, where the next token is asked for; P is 1 or 2.
        targets: (N, P) int64, that next token.
    """

    inputs: np.ndarray
    positions: np.ndarray
    targets: np.ndarray


def supervise(rows: Rows, eos: int, loss_on: LossOn) -> Supervision:
    """Rows as inputs and targets; `answer` asks for the answer alone, `answer_and_eos` for the closing token too."""
    lengths, answers = rows.lengths.astype(np.int64), rows.answers.astype(np.int64)
    inputs = rows.tokens.astype(np.int64)
    if loss_on == "answer":
        return Supervision(inputs, (lengths - 1)[:, None], answers[:, None])
    inputs = np.pad(inputs, ((0, 0), (0, 1)))
    inputs[np.arange(len(inputs)), lengths] = answers
    targets = np.stack([answers, np.full_like(answers, eos)], axis=1)
    return Supervision(inputs, np.stack([lengths - 1, lengths], axis=1), targets)


def input_length(sequence_length: int, loss_on: LossOn) -> int:
    """Tokens that the model reads of an example whose question has `sequence_length` tokens."""
    return sequence_length + (loss_on == "answer_and_eos")


def longest_row(sequence_length: int) -> int:
    """Tokens of a whole row: question, answer and closing token; the number of positions a model needs.

    It does not depend on what is supervised, so that the choice of the loss does not change the model.
    """
    return sequence_length + 2
