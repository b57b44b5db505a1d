"""The parts of the benchmark that compare losses, telemetry and models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ci.benchmarks.__main__ import main
from ci.benchmarks.cases import Case
from ci.benchmarks.losses import compare_times, largest_difference
from ci.benchmarks.models import MODELS, compare_models
from ci.benchmarks.rounds import Effort
from ci.benchmarks.table import losses_markdown, other_parts, speed_markdown
from ci.benchmarks.telemetry import compare_telemetry
from grokcore.models import ARCHITECTURES


def test_losses_are_compared_with_the_spread_of_the_seeds() -> None:
    curves = {
        "answer": [[0.0, 0.2, 1.0], [0.0, 0.4, 1.0]],
        "answer_and_eos": [[0.0, 0.5, 1.0], [0.0, 0.7, 1.0]],
    }
    found = largest_difference(curves, [0, 100, 200])
    assert found["means"] == {"accuracy": pytest.approx(0.3), "at_step": 100}
    assert found["seeds"] == {"accuracy": pytest.approx(0.2)}
    assert found["beyond_seeds"] == {"accuracy": pytest.approx(0.2), "at_step": 100}  # .6 lies .2 above .4


def test_a_mean_inside_the_others_band_is_not_beyond_it() -> None:
    curves = {"answer": [[0.2], [0.8]], "answer_and_eos": [[0.4], [0.7]]}
    assert largest_difference(curves, [100])["beyond_seeds"]["accuracy"] == 0


def test_times_to_grok_are_compared_seed_by_seed() -> None:
    assert compare_times({"answer": [100, 200, None], "answer_and_eos": [200, 400, 100]}) == {
        "pairs": 2,
        "ratio": pytest.approx(2),
        "p_value": 0.5,  # of 4 ways to swap, the observed one and its mirror image
    }
    balanced = compare_times({"answer": [100, 200], "answer_and_eos": [200, 100]})
    assert (balanced["ratio"], balanced["p_value"]) == (pytest.approx(1), 1)
    assert compare_times({"answer": [None], "answer_and_eos": [100]})["ratio"] is None


@pytest.mark.extended
def test_both_losses_are_trained_from_the_same_seeds(tmp_path: Path) -> None:
    options = ["--presets", "smoke", "--seeds", "1", "--set", "training.max_steps=4"]
    assert main(["losses", *options, "--out", str(tmp_path)]) == 0
    (path,) = tmp_path.glob("*-losses.json")
    found = json.loads(path.read_text())
    (comparison,) = found["comparisons"]
    assert comparison["steps"][-1] == 4
    assert set(comparison["splits"]) == {"train", "test_inferred_iid", "test_inferred_ood"}
    for split in comparison["splits"].values():
        assert set(split["mean_accuracy"]) == {"answer", "answer_and_eos"}
        assert all(len(curve) == len(comparison["steps"]) for curve in split["mean_accuracy"].values())
    assert losses_markdown(found) == path.with_suffix(".md").read_text()


def test_being_watched_is_measured_in_turns() -> None:
    found = compare_telemetry(Case("smoke", "gpt2", "answer"), device="cpu", threads=1, pairs=2, seconds=0.1)
    assert len(found["seconds_per_step"]["scraped"]) == 2
    assert len(found["seconds_per_step"]["alone"]) == 3
    assert 0 < found["seconds_of_bookkeeping_per_step"] < 1e-3
    [line] = other_parts({"telemetry": found})
    assert line.startswith("`smoke` scraped every 1 s: ")


@pytest.mark.extended
def test_models_are_timed_against_the_gpt2_of_equal_parameters() -> None:
    chosen = ("mamba", "shared blocks, twice")
    effort = Effort(repeats=2, burst_seconds=0.05, most_seconds=5)

    found = compare_models(Case("smoke", "gpt2", "answer"), device="cpu", threads=1, effort=effort, models=chosen)

    mamba, shared = found["rows"]
    gpt2 = found["gpt2"]
    assert (gpt2["layers"], mamba["layers"], shared["layers"]) == (2, 3, 2)
    assert shared["parameters_without_embeddings"] == gpt2["parameters_without_embeddings"]
    assert shared["flops_per_step"] > 1.8 * gpt2["flops_per_step"]
    for row in found["rows"]:
        assert row["repeats"] == 2
        assert row["times_as_long_as_gpt2"] > 0
    page = speed_markdown({**EMPTY, "models": found})
    assert "| mamba | 3 |" in page
    assert set(ARCHITECTURES) - {"gpt2"} < set(MODELS)


EMPTY: dict[str, Any] = {
    "date": "2026-11-21",
    "machine": {
        "versions": {},
        "commit": None,
        "uncommitted_changes": False,
        "gpu": None,
        "processor": "x",
        "cores": 2,
    },
    "settings": {"threads": 1},
    "peak_flops": {},
    "rows": [],
    "failures": [],
    "targets": [],
}
