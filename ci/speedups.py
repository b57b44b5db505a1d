"""The table of what was measured against a tuned AdamW in docs/acceleration.md, from committed results of sweeps.

    python -m ci.speedups COMPARISON

keeps the speedups of a sweep's comparison in ci/benchmarks/results/SWEEP/, in the place of those kept before, and its
packed runs, which anyone can judge anew. While points of the sweep are missing it keeps the packed trials of its
store, too: unpacked into STORE/runs and STORE/tuning/runs, they let the sweep go on on another machine.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet

from ci.markdown import table
from grokcore.evaluation.records import read_records
from grokcore.runs.fields import value_text
from grokcore.runs.packing import pack_runs
from grokcore.sweeps import expand, load_sweep

RESULTS = Path(__file__).parent / "benchmarks" / "results"
SPEEDUPS = "speedups.json"
UNITS = {"steps": "steps", "flops": "FLOPs", "cpu_seconds": "CPU seconds"}


def speedups() -> str:
    """Return the tables of all sweeps whose results are kept.

    Raises:
        LookupError: there is none.
    """
    files = sorted(RESULTS.glob(f"*/{SPEEDUPS}"))
    if not files:
        raise LookupError(f"no {SPEEDUPS} in a folder of {RESULTS}: nothing to show")
    return "\n".join(_tables(json.loads(file.read_text("utf-8"))) for file in files)


def _tables(document: dict[str, Any]) -> str:
    base = load_sweep(document["sweep"]).base
    split = base.task.held_out_splits[-1]
    rows = [row for arm in document["arms"] for row in _rows(arm, split)]
    trials = sorted({arm["search"]["trials"] for arm in document["arms"] if arm["search"]})
    head = ("arm", *UNITS.values(), "seeds", f"found by {' or '.join(map(str, trials))} trials")
    return f"`{document['sweep']}`, the split {split} held at {base.evaluation.threshold:g}:\n\n{table(head, rows)}"


def _rows(arm: dict[str, Any], split: str) -> list[tuple[str, ...]]:
    """One arm's row; none if it was not run."""
    found = arm["splits"].get(split)
    if not found or not found["seeds"]:
        return []
    name = arm["name"].partition("=")[2] or arm["name"]
    cells = [_cell(found["median"].get(unit), found["speedups"].get(unit)) for unit in UNITS]
    seeds = f"{found['sustained']} of {found['seeds']}" + (f", {found['collapsed']} fell" if found["collapsed"] else "")
    values = (arm["search"] or {}).get("values", {})
    searched = ", ".join(f"{field.rpartition('.')[2]} {value_text(value)}" for field, value in values.items())
    return [(f"{name} ({arm['place']})", *cells, seeds, searched)]


def _cell(median: float | None, speedup: dict[str, float] | None) -> str:
    """The median, and how many times as fast as the baseline with its limits of 95 %."""
    text = "not by the end" if median is None else f"{median:,.0f}" if 100 <= median < 1e6 else f"{median:.3g}"
    if speedup and speedup["ratio"] is not None:
        limits = " to ".join("?" if limit is None else f"{limit:.2g}" for limit in (speedup["lower"], speedup["upper"]))
        text += f"; {speedup['ratio']:.2g} times ({limits})"
    return text


def keep(comparison: Path) -> Path:
    """Keep what a comparison consists of; return its folder.

    Raises:
        LookupError: the comparison has no speedups, since its sweep has no baseline.
    """
    if not (comparison / SPEEDUPS).exists():
        raise LookupError(f"{comparison} has no {SPEEDUPS}: it is of a sweep without a baseline")
    document = json.loads((comparison / SPEEDUPS).read_text("utf-8"))
    target: Path = RESULTS / document["sweep"]
    new = target.with_name(f"{target.name}.new")  # what was kept before stays until all is packed
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    shutil.copyfile(comparison / SPEEDUPS, new / SPEEDUPS)
    runs = parquet.read_table(comparison / "runs.parquet", columns=["uri"])["uri"].unique().to_pylist()
    pack_runs(read_records(runs), new / "runs.tar.xz")
    if _missing(document):
        trials = read_records([comparison.parents[1] / "tuning" / "runs"], unfinished="skip")
        pack_runs(trials, new / "trials.tar.xz")
    shutil.rmtree(target, ignore_errors=True)
    new.rename(target)
    return target


def _missing(document: dict[str, Any]) -> set[str]:
    """The points of a sweep that were not run."""
    points = {point.name for point in expand(load_sweep(document["sweep"]))}
    return points - {arm["name"] for arm in document["arms"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("comparison", type=Path, help="folder of the sweep in its store, with speedups.json")
    print(keep(parser.parse_args().comparison))


if __name__ == "__main__":
    main()
