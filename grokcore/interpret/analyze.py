"""Analyze the checkpoints of a run: load each step, measure it, and write the numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

import torch
from pydantic import ValidationError

from grokcore.data import Dataset, open_dataset
from grokcore.errors import InputError
from grokcore.evaluation.threads import cpu_threads
from grokcore.interpret.cases import Case, case_builder, cases_of
from grokcore.interpret.number import Number
from grokcore.interpret.registry import ANALYSES
from grokcore.interpret.result import Analysis, write_analysis
from grokcore.interpret.spec import AnalysisSpec
from grokcore.interpret.subject import Subject
from grokcore.models import SavedModels, SequenceModel, load_model
from grokcore.models.files import CONFIG, WEIGHTS
from grokcore.runs.record import RunRecord, read_head, read_trained
from grokcore.runs.seal import check_model
from grokcore.spec import ExperimentSpec, resolve_device
from grokcore.storage import local_copy, open_store

MILESTONES, ALL = "milestones", "all"


def analyze_model(
    run: str | Path,
    *,
    data: str | Path | None = None,
    model: str | Path | None = None,
    steps: str | Sequence[int] = MILESTONES,
    analyses: Sequence[str] | None = None,
    examples: int = 300,
    seed: int = 0,
    out: str | Path | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> Analysis:
    """Analyze saved steps of a run, and write analysis.json and analysis.parquet.

    Both are written at the end, so that an interrupted analysis leaves an earlier one as it was. The numbers are a pure
    function of run, step, and the arguments `analyses`, `examples` and `seed`.

    Args:
        run: its directory, a path or URI; it may still be training.
        data: the dataset; by default the one that the manifest names.
        model: the folder of the final model, to be analyzed alone where the run's own weights cannot be reached.
        steps: `milestones` (where a phase began, and the last step), `all` that are saved, or steps, as numbers or as
            text such as `1000,2000`.
        analyses: names in `ANALYSES`; by default those that are on.
        examples: questions of each split.
        seed: of what is drawn: questions, donors, intervals.
        out: directory to write to; by default the run's own.
        notify: called with a line after every step, and for every analysis that does not apply.

    Raises:
        InputError: there is no run, no such step or analysis, the task has no cases, or the data are not the run's.
        TransientError: a store could not be reached.
    """
    spec = _spec(analyses, examples, seed)
    store = open_store(run)
    record = read_head(store)
    task = record.spec.task.kind
    case_builder(record.spec)
    if model is None:
        saved = SavedModels(run)
        chosen, phases = chosen_steps(run, saved, steps), saved.milestones
        load: Callable[..., SequenceModel] = saved.load
    else:
        chosen, phases = [_step_of(record, run, model)], {}

        def load(step: int) -> SequenceModel:
            return load_model(model)

    uri = data if data is not None else record.manifest.dataset.uri
    dataset = open_dataset(uri, expected_id=record.spec.dataset_id)
    cases = cases_of(record.spec, dataset, examples=spec.examples, seed=spec.seed)
    left_out = _left_out(spec, task)
    for name, reason in left_out.items():
        notify(f"{name} is left out: {reason}")
    rows: list[tuple[int, str, Number]] = []
    layers = 0
    for subject in _subjects(load, record.spec, dataset, spec, cases, chosen):
        layers = subject.model.layers
        before = len(rows)
        rows += measured(subject, left_out)
        place = f"{chosen.index(subject.step) + 1} of {len(chosen)}"
        notify(f"step {subject.step:,} ({place}): {len(rows) - before:,} numbers")
    document = _document(record, spec, chosen, phases, cases, left_out, layers)
    return write_analysis(store if out is None else open_store(out), document, rows)


def measured(subject: Subject, left_out: Iterable[str] = ()) -> Iterator[tuple[int, str, Number]]:
    """Return the numbers of every analysis of one step, as (step, analysis, number)."""
    for name in subject.analysis.analyses:
        if name not in left_out:
            yield from ((subject.step, name, number) for number in ANALYSES[name].measure(subject))


def chosen_steps(run: str | Path, models: SavedModels, steps: str | Sequence[int]) -> list[int]:
    """Return the saved steps that are asked for, ascending.

    Raises:
        InputError: a step is not saved, or none is.
    """
    saved = models.steps
    if not saved:
        raise InputError(f"{run} has no weights yet: its training has saved no checkpoint")
    if steps == ALL:
        return saved
    if steps == MILESTONES:
        return sorted({*models.milestones.values(), saved[-1]})
    if isinstance(steps, str):
        steps = numbers_of(steps)
    known = ", ".join(map(str, saved))
    if not steps:
        raise InputError(f"steps is empty: give some of {known}")
    missing = sorted(set(steps) - set(saved))
    if missing:
        raise InputError(f"{run} has no weights of step {missing[0]}: saved are {known}")
    return sorted(set(steps))


def numbers_of(text: str) -> list[int]:
    """Return the steps of a text such as `1000,2000`.

    Raises:
        InputError: it is none.
    """
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"steps={text}: give {MILESTONES}, {ALL}, or steps such as 1000,2000") from None


def _step_of(record: RunRecord, run: str | Path, model: str | Path) -> int:
    """Return the step of a run's final model, which is elsewhere.

    Raises:
        InputError: it is not the one that the run ended with, or the run has not ended.
    """
    if record.manifest.exit_reason in (None, "stopped"):
        raise InputError(f"{run} has not ended, and has no final model: analyze its checkpoints")
    with local_copy(model, (CONFIG, WEIGHTS)) as folder:
        check_model(record.manifest.seal, folder, (CONFIG, WEIGHTS))
    return int(read_trained(run).journal[-1]["step"])


def _spec(analyses: Sequence[str] | None, examples: int, seed: int) -> AnalysisSpec:
    fields = {"examples": examples, "seed": seed} | ({} if analyses is None else {"analyses": tuple(analyses)})
    try:
        return AnalysisSpec(**fields)
    except ValidationError as error:
        problem = error.errors()[0]
        raise InputError(
            f"{'.'.join(map(str, problem['loc']))}: {problem['msg'].removeprefix('Value error, ')}"
        ) from None


def _left_out(spec: AnalysisSpec, task: str) -> dict[str, str]:
    """Return the analyses that are not defined for a kind of task, with the reason."""
    return {
        name: f"it is for {', '.join(ANALYSES[name].tasks)}"
        for name in spec.analyses
        if ANALYSES[name].tasks and task not in ANALYSES[name].tasks
    }


def _subjects(
    load: Callable[..., SequenceModel],
    spec: ExperimentSpec,
    dataset: Dataset,
    analysis: AnalysisSpec,
    cases: Sequence[Case],
    steps: Sequence[int],
) -> Iterator[Subject]:
    """Load one step after the other; one model is in memory at a time, and the last one where it is asked for."""
    device = torch.device(resolve_device("auto"))

    def loaded(step: int) -> SequenceModel:
        return load(step=step).to(device).eval()

    @cache
    def last() -> SequenceModel:
        return loaded(steps[-1])

    kept: dict[str, object] = {}
    with cpu_threads(spec.training.threads, device):
        for step in steps:
            model = last() if step == steps[-1] else loaded(step)
            yield Subject(spec, dataset, analysis, cases, model, step, last, kept)


def _document(
    record: RunRecord,
    spec: AnalysisSpec,
    steps: list[int],
    phases: dict[str, int],
    cases: Sequence[Case],
    left_out: dict[str, str],
    layers: int,
) -> dict[str, object]:
    return {
        "run_id": record.manifest.run_id,
        "task": record.spec.task.kind,
        "architecture": record.spec.model.architecture,
        "layers": layers,
        "analysis": spec.document(),
        "analysis_id": spec.id,
        "steps": steps,
        "milestones": phases,
        "questions": [
            {
                "split": case.split,
                "roles": list(case.roles),
                "examples": len(case),
                "total": case.total,
                "targets": [target.name for target in case.targets],
                "counterfactuals": list(case.counterfactuals),
            }
            for case in cases
        ],
        "left_out": left_out,
    }
