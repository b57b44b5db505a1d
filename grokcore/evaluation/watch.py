"""What each split of a run did on its way, found in its journal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from grokcore.evaluation.behaviour import PeakAndDip, is_unstable, peak_and_dip, unlikely_to_grok
from grokcore.evaluation.curves import accuracy_of, evidence, reached, steps_of

if TYPE_CHECKING:
    from grokcore.runs.record import RunRecord


@dataclass(frozen=True)
class Behaviour:
    """Of one split of a run.

    Attributes:
        peak: the early peak and its dip, of a held-out split; None where there is none.
        peak_step, dip_step, back_step: their steps.
        unstable: it kept falling after it had been learnt.
        unlikely: of a held-out split that has not grokked: it gives no sign that it will.
        collapsed: the step at which a held-out split that had grokked was lost; None where it was not.
    """

    peak: PeakAndDip | None
    peak_step: int | None
    dip_step: int | None
    back_step: int | None
    unstable: bool
    unlikely: bool
    collapsed: int | None


def behaviour_of(run: RunRecord, split: str) -> Behaviour:
    """The behaviour of a split of any role."""
    seen, rules = evidence(run.journal, run.spec.training), run.spec.evaluation
    steps, accuracy = steps_of(seen.lines), accuracy_of(seen.lines, split)
    held_out, about = run.evaluation.held_out.get(split), run.evaluation.splits[split]
    memorized = reached(seen, "train", rules)["sustained"]
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
    return Behaviour(
        peak=peak,
        peak_step=steps[peak.peak] if peak else None,
        dip_step=steps[peak.dip] if peak else None,
        back_step=steps[peak.back] if peak and peak.back is not None else None,
        unstable=is_unstable(accuracy),
        unlikely=waiting and unlikely_to_grok(accuracy, steps, memorized, threshold=rules.threshold),
        collapsed=held_out.collapsed if held_out is not None else None,
    )
