"""The sweeps that come with grokcore."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from grokcore.claims import LEDGER
from grokcore.sweeps import expand, load_sweep, sweep_names
from grokcore.training.costs import relative_step_time

NAMES = sweep_names()
SMALL = [name for name in NAMES if name.endswith("-small")]


@pytest.mark.parametrize("name", NAMES)
def test_every_sweep_loads_expands_and_says_what_it_is(name: str) -> None:
    sweep = load_sweep(name)
    assert sweep.name == name
    assert len(sweep.description) > 20
    assert len(expand(sweep)) > 1


OF_THESIS = {
    "accelerators-demo": "accelerators",
    "accelerators-delay": "accelerators",
    "accelerators-modular": "accelerators",
}
"""Sweeps on small presets that take longer than minutes, by the large sweep that varies the same."""
ALONE = {"accelerators-composition"}
"""On a small preset, of levers that the thesis' task does not have."""


@pytest.mark.parametrize("name", [name for name in NAMES if name not in {*SMALL, *OF_THESIS, *ALONE}])
def test_every_sweep_has_a_small_version_that_varies_the_same(name: str) -> None:
    sweep = load_sweep(name)
    for other in [one for one, large in OF_THESIS.items() if large == name] or [f"{name}-small"]:
        small = load_sweep(other)
        assert sweep.claims == small.claims
        varied = [{field for point in expand(one) for field in point.settings} for one in (sweep, small)]
        assert varied[0] == varied[1]


@pytest.mark.parametrize("name", NAMES)
def test_a_sweep_whose_learning_rate_falls_says_so(name: str) -> None:
    sweep = load_sweep(name)
    points = expand(sweep)
    falls = {point.spec.training.schedule for point in points} & {"linear", "cosine", "step"}
    varied = any("training.schedule" in point.settings for point in points)
    assert not falls or varied or "learning rate falls" in sweep.description


_SECONDS_PER_FLOP = 16e-12
"""Of GPT-2 with 2 layers of width 64 on one core of an AMD EPYC without AVX-512: 25 ms for the 1.6 GFLOP of a step."""


@pytest.mark.parametrize("name", SMALL)
def test_small_ones_take_minutes_on_two_cores(name: str) -> None:
    """By arithmetic, data sets and evaluations left out."""
    sweep, seconds = load_sweep(name), 0.0
    for point in expand(sweep):
        training = point.spec.training
        assert training.precision == "fp32"
        info = SimpleNamespace(vocabulary_size=300, sequence_length=5, supervised=())
        trials = sweep.tuning.trials * len(sweep.tuning.seeds) * sweep.tuning.steps if sweep.tuning else 0
        steps = training.max_steps * len(sweep.seeds) + trials
        seconds += relative_step_time(point.spec, info) * steps * _SECONDS_PER_FLOP  # type: ignore[arg-type]
    assert seconds / 2 < 25 * 60


def test_every_claim_has_a_sweep_that_is_meant_for_it_in_full_and_in_small() -> None:
    claims = {claim.id for claim in LEDGER}
    assert len(claims) == 32
    for names in (SMALL, set(NAMES) - set(SMALL)):
        meant = {claim for name in names for claim in load_sweep(name).claims}
        assert claims <= meant
        assert meant <= {claim.id for claim in LEDGER}, "no sweep names a claim that there is not"
