"""Where a run lies, and what may lie there before it is trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, read_spec
from grokcore.telemetry import MANIFEST, read_manifest

Resume = Literal["auto", "never", "require"]


@dataclass(frozen=True)
class TrainResult:
    """Where a run lies, why it ended, and after how many optimiser steps."""

    run_uri: str
    exit_reason: str
    step: int


def check_place(run: Path, spec: ExperimentSpec, resume: Resume) -> bool:
    """Whether there is a run to resume at `run`.

    Raises:
        InputError: what is there, or is not, does not go with the spec or with `resume`.
    """
    if resume not in get_args(Resume):
        raise InputError(f"resume={resume!r} is not known; allowed are {', '.join(get_args(Resume))}")
    if not (run / MANIFEST).exists():
        if run.exists() and (not run.is_dir() or not all(_left_over(file.name) for file in run.iterdir())):
            raise InputError(f"{run} exists and is no run: remove it or choose another place")
        if resume == "require":
            raise InputError(f"there is no run to resume at {run}")
        return False
    if resume == "never":
        raise InputError(f"there is a run at {run} already: remove it, choose another place, or allow resuming")
    if read_manifest(run).run_id != spec.run_id:
        changed = _changed(read_spec(run / "spec.yaml"), spec)
        raise InputError(f"{run} holds another run ({changed}): choose another place, or change the spec back")
    return True


def _left_over(name: str) -> bool:
    """Whether a process that was killed at its very start may have left a file of this name."""
    return name in ("spec.yaml", "error.json") or (name.startswith(".") and name.endswith(".tmp"))


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
