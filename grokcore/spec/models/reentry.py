"""Re-entry: between two runs of the blocks the stream passes through the embedding space."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

Temperature = Annotated[float, Field(gt=0)] | None

RE_ENTRY = (
    "temperature t of the re-entry into the embedding space between two runs of all blocks, h + softmax(t h W^T) W "
    "with W the embedding matrix; null goes on with h itself"
)
"""What a field for it means. The public code of arXiv 2405.15071 has it as `re_embed`, by default with t = 1."""
