"""Items of a Kubeflow loop over a sweep; all values are strings, since numbers inside items become floats."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from grokcore.errors import InputError
from grokcore.spec import ExperimentSpec
from grokcore.spec.hardware import gpus_for
from grokcore.sweeps.expansion import expand
from grokcore.sweeps.loading import load_sweep, with_changes
from grokcore.sweeps.packs import encode_experiments, encode_tasks, packs_of
from grokcore.sweeps.point import Point


def loop_items(
    source: str,
    overrides: Iterable[str] = (),
    *,
    seeds: str = "",
    only: Sequence[str] = (),
    most: int = 30,
    gpu_count: str = "",
    notify: Callable[[str], None] = lambda line: None,
) -> list[dict[str, str]]:
    """Return one item per point: `sweep` and `point` (names), `spec` and `task_spec` (JSON), `seeds` (as in 0,1,2),
    `gpu_count`.

    Where there are more than `most` points and draws of the data, each item holds several, as `grokcore.sweeps.packs`
    encodes them.

    Args:
        source: name of a sweep, or the sweep as YAML or JSON; never a path.
        seeds: replaces the sweep's seeds; empty keeps them.
        only: names of the points to keep, or the values after `=` in them; empty keeps all.
        most: maximum number of items: a much longer loop stalls its workflow.
        gpu_count: GPUs of each point, as text; auto for what suits the point, and the largest number in a pack.

    Raises:
        InputError: an invalid sweep, or an unknown point in `only`.
    """
    sweep = load_sweep(source, overrides, allow_files=False, notify=notify)
    if seeds:
        sweep = with_changes(sweep, (), seeds=seeds)
    if sweep.tuning is not None:
        raise InputError(
            f"sweep {sweep.name} starts with a hyperparameter search, which a loop does not support: leave out "
            f"tuning, or use `grokcore sweep`"
        )
    if sweep.sources:
        raise InputError(
            f"sweep {sweep.name} trains sources first, which a loop does not support: use `grokcore sweep`"
        )
    points = _selected(expand(sweep, notify=notify), only)
    if most < 1:
        raise InputError(f"most={most} must be at least 1: it is the number of concurrent tasks that share the points")
    draws = [(_name(point, spec), spec) for point in points for spec in point.draws]
    packs = packs_of(draws, most)
    if len(packs) < len(draws):
        notify(f"{len(draws)} points are packed into {len(packs)} tasks of up to {len(packs[0])}")
    return [
        {
            "sweep": sweep.name,
            "point": pack[0][0] if len(pack) == 1 else f"{pack[0][0]} and {len(pack) - 1} more",
            "spec": encode_experiments([spec for _, spec in pack]),
            "task_spec": encode_tasks([spec for _, spec in pack]),
            "seeds": ",".join(map(str, points[0].seeds)),
            "gpu_count": max((gpus_for(spec, gpu_count) for _, spec in pack), key=lambda count: (len(count), count)),
        }
        for pack in packs
    ]


def _name(point: Point, spec: ExperimentSpec) -> str:
    return point.name if len(point.data_seeds) == 1 else f"{point.name},draw={spec.task.seed}"


def _selected(points: Sequence[Point], only: Sequence[str]) -> list[Point]:
    for name in only:
        if not any(_is_called(point, name) for point in points):
            names = ", ".join(point.name for point in points)
            raise InputError(f"the sweep has no point {name}; its points are: {names}")
    return [point for point in points if not only or any(_is_called(point, name) for name in only)]


def _is_called(point: Point, name: str) -> bool:
    """Whether `name` is the point's name, or a part of it: `model.architecture=gpt2`, `architecture=gpt2` or `gpt2`."""
    parts = point.name.split(",")
    ends = [end for part in parts for end in (part, part.rpartition("=")[2])]
    return name == point.name or name in ends or any(part.endswith(f".{name}") for part in parts)
