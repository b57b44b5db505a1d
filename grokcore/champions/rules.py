"""What a candidate has to show before it takes the champion's place."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field

from grokcore.documents import PlainText, parse_plain_yaml
from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec, split_overrides, validate
from grokcore.spec.base import Spec


class GateRules(Spec):
    """Times are judged as shares of the champion's, accuracies as differences; a gain is better above 0."""

    split: str = Field("", description="held-out split that is judged; empty is the task's last, the one it is about")
    minimum_time_gain: float = Field(
        0.1, ge=0, lt=1, description="share of the champion's steps that a faster candidate saves at least"
    )
    minimum_accuracy_gain: float = Field(
        0.02, ge=0, lt=1, description="final accuracy that a more accurate candidate has above the champion's at least"
    )
    time_margin: float = Field(
        0.1, ge=0, description="share of the champion's steps that a more accurate candidate may take longer"
    )
    accuracy_margin: float = Field(0.01, ge=0, lt=1, description="final accuracy that a faster candidate may lose")
    confidence: float = Field(0.95, ge=0.5, lt=1, description="of the intervals that have to lie beyond these bounds")
    minimum_seeds: int = Field(
        5,
        ge=5,
        description="seeds of each side, below which nothing is decided: 5 or more",
    )
    failing_margin: float = Field(
        0.6,
        gt=0,
        le=1,
        description="share by which more of the candidate's seeds may fail than of the champion's; 5 seeds exclude .53 "
        "at best, 10 seeds .31, 36 seeds .1",
    )
    minimum_reached: float = Field(
        0.8, gt=0, le=1, description="share of its seeds that have to grok for a candidate to be the first champion"
    )


def parse_rules(text: str) -> GateRules:
    """Rules from `confidence=0.99 minimum_seeds=8`, or from JSON; what is not named has its default.

    Raises:
        InputError: in one line, what is wrong and what is allowed.
    """
    if text.lstrip().startswith("{"):
        found: Any = parse_plain_yaml(text, "the gate")
    else:
        found = {}
        for part in split_overrides(text):
            name, _, value = part.partition("=")
            if name in found:
                raise InputError(f"the gate's {name} is given twice: keep one of them")
            found[name] = PlainText(value)
    rules: GateRules = validate(GateRules, found)
    return rules


def judged_split(rules: GateRules, spec: ExperimentSpec) -> str:
    """The split that a spec's runs are judged on.

    Raises:
        InputError: the task has no such held-out split.
    """
    splits = spec.task.held_out_splits
    if rules.split and rules.split not in splits:
        raise InputError(
            f"split={rules.split} is no held-out split of {spec.task.kind}; allowed are {', '.join(splits)}"
        )
    return rules.split or splits[-1]


def rules_text(rules: GateRules) -> str:
    """The rules as JSON, which `parse_rules` reads."""
    return json.dumps(rules.model_dump(mode="json"))
