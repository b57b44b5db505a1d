"""The results files: everything measured in one run of the benchmark, as JSON, and as Markdown made from that."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ci.benchmarks import machine
from ci.benchmarks.cases import Case
from ci.benchmarks.checks import checks_markdown
from ci.benchmarks.rounds import Effort, Timing, paired_ratio
from ci.benchmarks.table import accelerators_markdown, losses_markdown, speed_markdown
from ci.benchmarks.targets import judge
from ci.benchmarks.variants import VARIANTS
from grokcore.storage import write_atomically, write_json

Document = dict[str, Any]


class _Results:
    """A document and its two files, written anew after every change."""

    def __init__(self, folder: Path, suffix: str, device: str) -> None:
        facts, now = machine.facts(device), datetime.now(UTC)
        self.document: Document = {
            "format": 1,
            "date": now.isoformat(timespec="seconds").replace("+00:00", "Z"),
            "machine": facts,
        }
        self.path = free_name(folder, f"{now:%Y-%m-%d}-{machine.slug(facts)}{suffix}")

    def set(self, key: str, value: Any) -> None:
        self.document[key] = value
        self.save()

    def save(self) -> None:
        write_json(self.path, self.document)
        write_markdown(self.path, self.document)


class SpeedResults(_Results):
    """Speed of training.

    date, machine, settings    when, on what (see `machine.facts`), and how it was measured
    peak_flops                 FLOP/s of a large matrix product in this run, by number format
    rows                       one for each case, variant and number format (see `row`)
    failures                   a line for each case that could not be measured
    data_generation, command_line, modular, seeds, checkpoints
                               parts other than training steps; absent unless requested
    targets                    the figures that were to be reached, and what was measured of them
    notes                      lines that whoever read the results has added: why a figure was missed
    """

    def __init__(self, folder: Path, *, device: str, threads: int, effort: Effort) -> None:
        super().__init__(folder, "", device)
        self.document |= {
            "settings": {"device": device, "threads": threads, **asdict(effort)},
            "peak_flops": {},
            "rows": [],
            "failures": [],
        }

    def save(self) -> None:
        self.document["targets"] = judge(self.document)
        super().save()

    def set_rows(self, rows: Sequence[dict[str, Any]]) -> None:
        """Add rows, in place of those that stand for the same."""
        new = [identity(row) for row in rows]
        kept = [row for row in self.document["rows"] if identity(row) not in new]
        self.set("rows", [*kept, *rows])


class LossResults(_Results):
    """Whether both choices of `loss_on` learn alike: `comparisons` has one entry a preset (see `compare_losses`)."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, "-losses", "cpu")
        self.document["comparisons"] = []

    def add(self, comparison: dict[str, Any]) -> None:
        self.set("comparisons", [*self.document["comparisons"], comparison])


class AcceleratorResults(_Results):
    """What accelerators add to a step: `accelerators` has one entry a model (see `compare_accelerators`)."""

    def __init__(self, folder: Path, *, device: str, threads: int) -> None:
        super().__init__(folder, "-accelerators", device)
        self.document |= {"settings": {"device": device, "threads": threads}, "accelerators": []}

    def add(self, comparison: dict[str, Any]) -> None:
        self.set("accelerators", [*self.document["accelerators"], comparison])


def write_markdown(path: Path, document: Document) -> Path:
    """Render the results file at `path` beside it."""
    render = next((write for key, write in _PAGES.items() if key in document), speed_markdown)
    page = path.with_suffix(".md")
    write_atomically(page, render(document).encode())
    return page


_PAGES = {"comparisons": losses_markdown, "accelerators": accelerators_markdown, "checks": checks_markdown}
"""What writes the page of a document, by a key that it has."""


def identity(row: dict[str, Any]) -> tuple[str, ...]:
    return tuple(row[name] for name in ("model", "architecture", "loss_on", "variant", "precision"))


def row(
    case: Case, timing: Timing, others: Sequence[Timing], *, batch_size: int, plain_flops: float, peak: float
) -> dict[str, Any]:
    """Measurements of one variant.

    Args:
        others: the timings of the same case, from the same rounds.
        plain_flops: algorithmic operations of one step of the plain model (`grokcore.models.step_flops`): they are the
            same for every variant, so that no trick of execution moves them.
        peak: FLOP/s of a large matrix product in the same number format.
    """
    milliseconds = [1000 * seconds for seconds in timing.seconds]
    return {
        "model": case.model,
        "architecture": case.architecture,
        "loss_on": case.loss_on,
        "variant": timing.entry.variant,
        "label": VARIANTS[timing.entry.variant].label,
        "precision": timing.entry.precision,
        "milliseconds_per_step": {
            "median": statistics.median(milliseconds),
            "min": min(milliseconds),
            "max": max(milliseconds),
            "repeats": milliseconds,
        },
        "steps_per_repeat": timing.steps,
        "steps_per_second": 1 / timing.median,
        "examples_per_second": batch_size / timing.median,
        "plain_model_flops_per_step": plain_flops,
        "model_flop_utilisation": plain_flops / timing.median / peak,
        "peak_memory_bytes": timing.peak_memory,
        "profile": timing.profile,
        "first_step": asdict(timing.first_step),
        "execution": timing.execution,
        "times_as_fast_as": {
            str(other.entry): paired_ratio(other.seconds, timing.seconds)
            for other in others
            if other.entry != timing.entry
        },
    }


def free_name(folder: Path, stem: str) -> Path:
    """`folder/stem.json`, or with a number where that exists: results are never overwritten by a later run."""
    path, number = folder / f"{stem}.json", 2
    while path.exists():
        path, number = folder / f"{stem}-{number}.json", number + 1
    return path
