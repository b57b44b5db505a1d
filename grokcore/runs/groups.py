"""Groups of runs that repeat one experiment, and the names of runs and groups in every view.

Runs that differ in their seeds alone form a group. A group is called by the fields of the spec that tell it from the
other groups at hand, `model.architecture gpt2, task.values 20`, or by the experiment's name where there is no other; a
run by its group and its seed, `model.architecture gpt2, seed 3`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from grokcore.runs.fields import MOST_TRIED, distinguishing_settings, fields_of, text_of, value_text, with_pooled_source
from grokcore.runs.record import RunRecord
from grokcore.spec import ExperimentSpec

T = TypeVar("T")
NameForm = Literal["full", "short", "values"]
"""How a run is written: `model.architecture gpt2, seed 3`, `architecture gpt2, seed 3`, or `gpt2, seed 3`."""


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


def group_labels(specs: Sequence[ExperimentSpec], form: NameForm = "full") -> list[str]:
    """Name each of several experiments by what tells it from the others; a single one by its own name.

    One that has none of the fields which the others differ in is called by the first of them: `without
    model.sharing.reentry`, or `with model.sharing` where it has parts of that.
    """
    if len(specs) == 1:
        return [specs[0].name]
    settings = distinguishing_settings(specs)
    first = next((name for one in settings for name in one), "")
    shown = first if form == "full" else first.rpartition(".")[2]
    return [
        label or f"{'with' if any(name.startswith(f'{first}.') for name in fields_of(spec)) else 'without'} {shown}"
        for label, spec in zip(labels_of(_notable(settings), form), specs, strict=True)
    ]


def run_names(specs: Sequence[ExperimentSpec], form: NameForm = "full") -> list[str]:
    """Name runs, in their order, by group and seed; equal names are left to two copies of one run."""
    groups = grouped(range(len(specs)), lambda place: group_key(specs[place])[1:])
    labels = group_labels([specs[places[0]] for places in groups], form)
    names = [""] * len(specs)
    for label, places in zip(labels, groups, strict=True):
        draws = len({specs[place].task.seed for place in places})
        for place in places:
            names[place] = f"{label}, {seed_text(specs[place], draws)}"
    return names


def seed_text(spec: ExperimentSpec, draws: int = 1) -> str:
    """Name a run within its group: `seed 3`, or `seed 3 of draw 1` where the group has several draws of the data."""
    return f"seed {spec.seed}" + (f" of draw {spec.task.seed}" if draws > 1 else "")


def labels_of(settings: Iterable[Mapping[str, Any]], form: NameForm = "full") -> list[str]:
    """Write settings as text: `task.values 20, training.weight_decay 0.1`."""
    return [", ".join(_label(name, value_text(value), form) for name, value in one.items()) for one in settings]


def _label(name: str, value: str, form: NameForm) -> str:
    if form == "values" and value not in ("true", "false", "none"):
        return value
    return f"{name if form == 'full' else name.rpartition('.')[2]} {value}"


def _notable(settings: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out what most of them have, where it takes more than three fields to tell them apart.

    Of a dozen methods, each switched on by a field of its own, every one is called by its own field. One that has
    nothing of its own is called by the first field.
    """
    names = list(dict.fromkeys(name for one in settings for name in one))
    if len(names) <= MOST_TRIED:
        return list(settings)
    usual = {name: Counter(text_of(one, name) for one in settings).most_common(1)[0][0] for name in names}
    own = [{name: value for name, value in one.items() if text_of(one, name) != usual[name]} for one in settings]
    return [mine or dict(list(one.items())[:1]) for mine, one in zip(own, settings, strict=True)]


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
    spec = with_pooled_source(spec)
    model, training = (part.model_copy(update={"seed": None}) for part in (spec.model, spec.training))
    return spec.model_copy(update={"seed": 0, "model": model, "training": training}).run_id


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
