"""Where the learning rate ends: the last step that changes a weight."""

from __future__ import annotations

import time
from typing import Any

import pytest

from grokcore.errors import InputError
from grokcore.spec import TrainingSpec, load_spec
from grokcore.spec.schedule import last_change, learning_rate_at, share_of_peak


@pytest.mark.parametrize("schedule", ["linear", "cosine"])
@pytest.mark.parametrize(("warmup", "end"), [(0, 1), (0, 60), (10, 110), (200, 3500)])
def test_the_rate_is_0_from_the_last_change_on_and_not_before(schedule: Any, warmup: int, end: int) -> None:
    training = TrainingSpec(schedule=schedule, schedule_steps=end, warmup_steps=warmup)
    assert last_change(training) == end
    assert learning_rate_at(end - 1, training) > 0 == learning_rate_at(end, training)
    assert (share_of_peak(warmup, training), share_of_peak(end, training)) == (1, 0)


@pytest.mark.parametrize(
    "training",
    [
        {},
        {"warmup_steps": 10**6},
        {"schedule": "cosine", "schedule_steps": 60, "schedule_floor": 0.01},
        {"schedule": "step", "drop_steps": (10, 20)},
        {"schedule": "phase", "drop_on": [{"phase": "memorized"}]},
        {"schedule": "constant", "schedule_steps": 60},
    ],
)
def test_other_schedules_never_end(training: dict[str, Any]) -> None:
    assert last_change(TrainingSpec(**training), drops=(5, 50)) is None


def test_drops_that_leave_nothing_end_the_rate() -> None:
    dropping = {"learning_rate": 1e-3, "drop_factor": 1e-200}
    assert last_change(TrainingSpec(**dropping, schedule="step", drop_steps=(700, 30))) == 700
    by_phase = TrainingSpec(**dropping, schedule="phase", drop_on=[{"phase": "memorized"}])
    assert [last_change(by_phase, drops) for drops in ((), (40,), (40, 90))] == [None, None, 90]


def test_the_longest_schedule_that_is_allowed_is_searched_at_once() -> None:
    begin = time.process_time()
    end = last_change(TrainingSpec(schedule="linear", schedule_steps=2**53))
    assert end is not None
    assert 2**53 - end < 10
    assert time.process_time() - begin < 0.1
    for field in ("schedule_steps", "warmup_steps", "max_steps", "drop_steps"):
        value = 10**400 if field != "drop_steps" else f"[{10**400}]"
        with pytest.raises(InputError, match=rf"training\.{field}"):
            load_spec("smoke", [f"training.{field}={value}"])
