"""A predicate on second trainings: new facts that start from a grokked model gain little from what it has learnt."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Check
from grokcore.claims.conditions import Factor
from grokcore.claims.predicates.counts import Answer, combined_answer, majority_test
from grokcore.claims.predicates.results import CheckResult
from grokcore.claims.units import units_of
from grokcore.evaluation.transfer import gain_of, learns_new_facts

if TYPE_CHECKING:
    from grokcore.claims.base import Stratum
    from grokcore.runs.record import RunRecord


class TransfersLittle(Check):
    """In most units, accuracy on none of the splits rises over that of step 0 by more than `at_most`.

    It is about second trainings that start from the end of the first, or from where it had generalized. A run with so
    small a gain counts once its second training is as long as the first was; before, it tells nothing.
    """

    VERSION: ClassVar[int] = 1
    RUNS: ClassVar[str] = "second training from a grokked start"

    kind: Literal["transfers_little"] = "transfers_little"
    splits: tuple[str, ...] = Field(min_length=1, description="those of them that the task has")
    at_most: float

    def concerns(self, run: RunRecord) -> bool:
        start = run.spec.model.start_from
        return (
            learns_new_facts(run)
            and start is not None
            and start.parts == "all"
            and (start.step is None or str(start.step).endswith("sustained"))
        )

    @property
    def split(self) -> str:
        """The last split, which every task has."""
        return self.splits[-1]

    def judge(self, factor: Factor, stratum: Stratum, alpha: float) -> CheckResult:
        answers = [combined_answer([self._answer(run) for run in unit.runs]) for unit in units_of(stratum, self.split)]
        what = f"gain {self.at_most:g} or less on {' and '.join(self.splits)}"
        return majority_test(answers, what, alpha, "a second training as long as the first")

    def _answer(self, run: RunRecord) -> Answer:
        gains = [gained for split in self.splits for gained in gain_of([run], split).gained]
        if not gains:
            return "open"
        if max(gains) > self.at_most:
            return "no"
        source = run.manifest.source
        took = None if source is None else source.steps
        return "yes" if took is not None and run.evaluation.step >= took else "open"
