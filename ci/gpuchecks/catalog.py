"""The parts, in the order in which they run: what each answers, who answers it, and in how many seconds at most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Cuda = Literal["optional", "needed", "only"]


@dataclass(frozen=True)
class Part:
    """Something to find out.

    Attributes:
        target: MODULE:FUNCTION, called with a `Setting`, in a process of its own.
        seconds: budget on a GPU; None for all that is left.
        cuda: `optional` where a CPU answers as well; `needed` where it only rehearses; `only` where the answer is about
            the GPU itself, so that even a rehearsal ends as `absent`.
    """

    name: str
    question: str
    target: str
    seconds: float | None
    cuda: Cuda = "needed"


REHEARSAL_SECONDS = 240.0
"""Budget of a part in a rehearsal, which takes a few seconds where nothing else runs."""

PARTS = (
    Part(
        "environment",
        "What is this machine, and does grokcore run on it?",
        "ci.gpuchecks.environment:describe",
        20,
        "optional",
    ),
    Part(
        "steps",
        "Do a CUDA graph, single kernels and a CPU take the same steps, for every architecture?",
        "ci.gpuchecks.steps:compare_executions",
        60,
        cuda="only",
    ),
    Part(
        "precision",
        "How far are steps in fp16 and bf16 from those in fp32?",
        "ci.gpuchecks.steps:compare_precisions",
        25,
        cuda="only",
    ),
    Part("resume", "Does a resumed run equal the uninterrupted one?", "ci.gpuchecks.resume:compare_resumed", 35),
    Part("seeds", "Do stacked seeds train as each does alone?", "ci.gpuchecks.seeds:compare_stacked", 25),
    Part(
        "speed",
        "How long is a step, against the published conditions and transformers?",
        "ci.gpuchecks.speed:measure_steps",
        130,
        cuda="only",
    ),
    Part(
        "packing",
        "How many steps do 16 seeds make at once, and how long does training wait for checkpoints?",
        "ci.gpuchecks.speed:measure_packing",
        75,
        cuda="only",
    ),
    Part(
        "deepspeed", "How long is DeepSpeed's step beside the native one?", "ci.gpuchecks.speed:measure_deepspeed", 35
    ),
    Part(
        "kernels",
        "From which length do the kernels of mamba-ssm, causal-conv1d and flash-linear-attention pay?",
        "ci.gpuchecks.kernels:time_kernels",
        30,
        cuda="only",
    ),
    Part("tests", "Do the tests that need a GPU pass?", "ci.gpuchecks.gputests:run_tests", 50, cuda="only"),
    Part(
        "recipe",
        "How soon does comparison-fast grok, 8 seeds at once?",
        "ci.gpuchecks.runs:train_recipe",
        45,
    ),
    Part(
        "thesis-recipe",
        "Does the recipe of comparison-fast grok the thesis' task?",
        "ci.gpuchecks.runs:train_thesis_by_recipe",
        40,
    ),
    Part("thesis", "When does thesis-fast grok?", "ci.gpuchecks.runs:train_thesis", None),
)


def chosen(names: Sequence[str], parts: Sequence[Part] = PARTS) -> list[Part]:
    """Return the parts of these names in their order; all of them for no name.

    Raises:
        LookupError: a name is not that of a part.
    """
    known = [part.name for part in parts]
    for name in names:
        if name not in known:
            raise LookupError(f"there is no part {name!r}: parts are {', '.join(known)}")
    return [part for part in parts if not names or part.name in names]
