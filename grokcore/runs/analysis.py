"""The document of an analysis, `analysis.json`: what `grokcore analyze` found inside a run, without its large table."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from grokcore.documents import decode_json
from grokcore.errors import DamagedError

ANALYSIS = "analysis.json"
"""Name of the file in a run's directory."""


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Headline(_Document):
    """A number of a whole split, or of the weights."""

    step: int
    analysis: str
    split: str = Field(description="empty for numbers of the weights")
    case: str
    target: str
    metric: str
    value: float | None = Field(description="null where it is not defined")
    lower: float | None = Field(description="of the 95 % interval")
    upper: float | None
    n: int = Field(description="examples; 0 for numbers of the weights")


class Questions(_Document):
    """The questions of a split that were analyzed."""

    split: str
    roles: list[str] = Field(description="what stands at each position")
    examples: int
    total: int = Field(description="rows that they were drawn from")
    targets: list[str]
    counterfactuals: list[str]


class AnalysisDocument(_Document):
    """The content of analysis.json."""

    format: Literal[1] = 1
    run_id: str
    task: str
    architecture: str
    layers: int = Field(description="blocks that the stream runs through; one that runs twice counts twice")
    analysis: dict[str, Any] = Field(description="its AnalysisSpec")
    analysis_id: str = Field(description="the first 16 digits of the SHA-256 of the AnalysisSpec")
    steps: list[int] = Field(description="ascending")
    milestones: dict[str, int] = Field(description="the saved step of each phase: memorized, SPLIT.sustained")
    questions: list[Questions]
    left_out: dict[str, str] = Field(description="analyses that are not defined for this run, and why")
    headlines: list[Headline]
    table_sha256: str = Field(description="of analysis.parquet")


def decode_analysis(content: bytes, place: object) -> AnalysisDocument:
    """Read analysis.json.

    Args:
        place: named in errors.

    Raises:
        DamagedError: it is no JSON, lacks something, or has too much.
    """
    try:
        return AnalysisDocument.model_validate(decode_json(content))
    except ValidationError as error:
        problem = error.errors()[0]
        fault = f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    except ValueError as error:
        fault = f"it is no JSON: {error}"
    raise DamagedError(f"{place}: {ANALYSIS} is damaged: {fault}; analyze the run again")
