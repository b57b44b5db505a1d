"""What an analysis is given: one checkpoint of a run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import torch
from torch import Tensor

from grokcore.data import Dataset
from grokcore.data.supervision import Supervision, supervise
from grokcore.interpret.cases.base import Case
from grokcore.interpret.spec import AnalysisSpec
from grokcore.models import SequenceModel
from grokcore.models.sequence_model import MixerPart
from grokcore.spec import ExperimentSpec


class Reading(NamedTuple):
    """What N questions give: the residual stream (L + 1, N, T, D), and the logits (N, V) of their answers."""

    streams: Tensor
    logits: Tensor

    def of(self, rows: Tensor) -> Reading:
        """Return that of some rows, by number or by a mask (N,)."""
        return Reading(self.streams[:, rows], self.logits[rows])


@dataclass
class Subject:
    """One checkpoint of a run.

    Attributes:
        model: in evaluation mode, fp32, on the CPU or a GPU; an analysis leaves its weights as they are.
        step: optimizer steps behind it.
        cases: the questions of every split.
        last: returns the model of the last step that is analyzed, for what must be the same at all steps.
        kept: what an analysis computed at an earlier step of this run and uses again.
    """

    spec: ExperimentSpec
    dataset: Dataset
    analysis: AnalysisSpec
    cases: Sequence[Case]
    model: SequenceModel
    step: int
    last: Callable[[], SequenceModel]
    kept: dict[str, Any] = field(default_factory=dict)
    _read: tuple[Case, Reading] | None = field(default=None, repr=False)

    @property
    def device(self) -> torch.device:
        return next(self.model.parameters()).device

    @cached_property
    def train(self) -> Supervision:
        """Return all training rows as the loss sees them."""
        info = self.dataset.info
        return supervise(self.dataset.train(), info.eos, self.spec.training.loss_on, info.supervised)

    def tokens(self, case: Case) -> Tensor:
        """Return the questions (N, T) of a case, on the model's device."""
        return torch.from_numpy(case.tokens).to(self.device)

    @torch.no_grad()
    def logits(self, tokens: Tensor) -> Tensor:
        """Return the logits (N, V) of the answers to questions (N, T)."""
        positions = torch.full((len(tokens), 1), tokens.shape[1] - 1, device=tokens.device)
        logits: Tensor = self.model(tokens, positions)[:, 0]
        return logits

    def streams(self, tokens: Tensor) -> Tensor:
        """Return the residual stream (L + 1, N, T, D) of questions (N, T)."""
        return self.read(tokens).streams

    @torch.no_grad()
    def read(self, tokens: Tensor) -> Reading:
        """Return the residual stream and the answers' logits of questions (N, T)."""
        seen: list[Tensor] = []
        with self.model.residual_stream(lambda layer, hidden: seen.append(hidden.clone())):
            logits = self.logits(tokens)
        return Reading(torch.stack(seen), logits)

    def read_case(self, case: Case) -> Reading:
        """Return what the questions of a case give, computed once while the same case is asked for."""
        if self._read is None or self._read[0] is not case:
            self._read = (case, self.read(self.tokens(case)))
        return self._read[1]

    @torch.no_grad()
    def inputs(self, case: Case) -> Tensor:
        """Return the normalized inputs (L, N, T, D) of the token mixers, by block that runs."""
        seen: list[Tensor] = []

        def keep(number: int, part: MixerPart, x: Tensor, output: Tensor) -> None:
            if part == "token":
                seen.append(x.clone())

        with self.model.mixers(keep):
            self.logits(self.tokens(case))
        return torch.stack(seen)
