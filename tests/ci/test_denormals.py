"""`ci/bench denormals` at toy size: that the two do what they say, never how fast either is."""

from __future__ import annotations

from ci.benchmarks.denormals import measure_denormals


def test_state_of_dead_gradients_stays_denormal_for_good_unless_it_counts_as_zero() -> None:
    sizes = ["model.width=8", "model.layers=1", "training.batch_size=8"]
    found = measure_denormals("modular-multiplication", sizes, steps=1100, rounds=2, burst=2)

    assert found["denormal"]["kept"] > 0
    assert found["denormal"]["flushed"] == 0
    assert {name: len(times) for name, times in found["seconds_per_step"].items()} == {"kept": 2, "flushed": 2}
    assert found["ratio"] > 0
