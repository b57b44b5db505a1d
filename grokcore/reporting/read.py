"""From run directories to what a report shows of them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from grokcore.documents import parse_yaml
from grokcore.errors import InputError
from grokcore.evaluation import EVALUATION
from grokcore.reporting.labels import labelled
from grokcore.runs import JOURNAL, MANIFEST, read_journal
from grokcore.runs.artifacts import RUN_FILES
from grokcore.runs.seal import check_document, check_record
from grokcore.spec import validate
from grokcore.storage import local_copy, open_parent, read_bytes, read_json

T = TypeVar("T")

Verdict = Literal["grokked", "generalised", "censored", "collapsed"]


class _Part(BaseModel):
    """A part of a file that another version of grokcore may have written: more fields are welcome."""

    model_config = ConfigDict(frozen=True, extra="ignore", allow_inf_nan=False, protected_namespaces=())


class Time(_Part):
    """When something was reached: at the evaluation after `steps` steps, and not yet at the one after `after`."""

    steps: int
    after: int | None = None
    epochs: float | None = None
    examples: float | None = None
    flops: float | None = None
    seconds: float | None = None
    learning_rate_share: float | None = None


class Times(_Part):
    """The three definitions of having reached the threshold; None while censored."""

    first_crossing: Time | None = None
    sustained: Time | None = None
    stable: Time | None = None


class HeldOut(Times):
    verdict: Verdict
    ratio: float | None = None
    onset: int | None = None
    collapsed: int | None = None


class Measure(_Part):
    accuracy: float | None = Field(None, ge=0, le=1)
    loss: float | None = Field(None, le=1e39)


class SplitResult(Measure):
    role: str
    examples: int | None = None
    majority_baseline: float | None = None


class Evaluation(_Part):
    """`evaluation.json`"""

    format: Literal[1]
    run_id: str
    evaluation_id: str
    step: int
    threshold: float = Field(gt=0, le=1)
    censored_at: int | None = None
    train: Measure
    splits: dict[str, SplitResult]
    memorized: Times
    held_out: dict[str, HeldOut]
    diverged: bool = False
    exit_reason: str | None = None
    schedule: str | None = None
    remarks: list[str] = []


class Manifest(_Part):
    """`manifest.json`"""

    format: Literal[1, 2]
    run_id: str
    name: str
    dataset: dict[str, Any]
    versions: dict[str, Any]
    hardware: dict[str, Any]
    git: dict[str, Any] | None = None
    choices: dict[str, Any]
    model: dict[str, Any]
    seeds: dict[str, Any]
    exit_reason: str | None = None
    started: str | None = None
    finished: str | None = None


class Line(_Part):
    """One line of `metrics.jsonl`."""

    step: int = Field(ge=0, lt=2**53)
    examples: float | None = None
    epoch: float | None = None
    flops: float | None = None
    train: Measure | None = None
    splits: dict[str, Measure]
    learning_rate: float | None = None
    gradient_norm: float | None = None
    weight_norm: float | None = None
    clock: dict[str, Any] = {}


@dataclass(frozen=True)
class RunView:
    """One run as a report shows it; `label` tells it from the report's other runs, `spec` its spec from other specs."""

    label: str
    spec: str
    description: str
    evaluation_settings: dict[str, Any]
    manifest: Manifest
    journal: tuple[Line, ...]
    evaluation: Evaluation
    verified: bool = False

    @property
    def family(self) -> str:
        """What runs that differ in nothing but their seeds have in common."""
        choices = {name: value for name, value in self.manifest.choices.items() if name != "seed"}
        common = [self.manifest.name, self.manifest.dataset.get("id"), choices, self.evaluation.evaluation_id]
        return json.dumps(common, sort_keys=True)

    @property
    def train_splits(self) -> list[str]:
        return [name for name, split in self.evaluation.splits.items() if split.role == "train"]

    def delayed(self, held_out: HeldOut) -> bool:
        """Whether a split was sustained late enough to have grokked, even where it collapsed afterwards."""
        if held_out.verdict == "collapsed":
            delay = self.evaluation_settings.get("delay")
            return (held_out.ratio or 0) >= (delay if isinstance(delay, int | float) else 2)
        return held_out.verdict == "grokked"

    @property
    def limit(self) -> int:
        """The step after which nothing is known of this run, in its evaluation's eyes."""
        return self.evaluation.step if self.evaluation.censored_at is None else self.evaluation.censored_at


def read_runs(runs: Sequence[str | Path], evaluations: Sequence[str | Path] | None = None) -> list[RunView]:
    """The runs in the order given, with labels that differ.

    Raises:
        InputError: a file is missing or damaged, or an evaluation is not of its run.
    """
    if isinstance(runs, str | Path) or isinstance(evaluations, str | Path):
        raise InputError("runs and evaluations are lists of places, not a single one")
    if not runs:
        raise InputError("a report needs at least one run directory")
    if evaluations is not None and len(evaluations) != len(runs):
        raise InputError(
            f"there are {len(runs)} runs and {len(evaluations)} evaluations; give one evaluation per run, in order"
        )
    files = [None] * len(runs) if evaluations is None else list(evaluations)
    return labelled([_read_run(run, file) for run, file in zip(runs, files, strict=True)])


def _read_run(run: str | Path, evaluation: str | Path | None) -> RunView:
    with local_copy(run, (*RUN_FILES, EVALUATION)) as directory:
        if not (directory / MANIFEST).exists():
            raise InputError(f"{run} is no run directory: it has no {MANIFEST}; grokcore train makes one")
        verified = check_record(directory, run)
        manifest = _checked(Manifest, read_json(directory / MANIFEST), directory / MANIFEST)
        spec = _read_spec(directory / "spec.yaml")
        journal = _checked(list[Line], read_journal(directory / JOURNAL), directory / JOURNAL)
        if not journal:
            raise InputError(f"{directory / JOURNAL} holds no evaluation yet: let the run train up to its first one")
        if evaluation is None and not (directory / EVALUATION).exists():
            raise InputError(f"{run} has no evaluation yet; make one with: grokcore evaluate {run}")
        result, result_verified = _read_evaluation(directory / EVALUATION if evaluation is None else evaluation)
    if result.run_id != manifest.run_id:
        raise InputError(
            f"{run if evaluation is None else evaluation} holds the evaluation of run {result.run_id}, "
            f"but {run} is run {manifest.run_id}"
        )
    settings = spec.get("evaluation")
    return RunView(
        label=manifest.name,
        spec=manifest.name,
        description=str(spec.get("description") or ""),
        evaluation_settings=settings if isinstance(settings, dict) else {},
        manifest=manifest,
        journal=tuple(sorted(journal, key=lambda line: line.step)),
        evaluation=result,
        verified=verified and result_verified,
    )


def _read_evaluation(place: str | Path) -> tuple[Evaluation, bool]:
    """An evaluation, and whether it is the one that was written, as far as its version tells."""
    store, name = open_parent(place)
    document = store.read_json(name)
    verified = check_document(document, place, "make it anew with: grokcore evaluate")
    return _checked(Evaluation, document, place), verified


def _read_spec(path: Path) -> dict[str, Any]:
    spec = parse_yaml(read_bytes(path), str(path))
    if not isinstance(spec, dict):
        raise InputError(f"{path} is no mapping of a spec's fields: it is damaged")
    return spec


def _checked(kind: type[T], document: Any, place: str | Path) -> T:
    try:
        checked: T = validate(kind, document)
    except InputError as error:
        raise InputError(f"{place} is damaged or of another version: {error}") from None
    return checked
