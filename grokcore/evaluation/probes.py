"""Accuracy and loss on every split, teacher-forced, in few large batches and one device synchronization."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from grokcore.data import Dataset, Rows
from grokcore.data.supervision import LossOn, judged_tokens, share_beginnings, supervise
from grokcore.models import SequenceModel, SharedPrefixes
from grokcore.runs import finite


class Probes:
    """The probes of a dataset on a device.

    An example counts as correct when its answer, and the closing token if it is supervised, is the most likely one of
    the whole vocabulary. Teacher forcing makes that equal to greedy generation of the same tokens: the first wrong
    token decides either way. The loss is of all supervised tokens, also where a task supervises some of its questions.
    """

    def __init__(self, dataset: Dataset, *, loss_on: LossOn, device: torch.device, batch_size: int = 4096) -> None:
        probes = dataset.probes()
        rows, info = _stack(list(probes.values())), dataset.info
        self._supervision = supervise(rows, info.eos, loss_on, info.supervised)
        self._judged = judged_tokens(loss_on)
        self._shared = share_beginnings(self._supervision, info.prefixes, batch_size)
        self._device, self._batch_size = device, batch_size
        self._targets = torch.from_numpy(self._supervision.targets).to(device)
        self._sizes = {name: len(rows.answers) for name, rows in probes.items()}
        self._rows = {name: split.rows for name, split in info.splits.items() if split.role == "train"}
        self._questions = cache(self._questions_of)

    @torch.no_grad()
    def measure(
        self,
        model: SequenceModel,
        autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
        *,
        check_stop: Callable[[], None] = lambda: None,
    ) -> tuple[dict[str, float | None], dict[str, dict[str, float | None]]]:
        """Accuracy and mean loss of the pooled training splits, and of each split.

        Synchronizes the device once, at the end. Values that are not finite come back as None.

        Args:
            check_stop: called before every batch; what it raises abandons the measurement.
        """
        losses, hits = [], []
        with _evaluating(model):
            for targets_bp, question in zip(
                self._targets.split(self._batch_size), self._questions(model.shares_prefixes), strict=True
            ):
                check_stop()
                with autocast():
                    logits_bpv = model(*question)
                logits_bpv = logits_bpv.float()
                loss_bp = functional.cross_entropy(logits_bpv.flatten(0, 1), targets_bp.flatten(), reduction="none")
                losses.append(loss_bp.view_as(targets_bp).mean(1))
                right_bp = logits_bpv[:, -self._judged :].argmax(-1) == targets_bp[:, -self._judged :]
                hits.append(right_bp.all(1))
        sizes = list(self._sizes.values())
        loss_by_split = _means(torch.cat(losses), sizes)
        accuracy_by_split = _means(torch.cat(hits).float(), sizes)
        values = torch.stack([accuracy_by_split, loss_by_split]).tolist()  # the synchronization
        splits = {
            name: {"accuracy": finite(accuracy) if finite(loss) is not None else None, "loss": finite(loss)}
            for name, accuracy, loss in zip(self._sizes, *values, strict=True)
        }
        return self._pooled(splits), splits

    def _questions_of(self, sharing: bool) -> list[tuple[Any, ...]]:
        """The model's inputs, batch by batch, with shared prefixes where the model takes them and they save time."""
        shared = self._shared if sharing else None
        asked = self._supervision if shared is None else shared.own
        columns = [torch.from_numpy(column).to(self._device) for column in (asked.inputs, asked.positions)]
        batches = list(zip(*(column.split(self._batch_size) for column in columns), strict=True))
        if shared is None:
            return batches
        table, of = (torch.from_numpy(array).to(self._device) for array in (shared.table, shared.of))
        prefixes = [SharedPrefixes(table, part) for part in of.split(self._batch_size)]
        return [(*batch, part) for batch, part in zip(batches, prefixes, strict=True)]

    def _pooled(self, splits: Mapping[str, Mapping[str, float | None]]) -> dict[str, float | None]:
        """Pool the training splits, weighted by their share of the training set."""
        total = sum(self._rows.values())
        pooled: dict[str, float | None] = {}
        for measure in ("accuracy", "loss"):
            values = [(splits[name][measure], rows) for name, rows in self._rows.items()]
            pooled[measure] = (
                None
                if any(value is None for value, _ in values)
                else sum(value * rows for value, rows in values if value is not None) / total
            )
        return pooled


@contextmanager
def _evaluating(model: SequenceModel) -> Iterator[None]:
    """Switch the model to evaluation mode inside the block."""
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


def _stack(parts: list[Rows]) -> Rows:
    return Rows(
        tokens=np.concatenate([rows.tokens for rows in parts]),
        lengths=np.concatenate([rows.lengths for rows in parts]),
        answers=np.concatenate([rows.answers for rows in parts]),
    )


def _means(values: Tensor, sizes: list[int]) -> Tensor:
    return torch.stack([part.double().mean() for part in values.split(sizes)])
