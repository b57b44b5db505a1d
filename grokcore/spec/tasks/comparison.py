"""The fields of the task `comparison`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from grokcore.spec.base import added_later
from grokcore.spec.tasks.base import Task, given_facts
from grokcore.spec.tasks.new_facts import NewEntities
from grokcore.spec.tasks.prompts import Prompts


class ComparisonTask(Task):
    """Compare two entities by an attribute: smaller, equal or greater (arXiv 2405.15071, section 4)."""

    kind: Literal["comparison"] = "comparison"
    seed: int = Field(0, ge=0, description="seed of the facts and of the splits")
    entities: int = Field(200, ge=2, le=100_000, description="number of entities, at least 2")
    attributes: int = Field(5, ge=1, le=10_000, description="number of attributes, at least 1")
    values: int = Field(5, ge=2, le=10_000, description="number of values an attribute can take, at least 2")
    phi: float = Field(12.6, gt=0, le=1e6, description="inferred facts per in-domain atomic fact in the training set")
    id_ratio: float = Field(0.9, gt=0, lt=1, description="share of the entities that are in-domain, inside (0, 1)")
    test_ratio: float = Field(0.1, gt=0, lt=1, description="share of the in-domain pairs held out, inside (0, 1)")
    probe_size: int = Field(1000, ge=1, description="examples drawn from each split to measure accuracy on")
    facts: str | None = given_facts()
    new_facts: NewEntities | None = added_later(
        None, description="entities that a second training adds to those of a first; null for none"
    )
    prompts: Prompts | None = added_later(None, description="facts in front of the questions; null for none")

    @model_validator(mode="after")
    def _adds_to_drawn_facts(self) -> ComparisonTask:
        added = [name for name in ("new_facts", "prompts") if getattr(self, name) is not None]
        if added and self.facts is not None:
            raise ValueError(f"{added[0]} are added to drawn facts: leave facts out, or set {added[0]}=null")
        if len(added) > 1:
            raise ValueError("new_facts and prompts both add entities: set one of them to null")
        return self

    @model_validator(mode="after")
    def _possible(self) -> ComparisonTask:
        if self.facts is not None:
            return self  # they need not be complete: what is possible shows when the splits are drawn
        in_domain = self.in_domain_entities
        out_of_domain = self.entities - in_domain
        if in_domain < 2 or out_of_domain < 2:
            raise ValueError(
                f"entities={self.entities} with id_ratio={self.id_ratio:g} gives {in_domain} in-domain and "
                f"{out_of_domain} out-of-domain entities; each needs at least 2: change entities or id_ratio"
            )
        wanted = round(self.phi * self.id_atomic_facts)
        available = round(self.attributes * in_domain * (in_domain - 1) * (1 - self.test_ratio))
        if wanted > available:
            raise ValueError(
                f"phi={self.phi:g} asks for {wanted} inferred facts, but {in_domain} in-domain entities give about "
                f"{available}: lower phi to at most {available / self.id_atomic_facts:.3g} or raise entities"
            )
        if wanted < 1:
            raise ValueError(f"phi={self.phi:g} asks for no inferred fact at all: raise phi")
        return self

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        if self.new_facts is not None and self.new_facts.stated:
            return ("old", "new_old", "new_new")
        return ("test_inferred_iid", "test_inferred_ood")

    @property
    def in_domain_entities(self) -> int:
        """Entities that are in-domain for an attribute; the others are out-of-domain for it."""
        return round(self.entities * self.id_ratio)

    @property
    def id_atomic_facts(self) -> int:
        """In-domain atomic facts, where every entity has a value for every attribute."""
        return self.in_domain_entities * self.attributes
