"""The tables of second trainings in docs/transfer.md, from committed results of sweeps.

    python -m ci.transfer COMPARISON NAME

keeps the table of runs and the curves of a comparison in ci/benchmarks/results/NAME/, without places of this machine.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterator
from pathlib import Path
from statistics import median

import pyarrow.parquet as parquet

from ci.markdown import table
from grokcore.evaluation.transfer import LEARNT, NEW_FACTS, shift_between

RESULTS = Path(__file__).parent / "benchmarks" / "results"
SPLITS = ("old", "new_old", "old_new", "new_new")
Curves = dict[tuple[str, int, str], list[tuple[int, float]]]
"""(step, accuracy) by group, seed and split."""


def transfer() -> str:
    """Return the tables of all sweeps whose results are kept.

    Raises:
        LookupError: there is none.
    """
    folders = sorted(RESULTS.glob("transfer-*"))
    if not folders:
        raise LookupError(f"no folder transfer-* in {RESULTS}: nothing to show")
    return "\n".join(f"`{folder.name}`:\n\n{_table(_curves(folder))}" for folder in folders)


def _curves(folder: Path) -> Curves:
    rows = parquet.read_table(
        folder / "curves.parquet", columns=["group", "seed", "split", "step", "accuracy"]
    ).to_pylist()
    found: Curves = {}
    for row in sorted(rows, key=lambda row: int(row["step"])):
        if row["accuracy"] is not None:
            key = (str(row["group"]), int(row["seed"]), str(row["split"]))
            found.setdefault(key, []).append((int(row["step"]), float(row["accuracy"])))
    return found


def _table(curves: Curves) -> str:
    splits = [split for split in SPLITS if any(key[2] == split for key in curves)]
    groups = sorted({group for group, _, _ in curves}, key=lambda group: (_share(group), _start(group)))
    rows = [
        (
            *(_start(group), f"{100 * _share(group):g} %", _learnt(curves, group)),
            *(_cell(curves, group, split) for split in splits),
        )
        for group in groups
    ]
    return table(("start", "composed", "steps to .99 of the new facts", *splits), rows)


def _start(group: str) -> str:
    """`point start=grokked,share=0.2` is the start grokked."""
    return group.partition("start=")[2].partition(",")[0]


def _share(group: str) -> float:
    return float(group.partition("share=")[2])


def _of(curves: Curves, group: str, split: str) -> Iterator[list[tuple[int, float]]]:
    yield from (curve for key, curve in sorted(curves.items()) if (key[0], key[2]) == (group, split))


def _learnt(curves: Curves, group: str) -> str:
    """The median step from which the new facts are known, and how many seeds came there."""
    steps = [next((step for step, value in curve if value >= LEARNT), None) for curve in _of(curves, group, NEW_FACTS)]
    reached = [step for step in steps if step is not None]
    return f"{median(reached):,.0f}; {len(reached)} of {len(steps)}" if reached else f"0 of {len(steps)}"


def _cell(curves: Curves, group: str, split: str) -> str:
    """Gain over step 0, final accuracy with its range, and how much higher it is than from a memorized start."""
    ends = [(curve[0][1], curve[-1][1]) for curve in _of(curves, group, split)]
    after = [end for _, end in ends]
    gained = _signed(median(end - begin for begin, end in ends))
    cell = f"{gained} to {_text(median(after))} ({_text(min(after))} to {_text(max(after))})"
    memorized = group.replace(f"start={_start(group)}", "start=memorized")
    if memorized == group or not any(key[0] == memorized for key in curves):
        return cell
    shift = shift_between(after, [curve[-1][1] for curve in _of(curves, memorized, split)])
    if shift.lower is None or shift.upper is None:
        return f"{cell}; {_signed(shift.estimate)}"
    return f"{cell}; {_signed(shift.estimate)} ({_signed(shift.lower)} to {_signed(shift.upper)})"


def _text(accuracy: float) -> str:
    return f"{accuracy:.2f}".removeprefix("0")


def _signed(difference: float) -> str:
    return f"{'-' if round(difference, 2) < 0 else '+'}{_text(abs(difference))}"


def keep(comparison: Path, name: str) -> Path:
    """Keep the runs and curves of a comparison; return their folder."""
    target: Path = RESULTS / name
    target.mkdir(exist_ok=True)
    parquet.write_table(parquet.read_table(comparison / "runs.parquet").drop_columns(["uri"]), target / "runs.parquet")
    shutil.copyfile(comparison / "curves.parquet", target / "curves.parquet")
    return target


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("comparison", type=Path, help="folder of the sweep in its store, with its comparison")
    parser.add_argument("name", help="of the folder in ci/benchmarks/results: transfer-...")
    arguments = parser.parse_args()
    print(keep(arguments.comparison, arguments.name))


if __name__ == "__main__":
    main()
