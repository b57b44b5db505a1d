"""Behavior of accuracy curves: early peak and dip, instability, and whether grokking is unlikely.

Pure functions of a recorded curve, as in `phases`: `accuracy` and `steps` of equal length, one entry per evaluation,
steps ascending; None where the model's output was not finite. All apply to a run that is still training.
`behavior_of` applies them to a split of a recorded run.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from grokcore.evaluation.phases import Curve, accuracy_of, crossings, evidence, steps_of

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord


FALL = 0.03
"""Least loss of accuracy that counts as a dip: the published early dip of GPT-2 loses .06 to .08."""


@dataclass(frozen=True)
class PeakAndDip:
    """A curve's early peak and the dip after it; all are indices of evaluations.

    Attributes:
        peak: the highest of three neighbors' medians before the dip.
        dip: the lowest of these before accuracy has come back, or so far.
        back: the first evaluation after the dip from which accuracy is above the peak again; None while it is not.
        height, depth: accuracy at the peak, and its loss at the dip.
    """

    peak: int
    dip: int
    back: int | None
    height: float
    depth: float


def peak_and_dip(
    accuracy: Curve,
    steps: Sequence[int],
    memorized: int | None,
    *,
    baseline: float = 0.0,
    threshold: float = 0.99,
    rise: float = 0.1,
    fall: float = FALL,
    examples: int | None = None,
    sustain: int = 3,
    latest: float = 2.0,
) -> PeakAndDip | None:
    """Find the early peak of a held-out split, if there is one.

    Accuracy first rises with the training set, falls again once that is memorized, and comes back much later (GPT-2's
    OOD accuracy in the thesis: .88 at step 13k, .80 to .82 at 85k to 100k, .93 at 200k). The rule, on medians of three
    neighboring evaluations:

    - the peak lies `rise` above `baseline` (a model that gives the most common answers has none), below `threshold`,
      and no later than `latest` times the step at which the training set was memorized;
    - `sustain` evaluations in a row then lie `fall` or more below it, before any exceeds it. Of a probe of few
      examples the fall must be at least two standard errors of a difference of two such shares.

    Args:
        memorized: index of the evaluation at which the training set was memorized; without it nothing is early.
        baseline: the split's majority baseline.
        examples: of the split's probe, where that is known.
    """
    if memorized is None:
        return None
    smooth = _smoothed(accuracy)
    best = 0
    for index, value in enumerate(smooth):
        if value > smooth[best] or index == 0:
            best = index
            if steps[best] > latest * max(steps[memorized], 1) or value >= threshold:
                return None
            continue
        needed = max(fall, 2 * _error(smooth[best], examples))
        run = smooth[index : index + sustain]
        if smooth[best] < baseline + rise or len(run) < sustain or max(run) > smooth[best] - needed + 1e-9:
            continue
        back = next(
            (place for place in range(index, len(smooth)) if _above(smooth, place, smooth[best], sustain)), None
        )
        dip = min(range(index, back or len(smooth)), key=lambda place: smooth[place])
        return PeakAndDip(best, dip, back, smooth[best], smooth[best] - smooth[dip])
    return None


def falls(accuracy: Curve, *, fall: float = 0.05, start: int = 0) -> list[tuple[int, int]]:
    """Find each loss of `fall` or more of accuracy: indices of the highest and lowest points.

    A rise of `fall` from a lowest point begins the next: smaller fluctuations are ignored, and a long decline
    counts once. Values that are not finite count as 0.
    """
    found: list[tuple[int, int]] = []
    values = [value or 0.0 for value in accuracy]
    high = low = start
    falling = False
    for index in range(start, len(values)):
        if not falling:
            if values[index] >= values[high]:
                high = index
            elif values[index] <= values[high] - fall + 1e-9:
                falling, low = True, index
        elif values[index] < values[low]:
            low = index
        elif values[index] >= values[low] + fall - 1e-9:
            found.append((high, low))
            falling, high = False, index
    if falling:
        found.append((high, low))
    return found


def is_unstable(accuracy: Curve, *, level: float = 0.9, fall: float = 0.05, times: int = 2) -> bool:
    """Whether accuracy, once it has reached `level`, loses `fall` or more at least `times` times.

    Mamba's accuracy on atomic facts, which it has been trained on, in the thesis. It is applied to medians of three
    neighboring evaluations, since one bad evaluation is common at high learning rates; and one fall may be chance,
    while a second one after a recovery is not.
    """
    smooth = _smoothed(accuracy)
    start = next((index for index, value in enumerate(smooth) if value >= level), None)
    return start is not None and len(falls(smooth, fall=fall, start=start)) >= times


def unlikely_to_grok(
    accuracy: Curve,
    steps: Sequence[int],
    memorized: int | None,
    *,
    threshold: float = 0.99,
    patience: float = 20.0,
    rise: float = 0.02,
    reach: float = 10.0,
    sustain: int = 3,
) -> bool:
    """Whether a held-out split shows no sign so far that it will grok.

    This is decided long after the training set was memorized, and only for curves that no longer move:

    - training has lasted `patience` times as long as memorizing took: GPT-2 in the thesis takes 33 times as long, and
      its dip lasts until 3 times;
    - the median accuracy of the last factor of 2 in steps is less than `rise` above that of the factor of 2 before:
      LLaMA, which groks 160 times after memorization, never rises by less per doubling;
    - at this rise per doubling, `reach` times as many steps would not bring it to `threshold`.

    It is a warning, not a verdict: a curve that was flat so far may still rise.

    Args:
        sustain: least number of evaluations within each factor of 2.
    """
    if memorized is None or not steps or steps[-1] < patience * max(steps[memorized], 1):
        return False
    last = steps[-1]
    recent = [value or 0.0 for value, step in zip(accuracy, steps, strict=True) if step > last / 2]
    before = [value or 0.0 for value, step in zip(accuracy, steps, strict=True) if last / 4 < step <= last / 2]
    if len(recent) < sustain or len(before) < sustain:
        return False
    level = median(recent)
    gained = level - median(before)
    return gained < rise and level + max(gained, 0.0) * math.log2(reach) < threshold


def _smoothed(accuracy: Curve) -> list[float]:
    """Medians of each evaluation and its two neighbors; the first and the last stay as they are."""
    values = [value or 0.0 for value in accuracy]
    middle = [median(values[index - 1 : index + 2]) for index in range(1, len(values) - 1)]
    return [*values[:1], *middle, *(values[-1:] if len(values) > 1 else [])]


def _above(values: Sequence[float], index: int, limit: float, sustain: int) -> bool:
    run = values[index : index + sustain]
    return len(run) == sustain and min(run) > limit


def _error(share: float, examples: int | None) -> float:
    """Standard error of the difference of two shares of so many examples."""
    return math.sqrt(2 * share * (1 - share) / examples) if examples else 0.0


@dataclass(frozen=True)
class Behavior:
    """Of one split of a run.

    Attributes:
        peak: the early peak and its dip, of a held-out split; None where there is none.
        peak_step, dip_step, back_step: their steps.
        unstable: accuracy fell again and again after it had been high.
        unlikely: of a held-out split that is not sustained: it shows no sign that it will grok.
        collapsed: the step at which a sustained held-out split collapsed; None where it did not.
    """

    peak: PeakAndDip | None
    peak_step: int | None
    dip_step: int | None
    back_step: int | None
    unstable: bool
    unlikely: bool
    collapsed: int | None


def behavior_of(run: RunRecord, split: str) -> Behavior:
    """The behavior of a split of any role."""
    seen, rules = evidence(run.journal, run.spec.training), run.spec.evaluation
    steps, accuracy = steps_of(seen.lines), accuracy_of(seen.lines, split)
    held_out, about = run.evaluation.held_out.get(split), run.evaluation.splits[split]
    memorized = crossings(seen, "train", rules)["sustained"]
    peak = None
    if held_out is not None:
        peak = peak_and_dip(
            accuracy,
            steps,
            memorized,
            baseline=about.majority_baseline,
            threshold=rules.threshold,
            examples=about.examples,
            sustain=rules.sustain,
        )
    waiting = held_out is not None and held_out.sustained is None
    return Behavior(
        peak=peak,
        peak_step=steps[peak.peak] if peak else None,
        dip_step=steps[peak.dip] if peak else None,
        back_step=steps[peak.back] if peak and peak.back is not None else None,
        unstable=is_unstable(accuracy),
        unlikely=waiting and unlikely_to_grok(accuracy, steps, memorized, threshold=rules.threshold),
        collapsed=held_out.collapsed if held_out is not None else None,
    )


def first_warning(run: RunRecord, split: str) -> int | None:
    """The first step at which somebody who followed the run was told that a held-out split is unlikely to grok.

    None if that was never said. It may be said of a split that is sustained later: then it was a false alarm.
    """
    seen, rules = evidence(run.journal, run.spec.training), run.spec.evaluation
    steps, accuracy = steps_of(seen.lines), accuracy_of(seen.lines, split)
    memorized = crossings(seen, "train", rules)["sustained"]
    held = crossings(seen, split, rules)["sustained"]
    for index in range(len(steps) if held is None else held):
        so_far = memorized if memorized is not None and memorized <= index else None
        if unlikely_to_grok(accuracy[: index + 1], steps[: index + 1], so_far, threshold=rules.threshold):
            return steps[index]
    return None
