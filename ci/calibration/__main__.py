"""`ci/calibrate`: how often intervals hold the truth, and how often the champion's gate and claims err, by simulation.

ci/calibrate                     2,000 rounds each; prints the tables
ci/calibrate --rounds 200 gate   one part, quickly
ci/calibrate --write             writes the tables to ci/calibration/results
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from ci.calibration import claims, coverage, gate

RESULTS = Path(__file__).parent / "results"


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="ci/calibrate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(_PARTS)}; default all")
    parser.add_argument("--rounds", type=int, default=2000, help="simulated studies for each row")
    parser.add_argument("--write", action="store_true", help=f"write the tables to {RESULTS.name}/")
    options = parser.parse_args(arguments)
    unknown = [part for part in options.parts if part not in _PARTS]
    if unknown or options.rounds < 1:
        parser.error(f"no such part: {unknown[0]}; parts are {', '.join(_PARTS)}" if unknown else "--rounds below 1")
    wrong = 0
    for part in options.parts or _PARTS:
        head, rows, broken = _PARTS[part](options.rounds)
        date = datetime.now(UTC).date()
        text = f"{_title(part)}\n\n`ci/calibrate --rounds {options.rounds} {part}`, {date}.\n\n{_table(head, rows)}"
        print(text)
        if options.write:
            (RESULTS / f"{part}.md").write_text(text + "\n", "utf-8")
        for line in broken:
            print(f"below what is promised: {line}", file=sys.stderr)
        wrong += len(broken)
    return 1 if wrong else 0


Table = tuple[Sequence[str], list[list[str]], list[str]]
_COVERAGE = ("interval", "times", "runs end", "seeds", "printed", "covers")


def _intervals(rounds: int) -> Table:
    return _covered(list(coverage.of_one_group(rounds)), rounds)


def _ratios(rounds: int) -> Table:
    return _covered(list(coverage.of_ratios(max(1, rounds // 5))), rounds // 5)


def _covered(rows: list[coverage.Row], rounds: int) -> Table:
    least = coverage.LEAST - 3 * (0.05 * 0.95 / max(1, rounds)) ** 0.5
    low = [" | ".join(row.cells) for row in rows if row.covered < least and row.printed > 0.05]
    return _COVERAGE, [row.cells for row in rows if row.printed], low


def _gate(rounds: int) -> Table:
    rows = list(gate.of_gate(rounds))
    edge = {case.name for case in gate.NO_GAIN}
    most = gate.NOMINAL + 3 * (gate.NOMINAL * (1 - gate.NOMINAL) / rounds) ** 0.5
    high = [" | ".join(row.cells) for row in rows if row.case in edge and row.promoted > most]
    head = ("candidate", "times", "seeds", "seeds of the champion", "promoted", "kept")
    return head, [row.cells for row in rows], high


def _claims(rounds: int) -> Table:
    found = list(claims.of_claims(max(1, rounds // 2)))
    high = [" | ".join(cells) for cells, rates in found if any(rate.share > rate.limit for rate in rates)]
    return claims.HEAD, [cells for cells, _ in found], high


_PARTS: dict[str, Callable[[int], Table]] = {
    "intervals": _intervals,
    "ratios": _ratios,
    "gate": _gate,
    "claims": _claims,
}


def _title(part: str) -> str:
    return {
        "intervals": "# How often 95 % intervals of one group hold the truth",
        "ratios": "# How often the 95 % interval of a ratio of times holds the truth",
        "gate": "# How often the champion's gate promotes, by its default rules",
        "claims": "# How often a verdict on a claim is false, where it is most likely to be",
    }[part]


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    sys.exit(main())
