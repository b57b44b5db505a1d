"""A whole run: the plan is shown, everything is measured in turn, and the results file is written after every round."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ci.benchmarks import machine
from ci.benchmarks.accelerators import Turns, compare_accelerators
from ci.benchmarks.cases import Case, cases
from ci.benchmarks.checkpoints import measure_waiting
from ci.benchmarks.generation import compare_generation
from ci.benchmarks.grokking import time_to_grok
from ci.benchmarks.losses import compare_losses
from ci.benchmarks.models import compare_models
from ci.benchmarks.plan import Planned, plan
from ci.benchmarks.results import AcceleratorResults, LossResults, SpeedResults, row
from ci.benchmarks.rounds import Effort, measure
from ci.benchmarks.seeds import compare_seeds
from ci.benchmarks.startup import time_help
from ci.benchmarks.table import accelerators_text, losses_text, other_parts, targets_text, terminal
from ci.benchmarks.telemetry import compare_telemetry
from ci.benchmarks.work import UnequalWorkError
from ci.benchmarks.worker import WorkerError
from grokcore.errors import GrokcoreError

RESULTS = machine.ROOT / "ci" / "benchmarks" / "results"
SCRATCH = machine.ROOT / "test-artifacts" / "bench"
"""Ignored by git."""
STEPS = "steps"


@dataclass(frozen=True)
class Settings:
    """Selection and settings of the measurements."""

    models: Sequence[str]
    architectures: Sequence[str]
    losses: Sequence[str]
    variants: Sequence[str]
    precisions: Sequence[str]
    parts: Sequence[str]
    device: str
    threads: int
    seeds: int
    effort: Effort


@dataclass(frozen=True)
class Part:
    """Something that is measured beside the training steps."""

    key: str
    """Under which the results have it."""
    measure: Callable[[Settings], dict[str, object]]
    seconds: float
    """About how long it takes on 2 cores."""


def _modular(settings: Settings) -> dict[str, object]:
    where = (f"training.device={settings.device}", f"training.threads={settings.threads}")
    return time_to_grok("modular", ("transformers", "fast"), where)


def _seeds(settings: Settings) -> dict[str, object]:
    case = Case("demo", "gpt2", "answer")
    return compare_seeds(case, settings.seeds, device=settings.device, threads=settings.threads, effort=settings.effort)


def _telemetry(settings: Settings) -> dict[str, object]:
    case = Case("demo", "gpt2", "answer")
    return compare_telemetry(case, device=settings.device, threads=settings.threads, pairs=20, seconds=2.0)


def _checkpoints(settings: Settings) -> dict[str, object]:
    model = "thesis" if settings.device == "cuda" else "demo"
    return measure_waiting(Case(model, "gpt2", "answer"), device=settings.device, threads=settings.threads)


def _models(settings: Settings) -> dict[str, object]:
    case = Case("demo", "gpt2", "answer")
    return compare_models(case, device=settings.device, threads=settings.threads, effort=settings.effort)


OTHER_PARTS = {
    "data": Part("data_generation", lambda settings: compare_generation(), 60),
    "help": Part("command_line", lambda settings: time_help(), 2),
    "modular": Part("modular", _modular, 90),
    "seeds": Part("seeds", _seeds, 150),
    "telemetry": Part("telemetry", _telemetry, 90),
    "checkpoints": Part("checkpoints", _checkpoints, 60),
    "models": Part("models", _models, 400),
}
PARTS = (STEPS, *OTHER_PARTS)


def measure_speed(settings: Settings, folder: Path) -> Path:
    """Measure what `settings` ask for.

    Returns:
        The results file, a new one in `folder`.

    Raises:
        GrokcoreError: at the end, if a case failed.
    """
    results = SpeedResults(folder, device=settings.device, threads=settings.threads, effort=settings.effort)
    peaks = machine.peak_flops(settings.device, settings.precisions, settings.threads)
    results.set("peak_flops", peaks)
    with tempfile.TemporaryDirectory() as data:
        planned: list[Planned] = []
        if STEPS in settings.parts:
            chosen = cases(settings.models, settings.architectures, settings.losses)
            planned = plan(
                chosen,
                settings.variants,
                settings.precisions,
                folder=Path(data),
                peaks=peaks,
                effort=settings.effort,
            )
        others = [OTHER_PARTS[name] for name in settings.parts if name != STEPS]
        _show_plan(results, planned, others)
        begin, left = time.monotonic(), _seconds(planned, others)
        for item in planned:
            try:
                print(f"\n{item.case}\n{terminal(_measure_case(item, settings, results))}", flush=True)
            except (UnequalWorkError, WorkerError) as error:
                results.set("failures", [*results.document["failures"], f"{item.case}: {error}"])
                print(f"\n{item.case}: {error}", flush=True)
            left -= item.seconds
            print(f"({_clock(time.monotonic() - begin)}, {_about(left)} to go)", flush=True)
    for part in others:
        results.set(part.key, part.measure(settings))
    print("\n".join(["", *other_parts(results.document), "", *targets_text(results.document)]))
    print(f"\n{results.path} and the same as .md, in {_clock(time.monotonic() - begin)}")
    if results.document["failures"]:
        raise GrokcoreError(f"{len(results.document['failures'])} of the cases failed; the others stand in the results")
    return results.path


def measure_losses(presets: Sequence[str], seeds: int, overrides: Sequence[str], folder: Path) -> Path:
    """Compare the two choices of `loss_on` on each of `presets`.

    Returns:
        The results file, a new one in `folder`.
    """
    results = LossResults(folder)
    for preset in presets:
        with tempfile.TemporaryDirectory() as runs:
            results.add(compare_losses(preset, seeds, overrides, Path(runs), print))
    print("\n".join(["", *losses_text(results.document), "", str(results.path)]))
    return results.path


def measure_accelerators(
    models: Sequence[str], *, device: str, threads: int, turns: Turns, variants: Sequence[str], folder: Path
) -> Path:
    """Measure what each of `variants` adds to a step of AdamW, on the GPT-2 of each of `models`.

    Returns:
        The results file, a new one in `folder`.
    """
    results = AcceleratorResults(folder, device=device, threads=threads)
    for model in models:
        case = Case(model, "gpt2", "answer")
        results.add(compare_accelerators(case, device=device, threads=threads, turns=turns, variants=variants))
    print("\n".join(["", *accelerators_text(results.document), "", str(results.path)]))
    return results.path


def _measure_case(item: Planned, settings: Settings, results: SpeedResults) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    rounds = measure(
        item.case,
        item.entries,
        item.data,
        device=settings.device,
        threads=settings.threads,
        effort=settings.effort,
    )
    for timings in rounds:
        rows = [
            row(
                item.case,
                timing,
                timings,
                batch_size=item.batch_size,
                plain_flops=item.plain_flops,
                peak=results.document["peak_flops"][timing.entry.precision],
            )
            for timing in timings
        ]
        results.set_rows(rows)
    return rows


def _show_plan(results: SpeedResults, planned: Sequence[Planned], others: Sequence[Part]) -> None:
    machine_, settings = results.document["machine"], results.document["settings"]
    speeds = ", ".join(f"{peak / 1e9:,.0f} GFLOP/s {name}" for name, peak in results.document["peak_flops"].items())
    print(
        f"{machine_['gpu'] or machine_['processor']}, {settings['threads']} threads; a large matrix product: {speeds}"
    )
    for item in planned:
        print(f"  {_about(item.seconds):>12}  {item.case}: {', '.join(map(str, item.entries))}")
    for part in others:
        print(f"  {_about(part.seconds):>12}  {part.key.replace('_', ' ')}")
    print(f"  {_about(_seconds(planned, others)):>12}  in all")


def _seconds(planned: Sequence[Planned], others: Sequence[Part]) -> float:
    return sum(item.seconds for item in planned) + sum(part.seconds for part in others)


def _about(seconds: float) -> str:
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"
