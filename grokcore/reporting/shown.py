"""What became of runs and groups, in a few words."""

from __future__ import annotations

from grokcore.evaluation.survival import median_time, times_of
from grokcore.runs.evaluation import Time
from grokcore.runs.groups import Group
from grokcore.runs.record import RunRecord


def outcomes_of_run(run: RunRecord) -> list[tuple[str, str, str]]:
    """Return split, verdict, and accuracy with time: of the training set, then of each held-out split."""
    evaluation = run.evaluation
    memorized = evaluation.memorized.sustained
    known = "not memorized" if memorized is None else "memorized"
    told = [("training set", known, _told(evaluation.train.accuracy, memorized))]
    for split, held_out in evaluation.held_out.items():
        late = "" if held_out.ratio is None else f", {held_out.ratio:.2g} times as late as the training set"
        told.append((split, held_out.verdict, _told(evaluation.splits[split].accuracy, held_out.sustained) + late))
    return told


def outcome_of_group(group: Group, split: str) -> str:
    """Tell verdicts and the median: `3 grokked, 1 censored, median 2,400 steps`."""
    runs = [run for run in group.runs if split in run.evaluation.held_out]
    if not runs:
        return ""
    verdicts = [run.evaluation.held_out[split].verdict for run in runs]
    counts = ", ".join(f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(verdicts))
    median = median_time(times_of(runs, split))
    return f"{counts}, median {'> ' if median.censored else ''}{median.step:,} steps"


def _told(accuracy: float | None, sustained: Time | None) -> str:
    measured = "accuracy not finite" if accuracy is None else f"accuracy {accuracy:.4g}"
    return measured if sustained is None else f"{measured}, sustained from step {sustained.steps:,}"
