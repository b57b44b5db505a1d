"""Train and evaluate runs as one queue; finished runs are skipped."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from grokcore.data import DatasetInfo
from grokcore.errors import BusyError, GrokcoreError, InputError, StoppedError
from grokcore.evaluation.records import read_record
from grokcore.evaluation.remarks import remarks_before
from grokcore.runs import MANIFEST
from grokcore.runs.groups import grouped
from grokcore.runs.journal import JournalLine
from grokcore.runs.lock import is_being_written
from grokcore.runs.record import RunRecord
from grokcore.runs.resume import TrainResult
from grokcore.spec import ExperimentSpec, resolve_device
from grokcore.storage import CONCURRENT_READS, Store, open_store, open_stores
from grokcore.terminal.sweep_progress import SweepProgress
from grokcore.training.costs import relative_step_time
from grokcore.training.seeds.jobs import Job, Listener, Outcome
from grokcore.training.seeds.pool import train_in_processes
from grokcore.training.seeds.train import STRATEGIES, best_strategy, worst_kind
from grokcore.training.signals import StopRequest, stop_on_signal


@dataclass(frozen=True)
class Work:
    """A run to complete; `run` and `data` are URIs."""

    label: str
    spec: ExperimentSpec
    run: str
    data: str


def finished(work: Work, run: Store | None = None) -> RunRecord | None:
    """Return the run if it is complete: trained to its budget, and evaluated by its spec's rules.

    Args:
        run: its store, where many are read through one connection.

    Raises:
        TransientError: the store is unreachable.
    """
    run = run or open_store(work.run)
    if run.find(MANIFEST) is None:
        return None
    try:
        record = read_record(run)
    except InputError:  # not evaluated, or files are missing after a kill: training handles both
        return None
    if record.evaluation.evaluation_id != work.spec.evaluation_id or not _has_ended(record, work.spec):
        return None
    return record


def _has_ended(record: RunRecord, spec: ExperimentSpec) -> bool:
    """Whether training has nothing left to do, by the budget of `spec` rather than the run's own."""
    training, reason = spec.training, record.manifest.exit_reason
    if record.evaluation.step >= training.max_steps or reason == "diverged":
        return True
    if reason == "grokked":
        return record.spec.training.stop_on_grok == training.stop_on_grok
    seconds = record.journal[-1]["clock"]["elapsed_seconds"]
    return reason == "budget_seconds" and training.max_seconds is not None and seconds >= training.max_seconds


def all_finished(works: Sequence[Work]) -> dict[str, RunRecord]:
    """Records of the finished runs, by URI."""
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        records = list(pool.map(finished, works, open_stores(work.run for work in works)))
    return {work.run: record for work, record in zip(works, records, strict=True) if record is not None}


def complete_runs(
    works: Sequence[Work],
    datasets: Mapping[str, DatasetInfo],
    progress: SweepProgress,
    *,
    processes: int | None = None,
    on_end: Callable[[Work, TrainResult | GrokcoreError], None] = lambda work, outcome: None,
) -> dict[str, Outcome]:
    """Train and evaluate runs: concurrently on CPU cores, and the seeds of a point together on a GPU.

    A failure does not stop other runs. After a signal, active runs are saved and no run is started. Runs that other
    processes train are waited for at the end, and trained on here where those give up.

    Args:
        works: unfinished runs.
        datasets: all datasets of the runs, by URI.
        processes: maximum number of concurrent runs on the CPU; None for one per core.
        on_end: called with each run as it ends.

    Returns:
        Outcome of each run by URI; None for a run that was not started.
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
    notified: set[str] = set()

    def tell(job: Job, line: str) -> None:
        if line not in on_all:
            progress.tell(f"{of_run[job.run].label}: {line}")
        elif line not in notified:  # a remark that is common to several points is shown once
            notified.add(line)
            progress.tell(line)

    listener = Listener(
        on_begin=lambda job: progress.begin(job.run),
        on_evaluation=show,
        on_remark=tell,
        on_end=end,
        notify=progress.tell,
    )
    outcomes: dict[str, Outcome] = {work.run: None for work in works}
    left: Sequence[Work] = ordered
    with stop_on_signal() as stop:
        while left:
            for train, jobs in batches([_job(work) for work in left], processes):
                outcomes |= {job.run: outcome for job, outcome in zip(jobs, train(jobs, listener), strict=True)}
                if any(isinstance(outcome, StoppedError) for outcome in outcomes.values()):
                    return outcomes
            busy = [work for work in ordered if isinstance(outcomes[work.run], BusyError)]
            ended, left = _wait_for(busy, progress, stop)
            for run, result in ended.items():
                outcomes[run] = result
                progress.end(run, result)
                on_end(of_run[run], result)
            if stop.requested:
                return outcomes | {work.run: None for work in busy if work.run not in ended}
    return outcomes


_LOOK_SECONDS = 10.0
"""Between two looks at runs that other processes train."""


def _wait_for(
    busy: Sequence[Work], progress: SweepProgress, stop: StopRequest
) -> tuple[dict[str, TrainResult], list[Work]]:
    """Wait until other processes have finished runs or given them up: results by URI, and the runs to train here."""
    ended: dict[str, TrainResult] = {}
    left: list[Work] = []
    if busy:
        progress.tell(f"waiting for {len(busy)} run{'s' * (len(busy) > 1)} that other processes train")
    while len(ended) < len(busy) and not left and not stop.requested:
        _pause(stop)
        found = all_finished([work for work in busy if work.run not in ended])
        ended |= {
            run: TrainResult(run, record.manifest.exit_reason or "", record.evaluation.step)
            for run, record in found.items()
        }
        left = [work for work in busy if work.run not in ended and not is_being_written(open_store(work.run))]
    return ended, left


def _pause(stop: StopRequest) -> None:
    end = time.monotonic() + _LOOK_SECONDS
    while time.monotonic() < end and not stop.requested:
        time.sleep(0.2)


def raise_failures(outcomes: Mapping[str, Outcome], works: Mapping[str, Work], what: str) -> None:
    """Raise for runs that must all end before the sweep goes on.

    Args:
        works: by the run's URI, as `outcomes`.
        what: their kind in messages, in the plural.

    Raises:
        StoppedError: some were stopped or not started.
        GrokcoreError: some failed; of the class whose exit code fits best.
    """
    if any(outcome is None or isinstance(outcome, StoppedError) for outcome in outcomes.values()):
        raise StoppedError(f"stopped during the {what}; the same command goes on from there")
    failed = {run: outcome for run, outcome in outcomes.items() if isinstance(outcome, GrokcoreError)}
    if failed:
        first = works[next(iter(failed))].label
        raise worst_kind(failed.values())(
            f"{len(failed)} of {len(works)} {what} failed, {first} first: {next(iter(failed.values()))}"
        )


def _job(work: Work) -> Job:
    return Job(work.spec, work.data, work.run, "auto", evaluate=True)


Train = Callable[[Sequence[Job], Listener], list[Outcome]]


def batches(jobs: Sequence[Job], processes: int | None) -> Iterable[tuple[Train, Sequence[Job]]]:
    """Group jobs and pair them with a strategy: CPU jobs by number of threads, then GPU jobs by point."""

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
