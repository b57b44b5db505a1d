"""What a report compares: single runs, and seeds of one spec taken together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from grokcore.evaluation.seeds import Outcome, Sample, sample_of
from grokcore.evaluation.survival import Reached
from grokcore.reporting.read import Line, Measure, RunView, Times
from grokcore.runs.groups import grouped

SEEDS = 3
"""From this number on, runs that differ in their seeds alone are taken together: two have no median worth drawing."""

MOST_CURVES = 30
"""With more runs than this, seeds of one spec are drawn as a median and a band, and so is all where specs are more."""
_DYNAMICS = ("learning_rate", "gradient_norm", "weight_norm")


@dataclass(frozen=True)
class Entry:
    """A run, or all seeds of a spec; `runs` are places in the report's list of runs."""

    label: str
    runs: tuple[int, ...]

    @property
    def several(self) -> bool:
        return len(self.runs) > 1


def entries_of(runs: Sequence[RunView]) -> list[Entry]:
    """The runs in their order, seeds of one spec together at the place of the first."""
    entries = []
    for places in grouped(range(len(runs)), lambda place: runs[place].family):
        if len({runs[place].manifest.run_id for place in places}) == len(places) >= SEEDS:
            entries.append(Entry(f"{runs[places[0]].spec} · {len(places)} seeds", tuple(places)))
        else:
            entries += [Entry(runs[place].label, (place,)) for place in places]
    return sorted(entries, key=lambda entry: entry.runs[0])


def drawn_entries(runs: Sequence[RunView]) -> list[Entry]:
    """The entries that have curves of their own: those of the tables, or where they are too many, all runs as one."""
    entries = entries_of(runs)
    return entries if len(entries) <= MOST_CURVES else [Entry(f"all {len(runs)} runs", tuple(range(len(runs))))]


def samples(runs: Sequence[RunView]) -> dict[str | None, Sample]:
    """What seeds of one spec came to: on the training set (None) and on each held-out split."""
    found: dict[str | None, Sample] = {None: sample_of([_trained(run) for run in runs])}
    for split in runs[0].evaluation.held_out:
        found[split] = sample_of([_held_out(run, split) for run in runs if split in run.evaluation.held_out])
    return found


def median_run(runs: Sequence[RunView], label: str, share: float = 0.5) -> RunView:
    """A run that never was: at each step its journal has the medians of the runs evaluated there.

    Args:
        share: of the values that lie below those of the journal; .5 is the median.

    Steps that only half the runs reached, or fewer, are left out: what is left there is a selection.
    """
    lines: dict[int, list[Line]] = {}
    for run in runs:
        for line in run.journal:
            lines.setdefault(line.step, []).append(line)
    journal = tuple(_median_line(found, share) for _, found in sorted(lines.items()) if len(found) > len(runs) / 2)
    return replace(runs[0], label=label, journal=journal)


def _median_line(lines: Sequence[Line], share: float) -> Line:
    splits = dict.fromkeys(split for line in lines for split in line.splits)
    dynamics = {name: _quantile([getattr(line, name) for line in lines], share) for name in _DYNAMICS}
    return lines[0].model_copy(
        update={
            "train": _quantile_of_measures([line.train or Measure() for line in lines], share),
            "splits": {
                split: _quantile_of_measures([line.splits.get(split, Measure()) for line in lines], share)
                for split in splits
            },
            **dynamics,
        }
    )


def _quantile_of_measures(measures: Sequence[Measure], share: float) -> Measure:
    return Measure(
        accuracy=_quantile([measure.accuracy for measure in measures], share),
        loss=_quantile([measure.loss for measure in measures], share),
    )


def _quantile(values: Sequence[float | None], share: float) -> float | None:
    """A quantile, unless half the values or more are missing: those of diverged runs are."""
    known = sorted(value for value in values if value is not None)
    if 2 * len(known) <= len(values):
        return None
    return median(known) if share == 0.5 else known[round(share * (len(known) - 1))]


def _trained(run: RunView) -> Outcome:
    return Outcome(_sustained(run, run.evaluation.memorized), run.evaluation.train.accuracy)


def _held_out(run: RunView, split: str) -> Outcome:
    held_out, result = run.evaluation.held_out[split], run.evaluation.splits.get(split)
    return Outcome(_sustained(run, held_out), result.accuracy if result else None, held_out.verdict)


def _sustained(run: RunView, times: Times) -> Reached:
    if times.sustained is None:
        return Reached(run.limit, censored=True)
    return Reached(min(times.sustained.steps, run.limit))
