"""What trackers show of a run: a snapshot of it, its parameters, curves, tags and files."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal, Protocol

from grokcore.runs.evaluation import verdict_of
from grokcore.runs.journal import JournalLine
from grokcore.runs.manifest import Manifest
from grokcore.spec import ExperimentSpec
from grokcore.storage.local import home_relative

Status = Literal["running", "finished", "failed", "killed"]
"""killed: stopped by a signal, and able to go on; failed: ended by an error."""

_OF_A_LINE = ("learning_rate", "gradient_norm", "weight_norm", "loss_scale", "steps_skipped", "restarts")
_OF_PROGRESS = ("epoch", "examples", "flops")
_OF_THE_CLOCK = ("elapsed_seconds", "cpu_seconds", "steps_per_second")


@dataclass(frozen=True)
class TrackedRun:
    """A run as it is now.

    Attributes:
        uri: its place.
        lines: its journal so far.
        files: contents to keep beside it, by name; given once the run has ended.
    """

    uri: str
    spec: ExperimentSpec
    manifest: Manifest
    lines: Sequence[JournalLine] = ()
    status: Status = "running"
    files: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def run_key(self) -> str:
        """The key of a run at STORE/runs/RUN_ID/KEY; empty for one elsewhere."""
        parent, _, key = self.uri.rstrip("/").rpartition("/")
        return key if parent.rpartition("/")[2] == self.manifest.run_id else ""

    @property
    def title(self) -> str:
        return f"{self.manifest.name}, seed {self.spec.seed}"

    @property
    def folder(self) -> str:
        """A name of its own among all runs, the same wherever the run lies and however often it was resumed."""
        identity = f"{self.manifest.run_id} {self.run_key} {self.manifest.started}"
        name = "".join(letter if letter.isalnum() or letter in "._-" else "-" for letter in self.manifest.name)
        return f"{name}-seed-{self.spec.seed}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


class Tracker(Protocol):
    """Something that shows runs. It may block, and raise anything: `Tracking` calls it in a thread of its own."""

    def sync(self, run: TrackedRun) -> str:
        """Bring what the tracker shows of a run up to date, whatever it shows so far; return where it is shown."""


def parameters(run: TrackedRun) -> dict[str, str | int | float | bool]:
    """Every field of the spec by its dotted name, ids, versions and size. A field that is null is left out."""
    manifest = run.manifest
    return {
        **dict(_flat(run.spec.model_dump(mode="json"))),
        "run_id": manifest.run_id,
        "dataset_id": manifest.dataset.id,
        "parameters": manifest.model.parameters,
        **{f"versions.{name}": version for name, version in manifest.versions.items()},
    }


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, str | int | float | bool]]:
    if isinstance(value, dict):
        for key, part in value.items():
            yield from _flat(part, f"{name}.{key}" if name else str(key))
    elif isinstance(value, bool | int | float | str):
        yield name, value
    elif value is not None:
        yield name, str(value)


def values(line: JournalLine) -> dict[str, float]:
    """The numbers of an evaluation: `accuracy/SPLIT`, `loss/SPLIT`, and others by their names in the journal.

    What the journal has as null, since it was no finite number, is left out.
    """
    found: dict[str, Any] = {
        f"{measure}/{split}": value
        for split, measures in {"train": line["train"], **line["splits"]}.items()
        for measure, value in measures.items()
    }
    found |= {name: line.get(name) for name in (*_OF_A_LINE, *_OF_PROGRESS)}
    found |= {name: line["clock"].get(name) for name in _OF_THE_CLOCK}
    return {name: float(value) for name, value in found.items() if _is_number(value)}


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def phase_steps(line: JournalLine) -> dict[str, int]:
    """Steps at which phases began, by `memorized_step`, `onset_step/SPLIT`, and so on: those that the line knows."""
    memorized = line["phases"]["memorized"]
    found = {} if memorized is None else {"memorized_step": memorized}
    for split, begun in line["phases"].items():
        if split != "memorized":
            found |= {f"{phase}_step/{split}": step for phase, step in begun.items() if step is not None}
    return found


def verdicts(run: TrackedRun) -> dict[str, str]:
    """The verdict on each held-out split, by `verdict.SPLIT`, by the last evaluation."""
    if not run.lines:
        return {}
    phases = run.lines[-1]["phases"]
    return {
        f"verdict.{split}": verdict_of(
            begun["sustained"], phases["memorized"], begun["collapsed"], delay=run.spec.evaluation.delay
        )
        for split, begun in phases.items()
        if split != "memorized"
    }


def tags(run: TrackedRun) -> dict[str, str]:
    """Identity, phases, verdicts, remarks and the end of a run."""
    manifest = run.manifest
    found = {
        "grokcore.run_id": manifest.run_id,
        "grokcore.run_key": run.run_key,
        "grokcore.started": manifest.started,
        "grokcore.uri": home_relative(run.uri),
        "grokcore.dataset": manifest.dataset.uri,
        "grokcore.resumes": str(manifest.resumes),
        "exit_reason": manifest.exit_reason or "",
        "callback": manifest.callback or "",
        **{f"hardware.{name}": str(value) for name, value in manifest.hardware.items() if value is not None},
        **verdicts(run),
    }
    if run.lines:
        steps = phase_steps(run.lines[-1])
        found |= {f"phase.{name.replace('_step', '').replace('/', '.')}": str(step) for name, step in steps.items()}
    if manifest.git is not None:
        found |= {f"git.{name}": str(value) for name, value in manifest.git.items()}
    return {name: value for name, value in found.items() if value}


def seconds_of(line: JournalLine, run: TrackedRun) -> float:
    """When an evaluation was made, in seconds since the epoch; the run's beginning where the journal has no time."""
    return epoch_seconds(line["clock"].get("time") or run.manifest.started)


def epoch_seconds(time: str) -> float:
    """Seconds since the epoch of an ISO 8601 time; 0 for text that is none."""
    try:
        return datetime.fromisoformat(time).timestamp()
    except ValueError:
        return 0.0
