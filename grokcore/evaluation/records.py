"""Runs whose evaluation is checked against their journal, or brought up to date from it."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal

from grokcore.data.info import read_info
from grokcore.errors import GrokcoreError, InputError
from grokcore.evaluation.contradictions import check_against_journal
from grokcore.evaluation.judging import Judgeable, assemble, times_in
from grokcore.evaluation.phases import evidence
from grokcore.runs.evaluation import Evaluation, Times
from grokcore.runs.record import RunRecord, UnusableError, read_run, runs_at
from grokcore.storage import CONCURRENT_READS, Store, open_store, open_stores
from grokcore.tasks import Role

Unfinished = Literal["refuse", "skip", "show", "judge"]
"""How to treat runs whose evaluation is missing or outdated: `show` brings an outdated one up to date for the reader,
from the journal, and refuses one that is missing; `judge` judges that by its journal, too, with the splits that its
dataset names, and skips a run whose dataset is out of reach."""


def read_records(
    places: Sequence[str | Path],
    *,
    evaluations: Sequence[str | Path] | None = None,
    unfinished: Unfinished = "refuse",
    notify: Callable[[str], None] = lambda line: None,
) -> list[RunRecord]:
    """Read the runs at some places, in the order of the places, and of their URIs below each.

    A run that is found twice, under another key or through another place, counts once: the copy that went further is
    kept. Two seeds of a sample must not be one and the same.

    Args:
        places: run directories, or anything below which runs lie: a path, a `file://` or an `s3://` URI.
        evaluations: the runs' evaluations in the order of the places, where they do not lie in the run directories.
        unfinished: how to treat runs without an evaluation, or with one of fewer steps than they have by now, and those
            that this version of grokcore would not have made.
        notify: called with a line for each run that is left out, and with one for all that are there twice.

    Raises:
        InputError: there is no run, a file of one is missing or damaged, or a run waits for `grokcore evaluate`.
        TransientError: a store could not be reached.
    """
    if isinstance(places, str | Path) or isinstance(evaluations, str | Path):
        raise InputError("runs and evaluations are lists of places, not a single one")
    if not places:
        raise InputError("name at least one run, or a place below which runs lie")
    sources = _sources(places, evaluations)
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        found = list(pool.map(partial(_read_or_reason, unfinished=unfinished), open_stores(sources), sources.values()))
    records = []
    for one in found:
        if isinstance(one, RunRecord):
            records.append(one)
        elif unfinished in ("skip", "judge"):
            notify(f"left out: {one}")
        else:
            raise one
    if not records:
        raise InputError(
            f"none of the {len(found)} runs is evaluated and of this version; for the former: grokcore evaluate RUN"
        )
    return _each_once(records, notify)


def _sources(places: Sequence[str | Path], evaluations: Sequence[str | Path] | None) -> dict[str, str | Path | None]:
    """The URIs of the runs, each with the place of its evaluation where it lies elsewhere."""
    if evaluations is None:
        with ThreadPoolExecutor(CONCURRENT_READS) as pool:
            return dict.fromkeys(uri for found in pool.map(runs_at, open_stores(places)) for uri in found)
    if len(evaluations) != len(places):
        raise InputError(
            f"there are {len(places)} runs and {len(evaluations)} evaluations; give one evaluation per run, in order"
        )
    return {run.uri: evaluation for run, evaluation in zip(open_stores(places), evaluations, strict=True)}


def _read_or_reason(run: Store, evaluation: str | Path | None, unfinished: Unfinished) -> RunRecord | UnusableError:
    record = read_run(run, evaluation=evaluation)
    try:
        return checked(record)
    except UnusableError as reason:
        if unfinished == "show" and record.result is not None:
            return _from_journal(record, _splits_of(record.evaluation), reason)
        return _judged(record, reason) if unfinished == "judge" else reason


def read_record(run: str | Store) -> RunRecord:
    """Read the evaluated run in a directory.

    Raises:
        UnusableError: it is not evaluated, or has gone on since, or its spec makes another run by now.
        InputError: a file is missing or damaged, or belongs to another run.
        TransientError: the store could not be reached.
    """
    return checked(read_run(run))


def checked(record: RunRecord) -> RunRecord:
    """Return a record once its evaluation is known to be that of its spec and of its whole journal.

    Raises:
        UnusableError: the run is not evaluated, or has gone on since, or its spec makes another run by now.
        InputError: evaluation and journal contradict each other.
    """
    uri, spec, journal, evaluation = record.uri, record.spec, record.journal, record.evaluation
    _check_identity(record)
    last = journal[-1]["step"] if journal else None
    if evaluation.step != last:
        raise UnusableError(
            f"{uri} was evaluated at step {evaluation.step}, but its journal ends at {last}; bring it up to date with: "
            f"grokcore evaluate {shlex.quote(uri)}"
        )
    if evaluation.splits.keys() != journal[-1]["splits"].keys():
        raise InputError(f"{uri} is damaged: its evaluation does not have the splits of its journal")
    _check_times(record)
    accuracies = {name: {"accuracy": split.accuracy} for name, split in evaluation.splits.items()}
    check_against_journal(spec, journal[-1], {"train": {"accuracy": evaluation.train.accuracy}, **accuracies}, uri)
    return record


def _check_identity(record: RunRecord) -> None:
    uri, spec, manifest = record.uri, record.spec, record.manifest
    if spec.training.precision == "auto" or spec.run_id != manifest.run_id:
        raise UnusableError(
            f"{uri} is run {manifest.run_id}, which its spec.yaml does not make: either it was changed, or the run was "
            "made by a version of grokcore with other data or curves; leave it out or train it anew"
        )
    if record.evaluation.evaluation_id != spec.evaluation_id:
        raise UnusableError(
            f"{uri} was evaluated by other rules than its spec's; bring it up to date with: "
            f"grokcore evaluate {shlex.quote(uri)}"
        )


def _check_times(record: RunRecord) -> None:
    """Check the times of an evaluation against the journal that they were read off."""
    uri, spec, evaluation = record.uri, record.spec, record.evaluation
    seen = evidence(record.journal, spec.training)
    recorded = {"train": evaluation.memorized, **evaluation.held_out}
    if not recorded.keys() - {"train"} <= evaluation.splits.keys():
        raise InputError(f"{uri} is damaged: its evaluation judges a split that was not measured")
    same = all(_steps(times) == _steps(times_in(seen, split, spec)) for split, times in recorded.items())
    if not same or evaluation.censored_at != seen.steps[-1]:
        raise UnusableError(
            f"{uri} was evaluated by a version of grokcore that read other times off its journal; bring it up to date "
            f"with: grokcore evaluate {shlex.quote(uri)}"
        )


def _steps(times: Times) -> list[int | None]:
    return [None if time is None else time.steps for time in (times.first_crossing, times.sustained, times.stable)]


def _judged(record: RunRecord, reason: UnusableError) -> RunRecord | UnusableError:
    """Judge a run by its journal, or tell why it cannot be judged."""
    try:
        if record.result is not None:
            return _from_journal(record, _splits_of(record.result), reason)
        return _from_journal(record, read_info(open_store(record.manifest.dataset.uri)).splits, reason)
    except UnusableError as obstacle:
        return obstacle
    except GrokcoreError:  # the dataset is not where it was
        return reason


def _from_journal(record: RunRecord, splits: Mapping[str, Judgeable], reason: UnusableError) -> RunRecord:
    """Judge a run by its journal alone, up to its last line, and add a remark that says so.

    Raises:
        UnusableError: the journal holds no evaluation, or one of other splits.
    """
    if not record.journal:
        raise UnusableError(f"{record.uri} holds no evaluation yet: let the run train up to its first one") from None
    last = record.journal[-1]
    if not last["splits"].keys() <= splits.keys():
        raise reason
    known = {name: splits[name] for name in last["splits"]}
    result = assemble(record.spec, known, record.journal, last["train"], last["splits"], record.manifest.exit_reason)
    result = result.model_copy(update={"run_id": record.manifest.run_id})
    result.remarks.insert(0, f"{reason}; until then figures are those of its journal up to step {last['step']:,}")
    return replace(record, result=result)


def _splits_of(evaluation: Evaluation) -> Mapping[str, Judgeable]:
    """Role, size and majority baseline by split, from an outdated evaluation."""
    return {
        name: _Split(split.role, split.examples, split.majority_baseline) for name, split in evaluation.splits.items()
    }


@dataclass(frozen=True)
class _Split:
    role: Role
    probes: int
    majority_baseline: float


def _each_once(records: Sequence[RunRecord], notify: Callable[[str], None]) -> list[RunRecord]:
    kept: dict[tuple[str, str], RunRecord] = {}
    left_out: list[tuple[RunRecord, RunRecord]] = []
    for record in records:
        key = record.manifest.run_id, record.evaluation.evaluation_id
        other = kept.setdefault(key, record)
        if other is record:
            continue
        longer, shorter = (record, other) if record.evaluation.step > other.evaluation.step else (other, record)
        kept[key] = longer
        left_out.append((shorter, longer))
    if left_out:
        shorter, longer = left_out[0]
        more = f", and so are {len(left_out) - 1} more the same as others" if len(left_out) > 1 else ""
        notify(f"left out: {shorter.uri} is the same run as {longer.uri}, seed included{more}")
    return list(kept.values())
