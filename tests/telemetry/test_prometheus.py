"""Samples of several seeds become one set, whose size does not grow with them."""

from __future__ import annotations

import json
from bisect import bisect_left

from grokcore.telemetry.metrics import STEP_SECONDS
from grokcore.telemetry.prometheus import Distribution, Durations, Samples, combine, decode, encode

STEP = "grokking_step_duration_seconds"


def seed(number: int, accuracy: float | None, sustained: int | None, steps: int = 10) -> Samples:
    durations = Durations(STEP)
    durations.add(0.003, steps)
    return {
        ("grokking_run_info", f"id{number}", "demo", "gpt2", "comparison", str(number), "1"): 1.0,
        ("grokking_accuracy_ratio", "ood"): accuracy,
        ("grokking_phase", "ood", "sustained"): float(sustained is not None),
        ("grokking_sustained_step", "ood", "sustained"): sustained,
        ("grokking_train_steps_total",): steps,
        (STEP,): durations.read(),
        ("grokking_last_step_timestamp_seconds",): 1000.0 + number,
    }


def test_one_seed_stays_as_it_is() -> None:
    assert combine([seed(3, 0.5, None)]) == seed(3, 0.5, None)


def test_nothing_is_shown_of_nothing() -> None:
    assert combine([]) == {}


def test_gauges_are_medians_and_the_spread_stands_beside_them() -> None:
    together = combine([seed(0, 0.2, None), seed(1, 0.9, None), seed(2, 0.4, None)])
    assert together["grokking_accuracy_ratio", "ood"] == 0.4
    spread = {key[2]: value for key, value in together.items() if key[0] == "grokking_replica_accuracy_ratio"}
    assert spread == {"0": 0.2, "0.5": 0.4, "1": 0.9}


def test_a_phase_has_begun_once_half_of_the_seeds_are_in_it() -> None:
    none, one, two = seed(0, 0.1, None), seed(1, 0.9, 700), seed(2, 0.9, 900)
    assert combine([none, none, one])["grokking_phase", "ood", "sustained"] == 0
    assert combine([none, none, one])["grokking_sustained_step", "ood", "sustained"] is None
    assert combine([none, one])["grokking_phase", "ood", "sustained"] == 1
    assert combine([none, one])["grokking_sustained_step", "ood", "sustained"] == 700
    assert combine([none, one, two])["grokking_sustained_step", "ood", "sustained"] == 900


def test_what_is_counted_is_summed_and_of_times_the_latest_counts() -> None:
    together = combine([seed(0, 0.2, None, steps=10), seed(1, 0.9, None, steps=5)])
    assert together["grokking_train_steps_total",] == 15
    durations = together[STEP,]
    assert isinstance(durations, Distribution)
    assert durations.counts[bisect_left(STEP_SECONDS, 0.003)] == sum(durations.counts) == 15
    assert together["grokking_last_step_timestamp_seconds",] == 1001.0


def test_a_value_that_is_no_number_counts_for_nothing() -> None:
    assert combine([seed(0, None, None), seed(1, 0.9, None)])["grokking_accuracy_ratio", "ood"] == 0.9
    assert combine([seed(0, None, None), seed(1, None, None)])["grokking_accuracy_ratio", "ood"] is None


def test_no_series_is_that_of_a_single_seed() -> None:
    few, many = ({len(combine([seed(number, 0.5, None) for number in range(count)]))} for count in (2, 32))
    assert few == many
    [info] = [key for key in combine([seed(0, 0.5, None), seed(1, 0.5, None)]) if key[0] == "grokking_run_info"]
    assert info == ("grokking_run_info", "several", "demo", "gpt2", "comparison", "several", "1")


def test_they_travel_as_json() -> None:
    samples = seed(0, None, None)
    assert decode(json.loads(json.dumps(encode(samples), allow_nan=False))) == samples


def test_a_duration_falls_into_the_bucket_whose_bound_it_reaches() -> None:
    durations = Durations(STEP)
    for seconds in (0.001, 0.0011, 99.0):
        durations.add(seconds)
    counts = durations.read().counts
    assert counts[STEP_SECONDS.index(0.001)] == 1
    assert counts[STEP_SECONDS.index(0.002)] == 1
    assert counts[-1] == 1
