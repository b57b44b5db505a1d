"""`ci/bench`: how fast training is, against the reference conditions and against transformers, in one run.

ci/bench                 everything
ci/bench --quick         the demo's GPT-2 alone, about a minute
ci/bench --models demo --architectures gpt2,rwkv --parts steps
ci/bench --accelerators  what each method against the delay of grokking adds to a step of AdamW
ci/bench losses          whether both choices of loss_on learn alike
ci/bench denormals       what training would take with denormal numbers, once gradients have died away
ci/bench runs            how long a list of 10,000 runs takes on an S3 server, and a comparison of 1,000
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

from ci.benchmarks import accelerators, machine, run, stores
from ci.benchmarks.cases import LOSSES, MODELS, check_names
from ci.benchmarks.denormals import measure_denormals
from ci.benchmarks.results import write_markdown
from ci.benchmarks.rounds import Effort
from ci.benchmarks.variants import VARIANTS
from grokcore.errors import EXIT_STOPPED, GrokcoreError, InputError
from grokcore.models import ARCHITECTURES
from grokcore.spec.hardware import has_cuda
from grokcore.storage import read_json

FULL_MODELS = ("demo", "demo-128", "thesis")
QUICK = Effort(repeats=3, burst_seconds=0.3, most_seconds=5)


def main(arguments: Sequence[str] | None = None) -> int:
    options = build_parser().parse_args(arguments)
    try:
        options.command(options)
    except GrokcoreError as error:
        print(f"ci/bench: {error}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("ci/bench: stopped; what was measured so far is in the results file", file=sys.stderr)
        return EXIT_STOPPED
    return 0


def speed(options: argparse.Namespace) -> None:
    if options.device == "cuda" and not has_cuda():
        raise InputError("--device cuda, but torch sees no CUDA GPU here: use --device cpu")
    quick, available = options.quick, machine.precisions_of(options.device)
    effort = QUICK if quick else Effort()
    if options.repeats is not None:
        effort = Effort(options.repeats, effort.burst_seconds, effort.most_seconds)
    settings = run.Settings(
        models=options.models or (["demo"] if quick else list(FULL_MODELS)),
        architectures=options.architectures or (["gpt2"] if quick else list(ARCHITECTURES)),
        losses=options.losses or (["answer"] if quick else list(LOSSES)),
        variants=options.variants or list(VARIANTS),
        precisions=options.precisions or available,
        parts=options.parts or (["steps", "help"] if quick else list(run.PARTS)),
        device=options.device,
        threads=options.threads or machine.cores(),
        seeds=options.seeds or (16 if options.device == "cuda" else 8),
        effort=effort,
    )
    check_names("model", settings.models, MODELS)
    check_names("architecture", settings.architectures, ARCHITECTURES)
    check_names("loss", settings.losses, LOSSES)
    check_names("variant", settings.variants, VARIANTS)
    check_names("part", settings.parts, run.PARTS)
    check_names(f"number format of this {options.device}", settings.precisions, available)
    run.measure_speed(settings, options.out or (run.SCRATCH if quick else run.RESULTS))


def overheads(options: argparse.Namespace) -> None:
    """Measure with one thread, as trainings run."""
    models = options.models or ["demo", "modular"]
    variants = options.variants or list(accelerators.VARIANTS)
    check_names("model", models, MODELS)
    check_names("variant", variants, accelerators.VARIANTS)
    turns = accelerators.Turns(rounds=3, burst_seconds=0.05) if options.quick else accelerators.Turns()
    run.measure_accelerators(
        models,
        device=options.device,
        threads=options.threads or 1,
        turns=accelerators.Turns(options.repeats or turns.rounds, turns.burst_seconds),
        variants=variants,
        folder=options.out or (run.SCRATCH if options.quick else run.RESULTS),
    )


def losses(options: argparse.Namespace) -> None:
    run.measure_losses(options.presets, options.seeds, options.overrides, options.out or run.RESULTS)


def denormals(options: argparse.Namespace) -> None:
    measured = measure_denormals("modular-multiplication", ("model.width=64",), steps=options.steps)
    kept, flushed = (statistics.median(measured["seconds_per_step"][name]) for name in ("kept", "flushed"))
    print(
        f"{measured['preset']}, width 64, {measured['steps']} steps with half of the hidden units dead: a step takes "
        f"{1000 * kept:.1f} ms with {measured['denormal']['kept']:,} denormal numbers in the optimizer's state, "
        f"{1000 * flushed:.1f} ms where they are 0 ({measured['ratio']:.1f} times as long)"
    )


def runs(options: argparse.Namespace) -> None:
    stores.measure(options.runs, options.compared, store=options.store)


def render(options: argparse.Namespace) -> None:
    for path in options.files:
        print(write_markdown(path, read_json(path)))


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ci/bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(command=speed)
    parser.add_argument("--models", type=_names, metavar="A,B", help=f"of {', '.join(MODELS)}")
    parser.add_argument("--architectures", type=_names, metavar="A,B", help=f"of {', '.join(ARCHITECTURES)}")
    parser.add_argument("--losses", type=_names, metavar="A,B", help=f"of {', '.join(LOSSES)}")
    parser.add_argument("--variants", type=_names, metavar="A,B", help=f"of {', '.join(VARIANTS)}")
    parser.add_argument("--precisions", type=_names, metavar="A,B", help="default: all that the device computes in")
    parser.add_argument("--parts", type=_names, metavar="A,B", help=f"of {', '.join(run.PARTS)}")
    parser.add_argument(
        "--repeats", type=_count, metavar="N", help="rounds of a case, slow variants fewer (default: 7)"
    )
    parser.add_argument("--seeds", type=_count, metavar="N", help="seeds at once (default: 8, on a GPU 16)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="default: %(default)s")
    parser.add_argument("--threads", type=_count, metavar="N", help="of each process (default: one per core)")
    parser.add_argument("--quick", action="store_true", help="little, and not long enough to be quoted")
    parser.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: ci/benchmarks/results)")
    parser.add_argument(
        "--accelerators",
        dest="command",
        action="store_const",
        const=overheads,
        help="measure the overhead of accelerators instead, on demo and modular, with one thread",
    )
    commands = parser.add_subparsers(metavar="COMMAND")
    alike = commands.add_parser("losses", help="whether both choices of loss_on learn alike")
    alike.set_defaults(command=losses)
    alike.add_argument(
        "--presets", type=_names, default=["modular", "demo"], metavar="A,B", help="default: modular,demo"
    )
    alike.add_argument("--seeds", type=_count, default=5, metavar="N", help="default: %(default)s")
    alike.add_argument("--set", dest="overrides", action="append", default=[], metavar="FIELD=VALUE")
    alike.add_argument("--out", type=Path, metavar="DIR", help="where results go (default: ci/benchmarks/results)")
    dead = commands.add_parser("denormals", help="what training would take with denormal numbers")
    dead.set_defaults(command=denormals)
    dead.add_argument("--steps", type=_count, default=1000, metavar="N", help="before measuring (default: %(default)s)")
    many = commands.add_parser("runs", help="how long a list and a comparison of many runs take on an S3 server")
    many.set_defaults(command=runs)
    many.add_argument("--runs", type=_count, default=10_000, metavar="N", help="listed (default: %(default)s)")
    many.add_argument("--compared", type=_count, default=1000, metavar="N", help="compared (default: %(default)s)")
    many.add_argument("--store", metavar="URI", help="an empty place (default: Ceph's RGW, started here)")
    again = commands.add_parser("render", help="write results files as Markdown again")
    again.set_defaults(command=render)
    again.add_argument("files", type=Path, nargs="+", metavar="FILE", help="results, JSON")
    return parser


def _names(text: str) -> list[str]:
    return [name for name in text.split(",") if name]


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    sys.exit(main())
