"""`ci/bench --accelerators` at toy size: what it measures and says, never how fast anything is."""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any

import pytest

from ci.benchmarks import accelerators
from ci.benchmarks.__main__ import main
from ci.benchmarks.accelerators import AGAIN, TARGETS, VARIANTS, Turns, compare_accelerators
from ci.benchmarks.cases import Case
from grokcore.acceleration.catalog import METHODS


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The results of all methods on the smallest model, as the command writes them; read only."""
    folder = tmp_path_factory.mktemp("results")
    assert main(["--accelerators", "--quick", "--models", "smoke", "--repeats", "2", "--out", str(folder)]) == 0
    (path,) = folder.glob("*-accelerators.json")
    found: dict[str, Any] = json.loads(path.read_text())
    assert path.with_suffix(".md").read_text().startswith("# Overhead of accelerators\n")
    return found


def test_every_method_that_acts_in_a_step_is_measured(document: dict[str, Any]) -> None:
    (smoke,) = document["accelerators"]
    assert [row["variant"] for row in smoke["rows"]] == list(VARIANTS)
    acting = {method.name for method in METHODS if "training." in " ".join(method.fields)}
    assert acting | {AGAIN, "momentum"} == set(VARIANTS)
    assert document["settings"] == {"device": "cpu", "threads": 1}
    assert smoke["unit"] == "CPU milliseconds"
    assert smoke["rounds"] == 2
    for row in smoke["rows"]:
        assert row["milliseconds_per_step"] > 0
        low, high = row["overhead_percent_quartiles"]
        assert low <= row["overhead_percent"] <= high
        assert row["target_percent"] is None
    flops = {row["variant"]: row["flops_percent"] for row in smoke["rows"]}
    assert flops[AGAIN] == flops["lion"] == 0
    assert flops["muon"] > flops["grokfast"] > 0


def test_an_overhead_is_the_ratio_to_the_turns_of_adamw_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a scripted clock: AdamW takes 1 s a step, growing by 1 % a turn, and the other 1.5 times as long."""
    times = iter([1.0, 1.0, 1.5, 1.0, 1.5 * 1.01, 1.02, 1.5 * 1.03, 1.04, 1.5 * 1.05, 1.06, 1.5 * 1.07, 1.08])
    seen: list[float] = []

    def scripted(step: object, clock: object, steps: int) -> float:
        seen.append(next(times))
        return seen[-1]

    monkeypatch.setattr(accelerators, "_seconds", scripted)
    turns = Turns(rounds=3, burst_seconds=0.05)
    found = compare_accelerators(
        Case("smoke", "gpt2", "answer"), device="cpu", threads=1, turns=turns, variants=["grokfast"]
    )
    (row,) = found["rows"]
    # 10 + 10 steps to find the number of steps, a warm-up of the method, then AdamW, method, AdamW in each round.
    before, mine, after = seen[3::3], seen[4::3], seen[5::3]
    expected = [2 * one / (low + high) for low, one, high in zip(before, mine, after, strict=True)]
    assert row["overhead_percent"] == pytest.approx(100 * (statistics.median(expected) - 1))
    assert found["milliseconds_of_adamw"] == pytest.approx(1000 * statistics.median(before))


def test_targets_are_those_of_the_demo_and_are_judged_there(monkeypatch: pytest.MonkeyPatch) -> None:
    assert accelerators.TARGET_MODEL == "demo"
    assert set(TARGETS) <= set(VARIANTS)
    monkeypatch.setattr(accelerators, "TARGET_MODEL", "smoke")
    monkeypatch.setattr(accelerators, "TARGETS", {"grokfast": 1000, "normalize": -1000})
    found = compare_accelerators(
        Case("smoke", "gpt2", "answer"),
        device="cpu",
        threads=1,
        turns=Turns(rounds=2, burst_seconds=0.01),
        variants=["grokfast", "normalize", AGAIN],
    )
    assert [row["reached"] for row in found["rows"]] == [True, False, None]


def test_an_unknown_method_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--accelerators", "--variants", "grokfst", "--out", str(tmp_path)]) == 2
    assert "there is no variant 'grokfst': did you mean grokfast?" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
