"""Groups of runs that repeat one experiment, and the names of runs and groups in every view.

Runs that differ in their seeds alone form a group. A group is called by the fields of the spec that tell it from the
other groups at hand, `model.architecture gpt2, task.values 20`, or by the experiment's name where there is no other; a
run by its group and its seed, `model.architecture gpt2, seed 3`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, TypeVar

from grokcore.runs.record import RunRecord
from grokcore.spec import ExperimentSpec
from grokcore.spec.base import Spec, identity_rule

T = TypeVar("T")

SEEDS = frozenset({"seed", "model.seed", "training.seed", "task.seed"})
"""Fields that runs of one group may differ in. Another `task.seed` draws other data of the same kind: a repetition."""

_CHOOSERS = ("task.kind", "model.architecture")
_TUNED = ("training.learning_rate", "training.weight_decay", "training.schedule_steps")
"""Fields that are usually searched anew for whatever else differs, and so are the last to name anything."""
_MOST_TRIED = 3
"""Fields beyond the choosers of which every combination is tried, to find the shortest."""


@dataclass(frozen=True, order=True)
class Replicate:
    """The seeds of one repetition: repetitions of two experiments with equal seeds form a pair.

    Attributes:
        data: `task.seed`, of the draw of the data.
        init: seed of the initial weights.
        order: seed of the data order and of dropout.
    """

    data: int
    init: int
    order: int


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds alone: of initialization, of order, and of the draw of the data.

    Attributes:
        label: the group's name, unique among those it was found with.
        settings: the fields that the label is made from; empty where there is but one group.
        runs: in the order of their draws of the data, then of their seeds.
    """

    label: str
    settings: Mapping[str, Any]
    runs: tuple[RunRecord, ...]

    @property
    def spec(self) -> ExperimentSpec:
        """The spec of the first run, which is every run's but for the seeds and the budget."""
        return self.runs[0].spec

    @property
    def draws(self) -> tuple[int, ...]:
        """The draws of the data (`task.seed`) that its runs were trained on, ascending."""
        return tuple(by_draw(self.runs))

    @property
    def names(self) -> list[str]:
        """The name of each run."""
        return [f"{self.label}, {seed_text(run.spec, len(self.draws))}" for run in self.runs]


def groups_of(records: Sequence[RunRecord]) -> list[Group]:
    """Group runs that differ in their seeds alone; groups in the order of the fields that tell them apart.

    Runs on several draws of the data are one group, which `by_draw` splits. Names and budgets keep no runs apart, since
    no result depends on them. The rules by which phases are judged do.
    """
    groups = grouped(records, lambda record: group_key(record.spec)[1:])
    specs = [group[0].spec for group in groups]
    settings = distinguishing_settings(specs)
    made = [
        Group(label, setting, tuple(sorted(group, key=_by_seed)))
        for label, setting, group in zip(group_labels(specs), settings, groups, strict=True)
    ]
    names = dict.fromkeys(name for setting in settings for name in setting)
    return sorted(made, key=lambda group: [_order(group.settings.get(name)) for name in names])


def group_labels(specs: Sequence[ExperimentSpec]) -> list[str]:
    """Name each of several experiments by what tells it from the others; a single one by its own name.

    One that has none of the fields which the others differ in is called by the first of them: `without
    model.sharing.reentry`, or `with model.sharing` where it has parts of that.
    """
    if len(specs) == 1:
        return [specs[0].name]
    settings = distinguishing_settings(specs)
    first = next((name for one in settings for name in one), "")
    return [
        label or f"{'with' if any(name.startswith(f'{first}.') for name in fields_of(spec)) else 'without'} {first}"
        for label, spec in zip(labels_of(_notable(settings)), specs, strict=True)
    ]


def run_names(specs: Sequence[ExperimentSpec]) -> list[str]:
    """Name runs, in their order, by group and seed; equal names are left to two copies of one run."""
    groups = grouped(range(len(specs)), lambda place: group_key(specs[place])[1:])
    labels = group_labels([specs[places[0]] for places in groups])
    names = [""] * len(specs)
    for label, places in zip(labels, groups, strict=True):
        draws = len({specs[place].task.seed for place in places})
        for place in places:
            names[place] = f"{label}, {seed_text(specs[place], draws)}"
    return names


def seed_text(spec: ExperimentSpec, draws: int = 1) -> str:
    """Name a run within its group: `seed 3`, or `seed 3 of draw 1` where the group has several draws of the data."""
    return f"seed {spec.seed}" + (f" of draw {spec.task.seed}" if draws > 1 else "")


def labels_of(settings: Iterable[Mapping[str, Any]]) -> list[str]:
    """Write settings as text: `task.values 20, training.weight_decay 0.1`."""
    return [", ".join(f"{name} {value_text(value)}" for name, value in one.items()) for one in settings]


def value_text(value: Any) -> str:
    """Write a setting: 0.001, 1e-05, true, none, [0.9, 0.98]."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.12g}"
    return value if isinstance(value, str) else json.dumps(value)


def fields_of(spec: ExperimentSpec) -> dict[str, Any]:
    """Return what decides a run's result, without seeds: `model.architecture` -> `gpt2`, `task.phi` -> 12.6, ...

    Values are plain JSON values; a field at its default is included. Budgets, names and places are left out.
    """
    found: dict[str, Any] = {}
    spec = _with_pooled_source(spec)
    for section in ("task", "model", "training", "evaluation"):
        _collect(getattr(spec, section), f"{section}.", found)
    return {name: value for name, value in found.items() if name not in SEEDS}


def _collect(part: Spec, prefix: str, found: dict[str, Any]) -> None:
    plain = part.model_dump(mode="json")
    for name, field in type(part).model_fields.items():
        if identity_rule(field) is False:
            continue
        value = getattr(part, name)
        if isinstance(value, Spec):
            _collect(value, f"{prefix}{name}.", found)
        else:
            found[f"{prefix}{name}"] = plain[name]


def differing_fields(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the names in which these differ: those that choose a task or an architecture, then in a spec's order.

    A field that one of them does not have at all (`model.heads` of a Mamba) differs, too.
    """
    names = dict.fromkeys([*_CHOOSERS, *(name for found in fields for name in found)])
    return [name for name in names if len({text_of(found, name) for found in fields}) > 1]


def distinguishing_fields(fields: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return as few names as tell these apart; what chooses a task or an architecture always, where it differs.

    Of specs that differ in `model.architecture` and so in `model.heads` and what was tuned, the architecture alone; of
    optimizers with a learning rate each, the optimizer.
    """
    names = differing_fields(fields)
    kept = [name for name in names if name in _CHOOSERS]
    rest = [name for name in names if name not in _CHOOSERS]
    wanted = _kinds(fields, names)
    if _kinds(fields, kept) == wanted:
        return kept
    for pool in ([name for name in rest if name not in _TUNED], rest):
        for size in range(1, _MOST_TRIED + 1):
            for more in combinations(pool, size):
                if _kinds(fields, [*kept, *more]) == wanted:
                    return [*kept, *more]
        if _kinds(fields, [*kept, *pool]) == wanted:
            break
    for name in pool:
        if _kinds(fields, [*kept, name]) > _kinds(fields, kept):
            kept.append(name)
    return kept


def _notable(settings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out what most of them have, where it takes more than three fields to tell them apart.

    Of a dozen methods, each switched on by a field of its own, every one is called by its own field. One that has
    nothing of its own is called by the first field.
    """
    names = list(dict.fromkeys(name for one in settings for name in one))
    if len(names) <= _MOST_TRIED:
        return list(settings)
    usual = {name: Counter(text_of(one, name) for one in settings).most_common(1)[0][0] for name in names}
    own = [{name: value for name, value in one.items() if text_of(one, name) != usual[name]} for one in settings]
    return [mine or dict(list(one.items())[:1]) for mine, one in zip(own, settings, strict=True)]


def distinguishing_settings(specs: Sequence[ExperimentSpec]) -> list[dict[str, Any]]:
    """Return, for each spec, its values of the fields that tell the specs apart."""
    fields = [fields_of(spec) for spec in specs]
    names = distinguishing_fields(fields)
    return [{name: found[name] for name in names if name in found} for found in fields]


def _kinds(fields: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    """Count the different combinations of values."""
    return len({tuple(text_of(found, name) for name in names) for found in fields})


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """Return a value as text that is equal for equal values; an absent value differs from null."""
    return repr(fields[name]) if name in fields else ""


def replicate_of(spec: ExperimentSpec) -> Replicate:
    """Return the seeds of a run."""
    return Replicate(spec.task.seed, spec.init_seed, spec.order_seed)


def by_draw(runs: Iterable[RunRecord]) -> dict[int, list[RunRecord]]:
    """Group runs by the draw of the data (`task.seed`) that they share; draws ascending, runs in their order."""
    draws: dict[int, list[RunRecord]] = {}
    for run in runs:
        draws.setdefault(run.spec.task.seed, []).append(run)
    return dict(sorted(draws.items()))


def are_independent(runs: Iterable[RunRecord]) -> bool:
    """Whether no two runs share a seed, or no two share a draw of the data: then they count as so many trials.

    Where every seed was trained on every draw, runs are alike in two ways, and no interval here covers.
    """
    made = [replicate_of(run.spec) for run in runs]
    seeds = {(one.init, one.order) for one in made}
    return len(seeds) == len(made) or len({one.data for one in made}) == len(made)


def group_key(spec: ExperimentSpec) -> tuple[str, str, str]:
    """Return what repetitions of one experiment share: name, identity without seeds, and rules of judging.

    The draw of the data (`task.seed`) is a seed like those of initialization and order: runs on several draws are one
    group. `experiment_id` keeps draws apart.
    """
    pooled = spec.model_copy(update={"task": spec.task.model_copy(update={"seed": 0})})
    return spec.name, experiment_id(pooled), spec.evaluation_id


def experiment_id(spec: ExperimentSpec) -> str:
    """Return the identity of a run without its seeds of initialization and order, on one draw of the data.

    Runs that start from sources of one group are one experiment.
    """
    spec = _with_pooled_source(spec)
    model, training = (part.model_copy(update={"seed": None}) for part in (spec.model, spec.training))
    return spec.model_copy(update={"seed": 0, "model": model, "training": training}).run_id


def _with_pooled_source(spec: ExperimentSpec) -> ExperimentSpec:
    start = spec.model.start_from
    if start is None or start.group is None:
        return spec
    return spec.model_copy(update={"model": spec.model.model_copy(update={"start_from": start.pooled})})


def grouped(items: Iterable[T], key: Callable[[T], Hashable]) -> list[list[T]]:
    """Group items of equal key, in the order in which they come."""
    groups: dict[Hashable, list[T]] = {}
    for item in items:
        groups.setdefault(key(item), []).append(item)
    return list(groups.values())


def _by_seed(record: RunRecord) -> tuple[int, int, Replicate]:
    return record.spec.task.seed, record.spec.seed, replicate_of(record.spec)


def _order(value: Any) -> tuple[int, float, str]:
    """Sort numbers ascending, then texts; an absent value first."""
    if value is None:
        return 0, 0, ""
    if isinstance(value, bool | int | float):
        return 1, float(value), ""
    return 2, 0, value_text(value)
