"""The table of real facts: from committed results alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ci import realfacts
from examples.real.study import STUDIES


def test_every_study_has_three_seeds_and_a_control() -> None:
    rows = realfacts._results()
    for study in STUDIES:
        for name in (study, f"{study}, shuffled"):
            assert len({row["seed"] for row in rows if row["name"] == name}) == 3, name


def study_of(folder: Path, ends: list[tuple[float, int | None]]) -> Path:
    """A study whose seeds came to these accuracies out of domain, held from these steps on."""
    for seed, (accuracy, step) in enumerate(ends):
        run = folder / f"seed-{seed}"
        run.mkdir(parents=True)
        held = {"sustained": {"steps": 100 + seed}, "verdict": "generalized"}
        late = {"sustained": None if step is None else {"steps": step}, "verdict": "censored"}
        splits = {"iid": 1.0, "ood": accuracy}
        evaluation = {
            "threshold": 0.9,
            "step": 2000,
            "memorized": held,
            "held_out": {"iid": held, "ood": late},
            "splits": {
                name: {"accuracy": value, "examples": 1200, "majority_baseline": 0.25} for name, value in splits.items()
            },
        }
        manifest = {
            "dataset": {"id": "d" * 16, "uri": "/home/somebody/data"},
            "hardware": {"processor": "AMD EPYC"},
            "git": {"commit": "c" * 40},
            "cpu_seconds": 30.0 + seed,
        }
        (run / "evaluation.json").write_text(json.dumps(evaluation))
        (run / "manifest.json").write_text(json.dumps(manifest))
    return folder


def test_a_row_is_a_study_and_is_replaced_when_it_is_kept_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(realfacts, "RESULTS", tmp_path / "real-facts.csv")
    assert realfacts.keep("b, shuffled", study_of(tmp_path / "b", [(0.1, None)])) == 1
    assert realfacts.keep("a", study_of(tmp_path / "first", [(0.2, None)])) == 1
    assert realfacts.keep("a", study_of(tmp_path / "again", [(0.95, 1500), (0.875, None), (0.91, 1250)])) == 3
    assert "/home" not in realfacts.RESULTS.read_text()
    a, b = realfacts.real_facts().splitlines()[2:]
    assert a.startswith("| `a` | 0.9 | 100 to 102 | 31 | 1.000; held by 3 of 3 seeds, from step 100 to 102 | 0.875 to ")
    assert a.endswith(" to 0.950; held by 2 of 3 seeds, from step 1,250 to 1,500 | 0.25 of 1,200 |")
    assert b.startswith(
        "| `b`, shuffled | 0.9 | 100 | 30 | 1.000; held by 1 of 1 seeds, from step 100 | 0.100; held by 0 "
    )


def test_without_results_there_is_no_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(realfacts, "RESULTS", tmp_path / "real-facts.csv")
    with pytest.raises(LookupError, match="no seed"):
        realfacts.keep("a", tmp_path)
    with pytest.raises(LookupError, match="no rows"):
        realfacts.real_facts()
