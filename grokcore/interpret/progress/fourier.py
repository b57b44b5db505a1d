"""Restricted and excluded loss over the key frequencies of modular arithmetic (arXiv 2301.05217, section 5.1).

A model that has generalized a op b = c computes its logits from few frequencies of a group of n elements: for + and -
modulo p it is that of addition (n = p, exponent e(a) = a), for * and / modulo a prime that of multiplication, whose
elements but 0 are powers of a primitive root g (n = p - 1, a = g^e(a)). With s = e(a) +- e(b), + for + and *, and the
logits Lg (n^2, p) of all pairs that have exponents, over the p numbers:

    u_k, v_k  = sqrt(2)/n cos(2 pi k s/n), sqrt(2)/n sin(2 pi k s/n)      (n^2,), k = 1 .. n/2
    power_k   = |u_k' Lg|^2 + |v_k' Lg|^2
    key       = the smallest set of k that has 95 % of the power at the last step that is analyzed
    periodic  = sum_key (u_k u_k' + v_k v_k') Lg
    restricted_loss = loss(mean row of Lg + periodic), excluded_loss = loss(Lg - periodic)

Only logits are read, so that this holds for any architecture, with or without norms. Where n is even, k = n/2 has a
cosine of norm 1/n and no sine. Losses are cross-entropies over the p numbers, in split "" of all pairs, `train`, and
`test`; `loss` beside them is that of Lg. The restricted loss falls once a general solution exists, though memorized
noise still hides it; the excluded loss, of training pairs, rises as the model comes to rely on the key frequencies.
Controls `restricted_loss_random` and `excluded_loss_random` take as many frequencies drawn from the others, mean of
several draws; NaN where there are no others.

Further headlines: `key_frequencies` (their number), `key_power` (their share of power at this step), `key_variance`
(their share of the variance of Lg over pairs), and `embedding_gini`, the Gini coefficient of the embeddings' power over
frequencies, beside that of random embeddings, `embedding_gini_random`. Rows with target=k are shares of power:
`logit_power` at the answer's position, `embedding_power` at layer 0.

Not defined, and absent, for * modulo a number that is not prime, which has no group, and beyond `MOST_LOGITS` logits.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from grokcore.interpret.number import Number
from grokcore.interpret.progress.training_rows import logits_at
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel
from grokcore.spec import ModularTask
from grokcore.spec.experiment import derived_seed
from grokcore.tasks.random import Indices

KEY_POWER = 0.95
DRAWS = 10
"""Random sets of frequencies that a control is the mean of."""
MOST_LOGITS = 2**27
"""(p = 512.) A larger table of logits would need more than a gigabyte in fp64."""


@dataclass(frozen=True)
class Pairs:
    """The pairs of a group of n elements.

    Attributes:
        elements: (n,) int64, the number with exponent 0, 1, ..., n - 1.
        tokens: (n^2, 4) int64, questions.
        answers: (n^2,) int64, the number that answers each.
        s: (n^2,) int64 in [0, n), e(a) + e(b) or e(a) - e(b).
        splits: name -> (n^2,) bool, the pairs of a split; "" for all.
    """

    elements: Indices
    tokens: Indices
    answers: Indices
    s: Indices
    splits: dict[str, npt.NDArray[np.bool_]]


def measure(subject: Subject) -> Iterator[Number]:
    """Yield losses with controls, then the power of every frequency."""
    kept = subject.kept
    if "pairs" not in kept:
        kept["pairs"] = pairs_of(subject)
    pairs: Pairs | None = kept["pairs"]
    if pairs is None:
        return
    if "key frequencies" not in kept:
        kept["key frequencies"] = key_frequencies(power(_by_s(_logits(subject.last(), pairs), pairs)))
    key: Tensor = kept["key frequencies"]
    logits = _logits(subject.model, pairs)
    by_s = _by_s(logits, pairs)
    found = power(by_s)
    yield from _losses(logits, by_s, pairs, key, subject.analysis.seed)
    yield Number("key_frequencies", len(key), 0)
    yield Number("key_power", _ratio(found[key - 1].sum(), found.sum()), len(logits))
    variance = (logits - logits.mean(0)).square().sum()
    yield Number("key_variance", _ratio(found[key - 1].sum(), variance), len(logits))
    embeddings = _embeddings(subject, pairs)
    random = torch.randn(embeddings.shape, generator=_generator(subject.analysis.seed), dtype=torch.float64)
    spectrum = power(embeddings)
    yield Number("embedding_gini", gini(spectrum), 0)
    yield Number("embedding_gini_random", gini(power(random)), 0)
    for k in range(1, len(found) + 1):
        yield Number("logit_power", _ratio(found[k - 1], found.sum()), len(logits), position="=", target=str(k))
        yield Number("embedding_power", _ratio(spectrum[k - 1], spectrum.sum()), 0, layer=0, target=str(k))


def pairs_of(subject: Subject) -> Pairs | None:
    """Return the pairs of a task's group; None if it has no group, fewer than 3 elements, or too many."""
    task = subject.spec.task
    if not isinstance(task, ModularTask):
        return None
    p, sign = task.modulus, -1 if task.operation in "-/" else 1
    elements = np.arange(p) if task.operation in "+-" else powers_of_a_root(p)
    if elements is None or len(elements) < 3 or len(elements) ** 2 * p > MOST_LOGITS:
        return None
    n = len(elements)
    first, second = np.divmod(np.arange(n * n), n)
    s = (first + sign * second) % n
    a, b = elements[first], elements[second]
    operation, equals = p, p + 1
    tokens = np.stack([a, np.full_like(a, operation), b, np.full_like(a, equals)], axis=1)
    training = np.zeros((p, p), bool)
    rows = subject.dataset.train()
    training[rows.tokens[:, 0], rows.tokens[:, 2]] = True
    train = training[a, b]
    splits = {"": np.ones(n * n, bool), "train": train, "test": ~train}
    return Pairs(elements, tokens, elements[s], s, splits)


def powers_of_a_root(p: int) -> Indices | None:
    """Return 1, g, g^2, ... (p - 1,) modulo p of the smallest primitive root g; None if p is not prime."""
    if any(p % divisor == 0 for divisor in range(2, math.isqrt(p) + 1)):
        return None
    for g in range(1, p):
        powers = [1]
        while (following := powers[-1] * g % p) != 1:
            powers.append(following)
        if len(powers) == p - 1:
            return np.array(powers, np.int64)
    return None


def power(by_s: Tensor) -> Tensor:
    """Return power_k (n // 2,), k = 1, 2, ..., of what is a function of s, (n, C)."""
    n = len(by_s)
    squares: Tensor = torch.fft.rfft(by_s, dim=0)[1:].abs().square().sum(1) * 2
    if n % 2 == 0:
        squares[-1] /= 2
    return squares


def key_frequencies(found: Tensor, share: float = KEY_POWER) -> Tensor:
    """Return the smallest set of k (K,), ascending, that has `share` of the power (n // 2,)."""
    order = found.argsort(descending=True, stable=True)
    reached = found[order].cumsum(0) >= share * found.sum()
    return order[: int(reached.int().argmax()) + 1].sort().values + 1


def periodic(by_s: Tensor, key: Tensor) -> Tensor:
    """Return the part (n, C) of a function of s that has the frequencies `key`."""
    spectrum = torch.fft.rfft(by_s, dim=0)
    mask = torch.zeros(len(spectrum), 1, dtype=spectrum.real.dtype, device=spectrum.device)
    mask[key] = 1
    part: Tensor = torch.fft.irfft(spectrum * mask, n=len(by_s), dim=0)
    return part


def gini(values: Tensor) -> float:
    """Return the Gini coefficient of (K,): 0 where all are equal, 1 - 1/K where all but one are 0."""
    ranks = 2 * torch.arange(1, len(values) + 1, dtype=values.dtype, device=values.device) - len(values) - 1
    return _ratio((ranks * values.sort().values).sum(), len(values) * values.sum())


def restricted_losses(by_s: Tensor, mean: Tensor, answers: Tensor, key: Tensor) -> Tensor:
    """Return the loss (n,) of each s of the logits mean + periodic.

    Args:
        by_s: (n, p), the mean logits of each s.
        mean: (p,), of all pairs.
        answers: (n,), of each s: in a commutative group s decides the answer.
    """
    return functional.cross_entropy(mean + periodic(by_s, key), answers, reduction="none")


def excluded_losses(logits: Tensor, by_s: Tensor, s: Tensor, answers: Tensor, key: Tensor) -> Tensor:
    """Return the loss (N,) of each pair of the logits (N, p) without the part that is periodic."""
    return functional.cross_entropy(logits - periodic(by_s, key)[s], answers, reduction="none")


def _losses(logits: Tensor, by_s: Tensor, pairs: Pairs, key: Tensor, seed: int) -> Iterator[Number]:
    s, answers, elements = (torch.from_numpy(one).to(logits.device) for one in (pairs.s, pairs.answers, pairs.elements))
    mean = logits.mean(0)

    def losses(key: Tensor) -> tuple[Tensor, Tensor]:
        return restricted_losses(by_s, mean, elements, key)[s], excluded_losses(logits, by_s, s, answers, key)

    drawn = [losses(random) for random in _other_frequencies(key, len(by_s) // 2, seed)]
    restricted, excluded = losses(key)
    found = {"loss": functional.cross_entropy(logits, answers, reduction="none")}
    found |= {"restricted_loss": restricted, "excluded_loss": excluded}
    for place, name in enumerate(("restricted_loss_random", "excluded_loss_random")):
        one_each = [pair[place] for pair in drawn]
        found[name] = torch.stack(one_each).mean(0) if drawn else torch.full_like(restricted, torch.nan)
    for split, belongs in pairs.splits.items():
        mask = torch.from_numpy(belongs).to(logits.device)
        for metric, values in found.items():
            yield Number(metric, values[mask].mean().item(), int(belongs.sum()), split=split)


def _other_frequencies(key: Tensor, highest: int, seed: int) -> list[Tensor]:
    """Return `DRAWS` sets of as many frequencies that are not key; of fewer if there are no more, or none at all."""
    others = torch.tensor(sorted(set(range(1, highest + 1)) - set(key.tolist())), device=key.device)
    generator = _generator(seed)
    if not len(others):
        return []
    return [others[torch.randperm(len(others), generator=generator)[: len(key)].to(key.device)] for _ in range(DRAWS)]


def _logits(model: SequenceModel, pairs: Pairs) -> Tensor:
    """Return the logits (n^2, p) over the numbers, fp64."""
    device = next(model.parameters()).device
    tokens = torch.from_numpy(pairs.tokens).to(device)
    positions = torch.full((len(tokens), 1), tokens.shape[1] - 1, device=device)
    numbers = int(tokens[0, 1])  # the operation's token follows those of the numbers
    return logits_at(model, tokens, positions)[:, 0, :numbers].double()


def _by_s(logits: Tensor, pairs: Pairs) -> Tensor:
    """Return the mean logits (n, p) of all pairs with the same s: all that their projections on u_k, v_k depend on."""
    n = len(pairs.elements)
    order = torch.from_numpy(np.argsort(pairs.s, kind="stable")).to(logits.device)
    return logits[order].reshape(n, n, -1).mean(1)


def _embeddings(subject: Subject, pairs: Pairs) -> Tensor:
    """Return the stream (n, D) at layer 0 of each element as a, by exponent, fp64.

    Position embeddings, which are the same for all, have frequency 0.
    """
    n = len(pairs.elements)
    return subject.streams(torch.from_numpy(pairs.tokens[::n]).to(subject.device))[0, :, 0].double()


def _generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(derived_seed(seed, "frequencies"))


def _ratio(part: Tensor, whole: Tensor) -> float:
    return float(part / whole)
