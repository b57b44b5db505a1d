"""Circuits: which sites carry an answer, when a model has resolved what it looks up, and whether accuracy rests on it.

All are functions of the rows of analysis.parquet that `lens` and `tracing` wrote.

- The circuit of a step: the sites that recover at least .2 of the logit difference, with a lower limit above .1.
- The layer in which something is resolved: the first whose flip (of semantic donors at r1) or lens gain (largest over
  positions) reaches 90 % of its maximum over layers. The stream after the last block is left out: nothing reads it.
- Behavior against circuit: per step, the accuracy of a split beside the flip of the kinds of counterfactuals that ask
  for the circuit of its task (`KINDS`). *Fake grok*, of a kind that replaces an intermediate result (`semantic`):
  accuracy of at least a threshold, and a flip of at most half of it, at three steps in a row. Of a kind that replaces
  an operand the same is *distributed*: what the answer rests on passes no single site, whether it is looked up or not.
  *Circuit without accuracy*: a flip of at least the threshold, and an accuracy of at most half of it.
- Path similarity: Pearson's r of two maps of recovered shares.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from grokcore.interpret.number import Number
from grokcore.spec.experiment import derived_seed

Row = Mapping[str, Any]
"""A row of analysis.parquet."""

SHARE, LOWER = 0.2, 0.1
"""Recovered share of a site of a circuit, at least, and its lower limit."""
RESOLVED = 0.9
"""Share of the maximum over layers at which something counts as resolved."""
THRESHOLD, SUSTAIN = 0.9, 3
"""Accuracy of behavior that a circuit is asked for, and steps in a row."""
ROWS = 10
"""Examples that a flip must rest on to be held against an accuracy."""
KINDS: dict[str, tuple[str, ...]] = {
    "comparison": ("e1", "e2"),
    "complex_reasoning": ("e1", "e2"),
    "composition": ("semantic",),
    "modular": ("a", "b"),
    "permutations": ("a", "b"),
}
"""By kind of task, the counterfactuals whose streams a model that looks its operands up carries at one site. An
attribute or a relation is none of them: it is used at several positions."""
INTERMEDIATE = ("semantic",)
"""Kinds that replace an intermediate result, which a model that only remembers does not have."""


class CircuitSite(NamedTuple):
    """A site that carries the answer of a kind of counterfactual.

    Attributes:
        layer: of the stream.
        position: a role, or several joined by +.
        recovered: share of the logit difference, with its 95 % interval.
        flip: share of rows that give the other answer: low beside a high `recovered` where the site only spoils.
    """

    split: str
    case: str
    layer: int
    position: str
    recovered: float
    lower: float
    upper: float
    flip: float


class Behavior(NamedTuple):
    """Accuracy and circuit of a split at a step.

    Attributes:
        accuracy: of all questions that were analyzed.
        flip: of the kind in `KINDS` that flips least, at its best site; None where fewer than 10 rows tell.
        case, site: that kind, and where.
    """

    step: int
    split: str
    accuracy: float
    flip: float | None
    case: str
    site: str


class Similarity(NamedTuple):
    """Pearson's r over n sites, with a 95 % interval; NaN with fewer than 3 sites or without variation."""

    value: float
    lower: float
    upper: float
    n: int


Paths = dict[tuple[str, str, int, str], float]
"""(split, kind, layer, position) -> recovered."""


def circuit_sites(rows: Sequence[Row], step: int) -> list[CircuitSite]:
    """Return the circuit of a step, of every split and kind of counterfactual."""
    tracing = [row for row in rows if row["step"] == step and row["analysis"] == "tracing" and row["position"]]
    flips = {_site(row): row["value"] for row in tracing if row["metric"] == "flip"}
    return [
        CircuitSite(*_site(row), row["value"], row["lower"], row["upper"], flips[_site(row)])
        for row in tracing
        if row["metric"] == "recovered" and row["value"] >= SHARE and row["lower"] > LOWER
    ]


def resolve_layers(rows: Sequence[Row], step: int, layers: int) -> dict[tuple[str, str], int]:
    """Return (split, what) -> layer; what is `semantic`, or the name of a target of the lens but the answer.

    What no layer tells, with a lower limit above .1 at its maximum, is left out.

    Args:
        layers: L, of the model.
    """
    curves: dict[tuple[str, str], dict[int, Row]] = {}
    for row in rows:
        if row["step"] != step or row["layer"] is None or row["layer"] >= layers:
            continue
        if (row["metric"], row["case"], row["position"]) == ("flip", "semantic", "r1"):
            what = "semantic"
        elif row["metric"] == "lens_gain" and row["target"] != "answer":
            what = row["target"]
        else:
            continue
        curve = curves.setdefault((row["split"], what), {})
        if row["layer"] not in curve or row["value"] > curve[row["layer"]]["value"]:
            curve[row["layer"]] = row
    found = {}
    for key, curve in curves.items():
        best = max(curve.values(), key=lambda row: float(row["value"]))
        if best["lower"] > LOWER:
            found[key] = min(layer for layer, row in curve.items() if row["value"] >= RESOLVED * best["value"])
    return found


def behavior_vs_circuit(rows: Sequence[Row], task: str) -> list[Behavior]:
    """Return accuracy and flip of every split that has both, by split, with ascending steps.

    A kind that changes the last token alone is left out: by causality its flip is 1.

    Args:
        task: its kind.
    """
    headlines = [row for row in rows if row["analysis"] == "tracing" and row["layer"] is None]
    reached, asked = _reached(rows), KINDS.get(task, ())
    flips: dict[tuple[str, int], list[Row]] = {}
    for row in headlines:
        if row["metric"] == "flip" and row["case"] in asked and len(reached.get((row["split"], row["case"]), "12")) > 1:
            flips.setdefault((row["split"], row["step"]), []).append(row)
    points = []
    for row in headlines:
        if row["metric"] == "accuracy" and (row["split"], row["step"]) in flips:
            telling = [one for one in flips[row["split"], row["step"]] if one["n"] >= ROWS]
            least = min(telling, key=lambda one: float(one["value"]), default=None)
            of_flip = (None, "", "") if least is None else (least["value"], least["case"], least["target"])
            points.append(Behavior(row["step"], row["split"], row["value"], *of_flip))
    splits = list(dict.fromkeys(point.split for point in points))
    return sorted(points, key=lambda point: (splits.index(point.split), point.step))


def fake_grok(points: Sequence[Behavior], threshold: float = THRESHOLD) -> list[int]:
    """Return the steps of a split that end three in a row with accuracy, and at most half as large a flip.

    Of kinds that replace an intermediate result alone: see `distributed`.
    """
    return _without_flip(points, threshold, intermediate=True)


def distributed(points: Sequence[Behavior], threshold: float = THRESHOLD) -> list[int]:
    """Return the same steps of kinds that replace an operand: its information lies at several sites at once."""
    return _without_flip(points, threshold, intermediate=False)


def _without_flip(points: Sequence[Behavior], threshold: float, *, intermediate: bool) -> list[int]:
    def holds(one: Behavior) -> bool:
        asked = one.flip is not None and (one.case in INTERMEDIATE) is intermediate
        return asked and one.accuracy >= threshold and (one.flip or 0.0) <= one.accuracy / 2

    return _in_a_row(points, [holds(one) for one in points])


def circuit_without_accuracy(points: Sequence[Behavior], threshold: float = THRESHOLD) -> list[int]:
    """Return the steps of a split that end three in a row with a flip, and at most half as large an accuracy."""
    return _in_a_row(
        points, [one.flip is not None and one.flip >= threshold and one.accuracy <= one.flip / 2 for one in points]
    )


def paths(rows: Sequence[Row], step: int, layers: int) -> Paths:
    """Return the recovered shares of a step at the sites that can differ between models.

    Left out are layers 0 and L and the positions before the first token that differs, where the share is 0 or 1
    whatever the model does, and joint sites.
    """
    reached = {key: roles for key, roles in _reached(rows).items() if len(roles) > 1}
    return {
        _site(row): row["value"]
        for row in rows
        if (row["step"], row["metric"]) == (step, "recovered")
        and 0 < row["layer"] < layers
        and row["position"] in reached.get((row["split"], row["case"]), ())
    }


def path_similarity(a: Paths, b: Paths, *, draws: int = 1000, seed: int = 0) -> Similarity:
    """Return how alike two maps are at the sites that both have.

    The interval is a bootstrap over sites: the table holds no numbers of single examples. Sites of one question are not
    independent, so that over several seeds the range of their values says more.
    """
    keys = [key for key in a if key in b and np.isfinite(a[key]) and np.isfinite(b[key])]
    if len(keys) < 3:
        return Similarity(float("nan"), float("nan"), float("nan"), len(keys))
    both = np.array([[one[key] for key in keys] for one in (a, b)])
    generator = np.random.default_rng(derived_seed(seed, f"path similarity of {len(keys)}"))
    drawn = both[:, generator.integers(len(keys), size=(draws, len(keys)))]
    value, sampled = _pearson(*both), _pearson(*drawn)
    sampled = sampled[np.isfinite(sampled)]  # a draw of equal values has no r
    lower, upper = np.quantile(sampled, (0.025, 0.975)) if len(sampled) else (float("nan"), float("nan"))
    return Similarity(float(value), float(lower), float(upper), len(keys))


def circuit_numbers(
    rows: Sequence[Row], task: str, layers: int, memorized: int | None = None
) -> Iterator[tuple[int, Number]]:
    """Yield (step, headline): `resolve_layer`, `fake_grok` or `distributed`, `circuit_without_accuracy`,
    `path_similarity`.

    The second and third are 1 at a step that ends three in a row, and 0 at others. The last is that of a step to the
    one at which the run had memorized, of the sites of a split.

    Args:
        memorized: that step; None where it is not known.
    """
    for step in sorted({row["step"] for row in rows}):
        for (split, what), layer in resolve_layers(rows, step, layers).items():
            yield step, Number("resolve_layer", layer, 0, split, target=what)
    for own in _by_split(behavior_vs_circuit(rows, task)):
        steps = {
            "fake_grok": fake_grok(own),
            "distributed": distributed(own),
            "circuit_without_accuracy": circuit_without_accuracy(own),
        }
        for point in own:
            if point.flip is not None:
                low = "fake_grok" if point.case in INTERMEDIATE else "distributed"
                for name in (low, "circuit_without_accuracy"):
                    yield point.step, Number(name, float(point.step in steps[name]), 0, point.split, point.case)
    if memorized is not None:
        yield from _similarities(rows, memorized, layers)


def _similarities(rows: Sequence[Row], memorized: int, layers: int) -> Iterator[tuple[int, Number]]:
    first = paths(rows, memorized, layers)
    for step in sorted({row["step"] for row in rows if row["step"] > memorized}):
        later = paths(rows, step, layers)
        for split in dict.fromkeys(key[0] for key in later):
            found = path_similarity(*({key: one[key] for key in one if key[0] == split} for one in (first, later)))
            if np.isfinite(found.value):
                similarity = Number("path_similarity", found.value, found.n, split, target="memorized")
                yield step, similarity._replace(lower=found.lower, upper=found.upper)


def verdicts(rows: Sequence[Row], task: str) -> list[str]:
    """Return a line for every split: its last accuracy and flip, and where accuracy and circuit part."""
    lines = []
    for own in _by_split(behavior_vs_circuit(rows, task)):
        last = own[-1]
        flip = "too few rows for a flip" if last.flip is None else f"{last.case} flips {last.flip:.2f} at {last.site}"
        found = {
            "fake grok": fake_grok(own),
            "no site carries it": distributed(own),
            "circuit without accuracy": circuit_without_accuracy(own),
        }
        parted = "".join(f"; {name} at step {steps[0]:,}" for name, steps in found.items() if steps)
        lines.append(f"{last.split}: accuracy {last.accuracy:.2f}, {flip}{parted}")
    return lines


def _by_split(points: Sequence[Behavior]) -> list[list[Behavior]]:
    return [[point for point in points if point.split == split] for split in dict.fromkeys(one.split for one in points)]


def _site(row: Row) -> tuple[str, str, int, str]:
    return row["split"], row["case"], row["layer"], row["position"]


def _reached(rows: Sequence[Row]) -> dict[tuple[str, str], list[str]]:
    """Return the roles of every (split, kind) from the first that its counterfactuals change on.

    At layer 0 the sites stand in the order of the question, and those without a changed token recover exactly nothing.
    """
    found: dict[tuple[str, str], tuple[int, list[str]]] = {}
    for row in rows:
        if row["metric"] == "recovered" and row["layer"] == 0 and "+" not in row["position"]:
            step, roles = found.setdefault((row["split"], row["case"]), (row["step"], []))
            if row["step"] == step and (roles or row["value"] != 0):
                roles.append(row["position"])
    return {key: roles for key, (_, roles) in found.items()}


def _in_a_row(points: Sequence[Behavior], holds: Sequence[bool]) -> list[int]:
    ends = range(SUSTAIN - 1, len(points))
    return [points[end].step for end in ends if all(holds[end - SUSTAIN + 1 : end + 1])]


def _pearson(x: Any, y: Any) -> Any:
    """Return r over the last axis; NaN without variation."""
    x, y = (one - one.mean(-1, keepdims=True) for one in (x, y))
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.clip((x * y).sum(-1) / np.sqrt((x * x).sum(-1) * (y * y).sum(-1)), -1, 1)
