"""claims.json: what runs came to when held against the ledger."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from grokcore.claims.base import Verdict


class _Result(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GroupEvidence(_Result):
    """A group of runs that a verdict rests on."""

    label: str = Field(description="what tells the group from the others that were read")
    setting: str = Field(description="its setting of the claim's factor, in words")
    run_ids: list[str] = Field(description="identity of each run")
    seeds: list[int]
    reached: int = Field(description="runs that reached the threshold on the claim's split (sustained)")
    median_steps: int = Field(description="Kaplan-Meier median of the steps to it")
    median_censored: bool = Field(description="half the runs take longer than median_steps")
    followed: int = Field(description="steps of the shortest run")


class StratumEvidence(_Result):
    """Groups that are equal in everything the claim does not speak of."""

    label: str = Field(description="what tells it from the other strata; empty where there is one")
    groups: list[GroupEvidence]


class PartResult(_Result):
    """The same check on a part of the runs."""

    value: str = Field(description="of the confound")
    runs: int
    verdict: Verdict
    sentence: str


class ConfoundResult(_Result):
    """What becomes of the verdict with and without a known confound."""

    field: str
    by: Literal["stratum", "second", "equality"] = Field(description="how runs with and without it were told apart")
    why: str
    parts: list[PartResult] = Field(description="a single one where the runs do not vary it: it is not ruled out")
    decides: bool = Field(description="whether one part is reproduced and another refuted")


class ClaimResult(_Result):
    """One claim and what the runs say of it."""

    number: int
    id: str
    statement: str
    source: str
    hash: str = Field(description="of the claim's definition and of the versions of the code that judges it")
    verdict: Verdict
    sentence: str = Field(description="what was found, in plain words")
    alpha: float = Field(description="level of this claim alone")
    p: float | None = Field(description="of no difference, or of the claim's opposite; null where nothing was tested")
    p_holm: float | None = Field(description="p after Holm's correction over all claims that were tested here")
    numbers: dict[str, float | int | str | None] = Field(description="what the verdict rests on, by name")
    runs: int = Field(description="runs that it rests on")
    strata: list[StratumEvidence]
    confounds: list[ConfoundResult]
    needs: list[str] = Field(description="what would decide a claim that is underpowered")
    note: str = Field(description="what to know of the published evidence")


class Claims(_Result):
    """claims.json."""

    format: Literal[1] = 1
    ledger: str = Field(description="hash of all claims' hashes")
    runs: int = Field(description="runs that were read")
    claims: list[ClaimResult]
