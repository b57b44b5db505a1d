"""Load a model from its folder, or of any saved step of a run: checkpoints hold weights, spec and manifest the rest."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from grokcore.errors import AbsentError, DamagedError, InputError
from grokcore.models import building
from grokcore.models.files import CONFIG, WEIGHTS
from grokcore.models.sequence_model import SequenceModel
from grokcore.runs.checkpoints import (
    FOLDER,
    TENSORS,
    CheckpointManifest,
    files_by_step,
    problem_of,
    read_checkpoint_manifest,
)
from grokcore.runs.record import RunRecord, read_head, read_trained
from grokcore.runs.seal import MANIFEST, MODEL
from grokcore.storage import Store, clear_errors, local_copy, open_store

_MODEL = "model."
"""What a checkpoint puts before the names of the model's own tensors."""


def saved_steps(run: str | Path) -> list[int]:
    """Return the steps of a run whose weights can be loaded, ascending: of its complete checkpoints, and of its end.

    Raises:
        InputError: there is no run.
        TransientError: the store could not be reached.
    """
    store = open_store(run)
    record = read_head(store)
    steps = {manifest.step for manifest in _manifests(store)}
    final = _final_step(store, record)
    return sorted(steps if final is None else steps | {final})


def milestones(run: str | Path) -> dict[str, int]:
    """Return the saved step of each phase for which a checkpoint is kept, such as `memorized` or `SPLIT.sustained`.

    Raises:
        InputError: there is no run.
        TransientError: the store could not be reached.
    """
    return {name: manifest.step for manifest in _manifests(open_store(run)) for name in manifest.milestones}


def load_model(place: str | Path, implementation: str = "fast", *, step: int | None = None) -> SequenceModel:
    """Load a model on the CPU.

    Args:
        place: the folder of a model, as `SequenceModel.save` writes it; or a run, a path or URI, that may be training.
        implementation: of a folder's model; that of a run is always loaded as `fast`.
        step: of a run, one of `saved_steps`; by default the last.

    Raises:
        InputError: there is no such model or step, or it is damaged.
        TransientError: the store could not be reached.
    """
    store = open_store(place)
    if step is None and store.directory is not None and store.find(MANIFEST) is None:
        return building.load_model(store.directory, implementation)
    record = read_head(store)
    final = _final_step(store, record)
    saved = {manifest.step: manifest for manifest in _manifests(store)}
    if step is None:
        step = final if final is not None else max(saved, default=None)
    if step is not None and step == final:
        with local_copy(store.uri_of(MODEL), (CONFIG, WEIGHTS)) as folder:
            return building.load_model(folder)
    if step is None:
        raise InputError(f"{place} has no weights yet: its training has saved no checkpoint")
    if step not in saved:
        known = ", ".join(map(str, sorted(saved if final is None else {*saved, final}))) or "none"
        raise InputError(f"{place} has no weights of step {step}: saved are {known}")
    return _model(record, _weights(store.child(FOLDER), saved[step], record.manifest.run_id, place))


def _manifests(run: Store) -> list[CheckpointManifest]:
    """Return the manifests of complete checkpoints, steps ascending; what cannot be read is left out."""
    store, found = run.child(FOLDER), []
    for step in files_by_step(store):
        try:
            found.append(read_checkpoint_manifest(store, step))
        except (AbsentError, DamagedError):
            continue
    return found


def _final_step(run: Store, record: RunRecord) -> int | None:
    """Return the step of the model in `model/`, or None while training goes on."""
    if record.manifest.exit_reason in (None, "stopped") or run.find(f"{MODEL}/{WEIGHTS}") is None:
        return None
    return int(read_trained(run.uri).journal[-1]["step"])


def _weights(store: Store, manifest: CheckpointManifest, run_id: str, run: str | Path) -> dict[str, Tensor]:
    """Return the model's tensors of a checkpoint, by the names of its parameters and buffers."""
    facts, key = manifest.files[TENSORS], manifest.key_of(TENSORS)
    wrong = problem_of(store, key, facts.bytes, facts.sha256, verify=True)
    if manifest.run_id != run_id:
        wrong = f"belongs to run {manifest.run_id}"
    if wrong is not None:
        raise DamagedError(f"{run}: {TENSORS} of step {manifest.step} {wrong}")
    folder, _, name = key.rpartition("/")
    with local_copy(store.uri_of(folder), (name,)) as directory:
        try:
            with clear_errors("read", directory / name):
                tensors = load_file(directory / name)
        except SafetensorError as error:
            raise DamagedError(f"{run}: {TENSORS} of step {manifest.step} cannot be read: {error}") from None
    return {name.removeprefix(_MODEL): one for name, one in tensors.items() if name.startswith(_MODEL)}


@torch.no_grad()
def _model(record: RunRecord, weights: dict[str, Tensor]) -> SequenceModel:
    """Return the run's model with these weights, converted if transformers computed it."""
    facts = record.manifest.model
    model = building.build_model(
        record.spec.model,
        vocabulary_size=facts.vocabulary_size,
        # The manifest has the tokens that are read, the model a position for each of question, answer and eos.
        sequence_length=facts.sequence_length + (1 if record.spec.training.loss_on == "answer_and_eos" else 2),
        seed=record.spec.init_seed,
    )
    ours = dict(model.named_parameters()) | dict(model.named_buffers())
    for name, tensor in ours.items():
        if name in weights:
            tensor.copy_(weights[name])
    if record.spec.model.implementation == "fast":
        return model
    with TemporaryDirectory() as folder:
        model.save(Path(folder))
        return building.load_model(Path(folder))
