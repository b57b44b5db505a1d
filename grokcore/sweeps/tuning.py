"""Hyperparameter search with the same budget for every point, before the runs that are compared.

A trial is an ordinary run with a short budget. The search keeps no state: its sampler is a pure function of its seed
and of the objectives so far. An interrupted search therefore repeats the same values, and finds finished trials in the
store.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from pydantic import JsonValue

from grokcore.data import DatasetInfo
from grokcore.runs.record import RunRecord
from grokcore.spec import ExperimentSpec
from grokcore.spec.training import SHORTEST_TAIL
from grokcore.sweeps.index import SweepPlace, Trial, TunedPoint
from grokcore.sweeps.objective import objective
from grokcore.sweeps.point import Point, value_of
from grokcore.sweeps.queue import Work, all_finished, complete_runs, raise_failures
from grokcore.sweeps.spec import Choice, Distribution, LogInteger, LogUniform, TuningSpec, Uniform, rounded
from grokcore.terminal.sweep_progress import SweepProgress

if TYPE_CHECKING:
    import optuna


def tune(
    points: Sequence[Point],
    tuning: TuningSpec,
    place: SweepPlace,
    datasets: Mapping[str, DatasetInfo],
    progress: SweepProgress,
    *,
    processes: int | None = None,
    check_stop: Callable[[], None] = lambda: None,
) -> dict[str, TunedPoint]:
    """Search for each point; return the results by the point's name.

    Trials of a point are drawn `at_once` at a time; those of all points form one queue.

    Raises:
        StoppedError: at a signal; the same call resumes.
        GrokcoreError: trials failed; of the class whose exit code fits best.
    """
    first = _sharing(points, tuning.across)
    searches = [_Search(point, tuning, place) for point in points if first[point.name] == point.name]
    while searches[0].remaining:
        check_stop()
        asked = {search.point.name: search.ask() for search in searches}
        works = {work.run: work for trials in asked.values() for trial in trials for work in trial.works}
        records = all_finished(list(works.values()))
        progress.stage("trials", before=len(records) + sum(search.runs for search in searches))
        outcomes = complete_runs(
            [work for run, work in works.items() if run not in records],
            datasets,
            progress,
            processes=processes,
        )
        raise_failures(outcomes, works, "trials")
        records |= all_finished([work for run, work in works.items() if run not in records])
        for search in searches:
            search.tell(asked[search.point.name], records)
    found = {search.point.name: search.result() for search in searches}
    return {point.name: found[first[point.name]] for point in points}


def _sharing(points: Sequence[Point], across: Sequence[str]) -> dict[str, str]:
    """Return, by a point's name, that of the first point which differs from it in the fields `across` alone."""
    first: dict[str, str] = {}
    names = {}
    for point in points:
        rest = {field: value for field, value in sorted(point.settings.items()) if field not in across}
        names[point.name] = first.setdefault(json.dumps(rest), point.name)
    return names


class _PendingTrial:
    """A trial in progress: its values and runs."""

    def __init__(self, trial: optuna.trial.Trial, values: dict[str, JsonValue], works: list[Work]) -> None:
        self.trial, self.values, self.works = trial, values, works


class _Search:
    """The search for one point."""

    def __init__(self, point: Point, tuning: TuningSpec, place: SweepPlace) -> None:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self.point, self._tuning, self._place = point, tuning, place
        self._split = tuning.split_on(point.spec.task)
        samplers: dict[str, Callable[[], optuna.samplers.BaseSampler]] = {
            "tpe": lambda: optuna.samplers.TPESampler(
                seed=tuning.sampler_seed, n_startup_trials=max(1, min(10, tuning.trials // 2))
            ),
            "random": lambda: optuna.samplers.RandomSampler(seed=tuning.sampler_seed),
        }
        self._study = optuna.create_study(direction="maximize", sampler=samplers[tuning.sampler]())
        self._search = tuning.search_of(point.name)
        self._untuned = {field: value_of(point.spec, field) for field in self._search}
        if all(what.holds(self._untuned[field]) for field, what in self._search.items()):
            self._study.enqueue_trial(dict(self._untuned))
        self._trials: list[Trial] = []

    @property
    def remaining(self) -> int:
        """Trials left in the budget."""
        return self._tuning.trials - len(self._trials)

    @property
    def runs(self) -> int:
        """Runs of all trials so far."""
        return len({place for trial in self._trials for place in trial.places})

    def ask(self) -> list[_PendingTrial]:
        """Draw the next trials."""
        distributions = {field: _as_optuna(what) for field, what in self._search.items()}
        asked = []
        for _ in range(min(self._tuning.at_once, self.remaining)):
            trial = self._study.ask(distributions)
            values = {field: _value(self._search[field], trial.params[field]) for field in distributions}
            asked.append(_PendingTrial(trial, values, self._works(values)))
        return asked

    def tell(self, asked: Sequence[_PendingTrial], records: Mapping[str, RunRecord]) -> None:
        """Report finished trials to the sampler."""
        for pending in asked:
            found = [records[work.run] for work in pending.works]
            steps, measure = self._tuning.steps, self._tuning.measure
            scores = [objective(record.journal, record.spec, self._split, steps, measure) for record in found]
            score = sum(scores) / len(scores)
            self._study.tell(pending.trial, score)
            self._trials.append(
                Trial(
                    values=pending.values,
                    objective=score,
                    flops=sum(record.journal[-1]["flops"] for record in found),
                    places=tuple(self._place.below(work.run) for work in pending.works),
                    untuned=pending.values == self._untuned,
                )
            )

    def result(self) -> TunedPoint:
        """Best trial; the earliest of equals."""
        best = max(self._trials, key=lambda trial: trial.objective)
        return TunedPoint(values=best.values, objective=best.objective, split=self._split, trials=tuple(self._trials))

    def _works(self, values: Mapping[str, JsonValue]) -> list[Work]:
        name = ", ".join(f"{field.rpartition('.')[2]} {value}" for field, value in values.items())
        return [
            Work(f"{self.point.name} with {name}", spec, self._place.trial(spec), self._place.dataset(spec))
            for spec in trial_specs(self.point, values, self._tuning)
        ]


def trial_specs(point: Point, values: Mapping[str, JsonValue], tuning: TuningSpec) -> list[ExperimentSpec]:
    """Specs of a trial, one per seed.

    All train for the same number of steps, but for the measure `time`: there a run ends once its objective is known.
    """
    split = tuning.split_on(point.spec.task)
    ends = tuning.measure == "time" and split != "train"
    stop: JsonValue = {"split": split, "tail": SHORTEST_TAIL} if ends else None
    trial = point.changed({**values, "training.max_steps": tuning.steps, "training.stop_on_grok": stop})
    return [trial.seeded(trial.spec, seed) for seed in tuning.seeds]


def _as_optuna(what: Distribution) -> optuna.distributions.BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    match what:
        case Uniform():
            return FloatDistribution(what.low, what.high)
        case LogUniform():
            return FloatDistribution(what.low, what.high, log=True)
        case LogInteger():
            return IntDistribution(what.low, what.high, log=True)
        case Choice():
            options: Any = what.options
            return CategoricalDistribution(options)


def _value(what: Distribution, suggested: Any) -> JsonValue:
    """Round a suggested number, so that it can be read and repeated."""
    if isinstance(what, Choice):
        return what.options[what.options.index(suggested)]
    if isinstance(what, LogInteger):
        return what.clamped(suggested)
    return min(max(rounded(suggested), what.low), what.high)
