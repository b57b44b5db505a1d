"""The argument parser of `grokcore pipeline`."""

from __future__ import annotations

import argparse

from grokcore.cli.arguments import add_overrides
from grokcore.cluster.kubeflow.connection import (
    CA_VARIABLE,
    DEFAULT_EXPERIMENT,
    EXPERIMENT_VARIABLE,
    HOST_VARIABLE,
    NAMESPACE_VARIABLE,
    TIME_ZONE,
    TOKEN_FILE_VARIABLE,
    TOKEN_VARIABLE,
)
from grokcore.cluster.kubeflow.errors import EXIT_CODES

_NAME = "name of a pipeline (listed by grokcore pipeline compile), or path of a compiled package"


def add_pipeline(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `grokcore pipeline ACTION`."""
    pipeline = commands.add_parser(
        "pipeline",
        help="compile, upload, submit, wait for, cancel, schedule and list pipelines on Kubeflow",
        description="Compile pipelines, and run them on an installation of Kubeflow Pipelines.",
        epilog=EXIT_CODES,
    )
    actions = pipeline.add_subparsers(metavar="ACTION", required=True)
    _add_compile(actions)
    _add_upload(actions)
    _add_submit(actions)
    _add_wait(actions)
    _add_cancel(actions)
    _add_logs(actions)
    _add_schedule(actions)
    _add_list(actions)


def _add_compile(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compile_ = _action(
        actions, "compile", "compile_", "write a compiled package, optionally with images pinned by digest"
    )
    compile_.add_argument("pipeline", metavar="NAME", nargs="?", help=f"{_NAME}; omit it to list all pipelines")
    compile_.add_argument("--out", metavar="FILE", help="default: standard output")
    _add_package(compile_)
    compile_.add_argument(
        "--kubernetes",
        action="store_true",
        help="write the Kubernetes resources Pipeline and PipelineVersion, for GitOps",
    )
    compile_.add_argument(
        "--namespace", metavar="NAME", help="namespace of the resources (default: none, set when they are applied)"
    )


def _add_upload(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    upload = _action(actions, "upload", "upload", "upload a pipeline, skipped if the same content is already there")
    upload.add_argument("pipeline", metavar="NAME", help=_NAME)
    _add_package(upload)
    _add_connection(upload)
    upload.add_argument("--json", action="store_true", help="print JSON")


def _add_submit(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    submit = _action(
        actions,
        "submit",
        "submit",
        "start a run, or attach to the run that the same request started before",
        note="The name of a run is made of the pipeline, the experiment and its id, the commit and a digest of the "
        "request. If a run of that name is active or has succeeded, the command attaches to it instead of starting "
        "another. To run a retraining every time, give it its own --param run_key=... or --again.",
    )
    submit.add_argument("pipeline", metavar="NAME", help=_NAME)
    _add_package(submit)
    _add_parameters(submit)
    submit.add_argument("--again", action="store_true", help="start a new run in any case")
    submit.add_argument(
        "--commit",
        metavar="SHA",
        help="commit in the run's name (default: of grokcore's checkout, else from the CI system)",
    )
    submit.add_argument("--wait", action="store_true", help="wait for the run to end, and exit with its outcome")
    _add_waiting(submit)
    _add_connection(submit)
    submit.add_argument("--json", action="store_true", help="print JSON")


def _add_wait(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    wait = _action(actions, "wait", "wait", "wait for a run to end, and exit with its outcome")
    wait.add_argument("run", metavar="RUN_ID", help="id of the run, printed by submit")
    _add_waiting(wait)
    _add_connection(wait)
    wait.add_argument("--json", action="store_true", help="print the run, its tasks and outputs as JSON")


def _add_cancel(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    cancel = _action(
        actions,
        "cancel",
        "cancel",
        "cancel a run",
        note="Its tasks are stopped and its TrainJob is deleted. A training saves first, and the same run_key resumes "
        "it.",
    )
    cancel.add_argument("run", metavar="RUN_ID", help="id of the run, printed by submit")
    _add_connection(cancel)
    cancel.add_argument("--json", action="store_true", help="print JSON")


def _add_logs(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    logs = _action(actions, "logs", "logs", "print the logs of a run's tasks")
    logs.add_argument("run", metavar="RUN_ID", help="id of the run, printed by submit")
    logs.add_argument("--task", metavar="NAME", help="name of the task, such as train-model (default: all)")
    logs.add_argument("--tail", type=_lines, metavar="N", help="print the last N lines of each log (default: all)")
    _add_connection(logs)


def _add_schedule(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    schedule = _action(
        actions,
        "schedule",
        "schedule",
        "run a pipeline on a schedule",
        note="Names of schedules are unique: an identical request changes nothing, a different one "
        "replaces the schedule. "
        f"Runs of a schedule never overlap, and missed times are not made up for. Times are {TIME_ZONE}.",
    )
    schedule.add_argument("pipeline", metavar="NAME", nargs="?", help=_NAME)
    when = schedule.add_mutually_exclusive_group()
    when.add_argument(
        "--cron",
        metavar="FIELDS",
        help='five fields as in crontab, such as "30 2 * * 1", or six with seconds first; at most once a minute',
    )
    when.add_argument("--interval", metavar="TIME", help="time between runs, in seconds or as 90m, 6h, 7d")
    when.add_argument("--list", action="store_true", help="list the schedules of the experiment")
    when.add_argument("--remove", action="store_true", help="remove the schedule; its active run is left alone")
    schedule.add_argument(
        "--name", dest="called", metavar="TEXT", help="name of the schedule (default: the pipeline's)"
    )
    _add_package(schedule)
    _add_parameters(schedule)
    _add_connection(schedule)
    schedule.add_argument("--json", action="store_true", help="print JSON")


def _add_list(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    list_ = _action(actions, "list", "list_", "list pipelines, schedules and the latest runs")
    list_.add_argument(
        "--runs", type=int, default=20, metavar="N", help="maximum number of runs (default: %(default)s)"
    )
    _add_connection(list_)
    list_.add_argument("--json", action="store_true", help="print JSON")


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, function: str, summary: str, note: str = ""
) -> argparse.ArgumentParser:
    sentence = f"{summary[0].upper()}{summary[1:]}."
    # No abbreviations: `--token SECRET` would be read as --token-file, and the secret printed as a file name.
    parser = actions.add_parser(
        name, help=summary, description=f"{sentence} {note}".strip(), epilog=EXIT_CODES, allow_abbrev=False
    )
    parser.set_defaults(name="pipeline", command=f"pipeline:{function}")
    return parser


def _add_package(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images",
        metavar="FILE",
        help="use the image digests of this lock file, made by ci/build-images --push --lock FILE",
    )
    parser.add_argument(
        "--kfp-version",
        metavar="X.Y",
        help="leave out what an installation of this version, 2.14 or later, does not know (default: 2.17)",
    )


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--preset", metavar="SPEC", help="experiment: name of a preset, or a YAML or JSON file")
    what.add_argument(
        "--sweep", metavar="SPEC", help="sweep, for pipelines that take one: name of a sweep, or a YAML or JSON file"
    )
    add_overrides(parser)
    parser.add_argument(
        "--param",
        dest="parameters",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="parameter of the pipeline, written as in the form of the UI; can be repeated",
    )
    parser.add_argument(
        "--service-account",
        metavar="NAME",
        default="grokcore",
        help='service account of the pods (default: %(default)s; "" is Kubeflow\'s default)',
    )


def _add_waiting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--timeout",
        type=_seconds,
        metavar="SECONDS",
        help="stop waiting after this time; the run continues (default: no limit)",
    )
    parser.add_argument(
        "--pending",
        type=_seconds,
        metavar="SECONDS",
        help="cancel the run if no node has taken the pod of a task after this time (default: no limit)",
    )
    parser.add_argument(
        "--poll",
        type=_seconds,
        default=10.0,
        metavar="SECONDS",
        help="time between two status requests (default: %(default)g)",
    )
    parser.add_argument(
        "--patience",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="how long to tolerate an outage of the API (default: %(default)g)",
    )


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "Kubeflow",
        f"Not needed inside a pod of the cluster. Tokens are not accepted on the command line: put them into a file or "
        f"into {TOKEN_VARIABLE}.",
    )
    group.add_argument("--host", metavar="URL", help=f"URL of Kubeflow Pipelines (default: {HOST_VARIABLE})")
    group.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"file with a bearer token, reread for each request (default: {TOKEN_FILE_VARIABLE})",
    )
    group.add_argument(
        "--namespace",
        metavar="NAME",
        help=f"your namespace on a multi-user installation (default: {NAMESPACE_VARIABLE})",
    )
    group.add_argument(
        "--experiment",
        metavar="NAME",
        help=f"Kubeflow experiment that groups the runs (default: {EXPERIMENT_VARIABLE}, else {DEFAULT_EXPERIMENT})",
    )
    group.add_argument("--ca", metavar="FILE", help=f"CA certificates to trust (default: {CA_VARIABLE}, SSL_CERT_FILE)")


def _lines(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 0 < len(text) < 10 and int(text)):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of lines, 1 or more")
    return int(text)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds")
    return value
