"""The fields of the task `complex_reasoning`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from grokcore.spec.base import added_later
from grokcore.spec.tasks.base import Task, given_facts


class ComplexReasoningTask(Task):
    """Compare two entities of unknown value by chaining stated comparisons with known values (arXiv 2405.15071)."""

    kind: Literal["complex_reasoning"] = "complex_reasoning"
    seed: int = Field(0, ge=0, description="seed of the facts and of the splits")
    entities: int = Field(200, ge=4, le=5_000, description="number of entities, at least 4")
    attributes: int = Field(5, ge=1, le=10_000, description="number of attributes, at least 1")
    values: int = Field(10, ge=2, le=10_000, description="number of values an attribute can take, at least 2")
    id_ratio: float = Field(0.9, gt=0, lt=1, description="share of the entities that are in-domain, inside (0, 1)")
    test_ratio: float = Field(0.1, gt=0, lt=1, description="share of the in-domain pairs held out, inside (0, 1)")
    train_ratio: float = Field(
        0.03, gt=0, lt=1, description="share of the other in-domain comparisons, and of the mixed ones, in training"
    )
    stated: Literal["rows", "pairs"] = added_later(
        "pairs",
        default="rows",
        description="what train_ratio is a share of: rows (comparisons in one order, as the published code samples "
        "them) or pairs (each then stated in both orders)",
    )
    probe_size: int = Field(1000, ge=1, description="examples drawn from each split to measure accuracy on")
    facts: str | None = given_facts()

    @model_validator(mode="after")
    def _possible(self) -> ComplexReasoningTask:
        in_domain = self.in_domain_entities
        out_of_domain = self.entities - in_domain
        if self.facts is None and (in_domain < 2 or out_of_domain < 2):
            raise ValueError(
                f"entities={self.entities} with id_ratio={self.id_ratio:g} gives {in_domain} in-domain and "
                f"{out_of_domain} out-of-domain entities; each needs at least 2: change entities or id_ratio"
            )
        return self

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        return ("test_inferred_iid", "test_inferred_ood")

    @property
    def in_domain_entities(self) -> int:
        """Entities that are in-domain for an attribute; the others are out-of-domain for it."""
        return round(self.entities * self.id_ratio)
