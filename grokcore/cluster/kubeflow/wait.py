"""Wait for a run to end, over outages and changes of the token."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from grokcore.cluster.kubeflow.api import KubeflowApi
from grokcore.cluster.kubeflow.errors import (
    ApiError,
    AuthError,
    RunCancelledError,
    RunFailedError,
    StillRunningError,
    UnavailableError,
)
from grokcore.cluster.kubeflow.records import CANCELLED, FAILED, Run, Task


def wait(
    api: KubeflowApi,
    run_id: str,
    *,
    timeout: float | None = None,
    poll: float = 10.0,
    patience: float = 300.0,
    notify: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """The run in the state that it has ended in, whichever it is.

    Args:
        timeout: seconds to wait at most; None waits as long as it takes.
        poll: seconds between two looks.
        patience: seconds of an outage, or of a token that is not taken any more, that are waited through once the
            first look has succeeded.
        notify: called with a line at each change.

    Raises:
        StillRunningError: the timeout is over; the run goes on.
        ApiError: the API refused, or an outage lasted longer than the patience.
    """
    end = None if timeout is None else clock() + timeout
    state, away = "", None
    while True:
        try:
            run = api.run(run_id)
        except (UnavailableError, AuthError) as error:
            passing = isinstance(error, UnavailableError) or (
                error.status == 401 and api.connection.token is not None and api.connection.token.can_change
            )
            if not passing or not state or (away is not None and clock() - away > patience):
                raise
            if away is None:
                notify(f"waiting on: {error}")
                away = clock()
        else:
            if away is not None:
                notify("the API answers again")
                away = None
            if run.state != state:
                state = run.state
                notify(f"{state.lower()}{_told(run)}")
            if run.ended:
                return run
        left = poll if end is None else min(poll, end - clock())
        if left <= 0:
            raise StillRunningError(
                f"run {run_id} is {state.lower() or 'unknown'} after {timeout:g} s; it goes on: "
                f"grokcore pipeline wait {run_id}"
            )
        sleep(left)


def check_outcome(run: Run, page: str) -> None:
    """
    Raises:
        RunFailedError: the run has failed.
        RunCancelledError: it was cancelled.
    """
    if run.state in FAILED:
        failed = [task.name for task in failed_tasks(run)]
        which = f" in {', '.join(dict.fromkeys(failed))}" if failed else ""
        why = f": {run.error}" if run.error else ""
        raise RunFailedError(f"run {run.id} failed{which}{why}; the logs of its tasks are at {page}")
    if run.state in CANCELLED:
        raise RunCancelledError(f"run {run.id} was cancelled: {page}")


def failed_tasks(run: Run) -> list[Task]:
    """The tasks that failed themselves: not those around them, which fail with what is in them."""
    failed = [task for task in run.tasks if task.state in FAILED]
    around = {task.parent for task in failed if task.parent}
    ids = {task.id for task in failed} | {task.pod for task in failed if task.pod}
    return [task for task in failed if task.id not in around and not ids.intersection(task.children)]


def failure_lines(run: Run) -> Iterator[str]:
    """A line for each task that failed."""
    for task in failed_tasks(run):
        pod = f" (pod {task.pod})" if task.pod else ""
        yield f"{task.name} failed{pod}: {task.error or 'Kubeflow gives no reason; its log has it'}"


def _told(run: Run) -> str:
    going = sorted({task.name for task in run.tasks if task.state == "RUNNING" and not task.children})
    return f": {', '.join(going)}" if going and not run.ended else ""


__all__ = ["ApiError", "check_outcome", "failed_tasks", "failure_lines", "wait"]
