"""What is analyzed, and on how many examples; outside a run's identity: a run can be analyzed in many ways."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from grokcore.interpret.registry import ANALYSES, default_analyses
from grokcore.spec.experiment import fingerprint


class AnalysisSpec(BaseModel):
    """The numbers of an analysis are a pure function of (run, step, AnalysisSpec)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    analyses: tuple[str, ...] = Field(
        default_factory=default_analyses, min_length=1, description="names, as in `grokcore analyze --list`"
    )
    examples: Annotated[int, Field(ge=10, le=100_000)] = Field(300, description="examples of each split")
    draws: Annotated[int, Field(ge=100, le=100_000)] = Field(1000, description="bootstrap draws of each interval")
    seed: Annotated[int, Field(ge=0)] = Field(0, description="of everything that is drawn: examples, donors, intervals")

    @field_validator("analyses")
    @classmethod
    def _known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        """Sort by the registry's order, so that the same analyses have the same hash."""
        unknown = sorted(set(names) - ANALYSES.keys())
        if unknown:
            raise ValueError(f"{unknown[0]!r} is no analysis: choose among {', '.join(ANALYSES)}")
        return tuple(name for name in ANALYSES if name in names)

    @property
    def id(self) -> str:
        """Return the first 16 digits of the SHA-256 of its fields."""
        return fingerprint(self.document())

    def document(self) -> dict[str, Any]:
        return self.model_dump(mode="json")
