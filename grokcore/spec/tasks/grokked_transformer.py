"""The fields of a task whose rows are read from the files of the public code of arXiv 2405.15071."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grokcore.spec.tasks.base import Task


class GrokkedTransformerTask(Task):
    """Rows of others, as train.json, valid.json, test.json and vocab.json state them; nothing is drawn."""

    kind: Literal["grokked_transformer"] = "grokked_transformer"
    seed: Literal[0] = Field(0, description="0, since nothing is drawn")
    rows: str = Field(
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of vocabulary and rows, which `grokcore generate --from DIR` sets",
    )
    held_out: tuple[str, ...] = Field(
        min_length=1, description="splits that measure generalization; the last is the one a run is about"
    )

    @property
    def held_out_splits(self) -> tuple[str, ...]:
        """Splits that measure generalization; the last is the one a run is about."""
        return self.held_out
