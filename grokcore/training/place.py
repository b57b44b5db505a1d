"""Where a run lies, and what may lie there before it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, read_spec
from grokcore.storage import Store, clear_errors, local_copy
from grokcore.telemetry import MANIFEST, read_manifest
from grokcore.training.heartbeat import FOLDER as LAUNCHER
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


def check_place(store: Store, spec: ExperimentSpec, resume: Resume) -> bool:
    """Whether there is a run to resume at `store`.

    Raises:
        InputError: what is there, or is not, does not go with the spec or with `resume`.
        TransientError: the store could not be reached.
    """
    if resume not in get_args(Resume):
        raise InputError(f"resume={resume!r} is not known; allowed are {', '.join(get_args(Resume))}")
    if store.find(MANIFEST) is None:
        if _holds_something_else(store):
            raise InputError(f"{store} exists and is no run: remove it or choose another place")
        if resume == "require":
            raise InputError(f"there is no run to resume at {store}")
        return False
    if resume == "never":
        raise InputError(f"there is a run at {store} already: remove it, choose another place, or allow resuming")
    if read_manifest(store).run_id != spec.run_id:
        with local_copy(store.uri, (SPEC,)) as folder:
            changed = _changed(read_spec(folder / SPEC), spec)
        raise InputError(f"{store} holds another run ({changed}): choose another place, or change the spec back")
    return True


def _holds_something_else(store: Store) -> bool:
    """Whether there is anything but what a launcher, or a process that was killed at its very start, may have left."""
    if store.directory is None:
        return not all(_left_over(file.key.partition("/")[0]) for file in store.files())
    if not store.directory.is_dir():
        return store.directory.exists()
    with clear_errors("read", store.directory):
        return not all(_left_over(path.name) for path in store.directory.iterdir())


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
