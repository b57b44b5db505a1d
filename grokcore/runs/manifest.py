"""The manifest of a run: versions, hardware, choices and identity; and how runs are found below a place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grokcore.errors import AbsentError, InputError
from grokcore.runs.seal import MANIFEST as MANIFEST
from grokcore.runs.seal import FileDigest, Seal, sealed_manifest
from grokcore.spec.plugins import PluginSource
from grokcore.storage import FileStore, Store, StoredFile
from grokcore.storage.store import encode_json

ExitReason = Literal["budget_steps", "budget_seconds", "grokked", "callback", "diverged", "stopped"]
"""Why training ended; `grokked` names the rule `stop_on_grok`, not the verdict; `callback` a function of the user."""

FORMAT: Literal[2] = 2
"""Of the manifest and the journal beside it. In format 1 the journal calls the phase `sustained` `grokked`."""


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", protected_namespaces=())


class DatasetReference(_Record):
    id: str
    uri: str


class ModelFacts(_Record):
    parameters: int = Field(description="all trained parameters, tied ones once")
    parameters_without_embeddings: int = Field(description="those of the blocks and the final norm")
    flops_per_step: float = Field(description="algorithmic FLOPs of an optimizer step: of the model and of the method")
    flops_of_model: float | None = Field(
        None, ge=0, description="those of the plain model; null in earlier versions, which counted no other"
    )
    flops_of_method: float = Field(
        0.0, ge=0, description="those that optimizer, gradient filter, loss and projection add to AdamW's"
    )
    vocabulary_size: int
    sequence_length: int = Field(description="tokens the model reads of an example")
    files: Literal["transformers", "grokcore"] = Field(
        "transformers",
        description="the format of model/: transformers', for AutoModelForCausalLM, or ours where transformers has no "
        "such model, for grokcore.models.load_model alone",
    )


class SourceFacts(_Record):
    """What the weights that a run starts from have cost, the sources of its source included.

    These are added to the run's own times to grok wherever methods are compared.
    """

    uri: str
    sha256: str = Field(description="of the source's model.safetensors")
    run_id: str | None = Field(description="the run that trained it; null for a model outside of a run")
    steps: int | None = Field(description="optimizer steps; null, as all costs, for a model outside of a run")
    examples: int | None = None
    flops: float | None = None
    seconds: float | None = Field(None, description="wall-clock seconds of its training")
    cpu_seconds: float | None = Field(None, description="CPU seconds of its optimizer steps")
    uses_held_out: bool = Field(
        description="whether held-out data decided anything in its training, such as when to stop; true if unknown"
    )


class Conditions(_Record):
    """Software and hardware of a training process."""

    versions: dict[str, str] = Field(description="versions of everything that computes")
    hardware: dict[str, str | int | None]
    git: dict[str, str | bool] | None = Field(description="commit of the checkout the code came from, if any")
    execution: dict[str, str] = Field(
        {}, description="how the model's arithmetic was carried out here, which changes results by rounding alone"
    )


class AttemptRecord(Conditions):
    """One process that trained a part of the run."""

    started: str = Field(description="UTC, ISO 8601")
    step: int = Field(description="optimizer steps that the run had behind it when the process began")


class Manifest(Conditions):
    """`versions`, `hardware`, `git` and `execution` are those of the last attempt."""

    format: Literal[1, 2] = Field(
        FORMAT, description="of this document and of metrics.jsonl; in 1 the latter calls the phase sustained grokked"
    )
    run_id: str
    name: str
    dataset: DatasetReference
    choices: dict[str, Any] = Field(description="every choice that could confound a comparison of two runs")
    model: ModelFacts
    plugins: list[PluginSource] = Field([], description="where the parts that are not grokcore's own come from")
    source: SourceFacts | None = Field(None, description="the weights that it starts from; null for drawn ones alone")
    uses_held_out: bool | None = Field(
        None,
        description="whether held-out data decided how weights were trained (drop_on or freeze_on of a held-out split, "
        "or a source that did): such a run is ranked with no other; null in earlier versions",
    )
    seeds: dict[str, int] = Field(description="seeds of the data, of initialization and of the order")
    remarks: list[str] = Field([], description="what was known to be odd about this run at its start, a line each")
    exit_reason: ExitReason | None = Field(None, description="why training ended; null while it runs")
    callback: str | None = Field(
        None, description="why a callback ended training, in its words; null unless exit_reason is callback"
    )
    started: str = Field(description="UTC, ISO 8601")
    resumes: int = Field(0, description="how often training has gone on from a checkpoint")
    finished: str | None = None
    cpu_seconds: float | None = Field(
        None,
        description="CPU seconds of the optimizer steps of all attempts, over all threads of the training process, of "
        "the leading one if there are several; seeds that share a process have equal shares; null in earlier versions",
    )
    seal: Seal | None = Field(
        None, description="hashes of the run's files since its training ended; null while it goes on"
    )
    attempts: list[AttemptRecord] = Field([], description="every process that trained the run, in their order")

    def begin_attempt(self, step: int, started: str, earlier: Manifest | None = None) -> None:
        """Add an attempt under the present conditions to those of the `earlier` manifest.

        Args:
            step: where the attempt goes on.
            earlier: the run's manifest so far; one that knows no attempts had one that is described by the rest of it.
        """
        before = [] if earlier is None else earlier.attempts or [_attempt(earlier, 0, earlier.started)]
        self.attempts = [*before, _attempt(self, step, started)]

    def set_execution(self, name: str, value: str) -> None:
        """Record what has turned out while the last attempt was under way."""
        self.execution[name] = self.attempts[-1].execution[name] = value

    def write(self, store: Store, *, seal: Mapping[str, FileDigest] | None = None) -> int:
        """Write it to the run at `store`, and return its size in bytes.

        Args:
            seal: the files that the run consists of, by key, once none of them will change any more.
        """
        document = self.model_dump(mode="json", exclude={"seal"})
        content = encode_json({**document, "seal": None} if seal is None else sealed_manifest(document, seal))
        store.write(MANIFEST, content)
        return len(content)


def _attempt(conditions: Conditions, step: int, started: str) -> AttemptRecord:
    shared = {name: deepcopy(getattr(conditions, name)) for name in Conditions.model_fields}
    return AttemptRecord(**shared, step=step, started=started)


def not_a_run(place: str | Path | Store, *, searched: bool = False) -> InputError:
    """The error for a place without a run.

    Args:
        searched: whether runs were looked for below the place, too.
    """
    below = ", and there is no run below it" if searched else ""
    return InputError(f"{place} is not a run: it has no {MANIFEST}{below}")


def read_manifest(run: Path | Store, name: str | Path | None = None) -> Manifest:
    """Read the manifest of the run in a directory or a store.

    Args:
        name: what errors call the run, where `run` is a copy of it.

    Raises:
        InputError: there is none, or it is damaged.
    """
    store = run if isinstance(run, Store) else FileStore(run)
    try:
        return Manifest.model_validate(store.read_json(MANIFEST))
    except AbsentError:
        raise not_a_run(name or run) from None
    except ValidationError as error:
        problem = error.errors()[0]
        field = ".".join(str(part) for part in problem["loc"])
        raise InputError(f"{store.uri_of(MANIFEST)} is damaged: {field}: {problem['msg']}") from None


DELETING = "deleting.json"
"""Stands in a run's place while it is being deleted, so that a deletion that was interrupted can be repeated."""


def files_by_run(files: Iterable[StoredFile]) -> dict[str, list[StoredFile]]:
    """The files of each run by the run's place. What lies below a run belongs to it, manifests of checkpoints too."""
    files = list(files)
    marked = {place for place, _, name in (file.key.rpartition("/") for file in files) if name in (MANIFEST, DELETING)}
    runs: dict[str, list[StoredFile]] = {}
    for file in files:
        outermost = next((place for place in _directories(file.key) if place in marked), None)
        if outermost is not None:
            runs.setdefault(outermost, []).append(file)
    return runs


def _directories(key: str) -> list[str]:
    """The directories that a key lies in, from the outermost, which is ''."""
    parts = key.split("/")[:-1]
    return ["/".join(parts[:depth]) for depth in range(len(parts) + 1)]
