"""Runs that points of a sweep start from: ordinary runs, trained first, one per seed and draw of the data.

A run of seed 3 starts from the source's run of seed 3, on the same draw; the trials of a search, too. A point names a
source as `model.start_from.model=source:NAME`, and perhaps one of its saved steps.
"""

from __future__ import annotations

from collections.abc import Mapping

from grokcore.errors import InputError
from grokcore.runs.groups import experiment_id
from grokcore.spec import ExperimentSpec, resolve
from grokcore.spec.start_from import StartFrom
from grokcore.sweeps.axes import override
from grokcore.sweeps.index import SweepPlace
from grokcore.sweeps.point import Point, Start, changed_spec, on_draw
from grokcore.sweeps.spec import SweepSpec

SCHEME = "source:"
_UNKNOWN = 64 * "0"
"""Digest of weights that are not trained yet."""


def source_points(sweep: SweepSpec) -> dict[str, Point]:
    """Return the sources by name, as points with the seeds of the sweep and of its search.

    Raises:
        InputError: one is not a valid experiment.
    """
    seeds = (*sweep.seeds, *(sweep.tuning.seeds if sweep.tuning else ()))
    points = {}
    for name, overrides in sweep.sources.items():
        try:
            spec = resolve(changed_spec(sweep.base, [override("seed", seeds[0]), *overrides]), devices=1)
        except InputError as error:
            raise InputError(f"sweep {sweep.name}, source {name}: {error}") from None
        draws = sweep.data_seeds or (spec.task.seed,)
        points[name] = Point(name, {}, on_draw(spec, draws[0]), seeds, draws, label=f"source {name}")
    return points


def source_named(spec: ExperimentSpec, sources: Mapping[str, Point]) -> Point | None:
    """Return the source that an experiment starts from, or None if it names none.

    Raises:
        InputError: it names an unknown one.
    """
    start = spec.model.start_from
    if start is None or not start.model.startswith(SCHEME):
        return None
    name = start.model.removeprefix(SCHEME)
    if name not in sources:
        raise InputError(f"model.start_from.model={start.model}: sources are {', '.join(sources) or 'none'}")
    return sources[name]


def start_of(source: Point, trained: SweepPlace | None) -> Start:
    """Return what lets runs start from those of a source.

    Args:
        trained: where these have been trained; without it, runs get the id of none.
    """
    group = f"{source.name} {experiment_id(source.spec)}"

    def start(spec: ExperimentSpec) -> ExperimentSpec:
        known = {"model": f"{SCHEME}{source.name}", "sha256": _UNKNOWN, "width": 1}
        if trained is not None:
            first = on_draw(source.spec, spec.task.seed).model_copy(update={"seed": spec.seed})
            known = {"model": trained.run(first), "sha256": None, "width": None}
        before = spec.model.start_from or StartFrom(model=SCHEME + source.name)
        after = before.model_copy(update={**known, "group": group})
        spec = spec.model_copy(update={"model": spec.model.model_copy(update={"start_from": after})})
        return resolve(spec, devices=1)

    return start
