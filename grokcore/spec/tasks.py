"""The fields of every task: one class per `kind`, and their union `TaskSpec`."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, model_validator

from grokcore.spec.base import Spec, added_later

GENERATOR_VERSIONS = (2, 3)
"""All versions of the generator that are in use by some kind of task."""


class Task(Spec):
    """The fields of every task: they determine the dataset."""

    @property
    def generator_version(self) -> int:
        """Version of the generator, raised for one kind of task when the same spec gives other data."""
        return 2


def given_facts() -> Any:
    """Return the field that names facts by their content, so that a spec still determines its data."""
    return added_later(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of a user's own facts, which `grokcore generate --from` sets; null: facts are drawn",
    )


MIN_HELD_OUT = 500
"""Least rows of a held-out split of a transfer task: with fewer, the accuracies of two starts cannot be told apart."""


class NewFacts(Spec):
    """Facts that a second training adds to those of a first: what does a grokked start gain? (arXiv 2601.09049)."""

    facts: int = Field(
        2000, ge=0, le=10_000_000, description="new atomic facts; 0 only reserves entities, for the first training"
    )
    chained: int | None = Field(
        None, ge=0, description="new facts whose tail is the head of new facts; null for half of them"
    )
    reserved_entities: int = Field(
        0,
        ge=0,
        le=100_000,
        description="further entities in the vocabulary, which only new facts are about; "
        "their embeddings are what the decay of the first training left of them",
    )
    share_in_inferred: float = Field(
        0.0, ge=0, le=1, description="share of the new facts that training also composes, inside [0, 1]"
    )

    @model_validator(mode="after")
    def _possible(self) -> NewFacts:
        if self.chained is not None and self.chained > self.facts:
            raise ValueError(f"chained={self.chained} is more than facts={self.facts}: lower chained or raise facts")
        if not self.facts and not self.reserved_entities:
            raise ValueError("facts=0 without reserved_entities adds nothing: raise one, or set new_facts=null")
        if not self.facts and self.share_in_inferred:
            raise ValueError("share_in_inferred is a share of the new facts: raise facts, or leave it out")
        return self

    @property
    def chained_facts(self) -> int:
        """New facts whose tail is the head of new facts."""
        return self.facts // 2 if self.chained is None else self.chained


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
        return ("test_inferred_iid", "test_inferred_ood")

    @property
    def in_domain_entities(self) -> int:
        """Entities that are in-domain for an attribute; the others are out-of-domain for it."""
        return round(self.entities * self.id_ratio)

    @property
    def id_atomic_facts(self) -> int:
        """In-domain atomic facts, where every entity has a value for every attribute."""
        return self.in_domain_entities * self.attributes


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


class InContextTask(Task):
    """Answer from facts in the prompt: recall a value, or compare two of them."""

    kind: Literal["in_context"] = "in_context"
    seed: int = Field(0, ge=0, description="seed of the prompts and of the splits")
    variant: Literal["comparison", "recall"] = Field(
        "comparison", description="what is asked: how two entities compare, or the value of one (associative recall)"
    )
    entities: int = Field(50, ge=4, le=10_000, description="number of entities, at least 4")
    values: int = Field(10, ge=2, le=10_000, description="number of values, at least 2")
    context: int = Field(4, ge=2, le=500, description="facts in a prompt")
    long_context: int = Field(8, ge=3, le=1_000, description="facts in a prompt of the split test_long")
    id_ratio: float = Field(0.9, gt=0, lt=1, description="share of the entities that training asks for, inside (0, 1)")
    train_size: int = Field(20_000, ge=1, le=20_000_000, description="prompts in the training set, all different")
    probe_size: int = Field(1000, ge=1, le=1_000_000, description="prompts in each split to measure accuracy on")

    @model_validator(mode="after")
    def _possible(self) -> InContextTask:
        if self.long_context <= self.context:
            raise ValueError(f"long_context={self.long_context} must be greater than context={self.context}")
        if self.long_context > self.entities:
            raise ValueError(
                f"long_context={self.long_context} is more than entities={self.entities}: a prompt has each entity at "
                f"most once; lower long_context or raise entities"
            )
        in_domain = self.in_domain_entities
        out_of_domain = self.entities - in_domain
        if in_domain < self.asked or out_of_domain < self.asked:
            raise ValueError(
                f"entities={self.entities} with id_ratio={self.id_ratio:g} gives {in_domain} in-domain and "
                f"{out_of_domain} out-of-domain entities; a question of variant={self.variant} asks for {self.asked}: "
                f"change entities or id_ratio"
            )
        # Half of what is possible: drawing prompts until all are new stays quick.
        most = self._prompts(in_domain) // 2
        if self.train_size + self.probe_size > most:
            raise ValueError(
                f"train_size={self.train_size} and probe_size={self.probe_size} are more than half of the {2 * most} "
                f"prompts that there are: lower them, or raise context, entities or values"
            )
        fewest = self._prompts(out_of_domain) // 2
        if self.probe_size > fewest:
            raise ValueError(
                f"probe_size={self.probe_size} is more than half of the {2 * fewest} prompts that ask for "
                f"out-of-domain entities: lower it, or id_ratio"
            )
        return self

    def _prompts(self, askable: int) -> int:
        """Different prompts that ask for some of `askable` entities."""
        places = math.perm(self.context, self.asked)
        others = math.perm(self.entities - self.asked, self.context - self.asked)
        values: int = self.values**self.context
        return math.perm(askable, self.asked) * places * others * values

    @property
    def generator_version(self) -> int:
        """Return 3 for questions about two entities, whose order became random in that version; else 2."""
        return 3 if self.asked > 1 else 2

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        return ("test_iid", "test_ood")

    @property
    def asked(self) -> int:
        """Entities that a question names."""
        return 2 if self.variant == "comparison" else 1

    @property
    def in_domain_entities(self) -> int:
        """Return the number of entities that training asks about; the others only occur in its prompts."""
        return round(self.entities * self.id_ratio)


class ModularTask(Task):
    """Arithmetic modulo a number: a op b = c (Power et al., arXiv 2201.02177)."""

    kind: Literal["modular"] = "modular"
    seed: int = Field(0, ge=0, description="seed of the split")
    modulus: int = Field(97, ge=2, le=4096, description="the number p that results are reduced by; prime for '/'")
    operation: Literal["+", "-", "*", "/"] = Field("+", description="the operation: +, -, * or /")
    train_ratio: float = Field(0.4, gt=0, lt=1, description="share of all equations in the training set, inside (0, 1)")
    probe_size: int = Field(1000, ge=1, description="examples drawn from each split to measure accuracy on")

    @model_validator(mode="after")
    def _possible(self) -> ModularTask:
        if self.operation == "/" and not _is_prime(self.modulus):
            raise ValueError(f"division needs a prime modulus and {self.modulus} is not one: change modulus")
        _check_train_ratio(self.train_ratio, self.equations)
        return self

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        return ("test",)

    @property
    def equations(self) -> int:
        return self.modulus * (self.modulus - 1 if self.operation == "/" else self.modulus)


class PermutationsTask(Task):
    """Composition of permutations in the symmetric group S_n: a o b = c (Power et al., arXiv 2201.02177)."""

    kind: Literal["permutations"] = "permutations"
    seed: int = Field(0, ge=0, description="seed of the split")
    degree: int = Field(5, ge=3, le=6, description="n of S_n, the number of points permuted, 3 to 6: n! elements")
    train_ratio: float = Field(0.5, gt=0, lt=1, description="share of all equations in the training set, inside (0, 1)")
    probe_size: int = Field(1000, ge=1, description="examples drawn from each split to measure accuracy on")

    @model_validator(mode="after")
    def _possible(self) -> PermutationsTask:
        _check_train_ratio(self.train_ratio, self.equations)
        return self

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        return ("test",)

    @property
    def equations(self) -> int:
        return math.factorial(self.degree) ** 2


def _check_train_ratio(train_ratio: float, equations: int) -> None:
    if not 0 < round(train_ratio * equations) < equations:
        raise ValueError(
            f"train_ratio={train_ratio:g} of {equations} equations leaves an empty split: change train_ratio"
        )


def _is_prime(number: int) -> bool:
    return number >= 2 and all(number % divisor for divisor in range(2, int(number**0.5) + 1))


TaskSpec = Annotated[
    ComparisonTask | ModularTask | CompositionTask | ComplexReasoningTask | InContextTask | PermutationsTask,
    Field(discriminator="kind"),
]

CLASSES: dict[str, type[Task]] = {
    member.model_fields["kind"].default: member for member in get_args(get_args(TaskSpec)[0])
}
"""The class of every `kind`."""

__all__ = [
    "ComparisonTask",
    "ComplexReasoningTask",
    "CompositionTask",
    "InContextTask",
    "ModularTask",
    "NewFacts",
    "PermutationsTask",
    "TaskSpec",
]
