"""The fields of the task `composition`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from grokcore.spec.base import added_later
from grokcore.spec.tasks.base import Task, given_facts
from grokcore.spec.tasks.new_facts import NewFacts


class CompositionTask(Task):
    """Follow relations from entity to entity: (h, r1, b) and (b, r2, t) give (h, r1, r2, t) (arXiv 2405.15071)."""

    kind: Literal["composition"] = "composition"
    seed: int = Field(0, ge=0, description="seed of the facts and of the splits")
    entities: int = Field(100, ge=2, le=100_000, description="number of entities, at least 2")
    relations: int = Field(20, ge=1, le=10_000, description="number of relations, at least 1")
    out_degree: int = Field(10, ge=1, description="relations that each entity has, each with one tail")
    hops: int = Field(2, ge=2, le=4, description="atomic facts that an inferred fact follows from, 2 to 4")
    phi: float = Field(7.2, gt=0, le=1e6, description="inferred facts per in-domain atomic fact in the training set")
    ood_ratio: float = Field(0.05, gt=0, lt=1, description="share of the atomic facts that are out-of-domain")
    test_ratio: float = Field(
        0.005, gt=0, lt=1, description="share of the in-domain inferred facts held out, inside (0, 1)"
    )
    probe_size: int = Field(1000, ge=1, description="examples drawn from each split to measure accuracy on")
    identity: bool = added_later(
        False,
        description="whether training also has a row <e> -> <e> for every entity that can be a bridge: the identity "
        "task of arXiv 2509.24653",
    )
    facts: str | None = given_facts()
    augmented_share: float = added_later(
        1.0,
        ge=0,
        le=1,
        description="share of the inferred facts from augmented facts of a file that training has, inside [0, 1]; "
        "0 is the control that knows the augmented facts and composes none",
    )
    new_facts: NewFacts | None = added_later(
        None, description="facts that a second training adds to those of a first; null for none"
    )

    @model_validator(mode="after")
    def _has_room_for_new_facts(self) -> CompositionTask:
        new = self.new_facts
        if new is None:
            return self
        if self.facts is not None or self.hops != 2:
            raise ValueError("new_facts are added to drawn facts of two hops: set hops=2, or new_facts=null")
        room = self.entities // 2 * (self.relations - self.out_degree) + new.reserved_entities * self.relations
        if new.facts > room:
            raise ValueError(
                f"new_facts.facts={new.facts} is more than the {room} that relations={self.relations} and "
                f"out_degree={self.out_degree} leave to half of the entities: lower facts or raise relations"
            )
        return self

    @model_validator(mode="after")
    def _possible(self) -> CompositionTask:
        if self.facts is not None:
            return self
        if self.augmented_share != 1:
            raise ValueError("augmented_share is about facts of a file: name one with --from, or leave it out")
        if self.out_degree > self.relations:
            raise ValueError(
                f"out_degree={self.out_degree} is more than relations={self.relations}: an entity has each relation "
                f"at most once; lower out_degree or raise relations"
            )
        facts = self.entities * self.out_degree
        out_of_domain = round(self.ood_ratio * facts)
        in_domain = facts - out_of_domain
        if not in_domain or not out_of_domain:
            raise ValueError(
                f"ood_ratio={self.ood_ratio:g} of {facts} facts gives {in_domain} in-domain and {out_of_domain} "
                f"out-of-domain facts; each needs at least 1: change ood_ratio"
            )
        wanted = round(self.phi * in_domain)
        inferred = self.entities * float(self.out_degree) ** self.hops
        available = round(inferred * (1 - self.ood_ratio) ** self.hops * (1 - self.test_ratio))
        if wanted > available:
            raise ValueError(
                f"phi={self.phi:g} asks for {wanted} inferred facts, but {in_domain} in-domain facts give about "
                f"{available}: lower phi to at most {available / in_domain:.3g} or raise out_degree"
            )
        if wanted < 1:
            raise ValueError(f"phi={self.phi:g} asks for no inferred fact at all: raise phi")
        return self

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        if self.new_facts is not None and self.new_facts.facts:
            return ("old", "new_old", "old_new", "new_new")
        return ("test_inferred_iid", "test_inferred_ood")
