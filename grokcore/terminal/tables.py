"""Print evaluations as tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from grokcore.errors import printable
from grokcore.terminal.output import print_line

if TYPE_CHECKING:
    from grokcore.evaluation import Evaluation
    from grokcore.evaluation.samples import Sample
    from grokcore.runs.evaluation import Times


def print_evaluation(evaluation: Mapping[str, Any]) -> None:
    """Print accuracy per split beside its baseline, and times to grok or their censoring."""
    splits = evaluation["splits"]
    width = max(len(name) for name in splits)
    print_line(f"accuracy after {evaluation['step']:,} steps")
    for name, split in splits.items():
        print_line(
            f"  {name:<{width}}  {_accuracy(split['accuracy'])}  (majority baseline {split['majority_baseline']:.3f})"
        )
    print_line(f"time to reach {evaluation['threshold']:g}, in steps (and seconds)")
    rows = {"training set": evaluation["memorized"], **evaluation["held_out"]}
    width = max(len(name) for name in rows)
    print_line(f"  {'':<{width}}  {'first crossing':>14}  {'sustained':>14}  {'stable':>14}")
    for name, times in rows.items():
        cells = [_time(times[definition]) for definition in ("first_crossing", "sustained", "stable")]
        print_line(f"  {name:<{width}}  " + "  ".join(f"{cell:>14}" for cell in cells))
    end = "the run" if evaluation["censored_at"] >= evaluation["step"] else "the learning rate"
    print_line(f"verdict (censored: not reached by step {evaluation['censored_at']:,}, where {end} ended)")
    for name, held_out in evaluation["held_out"].items():
        late = f", {held_out['ratio']:.1f} x the time of the training set" if held_out["ratio"] else ""
        print_line(f"  {name:<{width}}  {held_out['verdict']}{late}")
    _print_remarks(evaluation["remarks"])


def print_seeds(evaluations: Mapping[str, Evaluation], name: str) -> None:
    """Print runs of one spec by label: one row each, then median and range over all."""
    from grokcore.evaluation.remarks import remarks_on_many
    from grokcore.evaluation.samples import samples_of

    runs = list(evaluations.values())
    samples = samples_of(runs)
    print_line(f"{name}: {len(runs)} runs that differ only in their seed")
    print_line(f"final accuracy, and the step from which {runs[0].threshold:g} was sustained")
    print_columns([("", *samples), *((label, *_cells(evaluation)) for label, evaluation in evaluations.items())])
    print_line("median over the runs, and range; censored runs count as later than their end (Kaplan-Meier)")
    head = ("", "sustained from step", "final accuracy", "verdicts")
    print_columns([head, *((split, *_sample(sample)) for split, sample in samples.items())])
    _print_remarks(remarks_on_many(runs))


def _print_remarks(remarks: Sequence[str]) -> None:
    if remarks:
        print_line("caveats")
    for remark in remarks:
        print_line(f"  {remark}")


def _cells(evaluation: Evaluation) -> Iterator[str]:
    """Format the results of one run on the training set and on each held-out split."""
    yield f"{_accuracy(evaluation.train.accuracy)} {_since(evaluation.memorized)}"
    for split, held_out in evaluation.held_out.items():
        lost = ", collapsed" if held_out.verdict == "collapsed" else ""
        yield f"{_accuracy(evaluation.splits[split].accuracy)} {_since(held_out)}{lost}"


def _since(times: Times) -> str:
    return "censored" if times.sustained is None else f"from {times.sustained.steps:,}"


def _sample(sample: Sample) -> tuple[str, str, str]:
    middle = f"> {sample.median.step:,}" if sample.median.censored else f"{sample.median.step:,}"
    if sample.earliest is not None:
        # If a run ended early, the latest observed time need not be the latest.
        sign = "> " if sample.latest.censored else ">= " if sample.censored else ""
        middle += f" ({sample.earliest:,} to {sign}{sample.latest.step:,})"
    spread = sample.accuracy
    accuracy = f"{spread.median:.3f} ({spread.lowest:.3f} to {spread.highest:.3f})" if spread else "nan"
    return middle, accuracy, ", ".join(f"{number} {verdict}" for verdict, number in sample.verdicts.items())


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print an indented table without rules."""
    rows = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print_line("  " + "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip())


def _accuracy(value: float | None) -> str:
    return "  nan" if value is None else f"{value:.3f}"


def _time(time: Mapping[str, Any] | None) -> str:
    return "censored" if time is None else f"{time['steps']:,} ({time['seconds']:.0f} s)"
