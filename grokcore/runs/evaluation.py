"""The outcome of a run: accuracy per split, and the times and verdict of each held-out split."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

EVALUATION = "evaluation.json"
"""Name of the file in a run's directory."""

TRAINING_SET = "training set"
"""The name of the pooled training splits for people."""

Verdict = Literal["grokked", "generalized", "collapsed", "censored"]


def verdict_of(sustained: int | None, memorized: int | None, collapsed: int | None, *, delay: float) -> Verdict:
    """The verdict on a held-out split.

    Args:
        sustained, collapsed: steps at which these phases of the split began, None where they have not.
        memorized: step at which the training set was memorized. Without it, or at step 0, nothing can be delayed.
        delay: least `sustained / memorized` of a split that has grokked; one with less has merely generalized.
    """
    if sustained is None:
        return "censored"
    if collapsed is not None:
        return "collapsed"
    return "grokked" if memorized and sustained / memorized >= delay else "generalized"


class _Result(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Time(_Result):
    """The time of an event on every axis that runs are compared by."""

    steps: int = Field(description="optimizer steps at the first evaluation that shows it")
    after: int = Field(description="the evaluation before: the change lies in (after, steps]")
    epochs: float
    examples: int
    flops: float = Field(description="algorithmic FLOPs of the plain model and of the method")
    seconds: float = Field(description="wall clock of the training process, pauses left out")
    cpu_seconds: float | None = Field(
        None, ge=0, description="CPU seconds of the optimizer steps, evaluations left out; null in earlier versions"
    )
    learning_rate_share: float | None = Field(
        None, ge=0, le=1, description="learning rate at that step as a share of its peak; null in earlier versions"
    )


class Times(_Result):
    """The same event by three definitions; null is right-censored, never 'did not happen'."""

    first_crossing: Time | None = Field(description="first evaluation at the threshold")
    sustained: Time | None = Field(description="first evaluation from which the threshold is held")
    stable: Time | None = Field(
        description="first at the threshold and never below stable_threshold again; it may come before sustained"
    )


class HeldOut(Times):
    verdict: Verdict = Field(
        description="grokked: sustained, and late; generalized: sustained, but along with the training set; "
        "collapsed: sustained, then lost; censored: not sustained by the end of the run"
    )

    @field_validator("verdict", mode="before")
    @classmethod
    def _former_spelling(cls, verdict: object) -> object:
        """Format 1 spells it generalised."""
        return "generalized" if verdict == "generalised" else verdict

    ratio: float | None = Field(description="T_split / T_train, both sustained")
    onset: int | None = Field(description="step from which accuracy stays above its value at memorization")
    collapsed: int | None = Field(description="step at which a sustained split had fallen below stable_threshold")


class SplitResult(_Result):
    role: Literal["train", "held_out", "diagnostic"]
    accuracy: float | None = Field(
        ge=0, le=1, description="share of examples whose answer, and closing token if supervised, is most likely"
    )
    loss: float | None = Field(description="mean cross-entropy of the supervised tokens, in nats")
    examples: int
    majority_baseline: float = Field(description="accuracy of always giving the most common answer")


class Pooled(_Result):
    accuracy: float | None = Field(ge=0, le=1)
    loss: float | None


class Evaluation(_Result):
    """evaluation.json."""

    format: Literal[1, 2] = Field(2, description="1 spells the verdict generalized generalised")
    run_id: str
    evaluation_id: str
    step: int = Field(description="optimizer steps of the evaluated model")
    threshold: float
    censored_at: int = Field(
        description="last step whose weights were evaluated and differed from those before: what has not happened by "
        "then is censored; steps at learning rate 0 come after it"
    )
    train: Pooled = Field(description="the training splits, weighted by their rows")
    splits: dict[str, SplitResult]
    memorized: Times
    held_out: dict[str, HeldOut]
    diverged: bool
    exit_reason: str | None
    schedule: str | None = Field(None, description="training.schedule of the run; null in earlier versions")
    precision: str | None = Field(
        None, description="number format that accuracies and losses were measured in; null in earlier versions"
    )
    remarks: list[str] = Field([], description="what to know before these figures are believed, a line each")
    sha256: str | None = Field(
        None, description="of this document without this value, as JSON with sorted keys and no blanks"
    )
