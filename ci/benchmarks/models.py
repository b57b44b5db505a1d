"""Every variant of a model against the GPT-2 of equal parameters: what an optimizer step takes."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ci.benchmarks.cases import Case
from ci.benchmarks.rounds import Effort, paired_ratio, warm_up
from ci.benchmarks.worker import Job, Worker
from grokcore.data import generate_dataset
from grokcore.data.supervision import input_length, longest_row, supervised_tokens
from grokcore.models import ARCHITECTURES, built_spec, parameter_count, step_flops
from grokcore.spec import ExperimentSpec

VARIANT = "fast-shared"

COMPOSED: dict[str, tuple[str, ...]] = {
    "shared blocks, twice": ("model.sharing={kind: blocks}",),
    "shared blocks, twice, re-entry": ("model.sharing={kind: blocks, reentry: 1}",),
    "one MLP": ("model.sharing={kind: mlp}",),
    "memory MLP of 128": ("model.memory={kind: mlp, width: 128}",),
    "64 memory slots": ("model.memory={kind: slots, slots: 64}",),
    "1 to 4 random loops": ("model.recurrence={kind: random}",),
    "4 adaptive loops": ("model.recurrence={kind: adaptive, most: 4}",),
}
"""Parts to compose into a GPT-2."""

MODELS: dict[str, tuple[str, ...]] = {
    **{name: (f"model.architecture={name}",) for name in ARCHITECTURES if name != "gpt2"},
    **COMPOSED,
}
"""Overrides of the variants to compare with a plain GPT-2, by name."""


def compare_models(
    case: Case, *, device: str, threads: int, effort: Effort, models: Sequence[str] = tuple(MODELS)
) -> dict[str, Any]:
    """Milliseconds per step of each of `models`, its depth chosen by `match: parameters`, in turns with the GPT-2.

    The ratio is the median over rounds, so that a change of the machine's speed meets both alike.
    """
    settings = (f"training.device={device}", f"training.threads={threads}", "training.precision=fp32")
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        gpt2 = case.spec(*settings)
        info = generate_dataset(gpt2.task, data)
        rows = []
        with Worker(Job(VARIANT, gpt2, data)) as reference:
            reference.wait_until_ready()
            reference_steps = effort.steps(warm_up(reference, effort)[1])
            for name in models:
                spec = case.spec(*settings, "model.match=parameters", *MODELS[name])
                theirs, ours = [], []
                with Worker(Job(VARIANT, spec, data)) as worker:
                    worker.wait_until_ready()
                    settled = warm_up(worker, effort)[1]
                    for _ in range(effort.repeats_of(settled)):
                        theirs.append(reference.train(reference_steps).seconds_per_step)
                        ours.append(worker.train(effort.steps(settled)).seconds_per_step)
                rows.append({"variant": name, **_size(spec, info), **_times(ours, theirs)})
    return {"model": case.model, "loss_on": case.loss_on, "gpt2": _size(gpt2, info), "rows": rows}


def _size(spec: ExperimentSpec, info: Any) -> dict[str, Any]:
    count = parameter_count(
        spec.model, vocabulary_size=info.vocabulary_size, sequence_length=longest_row(info.sequence_length)
    )
    flops = step_flops(
        spec.model,
        vocabulary_size=info.vocabulary_size,
        tokens=input_length(info.sequence_length, spec.training.loss_on),
        supervised=supervised_tokens(info.supervised, spec.training.loss_on),
        batch_size=spec.training.batch_size,
    )
    return {
        "layers": built_spec(spec.model).layers,
        "parameters_without_embeddings": count.without_embeddings,
        "flops_per_step": flops,
    }


def _times(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, Any]:
    return {
        "milliseconds_per_step": 1000 * statistics.median(ours),
        "milliseconds_per_step_of_gpt2": 1000 * statistics.median(theirs),
        "times_as_long_as_gpt2": paired_ratio(ours, theirs),
        "repeats": len(ours),
    }
