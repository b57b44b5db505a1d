"""The parser of `grokcore`."""

from __future__ import annotations

import argparse

from grokcore.cli.pipeline_parser import add_pipeline
from grokcore.version import __version__

_SPEC = "a preset's name (see `grokcore presets`), a YAML or JSON file, or a URI such as that of a run's spec.yaml"


def build_parser() -> argparse.ArgumentParser:
    """The command line; parsing leaves in `command` the function that a command calls, as `module:function`."""
    parser = argparse.ArgumentParser(
        prog="grokcore",
        description="A laboratory for grokking: generate synthetic reasoning tasks, train models on them far past "
        "overfitting, watch for the moment of generalisation, and report it.",
        epilog="A first run: grokcore run demo",
    )
    parser.add_argument("--version", action="version", version=f"grokcore {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = _command(commands, "run", "run:run", "the whole pipeline on this machine: generate, train, evaluate, report")
    _add_spec(run)
    run.add_argument(
        "--out", default="grokcore-store", metavar="DIR", help="where everything goes (default: %(default)s)"
    )
    run.add_argument("--resume", choices=("auto", "never", "require"), default="auto", help="default: %(default)s")
    _add_metrics(run)

    _add_generate(commands)

    train = _command(commands, "train", "train:train", "train a spec on its dataset, or go on where it stopped")
    _add_spec(train, seeds=True)
    train.add_argument("--data", required=True, metavar="URI", help="the dataset, from `grokcore generate`")
    train.add_argument("--out", required=True, metavar="URI", help="directory of the run; of the runs with --seeds")
    train.add_argument("--resume", choices=("auto", "never", "require"), default="auto", help="default: %(default)s")
    train.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="processes on this machine that train together with DeepSpeed (default: one per GPU where training.engine "
        "is deepspeed, else 1); on several machines use torchrun ... -m grokcore train",
    )
    _add_metrics(train)

    evaluate = _command(
        commands, "evaluate", "evaluate:evaluate", "measure finished runs: accuracies, phases, times to grok"
    )
    evaluate.add_argument(
        "runs", nargs="+", metavar="RUN_URI", help="directories of runs; those that differ in their seed are summed up"
    )
    evaluate.add_argument("--data", metavar="URI", help="the dataset (default: where each run found it)")

    report = _command(commands, "report", "report:report", "one HTML page about one or more evaluated runs")
    report.add_argument("runs", nargs="+", metavar="RUN_URI", help="directories of the runs")
    report.add_argument("--out", required=True, metavar="FILE", help="the HTML file to write")

    watch = _command(commands, "watch", "watch:watch", "follow the progress of runs, live or finished")
    watch.add_argument("runs", nargs="+", metavar="RUN_URI", help="directories of runs, or places below which runs lie")

    _add_sweep(commands)

    _add_compare(commands)

    _add_claims(commands)

    _add_runs(commands)

    add_pipeline(commands)

    _add_champion(commands)

    _command(commands, "presets", "describe:presets", "the experiments that come with grokcore")

    models = _command(commands, "models", "describe:models", "the architectures there are, their sizes and papers")
    models.add_argument("spec", metavar="SPEC", nargs="?", help=f"take width and heads from it: {_SPEC}")
    models.add_argument("--json", action="store_true", help="as JSON")

    spec = _command(commands, "spec", "describe:spec", "the resolved spec and its ids, or a JSON schema")
    _add_spec(spec, optional=True)
    spec.add_argument(
        "--deepspeed", action="store_true", help="print the configuration that DeepSpeed would be given here, as JSON"
    )
    spec.add_argument("--processes", type=int, metavar="N", help="processes that --deepspeed assumes")
    spec.add_argument(
        "--data",
        metavar="URI",
        help="take the task of this dataset, as one that was generated from your own facts needs",
    )
    spec.add_argument(
        "--schema",
        nargs="?",
        const="spec",
        choices=(
            "spec",
            "dataset",
            "manifest",
            "evaluation",
            "sweep",
            "sweep-index",
            "claims",
            "champion",
            "retraining",
        ),
        help="print the JSON schema of the spec, or of a file that runs leave (default: %(const)s)",
    )

    doctor = _command(commands, "doctor", "doctor:doctor", "what works on this machine, and in a store or cluster")
    doctor.add_argument(
        "--store", metavar="URI", help="try this store, too (default: what GROKCORE_STORE says, else none)"
    )
    doctor.add_argument(
        "--cluster",
        action="store_true",
        help="ask for rights in the namespace of KUBECONFIG; done anyway in a pod",
    )
    return parser


def _add_sweep(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sweep = _command(
        commands, "sweep", "sweep:sweep", "many experiments that differ in chosen fields: train all, then compare them"
    )
    sweep.add_argument("sweep", metavar="SPEC", nargs="?", help="a sweep's name (see --list) or a YAML or JSON file")
    sweep.add_argument("--out", metavar="URI", help="the store that data, runs and the comparison go to")
    sweep.add_argument(
        "--set",
        dest="overrides",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="change a field of the base experiment; can be repeated",
    )
    sweep.add_argument("--seeds", metavar="LIST", help="seeds of each point, as in 0..4 or 0,3,5")
    sweep.add_argument("--jobs", type=int, metavar="N", help="runs at a time on the CPU, at most (default: all cores)")
    sweep.add_argument("--most-runs", type=int, metavar="N", help="allow a sweep of more runs than it does itself")
    sweep.add_argument("--untuned", action="store_true", help="leave out the search for hyperparameters")
    sweep.add_argument(
        "--pipeline", action="store_true", help="run it as the Kubeflow pipeline parameter_sweep, on its local runner"
    )
    sweep.add_argument("--dry-run", action="store_true", help="show the points and their ids, and run nothing")
    sweep.add_argument("--list", action="store_true", help="the sweeps that come with grokcore")
    _add_metrics(sweep)


def _add_generate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    generate = _command(commands, "generate", "generate:generate", "make the dataset of a spec's task")
    _add_spec(generate)
    generate.add_argument("--out", required=True, metavar="URI", help="directory of the dataset")
    generate.add_argument(
        "--from",
        dest="facts",
        metavar="FILE",
        help="make it from your own facts instead of drawing them: CSV or Parquet with the columns subject, relation, "
        "object (composition) or entity, attribute, value (comparison, complex_reasoning; numbers or dates)",
    )
    generate.add_argument(
        "--format",
        choices=("grokcore", "grokked-transformer"),
        default="grokcore",
        help="grokcore (Parquet), or the JSON files of the public code of arXiv 2405.15071 (default: %(default)s)",
    )


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = _command(
        commands, "compare", "report:compare", "groups of runs against each other: one HTML page, and tables of it all"
    )
    compare.add_argument(
        "runs", nargs="+", metavar="RUN_URI", help="directories of runs, or places below which runs lie"
    )
    compare.add_argument(
        "--out",
        required=True,
        metavar="URI",
        help="where report.html, runs.csv, runs.parquet, curves.parquet and claims.json go",
    )
    compare.add_argument(
        "--skip-unfinished", action="store_true", help="leave out runs that are not evaluated up to their end"
    )


def _add_claims(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    claims = _command(commands, "claims", "claims:claims", "hold runs against claims of the literature")
    claims.add_argument("runs", nargs="*", metavar="RUNS", help="runs, or places below which evaluated runs lie")
    claims.add_argument("--list", action="store_true", help="print the claims themselves, with their hashes")
    claims.add_argument(
        "--json", action="store_true", help="as JSON, with all evidence (grokcore spec --schema claims)"
    )
    claims.add_argument("--out", metavar="FILE", help="write the JSON to this file or URI, too")
    claims.add_argument("--skip-unfinished", action="store_true", help="leave out runs that are not evaluated yet")


def _add_runs(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    runs = commands.add_parser(
        "runs", help="the runs in a store: list, show, delete", description="The runs in a store, and what can go."
    )
    actions = runs.add_subparsers(metavar="ACTION", required=True)

    found = _command(actions, "list", "runs:list_", "all runs at a place and below it")
    found.add_argument("uri", metavar="URI", help="a store, or any place in it")
    found.add_argument("--json", action="store_true", help="as JSON")

    show = _command(actions, "show", "runs:show", "one run, with its checkpoints and what unfinished writes have left")
    show.add_argument("uri", metavar="RUN_URI", help="directory of the run")
    show.add_argument("--json", action="store_true", help="as JSON")
    show.add_argument(
        "--verify",
        action="store_true",
        help="read model and checkpoints on object storage, too",
    )

    delete = _command(actions, "delete", "runs:delete", "delete a run; what is no run, or is being written, is refused")
    delete.add_argument("uri", metavar="RUN_URI", help="directory of the run")
    delete.add_argument("--leftovers", action="store_true", help="delete only what unfinished writes have left in it")
    delete.add_argument("--yes", action="store_true", help="do not ask")
    for action in (found, show, delete):
        action.set_defaults(name="runs")


def _add_champion(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    champion = commands.add_parser(
        "champion",
        help="the best experiment so far under a name: show, history, rollback; the verdict of a retraining",
        description="The champions of a store, which the pipeline scheduled_retraining promotes.",
    )
    actions = champion.add_subparsers(metavar="ACTION", required=True)

    show = _command(actions, "show", "champion:show", "who is the champion, and why")
    history = _command(actions, "history", "champion:history", "all that were, oldest first")
    rollback = _command(actions, "rollback", "champion:roll_back", "bring an earlier version back, as a further one")
    for action in (show, history, rollback):
        action.add_argument("champion", metavar="NAME", help="name of the champion")
        action.add_argument(
            "--store", default="", metavar="URI", help="the store of the runs (default: what GROKCORE_STORE says)"
        )
    for action in (show, history):
        action.add_argument("--json", action="store_true", help="as JSON")
    rollback.add_argument("--to", type=int, metavar="N", help="the version (default: the champion before this one)")
    rollback.add_argument("--yes", action="store_true", help="do not ask")

    verdict = _command(actions, "verdict", "champion:verdict", "what a retraining came to, as Markdown")
    verdict.add_argument("uri", metavar="URI", help="its record: STORE/retrainings/NAME/RUN_KEY.json")
    verdict.add_argument(
        "--fail-on",
        default="",
        metavar="LIST",
        help="exit with 1 on these verdicts, as in keep,inconclusive; always on a promotion that was not carried out",
    )
    verdict.add_argument("--summary", metavar="FILE", help="append it to this file, too, as a CI job's summary")
    for action in (show, history, rollback, verdict):
        action.set_defaults(name="champion")


def _command(
    commands: argparse._SubParsersAction[argparse.ArgumentParser], name: str, function: str, summary: str
) -> argparse.ArgumentParser:
    parser = commands.add_parser(name, help=summary, description=f"{summary[0].upper()}{summary[1:]}.")
    parser.set_defaults(name=name, command=function)
    return parser


def _add_metrics(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics-port",
        metavar="PORT",
        help="serve Prometheus metrics of the training on this port, 0 for any that is free, off for none "
        "(default: what GROKCORE_METRICS_PORT says, else off)",
    )


def _add_spec(parser: argparse.ArgumentParser, *, optional: bool = False, seeds: bool = False) -> None:
    parser.add_argument("spec", metavar="SPEC", nargs="?" if optional else None, help=_SPEC)
    parser.add_argument(
        "--set",
        dest="overrides",
        metavar="FIELD=VALUE",
        action="append",
        default=[],
        help="change a field, for example --set model.layers=4; can be repeated",
    )
    seed = parser.add_mutually_exclusive_group()
    seed.add_argument(
        "--seed", type=int, metavar="N", help="seed of initialisation and order (the same as --set seed=N)"
    )
    if seeds:
        seed.add_argument(
            "--seeds", metavar="LIST", help="several seeds at once, as in 0..7 or 0,3,5: each a run in OUT/seed-N"
        )
