"""What became of one candidate: the record of a retraining, `{store}/retrainings/{name}/{run_key}.json`."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field

from grokcore.champions.contender import Contender, Summary
from grokcore.champions.gate import Judgement
from grokcore.champions.rules import GateRules
from grokcore.spec import validate
from grokcore.storage import open_parent


class Decision(Judgement):
    """A judgement of a candidate, and all that it takes to make that candidate the champion."""

    format: Literal[1] = 1
    champion: str = Field(description="name of the champion that the candidate ran against")
    uri: str = Field(description="where this record lies; the same for every attempt of one retraining")
    decided: str = Field(description="UTC, ISO 8601")
    rules: GateRules
    against: int | None = Field(description="version of the champion that the candidate was judged against")
    promoted: int | None = Field(None, description="version that the candidate became; null until it is written")
    candidate: Contender
    candidate_summary: Summary
    champion_summary: Summary | None
    runs: tuple[str, ...] = Field(description="URIs of the candidate's runs, in the order of its seeds")
    spec: dict[str, Any] = Field(description="of the candidate's first seed")

    @property
    def store(self) -> str:
        """URI of the store that the champion lies in."""
        return self.uri.rpartition("/retrainings/")[0]


def read_decision(uri: str) -> Decision:
    """The record of a retraining.

    Raises:
        AbsentError: there is none.
        InputError: it is no such record.
        TransientError: the store did not answer.
    """
    store, name = open_parent(uri)
    decision: Decision = validate(Decision, store.read_json(name))
    return decision


def write_decision(decision: Decision) -> None:
    """Write the record to its place, over that of an earlier attempt.

    Raises:
        InputError: the place may not be written.
        TransientError: the store did not answer.
    """
    store, name = open_parent(decision.uri)
    store.write_json(name, json.loads(decision.model_dump_json()))


def utc_now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
