"""The table of a full run of the faults, made from the lines that its tests have written."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ci.benchmarks.machine import facts

EXPLANATION = """\
A try injects one fault, random ones from a seed of its own, and then looks whether what was promised held: a resumed
run equals the uninterrupted one bit for bit, the last good checkpoint loads, an error is one line with its exit code,
nothing half done is to be seen. A loss is a try where it did not hold. `ci/faults` makes this page; a short version of
every row is part of `ci/test --all`."""


def results_markdown(lines: Iterable[dict[str, Any]], header: str) -> str:
    """
    Args:
        lines: `row`, `tries`, `losses` and `seed` of each try.

    Raises:
        ValueError: there are none: nothing was tried.
    """
    rows: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        rows.setdefault(line["row"], []).append(line)
    if not rows:
        raise ValueError("no fault was tried")
    table = ["| fault | tries | losses | seeds |", "| --- | ---: | ---: | --- |"]
    for row, found in rows.items():
        seeds = [line["seed"] for line in found if line["seed"] is not None]
        span = f"{min(seeds)} to {max(seeds)}" if seeds else ""
        tries, losses = (sum(line[name] for line in found) for name in ("tries", "losses"))
        table.append(f"| {row} | {tries:,} | {losses} | {span} |")
    lost = [f"- {line['test']}" for found in rows.values() for line in found if line["losses"]]
    parts = ["# Faults", header, EXPLANATION, "\n".join(table), *(["## Lost", "\n".join(lost)] if lost else [])]
    return "\n\n".join(parts) + "\n"


def main(source: str, target: str) -> int:
    lines = [json.loads(line) for line in Path(source).read_text("utf-8").splitlines()]
    machine = facts("cpu")
    header = (
        f"{datetime.now(UTC):%Y-%m-%d}, commit {machine['commit']}; {machine['processor']}, {machine['cores']} cores."
    )
    page = results_markdown(lines, header)
    Path(target).write_text(page, "utf-8")
    print(page)
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
