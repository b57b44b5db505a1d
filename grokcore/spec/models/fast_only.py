"""What the descriptions of architectures that transformers does not know have in common."""

from __future__ import annotations

from pydantic import field_validator

from grokcore.spec.models.base import Model


class FastOnly(Model):
    """The fields of an architecture that `fast` alone computes."""

    @field_validator("implementation")
    @classmethod
    def _computed_by_fast(cls, implementation: str) -> str:
        if implementation != "fast":
            kind = cls.model_fields["architecture"].default
            raise ValueError(f"transformers has no {kind}: only implementation=fast computes it")
        return implementation
