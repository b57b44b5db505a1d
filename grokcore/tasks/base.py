"""The data of a task: a vocabulary, the training rows, and probes of every split; and what the registry knows of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import numpy.typing as npt

from grokcore.spec.tasks import Task
from grokcore.tasks.facts import FactKind, FactTable
from grokcore.tasks.random import Indices

T = TypeVar("T", bound=Task)
"""The spec class of the task, one of `grokcore.spec.tasks`."""
Role = Literal["train", "held_out", "diagnostic"]
EOS = "</a>"
"""The token that closes an answer."""
SPECIALS = ("<mask>", "<sep>", "<a>", EOS, "<q>", "</q>")
"""The further tokens of the public code of arXiv 2405.15071, some of which no row has."""
MAX_ROWS = 50_000_000
"""Largest number of training rows: more do not fit in memory."""


@dataclass(frozen=True)
class Rows:
    """Questions of up to T tokens, each with its one answer token.

    Attributes:
        tokens: (N, T) int32, the questions, left-aligned and padded on the right with 0.
        lengths: (N,) int32, tokens of each question, 1 .. T.
        answers: (N,) int32.
    """

    tokens: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    answers: npt.NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.answers)

    def __getitem__(self, chosen: Indices | slice) -> Rows:
        return Rows(self.tokens[chosen], self.lengths[chosen], self.answers[chosen])

    @classmethod
    def of_columns(cls, columns: Sequence[Indices | int], answers: Indices) -> Rows:
        """Questions of one length, given token by token: (N,) arrays, or one number for all rows."""
        tokens = np.empty((len(answers), len(columns)), np.int32)
        for position, column in enumerate(columns):
            tokens[:, position] = column
        return cls(tokens, np.full(len(answers), len(columns), np.int32), answers.astype(np.int32))


@dataclass(frozen=True)
class Split:
    """One part of the data.

    Splits of role train and held_out share no row; a diagnostic one may be a part of a held-out one.

    Attributes:
        role: train (the model is trained on it), held_out (measures generalization) or diagnostic (only observed).
        rows: rows of the full split, of which the probes are a sample.
        majority_baseline: accuracy, on the full split, of the best guess that knows the format of the question and
            its attribute, if it has one, but not its entities: the most common answer of each.
        chance: accuracy of a uniform guess among the answers that the format of the question admits.
    """

    role: Role
    rows: int
    majority_baseline: float
    chance: float


@dataclass(frozen=True)
class TaskData:
    """Everything that a dataset is written from.

    Attributes:
        vocabulary: the tokens; a token's id is its index.
        eos: id of the token that closes an answer.
        prefixes: the few fixed beginnings that many questions share, as token ids, so that a causal model can compute
            them once; empty if the task has none.
        train: the training rows of every split of role train.
        probes: a sample of every split, to measure accuracy on.
        splits: every split, the held-out ones in the order of the spec's `held_out_splits`.
        facts: a user's own facts that it was made from; None where facts were drawn.
        supervised: positions of every question at which training asks for the next token, too: ascending, before the
            last one, where it asks for the answer.
    """

    vocabulary: tuple[str, ...]
    eos: int
    prefixes: tuple[tuple[int, ...], ...]
    train: Mapping[str, Rows]
    probes: Mapping[str, Rows]
    splits: Mapping[str, Split]
    facts: FactTable | None = None
    supervised: tuple[int, ...] = ()


@dataclass(frozen=True)
class TaskDefinition(Generic[T]):
    """One kind of task, as the registry holds it; its texts are Markdown, for the tables of README and docs/."""

    build: Callable[[T], TaskData]
    """Builds the data of a spec; raises InputError where a draw cannot give what the spec asks for."""
    row: str
    """A question and its answer."""
    held_out: str
    """What the held-out splits ask for, in the order of the spec's `held_out_splits`."""
    from_facts: tuple[FactKind, Callable[[T, FactTable], TaskData]] | None = None
    """Where a user's own facts can become such a task, the kind of facts and the builder."""
    spec: type[T] | None = None
    """For a task of another package or of a notebook: the class of its fields, a subclass of PluginTask."""
    cases: Callable[[T, Any, int, int], Sequence[Any]] | None = None
    """For such a task: (spec, dataset, examples of each split, seed) -> `grokcore.interpret.cases.Case` of each split,
    without which its runs cannot be analyzed."""


def majority_baseline(counts: npt.NDArray[np.int64]) -> float:
    """Accuracy of always giving the most common answer of a group.

    Args:
        counts: (groups, answers), how often each answer is right in each group of questions.
    """
    return int(counts.max(axis=1).sum()) / int(counts.sum())
