"""The fields of the task `in_context`."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field, model_validator

from grokcore.spec.tasks.base import Task


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
