"""The objective of a trial of the hyperparameter search: a pure function of its journal."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from grokcore.evaluation.phases import crossings, evidence
from grokcore.runs.journal import JournalLine
from grokcore.spec import ExperimentSpec
from grokcore.sweeps.spec import Measure


def objective(lines: Sequence[JournalLine], spec: ExperimentSpec, split: str, steps: int, measure: Measure) -> float:
    """Objective of a trial of `steps` steps, from its journal; what comes later in the journal does not count.

    - `area`: mean accuracy over steps 0 to `steps`, by the trapezoidal rule;
    - `final`: accuracy at step `steps`;
    - `time`: 1 - T / steps where the split is sustained from step T on, confirmed within `steps`; otherwise
      accuracy at step `steps` - 1. So sooner is better than later, later than never, and of trials that never hold
      the threshold the most accurate is best.

    NaN counts as accuracy 0, as does everything after a run has diverged.
    """
    within = [line for line in lines if line["step"] <= steps]
    match measure:
        case "area":
            return _area(within, split, steps)
        case "final":
            return _final(within, split, steps)
        case "time":
            sustained = _sustained(within, spec, split)
            return _final(within, split, steps) - 1 if sustained is None else 1 - sustained / steps


def _area(lines: Sequence[JournalLine], split: str, steps: int) -> float:
    curve = [(line["step"], _accuracy(line, split)) for line in lines]
    area: float = sum((b - a) * (high + low) / 2 for (a, low), (b, high) in pairwise(curve))
    return area / steps


def _final(lines: Sequence[JournalLine], split: str, steps: int) -> float:
    return _accuracy(lines[-1], split) if lines and lines[-1]["step"] == steps else 0.0


def _sustained(lines: Sequence[JournalLine], spec: ExperimentSpec, split: str) -> int | None:
    seen = evidence(lines, spec.training)
    index = crossings(seen, split, spec.evaluation)["sustained"]
    return None if index is None else int(seen.lines[index]["step"])


def _accuracy(line: JournalLine, split: str) -> float:
    measured = line["train"] if split == "train" else line["splits"][split]
    value = measured["accuracy"]
    return float(value) if value is not None and math.isfinite(value) else 0.0
