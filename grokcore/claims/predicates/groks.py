"""Runs generalise to held-out splits, and late."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.factors import Factor
from grokcore.claims.predicates.finding import Finding
from grokcore.claims.predicates.shares import Answer, most
from grokcore.evaluation.survival import Definition

if TYPE_CHECKING:
    from grokcore.claims.strata import Stratum
    from grokcore.evaluation.records import RunRecord


class Groks(Part):
    """Most runs reach the threshold on every split named, each a factor `delay` later than on the training set.

    A run that has not, counts as one that does not grok once it has trained `patience` times as long as it took to
    memorise; before, it tells nothing.
    """

    VERSION: ClassVar[int] = 1

    kind: Literal["groks"] = "groks"
    splits: tuple[str, ...]
    definition: Definition = "sustained"
    delay: float | None = Field(2.0, description="least T_split / T_train; null: when does not matter")
    patience: float = Field(50.0, description="in times to memorise; GPT-2 took 33 in the thesis, LLaMA 150 to 300")

    def judge(self, factor: Factor, strata: Sequence[Stratum], alpha: float) -> Finding:
        answers = [
            self._answer(run)
            for stratum in strata
            for member in stratum.members
            for run in member.group.runs
            if set(self.splits) <= run.evaluation.held_out.keys()
        ]
        late = "" if self.delay is None else f", each {self.delay:g} times as late as the training set or later"
        what = f"reach the threshold on {' and '.join(self.splits)}{late}"
        return most(answers, what, alpha, f"a budget of {self.patience:g} times the steps to memorise")

    def _answer(self, run: RunRecord) -> Answer:
        trained = getattr(run.evaluation.memorized, self.definition)
        waiting = False
        for split in self.splits:
            time = getattr(run.evaluation.held_out[split], self.definition)
            if time is None:
                waiting = True
            elif self.delay is not None and (trained is None or time.steps < self.delay * trained.steps):
                return "no"  # it has generalised along with the training set, or before: nothing can make it late now
        if not waiting:
            return "yes"
        long_enough = trained is not None and run.evaluation.censored_at >= self.patience * trained.steps
        return "no" if long_enough or run.evaluation.diverged else "open"
