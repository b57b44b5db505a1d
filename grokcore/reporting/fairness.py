"""Whether groups were compared under equal conditions: sizes, rates, tuning budgets, and all else that differs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import BaseModel, ConfigDict

from grokcore.claims import LEDGER, ClaimResult
from grokcore.errors import AbsentError, InputError
from grokcore.evaluation.speedups import Search, short_names
from grokcore.reporting.formatting import NOTHING, count, flops, setting
from grokcore.reporting.study import Study
from grokcore.reporting.table import Cell, Row, Section, Table, note_of
from grokcore.runs.fields import fields_of, value_text
from grokcore.runs.groups import Group, labels_of
from grokcore.runs.record import RunRecord
from grokcore.spec import validate
from grokcore.storage import Store

INDEX = "index.json"


class _Part(BaseModel):
    """A part of the file, of which only what the page shows is read."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class _Run(_Part):
    run_id: str


class _Trial(_Part):
    flops: float
    places: tuple[str, ...]


class _Tuned(_Part):
    values: dict[str, Any]
    split: str
    trials: tuple[_Trial, ...]


class _Point(_Part):
    name: str
    runs: tuple[_Run, ...]
    tuned: _Tuned | None = None


class _Tuning(_Part):
    steps: int
    measure: str = "area"
    seeds: tuple[int, ...] = ()


class SweepFacts(_Part):
    """The content of index.json."""

    name: str
    description: str = ""
    tuning: _Tuning | None = None
    baseline: str | None = None
    controls: dict[str, tuple[str, ...]] = {}
    points: tuple[_Point, ...]


def read_sweep_facts(store: Store) -> SweepFacts | None:
    """The index in a sweep's directory; None where there is none.

    Raises:
        InputError: it is damaged.
    """
    try:
        document = store.read_json(INDEX)
    except AbsentError:
        return None
    try:
        facts: SweepFacts = validate(SweepFacts, document)
    except InputError as error:
        raise InputError(f"{store.uri_of(INDEX)} is damaged or of another version: {error}") from None
    return facts


def in_order_of(facts: SweepFacts | None, groups: Sequence[Group]) -> list[Group]:
    """Groups in the order of the sweep, whose first point is the one to compare with; those of no point behind."""
    points = () if facts is None else facts.points
    places = {run.run_id: place for place, point in enumerate(points) for run in point.runs}
    return sorted(groups, key=lambda group: min(places.get(run.manifest.run_id, len(points)) for run in group.runs))


def named_after_points(facts: SweepFacts | None, groups: Sequence[Group]) -> list[Group]:
    """Name groups after their points in a sweep with a baseline, whose points differ in more than a name has room for.

    A group that belongs to no point, or groups that one point holds several of, keep the fields that tell them apart.
    """
    if facts is None or facts.baseline is None:
        return list(groups)
    varied, shown = short_names(point.name for point in facts.points)
    points = {run.run_id: point.name for point in reversed(facts.points) for run in point.runs}
    names = [points.get(group.runs[0].manifest.run_id) for group in groups]
    if None in names or len(set(names)) < len(names):
        return list(groups)
    values = [shown[name] for name in names if name is not None]
    return [
        replace(group, label=f"{varied} {value}", settings={varied: value})
        for group, value in zip(groups, values, strict=True)
    ]


def searches(facts: SweepFacts | None) -> dict[str, Search | None]:
    """Return the search by the point's name: None where nothing was tuned."""
    return {} if facts is None else {point.name: _search(point.tuned, facts.tuning) for point in facts.points}


def tuned_by_run(facts: SweepFacts | None) -> dict[str, Search | None]:
    """Return the search by run id: None where nothing was tuned; runs that the index does not name are absent."""
    found = searches(facts)
    points = () if facts is None else facts.points
    return {run.run_id: found[point.name] for point in points for run in point.runs}


def _search(point: _Tuned | None, tuning: _Tuning | None) -> Search | None:
    if point is None or tuning is None:
        return None
    return Search(
        values=point.values,
        trials=len(point.trials),
        steps=tuning.steps,
        flops=sum({trial.places: trial.flops for trial in point.trials}.values()),
        measure=tuning.measure,
        split=point.split,
        seeds=tuning.seeds,
    )


def known_confounds(claims: Sequence[ClaimResult]) -> dict[str, str]:
    """Return known confounds by field: those of the claims that these runs test first, then all others."""
    found: dict[str, dict[str, None]] = {}
    for claim in claims:
        for confound in claim.confounds:
            found.setdefault(confound.field, {})[confound.why] = None
    told = {field: "; ".join(whys) for field, whys in found.items()}
    for definition in LEDGER:
        for known in definition.confounds:
            told.setdefault(known.field, known.why)
    return told


@dataclass(frozen=True)
class Confound:
    """A setting beyond the axes in which groups differ.

    Attributes:
        why: what is known of its effect; empty where nothing is.
        values: each value with the groups that have it.
        within: whether runs of one group differ in it, too.
    """

    name: str
    why: str
    values: list[tuple[str, list[str]]]
    within: bool = False


def size_table(study: Study, tuned: Mapping[str, Search | None]) -> Table:
    """Parameters, arithmetic, rates, and what was tuned, by group."""
    columns = ["Parameters", "Compute per step", "Learning rate", "Weight decay", "Batch", "Steps", "Tuned"]
    rows = [Row(group.label, _size_cells(group, tuned)) for group in study.groups]
    return Table("Size, rates and tuning", columns, [Section("", rows)])


def _size_cells(group: Group, tuned: Mapping[str, Search | None]) -> list[Cell]:
    model, training = group.runs[0].manifest.model, group.spec.training
    steps = sorted({run.evaluation.step for run in group.runs})
    return [
        Cell(count(model.parameters), f"{count(model.parameters_without_embeddings)} without embeddings"),
        Cell(flops(model.flops_per_step)),
        Cell(value_text(training.learning_rate), training.schedule),
        Cell(value_text(training.weight_decay), training.optimizer),
        Cell(count(training.batch_size)),
        Cell(" to ".join(count(step) for step in dict.fromkeys((steps[0], steps[-1])))),
        _tuned_cell(group, tuned),
    ]


def _tuned_cell(group: Group, tuned: Mapping[str, Search | None]) -> Cell:
    found = [tuned[run.manifest.run_id] for run in group.runs if run.manifest.run_id in tuned]
    one = next((one for one in found if one is not None), None)
    if one is None:
        return Cell("no" if found else "not recorded", muted=True)
    (searched,) = labels_of([one.values])
    budget = f"{one.trials} trials of {count(one.steps)} steps"
    seeds = "seeds " + ", ".join(map(str, one.seeds)) if one.seeds else ""
    return Cell(searched, note_of([budget, flops(one.flops), f"by {one.measure} of {one.split}", seeds]))


def confounds(study: Study, known: Mapping[str, str]) -> list[Confound]:
    """Fields of the spec beyond the axes, `known` confounds first; then what differs in software and hardware."""
    fields = [[fields_of(group.spec)] * len(group.runs) for group in study.groups]
    told = [
        _confound(study, name, fields, known.get(name, ""))
        for name in study.beyond
        if name not in only_some_have(study)
    ]
    around = [[dict(_surroundings(run)) for run in group.runs] for group in study.groups]
    names = dict.fromkeys(name for runs in around for run in runs for name in run)
    differing = [name for name in names if len({repr(run.get(name)) for runs in around for run in runs}) > 1]
    return sorted(told, key=lambda confound: not confound.why) + [
        _confound(study, name, around, "") for name in differing
    ]


def only_some_have(study: Study) -> list[str]:
    """Fields that some architectures or tasks do not have, of one value in those that do: they confound nothing."""
    fields = [fields_of(group.spec) for group in study.groups]
    return [name for name in study.beyond if len({repr(found[name]) for found in fields if name in found}) == 1]


def _confound(study: Study, name: str, found: Sequence[Sequence[Mapping[str, Any]]], why: str) -> Confound:
    values: dict[str, list[str]] = {}
    within = False
    for group, runs in zip(study.groups, found, strict=True):
        texts = dict.fromkeys(setting(run[name], name) if name in run else NOTHING for run in runs)
        within = within or len(texts) > 1
        for text in texts:
            values.setdefault(text, []).append(group.label)
    return Confound(name, why, list(values.items()), within)


def _surroundings(run: RunRecord) -> Iterator[tuple[str, Any]]:
    """Yield software, hardware and execution of a run."""
    manifest = run.manifest
    for section in ("versions", "hardware", "execution"):
        for name, value in getattr(manifest, section).items():
            yield f"{section}.{name}", value
    yield "commit", (manifest.git or {}).get("commit")
