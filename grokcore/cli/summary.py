"""An evaluation as a table in the terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def print_evaluation(evaluation: Mapping[str, Any]) -> None:
    """Accuracy per split beside its baseline, and the times to grok; censored ones said so."""
    splits = evaluation["splits"]
    width = max(len(name) for name in splits)
    print(f"accuracy after {evaluation['step']:,} steps")
    for name, split in splits.items():
        print(
            f"  {name:<{width}}  {_accuracy(split['accuracy'])}  (majority baseline {split['majority_baseline']:.3f})"
        )
    print(f"time to reach {evaluation['threshold']:g}, in steps (and seconds)")
    rows = {"training set": evaluation["memorized"], **evaluation["held_out"]}
    width = max(len(name) for name in rows)
    print(f"  {'':<{width}}  {'first crossing':>14}  {'sustained':>14}  {'stable':>14}")
    for name, times in rows.items():
        cells = [_time(times[definition]) for definition in ("first_crossing", "sustained", "stable")]
        print(f"  {name:<{width}}  " + "  ".join(f"{cell:>14}" for cell in cells))
    print(f"verdict (what is censored was not reached by step {evaluation['censored_at']:,}, where the run ended)")
    for name, held_out in evaluation["held_out"].items():
        late = f", {held_out['ratio']:.1f} x the time of the training set" if held_out["ratio"] else ""
        print(f"  {name:<{width}}  {held_out['verdict']}{late}")


def _accuracy(value: float | None) -> str:
    return "  nan" if value is None else f"{value:.3f}"


def _time(time: Mapping[str, Any] | None) -> str:
    return "censored" if time is None else f"{time['steps']:,} ({time['seconds']:.0f} s)"
