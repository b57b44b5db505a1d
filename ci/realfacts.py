"""The table of studies of real facts in examples/real/README.md, from committed results.

    python -m ci.realfacts NAME STUDY

keeps what the runs of a study came to in ci/benchmarks/results/real-facts.csv, in the place of what NAME had before.
NAME is that of the study, followed by what was changed: `cities`, `cities, shuffled`.
"""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from ci.markdown import table

RESULTS = Path(__file__).parent / "benchmarks" / "results" / "real-facts.csv"
COLUMNS = (
    *("name", "seed", "dataset_id", "threshold", "steps", "cpu_seconds", "memorized_step", "split", "examples"),
    *("accuracy", "majority_baseline", "sustained_step", "verdict", "processor", "commit"),
)
Rows = Sequence[Mapping[str, str]]


def real_facts() -> str:
    """Return the table, with a row for each study.

    Raises:
        LookupError: there are no results.
    """
    rows = _results()
    names = sorted({row["name"] for row in rows})
    head = ("study", "threshold", "training set from step", "CPU seconds", "ID", "OOD", "OOD, most common answer")
    return table(head, (_row(name, [row for row in rows if row["name"] == name]) for name in names))


def _row(name: str, rows: Rows) -> tuple[str, ...]:
    splits = list(dict.fromkeys(row["split"] for row in rows))
    iid, ood = ([row for row in rows if row["split"] == split] for split in (splits[0], splits[-1]))
    study, comma, change = name.partition(", ")
    steps = _between([int(row["memorized_step"]) for row in iid if row["memorized_step"]], "{:,}")
    seconds = f"{median(float(row['cpu_seconds']) for row in iid):.0f}"
    baseline = f"{float(ood[0]['majority_baseline']):.2f} of {int(ood[0]['examples']):,}"
    return f"`{study}`{comma}{change}", rows[0]["threshold"], steps, seconds, _cell(iid), _cell(ood), baseline


def _cell(rows: Rows) -> str:
    """The lowest and the highest accuracy at the end, and the seeds that held the threshold, with their steps."""
    accuracy = _between([float(row["accuracy"]) for row in rows], "{:.3f}")
    held = [int(row["sustained_step"]) for row in rows if row["sustained_step"]]
    since = f", from step {_between(held, '{:,}')}" if held else ""
    return f"{accuracy}; held by {len(held)} of {len(rows)} seeds{since}"


def _between(values: Sequence[float], form: str) -> str:
    if not values:
        return "never"
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low} to {high}"


def _results() -> list[dict[str, str]]:
    return list(csv.DictReader(RESULTS.read_text("utf-8").splitlines())) if RESULTS.exists() else []


def keep(name: str, study: Path) -> int:
    """Keep the evaluations of a study's runs; return how many runs there are.

    Raises:
        LookupError: none has been evaluated.
    """
    evaluated = sorted(study.glob("seed-*/evaluation.json"))
    if not evaluated:
        raise LookupError(f"there is no seed-*/evaluation.json in {study}")
    rows = [row for row in _results() if row["name"] != name]
    rows += [{"name": name, **row} for path in evaluated for row in _rows_of(path.parent)]
    with RESULTS.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: str(row["name"])))
    return len(evaluated)


def _rows_of(run: Path) -> Iterator[dict[str, Any]]:
    """Yield a row for each held-out split."""
    evaluation, manifest = (
        json.loads((run / name).read_text("utf-8")) for name in ("evaluation.json", "manifest.json")
    )
    for split, times in evaluation["held_out"].items():
        found = evaluation["splits"][split]
        yield {
            "seed": run.name.removeprefix("seed-"),
            "dataset_id": manifest["dataset"]["id"],
            "threshold": evaluation["threshold"],
            "steps": evaluation["step"],
            "cpu_seconds": manifest["cpu_seconds"],
            "memorized_step": _step(evaluation["memorized"]),
            "split": split,
            "examples": found["examples"],
            "accuracy": found["accuracy"],
            "majority_baseline": found["majority_baseline"],
            "sustained_step": _step(times),
            "verdict": times["verdict"],
            "processor": manifest["hardware"]["processor"],
            "commit": manifest["git"]["commit"],
        }


def _step(times: Mapping[str, Any]) -> int | str:
    return times["sustained"]["steps"] if times["sustained"] else ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("name", help="of the study, and what was changed")
    parser.add_argument("study", type=Path, help="directory of the study: the --out of examples.real.study")
    arguments = parser.parse_args()
    print(f"{RESULTS}: {keep(arguments.name, arguments.study)} runs")


if __name__ == "__main__":
    main()
