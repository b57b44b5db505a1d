"""What the parts of a claim have in common."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict

Verdict = Literal["reproduced", "refuted", "underpowered"]


class Part(BaseModel):
    """A part of a claim's definition: frozen, and hashed with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
