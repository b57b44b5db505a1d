"""Train the points that one task of a loop holds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from grokcore.errors import GrokcoreError, StoppedError
from grokcore.runs.resume import Resume, TrainResult
from grokcore.spec import ExperimentSpec
from grokcore.sweeps.packs import find_dataset
from grokcore.training.seeds.train import train_seeds, worst_kind


def train_points(
    points: Sequence[Mapping[str, ExperimentSpec]],
    datasets: str | Path,
    *,
    resume: Resume = "auto",
    notify: Callable[[str], None] = lambda line: None,
) -> list[TrainResult]:
    """Train one experiment after the other, the seeds of each together; one that fails stops no other.

    Args:
        points: the seeds of each experiment, by the URI of the run.
        datasets: the dataset of all, or the directory with one per dataset id.

    Raises:
        StoppedError: SIGINT or SIGTERM, or the end of the parent process; the same call goes on from there.
        GrokcoreError: some failed; of the class whose exit code fits best.
    """
    results: list[TrainResult] = []
    failures: list[GrokcoreError] = []
    for point in points:
        specs = list(point.values())
        data = find_dataset(datasets, specs[0].dataset_id)
        try:
            results += train_seeds(specs, data, list(point), resume=resume, stop_with_parent=True, notify=notify)
        except StoppedError:
            raise
        except GrokcoreError as error:
            failures.append(error)
            if len(points) > 1:
                notify(f"the point at {next(iter(point))} failed: {error}")
    if len(points) > 1 and failures:
        raise worst_kind(failures)(f"{len(failures)} of {len(points)} points failed; the first: {failures[0]}")
    if failures:
        raise failures[0]
    return results
