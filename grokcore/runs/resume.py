"""Check the place of a run before training: new, to be resumed, or refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal, get_args

from grokcore.errors import BusyError, GrokcoreError, InputError, decode_error, encode_error
from grokcore.runs.journal import JOURNAL
from grokcore.runs.lease import FOLDER as LEASE
from grokcore.runs.lock import LOCK, is_being_written
from grokcore.runs.manifest import MANIFEST, read_manifest
from grokcore.runs.seal import SPEC
from grokcore.spec import ExperimentSpec, read_spec
from grokcore.spec.base import identity_of
from grokcore.storage import Store, clear_errors, local_copy

Resume = Literal["auto", "never", "require"]


LAUNCHER = "launcher"
"""Folder in which what starts a training elsewhere, and the training, hear of each other."""


@dataclass(frozen=True)
class TrainResult:
    """The outcome of a training: its place, why it ended, and the optimizer steps made."""

    run_uri: str
    exit_reason: str
    step: int


def check_place(store: Store, spec: ExperimentSpec, resume: Resume, *, ours: bool = False) -> bool:
    """Whether there is a run to resume at `store`.

    Args:
        ours: this process is the run's sole writer; otherwise another one may be starting the run.

    Raises:
        InputError: what is there, or is not, does not go with the spec or with `resume`.
        BusyError: another process is writing there.
        TransientError: the store could not be reached.
    """
    if resume not in get_args(Resume):
        raise InputError(f"resume={resume!r} is not known; allowed are {', '.join(get_args(Resume))}")
    if store.find(MANIFEST) is None:
        if _holds_something_else(store):
            raise _refusal(store, f"{store} exists and is not a run: remove it or choose another place", ours=ours)
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
        return BusyError(f"{store} is being written by another process: wait until it has ended")
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


_MOST_CHANGES = 5


def _changed(there: ExperimentSpec, here: ExperimentSpec) -> str:
    """The fields that make two specs different runs, with both values; those that may change are not among them."""
    before, after = _flat(there.model_dump(mode="json")), _flat(here.model_dump(mode="json"))
    old, new = _flat(_identity(there)), _flat(_identity(here))
    names = [name for name in sorted(old | new, key=_order) if old.get(name) != new.get(name)]
    if not names:
        return "made by another version of grokcore"
    told = [f"{name}: {_value(before, name)} there, {_value(after, name)} now" for name in names[:_MOST_CHANGES]]
    more = [f"and {len(names) - _MOST_CHANGES} more"] if len(names) > _MOST_CHANGES else []
    return ", ".join([*told, *more])


def _identity(spec: ExperimentSpec) -> dict[str, Any]:
    """Return the fields that the run's id depends on."""
    parts = {name: identity_of(getattr(spec, name)) for name in ("task", "model", "training")}
    if spec.training.schedule == "phase":
        parts["evaluation"] = identity_of(spec.evaluation)
    if spec.model.seed is None or spec.training.seed is None:  # else nothing depends on it
        parts["seed"] = {"": spec.seed}
    return parts


def _order(name: str) -> tuple[bool, str]:
    """Sort fields that choose the other fields of their section first."""
    return name not in ("task.kind", "model.architecture"), name


def _value(fields: dict[str, Any], name: str) -> Any:
    value = fields.get(name, "absent")
    return "null" if value is None else value


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, item in value.items():
        flat |= _flat(item, f"{prefix}{name}.") if isinstance(item, dict) else {f"{prefix}{name}".rstrip("."): item}
    return flat


def encode_outcome(outcome: TrainResult | GrokcoreError) -> dict[str, Any]:
    return {"result": asdict(outcome)} if isinstance(outcome, TrainResult) else encode_error(outcome)


def decode_outcome(message: dict[str, Any]) -> TrainResult | GrokcoreError:
    if "result" in message:
        return TrainResult(**message["result"])
    return decode_error(message)
