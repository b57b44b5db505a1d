"""claims.json: the results of testing the claims of the ledger on runs."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from grokcore.claims.base import Verdict
from grokcore.markup import table_html


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


class Scope(_Result):
    """The runs that a verdict is about."""

    published: bool = Field(description="whether they meet every condition that the claim was published under")
    unmet: list[str] = Field(description="the published conditions that they do not meet")
    threshold: float = Field(description="accuracy from which a split counts as generalized")
    fields: dict[str, list[Any]] = Field(
        description="values by field: scale, task, and the rules by which the runs were judged"
    )
    budget: float | None = Field(
        description="least steps of a run in which the split was not sustained, in times to memorize (0: it never "
        "memorized); null: it was sustained in all"
    )
    draws: int = Field(description="draws of the data (task.seed)")
    seeds: int = Field(description="seeds of initial weights and order")


class PartResult(_Result):
    """The same check on a part of the runs."""

    value: str = Field(description="of the confound")
    runs: int
    verdict: Verdict
    sentence: str


class ConfoundResult(_Result):
    """The verdicts with and without a known confound."""

    field: str
    by: Literal["stratum", "second", "equality"] = Field(description="how runs with and without it were separated")
    why: str
    parts: list[PartResult] = Field(description="a single one where the runs do not vary it: it is not ruled out")
    decides: bool = Field(description="whether the claim holds in one part and does not in another")


class ClaimResult(_Result):
    """One claim, tested on the runs of one scope."""

    number: int
    id: str
    statement: str
    source: str
    claim_hash: str = Field(description="of the claim's definition and of the versions of the code that judges it")
    hash: str = Field(description="of the claim and the scope: runs judged at another threshold have another one")
    verdict: Verdict = Field(
        description="reproduced and refuted: at the published conditions; holds here and does not hold here: elsewhere"
    )
    sentence: str = Field(description="what was found, and in which scope, in plain words")
    scope: Scope | None = Field(description="null where nothing was tested")
    alpha: float = Field(description="level of this claim alone")
    p: float | None = Field(description="of no difference, or of the claim's opposite; null where nothing was tested")
    p_holm: float | None = Field(description="p after Holm's correction over all claims that were tested here")
    numbers: dict[str, float | int | str | None] = Field(description="what the verdict rests on, by name")
    runs: int = Field(description="runs that it rests on")
    strata: list[StratumEvidence]
    confounds: list[ConfoundResult]
    needs: list[str] = Field(description="what would decide a claim that is underpowered")
    note: str = Field(description="remarks on the published evidence")

    def __repr__(self) -> str:
        return f"claim {self.number}, {self.id}: {self.verdict}\n  {self.statement}\n  {self.sentence}"

    def _repr_html_(self) -> str:
        rows = [("claimed", self.statement), ("found", self.sentence), ("source", self.source)]
        rows += [("needs", "; ".join(self.needs))] if self.needs else []
        return table_html(f"claim {self.number}, {self.id}: {self.verdict}", ("", ""), rows)


class Claims(_Result):
    """claims.json."""

    format: Literal[3] = Field(
        3,
        description="version of this document and of the definitions that hashes cover: hashes of another format are "
        "of other definitions, and numbers and ids stay",
    )
    ledger: str = Field(description="hash of all claims' hashes")
    runs: int = Field(description="runs that were read")
    claims: list[ClaimResult]

    @property
    def tested(self) -> list[ClaimResult]:
        """Those that the runs have something to say about."""
        return [claim for claim in self.claims if claim.verdict != "not tested"]

    def __repr__(self) -> str:
        lines = [f"  {claim.number:>2}  {claim.verdict}  {claim.id}: {claim.sentence}" for claim in self.tested]
        return "\n".join([self._title, *lines])

    def _repr_html_(self) -> str:
        rows = [(claim.number, claim.verdict, claim.statement, claim.sentence) for claim in self.tested]
        return table_html(self._title, ("claim", "verdict", "claimed", "found"), rows)

    @property
    def _title(self) -> str:
        return f"{self.runs} runs: {len(self.tested)} of {len(self.claims)} claims tested"
