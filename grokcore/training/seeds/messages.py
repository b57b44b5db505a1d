"""What a process that trains runs is told, and says: one JSON line each.

To it: a job, or null where there is no further one. From it: {"line": a line of the journal}, {"note": a remark},
{"metrics": samples of its metrics}, and at the end of a job {"end": a result or an error}.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

from grokcore.errors import GrokcoreError, decode_error, encode_error
from grokcore.runs.resume import TrainResult
from grokcore.spec import ExperimentSpec, validate
from grokcore.training.seeds.jobs import Job


def encode(message: Any) -> bytes:
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"


def encode_job(job: Job) -> bytes:
    return encode({**asdict(job), "spec": job.spec.model_dump(mode="json")})


def decode_job(message: dict[str, Any]) -> Job:
    return Job(**{**message, "spec": validate(ExperimentSpec, message["spec"])})


def encode_outcome(outcome: TrainResult | GrokcoreError) -> dict[str, Any]:
    return {"result": asdict(outcome)} if isinstance(outcome, TrainResult) else encode_error(outcome)


def decode_outcome(message: dict[str, Any]) -> TrainResult | GrokcoreError:
    if "result" in message:
        return TrainResult(**message["result"])
    return decode_error(message)
