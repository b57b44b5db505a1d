"""The argument parsers of commands that consist of actions: `grokcore runs`, `champion` and `record`."""

from __future__ import annotations

import argparse

from grokcore.cli.arguments import add_spec, command


def add_runs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `grokcore runs ACTION`."""
    runs = commands.add_parser(
        "runs",
        help="list, inspect, pack, export and delete the runs in a store, or write their models",
        description="List, inspect, pack, export and delete the runs in a store, or write their models.",
    )
    actions = runs.add_subparsers(metavar="ACTION", required=True)

    found = command(actions, "list", "runs:list_", "list all runs in a directory and its subdirectories")
    found.add_argument("uri", metavar="URI", help="a store, or any directory in it")
    found.add_argument("--json", action="store_true", help="print JSON")

    show = command(actions, "show", "runs:show", "show one run, its checkpoints, and leftovers of interrupted writes")
    show.add_argument("uri", metavar="RUN_URI", help="run directory")
    show.add_argument("--json", action="store_true", help="print JSON")
    show.add_argument(
        "--verify",
        action="store_true",
        help="verify the hashes of model and checkpoints on object storage too",
    )

    pack = command(actions, "pack", "runs:pack", "put the records of evaluated runs into one file, to publish them")
    pack.add_argument("uris", nargs="+", metavar="URI", help="run directories, or directories that contain runs")
    pack.add_argument("--out", required=True, metavar="FILE", help="the archive, *.tar.xz; claims and compare read it")
    pack.add_argument("--skip-unfinished", action="store_true", help="leave out runs that are not evaluated yet")

    export = command(
        actions, "export", "export:export", "show runs in MLflow or TensorBoard; doing so again adds nothing"
    )
    export.add_argument("runs", nargs="+", metavar="RUN_URI", help="run directories, or directories that contain runs")
    export.add_argument(
        "--to",
        required=True,
        action="append",
        metavar="NAME",
        help="mlflow (the server that MLFLOW_TRACKING_URI names) or tensorboard; can be repeated",
    )
    export.add_argument(
        "--out",
        metavar="DIR",
        help="directory for TensorBoard, which gets a folder per run (default: GROKCORE_TENSORBOARD_DIR, else "
        "tensorboard)",
    )

    delete = command(actions, "delete", "runs:delete", "delete a run; refused if it is being written")
    delete.add_argument("uri", metavar="RUN_URI", help="run directory")
    delete.add_argument("--leftovers", action="store_true", help="delete only the leftovers of interrupted writes")
    delete.add_argument("--yes", action="store_true", help="do not ask for confirmation")
    model = command(
        actions, "model", "runs:model", "write the model of a run as a folder that Hugging Face's libraries load"
    )
    model.add_argument("uri", metavar="RUN_URI", help="run directory; it may be training")
    model.add_argument("--out", required=True, metavar="DIR", help="folder to write")
    model.add_argument(
        "--step", metavar="STEP", help="a saved step, or a milestone such as memorized (default: the last saved step)"
    )
    model.add_argument("--data", metavar="URI", help="dataset of the run (default: where its manifest names it)")
    for action in (found, show, pack, export, delete, model):
        action.set_defaults(name="runs")


def add_champion(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `grokcore champion ACTION`."""
    champion = commands.add_parser(
        "champion",
        help="show, list or roll back a champion; print the verdict of a retraining",
        description="Manage the champions of a store: the experiments that the pipeline scheduled_retraining promotes.",
    )
    actions = champion.add_subparsers(metavar="ACTION", required=True)

    show = command(actions, "show", "champion:show", "show the current champion and why it was promoted")
    history = command(actions, "history", "champion:history", "list all versions, oldest first")
    rollback = command(actions, "rollback", "champion:roll_back", "promote an earlier version again, as a new version")
    for action in (show, history, rollback):
        action.add_argument("champion", metavar="NAME", help="name of the champion")
        action.add_argument("--store", default="", metavar="URI", help="store of the runs (default: GROKCORE_STORE)")
    for action in (show, history):
        action.add_argument("--json", action="store_true", help="print JSON")
    rollback.add_argument(
        "--to", type=int, metavar="N", help="version to promote again (default: the previous champion)"
    )
    rollback.add_argument("--yes", action="store_true", help="do not ask for confirmation")

    verdict = command(actions, "verdict", "champion:verdict", "print the verdict of a retraining, as Markdown")
    verdict.add_argument("uri", metavar="URI", help="record of the retraining: STORE/retrainings/NAME/RUN_KEY.json")
    verdict.add_argument(
        "--fail-on",
        default="",
        metavar="LIST",
        help="exit with 1 on these verdicts, for example keep,inconclusive; a promotion that failed "
        "always exits with 1",
    )
    verdict.add_argument(
        "--summary", metavar="FILE", help="also append it to this file, such as the summary of a CI job"
    )
    for action in (show, history, rollback, verdict):
        action.set_defaults(name="champion")


def add_record(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add `grokcore record ACTION`."""
    record = commands.add_parser(
        "record",
        help="add and check records: the shortest times to grok, with their evidence",
        description="Add and check records: the shortest times to grok by preset, each with its spec and the journals "
        "of its seeds.",
    )
    actions = record.add_subparsers(metavar="ACTION", required=True)

    add = command(actions, "add", "record:add", "make an entry from the finished runs of all seeds of a spec")
    add.add_argument("runs", nargs="+", metavar="RUN_URI", help="run directories, or directories that contain them")
    add.add_argument("--preset", required=True, metavar="NAME", help="preset whose time to grok it is")
    add.add_argument("--split", metavar="NAME", help="held-out split (default: the last of the task)")
    add.add_argument("--name", required=True, help="name of the entry: lower-case letters, digits and '-'")
    add.add_argument("--title", required=True, metavar="TEXT", help="what makes it fast, in one line")
    add.add_argument(
        "--trials", required=True, type=int, metavar="N", help="number of configurations tried to find the spec"
    )
    add.add_argument("--out", default="records", metavar="DIR", help="directory of all entries (default: %(default)s)")

    check = command(actions, "check", "record:check", "judge all entries anew from their journals")
    table = command(actions, "table", "record:table", "write the pages of all entries")
    for action in (check, table):
        action.add_argument(
            "folder",
            nargs="?",
            default="records",
            metavar="DIR",
            help="directory of all entries (default: %(default)s)",
        )

    seeds = command(actions, "seeds", "record:seeds", "print the seeds that a spec is judged on")
    add_spec(seeds)
    seeds.add_argument(
        "--preset", metavar="NAME", help="also check the spec against the rules of this preset's records"
    )
    seeds.add_argument("--count", type=int, default=8, metavar="N", help="their number (default: %(default)s)")
    for action in (add, check, table, seeds):
        action.set_defaults(name="record")
