"""Pipelines whose failures are pushed: their tasks in an exit handler."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Any

from kfp import dsl

from components.monitoring.report_outcome import report_outcome
from grokcore.kfp import WORKFLOW, reporting_failure


def reported_pipeline(name: str, *, told_apart_by: str = "schedule") -> Callable[[Callable[..., Any]], Any]:
    """Decorate a function as dsl.pipeline does, and run its tasks in an exit handler that pushes a failure.

    The tasks are a pipeline inside the exit handler: the compiler would not pass on parameters that only the resources
    of a task depend on, such as `memory_limit`.

    Args:
        name: of the pipeline.
        told_apart_by: the parameter that names the run's schedule or champion.
    """

    def decorate(function: Callable[..., Any]) -> Any:
        tasks = dsl.pipeline(name=f"{name}-tasks")(function)
        parameters = tuple(inspect.signature(function).parameters)

        @wraps(function)
        def in_exit_handler(*values: Any) -> None:
            form = dict(zip(parameters, values, strict=True))
            outcome = report_outcome(schedule=form[told_apart_by], run_name=dsl.PIPELINE_JOB_NAME_PLACEHOLDER)
            with reporting_failure(outcome, name):
                tasks(**form)

        return dsl.pipeline(name=name, pipeline_config=WORKFLOW)(in_exit_handler)

    return decorate
