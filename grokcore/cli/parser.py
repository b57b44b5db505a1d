"""The argument parser of `grokcore`."""

from __future__ import annotations

import argparse

from grokcore.cli.actions_parser import add_champion, add_record, add_runs
from grokcore.cli.arguments import RESUME, SPEC, Parser, add_metrics, add_overrides, add_spec, add_track, command
from grokcore.cli.pipeline_parser import add_pipeline
from grokcore.version import __version__


def build_parser() -> argparse.ArgumentParser:
    """Build the parser; parsing stores the function of the selected command in `command`, as `module:function`."""
    parser: argparse.ArgumentParser = Parser(
        prog="grokcore",
        description="A laboratory for grokking: generate synthetic reasoning tasks, train models on them far past "
        "overfitting, watch for the moment of generalization, and report it.",
        epilog="Start with: grokcore run demo",
    )
    parser.add_argument("--version", action="version", version=f"grokcore {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    run = command(commands, "run", "run:run", "generate, train, evaluate and report in one go, on this machine")
    add_spec(run)
    run.add_argument(
        "--out", default="grokcore-store", metavar="DIR", help="directory for all output (default: %(default)s)"
    )
    run.add_argument("--resume", choices=("auto", "never", "require"), default="auto", help=RESUME)
    run.add_argument("--seeds", metavar="LIST", help=argparse.SUPPRESS)  # refused, with the commands that take it
    run.add_argument(
        "--analyze", action="store_true", help="also look inside the checkpoints where a phase began, and report it"
    )
    add_metrics(run)
    add_track(run, "show the run in a tracker too")

    _add_generate(commands)

    train = command(commands, "train", "train:train", "train a model, or resume training from the last checkpoint")
    add_spec(train, seeds=True)
    train.add_argument("--data", required=True, metavar="URI", help="dataset, made by `grokcore generate`")
    train.add_argument("--out", required=True, metavar="URI", help="directory of the run, or with --seeds of all runs")
    train.add_argument("--resume", choices=("auto", "never", "require"), default="auto", help=RESUME)
    train.add_argument(
        "--processes",
        type=int,
        metavar="N",
        help="number of data-parallel DeepSpeed processes on this machine (default: one per GPU if training.engine is "
        "deepspeed, else 1); on several machines use torchrun ... -m grokcore train",
    )
    add_metrics(train)
    add_track(train, "show the run in a tracker too")

    evaluate = command(
        commands, "evaluate", "evaluate:evaluate", "evaluate finished runs: accuracy per split, phases, time to grok"
    )
    evaluate.add_argument(
        "runs",
        nargs="+",
        metavar="RUN_URI",
        help="run directories; runs that differ only in their seed are summarized together",
    )
    evaluate.add_argument("--data", metavar="URI", help="dataset (default: the one each run was trained on)")

    report = command(commands, "report", "report:report", "write an HTML report of one or more evaluated runs")
    report.add_argument("runs", nargs="+", metavar="RUN_URI", help="run directories")
    report.add_argument("--out", required=True, metavar="FILE", help="HTML file to write")
    add_track(report, "keep the report beside its runs in a tracker, which only mlflow does")

    _add_analyze(commands)

    watch = command(commands, "watch", "watch:watch", "follow the progress of runs, live or finished")
    watch.add_argument("runs", nargs="+", metavar="RUN_URI", help="run directories, or directories that contain runs")

    _add_sweep(commands)

    _add_compare(commands)

    _add_claims(commands)

    add_runs(commands)

    add_pipeline(commands)

    add_champion(commands)

    add_record(commands)

    command(commands, "presets", "describe:presets", "list the experiments that come with grokcore")

    models = command(commands, "models", "describe:models", "list the architectures with their sizes and papers")
    models.add_argument(
        "spec", metavar="SPEC", nargs="?", help=f"experiment whose width, heads and layers to assume: {SPEC}"
    )
    models.add_argument("--json", action="store_true", help="print JSON")

    accelerators = command(
        commands, "accelerators", "accelerators:accelerators", "list the methods that make grokking come sooner"
    )
    accelerators.add_argument(
        "spec", metavar="SPEC", nargs="?", help=f"experiment whose step to charge with each method's FLOPs: {SPEC}"
    )
    accelerators.add_argument("--json", action="store_true", help="print JSON")

    spec = command(commands, "spec", "describe:spec", "print the resolved spec and its ids, or a JSON schema")
    add_spec(spec, optional=True)
    spec.add_argument(
        "--deepspeed",
        action="store_true",
        help="print the DeepSpeed configuration that training here would use, as JSON",
    )
    spec.add_argument("--processes", type=int, metavar="N", help="number of processes that --deepspeed assumes")
    spec.add_argument(
        "--data",
        metavar="URI",
        help="take the task from this dataset; needed if it was generated from your own facts",
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
            "analysis",
            "sweep",
            "sweep-index",
            "speedups",
            "claims",
            "champion",
            "retraining",
        ),
        help="print the JSON schema of a spec or of an output file (default: %(const)s)",
    )

    doctor = command(commands, "doctor", "doctor:doctor", "check what works on this machine, and in a store or cluster")
    add_spec(doctor, optional=True)
    doctor.add_argument("--store", metavar="URI", help="also test this store (default: GROKCORE_STORE, if set)")
    doctor.add_argument(
        "--cluster",
        action="store_true",
        help="also check your rights in the namespace of KUBECONFIG; always done inside a pod",
    )
    return parser


def _add_analyze(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    analyze = command(
        commands, "analyze", "analyze:analyze", "look inside the checkpoints of runs: logit lens, causal tracing, ..."
    )
    analyze.add_argument("runs", nargs="*", metavar="RUN_URI", help="run directories; they may still be training")
    analyze.add_argument(
        "--steps",
        default="milestones",
        metavar="STEPS",
        help="milestones (where a phase began, and the last step), all saved steps, or a list such as 1000,2000 "
        "(default: %(default)s)",
    )
    analyze.add_argument(
        "--with", dest="extra", metavar="NAMES", help="analyses to add, of those that are off (see --list)"
    )
    analyze.add_argument("--only", metavar="NAMES", help="analyses to run instead, for example lens,tracing")
    analyze.add_argument(
        "--examples", type=int, default=300, metavar="N", help="examples of each split (default: %(default)s)"
    )
    analyze.add_argument(
        "--seed", type=int, default=0, metavar="N", help="of examples, donors and intervals (default: %(default)s)"
    )
    analyze.add_argument("--data", metavar="URI", help="dataset (default: the one each run was trained on)")
    analyze.add_argument(
        "--out", metavar="URI", help="directory for analysis.json and analysis.parquet (default: the run)"
    )
    analyze.add_argument("--list", action="store_true", help="list the analyses")


def _add_sweep(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    sweep = command(
        commands, "sweep", "sweep:sweep", "train many experiments that differ in a few fields, and compare them"
    )
    sweep.add_argument(
        "sweep", metavar="SPEC", nargs="?", help="name of a sweep (see --list), a YAML or JSON file, or -"
    )
    sweep.add_argument("--out", metavar="URI", help="store for data, runs and the comparison")
    add_overrides(sweep, "change a field of the base experiment")
    sweep.add_argument("--seeds", metavar="LIST", help="seeds of each point, for example 0..4 or 0,3,5")
    sweep.add_argument(
        "--jobs", type=int, metavar="N", help="maximum number of concurrent runs on the CPU (default: one per core)"
    )
    sweep.add_argument(
        "--shard",
        metavar="I/N",
        help="train a part of the runs: one of 0/N to N-1/N, each on a machine of its own, into one store",
    )
    sweep.add_argument("--only", action="append", metavar="POINT", help="run this point and no others; can be repeated")
    sweep.add_argument("--most-runs", type=int, metavar="N", help="raise the sweep's limit on its number of runs")
    sweep.add_argument("--untuned", action="store_true", help="skip the hyperparameter search")
    sweep.add_argument(
        "--pipeline", action="store_true", help="run the Kubeflow pipeline parameter_sweep with Kubeflow's local runner"
    )
    sweep.add_argument("--dry-run", action="store_true", help="print the points and their ids without running anything")
    sweep.add_argument("--list", action="store_true", help="list the sweeps that come with grokcore")
    add_metrics(sweep)
    add_track(sweep, "show the runs in a tracker too")


def _add_generate(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    generate = command(commands, "generate", "generate:generate", "generate the dataset of a spec's task")
    add_spec(generate)
    generate.add_argument("--out", required=True, metavar="URI", help="directory to write the dataset to")
    generate.add_argument(
        "--from",
        dest="facts",
        metavar="FILE",
        help="use your own facts instead of drawing them: CSV or Parquet with the columns subject, relation, object "
        "(composition) or entity, attribute, value (comparison, complex_reasoning; values are numbers or dates); or "
        "FILE.json, whose questions name such triples as `evidences`, in the layout of 2WikiMultiHopQA; or a folder "
        "with train.json, valid.json, test.json and vocab.json, as --format grokked-transformer writes them",
    )
    generate.add_argument(
        "--format",
        choices=("grokcore", "grokked-transformer"),
        default="grokcore",
        help="grokcore (Parquet), or the JSON format of the public code of arXiv 2405.15071 (default: %(default)s)",
    )


def _add_compare(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    compare = command(
        commands, "compare", "report:compare", "compare groups of runs: an HTML page, tables and verdicts on claims"
    )
    compare.add_argument("runs", nargs="+", metavar="RUN_URI", help="run directories, or directories that contain runs")
    compare.add_argument(
        "--out",
        required=True,
        metavar="URI",
        help="directory for report.html, runs.csv, runs.parquet, curves.parquet and claims.json",
    )
    compare.add_argument(
        "--skip-unfinished", action="store_true", help="leave out runs that are not evaluated up to their last step"
    )


def _add_claims(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    claims = command(commands, "claims", "claims:claims", "test claims of the literature on evaluated runs")
    claims.add_argument(
        "runs", nargs="*", metavar="RUNS", help="run directories, or directories that contain evaluated runs"
    )
    claims.add_argument("--list", action="store_true", help="list the claims with their hashes")
    claims.add_argument(
        "--json", action="store_true", help="print JSON, with all evidence (grokcore spec --schema claims)"
    )
    claims.add_argument("--out", metavar="FILE", help="also write the JSON to this file or URI")
    claims.add_argument("--skip-unfinished", action="store_true", help="leave out runs that are not evaluated yet")
