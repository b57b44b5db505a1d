"""Exclusive or, bit by bit: a ^ b = c over the numbers below 2^bits, which is addition in the group Z_2^bits.

A random share `train_ratio` of all equations is the training set, the others are held out. With bits = 5:

    question             answer
    <5> <^> <3> <=>      <6>  </a>
    <31> <^> <31> <=>    <0>  </a>
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import Field

from grokcore.data import Dataset
from grokcore.interpret.cases.base import ANSWER, Case, Target, drawn
from grokcore.spec import PluginTask
from grokcore.tasks import Rows, Split, TaskData, TaskDefinition
from grokcore.tasks.base import EOS, majority_baseline
from grokcore.tasks.random import Stream


class XorTask(PluginTask):
    """The fields of the task. Every one of them decides the data; `seed` is there already."""

    kind: Literal["xor"] = "xor"
    bits: int = Field(5, ge=2, le=8, description="numbers have so many bits: there are 4^bits equations")
    train_ratio: float = Field(0.3, gt=0, lt=1, description="share of all equations in the training set, inside (0, 1)")
    probe_size: int = Field(1000, ge=1, description="examples drawn from each split to measure accuracy on")


def build(task: XorTask) -> TaskData:
    """Build the data: a pure function of the spec, so that the same spec gives the same data everywhere."""
    numbers = 2**task.bits
    vocabulary = (*(f"<{number}>" for number in range(numbers)), "<^>", "<=>", EOS)
    xor, equals, eos = numbers, numbers + 1, numbers + 2

    def rows(equations: npt.NDArray[np.int64]) -> Rows:
        a, b = np.divmod(equations, numbers)
        return Rows.of_columns([a, xor, b, equals], np.bitwise_xor(a, b).astype(np.int64))

    # All randomness comes from streams that the seed and a purpose fix, whatever the version of NumPy.
    equations = numbers**2
    in_training = np.zeros(equations, bool)
    in_training[Stream(task.seed, "xor", "split").sample(equations, round(task.train_ratio * equations))] = True
    parts = {"train": np.flatnonzero(in_training), "test": np.flatnonzero(~in_training)}

    probes, splits = {}, {}
    for name, part in parts.items():
        sample = Stream(task.seed, "xor", "probes", name).sample(len(part), task.probe_size)
        probes[name] = rows(part[sample])
        answers = np.bincount(rows(part).answers, minlength=numbers)
        splits[name] = Split(
            role="train" if name == "train" else "held_out",
            rows=len(part),
            majority_baseline=majority_baseline(answers[np.newaxis]),
            chance=1 / numbers,
        )
    return TaskData(
        vocabulary,
        eos,
        prefixes=tuple((a, xor) for a in range(numbers)),
        train={"train": rows(parts["train"])},
        probes=probes,
        splits=splits,
    )


def cases(task: XorTask, dataset: Dataset, examples: int, seed: int) -> list[Case]:
    """For `grokcore analyze`: what stands at which position, and what is to be known there. It may be left out."""
    found = []
    for split, rows in dataset.probes().items():
        chosen = rows[drawn(len(rows), examples, seed, split)]
        tokens, answers = chosen.tokens.astype(np.int64), chosen.answers.astype(np.int64)
        target = Target(ANSWER, "=", answers, candidates=np.arange(2**task.bits))
        groups = {"a": tokens[:, 0], "b": tokens[:, 2]}
        found.append(Case(split, ("a", "^", "b", "="), tokens, answers, (target,), groups=groups, total=len(rows)))
    return found


TASK = TaskDefinition[XorTask](
    build,
    row="`<5> <^> <3> <=>` → `<6>`",
    held_out="the equations that are not in the training set",
    spec=XorTask,
    cases=cases,
)
