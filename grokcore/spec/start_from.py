"""Start a model from the weights of another: which, and how they are identified.

The digest of the source's weights enters a run's id, its place does not: a source may move.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from grokcore.errors import InputError
from grokcore.spec.base import Spec, no_template, outside_identity
from grokcore.storage import Store, local_copy, open_store, read_json, sha256
from grokcore.storage.local import home_relative

CONFIG, WEIGHTS = "config.json", "model.safetensors"
RUN = "manifest.json"


class StartFrom(Spec):
    """The weights of another model, as the start of this one (embedding transfer: arXiv 2504.13292)."""

    model: str = outside_identity(
        ..., min_length=1, max_length=1000, description="path or URI of a finished run or of a model's directory"
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
        description="SHA-256 of the source's model.safetensors; null is filled in when the spec is resolved",
    )
    width: int | None = outside_identity(
        None, ge=1, le=65536, description="the source's width; null is filled in when the spec is resolved"
    )

    @field_validator("model")
    @classmethod
    def _is_no_template(cls, text: str) -> str:
        return no_template(text)

    @model_validator(mode="after")
    def _projects_embeddings_alone(self) -> StartFrom:
        if self.parts == "all" and not self.project:
            raise ValueError("project belongs to parts=embedding: leave it out with parts=all")
        return self

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
    place, _ = source_places(start)
    stored = open_store(place).find(WEIGHTS)
    found = _read(place, *((stored.size, stored.modified) if stored else (0, 0.0)))
    check_digest(start, found["sha256"])
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


def source_places(start: StartFrom) -> tuple[str, str | None]:
    """Return the URIs of the source's model directory and of the run that it belongs to, None without one.

    Raises:
        InputError: there is no model.
        TransientError: the store could not be reached.
    """
    place = start.model.rstrip("/").removesuffix(f"/{WEIGHTS}")
    store = open_store(place)
    if store.find(f"model/{WEIGHTS}") is not None:
        return store.uri_of("model"), store.uri if store.find(RUN) is not None else None
    if store.find(WEIGHTS) is None:
        raise InputError(
            f"model.start_from: {start.model} is neither a finished run nor a model: it has no model/{WEIGHTS}"
        )
    above = open_store(re.sub(r"/model$", "", store.uri))
    return store.uri, above.uri if above.uri != store.uri and _has_run(above) else None


def _has_run(store: Store) -> bool:
    return store.find(RUN) is not None


@lru_cache(maxsize=64)  # the points of a sweep share sources; the size and time of the file are part of the key
def _read(place: str, size: int, modified: float) -> dict[str, Any]:
    """Return digest and width of a model's weights."""
    with local_copy(place, (CONFIG, WEIGHTS)) as folder:
        config = read_json(folder / CONFIG)
        names = ("hidden_size", "n_embd")
        widths = [config[name] for name in names if isinstance(config, dict) and name in config]
        if not widths or type(widths[0]) is not int:
            raise InputError(f"model.start_from: {folder / CONFIG} names no width: it is not a model of grokcore")
        return {"sha256": sha256(folder / WEIGHTS), "width": widths[0]}
