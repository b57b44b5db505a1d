"""Runs grok: they generalize, and late."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Part
from grokcore.claims.factors import Factor
from grokcore.claims.predicates.finding import Finding
from grokcore.claims.predicates.grokking import DELAY, outcome_of
from grokcore.claims.predicates.shares import Answer, most, together
from grokcore.claims.units import units_of
from grokcore.evaluation.survival import Definition

if TYPE_CHECKING:
    from grokcore.claims.strata import Stratum
    from grokcore.runs.record import RunRecord


class Groks(Part):
    """Most units grok every split named: they reach the threshold, each a factor `delay` later than the training set.

    A run that has not, counts as one that does not grok once it has trained `patience` times as long as it took to
    memorize; before, it tells nothing.
    """

    VERSION: ClassVar[int] = 2

    kind: Literal["groks"] = "groks"
    splits: tuple[str, ...]
    side: Literal["all", "second"] = Field("all", description="the groups that it is said of")
    definition: Definition = "sustained"
    delay: float = Field(DELAY, ge=1, description="least T_split / T_train")
    patience: float = Field(50.0, description="in times to memorize; GPT-2 took 33 in the thesis, LLaMA 150 to 300")

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> Finding:
        level = stratum.levels[-1] if self.side == "second" else None
        answers = [
            together([self._answer(run) for run in unit.runs])
            for unit in units_of(stratum, self.splits[-1], level=level)
        ]
        what = f"grok {' and '.join(self.splits)}, {self.delay:g} times as late as the training set or later"
        return most(answers, what, alpha, f"a budget of {self.patience:g} times the steps to memorize")

    def _answer(self, run: RunRecord) -> Answer:
        outcomes = {outcome_of(run, split, self.definition, self.delay) for split in self.splits}
        if "generalized" in outcomes:
            return "no"  # it has risen along with the training set, or before: nothing can make it late now
        if outcomes == {"grokked"}:
            return "yes"
        trained = getattr(run.evaluation.memorized, self.definition)
        long_enough = trained is not None and run.evaluation.censored_at >= self.patience * trained.steps
        return "no" if long_enough or run.evaluation.diverged else "open"
