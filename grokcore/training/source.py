"""The first weights of a run: drawn, and taken from another model, whose cost is kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from grokcore.data import Dataset
from grokcore.data.supervision import longest_row
from grokcore.errors import DamagedError, InputError
from grokcore.models import SequenceModel, build_model, built_spec, load_model
from grokcore.models.files import CONFIG, WEIGHTS
from grokcore.models.roles import layouts
from grokcore.models.tokenizer import TOKENIZER, read_vocabulary
from grokcore.runs.manifest import SourceFacts
from grokcore.runs.record import RunRecord, read_trained
from grokcore.runs.seal import MODEL
from grokcore.spec import ComparisonTask, CompositionTask, ExperimentSpec, NewEntities, NewFacts
from grokcore.spec.experiment import derived_seed
from grokcore.spec.start_from import SavedStep, SourcePlace, StartFrom, check_digest, find_source
from grokcore.storage import local_copy, sha256, temporary_directory
from grokcore.storage.local import home_relative

EMBEDDING = "embedding"
"""The key of the token embedding where it is all that is taken over."""
MEMORIZED = "memorized"
"""The one milestone that held-out data do not decide."""
_COSTS = ("steps", "examples", "flops", "seconds", "cpu_seconds")


@dataclass(frozen=True)
class Source:
    """Weights to start from.

    Attributes:
        weights: by the names of the model's parameters; the token embedding alone as `EMBEDDING`.
    """

    weights: Mapping[str, Tensor]
    facts: SourceFacts


def read_source(spec: ExperimentSpec, dataset: Dataset) -> Source | None:
    """Read the model that a spec starts from; None if it starts from drawn weights alone.

    Raises:
        InputError: it is absent, damaged, not the one that the spec names, of a run that has not ended, of another
            vocabulary, or of another shape than the spec's.
        TransientError: the store could not be reached.
    """
    start = spec.model.start_from
    if start is None:
        return None
    place = find_source(start)
    record = None if place.run is None else _ended(place.run)
    with _folder(place) as folder:
        digest = sha256(folder / WEIGHTS) if place.saved is None else place.saved.sha256
        if place.saved is None:
            _check_seal(record, digest, start)
        check_digest(start, digest)
        if read_vocabulary(folder) != list(dataset.vocabulary):
            raise InputError(
                f"model.start_from: {start.model} was trained on another vocabulary than that of the spec's task"
            )
        weights = _weights(spec, folder, start, dataset)
    if not all(bool(weight.isfinite().all()) for weight in weights.values()):
        raise InputError(f"model.start_from: {start.model} has diverged: its weights are not finite")
    if start.redraw_reserved:
        weights |= _redrawn(weights, spec, dataset)
    return Source(weights, _facts(record, start, home_relative(place.model), digest, place.saved))


def drawn_model(spec: ExperimentSpec, dataset: Dataset) -> SequenceModel:
    """Return the spec's model for a dataset, its weights drawn."""
    return build_model(
        spec.model,
        vocabulary_size=dataset.info.vocabulary_size,
        sequence_length=longest_row(dataset.info.sequence_length),
        seed=spec.init_seed,
        eos=dataset.info.eos,
    )


@torch.no_grad()
def load_start(model: SequenceModel, weights: Mapping[str, Tensor]) -> None:
    """Copy weights to start from, as `Source` has them, into a new model."""
    ours = dict(model.named_parameters())
    for name, weight in weights.items():
        ours[_embedding_of(model) if name == EMBEDDING else name].copy_(weight)


def _embedding_of(model: SequenceModel) -> str:
    """Return the name of the token embedding, or of its factor that is taken from a source."""
    return next(name for name, layout in layouts(model).items() if layout.role == "embedding")


@contextmanager
def _folder(place: SourcePlace) -> Iterator[Path]:
    """Yield a local directory with config, weights and tokenizer of a source."""
    if place.run is None or place.saved is None:
        with local_copy(place.model, (CONFIG, WEIGHTS, TOKENIZER)) as folder:
            yield folder
        return
    with temporary_directory() as scratch, local_copy(place.model, (TOKENIZER,)) as folder:
        load_model(place.run, step=place.saved.step).save(scratch)  # verifies the checkpoint's hash
        shutil.copyfile(folder / TOKENIZER, scratch / TOKENIZER)
        yield scratch


def _redrawn(weights: Mapping[str, Tensor], spec: ExperimentSpec, dataset: Dataset) -> dict[str, Tensor]:
    """Return the matrices with a row per token, those of reserved entities drawn like those of trained ones.

    Reserved entities are the last tokens of the vocabulary, trained entities the first (`grokcore.tasks.new_facts`).
    """
    match spec.task:
        case ComparisonTask(entities=known, new_facts=NewEntities(reserved_entities=reserved)):
            pass
        case CompositionTask(entities=known, new_facts=NewFacts(reserved_entities=reserved)):
            pass
        case _:
            return {}
    roles = {name: one.role for name, one in layouts(drawn_model(spec, dataset)).items()} | {EMBEDDING: "embedding"}
    generator = torch.Generator().manual_seed(derived_seed(spec.init_seed, "reserved entities"))
    drawn = {}
    for name in sorted(name for name in weights if roles[name] in ("embedding", "head")):
        weight = weights[name].clone()
        trained, untrained = weight[:known], weight[-reserved:]
        noise = torch.randn(untrained.shape, generator=generator)
        untrained.copy_(trained.mean(0) + trained.std(0) * noise)
        drawn[name] = weight
    return drawn


def _ended(run: str) -> RunRecord:
    record = read_trained(run)
    if record.manifest.exit_reason in (None, "stopped"):
        raise InputError(f"model.start_from: {run} has not ended: run its training to its end")
    return record


def _check_seal(record: RunRecord | None, digest: str, start: StartFrom) -> None:
    seal = None if record is None else record.manifest.seal
    sealed = None if seal is None else seal.files.get(f"{MODEL}/{WEIGHTS}")
    if sealed is not None and sealed.sha256 != digest:
        raise DamagedError(
            f"model.start_from: the model of {start.model} is damaged: it does not have the SHA-256 that its run was "
            "sealed with"
        )


def _weights(spec: ExperimentSpec, folder: Path, start: StartFrom, dataset: Dataset) -> dict[str, Tensor]:
    """Return what is taken from the model in a folder, if it goes with the spec."""
    if start.parts == "embedding":
        embedding = dict(load_model(folder).named_parameters())["embedding.weight"].detach()
        wanted = built_spec(spec.model).width if start.rank is None else start.rank
        if embedding.shape[1] != wanted:
            hint = "project=true fits it" if start.rank is None else "leave start_from.width out"
            raise InputError(
                f"model.start_from: the embedding of {start.model} is {embedding.shape[1]} wide, not {wanted}: {hint}"
            )
        return {EMBEDDING: embedding}
    theirs = {name: one.detach() for name, one in load_model(folder, spec.model.implementation).named_parameters()}
    ours = _shapes(spec, dataset)
    if {name: one.shape for name, one in theirs.items()} != ours:
        differing = sorted(name for name in theirs.keys() | ours.keys() if _shape(theirs, name) != ours.get(name))
        raise InputError(
            f"model.start_from: parts=all needs a model of the spec's own shape, and {differing[0]} of {start.model} "
            f"is not: {_told(_shape(theirs, differing[0]))} there, {_told(ours.get(differing[0]))} in the spec"
        )
    return theirs


def _shapes(spec: ExperimentSpec, dataset: Dataset) -> dict[str, torch.Size]:
    """Return the shapes of the parameters of the spec's model."""
    return {name: parameter.shape for name, parameter in drawn_model(spec, dataset).named_parameters()}


def _shape(weights: Mapping[str, Tensor], name: str) -> torch.Size | None:
    return weights[name].shape if name in weights else None


def _told(shape: torch.Size | None) -> str:
    return "absent" if shape is None else "x".join(map(str, shape)) or "a number"


def _facts(record: RunRecord | None, start: StartFrom, place: str, digest: str, saved: SavedStep | None) -> SourceFacts:
    if record is None:
        return SourceFacts(uri=place, sha256=digest, run_id=None, steps=None, uses_held_out=True)
    manifest, last = record.manifest, record.journal[-1]
    if saved is not None:  # the first evaluation from there on: at most one interval too much
        last = next((line for line in record.journal if line["step"] >= saved.step), last)
    spent: dict[str, Any] = {name: last[name] for name in ("examples", "flops")}
    spent |= {"steps": last["step"], "seconds": last["clock"]["elapsed_seconds"]}
    spent["cpu_seconds"] = last["clock"].get("cpu_seconds")
    before = manifest.source
    if before is not None:
        for name in _COSTS:
            earlier = getattr(before, name)
            spent[name] = None if earlier is None or spent[name] is None else spent[name] + earlier
    return SourceFacts(
        uri=place,
        sha256=digest,
        run_id=manifest.run_id,
        uses_held_out=record.uses_held_out or _chosen_by_held_out(record, start, saved),
        **spent,
    )


def _chosen_by_held_out(record: RunRecord, start: StartFrom, saved: SavedStep | None) -> bool:
    """Whether accuracy on held-out data decided when these weights were taken, as far as can be known."""
    if saved is None:  # what a callback looks at is not known: it gets held-out accuracies with the rest
        return record.manifest.exit_reason in ("grokked", "callback")
    return start.step != MEMORIZED and any(name != MEMORIZED for name in saved.milestones)
