"""What an analysis returns."""

from __future__ import annotations

from typing import NamedTuple


class Number(NamedTuple):
    """One number, a row of analysis.parquet.

    Attributes:
        metric: such as `mrr`; its control is a metric of its own, named after it: `mrr_shuffled`.
        value: NaN where it is not defined, such as a ratio to nothing.
        n: examples it was measured on; 0 where it is of the weights alone.
        split, case, target: "" where they do not apply; `case` names a counterfactual, a head or a part.
        layer: as `SequenceModel.residual_stream` counts them, or the number of a block that runs; None for the whole.
        position: a role of the case, several joined by + where they are replaced together, or "" for the whole. A
            number of a split or a run that has neither layer nor position is a headline, which analysis.json holds.
        lower, upper: 95 % interval; None where nothing was drawn.
    """

    metric: str
    value: float
    n: int
    split: str = ""
    case: str = ""
    layer: int | None = None
    position: str = ""
    target: str = ""
    lower: float | None = None
    upper: float | None = None
