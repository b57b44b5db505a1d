"""Wait for a run to end, across outages and token changes."""

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
    pending: float | None = None,
    notify: Callable[[str], None] = lambda line: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> Run:
    """Wait until the run has ended, in whatever state, and return it.

    Args:
        timeout: maximum seconds to wait; None for no limit.
        poll: seconds between status requests.
        patience: seconds to tolerate an outage or an expired token, once a first request has succeeded.
        pending: seconds after which a run is canceled if no node has taken the pod of one of its tasks, which no
            deadline of Kubernetes ends; None for no limit.
        notify: called with a line at each change of state.

    Raises:
        RunCancelledError: no node took a task for `pending` seconds; names what was asked for.
        StillRunningError: the timeout is over; the run continues.
        ApiError: the API refused, or an outage lasted longer than `patience`.
    """
    end = None if timeout is None else clock() + timeout
    state, away = "", None
    waiting: dict[str, float] = {}
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
                notify(f"still waiting: {error}")
                away = clock()
        else:
            if away is not None:
                notify("the API is back")
                away = None
            if run.state != state:
                state = run.state
                notify(f"{state.lower()}{_progress(run)}")
            if run.ended:
                return run
            if pending is not None:
                names = {task.name for task in run.tasks if task.state == "PENDING" and task.pod}
                waiting = {name: waiting.get(name, clock()) for name in names}
                for name, since in waiting.items():
                    if clock() - since >= pending:
                        api.terminate_run(run_id)
                        raise RunCancelledError(
                            f"run {run_id} was canceled, since no node took {name} within {pending:g} s: the form "
                            f"asked for {_asked_for(run)}"
                        )
        left = poll if end is None else min(poll, end - clock())
        if left <= 0:
            raise StillRunningError(
                f"run {run_id} is {state.lower() or 'unknown'} after {timeout:g} s; it continues: "
                f"grokcore pipeline wait {run_id}"
            )
        sleep(left)


_RESOURCES = ("nodes", "gpu_type", "gpu_count", "cpu_limit", "memory_limit", "node_selector", "tolerations")


def _asked_for(run: Run) -> str:
    given = {name: run.parameters[name] for name in _RESOURCES if name in run.parameters}
    return ", ".join(f"{name} {value}" for name, value in given.items()) or "no particular resources"


def check_outcome(run: Run, page: str) -> None:
    """Raise unless the run has succeeded.

    Raises:
        RunFailedError: the run failed.
        RunCancelledError: the run was canceled.
    """
    if run.state in FAILED:
        failed = [task.name for task in failed_tasks(run)]
        which = f" in {', '.join(dict.fromkeys(failed))}" if failed else ""
        why = f": {run.error}" if run.error else ""
        raise RunFailedError(f"run {run.id} failed{which}{why}; task logs: {page}")
    if run.state in CANCELLED:
        raise RunCancelledError(f"run {run.id} was canceled: {page}")


def failed_tasks(run: Run) -> list[Task]:
    """Tasks that failed themselves, without the enclosing tasks that fail with them."""
    failed = [task for task in run.tasks if task.state in FAILED]
    enclosing = {task.parent for task in failed if task.parent}
    ids = {task.id for task in failed} | {task.pod for task in failed if task.pod}
    return [task for task in failed if task.id not in enclosing and not ids.intersection(task.children)]


def failure_lines(run: Run) -> Iterator[str]:
    """Describe each failed task in a line."""
    for task in failed_tasks(run):
        pod = f" (pod {task.pod})" if task.pod else ""
        yield f"{task.name} failed{pod}: {task.error or 'see its log for the reason'}"


def _progress(run: Run) -> str:
    running = sorted({task.name for task in run.tasks if task.state == "RUNNING" and not task.children})
    return f": {', '.join(running)}" if running and not run.ended else ""


__all__ = ["ApiError", "check_outcome", "failed_tasks", "failure_lines", "wait"]
