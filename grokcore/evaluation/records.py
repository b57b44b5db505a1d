"""Evaluated runs as an analysis reads them, and the groups of them that differ in their seeds alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from grokcore.errors import InputError
from grokcore.evaluation.contradictions import check_against_journal
from grokcore.evaluation.curves import Lines, evidence
from grokcore.evaluation.fields import fields_of, telling
from grokcore.evaluation.judging import times_in
from grokcore.evaluation.replicates import Replicate, by_draw, replicate_of
from grokcore.evaluation.seeds import group_key, grouped
from grokcore.runs import JOURNAL, MANIFEST, Manifest, read_journal, read_manifest
from grokcore.runs.artifacts import RUN_FILES
from grokcore.runs.evaluation import EVALUATION, Evaluation, Times
from grokcore.runs.journal import checked_lines
from grokcore.runs.manifest import DELETING, files_by_run
from grokcore.runs.seal import check_document, check_record
from grokcore.spec import ExperimentSpec, read_spec, validate
from grokcore.storage import Store, local_copy, open_store, read_json

_AT_ONCE = 8
"""Runs that are read at the same time: on object storage each costs a few round trips."""


class UnusableError(InputError):
    """A run that is whole, but not to be compared as it is: it waits for its evaluation, or another version made it."""


@dataclass(frozen=True)
class RunRecord:
    """One evaluated run, read, and each of its files held against the others.

    Attributes:
        uri: the run's directory.
        journal: the lines of metrics.jsonl, in order; the last is the one that `evaluation` was made at.
        verified: whether the files are those that were written, by their hashes; older versions kept none.
    """

    uri: str
    spec: ExperimentSpec
    manifest: Manifest
    journal: list[dict[str, Any]]
    evaluation: Evaluation
    verified: bool = False


@dataclass(frozen=True)
class Group:
    """Runs that differ in their seeds alone: of initialisation, of order, and of the draw of the data.

    Attributes:
        label: what tells this group from the others it was found with: `architecture gpt2`, `values 20, weight_decay
            0.1`; unique among them.
        settings: the fields that the label is made from, by their dotted names; empty where there is but one group.
        runs: in the order of their draws of the data, then of their seeds.
    """

    label: str
    settings: Mapping[str, Any]
    runs: tuple[RunRecord, ...]

    @property
    def spec(self) -> ExperimentSpec:
        """The spec of the first run, which is every run's but for the seeds and the budget."""
        return self.runs[0].spec

    @property
    def draws(self) -> tuple[int, ...]:
        """The draws of the data (`task.seed`) that its runs were trained on, ascending."""
        return tuple(by_draw(self.runs))


def read_records(
    places: Sequence[str | Path],
    *,
    unfinished: Literal["refuse", "skip"] = "refuse",
    notify: Callable[[str], None] = lambda line: None,
) -> list[RunRecord]:
    """The evaluated runs at some places, in the order of the places, and of their URIs below each.

    A run that is found twice, under another key or through another place, counts once: the copy that went further is
    kept. Two seeds of a sample must not be one and the same.

    Args:
        places: run directories, or anything below which runs lie: a path, a `file://` or an `s3://` URI.
        unfinished: what becomes of runs without an evaluation, or with one of fewer steps than they have by now, and of
            those that this version of grokcore would not have made.
        notify: called with a line for each run that is left out, and with one for all that are there twice.

    Raises:
        InputError: there is no run, a file of one is missing or damaged, or a run waits for `grokcore evaluate`.
        TransientError: a store could not be reached.
    """
    if isinstance(places, str | Path):
        raise InputError("places is a list of places, not a single one")
    if not places:
        raise InputError("name at least one run, or a place below which runs lie")
    uris = list(dict.fromkeys(uri for place in places for uri in _runs_at(open_store(place))))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = list(pool.map(_read_or_reason, uris))
    records = []
    for one in found:
        if isinstance(one, RunRecord):
            records.append(one)
        elif unfinished == "refuse":
            raise one
        else:
            notify(f"left out: {one}")
    if not records:
        raise InputError(
            f"none of the {len(uris)} runs here is evaluated and of this version; for the former: grokcore evaluate RUN"
        )
    return _each_once(records, notify)


def _runs_at(store: Store) -> Iterator[str]:
    """URIs of the runs at a place: the place itself, or all below it; those half deleted are runs no more."""
    if store.find(MANIFEST) is not None:
        yield store.uri
        return
    found = files_by_run(store.files())
    whole = [place for place, files in sorted(found.items()) if not _is_half_deleted(place, files)]
    if not whole:
        raise InputError(f"there is no run at {store} or below it: no {MANIFEST}")
    for place in whole:
        yield store.uri_of(place)


def _is_half_deleted(place: str, files: Sequence[Any]) -> bool:
    return any(file.key == f"{place}/{DELETING}".lstrip("/") for file in files)


def _read_or_reason(uri: str) -> RunRecord | UnusableError:
    try:
        return read_record(uri)
    except UnusableError as error:
        return error


def read_record(uri: str) -> RunRecord:
    """The evaluated run in a directory.

    Raises:
        UnusableError: it is not evaluated, or has gone on since, or its spec makes another run by now.
        InputError: a file is missing or damaged, or belongs to another run.
        TransientError: the store could not be reached.
    """
    with local_copy(uri, (*RUN_FILES, EVALUATION)) as directory:
        manifest = read_manifest(directory)
        verified = check_record(directory, uri)
        spec = read_spec(directory / "spec.yaml")
        if not (directory / EVALUATION).exists():
            raise UnusableError(f"{uri} has no evaluation yet; make one with: grokcore evaluate {uri}")
        journal = checked_lines(read_journal(directory / JOURNAL), directory / JOURNAL)
        try:
            result = read_json(directory / EVALUATION)
            verified &= check_document(result, directory / EVALUATION, f"make it anew with: grokcore evaluate {uri}")
            evaluation: Evaluation = validate(Evaluation, result)
        except InputError as error:
            raise InputError(f"{directory / EVALUATION} is damaged or of another version: {error}") from None
    _check_identity(uri, spec, manifest, evaluation)
    last = journal[-1]["step"] if journal else None
    if evaluation.step != last:
        raise UnusableError(
            f"{uri} was evaluated at step {evaluation.step}, but its journal ends at {last}; bring it up to date with: "
            f"grokcore evaluate {uri}"
        )
    if evaluation.splits.keys() != journal[-1]["splits"].keys():
        raise InputError(f"{uri} is damaged: its evaluation does not have the splits of its journal")
    _check_judgement(uri, spec, journal, evaluation)
    accuracies = {name: {"accuracy": split.accuracy} for name, split in evaluation.splits.items()}
    check_against_journal(spec, journal[-1], {"train": {"accuracy": evaluation.train.accuracy}, **accuracies}, uri)
    return RunRecord(uri, spec, manifest, journal, evaluation, verified)


def _check_identity(uri: str, spec: ExperimentSpec, manifest: Manifest, evaluation: Evaluation) -> None:
    if spec.training.precision == "auto" or spec.run_id != manifest.run_id:
        raise UnusableError(
            f"{uri} is run {manifest.run_id}, which its spec.yaml does not make: either it was changed, or the run was "
            "made by a version of grokcore with other data or curves; leave it out or train it anew"
        )
    if evaluation.run_id != manifest.run_id:
        raise InputError(f"{uri} holds the evaluation of run {evaluation.run_id}, but is run {manifest.run_id}")
    if evaluation.evaluation_id != spec.evaluation_id:
        raise UnusableError(
            f"{uri} was evaluated by other rules than its spec's; bring it up to date with: grokcore evaluate {uri}"
        )


def _check_judgement(uri: str, spec: ExperimentSpec, journal: Lines, evaluation: Evaluation) -> None:
    """Hold the times of an evaluation against the journal that they were read off."""
    seen = evidence(journal, spec.training)
    judged = {"train": evaluation.memorized, **evaluation.held_out}
    if not judged.keys() - {"train"} <= evaluation.splits.keys():
        raise InputError(f"{uri} is damaged: its evaluation judges a split that was not measured")
    same = all(_steps(times) == _steps(times_in(seen, split, spec)) for split, times in judged.items())
    if not same or evaluation.censored_at != seen.steps[-1]:
        raise UnusableError(
            f"{uri} was evaluated by a version of grokcore that read other times off its journal; bring it up to date "
            f"with: grokcore evaluate {uri}"
        )


def _steps(times: Times) -> list[int | None]:
    return [None if time is None else time.steps for time in (times.first_crossing, times.sustained, times.stable)]


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


def groups_of(records: Sequence[RunRecord]) -> list[Group]:
    """Runs that differ in their seeds alone, together; groups in the order of what tells them apart.

    Runs on several draws of the data are one group: `replicates.by_draw` tells them apart again.

    Names and budgets keep no runs apart: no result depends on them. The rules by which phases are judged do.
    """
    groups = grouped(records, lambda record: group_key(record.spec)[1:])
    fields = [fields_of(group[0].spec) for group in groups]
    names = telling(fields)
    settings = [{name: found[name] for name in names if name in found} for found in fields]
    labels = labels_of(settings) if len(groups) > 1 else [group[0].spec.name for group in groups]
    made = [
        Group(label, chosen, tuple(sorted(group, key=_by_seed)))
        for label, chosen, group in zip(labels, settings, groups, strict=True)
    ]
    return sorted(made, key=lambda group: [_order(group.settings.get(name)) for name in names])


def _by_seed(record: RunRecord) -> tuple[int, int, Replicate]:
    return record.spec.task.seed, record.spec.seed, replicate_of(record.spec)


def labels_of(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Settings in words: `values 20, weight_decay 0.1`. A name loses its section where no other ends alike."""
    names = dict.fromkeys(name for one in settings for name in one)
    ends = Counter(name.rpartition(".")[2] for name in names)
    short = {
        name: name if ends[end] > 1 or end == "seed" else end for name in names for end in [name.rpartition(".")[2]]
    }
    return [", ".join(f"{short[name]} {value_text(value)}" for name, value in one.items()) for one in settings]


def value_text(value: Any) -> str:
    """A setting as people write it: 0.001, 1e-05, true, none, [0.9, 0.98]."""
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.12g}"
    return value if isinstance(value, str) else json.dumps(value)


def _order(value: Any) -> tuple[int, float, str]:
    """Numbers ascending, then texts; what is not there first."""
    if value is None:
        return 0, 0, ""
    if isinstance(value, bool | int | float):
        return 1, float(value), ""
    return 2, 0, value_text(value)
