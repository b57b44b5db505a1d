"""Where a run lies, and what may lie there before it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from grokcore.errors import GrokcoreError, InputError, TransientError
from grokcore.spec import ExperimentSpec, read_spec
from grokcore.storage import Store, clear_errors, local_copy
from grokcore.telemetry import JOURNAL, MANIFEST, read_manifest
from grokcore.training.heartbeat import FOLDER as LAUNCHER
from grokcore.training.holder import is_being_written
from grokcore.training.lease import FOLDER as LEASE
from grokcore.training.lock import LOCK

Resume = Literal["auto", "never", "require"]

SPEC = "spec.yaml"


@dataclass(frozen=True)
class TrainResult:
    """Where a run lies, why it ended, and after how many optimiser steps."""

    run_uri: str
    exit_reason: str
    step: int


def check_place(store: Store, spec: ExperimentSpec, resume: Resume, *, ours: bool = False) -> bool:
    """Whether there is a run to resume at `store`.

    Args:
        ours: this process is the run's sole writer; otherwise another one may be starting the run.

    Raises:
        InputError: what is there, or is not, does not go with the spec or with `resume`.
        TransientError: another process is writing there, or the store could not be reached.
    """
    if resume not in get_args(Resume):
        raise InputError(f"resume={resume!r} is not known; allowed are {', '.join(get_args(Resume))}")
    if store.find(MANIFEST) is None:
        if _holds_something_else(store):
            raise _refusal(store, f"{store} exists and is no run: remove it or choose another place", ours=ours)
        if resume == "require":
            raise _refusal(store, f"there is no run to resume at {store}", ours=ours)
        return False
    if resume == "never":
        message = f"there is a run at {store} already: remove it, choose another place, or allow resuming"
        raise _refusal(store, message, ours=ours)
    if read_manifest(store).run_id != spec.run_id:
        with local_copy(store.uri, (SPEC,)) as folder:
            changed = _changed(read_spec(folder / SPEC), spec)
        raise InputError(f"{store} holds another run ({changed}): choose another place, or change the spec back")
    return True


def _refusal(store: Store, problem: str, *, ours: bool) -> GrokcoreError:
    """The error for a place that cannot be used as it is; nobody is told to remove what is being written."""
    if not ours and is_being_written(store):
        return TransientError(f"{store} is being written by another process: wait until it has ended")
    return InputError(problem)


def _holds_something_else(store: Store) -> bool:
    """Whether there is anything but what a launcher, or a process that was killed at its very start, may have left."""
    if store.directory is not None and store.directory.exists() and not store.directory.is_dir():
        return True
    if store.directory is None:
        names = {file.key.partition("/")[0] for file in store.files()}
    elif not store.directory.is_dir():
        return False
    else:
        with clear_errors("read", store.directory):
            names = {path.name for path in store.directory.iterdir()}
    journal = store.find(JOURNAL)
    if journal is not None and journal.size == 0:  # versions up to 0.1 began with it
        names.discard(JOURNAL)
    return not all(map(_left_over, names))


def _left_over(name: str) -> bool:
    return name in (SPEC, "error.json", LOCK, LEASE, LAUNCHER) or (name.startswith(".") and name.endswith(".tmp"))


def _changed(there: ExperimentSpec, here: ExperimentSpec) -> str:
    before, after = _flat(there.model_dump(mode="json")), _flat(here.model_dump(mode="json"))
    names = [name for name in sorted(before | after) if before.get(name) != after.get(name)]
    ours = [name for name in names if name not in ("name", "description")] or ["made by another version of grokcore"]
    return ", ".join(
        f"{name}: {before.get(name)} there, {after.get(name)} now" if name in before | after else name
        for name in ours[:3]
    )


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        flat |= _flat(item, f"{prefix}{name}.") if isinstance(item, dict) else {f"{prefix}{name}": item}
    return flat
