"""`grokcore train --seeds`: several seeds of one spec, each a run of its own."""

from __future__ import annotations

import argparse
import shlex
import sys
from typing import TYPE_CHECKING, Any

from grokcore.cli.output import print_line
from grokcore.cli.specs import spec_of
from grokcore.errors import GrokcoreError, InputError, StoppedError
from grokcore.runs import JOURNAL, read_journal
from grokcore.spec import ExperimentSpec
from grokcore.spec.seeds import parse_seeds
from grokcore.storage import local_copy, open_store
from grokcore.telemetry.seeds import SeedsProgress
from grokcore.telemetry.unblocked import unblocked

if TYPE_CHECKING:
    from grokcore.training import TrainResult


def train_seeds(options: argparse.Namespace) -> None:
    """Train all seeds; one that fails is reported at the end."""
    seeds = parse_seeds(options.seeds)
    specs = _specs(options, seeds)
    with unblocked(sys.stderr) as stream:
        progress = SeedsProgress(stream, seeds, max_steps=specs[0].training.max_steps)
        try:
            results = _train(options, specs, progress)
        finally:
            progress.close()
    out = options.out.rstrip("/")
    print_line(f"{len(results)} runs at {out}/seed-*: seeds {options.seeds}")
    # A shell finds files that match a pattern, but no objects: there it has to be told the names.
    names = "*" if open_store(out).directory else f"{{{','.join(map(str, seeds))}}}" if len(seeds) > 1 else seeds[0]
    print_line(f"next: grokcore evaluate {shlex.quote(out)}/seed-{names}")


def _train(options: argparse.Namespace, specs: list[ExperimentSpec], progress: SeedsProgress) -> list[TrainResult]:
    from grokcore.training import TrainResult
    from grokcore.training import train_seeds as train

    def end(seed: int, outcome: TrainResult | GrokcoreError) -> None:
        if isinstance(outcome, TrainResult):
            progress.end(seed, "done", f"{outcome.exit_reason} after {outcome.step} steps", _last_line(outcome.run_uri))
        elif isinstance(outcome, StoppedError):
            progress.end(seed, "stopped", str(outcome))
        else:
            progress.end(seed, "failed", f"failed: {outcome}")

    return train(
        specs,
        options.data,
        options.out,
        resume=options.resume,
        on_evaluation=progress.show,
        on_end=end,
        notify=lambda line: progress.tell(f"grokcore: {line}"),
    )


def _last_line(run_uri: str) -> dict[str, Any] | None:
    """The last evaluation of a run that has ended; None where its store does not answer just now."""
    try:
        with local_copy(run_uri, (JOURNAL,)) as run:
            return read_journal(run / JOURNAL)[-1]
    except GrokcoreError:
        return None


def _specs(options: argparse.Namespace, seeds: list[int]) -> list[ExperimentSpec]:
    if any(override.partition("=")[0].strip() == "seed" for override in options.overrides):
        raise InputError("--seeds and --set seed contradict each other: give one of them")
    spec = spec_of(options)
    return [spec.model_copy(update={"seed": seed}) for seed in seeds]
