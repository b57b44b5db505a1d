"""Curves of several runs as one with a band."""

from __future__ import annotations

from grokcore.evaluation.samples import band_of
from grokcore.spec import load_spec
from tests.evaluation.made_up import record


def run(seed: int, accuracy: float | None, max_steps: int = 30):  # type: ignore[no-untyped-def]
    spec = load_spec("smoke", ["training.precision=fp32", f"seed={seed}", f"training.max_steps={max_steps}"])
    return record(spec, lambda step: 1.0, {"test_inferred_ood": lambda step: accuracy})


def test_a_band_is_the_median_and_the_spread_of_the_runs_at_each_step() -> None:
    band = band_of(
        [run(seed, accuracy) for seed, accuracy in enumerate((0.1, 0.2, 0.3, 0.4, 0.9))], "test_inferred_ood"
    )
    assert set(band.median) == {0.3}
    assert (band.lower[0], band.upper[0]) == (0.1, 0.9), "of five runs no fewer than all make 80 %"
    assert set(band.runs) == {5}


def test_a_band_holds_at_least_the_share_of_runs_that_it_says() -> None:
    for number in (1, 2, 3, 9, 10, 11, 20, 25):
        accuracies = [(place + 1) / 100 for place in range(number)]
        band = band_of([run(seed, accuracy) for seed, accuracy in enumerate(accuracies)], "test_inferred_ood")
        inside = [accuracy for accuracy in accuracies if band.lower[0] <= accuracy <= band.upper[0]]
        assert len(inside) >= 0.8 * number
        assert number < 10 or len(inside) < number


def test_steps_that_half_the_runs_did_not_see_are_left_out() -> None:
    band = band_of([run(0, 0.1, 30), run(1, 0.2, 30), run(2, 0.3, 20), run(3, None, 30)], "test_inferred_ood")
    assert band.steps[-1] == 20
    assert set(band.runs) == {3}


def test_the_training_set_has_a_band_too_and_a_single_run_no_spread() -> None:
    band = band_of([run(0, 0.5)], "train")
    assert band.lower == band.median == band.upper
    assert set(band.median) == {1.0}


def test_all_runs_lie_within_the_whole_band() -> None:
    band = band_of([run(0, 0.1), run(1, 0.5), run(2, 0.9)], "test_inferred_ood", spread=1)
    assert (band.lower[0], band.upper[0]) == (0.1, 0.9)
