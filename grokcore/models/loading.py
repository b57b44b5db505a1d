"""Load a model from its folder, or of any saved step of a run: checkpoints hold weights, spec and manifest the rest."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
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
from grokcore.runs.journal import last_evaluation
from grokcore.runs.record import RunRecord, read_head
from grokcore.runs.seal import MANIFEST, MODEL
from grokcore.spec.code import check_architecture
from grokcore.storage import CONCURRENT_READS, Store, clear_errors, local_copy, open_store

_MODEL = "model."
"""What a checkpoint puts before the names of the model's own tensors."""


def saved_steps(run: str | Path) -> list[int]:
    """Return the steps of a run whose weights can be loaded, ascending: of its complete checkpoints, and of its end.

    Raises:
        InputError: there is no run.
        TransientError: the store could not be reached.
    """
    return SavedModels(run).steps


def milestones(run: str | Path) -> dict[str, int]:
    """Return the saved step of each phase for which a checkpoint is kept, such as `memorized` or `SPLIT.sustained`.

    Raises:
        InputError: there is no run.
        TransientError: the store could not be reached.
    """
    return SavedModels(run).milestones


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
    return SavedModels(place).load(step)


class SavedModels:
    """Models of the steps that a run has saved, as of now. Every manifest is read once, however many steps are loaded.

    Args:
        run: a path or URI; it may be training.

    Raises:
        InputError: there is no run.
        TransientError: the store could not be reached.
    """

    def __init__(self, run: str | Path) -> None:
        self._run, self._store = run, open_store(run)
        self._record = read_head(self._store)

    @property
    def steps(self) -> list[int]:
        """Steps of complete checkpoints and of the end, ascending."""
        return sorted({*self._manifests, *([] if self._final_step is None else [self._final_step])})

    @property
    def milestones(self) -> dict[str, int]:
        """Step by phase for which a checkpoint is kept."""
        return {name: manifest.step for manifest in self._manifests.values() for name in manifest.milestones}

    def load(self, step: int | None = None) -> SequenceModel:
        """Load the model of a step on the CPU, by default of the last; errors as in `load_model`."""
        if step is None:
            step = self._final_step if self._final_step is not None else max(self._manifests, default=None)
        if step is None:
            raise InputError(f"{self._run} has no weights yet: its training has saved no checkpoint")
        check_architecture(self._record.spec.model)
        if step == self._final_step:
            with local_copy(self._store.child(MODEL), (CONFIG, WEIGHTS)) as folder:
                return building.load_model(folder)
        manifest = self._manifest(step)
        if manifest is None:
            known = ", ".join(map(str, self.steps)) or "none"
            raise InputError(f"{self._run} has no weights of step {step}: saved are {known}")
        checkpoints = self._store.child(FOLDER)
        return _model(self._record, _weights(checkpoints, manifest, self._record.manifest.run_id, self._run))

    @cached_property
    def _final_step(self) -> int | None:
        """The step of the model in `model/`, or None while training goes on."""
        ended = self._record.manifest.exit_reason not in (None, "stopped")
        if not ended or self._store.find(f"{MODEL}/{WEIGHTS}") is None:
            return None
        last = last_evaluation(self._store)
        return None if last is None else int(last["step"])

    @cached_property
    def _manifests(self) -> dict[int, CheckpointManifest]:
        """Manifests of complete checkpoints by step, ascending; those that cannot be read are left out."""
        with ThreadPoolExecutor(CONCURRENT_READS) as pool:
            read = list(pool.map(self._read_manifest, files_by_step(self._store.child(FOLDER))))
        return {manifest.step: manifest for manifest in read if manifest is not None}

    def _manifest(self, step: int) -> CheckpointManifest | None:
        """The manifest of one step, without reading those of the others."""
        return self._manifests.get(step) if "_manifests" in vars(self) else self._read_manifest(step)

    def _read_manifest(self, step: int) -> CheckpointManifest | None:
        try:
            return read_checkpoint_manifest(self._store.child(FOLDER), step)
        except (AbsentError, DamagedError):
            return None


def _weights(store: Store, manifest: CheckpointManifest, run_id: str, run: str | Path) -> dict[str, Tensor]:
    """Return the model's tensors of a checkpoint, by the names of its parameters and buffers."""
    facts, key = manifest.files[TENSORS], manifest.key_of(TENSORS)
    wrong = problem_of(store, key, facts.bytes, facts.sha256, verify=True)
    if manifest.run_id != run_id:
        wrong = f"belongs to run {manifest.run_id}"
    if wrong is not None:
        raise DamagedError(f"{run}: {TENSORS} of step {manifest.step} {wrong}")
    folder, _, name = key.rpartition("/")
    with local_copy(store.child(folder), (name,)) as directory:
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
