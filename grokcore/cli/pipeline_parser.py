"""The parser of `grokcore pipeline`."""

from __future__ import annotations

import argparse

from grokcore.cluster.kubeflow.connection import (
    CA_VARIABLE,
    DEFAULT_EXPERIMENT,
    EXPERIMENT_VARIABLE,
    HOST_VARIABLE,
    NAMESPACE_VARIABLE,
    TOKEN_FILE_VARIABLE,
    TOKEN_VARIABLE,
)
from grokcore.cluster.kubeflow.errors import EXIT_CODES

_NAME = "a pipeline's name (grokcore pipeline compile lists them), or a compiled package's path"


def add_pipeline(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """`grokcore pipeline ACTION`."""
    pipeline = commands.add_parser(
        "pipeline",
        help="pipelines on Kubeflow: compile, upload, submit, wait, schedule, list",
        description="The compiled pipelines, and their runs on an installation of Kubeflow Pipelines.",
        epilog=EXIT_CODES,
    )
    actions = pipeline.add_subparsers(metavar="ACTION", required=True)
    _add_compile(actions)
    _add_upload(actions)
    _add_submit(actions)
    _add_wait(actions)
    _add_schedule(actions)
    _add_list(actions)


def _add_compile(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compile_ = _action(actions, "compile", "compile_", "write a compiled package, its images pinned by digests")
    compile_.add_argument("pipeline", metavar="NAME", nargs="?", help=f"{_NAME}; without one, the list of them")
    compile_.add_argument("--out", metavar="FILE", help="default: standard output")
    _add_images(compile_)
    compile_.add_argument(
        "--kubernetes", action="store_true", help="as resources Pipeline and PipelineVersion, to be applied by GitOps"
    )
    compile_.add_argument("--namespace", metavar="NAME", help="of the resources; none leaves it to who applies them")


def _add_upload(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    upload = _action(actions, "upload", "upload", "upload a pipeline, once for each content")
    upload.add_argument("pipeline", metavar="NAME", help=_NAME)
    _add_images(upload)
    _add_connection(upload)
    upload.add_argument("--json", action="store_true", help="as JSON")


def _add_submit(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    submit = _action(
        actions,
        "submit",
        "submit",
        "start a run, or attach to the one that the same request has started",
        note="A run's name holds the pipeline, what is trained, its id, the commit and a digest of the request. "
        "Where a run of that name goes on or has succeeded, it is taken instead of starting another; a retraining "
        "that shall run each time is given a --param run_key=... of its own, or --again.",
    )
    submit.add_argument("pipeline", metavar="NAME", help=_NAME)
    _add_images(submit)
    _add_parameters(submit)
    submit.add_argument("--again", action="store_true", help="start a run whatever there is")
    submit.add_argument("--commit", metavar="SHA", help="default: of grokcore's checkout, else what the CI says")
    submit.add_argument("--wait", action="store_true", help="wait for the end, and exit by it")
    _add_waiting(submit)
    _add_connection(submit)
    submit.add_argument("--json", action="store_true", help="as JSON")


def _add_wait(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    wait = _action(actions, "wait", "wait", "wait for a run to end, and exit by how it ended")
    wait.add_argument("run", metavar="RUN_ID", help="id of the run, as submit prints it")
    _add_waiting(wait)
    _add_connection(wait)
    wait.add_argument("--json", action="store_true", help="the run, its tasks and outputs as JSON")


def _add_schedule(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    schedule = _action(
        actions,
        "schedule",
        "schedule",
        "start runs of a pipeline by the clock",
        note="One schedule of a name: the same request changes nothing, another one replaces it. One run at a time; "
        "times that were missed are left out. Times are those of Kubeflow's controller, UTC unless it was set up "
        "otherwise.",
    )
    schedule.add_argument("pipeline", metavar="NAME", nargs="?", help=_NAME)
    when = schedule.add_mutually_exclusive_group()
    when.add_argument("--cron", metavar="FIELDS", help='five fields as in crontab, "30 2 * * 1", or six: seconds first')
    when.add_argument("--interval", metavar="TIME", help="every so many seconds, or 90m, 6h, 7d")
    when.add_argument("--list", action="store_true", help="the schedules of the experiment")
    when.add_argument("--remove", action="store_true", help="remove it; a run of it that goes on is left alone")
    schedule.add_argument(
        "--name", dest="called", metavar="TEXT", help="name of the schedule (default: the pipeline's)"
    )
    _add_images(schedule)
    _add_parameters(schedule)
    _add_connection(schedule)
    schedule.add_argument("--json", action="store_true", help="as JSON")


def _add_list(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    list_ = _action(actions, "list", "list_", "pipelines, schedules and the latest runs")
    list_.add_argument("--runs", type=int, default=20, metavar="N", help="at most so many runs (default: %(default)s)")
    _add_connection(list_)
    list_.add_argument("--json", action="store_true", help="as JSON")


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser], name: str, function: str, summary: str, note: str = ""
) -> argparse.ArgumentParser:
    sentence = f"{summary[0].upper()}{summary[1:]}."
    # Nothing may be abbreviated: `--token SECRET` would be taken for --token-file, and the secret for a name to print.
    parser = actions.add_parser(
        name, help=summary, description=f"{sentence} {note}".strip(), epilog=EXIT_CODES, allow_abbrev=False
    )
    parser.set_defaults(name="pipeline", command=f"pipeline:{function}")
    return parser


def _add_images(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--images", metavar="FILE", help="lock file of images, from ci/build-images --push --lock FILE: runs use these"
    )


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--preset", metavar="SPEC", help="what to train: a preset's name or a YAML or JSON file")
    what.add_argument("--sweep", metavar="SPEC", help="for pipelines over sweeps: a sweep's name or a file")
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="change a field, for example --set model.layers=4; can be repeated",
    )
    parser.add_argument(
        "--param",
        dest="parameters",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="a parameter of the pipeline, as it would be typed into the form of the UI; can be repeated",
    )
    parser.add_argument(
        "--service-account",
        metavar="NAME",
        default="grokcore",
        help='that the pods run as (default: %(default)s; "" leaves it to Kubeflow)',
    )


def _add_waiting(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--timeout", type=_seconds, metavar="SECONDS", help="wait no longer; the run goes on")
    parser.add_argument(
        "--poll", type=_seconds, default=10.0, metavar="SECONDS", help="between two looks (default: %(default)g)"
    )
    parser.add_argument(
        "--patience",
        type=_seconds,
        default=300.0,
        metavar="SECONDS",
        help="of an outage of the API to wait through (default: %(default)g)",
    )


def _add_connection(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group(
        "Kubeflow",
        f"In a pod of the cluster none of these is needed. A token is never a flag: put it into a file, or into "
        f"{TOKEN_VARIABLE}.",
    )
    group.add_argument("--host", metavar="URL", help=f"of Kubeflow Pipelines (default: {HOST_VARIABLE})")
    group.add_argument(
        "--token-file",
        metavar="FILE",
        help=f"holds a bearer token; read anew for each request (default: {TOKEN_FILE_VARIABLE})",
    )
    group.add_argument(
        "--namespace", metavar="NAME", help=f"yours, on a multi-user installation (default: {NAMESPACE_VARIABLE})"
    )
    group.add_argument(
        "--experiment",
        metavar="NAME",
        help=f"that runs are grouped under (default: {EXPERIMENT_VARIABLE}, else {DEFAULT_EXPERIMENT})",
    )
    group.add_argument("--ca", metavar="FILE", help=f"certificates to trust (default: {CA_VARIABLE}, SSL_CERT_FILE)")


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} must be a number of seconds")
    return value
