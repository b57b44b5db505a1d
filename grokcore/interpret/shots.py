"""Few-shot curve: accuracy of the k-th answer of a row, which k - 1 examples precede (arXiv 2406.02550).

All answers of a row are read in one pass. Beside each accuracy stand

    accuracy_shuffled          control: the results z are exchanged among the examples, so that they fit no function
    accuracy_other_function    control: all results are of another function, the answer is still the row's own
    determined                 share of rows whose k-th answer the examples before it determine

A model that learns from its prompt falls to chance with shuffled results, and below it with another function, whose
results are other ones everywhere; one that has the answers in its weights stays where it was. `determined` + (1 -
`determined`) / p is the best that is possible without knowing which functions are more likely. The headline of a
split, `shots_gain`, is `accuracy` - `accuracy_shuffled` at the last answer.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from grokcore.interpret.cases.base import ANSWER, Case
from grokcore.interpret.intervals import Bootstrap, Interval, Values
from grokcore.interpret.number import Number
from grokcore.interpret.subject import Subject
from grokcore.tasks.in_context_modular import inputs_of, is_determined
from grokcore.tasks.prompts import shuffled
from grokcore.tasks.random import Indices, Stream


def measure(subject: Subject) -> Iterator[Number]:
    """Yield the numbers of every answer of every split, and the headline of each split."""
    for case in subject.cases:
        yield from _of_case(subject, case)


def answers_of(case: Case) -> dict[str, tuple[int, Indices]]:
    """Return the place that predicts each answer, and its tokens (N,), by name: z1, z2, .. and at last `answer`."""
    earlier = {role: place for place, role in enumerate(case.roles) if role.startswith("z")}
    found = {role: (place - 1, case.tokens[:, place]) for role, place in earlier.items()}
    return {**found, ANSWER: (len(case.roles) - 1, case.answers)}


@torch.no_grad()
def right(subject: Subject, case: Case, tokens: Indices, rows: Indices | slice = slice(None)) -> Values:
    """Return which answers of the case's rows the model gives after `tokens`, (K, M) of 0 and 1.

    Args:
        tokens: (M, T), what stands in the place of the rows' tokens.
        rows: (M,), the rows that they stand for; all by default.
    """
    answers = answers_of(case)
    positions = torch.tensor([place for place, _ in answers.values()], device=subject.device)
    logits = subject.model(torch.from_numpy(tokens).to(subject.device), positions.expand(len(tokens), -1))
    wanted = np.stack([ids[rows] for _, ids in answers.values()])
    found: Values = (logits.argmax(-1).T.cpu().numpy() == wanted).astype(np.float64)
    return found


def with_shuffled_results(case: Case, seed: int) -> Indices:
    """Return the tokens (N, T) with the results of every row in a random order of its own."""
    places = [place for place, role in enumerate(case.roles) if role.startswith("z")]
    tokens = case.tokens.copy()
    tokens[:, places] = shuffled(Stream(seed, "interpret", "shots", case.split), case.tokens[:, places])
    return tokens


def _of_case(subject: Subject, case: Case) -> Iterator[Number]:
    analysis, names = subject.analysis, [*answers_of(case)]
    bootstrap = Bootstrap(len(case), analysis.draws, analysis.seed)
    own = right(subject, case, case.tokens)
    control = right(subject, case, with_shuffled_results(case, analysis.seed))
    modulus: int = subject.dataset.info.task["modulus"]
    determined = is_determined(inputs_of(case.tokens, modulus), modulus)
    yield from _curve("accuracy", case, names, bootstrap.mean(own), len(case))
    yield from _curve("accuracy_shuffled", case, names, bootstrap.mean(control), len(case))
    yield from _curve("determined", case, names, bootstrap.mean(determined.T), len(case))
    other = case.counterfactuals.get("function")
    if other is not None and len(other.rows) > 1:
        still = right(subject, case, other.tokens, other.rows)
        means = Bootstrap(len(other.rows), analysis.draws, analysis.seed).mean(still)
        yield from _curve("accuracy_other_function", case, names, means, len(other.rows))
    value, lower, upper = map(float, bootstrap.mean(own[-1] - control[-1]))
    yield Number("shots_gain", value, len(case), case.split, target=names[-1], lower=lower, upper=upper)


def _curve(metric: str, case: Case, names: list[str], means: Interval, n: int) -> Iterator[Number]:
    for number, name in enumerate(names):
        value, lower, upper = (float(part[number]) for part in means)
        yield Number(metric, value, n, case.split, "", None, f"y{number + 1}", name, lower, upper)
