"""Train several seeds of one spec, each as an ordinary run."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Literal, get_args

from grokcore.data import open_dataset
from grokcore.errors import EXIT_BAD_INPUT, EXIT_STOPPED, EXIT_TRANSIENT, GrokcoreError, InputError, StoppedError
from grokcore.evaluation.remarks import remarks_before
from grokcore.runs import MANIFEST
from grokcore.runs.journal import JournalLine
from grokcore.runs.resume import Resume, TrainResult, check_place
from grokcore.spec import ExperimentSpec, check_hardware, resolve, resolve_device
from grokcore.spec.code import plugins_of
from grokcore.spec.ranks import rank_of_environment
from grokcore.storage import Store, open_store
from grokcore.telemetry.trackers.settings import trackers_of
from grokcore.telemetry.trackers.tracking import check_places
from grokcore.telemetry.webhook import webhook_url
from grokcore.training.costs import SMALL_STEP, flops_of_model
from grokcore.training.metrics_server import serve_metrics
from grokcore.training.seeds.jobs import Job, Listener, Outcome, run_job
from grokcore.training.seeds.pool import train_in_processes
from grokcore.training.signals import stop_on_signal

Strategy = Literal["processes", "sequence", "stacked"]

_SEVERITY = (EXIT_STOPPED, EXIT_TRANSIENT, 1, EXIT_BAD_INPUT)
"""Exit codes of several failures in order of precedence: first those after which the same call can go further."""


def directory_of(seed: int) -> str:
    """Return the name of a seed's run directory."""
    return f"seed-{seed}"


def train_seeds(
    specs: Sequence[ExperimentSpec],
    data: str | Path,
    out: str | Path | Sequence[str | Path],
    *,
    resume: Resume = "auto",
    strategy: Strategy | None = None,
    stop_with_parent: bool = False,
    track: Sequence[str] | None = None,
    on_evaluation: Callable[[int, JournalLine], None] = lambda seed, line: None,
    on_end: Callable[[int, TrainResult | GrokcoreError], None] = lambda seed, outcome: None,
    notify: Callable[[str], None] = lambda line: None,
) -> list[TrainResult]:
    """Train specs that differ only in their seed, each in its own directory, or resume them.

    Each seed is trained on one device, so that `engine: auto` is the native one here; with DeepSpeed the seeds on a GPU
    are trained one after another.

    The run of seed 3 in `out/seed-3` equals that of `train_model(spec, data, "out/seed-3")`: bit for bit on a CPU,
    given the same processor, torch, C kernels and `training.threads`, which is one for either by default. A seed that
    fails does not affect the others.

    Args:
        specs: one spec per seed.
        data: path or URI of the dataset that all of them share.
        out: path or URI of the place of the runs; or the place of each run itself, in the order of the specs.
        resume: as in `train_model`, for each run.
        strategy: `processes` trains on the CPU, one seed per process at a time, as many processes at once as the cores
            hold (of `training.threads` threads each); `sequence` trains one seed after another in this
            process; `stacked` trains all of them side by side in it, with their weights stacked, equal to single runs
            up to rounding. None takes processes on the CPU; on a GPU it stacks small models and takes the sequence for
            those that fill it alone.
        stop_with_parent, track: as in `train_model`.
        on_evaluation: called with the seed and each new line of its journal.
        on_end: called with the seed and its result or error.
        notify: called with a line about resuming, once for each remark on all seeds, and for each seed that failed, at
            the end.

    Returns:
        The results, in the order of the specs.

    Raises:
        InputError: before anything is trained: the specs differ in more than their seed, cannot run here, the data are
            not theirs, or `out` holds something else.
        StoppedError: SIGINT or SIGTERM; all states are saved, and the same call continues from there.
        GrokcoreError: some seeds failed; of the class whose exit code tells best what to do next.
    """
    resolved = [resolve(spec, devices=1) for spec in specs]
    jobs = _jobs(resolved, data, _places(resolved, out), resume, track)
    if strategy is None:
        strategy = best_strategy(resolved[0], jobs[0])
    if strategy not in STRATEGIES:
        raise InputError(f"strategy={strategy!r} is not known; allowed are {', '.join(get_args(Strategy))}")
    if strategy == "stacked" and (obstacle := why_not_stacked(resolved[0])) is not None:
        raise InputError(f"strategy=stacked does not go with {obstacle}: use strategy=sequence")
    shared = remarks_before(resolved[0], open_dataset(data).info.splits)
    for remark in shared:
        notify(remark)

    def tell_remark(job: Job, line: str) -> None:
        if line not in shared:
            notify(f"seed {job.seed}: {line}")

    listener = Listener(
        on_begin=lambda job: None,
        on_evaluation=lambda job, line: on_evaluation(job.seed, line),
        on_remark=tell_remark,
        on_end=lambda job, outcome: on_end(job.seed, outcome),
        notify=notify,
    )
    if resolved[0].training.engine == "deepspeed" and strategy == "sequence" and len(jobs) > 1:
        notify("training.engine=deepspeed trains one seed after another; on one GPU, native trains several at once")
    with stop_on_signal(with_parent=stop_with_parent) as stop, serve_metrics(notify, stop):
        outcomes = STRATEGIES[strategy](jobs, listener)
    return _all_or_worst({job.seed: outcome for job, outcome in zip(jobs, outcomes, strict=True)}, notify)


def _places(specs: Sequence[ExperimentSpec], out: str | Path | Sequence[str | Path]) -> list[Store]:
    """Return the place of each run."""
    if not isinstance(out, str | Path):
        if len(out) != len(specs):
            raise InputError(f"there are {len(specs)} seeds and {len(out)} places: give one for each")
        return [open_store(place) for place in out]
    store = open_store(out)
    if store.find(MANIFEST) is not None:
        raise InputError(f"{store} is a run itself: choose another place for the runs of several seeds")
    return [store.child(directory_of(spec.seed)) for spec in specs]


def _jobs(
    specs: Sequence[ExperimentSpec],
    data: str | Path,
    runs: Sequence[Store],
    resume: Resume,
    track: Sequence[str] | None,
) -> list[Job]:
    """Make one job per spec, after checking all that can be checked before training."""
    _check_seeds(specs)
    together = rank_of_environment().world_size
    if together > 1:
        raise InputError(
            f"several seeds are trained by one process, and there are {together}: start it without torchrun"
        )
    check_hardware(specs[0])
    webhook_url()  # fail early on an invalid webhook URL
    trackers = trackers_of(track)
    for run, spec in zip(runs, specs, strict=True):
        check_places(trackers, run)
        check_place(run, spec, resume)
    open_dataset(data, expected_id=specs[0].dataset_id)
    if importlib.util.find_spec("torch") is None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")
    place = open_store(data).uri  # absolute, for worker processes
    return [Job(spec, place, run.uri, resume, track=trackers) for run, spec in zip(runs, specs, strict=True)]


def best_strategy(spec: ExperimentSpec, job: Job) -> Strategy:
    """Return the fastest strategy for seeds of this spec on its device; `job` is one of them."""
    if resolve_device(spec.training.device) == "cpu":
        return "processes"
    small = flops_of_model(spec, open_dataset(job.data).info) < SMALL_STEP
    return "stacked" if small and why_not_stacked(spec) is None else "sequence"


def why_not_stacked(spec: ExperimentSpec) -> str | None:
    """Return the setting that keeps seeds of this spec from being stacked, or None."""
    if spec.training.engine != "native":
        return f"training.engine={spec.training.engine}"
    if spec.model.implementation != "fast":
        return f"model.implementation={spec.model.implementation}"
    if getattr(spec.model, "dropout", 0.0):
        return "dropout, whose draws would not be those of single runs"
    if spec.training.precision == "fp16":
        return "training.precision=fp16, whose loss scale skips steps of one seed and not of another"
    if spec.training.schedule == "phase":
        return "training.schedule=phase, whose learning rate drops at another step with every seed"
    if spec.training.freeze_on:
        return "training.freeze_on, which freezes weights at another step with every seed"
    if others := [source for source in plugins_of(spec) if source.kind != "task"]:
        return f"{others[0].kind} `{others[0].name}`, which is not grokcore's own"
    if spec.training.on_nonfinite != "stop":
        return f"training.on_nonfinite={spec.training.on_nonfinite}, which treats one seed's steps unlike another's"
    return None


def _check_seeds(specs: Sequence[ExperimentSpec]) -> None:
    if not specs:
        raise InputError("there is no seed to train: give at least one")
    if any(spec.model_copy(update={"seed": specs[0].seed}) != specs[0] for spec in specs):
        raise InputError("the specs of several seeds may differ in nothing but their seed")
    if len({spec.seed for spec in specs}) < len(specs):
        raise InputError("a seed is named twice: name each once")
    if len({spec.run_id for spec in specs}) < len(specs):
        raise InputError(
            "model.seed and training.seed are both set, so that all seeds give the same run: leave out one of them"
        )


def train_in_sequence(jobs: Sequence[Job], listener: Listener) -> list[Outcome]:
    """Do one job after another in this process; after a signal no other is started."""
    outcomes: list[Outcome] = [None] * len(jobs)
    for number, job in enumerate(jobs):
        listener.on_begin(job)
        outcome = outcomes[number] = run_job(
            job,
            on_evaluation=partial(listener.on_evaluation, job),
            notify=partial(listener.on_remark, job),
        )
        listener.on_end(job, outcome)
        if isinstance(outcome, StoppedError):
            break
    return outcomes


def _train_stacked(jobs: Sequence[Job], listener: Listener) -> list[Outcome]:
    from grokcore.training.seeds.stacked import train_stacked  # the one strategy that needs torch in this process

    return train_stacked(jobs, listener)


STRATEGIES: Mapping[Strategy, Callable[[Sequence[Job], Listener], list[Outcome]]]
STRATEGIES = {"processes": train_in_processes, "sequence": train_in_sequence, "stacked": _train_stacked}


def worst_kind(errors: Iterable[GrokcoreError]) -> type[GrokcoreError]:
    """Return the class of the error whose exit code takes precedence."""
    return type(min(errors, key=lambda error: _SEVERITY.index(error.exit_code)))


def _all_or_worst(outcomes: Mapping[int, Outcome], notify: Callable[[str], None]) -> list[TrainResult]:
    """Return all results, or notify of each seed that failed and raise an error that sums up what is missing."""
    results = [outcome for outcome in outcomes.values() if isinstance(outcome, TrainResult)]
    if len(results) == len(outcomes):
        return results
    failed = {
        seed: outcome
        for seed, outcome in outcomes.items()
        if isinstance(outcome, GrokcoreError) and not isinstance(outcome, StoppedError)
    }
    for seed, error in failed.items():
        notify(f"seed {seed} failed: {error}")
    stopped = len(outcomes) - len(results) - len(failed)
    if stopped:
        raise StoppedError(
            f"stopped with {stopped} of {len(outcomes)} seeds unfinished; the same command goes on from there"
        )
    numbers = ", ".join(str(seed) for seed in failed)
    raise worst_kind(failed.values())(
        f"{len(failed)} of {len(outcomes)} seeds failed ({numbers}); the other runs are complete"
    )
