"""Examples of a linear function: `<x1> <y1> <z1> .. <xK> <yK>`, z = a x + b y (mod p).

The answer is the only target: the results before it stand in the question, where any stream tells them trivially; the
analysis `shots` measures these. Counterfactuals, all with another answer unless stated:

    x, y             another number is asked for, by the input (x, y)
    function         all z are of another function, which gives another z to every input of the row
    same function    the first example is another one of the same function: the answer must stay (specificity)

New inputs are in training or held out, as those of the row are, and differ from all of them; a new function is in
training or held out as that of the row is. Rows are drawn anew, so that counterfactuals of training rows are none.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from grokcore.data import Dataset, Rows
from grokcore.interpret.cases.base import ANSWER, Case, Counterfactual, Target, drawn
from grokcore.interpret.cases.drawing import Draw
from grokcore.spec import InContextModularTask
from grokcore.tasks.in_context_modular import determine_function, functions_of, inputs_of, split_pairs, values
from grokcore.tasks.random import Indices, Stream


def cases(task: InContextModularTask, dataset: Dataset, examples: int, seed: int) -> list[Case]:
    """Return the cases of all splits."""
    found = []
    for split, rows in dataset.probes().items():
        chosen = rows[drawn(len(rows), examples, seed, split)]
        roles = tuple(f"{part}{example}" for example in range(1, task.context + 1) for part in "xyz")[:-1]
        stream = Stream(seed, "interpret", "counterfactuals", split)
        tokens, answers = chosen.tokens.astype(np.int64), chosen.answers.astype(np.int64)
        draw = Draw(roles, tokens, answers, lambda columns: np.ones((), bool), stream)
        found.append(_Examples(draw, task, *split_pairs(task, split)).case(split, rows))
    return found


@dataclass(frozen=True)
class _Examples:
    """N rows of a split.

    Attributes:
        functions, inputs: (F,) and (I,), those of the split's kind, as pairs of numbers.
    """

    draw: Draw
    task: InContextModularTask
    functions: Indices
    inputs: Indices

    def case(self, split: str, rows: Rows) -> Case:
        draw, numbers = self.draw, np.arange(self.task.modulus)
        target = Target(ANSWER, draw.roles[-1], draw.answers, numbers)
        kinds = {one.kind: one for one in self._counterfactuals() if len(one.rows)}
        groups = {role: draw.tokens[:, draw.roles.index(role)] for role in draw.roles[-2:]}
        return Case(split, draw.roles, draw.tokens, draw.answers, (target,), kinds, groups, len(rows))

    def _counterfactuals(self) -> Iterator[Counterfactual]:
        draw, p, last = self.draw, self.task.modulus, self.task.context
        inputs, z = inputs_of(draw.tokens, p), np.column_stack([draw.tokens[:, 2::3], draw.answers])
        function = functions_of(inputs, z, p)[:, np.newaxis]
        new = np.broadcast_to(self.inputs, (len(inputs), len(self.inputs)))
        answer, (x, y) = values(function, new, p), np.divmod(new, p)
        unlike = self._unlike(new, inputs)
        own_x, own_y = draw.tokens[:, -2:-1], draw.tokens[:, -1:]
        changes = answer != draw.answers[:, np.newaxis]
        yield draw.one("x", {f"x{last}": x}, unlike & changes & (y == own_y), answer)
        yield draw.one("y", {f"y{last}": y}, unlike & changes & (x == own_x), answer)
        others = values(self.functions[:, np.newaxis], inputs[:, np.newaxis], p)  # (N, F, K)
        changed = {f"z{example + 1}": others[:, :, example] for example in range(last - 1)}
        yield draw.one("function", changed, (others != z[:, np.newaxis]).all(axis=2), others[:, :, -1])
        first = {"x1": x, "y1": y, "z1": answer}
        differs = np.all([column != draw.tokens[:, [place]] for place, column in enumerate(first.values())], axis=0)
        context = np.broadcast_to(inputs[:, np.newaxis, :-1], (*new.shape, last - 1)).copy()
        context[:, :, 0] = new
        known = determine_function(context.reshape(-1, last - 1), p).reshape(new.shape)
        yield draw.one("same function", first, unlike & differs & known, draw.answers[:, np.newaxis])

    @staticmethod
    def _unlike(new: Indices, inputs: Indices) -> npt.NDArray[np.bool_]:
        """Return which of new inputs (N, I) the row (N, K) does not have."""
        unlike: npt.NDArray[np.bool_] = (new[:, :, np.newaxis] != inputs[:, np.newaxis]).all(axis=2)
        return unlike
