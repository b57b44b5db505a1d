"""One experiment: everything a run depends on, in one frozen description."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from pydantic import Field, field_validator, model_validator

from grokcore.spec.base import Spec, identity_of, no_template, outside_identity
from grokcore.spec.models import GPT2, ModelSpec
from grokcore.spec.tasks import ComparisonTask, Task, TaskSpec
from grokcore.spec.training import STABLE_THRESHOLD, EvaluationSpec, TrainingSpec

SEMANTICS_VERSION = 1
"""Raised when the same spec and data would give another curve, whatever the architecture."""
EVALUATION_VERSION = 1
"""Raised when the same curves would give other phases or times. What differs for few runs, and can be told from a run's
own files, is found there instead (`grokcore.evaluation.records`), so that all others keep their ids."""


class ExperimentSpec(Spec):
    """A run is a pure function of this."""

    name: str = outside_identity("experiment", description="a name for people; no id depends on it")
    description: str = outside_identity("", description="one line that says what the experiment shows")
    seed: int = Field(0, ge=0, description="seed of initialization and order; the task has a seed of its own")
    task: TaskSpec = Field(default_factory=ComparisonTask, description="what is to be learned")
    model: ModelSpec = Field(default_factory=GPT2, description="what learns it")
    training: TrainingSpec = Field(default_factory=TrainingSpec, description="how it is trained")
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec, description="how it is measured")

    @field_validator("name")
    @classmethod
    def _name_is_printable(cls, name: str) -> str:
        if not name or len(name) > 100 or not name.isprintable():
            raise ValueError("must be 1 to 100 printable characters")
        return name

    @field_validator("name", "description")
    @classmethod
    def _is_no_template(cls, text: str) -> str:
        return no_template(text)

    @model_validator(mode="after")
    def _names_held_out_splits(self) -> ExperimentSpec:
        stop = self.training.stop_on_grok
        training = self.training
        named = {f"drop_on[{number}].split": drop.split for number, drop in enumerate(training.drop_on)}
        named |= {f"freeze_on[{number}].split": freeze.split for number, freeze in enumerate(training.freeze_on)}
        named["stop_on_grok.split"] = None if stop is None else stop.split
        for field, split in named.items():
            if split is not None and split not in self.task.held_out_splits:
                raise ValueError(
                    f"training.{field}={split} is not a held-out split of {self.task.kind}; "
                    f"allowed are {', '.join(self.task.held_out_splits)}"
                )
        return self

    @model_validator(mode="after")
    def _has_what_is_redrawn(self) -> ExperimentSpec:
        start, new = self.model.start_from, getattr(self.task, "new_facts", None)
        if start is not None and start.redraw_reserved and (new is None or not new.reserved_entities):
            raise ValueError("model.start_from.redraw_reserved needs entities in task.new_facts.reserved_entities")
        return self

    @property
    def init_seed(self) -> int:
        """Seed of the initial weights: the same for every architecture."""
        return derived_seed(self.seed, "init") if self.model.seed is None else self.model.seed

    @property
    def order_seed(self) -> int:
        """Seed of the data order and of dropout: the same for every architecture."""
        return derived_seed(self.seed, "order") if self.training.seed is None else self.training.seed

    @property
    def dataset_id(self) -> str:
        return dataset_id(self.task)

    @property
    def run_id(self) -> str:
        """Identity of the result.

        Raises:
            ValueError: the precision or the engine is still `auto`, or the digest of a source unknown; `resolve` first.
        """
        if self.training.precision == "auto":
            raise ValueError("a run's id needs the precision it is computed in: resolve the spec first")
        if self.training.engine == "auto":
            raise ValueError("a run's id needs the engine that takes its steps: resolve the spec first")
        start = self.model.start_from
        if start is not None and start.sha256 is None:
            raise ValueError("a run's id needs the digest of the weights that it starts from: resolve the spec first")
        model, training = identity_of(self.model), identity_of(self.training)
        model["seed"], training["seed"] = self.init_seed, self.order_seed
        for drop in training.get("drop_on", ()):  # ids hold the name that the phase `sustained` had at first
            drop["phase"] = "grokked" if drop["phase"] == "sustained" else drop["phase"]
        semantics = SEMANTICS_VERSION + self.model.SEMANTICS - 1
        parts = {"dataset": self.dataset_id, "model": model, "training": training, "semantics": semantics}
        if self.training.schedule == "phase" or self.training.freeze_on:  # what is measured decides what is trained
            # Which of these is given does not: no rate waits for a collapse. 0.95 keeps the ids of when it was fixed.
            given = self.evaluation.stable_threshold
            floor = STABLE_THRESHOLD if given is None else given
            parts["evaluation"] = {**identity_of(self.evaluation), "stable_threshold": floor}
        return fingerprint(parts)

    @property
    def evaluation_id(self) -> str:
        rules = {**identity_of(self.evaluation), "stable_threshold": self.evaluation.stable_floor}
        return fingerprint({"evaluation": rules, "version": EVALUATION_VERSION})


def dataset_id(task: Task) -> str:
    return fingerprint({"task": identity_of(task), "generator": task.generator_version})


def fingerprint(value: Any) -> str:
    """Sixteen hexadecimal digits of the SHA-256 of `value` as canonical JSON."""
    canonical = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def derived_seed(seed: int, purpose: str) -> int:
    """A 63-bit seed for one purpose, independent of the seeds for others."""
    digest = hashlib.sha256(f"{seed}/{purpose}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1
