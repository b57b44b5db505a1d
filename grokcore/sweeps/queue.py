"""Runs as one queue of work: what is done is left alone, the rest is trained and evaluated."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from grokcore.data import DatasetInfo
from grokcore.errors import GrokcoreError, InputError, StoppedError
from grokcore.evaluation.records import read_record
from grokcore.evaluation.remarks import remarks_before
from grokcore.runs import MANIFEST
from grokcore.runs.groups import grouped
from grokcore.runs.journal import JournalLine
from grokcore.runs.record import RunRecord
from grokcore.runs.resume import TrainResult
from grokcore.spec import ExperimentSpec, resolve_device
from grokcore.storage import open_store
from grokcore.sweeps.progress import SweepProgress
from grokcore.training.costs import relative_step_time
from grokcore.training.seeds.jobs import Job, Listener, Outcome
from grokcore.training.seeds.pool import train_in_processes
from grokcore.training.seeds.train import STRATEGIES, best_strategy

_AT_ONCE = 8
"""Runs that are looked at together: on object storage each costs a few round trips."""


@dataclass(frozen=True)
class Work:
    """One run that is wanted: `label` is what people call it, `run` and `data` are URIs."""

    label: str
    spec: ExperimentSpec
    run: str
    data: str


def finished(work: Work) -> RunRecord | None:
    """The run, if there is nothing left to do: trained to its budget and evaluated by its spec's rules.

    Raises:
        TransientError: the store could not be reached.
    """
    if open_store(work.run).find(MANIFEST) is None:
        return None
    try:
        record = read_record(work.run)
    except InputError:  # not evaluated, or killed early, so that files are missing: training knows what to make of it
        return None
    if record.evaluation.evaluation_id != work.spec.evaluation_id or not _has_ended(record, work.spec):
        return None
    return record


def _has_ended(record: RunRecord, spec: ExperimentSpec) -> bool:
    """Whether training would add nothing; the budget of the spec counts, not the one that the run was made with."""
    training, reason = spec.training, record.manifest.exit_reason
    if record.evaluation.step >= training.max_steps or reason == "diverged":
        return True
    if reason == "grokked":
        return record.spec.training.stop_on_grok == training.stop_on_grok
    seconds = record.journal[-1]["clock"]["elapsed_seconds"]
    return reason == "budget_seconds" and training.max_seconds is not None and seconds >= training.max_seconds


def all_finished(works: Sequence[Work]) -> dict[str, RunRecord]:
    """The records of those that are, by URI."""
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        records = list(pool.map(finished, works))
    return {work.run: record for work, record in zip(works, records, strict=True) if record is not None}


def do(
    works: Sequence[Work],
    datasets: Mapping[str, DatasetInfo],
    progress: SweepProgress,
    *,
    processes: int | None = None,
    on_end: Callable[[Work, TrainResult | GrokcoreError], None] = lambda work, outcome: None,
) -> dict[str, Outcome]:
    """Train and evaluate runs: on the CPU as many at a time as the cores hold, on a GPU the seeds of a point together.

    A run that fails stops no other; after a signal all that run are saved, and none is begun.

    Args:
        works: none of which is finished.
        datasets: by URI, every data set that is named there.
        processes: on the CPU, runs at a time at most; None for as many as the cores hold.
        on_end: called with each run that has ended, as it happens.

    Returns:
        What became of each run, by its URI; None where it was not begun.
    """
    of_run = {work.run: work for work in works}
    costs = {work.run: relative_step_time(work.spec, datasets[work.data]) for work in works}
    ordered = sorted(works, key=lambda work: -costs[work.run] * work.spec.training.max_steps)
    progress.expect({work.run: (work.label, work.spec.training.max_steps, costs[work.run]) for work in ordered})

    def end(job: Job, outcome: TrainResult | GrokcoreError) -> None:
        progress.end(job.run, outcome)
        on_end(of_run[job.run], outcome)

    def show(job: Job, line: JournalLine) -> None:
        progress.show(job.run, line)

    on_all = {line for work in works for line in remarks_before(work.spec, datasets[work.data].splits)}
    told: set[str] = set()

    def tell(job: Job, line: str) -> None:
        if line not in on_all:
            progress.tell(f"{of_run[job.run].label}: {line}")
        elif line not in told:  # of points that have it in common, the first speaks for all
            told.add(line)
            progress.tell(line)

    listener = Listener(
        on_begin=lambda job: progress.begin(job.run),
        on_evaluation=show,
        on_remark=tell,
        on_end=end,
        notify=progress.tell,
    )
    outcomes: dict[str, Outcome] = {work.run: None for work in works}
    for train, jobs in batches([_job(work) for work in ordered], processes):
        for job, outcome in zip(jobs, train(jobs, listener), strict=True):
            outcomes[job.run] = outcome
        if any(isinstance(outcome, StoppedError) for outcome in outcomes.values()):
            break
    return outcomes


def _job(work: Work) -> Job:
    return Job(work.spec, work.data, work.run, "auto", evaluate=True)


Train = Callable[[Sequence[Job], Listener], list[Outcome]]


def batches(jobs: Sequence[Job], processes: int | None) -> Iterable[tuple[Train, Sequence[Job]]]:
    """Jobs that go together, and how: one queue for all on the CPU that have as many threads, then points on a GPU."""

    def in_processes(batch: Sequence[Job], listener: Listener) -> list[Outcome]:
        return train_in_processes(batch, listener, processes)

    on_cpu = [job for job in jobs if resolve_device(job.spec.training.device) == "cpu"]
    for batch in grouped(on_cpu, lambda job: job.spec.training.threads or 1):
        yield in_processes, batch
    on_gpu = [job for job in jobs if resolve_device(job.spec.training.device) != "cpu"]
    for batch in grouped(on_gpu, _without_seed):
        strategy = best_strategy(batch[0].spec, batch[0]) if len(batch) > 1 else "sequence"
        yield STRATEGIES[strategy], batch


def _without_seed(job: Job) -> Hashable:
    return job.spec.model_copy(update={"seed": 0}).model_dump_json()
