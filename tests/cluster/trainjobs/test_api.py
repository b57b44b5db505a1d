"""State of a TrainJob, read from the conditions of Trainer and Kueue; retries."""

from __future__ import annotations

from typing import Any

import pytest

from grokcore.cluster.trainjobs.api import JobState
from grokcore.cluster.trainjobs.connection import Patience
from grokcore.errors import StoppedError, TransientError


def job(*conditions: tuple[str, str], ready: int = 0, suspend: bool = False, queue: str = "") -> dict[str, Any]:
    return {
        "metadata": {"name": "job", "labels": {"kueue.x-k8s.io/queue-name": queue} if queue else {}},
        "spec": {"suspend": suspend},
        "status": {
            "conditions": [
                {"type": kind, "status": status, "reason": "Reason", "message": "why"} for kind, status in conditions
            ],
            "jobsStatus": [{"name": "node", "ready": ready}],
        },
    }


@pytest.mark.parametrize(
    ("found", "phase", "words"),
    [
        ({"metadata": {}, "spec": {}}, "waiting", "its pods"),
        (job(), "waiting", "its pods"),
        (job(ready=1), "training", "running"),
        (job(suspend=True, queue="lab"), "waiting", "in the queue lab"),
        (job(("Suspended", "True")), "waiting", "somebody resumes it"),
        (job(("Suspended", "False"), ready=1), "training", "running"),
        (job(("Complete", "True"), ready=1), "complete", "complete"),
        (job(("Suspended", "False"), ("Failed", "True")), "failed", "Reason: why"),
        (job(("Failed", "False"), ready=1), "training", "running"),
    ],
)
def test_the_state_of_a_job(found: dict[str, Any], phase: str, words: str):
    state = JobState.of(found)
    assert state.phase == phase
    assert words in state.reason


def test_patience_ends_at_once_when_it_is_told_to():
    def stop() -> None:
        raise StoppedError("stopped")

    def fails() -> None:
        raise TransientError("out of reach")

    with pytest.raises(StoppedError):
        Patience(60, check_stop=stop).ask(fails)


def test_patience_counts_failures_in_a_row_only():
    answers = iter([False, True, False, True])
    told: list[str] = []

    def now_and_then() -> bool:
        if not next(answers):
            raise TransientError("out of reach")
        return True

    patience = Patience(0.05, first_pause=0.2, notify=told.append)  # longer than it may last in a row
    assert patience.ask(now_and_then)
    assert patience.ask(now_and_then)
    assert told == ["out of reach; trying again", "Kubernetes is back"] * 2
