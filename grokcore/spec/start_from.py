"""Start a model from the weights of another: which, and how they are identified.

The digest of the source's weights enters a run's id, its place does not: a source may move.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from pydantic import Field, field_validator, model_validator

from grokcore.errors import AbsentError, DamagedError, InputError
from grokcore.spec.base import Spec, added_later, no_template, outside_identity
from grokcore.storage import Store, local_copy, open_store, read_json, sha256
from grokcore.storage.local import home_relative

CONFIG, WEIGHTS = "config.json", "model.safetensors"
RUN = "manifest.json"
CHECKPOINTS, STATE = "checkpoints", "state.safetensors"


class StartFrom(Spec):
    """The weights of another model, as the start of this one (embedding transfer: arXiv 2504.13292)."""

    model: str = outside_identity(
        ..., min_length=1, max_length=1000, description="path or URI of a finished run or of a model's directory"
    )
    step: int | str | None = outside_identity(
        None,
        description="saved step of the run whose weights are taken: its number, or a milestone such as memorized or "
        "SPLIT.sustained; null for the end",
    )
    parts: Literal["embedding", "all"] = Field(
        "embedding", description="embedding (of the tokens alone) or all (weights of a model of the same shape)"
    )
    project: bool = Field(
        True,
        description="parts=embedding: true trains E = A B, with A (vocabulary, source's width) from the source and B "
        "drawn from N(0, 1/source's width); false copies the embedding of a source of equal width",
    )
    sha256: str | None = Field(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of the source's model.safetensors, or of the state.safetensors of its step; null is "
        "filled in when the spec is resolved",
    )
    width: int | None = outside_identity(
        None, ge=1, le=65536, description="the source's width; null is filled in when the spec is resolved"
    )
    group: str | None = outside_identity(
        None,
        max_length=200,
        description="name that sources share which differ in their seeds alone: runs from them are repetitions of one "
        "experiment; null: runs are, if they start from the very same weights",
    )
    redraw_reserved: bool = added_later(
        False,
        description="draw the embeddings of task.new_facts.reserved_entities like those of trained entities, from a "
        "normal distribution of equal mean and standard deviation in each column: weight decay has shrunk them",
    )

    @field_validator("model", "group")
    @classmethod
    def _is_no_template(cls, text: str | None) -> str | None:
        return None if text is None else no_template(text)

    @model_validator(mode="after")
    def _projects_embeddings_alone(self) -> StartFrom:
        if self.parts == "all" and not self.project:
            raise ValueError("project belongs to parts=embedding: leave it out with parts=all")
        return self

    @property
    def pooled(self) -> StartFrom:
        """The same for all sources of a group: their name and step stand in the place of the digest."""
        if self.group is None:
            return self
        at = "" if self.step is None else f" at {self.step}"
        return self.model_copy(update={"sha256": f"{self.group}{at}"})

    @property
    def rank(self) -> int | None:
        """Rank of the factorized embedding; None where the embedding is one matrix.

        Raises:
            ValueError: the source's width is not known yet.
        """
        if self.parts == "all" or not self.project:
            return None
        if self.width is None:
            raise ValueError("a factorized embedding needs the width of its source: resolve the spec first")
        return self.width


def resolve_source(start: StartFrom) -> StartFrom:
    """Fill in what is read from the source, unless it is there: digest, width, and the absolute path of its place.

    Raises:
        InputError: there is no model at its place, or it has another digest than the spec.
        TransientError: the store could not be reached.
    """
    if start.sha256 is not None and start.width is not None:
        return start
    source = find_source(start)
    stored = open_store(source.model).find(WEIGHTS)
    digest, width = _read(source.model, *((stored.size, stored.modified) if stored else (0, 0.0)))
    found = {"sha256": source.saved.sha256 if source.saved else digest, "width": width}
    check_digest(start, str(found["sha256"]))
    return start.model_copy(update={"model": home_relative(open_store(start.model).uri), **found})


def check_digest(start: StartFrom, found: str) -> None:
    """
    Raises:
        InputError: the source's weights are not those of the spec.
    """
    if start.sha256 not in (None, found):
        raise InputError(
            f"model.start_from: the weights at {start.model} have the SHA-256 {found}, not {start.sha256}: name their "
            "own place, or set sha256=null to start from these"
        )


@dataclass(frozen=True)
class SavedStep:
    """A checkpoint to start from.

    Attributes:
        milestones: phases for which it is kept: `memorized`, `SPLIT.onset`, ...
        sha256: of its state.safetensors.
    """

    step: int
    milestones: tuple[str, ...]
    sha256: str


@dataclass(frozen=True)
class SourcePlace:
    """Where a source lies.

    Attributes:
        model: URI of the directory of its config, tokenizer and final weights.
        run: URI of the run that it belongs to; None without one.
        saved: the checkpoint whose weights are taken; None for the final ones.
    """

    model: str
    run: str | None
    saved: SavedStep | None = None


def find_source(start: StartFrom) -> SourcePlace:
    """Find the model, and the checkpoint if a step is named.

    Raises:
        InputError: there is no model, or no such step.
        TransientError: the store could not be reached.
    """
    model, run = _places(start)
    if start.step is None:
        return SourcePlace(model, run)
    if run is None:
        raise InputError(f"model.start_from.step={start.step} is a step of a run, and {start.model} belongs to none")
    saved = sorted(_saved_steps(open_store(run)), key=lambda one: one.step)
    found = next((one for one in saved if start.step == one.step or start.step in one.milestones), None)
    if found is None:
        names = [", ".join((str(one.step), *one.milestones)) for one in saved]
        raise InputError(
            f"model.start_from.step={start.step} of {start.model} is not saved: there are {'; '.join(names) or 'none'}"
        )
    return SourcePlace(model, run, found)


def _saved_steps(run: Store) -> Iterator[SavedStep]:
    """Yield the complete checkpoints of a run, by the fields of their manifests (`grokcore.runs.checkpoints`)."""
    store = run.child(CHECKPOINTS)
    for key in sorted(file.key for file in store.files() if re.fullmatch(r"step-\d+/manifest\.json", file.key)):
        try:
            document = store.read_json(key)
            step, milestones = int(document["step"]), tuple(map(str, document["milestones"]))
            yield SavedStep(step, milestones, str(document["files"][STATE]["sha256"]))
        except (AbsentError, DamagedError, KeyError, TypeError, ValueError):
            continue  # of a save or a deletion that is under way, or damaged


def _places(start: StartFrom) -> tuple[str, str | None]:
    """Return the URIs of the model's directory and of its run, None without one."""
    place = start.model.rstrip("/").removesuffix(f"/{WEIGHTS}")
    store = open_store(place)
    if store.find(f"model/{WEIGHTS}") is not None:
        return store.uri_of("model"), store.uri if store.find(RUN) is not None else None
    if store.find(WEIGHTS) is None:
        raise InputError(
            f"model.start_from: {start.model} is neither a finished run nor a model: it has no model/{WEIGHTS}"
        )
    above = open_store(re.sub(r"/model$", "", store.uri))
    return store.uri, above.uri if above.uri != store.uri and above.find(RUN) is not None else None


@lru_cache(maxsize=64)  # the points of a sweep share sources; the size and time of the file are part of the key
def _read(place: str, size: int, modified: float) -> tuple[str, int]:
    """Return the digest of a model's weights and its width."""
    with local_copy(place, (CONFIG, WEIGHTS)) as folder:
        config = read_json(folder / CONFIG)
        names = ("hidden_size", "n_embd")
        widths = [config[name] for name in names if isinstance(config, dict) and name in config]
        if not widths or type(widths[0]) is not int:
            raise InputError(f"model.start_from: {folder / CONFIG} names no width: it is not a model of grokcore")
        return sha256(folder / WEIGHTS), widths[0]
