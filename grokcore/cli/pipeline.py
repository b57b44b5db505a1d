"""`grokcore pipeline`: compile pipelines, and run them on Kubeflow Pipelines."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from grokcore.cli.pipeline_options import api_of, package_of, parameters_of
from grokcore.cli.pipeline_output import (
    print_json,
    run_record,
    schedule_record,
    schedule_row,
    shown_time,
    task_record,
)
from grokcore.cli.specs import say
from grokcore.cluster.kubeflow.connection import TIME_ZONE
from grokcore.cluster.kubeflow.naming import commit_of_code, run_name, subject_of
from grokcore.cluster.kubeflow.package import read_package
from grokcore.errors import InputError, StoppedError
from grokcore.local import compiled_pipeline, pipeline_names
from grokcore.storage import clear_errors, local_path
from grokcore.terminal.output import print_line, print_text
from grokcore.terminal.tables import print_columns

if TYPE_CHECKING:
    from grokcore.cluster.kubeflow.api import KubeflowApi


def compile_(options: argparse.Namespace) -> None:
    """Write a compiled package, or list all pipelines."""
    if options.pipeline is None:
        if options.images or options.out or options.kubernetes:
            raise InputError(f"name a pipeline: {', '.join(pipeline_names())}")
        packages = [(name, read_package(compiled_pipeline(name))) for name in pipeline_names()]
        print_columns([(name, package.version, package.description) for name, package in packages])
        return
    from grokcore.cluster.kubeflow.package import as_manifest

    package = package_of(options)
    if options.namespace and not options.kubernetes:
        raise InputError("--namespace needs --kubernetes")
    text = as_manifest(package, options.namespace) if options.kubernetes else package.text
    if options.out is None:
        sys.stdout.write(text)
        return
    out = local_path(options.out)
    with clear_errors("write", out):
        out.write_text(text, "utf-8")
    say(f"{package.version} in {out}")


def upload(options: argparse.Namespace) -> None:
    """Upload a package as a version of its pipeline."""
    from grokcore.cluster.kubeflow.submit import upload as upload_

    package = package_of(options)
    api = api_of(options)
    done = upload_(api, package)
    page = api.connection.pipeline_page(done.version.pipeline_id, done.version.id)
    if options.json:
        identity = {"pipeline_id": done.version.pipeline_id, "version_id": done.version.id}
        print_json({**identity, "name": done.version.name, "url": page, "uploaded": done.made})
        return
    say("uploaded" if done.made else "already uploaded, skipped")
    print_columns([("pipeline", package.name), ("version", done.version.name), ("page", page)])


def submit(options: argparse.Namespace) -> None:
    """Start a run, or attach to the run of the same request; wait for it if asked to."""
    package = package_of(options)
    parameters = parameters_of(package, options)
    subject = subject_of(package, parameters, notify=say)
    commit = options.commit or commit_of_code()
    name = run_name(package, str(subject or ""), parameters, commit)
    api = api_of(options)
    from grokcore.cluster.kubeflow.submit import submit as submit_
    from grokcore.cluster.kubeflow.submit import upload as upload_

    done = submit_(
        api,
        name,
        upload_(api, package).version,
        parameters,
        service_account=options.service_account,
        description=f"{package.version} at {commit}",
        again=options.again,
        notify=say,
    )
    page = api.connection.run_page(done.run.id)
    if not done.started:
        say(f"attached to the run of the same request, {done.run.state.lower()} (--again starts a new one)")
    if not options.json:
        print_columns([("run", done.run.id), ("name", name), ("page", page)])
        sys.stdout.flush()
    if options.wait:
        _wait(api, done.run.id, options, started=done.started)
    elif options.json:
        print_json(run_record(done.run, page) | {"started": done.started})


def wait(options: argparse.Namespace) -> None:
    """Wait for a run to end."""
    _wait(api_of(options), options.run, options)


def cancel(options: argparse.Namespace) -> None:
    """Cancel a run, unless it has ended."""
    api = api_of(options)
    run = api.run(options.run)
    if run.active:
        api.terminate_run(run.id)
        run = api.run(run.id)
    else:
        say(f"nothing was canceled: the run is {run.state.lower()}")
    page = api.connection.run_page(run.id)
    if options.json:
        print_json(run_record(run, page))
    else:
        print_line(f"{run.state.lower()}  {page}")


def logs(options: argparse.Namespace) -> None:
    """Print the logs of a run's tasks.

    Raises:
        InputError: the run has no such task.
        ApiError: no log could be read.
    """
    from grokcore.cluster.kubeflow.errors import ApiError

    api = api_of(options)
    run = api.run(options.run)
    tasks = [task for task in run.tasks if task.pod]
    found = [task for task in tasks if options.task in (None, task.name)]
    if not found:
        known = ", ".join(dict.fromkeys(task.name for task in tasks)) or "none so far"
        raise InputError(f"run {run.id} has no task {options.task or 'with a pod'}; its tasks are: {known}")
    read = 0
    for task in found:
        try:
            text = api.log(run.id, task.pod)
        except ApiError as error:
            say(f"no log of {task.name} (pod {task.pod}): {error}")
            continue
        read += 1
        if len(found) > 1:
            print_line(f"==> {task.name} ({task.state.lower()}, pod {task.pod}) <==")
        print_text("\n".join(text.splitlines()[-options.tail :] if options.tail else text.splitlines()))
    if not read:
        raise ApiError(f"no log of run {run.id} could be read; its pods may be gone: {api.connection.run_page(run.id)}")


def schedule(options: argparse.Namespace) -> None:
    """Create, list or remove a recurring run."""
    if options.list:
        _list_schedules(options)
        return
    if options.remove:
        _remove_schedule(options)
        return
    if options.pipeline is None:
        raise InputError(f"name a pipeline: {', '.join(pipeline_names())}")
    if options.cron is None and options.interval is None:
        raise InputError('schedule needs a time: give --cron "30 2 * * 1" or --interval 7d')
    from grokcore.cluster.kubeflow.schedule import interval_seconds, kubeflow_cron

    cron = None if options.cron is None else kubeflow_cron(options.cron)
    interval = None if options.interval is None else interval_seconds(options.interval)
    package = package_of(options)
    name = options.called or package.name
    parameters = parameters_of(package, options)
    if parameters.get("schedule") == "":
        parameters["schedule"] = name
    subject_of(package, parameters, notify=say)
    if parameters.get("new_seeds") == 0:
        say("every run trains the same seeds, and is refused once they were judged: --param new_seeds=5 draws new ones")
    api = api_of(options)
    from grokcore.cluster.kubeflow.schedule import schedule as schedule_
    from grokcore.cluster.kubeflow.submit import upload as upload_

    done = schedule_(
        api,
        name,
        upload_(api, package).version,
        parameters,
        cron=cron,
        interval=interval,
        service_account=options.service_account,
        notify=say,
    )
    when = f"cron {cron} (seconds first), {TIME_ZONE}" if cron is not None else f"every {interval} s"
    page = api.connection.schedule_page(done.schedule.id)
    if options.json:
        print_json(schedule_record(done.schedule, page) | {"made": done.made, "replaced": done.replaced})
        return
    if not done.made:
        say("already scheduled, unchanged")
    elif done.replaced:
        say(f"replaced {done.replaced} earlier schedule{'' if done.replaced == 1 else 's'}")
    print_columns([("schedule", done.schedule.id), ("name", done.schedule.name), ("when", when), ("page", page)])


def list_(options: argparse.Namespace) -> None:
    """List pipelines, schedules and the latest runs."""
    api = api_of(options)
    at = api.connection
    pipelines = [(pipeline, next(api.versions(pipeline.id), None)) for pipeline in api.pipelines()]
    experiment = api.experiment()
    schedules = api.schedules(experiment) if experiment else []
    runs = api.runs(experiment, limit=options.runs) if experiment and options.runs > 0 else []
    if options.json:
        listed = [
            {"id": pipeline.id, "name": pipeline.name, "version": version.name if version else None}
            for pipeline, version in pipelines
        ]
        print_json(
            {
                "pipelines": listed,
                "schedules": [schedule_record(entry, at.schedule_page(entry.id)) for entry in schedules],
                "runs": [run_record(run, at.run_page(run.id)) for run in runs],
            }
        )
        return
    rows = [
        *(
            ("pipeline", pipeline.name, version.name if version else "", shown_time(pipeline.created), pipeline.id)
            for pipeline, version in pipelines
        ),
        *map(schedule_row, schedules),
        *(("run", run.name, run.state.lower(), shown_time(run.created), run.id) for run in runs),
    ]
    if not rows:
        say(f"no pipelines, schedules or runs at {at.host} in the experiment {at.experiment}")
        return
    print_columns([("what", "name", "state", "made", "id"), *rows])


def _list_schedules(options: argparse.Namespace) -> None:
    api = api_of(options)
    experiment = api.experiment()
    found = api.schedules(experiment, name=options.called) if experiment else []
    if options.json:
        print_json([schedule_record(entry, api.connection.schedule_page(entry.id)) for entry in found])
    elif found:
        print_columns([("what", "name", "when", "made", "id"), *map(schedule_row, found)])
    else:
        say(f"no schedules in the experiment {api.connection.experiment}")


def _remove_schedule(options: argparse.Namespace) -> None:
    if options.pipeline is None and options.called is None:
        raise InputError("name the schedule: give its pipeline or --name")
    name = options.called or package_of(options).name
    from grokcore.cluster.kubeflow.schedule import unschedule

    number = unschedule(api_of(options), name, notify=say)
    if options.json:
        print_json({"name": name, "removed": number})
    else:
        print_line(f"removed schedule {name}" if number else f"no schedule {name}: nothing removed")


def _wait(api: KubeflowApi, run_id: str, options: argparse.Namespace, **facts: Any) -> None:
    from grokcore.cluster.kubeflow.wait import check_outcome, failure_lines
    from grokcore.cluster.kubeflow.wait import wait as wait_

    try:
        with _stoppable():
            run = wait_(
                api,
                run_id,
                timeout=options.timeout,
                poll=options.poll,
                patience=options.patience,
                pending=options.pending,
                notify=say,
            )
    except KeyboardInterrupt:
        raise StoppedError(f"stopped waiting; the run continues: grokcore pipeline wait {run_id}") from None
    page = api.connection.run_page(run_id)
    for line in failure_lines(run):
        say(line)
    if options.json:
        print_json(run_record(run, page) | {"tasks": [task_record(task) for task in run.tasks]} | facts)
    check_outcome(run, page)
    if not options.json:
        print_line(f"{run.state.lower()}  {page}")


@contextmanager
def _stoppable() -> Iterator[None]:
    """Treat SIGTERM, which CI systems send to end jobs, like Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():  # only the main thread may handle signals
        yield
        return

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
