"""A predicate on what `grokcore analyze` found inside the runs: a headline of their analysis."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Check
from grokcore.claims.conditions import Factor
from grokcore.claims.predicates.counts import Answer, combined_answer, majority_test
from grokcore.claims.predicates.results import CheckResult
from grokcore.claims.units import units_of
from grokcore.interpret.spec import AnalysisSpec

if TYPE_CHECKING:
    from grokcore.claims.base import Stratum
    from grokcore.runs.record import RunRecord

MEMORIZED = "memorized"
"""The milestone of an analysis that a rise is measured from."""

QUESTIONS = {"examples": AnalysisSpec().examples, "seed": AnalysisSpec().seed}
"""The questions that numbers of different runs are compared on."""

STEPS = 3
"""Least analyzed steps of a run about which it is said that something is so at none of them."""


class Shows(Check):
    """In most units a number of the run's analysis is at least `at_least`.

    It is about runs that were analyzed to their end, with as many questions and the seed that `grokcore analyze` has by
    default. A run whose number is not defined tells nothing. Of several metrics one is enough.
    """

    VERSION: ClassVar[int] = 2
    RUNS: ClassVar[str] = "run that was analyzed"
    NEEDS: ClassVar[str] = "runs of this kind, 5 seeds or more, and grokcore analyze RUN"

    kind: Literal["shows"] = "shows"
    what: str = Field(description="what a run does that shows it, to be read after `4 of 5 seeds`")
    analysis: str
    metrics: tuple[str, ...] = Field(min_length=1)
    split: str
    of: Literal["last", "rise", "any"] = Field(
        description="the number of the last analyzed step, its rise since the step at which the run had memorized, or "
        "the largest of any step, of three or more"
    )
    at_least: float

    def concerns(self, run: RunRecord) -> bool:
        found = run.analysis
        return (
            super().concerns(run)
            and found is not None
            and found.steps[-1] == run.evaluation.step
            and all(found.analysis.get(name) == value for name, value in QUESTIONS.items())
        )

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> CheckResult:
        answers = [combined_answer([self._answer(run) for run in unit.runs]) for unit in units_of(stratum, self.split)]
        steps = " --steps all" if self.of == "any" else ""
        return majority_test(answers, self.what, alpha, f"an analysis (grokcore analyze RUN{steps})")

    def _answer(self, run: RunRecord) -> Answer:
        found = [number for metric in self.metrics if (number := self._number(run, metric)) is not None]
        if not found:
            return "open"
        return "yes" if max(found) >= self.at_least else "no"

    def _number(self, run: RunRecord, metric: str) -> float | None:
        if run.analysis is None:
            return None
        by_step = {
            one.step: one.value
            for one in run.analysis.headlines
            if (one.analysis, one.metric, one.split) == (self.analysis, metric, self.split) and one.value is not None
        }
        if self.of == "any":
            return max(by_step.values()) if len(by_step) >= STEPS else None
        last = by_step.get(run.analysis.steps[-1])
        before = by_step.get(run.analysis.milestones.get(MEMORIZED, -1)) if self.of == "rise" else 0.0
        return None if last is None or before is None else last - before
