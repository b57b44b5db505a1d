"""The table of published headlines in docs/acceleration.md, filled from committed results of the sweeps `headlines*`.

    python -m ci.headlines SWEEP COMPARISON/runs.csv

keeps the columns of a comparison that the table needs, in ci/benchmarks/results/SWEEP.csv, beside runs kept before.
"""

from __future__ import annotations

import argparse
import csv
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ci.markdown import arxiv_link, table
from grokcore.sweeps import Point, expand, load_sweep

RESULTS = Path(__file__).parent / "benchmarks" / "results"
TUNED = "headlines-adamw"
"""The sweep of the tuned AdamW, whose runs are told by their data: tuning decides their ids."""
COLUMNS = (
    *("run_id", "dataset_id", "seed", "split", "threshold", "censored_at", "first_crossing_steps", "sustained_steps"),
    *("learning_rate", "weight_decay", "processor", "grokcore", "commit"),
)
NOT_RUN = "not run yet"

Rows = list[Mapping[str, str]]
"""Rows of a results file: one for each run, of the split that it is about."""


@dataclass(frozen=True)
class Headline:
    """A published gain, and the points of a sweep that repeat it and its baseline."""

    method: str
    source: str
    published: str
    """Steps of the baseline and of the method to .95 (first crossing), and their ratio."""
    conditions: str
    """Of the method; the baseline's, where they differ."""
    sweep: str
    baseline: str
    """The point that repeats the published baseline."""
    arm: str
    """The point that repeats the method."""


HEADLINES = (
    Headline(
        "Grokfast-EMA",
        "arXiv 2405.20233",
        "39,890 to 910, 43.8 times, one seed",
        "multiplication; Adam 1e-3; decay .005, none for the baseline",
        "headlines",
        baseline="adam",
        arm="grokfast",
    ),
    Headline(
        "row norm clip, Lion",
        "the repository cliptogrok",
        "35,040 to 550, 66 times, medians",
        "multiplication; rate 1e-3; all rows start at norm 2; baseline AdamW, decay .01",
        "headlines",
        baseline="adamw",
        arm="lion-row-norm",
    ),
    Headline(
        "row norm clip, Adam",
        "the repository cliptogrok",
        "35,040 to 1,200, 29 times, medians",
        "as above",
        "headlines",
        baseline="adamw",
        arm="adam-row-norm",
    ),
    Headline(
        "row norm clip, Lion",
        "the repository cliptogrok",
        "390,896 to 1,348, 290 times",
        "S5; batch 960; rate 1e-3; all rows start at norm 1; baseline AdamW, decay .01",
        "headlines-s5",
        baseline="adamw",
        arm="lion-row-norm",
    ),
    Headline(
        "no method: GPT-2's initialization",
        "",
        "none",
        "multiplication; Grokfast's baseline",
        "headlines",
        baseline="adam",
        arm="gpt2-init",
    ),
    Headline(
        "no method: GPT-2's initialization",
        "",
        "none",
        "S5; the row norm clip's baseline",
        "headlines-s5",
        baseline="adamw",
        arm="gpt2-init",
    ),
)


def headlines() -> str:
    """Return the table: what was published, and the same comparison here, under either baseline."""
    header = (
        *("method", "source", "published steps to .95", "conditions"),
        *("here: the method", "here: published baseline", "here: tuned AdamW"),
    )
    return table(header, map(_row, HEADLINES))


def _row(headline: Headline) -> tuple[str, ...]:
    points = _points(headline.sweep)
    arm, baseline = (_runs_of(headline.sweep, points[name]) for name in (headline.arm, headline.baseline))
    tuned = [row for row in _results(TUNED) if row["dataset_id"] == points[headline.arm].spec.dataset_id]
    cells = (shown(arm), *(shown(other, against=arm) for other in (baseline, tuned)))
    return headline.method, arxiv_link(headline.source), headline.published, headline.conditions, *cells


@cache
def _points(sweep: str) -> Mapping[str, Point]:
    return {point.name.partition("=")[2]: point for point in expand(load_sweep(sweep))}


def _runs_of(sweep: str, point: Point) -> Rows:
    ids = {spec.run_id for spec in point.specs}
    return [row for row in _results(sweep) if row["run_id"] in ids]


def _results(sweep: str) -> Rows:
    file = RESULTS / f"{sweep}.csv"
    return list(csv.DictReader(file.read_text("utf-8").splitlines())) if file.exists() else []


def median_steps(rows: Iterable[Mapping[str, str]], column: str) -> tuple[float, bool]:
    """Return the median time to grok in steps, and whether it is only a lower bound.

    A run that ended before counts as later than its last evaluation; a median that falls on such a run is the
    smallest number of steps that one of them was trained for.
    """
    rows = list(rows)
    times = sorted((float(row[column]), False) if row[column] else (float("inf"), True) for row in rows)
    low, high = times[(len(times) - 1) // 2], times[len(times) // 2]
    if high[1]:
        return min(float(row["censored_at"]) for row in rows if not row[column]), True
    return statistics.mean((low[0], high[0])), False


def shown(rows: Rows, against: Rows | None = None) -> str:
    """Return a cell: the median steps to the first crossing and to the sustained one, seeds, and the ratio.

    Args:
        against: runs of the method, by whose median first crossing that of `rows` is divided.
    """
    if not rows:
        return NOT_RUN
    (first, first_censored), (held, held_censored) = (
        median_steps(rows, column) for column in ("first_crossing_steps", "sustained_steps")
    )
    reached = sum(bool(row["sustained_steps"]) for row in rows)
    text = f"{_steps(first, first_censored)}, held from {_steps(held, held_censored)}; {reached} of {len(rows)} seeds"
    if against:
        fastest, unknown = median_steps(against, "first_crossing_steps")
        if not unknown:
            text = f"{'> ' if first_censored else ''}{first / fastest:.3g} times: {text}"
    return text


def _steps(steps: float, censored: bool) -> str:
    return f"{'> ' if censored else ''}{steps:,.0f}"


def keep(sweep: str, runs: Path) -> Path:
    """Add a comparison's runs to the results of a sweep, without places of this machine; a run replaces its former row.

    Raises:
        LookupError: no row is of the split that the runs are about.
    """
    split = load_sweep(sweep).base.task.held_out_splits[-1]
    rows = [row for row in csv.DictReader(runs.read_text("utf-8").splitlines()) if row["split"] == split]
    if not rows:
        raise LookupError(f"{runs} has no row of the split {split}")
    same = ("dataset_id", "seed") if sweep == TUNED else ("run_id",)
    kept = {tuple(row[name] for name in same): row for row in (*_results(sweep), *rows)}
    target = RESULTS / f"{sweep}.csv"
    with target.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(kept.values())
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("sweep", choices=[*dict.fromkeys(headline.sweep for headline in HEADLINES), TUNED])
    parser.add_argument("runs", type=Path, help="runs.csv of a comparison of the sweep's runs")
    arguments = parser.parse_args()
    print(keep(arguments.sweep, arguments.runs))


if __name__ == "__main__":
    main()
