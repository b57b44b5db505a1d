"""Training rows as the loss sees them, on a model's device: drawn once for all steps, and computed in batches."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from grokcore.interpret.cases.base import drawn
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel

_LOGITS = 2**24
"""Logits that are computed at once."""


class TrainingRows(NamedTuple):
    """N rows on one device: inputs (N, T), and P supervised positions (N, P) with their targets (N, P), all int64."""

    inputs: Tensor
    positions: Tensor
    targets: Tensor

    def at(self, rows: Tensor) -> TrainingRows:
        """Return some of the rows, by their numbers (B,)."""
        return TrainingRows(self.inputs[rows], self.positions[rows], self.targets[rows])


def training_rows(subject: Subject, most: int | None = None) -> TrainingRows:
    """Return all training rows, or `most` of them, drawn by the analysis' seed, the same at every step."""
    train = subject.train
    count = len(train.inputs)
    rows = drawn(count, count if most is None else most, subject.analysis.seed, "training rows")
    arrays = (train.inputs, train.positions, train.targets)
    return TrainingRows(*(torch.from_numpy(np.ascontiguousarray(one[rows])).to(subject.device) for one in arrays))


@torch.no_grad()
def logits_at(model: SequenceModel, inputs: Tensor, positions: Tensor) -> Tensor:
    """Return the logits (N, P, V) at `positions` (N, P) of `inputs` (N, T)."""
    at_once = max(1, _LOGITS // (model.vocabulary_size * positions.shape[1]))
    parts = zip(inputs.split(at_once), positions.split(at_once), strict=True)
    return torch.cat([model(tokens, where) for tokens, where in parts])
