"""What docs/interpretation.md says of progress measures on modular addition follows from the numbers in the tree."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/interpretation.md").read_text()
SEEDS = range(5)

Rows = list[dict[str, float]]


def rows_of(seed: int) -> Rows:
    """The checkpoints of a seed, ascending."""
    with (ROOT / "ci/benchmarks/results/progress-modular/headlines.csv").open() as file:
        rows = [{name: float(value) for name, value in row.items() if name != "run_id"} for row in csv.DictReader(file)]
    return [row for row in rows if row["seed"] == seed]


def first_below(rows: Rows, metric: str, threshold: float) -> int:
    return next(int(row["step"]) for row in rows if row[metric] < threshold)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_table_has_the_steps_and_losses_of_each_seed(seed: int) -> None:
    rows = rows_of(seed)
    onset, sustained = rows[0]["onset"], rows[0]["sustained"]
    between = [(row["excluded_loss_train"], int(row["step"])) for row in rows if onset <= row["step"] <= sustained]
    low = min(between)
    high = max(one for one in between if one[1] >= low[1])
    at_onset = next(row["excluded_loss_train"] for row in rows if row["step"] == onset)
    cells = [
        str(seed),
        f"{rows[0]['memorized']:.0f}",
        f"{onset:.0f}",
        f"{sustained:,.0f}",
        *(f"{first_below(rows, metric, 1):,}" for metric in ("restricted_loss_test", "loss_test")),
        f"{at_onset:.2f}",
        *(f"{loss:.2f} at {step:,}" for loss, step in (low, high)),
    ]
    assert f"| {' | '.join(cells)} |" in PAGE
    assert high[0] > 4


@pytest.mark.parametrize("seed", SEEDS)
def test_the_restricted_loss_leads_and_the_excluded_loss_falls_until_onset(seed: int) -> None:
    rows = rows_of(seed)
    for threshold, least, most in ((1, 200, 650), (0.1, 100, 600)):
        lead = first_below(rows, "loss_test", threshold) - first_below(rows, "restricted_loss_test", threshold)
        assert least <= lead <= most
    assert min(row["restricted_loss_random_test"] for row in rows) > 3.9
    until_onset = [row for row in rows if row["step"] <= row["onset"]]
    excluded = [row["excluded_loss_train"] for row in until_onset]
    assert excluded == sorted(excluded, reverse=True)
    carried, control = (
        until_onset[-1][metric] - until_onset[-1]["loss_train"]
        for metric in ("excluded_loss_train", "excluded_loss_random_train")
    )
    assert 0.2 <= carried <= 1.9
    assert 0.01 <= control <= 0.031
    assert not any(row["zero_loss"] for row in rows)
