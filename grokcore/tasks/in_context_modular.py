"""Linear functions modulo a prime, learnt from examples in the prompt (arXiv 2406.02550).

A row is K examples x, y, z = a x + b y (mod p) of one function (a, b). Training asks for every z, the splits for the
last one: the accuracy of the k-th z is the few-shot curve, which `grokcore analyze` measures. With p = 7, K = 5, 32
functions and 0.7 of the inputs, in training and out of domain:

    question                                                   answer
    <1> <1> <0> <4> <3> <6> <0> <2> <2> <3> <2> <6> <1> <3>    <2> </a>
    <0> <6> <4> <3> <1> <5> <6> <3> <6> <0> <0> <0> <3> <0>    <2> </a>

The K inputs (x, y) of a row are different ones, so that no z can be copied, and the examples before the last determine
the function: not all of their inputs are multiples of one, so that an accuracy of 1 is possible. A random share of the
functions and of the inputs is held out; a row has functions and inputs of one kind:

    split             function    inputs
    train             known       known       all rows different                               train
    test_iid          known       known       other such rows                                  held out
    test_inputs       known       held out                                                     held out
    test_functions    held out    known                                                        held out
    test_ood          held out    held out                                                     held out

The splits to test on have `probe_size` rows each. The paper draws new rows for every step instead of `train_size` of
them, and as many of each function in every batch. Questions share no few beginnings.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from grokcore.errors import InputError
from grokcore.spec import InContextModularTask
from grokcore.tasks.base import EOS, MAX_ROWS, Rows, Split, TaskData, TaskDefinition, majority_baseline
from grokcore.tasks.facts import numbered
from grokcore.tasks.prompts import different, distinct, shuffled
from grokcore.tasks.random import Indices, Stream

KIND = "in_context_modular"
NEW: dict[str, tuple[bool, bool]] = {
    "train": (False, False),
    "test_iid": (False, False),
    "test_inputs": (False, True),
    "test_functions": (True, False),
    "test_ood": (True, True),
}
"""Of every split, whether its functions and its inputs are held out."""


def build(task: InContextModularTask) -> TaskData:
    """The rows of `task`; with the same seed, raising `train_size` only adds rows to the training set.

    Raises:
        InputError: the data are too many.
    """
    if task.train_size * 3 * task.context > 20 * MAX_ROWS:
        raise InputError(
            f"train_size={task.train_size} with context={task.context} does not fit in memory: lower one of them"
        )
    drawn = {"train": _draw(task, "train", task.train_size)}
    for split in task.held_out_splits:
        drawn[split] = _draw(task, split, task.probe_size, unlike=drawn["train"] if split == "test_iid" else None)
    vocabulary = (*(f"<{number}>" for number in numbered(task.modulus)), EOS)
    full = {split: _rows(task, found) for split, found in drawn.items()}
    sample = Stream(task.seed, KIND, "probes", "train").sample(task.train_size, task.probe_size)
    return TaskData(
        vocabulary,
        vocabulary.index(EOS),
        prefixes=(),
        train={"train": full["train"]},
        probes={split: rows[sample] if split == "train" else rows for split, rows in full.items()},
        splits={split: _described(task, split, rows) for split, rows in full.items()},
        supervised=task.supervised,
    )


def split_pairs(task: InContextModularTask, split: str) -> tuple[Indices, Indices]:
    """Return the functions and the inputs of a split, (F,) and (I,), ascending.

    A function (a, b) is coded as a p + b, an input (x, y) as x p + y.
    """
    pairs, found = np.arange(task.modulus**2), []
    for purpose, known, new in zip(
        ("functions", "inputs"), (task.functions, task.training_inputs), NEW[split], strict=True
    ):
        chosen = Stream(task.seed, KIND, purpose).sample(len(pairs), known)
        found.append(np.setdiff1d(pairs, chosen) if new else chosen)
    return found[0], found[1]


def _draw(task: InContextModularTask, split: str, count: int, *, unlike: Indices | None = None) -> Indices:
    """Draw rows of a split.

    Returns:
        (count, 1 + K) int64: the function, and the inputs in order.
    """
    functions, inputs = split_pairs(task, split)
    streams = {purpose: Stream(task.seed, KIND, split, purpose) for purpose in ("function", "inputs", "order")}

    def batch(size: int) -> Indices:
        function = functions[streams["function"].integers(len(functions), size)]
        chosen = inputs[distinct(streams["inputs"], len(inputs), task.context, size)]
        found = np.column_stack([function, shuffled(streams["order"], chosen)])
        kept: Indices = found[determine_function(found[:, 1:-1], task.modulus)]
        return kept

    return different(batch, count, unlike=unlike)


def determine_function(inputs: Indices, modulus: int) -> npt.NDArray[np.bool_]:
    """Return whether the values of a linear function at different inputs (N, K) determine it, (N,) bool.

    They do where two of the inputs are linearly independent: where the first one other than (0, 0) is with any.
    """
    x, y = np.divmod(inputs, modulus)
    first = (inputs != 0).argmax(axis=1)[:, np.newaxis]
    determinants = np.take_along_axis(x, first, axis=1) * y - np.take_along_axis(y, first, axis=1) * x
    independent: npt.NDArray[np.bool_] = (determinants % modulus != 0).any(axis=1)
    return independent


def inputs_of(tokens: Indices, modulus: int) -> Indices:
    """Return the inputs (N, K) of questions (N, 3 K - 1)."""
    inputs: Indices = tokens[:, 0::3] * modulus + tokens[:, 1::3]
    return inputs


def functions_of(inputs: Indices, results: Indices, modulus: int) -> Indices:
    """Return the one function (N,) that gives the results (N, K) of inputs (N, K)."""
    fits = values(np.arange(modulus**2)[:, np.newaxis], inputs[:, np.newaxis], modulus) == results[:, np.newaxis]
    found: Indices = fits.all(axis=2).argmax(axis=1)
    return found


def is_determined(inputs: Indices, modulus: int) -> npt.NDArray[np.bool_]:
    """Return which results the inputs before them determine, whatever the function: (N, K) inputs -> (N, K) bool.

    That of (0, 0), those of multiples of one input, and all once two inputs are linearly independent.
    """
    x, y = np.divmod(inputs, modulus)
    determinants = (x[:, :, np.newaxis] * y[:, np.newaxis] - y[:, :, np.newaxis] * x[:, np.newaxis]) % modulus
    nonzero = inputs != 0
    found = np.zeros(inputs.shape, bool)
    for place in range(inputs.shape[1]):
        spans = (determinants[:, :place, :place] != 0).any(axis=(1, 2))
        multiple = ((determinants[:, :place, place] == 0) & nonzero[:, :place]).any(axis=1)
        found[:, place] = ~nonzero[:, place] | multiple | spans
    return found


def values(functions: Indices, inputs: Indices, modulus: int) -> Indices:
    """Return a x + b y (mod p) of functions and inputs that are coded as pairs, arrays that broadcast."""
    a, b = np.divmod(functions, modulus)
    x, y = np.divmod(inputs, modulus)
    z: Indices = (a * x + b * y) % modulus
    return z


def _rows(task: InContextModularTask, drawn: Indices) -> Rows:
    functions, inputs = drawn[:, :1], drawn[:, 1:]
    x, y = np.divmod(inputs, task.modulus)
    tokens = np.stack([x, y, values(functions, inputs, task.modulus)], axis=2).reshape(len(drawn), -1)
    return Rows.of_columns(list(tokens[:, :-1].T), tokens[:, -1])


def _described(task: InContextModularTask, split: str, rows: Rows) -> Split:
    common = majority_baseline(np.bincount(rows.answers)[np.newaxis])
    return Split("train" if split == "train" else "held_out", len(rows), common, 1 / task.modulus)


TASK = TaskDefinition[InContextModularTask](
    build,
    row="`<4> <6> <6> .. <5> <0>` → `<2>`: examples x, y, a x + b y (mod p) of one function, then x, y",
    held_out="new rows (ID); held-out inputs (x, y); held-out functions (a, b); both held out (OOD)",
)
