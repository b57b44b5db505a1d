"""Several things are true at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from grokcore.claims.base import Part, Verdict
from grokcore.claims.factors import Factor
from grokcore.claims.predicates.changes_time import ChangesTime
from grokcore.claims.predicates.finding import Finding
from grokcore.claims.predicates.groks import Groks
from grokcore.claims.predicates.is_unstable import IsUnstable
from grokcore.claims.predicates.never_groks import NeverGroks
from grokcore.claims.predicates.peaks_early import PeaksEarly

if TYPE_CHECKING:
    from grokcore.claims.strata import Stratum

Simple = Annotated[Groks | NeverGroks | ChangesTime | PeaksEarly | IsUnstable, Field(discriminator="kind")]


class Every(Part):
    """Reproduced if all parts are, refuted if one is; its p is the largest of theirs (an intersection-union test)."""

    VERSION: ClassVar[int] = 1

    kind: Literal["every"] = "every"
    parts: tuple[Simple, ...] = Field(min_length=2)

    def judge(self, factor: Factor, strata: Sequence[Stratum], alpha: float) -> Finding:
        found = [part.judge(factor, strata, alpha) for part in self.parts]
        verdicts = [finding.verdict for finding in found]
        verdict: Verdict = (
            "refuted" if "refuted" in verdicts else "underpowered" if "underpowered" in verdicts else "reproduced"
        )
        ps = [finding.p for finding in found if finding.p is not None]
        return Finding(
            verdict,
            "; ".join(finding.sentence for finding in found),
            {f"{place}.{name}": value for place, one in enumerate(found, 1) for name, value in one.numbers.items()},
            max(ps) if len(ps) == len(found) else None,
            tuple(dict.fromkeys(need for finding in found for need in finding.needs))
            if verdict == "underpowered"
            else (),
        )
