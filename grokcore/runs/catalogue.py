"""All runs below a place, each in a few facts."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from grokcore.errors import InputError
from grokcore.storage import Store, StoredFile
from grokcore.telemetry import MANIFEST, read_manifest
from grokcore.telemetry.journal import last_evaluation
from grokcore.telemetry.places import files_by_run
from grokcore.training.holder import is_being_written

_AT_ONCE = 8
"""Runs that are read at the same time: on object storage each costs a few round trips."""


@dataclass(frozen=True)
class RunSummary:
    """A run as a list shows it; None stands for what a damaged or unfinished run does not tell.

    Attributes:
        place: below the store that was listed; empty where that is the run itself.
        step: of the last evaluation.
        state: why it ended (`budget_steps`, `grokked`, ...); `running`; `interrupted`: neither has it ended nor does
            anybody write it; `damaged`: its manifest cannot be read; `half deleted`.
        bytes: of all its files.
        modified: last write, seconds since the epoch.
    """

    place: str
    uri: str
    run_id: str | None
    name: str | None
    architecture: str | None
    task: str | None
    seed: int | None
    step: int | None
    state: str
    bytes: int
    modified: float


def list_runs(root: Store) -> list[RunSummary]:
    """The runs at `root` and below it, at any depth, in the order of their places.

    Raises:
        InputError: the place may not be read.
        TransientError: the store did not answer.
    """
    found = files_by_run(root.files())
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(lambda item: summarise(root, *item), sorted(found.items())))


def summarise(root: Store, place: str, files: Sequence[StoredFile]) -> RunSummary:
    """The run at `place` below `root`, whose files are `files`."""
    run = root.child(place) if place else root
    manifest, step, state = None, None, "half deleted"
    top = f"{place}/" if place else ""
    if any(file.key == f"{top}{MANIFEST}" for file in files):
        try:
            manifest = read_manifest(run)
            state = manifest.exit_reason or ("running" if is_being_written(run) else "interrupted")
            last = last_evaluation(run)
            step = None if last is None else last["step"]
        except InputError:
            state = state if manifest is not None else "damaged"
    choices = manifest.choices if manifest is not None else {}
    return RunSummary(
        place=place,
        uri=run.uri,
        run_id=manifest.run_id if manifest is not None else None,
        name=manifest.name if manifest is not None else None,
        architecture=_text(choices.get("architecture")),
        task=_text(choices.get("task.kind")),
        seed=choices["seed"] if isinstance(choices.get("seed"), int) else None,
        step=step,
        state=state,
        bytes=sum(file.size for file in files),
        modified=max(file.modified for file in files),
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
